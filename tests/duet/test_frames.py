from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from duet.frames import FollowerPose, LeaderStatus, PoseSource


def test_what_is_published_cannot_be_changed_by_anyone() -> None:
    mine = np.zeros((4, 22), np.float32).T
    pose = FollowerPose(1.0, np.zeros(3, np.float32), mine, np.zeros(4, np.float32), PoseSource.MODEL)
    assert pose.quaternions_wxyz.dtype == np.float32
    assert pose.quaternions_wxyz.flags.c_contiguous
    mine[0, 0] = 9.0
    assert pose.quaternions_wxyz[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        pose.root_m[0] = 1.0
    with pytest.raises(FrozenInstanceError):
        pose.time_s = 2.0  # type: ignore[misc]
    assert pose == pose
    assert hash(pose) == hash(pose)


def test_the_order_of_what_is_written_as_a_number_stays() -> None:
    """Session files and shared memory hold the place in it. By another order every recorded session would be read
    wrongly: a new value goes to the end."""
    assert [status.value for status in LeaderStatus] == ["tracked", "held", "lost"]
    assert [source.value for source in PoseSource] == ["model", "blend", "hold"]
