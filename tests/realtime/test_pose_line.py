"""The follower's line as a record: read in another process it gives the same poses to the bit."""

import numpy as np
import pytest

from duet.features import Standing
from duet.frames import FollowerPose
from duet.kinematics import forward
from duet.poses import relaxed_rotations
from duet.rotations import matrix_from_quaternion_wxyz, matrix_from_rotvec
from duet.skeleton import BODY
from duet.timeline import Timeline
from realtime.playout import Plan, Playout
from realtime.pose_line import EASE_S, LINE_WIDTH, MOST_FRAMES, PoseLine, joints_of
from realtime.rings import VaryingCell


def _plan(first: int, seed: int, frames: int = 16) -> Plan:
    rng = np.random.default_rng(seed)
    rotations = relaxed_rotations() @ matrix_from_rotvec(rng.normal(0.0, 0.1, (frames, 22, 3)))
    root = np.array([0.0, 0.9, 0.0]) + np.cumsum(rng.normal(0.0, 0.005, (frames, 3)), axis=0)
    contacts = rng.uniform(0.0, 1.0, (frames, 4))
    return Plan(first, *(a.astype(np.float32) for a in (root, rotations, contacts)), first / 30.0 - 0.123)


def _bits(pose: FollowerPose) -> tuple[object, ...]:
    return pose.time_s, pose.root_m.tobytes(), pose.quaternions_wxyz.tobytes(), pose.contacts.tobytes(), pose.source


@pytest.fixture
def lines() -> list[PoseLine]:
    """Every line of a dance with a gap, a stop and a long way to rest."""
    told: list[PoseLine] = []
    playout = Playout(Timeline(30.0, 4), Standing(np.zeros(3), 0.3), told.append)
    for tick in (1, 2, 3, 12, 13):
        playout.merge(_plan(4 * tick, tick), 4 * tick - 2)
    playout.halt(56)
    playout.merge(_plan(60, 60), 58)
    playout.halt(66, 900)
    return told


def test_another_process_shows_the_same_to_the_bit(lines: list[PoseLine]) -> None:
    assert len(lines) == 9
    with VaryingCell.create(width=LINE_WIDTH) as cell, VaryingCell.attach(cell.name) as theirs:
        for line in lines:
            cell.write(0.0, line.values())
            record = theirs.latest()
            assert record is not None
            copy = PoseLine.of_values(record.values)
            begin_s, end_s = (line.first_frame - 2) / 30.0, (line.last_frame + 45) / 30.0
            for time_s in np.linspace(begin_s, end_s, 101):
                assert _bits(copy.pose_at(time_s)) == _bits(line.pose_at(time_s))
                assert copy.leader_age_s(time_s) == line.leader_age_s(time_s)


def test_a_line_that_is_longer_than_a_record_stays_at_its_end(lines: list[PoseLine]) -> None:
    line = lines[-1]
    count = MOST_FRAMES // len(line.root_m) + 1
    long = PoseLine(
        fps=30.0,
        first_frame=0,
        root_m=np.tile(line.root_m, (count, 1)),
        quaternions=np.tile(line.quaternions, (count, 1, 1)),
        contacts=np.tile(line.contacts, (count, 1)),
        source=np.tile(line.source, count),
        leader_time_s=np.tile(line.leader_time_s, count),
    )
    values = long.values()
    assert len(values) == LINE_WIDTH
    copy = PoseLine.of_values(values)
    assert copy.stays and copy.last_frame == MOST_FRAMES - 1
    np.testing.assert_array_equal(copy.pose_at(99.0).root_m, long.root_m[MOST_FRAMES - 1])


def test_a_raised_arm_takes_its_time_to_rest() -> None:
    playout = Playout(Timeline(30.0, 4), Standing(np.zeros(3), 0.0))
    raised = _plan(8, 1, 64)
    lift = matrix_from_rotvec(np.array([0.0, 0.0, 2.6]))
    raised.rotations[:, BODY.index("left_shoulder")] = lift @ relaxed_rotations()[BODY.index("left_shoulder")]
    playout.merge(raised, 6)
    line = playout.line
    assert line.ease_s > EASE_S
    times_s = (line.last_frame + np.arange(0, 90)) / 30.0
    poses = [line.pose_at(t) for t in times_s]
    assert np.linalg.norm(np.diff(joints_of(poses), axis=0), axis=-1).max() < 0.05
    still = line.pose_at(line.last_frame / 30.0 + line.ease_s)
    np.testing.assert_allclose(still.quaternions_wxyz, line.pose_at(99.0).quaternions_wxyz, atol=1e-6)


def test_joints_of_poses_are_those_of_each_and_none_of_none(lines: list[PoseLine]) -> None:
    poses = [lines[2].sample(frame) for frame in (9, 9.5, 12)]
    for pose, joints in zip(poses, joints_of(poses), strict=True):
        turns = matrix_from_quaternion_wxyz(pose.quaternions_wxyz.astype(np.float64))
        np.testing.assert_array_equal(joints, forward(BODY, pose.root_m.astype(np.float64), turns)[0])
    assert joints_of([]).shape == (0, len(BODY), 3)


def test_a_halt_keeps_what_was_shown_and_what_it_knew() -> None:
    playout = Playout(Timeline(30.0, 4), Standing(np.zeros(3), 0.0))
    for tick in (1, 2, 3, 4):
        playout.merge(_plan(4 * tick, tick), 4 * tick - 2)
    before = playout.line
    playout.halt(18)
    for frame in range(10, 19):
        assert _bits(playout.line.sample(frame)) == _bits(before.sample(frame))
        assert playout.leader_age_s(frame / 30.0) == before.leader_age_s(frame / 30.0)
