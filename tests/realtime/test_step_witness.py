"""The leader's steps on their way to the ear: told as they are seen, and only where they help."""

from pathlib import Path

import numpy as np
import pytest

from duet.beats import BeatTracker
from duet.choreography import choreograph
from duet.clock import ManualClock, MonotonicClock
from duet.groove import render_groove
from duet.motion import read_motion
from duet.music import RATE_HZ
from realtime.bench.beats import LISTENED_BEATS, _steps, track_with_steps
from realtime.sight.leader_take import TakeLeader
from realtime.sound.audio import GrooveMusic, InlineEar
from realtime.sound.step_witness import WitnessedLeader


def test_a_leader_tells_of_each_landing_and_is_otherwise_unchanged():
    beats_s = np.arange(0.0, 8.0, 0.4)
    take = choreograph(beats_s, 1, fps=30.0, seconds=7.0).leader
    told: list[float] = []
    alone, leader = TakeLeader(take, 30.0), WitnessedLeader(TakeLeader(take, 30.0), told.append)
    alone.start(MonotonicClock(), 2.0)
    leader.start(MonotonicClock(), 2.0)
    for now in np.arange(2.0, 9.0, 0.05):
        frames = leader.take_new(now)
        assert [f.index for f in frames] == [f.index for f in alone.take_new(now)]
        assert all(at_s <= now for at_s in told)
    assert len(told) > 8
    assert max(-np.diff(told)) < 0.1
    assert min(told) >= 2.0
    shown = leader.shown(4.0)
    assert shown is not None
    assert shown.index == alone.shown(4.0).index


def test_an_ear_weighs_steps_on_the_session_clock():
    clock = ManualClock(5.0)
    groove = render_groove(6.0, 180.0, seed=2)
    heard = []
    for steps in (False, True):
        ear, clock = InlineEar(GrooveMusic(groove)), ManualClock(5.0)
        ear.start(clock)
        frames = []
        for k in range(40):
            clock.advance(0.05)
            if steps and k % 6 == 5:
                ear.witness(clock.now() - 0.1)
            frames += ear.take_new(clock.now())
        heard.append([frame.beat_phase for frame in frames])
    assert len(heard[0]) == len(heard[1]) > 50
    assert heard[0] != heard[1]  # within the first two seconds nothing is locked yet


def test_a_dancer_of_the_bench_listens_first_and_steps_on_beats():
    beats_s = np.concatenate([np.arange(0.3, 10.0, 0.5), np.arange(15.0, 25.0, 0.5)])
    steps_s = _steps(beats_s)
    assert steps_s[0] > beats_s[LISTENED_BEATS] - 0.2
    assert not ((steps_s > 9.9) & (steps_s < 15.0 + (LISTENED_BEATS - 0.4) * 0.5)).any()
    assert np.abs(steps_s[:, None] - beats_s).min(axis=1).max() < 0.2


def test_steps_take_nothing_from_clear_music():
    groove = render_groove(9.0, 180.0, seed=4)
    said = track_with_steps(groove)
    assert len(said.beats_s) > 10
    late = said.beats_s[said.beats_s > 5.0]
    assert np.abs(late[:, None] - groove.beat_times_s).min(axis=1).max() == pytest.approx(0.0, abs=0.03)


def _real_landings(duet_data: Path, name: str, seconds: float) -> list[float]:
    """When a real salsa leader was seen to put a foot down, from 0."""
    path = duet_data / "cmu_salsa" / name
    if not path.is_file():
        pytest.skip(f"{name} is not there")
    # The file states twice the true rate, and another unit.
    take = read_motion(path, fps_override=60.0, scale=1.2989).resample(30.0).on_body()
    told: list[float] = []
    leader = WitnessedLeader(TakeLeader(take.slice(60, 60 + round(30 * seconds)), 30.0), told.append)
    leader.start(MonotonicClock(), 0.0)
    for now in np.arange(0.0, seconds, 0.05):
        leader.take_new(float(now))
    return told


@pytest.mark.parametrize("name", ["60_12.bvh", "60_13.bvh"])
def test_a_real_leader_s_steps_are_told_and_make_no_beat_of_noise(duet_data: Path, name: str) -> None:
    landings_s = _real_landings(duet_data, name, 10.0)
    assert 15 <= len(landings_s) <= 40
    gaps_s = np.diff(np.sort(landings_s))
    assert np.median(gaps_s[gaps_s > 0.15]) == pytest.approx(0.45, abs=0.12)  # most on every second beat of a salsa
    tracker, noise = BeatTracker(), 0.1 * np.random.default_rng(0).normal(size=10 * RATE_HZ)
    states, heard = [], 0
    for landed_s in landings_s:
        until = round((landed_s + 0.1) * RATE_HZ)
        states += tracker.push(noise[heard:until])
        tracker.witness(landed_s)
        heard = max(heard, until)
    assert max(state.confidence for state in states[120:]) < 0.1


def test_a_real_leader_s_steps_leave_a_clear_beat_where_it_is(duet_data: Path) -> None:
    landings_s, groove = _real_landings(duet_data, "60_12.bvh", 10.0), render_groove(10.0, 180.0, seed=4)
    clock, ear = ManualClock(0.0), InlineEar(GrooveMusic(groove))
    ear.start(clock)
    frames = []
    for k in range(200):
        clock.advance(0.05)
        for landed_s in landings_s:
            if k * 0.05 <= landed_s + 0.1 < (k + 1) * 0.05:
                ear.witness(landed_s)
        frames += ear.take_new(clock.now())
    late = [frame for frame in frames if frame.time_s > 5.0]
    off_s = [np.abs(f.time_s - f.beat_phase * 60.0 / f.tempo_bpm - groove.beat_times_s).min() for f in late]
    assert np.median(off_s) < 0.03 and min(f.confidence for f in late) > 0.5
