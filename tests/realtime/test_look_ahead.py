"""Music that is known beforehand: its beat is there before a tracker could be sure of it, and none in silence."""

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.frames import MusicFrame
from duet.groove import render_groove
from duet.music import RATE_HZ
from realtime.sound.audio import MusicThread, RecordedMusic
from realtime.sound.look_ahead import AHEAD_S, STRIDE_S, LookAhead


def frame(k: int, confidence: float, bpm: float = 120.0) -> MusicFrame:
    beats = k / 30.0 * bpm / 60.0 if confidence >= 0.5 else 0.37
    return MusicFrame(k, k / 30.0, np.zeros(3, np.float32), beats % 1.0, beats / 4.0 % 1.0, bpm, confidence, 4)


def test_what_was_unsure_gets_the_beat_that_was_found_and_silence_gets_none() -> None:
    ahead = LookAhead()
    ahead.push([frame(k, 0.0) for k in range(30)], 1.0, silent=True)
    ahead.push([frame(k, 0.1) for k in range(30, 90)], 3.0, silent=False)
    ahead.push([frame(k, 0.9) for k in range(90, 120)], 4.0, silent=False)
    assert [f.index for f in ahead.due(1.5)] == list(range(46))
    rest = ahead.due(10.0)
    assert [f.index for f in rest] == list(range(46, 120)) and not ahead.due(10.0)
    assert {f.confidence for f in rest} == {0.9}
    true = np.array([f.time_s * 2.0 for f in rest])
    assert np.abs((np.array([f.beat_phase for f in rest]) - true + 0.5) % 1.0 - 0.5).max() < 1e-6
    assert np.abs((np.array([f.bar_phase for f in rest]) - true / 4.0 + 0.5) % 1.0 - 0.5).max() < 1e-6

    silent = LookAhead()
    silent.push([frame(k, 0.0) for k in range(30)], 1.0, silent=True)
    silent.push([frame(30, 0.9)], 1.03, silent=False)
    assert [f.confidence for f in silent.due(10.0)] == [0.0] * 30 + [0.9]


def test_it_listens_further_ahead_little_by_little() -> None:
    ahead, read = LookAhead(), []
    for now in np.arange(0.0, 4.0, 0.01):
        read.append(ahead.read_until(float(now)) - now)
        if now >= 1.0:  # until then the device had not begun
            ahead.push([], float(now) + read[-1], silent=False)
    assert max(np.abs(read[:101])) == pytest.approx(STRIDE_S)
    assert max(np.diff(read)) <= STRIDE_S + 1e-9
    assert read[-1] == pytest.approx(AHEAD_S)


def test_a_song_is_danced_on_its_beat_from_its_first_seconds() -> None:
    lead_in_s = 0.5
    groove = render_groove(6.0, 180.0, seed=4)
    samples = np.pad(groove.samples, [(round(lead_in_s * RATE_HZ), 0), (0, 0)])
    ear, clock = MusicThread(RecordedMusic(samples)), ManualClock(5.0)
    ear._ahead = LookAhead()  # as its thread has it; driven by hand here
    ear.source.start(clock)
    taken = []
    for _ in range(360):
        clock.advance(0.01)
        ear.step(clock.now())
        taken += ear.take_new(clock.now())
    assert all(before.index + 1 == after.index for before, after in zip(taken, taken[1:], strict=False))
    assert taken[-1].time_s <= clock.now()
    early = [f for f in taken if 1.7 < f.time_s - 5.0 - lead_in_s < 3.0]
    assert len(early) > 30 and min(f.confidence for f in early) >= 0.5
    beats_s = groove.beat_times_s + 5.0 + lead_in_s
    off_s = [np.abs(f.time_s - f.beat_phase * 60.0 / f.tempo_bpm - beats_s).min() for f in early]
    assert np.median(off_s) < 0.03
    assert max(f.confidence for f in taken if f.time_s < 5.0 + lead_in_s - 0.1) < 0.5
