"""Motion is kept as numbers only, and what is written of it is what was told, whatever the order."""

import gc

import numpy as np

from duet.frames import FollowerPose, PoseSource
from duet.rotations import six_d_from_matrix
from realtime.motion_log import _BLOCK_FRAMES, MotionLog
from realtime.pose_line import joints_of, turns_of


def dancers(frames: int) -> tuple[np.ndarray, np.ndarray, list[FollowerPose]]:
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(frames, 22, 3)).astype(np.float32)
    turns = rng.normal(size=(frames, 22, 6)).astype(np.float32)
    quaternions = rng.normal(size=(frames, 22, 4)).astype(np.float32)
    quaternions /= np.linalg.norm(quaternions, axis=-1, keepdims=True)
    sources = list(PoseSource)
    poses = [
        FollowerPose(i / 30.0, joints[i, 0] + 1.0, quaternions[i], np.zeros(4, np.float32), sources[i % len(sources)])
        for i in range(frames)
    ]
    return joints, turns, poses


def test_both_dancers_are_written_where_both_are_known() -> None:
    frames = _BLOCK_FRAMES + 100
    joints, turns, poses = dancers(frames)
    log = MotionLog(30.0)
    assert len(log.arrays()["time_s"]) == 0 and log.arrays()["leader_joints_m"].shape == (0, 22, 3)
    for i in range(frames):
        if i >= 40 and i % 2:
            log.add_leader(i, joints[i - 1 : i + 1], turns[i])
        if i < frames - 10:
            log.add_follower(i, poses[i])
    # Somebody else leads from here: the newest that was told of a frame counts.
    log.add_leader(50, joints[:1], turns[0])
    kept = log.arrays()
    wanted = np.arange(40, frames - 10)
    np.testing.assert_array_equal(kept["time_s"], wanted / 30.0)
    told = joints[wanted].copy()
    told[10] = joints[0]
    np.testing.assert_array_equal(kept["leader_joints_m"], told)
    measured = wanted + 1 - wanted % 2
    measured[10] = 0
    np.testing.assert_array_equal(kept["leader_rotations_6d"], turns[measured])
    np.testing.assert_array_equal(kept["follower_root_m"], np.array([poses[i].root_m for i in wanted]))
    shown = [poses[i] for i in wanted]
    np.testing.assert_array_equal(kept["follower_joints_m"], joints_of(shown).astype(np.float32))
    np.testing.assert_array_equal(kept["follower_rotations_6d"], six_d_from_matrix(turns_of(shown)).astype(np.float32))
    assert list(kept["source"]) == [poses[i].source.value for i in wanted] and kept["source"].dtype == "U8"


def test_an_hour_is_kept_without_an_object_a_frame() -> None:
    joints, turns, poses = dancers(30)
    log = MotionLog(30.0)

    def dance(seconds: int) -> int:
        for second in range(seconds):
            log.add_leader(30 * second + 29, joints, turns[0])
            for i, pose in enumerate(poses):
                log.add_follower(30 * second + i, pose)
        gc.collect()
        return len(gc.get_objects())

    before = dance(1)
    assert dance(300) - before < 100
