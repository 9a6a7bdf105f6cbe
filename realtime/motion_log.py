"""The performance as motion, kept only when asked: leader and follower on the 30 fps grid."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.files import written_whole
from duet.frames import FollowerPose
from duet.rotations import six_d_from_matrix
from duet.skeleton import BODY
from realtime.pose_line import joints_of, turns_of


class MotionLog:
    """Collects both dancers; owned by the conductor's thread until it has stopped."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._leader: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        self._follower: dict[int, FollowerPose] = {}

    def add_leader(self, newest_index: int, joints_m: NDArray[np.float32], rotations_6d: NDArray[np.float32]) -> None:
        """Measured joints (n, 22, 3) of the grid frames up to ``newest_index``, and the rotations (22, 6) of the
        measurement that completed them."""
        for i, joints in enumerate(joints_m):
            self._leader[newest_index - len(joints_m) + 1 + i] = joints, rotations_6d

    def add_follower(self, frame: int, pose: FollowerPose) -> None:
        """The pose shown in grid frame ``frame``."""
        self._follower[frame] = pose

    def arrays(self) -> dict[str, NDArray]:
        """What ``save`` writes: see there."""
        frames = sorted(set(self._leader) & set(self._follower))
        poses = [self._follower[f] for f in frames]
        root = np.array([p.root_m for p in poses], dtype=np.float32).reshape(-1, 3)
        leader = np.array([self._leader[f][0] for f in frames], dtype=np.float32).reshape(-1, len(BODY), 3)
        led_6d = np.array([self._leader[f][1] for f in frames], dtype=np.float32).reshape(-1, len(BODY), 6)
        return {
            "time_s": np.array(frames, dtype=np.float64) / self._fps,
            "leader_joints_m": leader,
            "follower_joints_m": joints_of(poses).astype(np.float32),
            "source": np.array([p.source.value for p in poses], dtype="U8"),
            "fps": np.array(self._fps),
            "joint_names": np.array(BODY.names),
            "parents": np.array(BODY.parents),
            "offsets_m": BODY.offsets_m,
            "leader_root_m": leader[:, 0],
            "leader_rotations_6d": led_6d,
            "follower_root_m": root,
            "follower_rotations_6d": six_d_from_matrix(turns_of(poses)).astype(np.float32),
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
