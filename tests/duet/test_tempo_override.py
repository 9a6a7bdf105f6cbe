import numpy as np
import pytest

from duet.errors import InputError
from duet.frames import MusicFrame
from duet.music import FEATURES, music_condition
from duet.tempo_override import Pulse, TapTempo, TempoOverride


def taps(times_s, tapper=None):
    tapper = tapper or TapTempo()
    for time_s in times_s:
        tapper.tap(float(time_s))
    return tapper.pulse


def off_beat(pulse, time_s) -> float:
    beats = pulse.beats_at(time_s)
    return abs(beats - round(beats))


def heard(time_s=2.25):
    features = np.full(FEATURES.size, 0.5, np.float32)
    return MusicFrame(7, time_s, features, beat_phase=0.1, bar_phase=0.2, tempo_bpm=90.0, confidence=0.3, metre=3)


def test_an_override_replaces_the_beat_and_leaves_the_sound():
    override = TempoOverride()
    unchanged = heard()
    assert override.apply(unchanged) is unchanged
    override.pulse = Pulse(time_s=1.0, beats=4.0, tempo_bpm=120.0)
    frame = override.apply(heard())
    assert (frame.beat_phase, frame.bar_phase) == pytest.approx((0.5, 2.5 / 4))
    assert (frame.tempo_bpm, frame.confidence, frame.metre, frame.index) == (120.0, 1.0, 4, 7)
    assert np.array_equal(frame.features, heard().features)
    assert music_condition(frame)[4:6] == pytest.approx([0.0, 1.0])
    override.pulse = None
    assert override.apply(heard()).tempo_bpm == 90.0


@pytest.mark.parametrize(("bpm", "metre"), [(0.0, 4), (float("nan"), 4), (1000.0, 4), (120.0, 0)])
def test_a_pulse_nobody_dances_to_is_refused(bpm, metre):
    with pytest.raises(InputError, match="expected"):
        Pulse(0.0, 0.0, bpm, metre)


def test_three_taps_give_tempo_phase_and_downbeat():
    assert taps([1.0, 1.5]) is None
    pulse = taps([1.0, 1.5, 2.0])
    assert pulse.tempo_bpm == pytest.approx(120.0)
    assert pulse.beats_at(3.0) == pytest.approx(4.0)  # the first tap was a "1"


@pytest.mark.parametrize("seed", range(5))
def test_unsteady_hands_are_averaged(seed):
    rng = np.random.default_rng(seed)
    pulse = taps(10.0 + np.arange(10) * 60.0 / 174.0 + rng.normal(0.0, 0.015, 10))
    assert pulse.tempo_bpm == pytest.approx(174.0, rel=0.015)
    assert off_beat(pulse, 10.0 + 12 * 60.0 / 174.0) < 0.08


@pytest.mark.parametrize("missed", [[1], [2], [3, 4], [2, 5]])
def test_a_missed_tap_is_counted(missed):
    times_s = np.delete(np.arange(9) * 0.4, missed)
    pulse = taps(times_s)
    assert pulse.tempo_bpm == pytest.approx(150.0, rel=0.001)
    assert pulse.beats_at(3.6) == pytest.approx(9.0)


def test_a_tap_touched_twice_is_one():
    assert taps([0.0, 0.5, 0.56, 1.0, 1.1, 1.5, 2.0]).tempo_bpm == pytest.approx(120.0, rel=0.001)


def test_one_stray_tap_does_not_bend_the_tempo():
    pulse = taps([0.0, 0.5, 1.0, 1.5, 1.9, 2.5, 3.0, 3.5])
    assert pulse.tempo_bpm == pytest.approx(120.0, rel=0.02)
    assert off_beat(pulse, 4.0) < 0.06


def test_another_tempo_or_a_pause_begins_a_new_row():
    first = np.arange(8) * 0.5
    faster = first[-1] + np.arange(1, 9) * 0.34
    assert taps(np.concatenate([first, faster])).tempo_bpm == pytest.approx(60.0 / 0.34, rel=0.02)
    later = 20.0 + np.arange(4) * 0.4
    pulse = taps(np.concatenate([first, later]))
    assert pulse.tempo_bpm == pytest.approx(150.0)
    assert pulse.beats_at(20.0) == pytest.approx(0.0, abs=1e-6)


def test_the_downbeat_survives_a_long_row():
    pulse = taps(np.arange(33) * 0.5)
    assert pulse.beats_at(16.0) == pytest.approx(32.0)
