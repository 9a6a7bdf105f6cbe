import numpy as np
import pytest

from duet.midi_clock import MidiClock
from duet.tempo_override import TEMPO_RANGE_BPM

START, STOP, CONTINUE, TICK = b"\xfa", b"\xfc", b"\xfb", b"\xf8"


def play(clock, bpm, ticks, *, from_s=0.0, jitter_s=0.0, seed=0):
    """Push ``ticks`` ticks; the last pulse and the time of the tick that would follow."""
    rng = np.random.default_rng(seed)
    period_s, pulse = 60.0 / bpm / 24, None
    for k in range(ticks):
        pulse = clock.push(TICK, from_s + k * period_s + rng.uniform(0.0, jitter_s))
    return pulse, from_s + ticks * period_s


@pytest.mark.parametrize("bpm", [55.0, 128.0, 215.0])
def test_ticks_give_tempo_and_phase(bpm):
    clock = MidiClock()
    clock.push(START, 0.9)
    pulse, next_s = play(clock, bpm, 96, from_s=1.0)
    assert pulse.tempo_bpm == pytest.approx(bpm, rel=1e-6)
    assert pulse.beats_at(next_s) == pytest.approx(4.0)
    assert pulse.beats_at(1.0) == pytest.approx(0.0, abs=1e-6)


def test_late_ticks_are_averaged():
    clock = MidiClock()
    clock.push(START, 0.0)
    pulse, next_s = play(clock, 128.0, 240, jitter_s=0.004)
    assert pulse.tempo_bpm == pytest.approx(128.0, rel=0.006)
    assert pulse.beats_at(next_s) == pytest.approx(10.0, abs=0.02)


def test_nothing_is_claimed_before_half_a_beat_after_a_stop_or_without_ticks():
    clock = MidiClock()
    assert play(clock, 120.0, 11)[0] is None
    pulse, next_s = play(clock, 120.0, 24, from_s=1.0)
    assert pulse is not None
    assert clock.pulse_at(next_s + 0.6) is None
    assert clock.push(STOP, next_s) is None


def test_continue_goes_on_where_it_stopped_and_start_begins_again():
    clock = MidiClock()
    clock.push(START, 0.0)
    _, end_s = play(clock, 120.0, 24 * 3 + 12)
    clock.push(STOP, end_s)
    play(clock, 120.0, 24, from_s=end_s)  # a master may tick on while stopped
    clock.push(CONTINUE, 10.0)
    assert play(clock, 120.0, 24, from_s=10.0)[0].beats_at(10.0) == pytest.approx(3.5, abs=1e-6)
    clock.push(START, 20.0)
    assert play(clock, 120.0, 24, from_s=20.0)[0].beats_at(20.0) == pytest.approx(0.0, abs=1e-6)


def test_a_song_position_is_taken_even_with_ticks_in_between():
    clock = MidiClock()
    clock.push(STOP, 0.0)
    clock.push(b"\xf2\x10\xf8\x01", 0.1)  # 0x90 sixteenths: 36 beats
    clock.push(CONTINUE, 0.2)
    assert play(clock, 120.0, 24, from_s=1.0)[0].beats_at(1.0) == pytest.approx(36.0)


def test_notes_system_exclusive_and_sensing_are_skipped():
    clock = MidiClock()
    clock.push(START, 0.0)
    for k in range(48):
        pulse = clock.push(b"\x90\x3c\x40\xfe\xf0\x7e\xf8\x01\xf7", k * 60.0 / 150.0 / 24)
    assert pulse.tempo_bpm == pytest.approx(150.0)


def test_a_jump_of_tempo_is_followed_within_a_beat_and_a_half():
    clock = MidiClock()
    clock.push(START, 0.0)
    _, at_s = play(clock, 120.0, 96)
    pulse, next_s = play(clock, 150.0, 36, from_s=at_s)
    assert pulse.tempo_bpm == pytest.approx(150.0, rel=0.02)
    assert pulse.beats_at(next_s) == pytest.approx(5.5, abs=0.03)


def test_any_bytes_are_survived():
    rng, clock = np.random.default_rng(0), MidiClock()
    claimed = 0
    for k in range(800):
        garbled = rng.bytes(20) if k % 40 == 39 else b""
        pulse = clock.push(TICK * int(rng.integers(0, 3)) + garbled, k * 0.0125)
        if pulse is not None:
            claimed += 1
            assert TEMPO_RANGE_BPM[0] <= pulse.tempo_bpm <= TEMPO_RANGE_BPM[1]
            assert np.isfinite([pulse.time_s, pulse.beats]).all()
    assert 0 < claimed < 800, "now a pulse by chance, now none"
    clock.push(b"\xf7" + START, 10.0)
    pulse, _ = play(clock, 128.0, 48, from_s=10.0)
    assert pulse.tempo_bpm == pytest.approx(128.0), "what was garbled before does not matter after a start"
    assert pulse.beats_at(10.0) == pytest.approx(0.0, abs=1e-6)
