"""The performance as motion, kept only when asked: leader and follower on the 30 fps grid."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from duet.errors import InputError
from duet.files import written_whole
from duet.frames import FollowerPose, PoseSource
from duet.kinematics import forward
from duet.rotations import matrix_from_quaternion_wxyz, six_d_from_matrix
from duet.skeleton import BODY

_BLOCK_FRAMES = 1800
_SOURCES = tuple(PoseSource)
_JOINTS = len(BODY)
_LEADER, _FOLLOWER = ((_JOINTS, 3), (_JOINTS, 6)), ((3,), (_JOINTS, 4), (1,))
"""Shapes of what is kept of a frame: joints and their turns; root, turns and where the pose came from."""


class _Rows:
    """Numbers of one dancer, a row a frame: in blocks, so that nothing that is kept is ever copied, nor an object."""

    def __init__(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        self._ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        self._shapes = shapes
        self._blocks: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        self._count = 0

    def add(self, frame: int, *values: ArrayLike) -> None:
        """What ``frame`` was like; told again, the newest counts."""
        at = self._count % _BLOCK_FRAMES
        if at == 0:
            numbers = np.zeros((_BLOCK_FRAMES, int(self._ends[-1])), np.float32)
            self._blocks.append((np.zeros(_BLOCK_FRAMES, np.int64), numbers))
        frames, numbers = self._blocks[-1]
        frames[at], self._count = frame, self._count + 1
        for end, shape, value in zip(self._ends, self._shapes, values, strict=True):
            numbers[at, end - int(np.prod(shape)) : end] = np.reshape(value, -1)

    def frames(self) -> NDArray[np.int64]:
        """(n,) every frame that was told, in the order it was."""
        return np.concatenate([np.zeros(0, np.int64), *(frames for frames, _ in self._blocks)])[: self._count]

    def of(self, wanted: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """What is kept of frames (T,), each of which was told: (T, *shape) each."""
        newest_first = self.frames()[::-1]
        told, first = np.unique(newest_first, return_index=True)
        rows = self._count - 1 - first[np.searchsorted(told, wanted)]
        kept = np.zeros((len(wanted), int(self._ends[-1])), np.float32)
        for number, (_, numbers) in enumerate(self._blocks):
            here = rows // _BLOCK_FRAMES == number
            kept[here] = numbers[rows[here] % _BLOCK_FRAMES]
        parts = np.split(kept, self._ends[:-1], axis=1)
        return [part.reshape(-1, *shape) for part, shape in zip(parts, self._shapes, strict=True)]


class MotionLog:
    """Collects both dancers; owned by the conductor's thread until it has stopped. An hour takes 130 MB."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._leader, self._follower = _Rows(_LEADER), _Rows(_FOLLOWER)

    def add_leader(self, newest_index: int, joints_m: NDArray[np.float32], rotations_6d: NDArray[np.float32]) -> None:
        """Measured joints (n, 22, 3) of the grid frames up to ``newest_index``, and the rotations (22, 6) of the
        measurement that completed them."""
        for i, joints in enumerate(joints_m):
            self._leader.add(newest_index - len(joints_m) + 1 + i, joints, rotations_6d)

    def add_follower(self, frame: int, pose: FollowerPose) -> None:
        """The pose shown in grid frame ``frame``."""
        self._follower.add(frame, pose.root_m, pose.quaternions_wxyz, _SOURCES.index(pose.source))

    @property
    def is_empty(self) -> bool:
        """Whether there is no frame of both dancers."""
        return not len(self._frames())

    def _frames(self) -> NDArray[np.int64]:
        """Of both dancers, rising."""
        return np.intersect1d(self._leader.frames(), self._follower.frames())

    def arrays(self) -> dict[str, NDArray]:
        """What ``save`` writes: see there."""
        frames = self._frames()
        leader, led_6d = self._leader.of(frames)
        root, quaternions, source = self._follower.of(frames)
        rotations = matrix_from_quaternion_wxyz(quaternions.astype(np.float64))
        return {
            "time_s": frames / self._fps,
            "leader_joints_m": leader,
            "follower_joints_m": forward(BODY, root.astype(np.float64), rotations)[0].astype(np.float32),
            "source": np.array([kind.value for kind in _SOURCES], dtype="U8")[source[:, 0].astype(np.intp)],
            "fps": np.array(self._fps),
            "joint_names": np.array(BODY.names),
            "parents": np.array(BODY.parents),
            "offsets_m": BODY.offsets_m,
            "leader_root_m": leader[:, 0],
            "leader_rotations_6d": led_6d,
            "follower_root_m": root,
            "follower_rotations_6d": six_d_from_matrix(rotations).astype(np.float32),
        }

    def save(self, path: str | Path) -> None:
        """Write ``time_s (T,)``, ``leader_joints_m`` and ``follower_joints_m (T, 22, 3)``, ``source (T,)``
        and what is needed to read either dancer back as a take; whole or not at all."""
        path = Path(path)
        try:
            with written_whole(path) as part, part.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **self.arrays())
        except OSError as error:
            raise InputError(f"{path}: expected to write the motion there, got: {error}. Name another file.") from error
