"""A recorded leader: a take played on the session clock as if it were tracked."""

from collections.abc import Sequence

import numpy as np

from duet.clock import Clock
from duet.frames import LeaderFrame, LeaderStatus
from duet.motion import Motion
from duet.rotations import six_d_from_matrix
from duet.skeleton import BODY

LEADER_FPS = 30.0
"""A take is played at so many frames a second: as a usual camera would have seen it."""


class TakeLeader:
    """Hands out a take's frames as their time comes; the take ends, it does not loop."""

    def __init__(self, motion: Motion, fps: float) -> None:
        self._motion = motion.on_body(BODY).resample(fps)
        self._rotations_6d = six_d_from_matrix(self._motion.rotations)
        self._next = 0
        self._begin_s = 0.0

    @property
    def seconds(self) -> float:
        """Length of the take."""
        return self._motion.seconds

    def frame(self, index: int) -> LeaderFrame:
        """Frame ``index`` of the take."""
        return LeaderFrame(
            index=index,
            time_s=self._begin_s + index / self._motion.fps,
            root_m=self._motion.root_m[index],
            joints_m=self._motion.joints_m[index],
            rotations_6d=self._rotations_6d[index],
            visibility=np.ones(len(BODY), dtype=np.float32),
            status=LeaderStatus.TRACKED,
        )

    def shown(self, time_s: float) -> LeaderFrame:
        """The frame nearest to ``time_s``."""
        index = round((time_s - self._begin_s) * self._motion.fps)
        return self.frame(int(np.clip(index, 0, self._motion.frames - 1)))

    def start(self, clock: Clock, begin_s: float) -> None:
        """The take's first frame is at session time ``begin_s``."""
        self._begin_s = begin_s

    def stop(self) -> None:
        """A take needs no ending."""

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """Frames up to ``until_s`` not taken yet."""
        stop = int(np.floor((until_s - self._begin_s) * self._motion.fps + 1e-6)) + 1
        stop = min(max(stop, 0), self._motion.frames)
        frames = [self.frame(i) for i in range(self._next, stop)]
        self._next = max(self._next, stop)
        return frames
