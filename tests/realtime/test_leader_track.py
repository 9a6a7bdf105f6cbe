import time

import numpy as np
import pytest

from duet.frames import LeaderFrame, LeaderStatus
from duet.skeleton import BODY
from duet.timeline import Timeline
from realtime.leader_track import LeaderTrack

TIMELINE = Timeline(30.0, 4)


def frame(index: int, time_s: float, x_m: float, status: LeaderStatus = LeaderStatus.TRACKED) -> LeaderFrame:
    joints = BODY.rest_joints_m + np.array([x_m, 0.0, 0.0])
    return LeaderFrame(index, time_s, joints[0], joints, np.zeros((22, 6)), np.ones(22), status)


def test_a_leader_of_any_rate_lands_on_the_grid() -> None:
    track = LeaderTrack(TIMELINE, 400)
    made = sum(track.push(frame(i, i / 20.0, x_m=i / 20.0)) for i in range(61))  # 20 fps, 1 m/s, 3 s
    assert made == 91
    assert track.newest_index == 90
    x = track.newest(91)[:, 0, 0]
    np.testing.assert_allclose(x, np.arange(91) / 30.0, atol=1e-5)


def test_frames_out_of_order_are_passed_over() -> None:
    track = LeaderTrack(TIMELINE, 400)
    track.push(frame(0, 1.0, 0.0))
    assert track.push(frame(1, 0.9, 5.0)) == 0
    assert track.push(frame(2, 1.0, 5.0)) == 0
    assert track.newest(1)[0, 0, 0] == pytest.approx(0.0)


def test_a_leader_lost_before_being_seen_is_nobody() -> None:
    track = LeaderTrack(TIMELINE, 400)
    assert track.push(frame(0, 0.5, 0.0, LeaderStatus.LOST)) == 0
    assert track.is_empty
    assert track.push(frame(1, 0.6, 0.0)) == 1
    assert not track.is_empty


def test_held_frames_carry_no_confidence() -> None:
    track = LeaderTrack(TIMELINE, 400)
    track.push(frame(0, 0.0, 0.0))
    track.push(frame(1, 0.1, 0.0, LeaderStatus.HELD))
    assert track.confidence == 0.0


def test_the_ring_is_fixed_in_size() -> None:
    track = LeaderTrack(TIMELINE, 50)
    for i in range(500):
        track.push(frame(i, i / 30.0, 0.0))
    assert len(track.newest(1000)) == 50
    assert track.newest_index == 499


def test_a_gap_is_bridged_by_a_straight_line() -> None:
    track = LeaderTrack(TIMELINE, 400)
    track.push(frame(0, 0.0, 0.0))
    track.push(frame(1, 1.0, 3.0))
    x = track.newest(31)[:, 0, 0]
    np.testing.assert_allclose(np.diff(x), 0.1, atol=1e-5)


def test_a_frame_that_is_not_a_number_is_passed_over() -> None:
    track = LeaderTrack(TIMELINE, 400)
    track.push(frame(0, 0.0, 0.0))
    assert track.push(frame(1, 0.1, float("nan"))) == 0
    assert track.push(frame(2, 0.2, 0.6)) == 6
    assert np.isfinite(track.newest(100)).all()


def test_a_leader_who_was_away_for_days_costs_no_memory() -> None:
    track = LeaderTrack(TIMELINE, 100)
    assert track.push(frame(0, 0.0, 0.0)) == 1
    began = time.thread_time()
    assert track.push(frame(1, 1e9, 0.0)) == 100
    assert track.newest_index == 30_000_000_000 and time.thread_time() - began < 1.0
