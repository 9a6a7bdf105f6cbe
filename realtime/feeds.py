"""What a conductor takes from, and tells: anything that can do this may stand for a device, a tape or a test."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duet.frames import FollowerPose, LeaderFrame, MusicFrame
from realtime.commands import Command


class LeaderSource(Protocol):
    """Where leader frames come from."""

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """Frames stamped up to ``until_s`` that were not taken yet, oldest first."""
        ...


class MusicSource(Protocol):
    """Where heard music comes from."""

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """Frames known at ``until_s`` that were not taken yet, oldest first."""
        ...


class CommandSource(Protocol):
    """Where commands come from."""

    def take_new(self, tick: int) -> Sequence[Command]:
        """Commands that tick ``tick`` obeys before anything else, oldest first."""
        ...

    def take_urgent(self, tick: int) -> Sequence[Command]:
        """All of them, if there is one among them that cannot wait for tick ``tick``."""
        ...


class Log(Protocol):
    """What is told everything that was danced (``MotionLog``)."""

    def add_leader(self, newest_index: int, joints_m: NDArray[np.float32], rotations_6d: NDArray[np.float32]) -> None:
        """Frames of the leader's grid."""
        ...

    def add_follower(self, frame: int, pose: FollowerPose) -> None:
        """The pose shown in grid frame ``frame``."""
        ...
