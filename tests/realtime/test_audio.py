"""Music sources against the session clock, and the ear that listens to them."""

import threading
import time

import numpy as np
import pytest
import soundfile

from duet.clock import ManualClock, MonotonicClock
from duet.errors import DeviceError, StaleFrame
from duet.music import RATE_HZ
from realtime.health import Health
from realtime.sound.audio import (
    DeviceMusic,
    FileMusic,
    GrooveMusic,
    InlineEar,
    MusicStatus,
    MusicThread,
    RecordedMusic,
    Silence,
)


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


def test_latest_refuses_what_is_old(groove):
    clock = ManualClock()
    ear = InlineEar(GrooveMusic(groove), history_frames=10)
    with pytest.raises(StaleFrame, match="got none yet"):
        ear.latest(1.0)
    ear.start(clock)
    clock.advance(1.0)
    ear.step(clock.now())
    assert clock.now() - ear.latest(0.1).time_s < 0.06
    assert len(ear.history) == 10
    clock.advance(1.0)
    with pytest.raises(StaleFrame, match=r"at most 0\.10 s, got one of 1\.0"):
        ear.latest(0.1)


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
        assert thread.latest(5.0).index >= frames[-1].index
        assert health.stages()["music"].n >= 1
    finally:
        thread.stop()
    assert thread.status is MusicStatus.STOPPED
    assert not any(t.name == "music" for t in threading.enumerate())


def test_an_error_that_ends_the_music_thread_is_raised(groove):
    class Broken(GrooveMusic):
        def read(self, until_s):
            raise RuntimeError("torn cable")

    thread = MusicThread(Broken(groove))
    clock = MonotonicClock()
    thread.start(clock)
    try:
        deadline_s = time.monotonic() + 10.0
        while thread._failure is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
        for ask in (thread.take_new, thread.latest):
            with pytest.raises(DeviceError, match=r"expected to go on listening, got RuntimeError\('torn cable'\)"):
                ask(clock.now())
    finally:
        thread.stop()
