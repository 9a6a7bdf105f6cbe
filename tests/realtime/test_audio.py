"""Music sources against the session clock, and the ear that listens to them."""

import threading
import time

import numpy as np
import pytest
import soundfile

from duet.clock import ManualClock, MonotonicClock
from duet.music import RATE_HZ
from realtime.health import Health
from realtime.sound.audio import (
    DeviceMusic,
    FileMusic,
    GrooveMusic,
    InlineEar,
    MusicEar,
    MusicStatus,
    MusicThread,
    RecordedMusic,
    Silence,
)
from realtime.sound.look_ahead import LookAhead
from realtime.sound.music_source import KEPT_S, LONGEST_S


def read_all(source, clock, seconds, step_s=0.013):
    blocks = []
    end_s = clock.now() + seconds
    while clock.now() < end_s:
        clock.advance(step_s)
        block = source.read(clock.now())
        if block is not None:
            blocks.append(block)
    return blocks


def joined(blocks):
    return np.concatenate([b.samples for b in blocks])


# Recorded music against the session clock


def test_music_is_handed_out_when_it_has_sounded(groove):
    clock = ManualClock(3.0)
    source = GrooveMusic(groove)
    assert source.status is MusicStatus.STOPPED and source.read(9.0) is None
    source.start(clock)
    assert source.read(3.0) is None
    block = source.read(3.5)
    assert block is not None and block.time_s == 3.0 and len(block.samples) == RATE_HZ // 2
    np.testing.assert_allclose(block.samples, groove.samples[: RATE_HZ // 2].mean(axis=1), atol=1e-6)
    assert source.read(3.5) is None
    later = source.read(3.75)
    assert later is not None and later.time_s == pytest.approx(3.5)
    clock.advance(1.0)
    assert source.position_s == pytest.approx(1.0)
    assert source.started_s == 3.0


def test_after_the_end_there_is_silence(groove):
    clock = ManualClock()
    source = RecordedMusic(groove.samples[:RATE_HZ])
    source.start(clock)
    samples = joined(read_all(source, clock, 2.0))
    assert source.status is MusicStatus.ENDED
    assert len(samples) >= 2 * RATE_HZ - 700
    np.testing.assert_array_equal(samples[RATE_HZ:], 0.0)


def test_a_loop_goes_on(groove):
    clock = ManualClock()
    source = RecordedMusic(groove.samples[:RATE_HZ], loop=True)
    source.start(clock)
    samples = joined(read_all(source, clock, 2.5))
    assert source.status is MusicStatus.PLAYING
    np.testing.assert_array_equal(samples[RATE_HZ : 2 * RATE_HZ], samples[:RATE_HZ])


def test_the_soundtrack_is_the_whole_piece(tmp_path, groove):
    path = tmp_path / "g.wav"
    soundfile.write(path, groove.samples, RATE_HZ, subtype="FLOAT")
    samples, rate_hz = FileMusic(path).soundtrack
    assert rate_hz == RATE_HZ
    np.testing.assert_array_equal(samples, groove.samples)
    assert Silence().soundtrack is None and DeviceMusic().soundtrack is None


# The ear


def test_an_inline_ear_hears_causally_and_the_same_each_time(groove):
    def listen(samples, step_s):
        clock, heard = ManualClock(), []
        ear = InlineEar(RecordedMusic(samples))
        ear.start(clock)
        while clock.now() < 5.0:
            clock.advance(step_s)
            new = ear.take_new(clock.now())
            assert all(f.time_s <= clock.now() for f in new)
            heard += new
        return heard

    one, other = listen(groove.samples, 0.1), listen(groove.samples, 1.0 / 30.0)
    assert len(one) >= 148
    for a, b in zip(one, other, strict=False):
        assert a.time_s == pytest.approx(b.time_s, abs=1e-9) and a.beat_phase == b.beat_phase
        np.testing.assert_array_equal(a.features, b.features)

    changed = groove.samples.copy()
    changed[3 * RATE_HZ :] = 0.0
    for a, b in zip(one, listen(changed, 0.1), strict=False):
        if a.time_s < 2.9:
            np.testing.assert_array_equal(a.features, b.features)
            assert a.beat_phase == b.beat_phase


def test_silence_keeps_the_frames_coming_without_confidence():
    clock = ManualClock()
    ear = InlineEar(Silence())
    ear.start(clock)
    clock.advance(3.0)
    frames = ear.take_new(clock.now())
    assert len(frames) >= 88
    assert {f.confidence for f in frames} == {0.0}
    assert ear.status is MusicStatus.PLAYING
    ear.stop()
    assert ear.status is MusicStatus.STOPPED


@pytest.mark.parametrize("beforehand", [False, True])
def test_an_hour_in_which_nobody_listened_costs_seconds_of_sound_and_the_beat_is_found_again(groove, beforehand):
    clock, blocks, health = ManualClock(2.0), [], Health()
    # The thread is driven by hand: it knows the music beforehand, which an inline ear does not.
    ear = (MusicThread if beforehand else InlineEar)(RecordedMusic(groove.samples, loop=True))
    MusicEar.start(ear, clock, health)
    ear._ahead = LookAhead() if beforehand else None
    ear.tap = blocks.append

    def listen(seconds):
        frames = []
        for _ in range(round(seconds / 0.02)):
            clock.advance(0.02)
            ear.step(clock.now())
            frames += MusicEar.take_new(ear, clock.now())
        return frames

    before = listen(1.0)
    clock.advance(3600.0)
    after = listen(5.0)
    sizes = [len(block.samples) for block in blocks]
    assert max(sizes) <= LONGEST_S * RATE_HZ and sum(sizes) < 15 * RATE_HZ
    assert set(np.diff([f.index for f in before])) == set(np.diff([f.index for f in after])) == {1}
    assert after[0].index > before[-1].index
    assert all(3603.0 - KEPT_S < f.time_s <= clock.now() for f in after)
    assert np.diff([f.time_s for f in after]).max() < 0.05 and clock.now() - after[-1].time_s < 0.1
    late = [f for f in after if f.time_s > clock.now() - 1.5]
    assert len(late) > 40 and min(f.confidence for f in late) > 0.5
    beats_s = (np.array([f.time_s for f in late]) - 2.0 - groove.beat_times_s[0]) * 3.0
    off_s = [((beat - f.beat_phase + 0.5) % 1.0 - 0.5) / 3.0 for beat, f in zip(beats_s, late, strict=True)]
    assert abs(np.median(off_s)) < 0.03, "in step with where the music is by now"


def test_silence_of_an_hour_is_not_heard_either(sound, by_hand):
    for source in (Silence(), DeviceMusic("USB", sound)):
        source.start(by_hand)
        if isinstance(source, DeviceMusic):
            source._port.unplug()
        source.read(by_hand.now())
        by_hand.advance(3600.0)
        block = source.read(by_hand.now())
        assert block is not None and len(block.samples) == round(KEPT_S * RATE_HZ)
        assert block.time_s == pytest.approx(by_hand.now() - KEPT_S, abs=0.01)
        by_hand.advance(0.5)
        block = source.read(by_hand.now())
        assert block is not None and len(block.samples) == pytest.approx(0.5 * RATE_HZ, abs=1)
        source.stop()


def test_the_music_thread_publishes_in_time_and_counts(groove):
    clock, health = MonotonicClock(), Health()
    thread = MusicThread(GrooveMusic(groove))
    thread.start(clock, health)
    try:
        frames, deadline_s = [], time.monotonic() + 20.0
        while len(frames) < 30 and time.monotonic() < deadline_s:
            time.sleep(0.02)
            frames += thread.take_new(clock.now())
        assert len(frames) >= 30
        assert np.diff([f.index for f in frames]).tolist() == [1] * (len(frames) - 1)
        assert health.stages()["music"].n >= 1
    finally:
        thread.stop()
    assert thread.status is MusicStatus.STOPPED
    assert not any(t.name == "music" for t in threading.enumerate())


def test_an_error_of_the_ear_is_told_and_counted_and_it_listens_again(groove, caplog):
    class Torn(GrooveMusic):
        errors = 3

        def read(self, until_s):
            if self.position_s > 0.3 and self.errors:
                self.errors -= 1
                raise RuntimeError(f"torn cable {self.errors}")
            return super().read(until_s)

    thread, clock, health = MusicThread(Torn(groove)), MonotonicClock(), Health()
    thread.start(clock, health)
    try:
        frames, deadline_s = [], time.monotonic() + 60.0
        while not frames or frames[-1].time_s < 3.5:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
            frames += thread.take_new(clock.now())
    finally:
        thread.stop()
    assert health.counter("music_restarts") == 3
    assert [f.index for f in frames] == list(range(len(frames)))
    assert all(f.time_s <= clock.now() for f in frames)
    told = [r.getMessage() for r in caplog.records if r.name == "duet.music"]
    assert told == [
        "music: RuntimeError: torn cable 2; it is listened to again (music restarts)",
        "no more music restarts",
    ]
