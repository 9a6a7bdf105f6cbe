"""The follower's poses around now, as a value that may be read anywhere: in the process that dances and in the one that
draws, by the same code.

A ``PoseLine`` is never changed, only replaced, and travels as a record of plain numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from duet.features import pelvis_yaw
from duet.frames import FollowerPose, PoseSource
from duet.kinematics import forward
from duet.poses import RELAXED_PELVIS_HEIGHT_M, relaxed_quaternions_wxyz
from duet.rotations import Array, matrix_from_quaternion_wxyz, quaternion_wxyz_from_matrix, slerp_wxyz, yaw_matrix
from duet.skeleton import BODY

EASE_S = 1.0
"""Seconds from the end of a plan to rest, or more where a joint has far to go."""
_EASE_STEP_M = 0.0475
"""No joint moves further in a frame of it."""
MOST_FRAMES = 1024
"""Of a record: the longest way to rest that may be asked for, and what is kept before it."""
SOURCES = tuple(PoseSource)
_REST = relaxed_quaternions_wxyz()
_HEAD = np.dtype([("fps", "<f8"), ("first_frame", "<i8"), ("frames", "<i4"), ("stays", "<i4")])
_FRAME = np.dtype(
    [
        ("root_m", "<f4", 3),
        ("quaternions", "<f4", (len(_REST), 4)),
        ("contacts", "<f4", 4),
        ("source", "<f4"),
        ("leader_time_s", "<f8"),
    ]
)
_HEAD_FLOATS = _HEAD.itemsize // 4
LINE_WIDTH = _HEAD_FLOATS + MOST_FRAMES * _FRAME.itemsize // 4
"""Numbers in the longest record."""


def turns_of(poses: Sequence[FollowerPose]) -> Array:
    """(n, 22, 3, 3) local rotations, row 0 in the world."""
    quaternions = np.array([p.quaternions_wxyz for p in poses], dtype=np.float64)
    return matrix_from_quaternion_wxyz(quaternions.reshape(len(poses), len(BODY), 4))


def joints_of(poses: Sequence[FollowerPose]) -> Array:
    """(n, 22, 3) in the world."""
    root = np.array([p.root_m for p in poses], dtype=np.float64).reshape(len(poses), 3)
    return forward(BODY, root, turns_of(poses))[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class PoseLine:
    """Frames ``first_frame`` … of poses that will be shown, and how it goes on after them."""

    fps: float
    first_frame: int
    root_m: NDArray[np.float32]
    """(N, 3)."""
    quaternions: NDArray[np.float32]
    """(N, 22, 4)."""
    contacts: NDArray[np.float32]
    """(N, 4)."""
    source: NDArray[np.uint8]
    """(N,) index into ``SOURCES``."""
    leader_time_s: NDArray[np.float64]
    """(N,) stamp of the newest leader frame that each pose knew."""
    stays: bool = False
    """Whether the last pose is kept for ever, instead of eased to rest."""

    @property
    def last_frame(self) -> int:
        """The last frame that is planned."""
        return self.first_frame + len(self.root_m) - 1

    def pose_at(self, time_s: float) -> FollowerPose:
        """The pose to show at ``time_s``: interpolated, or eased toward rest where no plan reaches."""
        return self.sample(time_s * self.fps)

    def leader_age_s(self, time_s: float) -> float:
        """How old, when shown at ``time_s``, the newest leader frame is that the shown pose knew."""
        i = int(np.clip(round(time_s * self.fps) - self.first_frame, 0, len(self.root_m) - 1))
        return time_s - float(self.leader_time_s[i])

    def sample(self, frame: float) -> FollowerPose:
        """The pose of a frame, or of a moment between two."""
        at = frame - self.first_frame
        last = len(self.root_m) - 1
        if at > last + 1e-6 and not self.stays:
            return self._eased(frame, (at - last) / self.fps)
        low = int(np.clip(np.floor(at + 1e-6), 0, last))
        high = min(low + 1, last)
        f = np.float32(np.clip(at - low, 0.0, 1.0))
        root, quaternions = self.root_m[low], self.quaternions[low]
        if f > 0.0:
            root = root * (1 - f) + self.root_m[high] * f
            quaternions = slerp_wxyz(quaternions, self.quaternions[high], np.full(len(BODY), f)).astype(np.float32)
        return FollowerPose(frame / self.fps, root, quaternions, self.contacts[low], SOURCES[int(self.source[low])])

    @cached_property
    def ease_s(self) -> float:
        """Seconds from the last planned pose to rest."""
        x = np.linspace(0.0, 1.0, round(EASE_S * self.fps) + 1)
        joints = joints_of([self._toward_rest(np.float32(w), 0.0) for w in x * x * (3 - 2 * x)])
        longest_m = float(np.linalg.norm(np.diff(joints, axis=0), axis=-1).max())
        return EASE_S * max(1.0, longest_m / _EASE_STEP_M)

    def _eased(self, frame: float, late_s: float) -> FollowerPose:
        """After the last planned frame: glide to a relaxed stand on the spot."""
        x = min(late_s / self.ease_s, 1.0)
        return self._toward_rest(np.float32(x * x * (3 - 2 * x)), frame / self.fps)

    def _toward_rest(self, w: np.float32, time_s: float) -> FollowerPose:
        """The share ``w`` of the way from the last pose to rest behind."""
        target = _REST.copy()
        pelvis = matrix_from_quaternion_wxyz(self.quaternions[-1, 0].astype(np.float64))
        target[0] = quaternion_wxyz_from_matrix(yaw_matrix(float(pelvis_yaw(pelvis))))
        root: Array = self.root_m[-1].copy()
        root[1] = root[1] * (1 - w) + RELAXED_PELVIS_HEIGHT_M * w
        quaternions = slerp_wxyz(self.quaternions[-1], target, np.full(len(BODY), w)).astype(np.float32)
        return FollowerPose(time_s, root, quaternions, self.contacts[-1], PoseSource.HOLD)

    def values(self) -> NDArray[np.float32]:
        """As a record of at most ``LINE_WIDTH`` numbers, to the bit; of a longer line its first ``MOST_FRAMES``."""
        count = min(len(self.root_m), MOST_FRAMES)
        head, frames = np.zeros(1, _HEAD), np.zeros(count, _FRAME)
        head[0] = self.fps, self.first_frame, count, self.stays or count < len(self.root_m)
        for name in _FRAME.names or ():
            frames[name] = getattr(self, name)[:count]
        return np.concatenate([head.view(np.float32), frames.view(np.float32)])

    @classmethod
    def of_values(cls, values: NDArray[np.float32]) -> "PoseLine":
        """From a record."""
        head, frames = values[:_HEAD_FLOATS].view(_HEAD)[0], values[_HEAD_FLOATS:].view(_FRAME)
        return PoseLine(
            fps=float(head["fps"]),
            first_frame=int(head["first_frame"]),
            # Laid out as they were: sums come out the same to the bit.
            root_m=np.ascontiguousarray(frames["root_m"]),
            quaternions=np.ascontiguousarray(frames["quaternions"]),
            contacts=np.ascontiguousarray(frames["contacts"]),
            source=frames["source"].astype(np.uint8),
            leader_time_s=np.ascontiguousarray(frames["leader_time_s"]),
            stays=bool(head["stays"]),
        )
