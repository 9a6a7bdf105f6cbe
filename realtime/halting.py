"""How a dancing body comes to a stop when it is told to: the dance runs slower and slower, and turns into rest.

The way to rest is timed by the joint that has furthest to go, and a raised arm folds on it: no joint moves more than
``MOST_STEP_M`` a frame. Where that takes longer than the time given (a hand above the head has 1.5 m to go), it does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from duet.features import pelvis_yaw
from duet.frames import FollowerPose, PoseSource
from duet.kinematics import forward
from duet.poses import RELAXED_PELVIS_HEIGHT_M, relaxed_rotations
from duet.rotations import (
    Array,
    matrix_from_rotvec,
    quaternion_wxyz_from_matrix,
    rotvec_from_matrix,
    yaw_matrix,
)
from duet.skeleton import BODY
from realtime.pose_line import joints_of, turns_of
from realtime.steps import MOST_STEP_M

STOP_FRAMES = 8
"""Frames in which the dance runs out: half as many of the plan are still danced."""
PANIC_S = 0.83
"""With the frames until it is obeyed, less than a second."""
MOST_REST_FRAMES = 1000
"""No way to rest is longer."""
_AIM_M = 0.95 * MOST_STEP_M
_TRIES = 8
_ELBOWS = ((BODY.index("left_elbow"), -1.0), (BODY.index("right_elbow"), 1.0))
"""Each elbow, and about which Y it bends."""
_FOLDS_RAD = (0.8, 1.5, 2.2)


def stopping(pose_of: Callable[[float], FollowerPose], join: int) -> list[FollowerPose]:
    """STOP_FRAMES poses from frame ``join`` on, the last one standing still; ``pose_of`` gives the plan's."""
    ahead = [pose_of(join - 1 + i) for i in range(STOP_FRAMES // 2 + 2)]
    speeds_m = _steps_m(ahead)
    poses, at = [], 0.0
    for k in range(STOP_FRAMES):
        # As fast as the dance at first, where it is not faster than a stop may be, and hardly moving in the end.
        at += min(1.0 - (k + 0.5) / STOP_FRAMES, _AIM_M / max(speeds_m[int(at) : int(at) + 2].max(), 1e-9))
        poses.append(replace(pose_of(join - 1 + at), source=PoseSource.HOLD))
    return poses


def resting(pose_of: Callable[[float], FollowerPose], join: int, frames: int) -> list[FollowerPose]:
    """``frames`` poses from frame ``join`` on that run from the dance, slowing down, into a relaxed stand; more of them
    where somebody who rests so soon would jump."""
    before, slowed = pose_of(join - 1), stopping(pose_of, join)
    poses, longest_m = _toward_rest(before, slowed, frames)
    while longest_m > MOST_STEP_M and frames < MOST_REST_FRAMES:
        frames = min(max(math.ceil(frames * longest_m / MOST_STEP_M), frames + 1), MOST_REST_FRAMES)
        poses, longest_m = _toward_rest(before, slowed, frames)
    return poses


def _toward_rest(before: FollowerPose, slowed: list[FollowerPose], frames: int) -> tuple[list[FollowerPose], float]:
    """``frames`` poses after the one ``before``, and how far a joint goes in one of them at most."""
    slowed = slowed[:frames] + [slowed[-1]] * (frames - len(slowed))
    way = _Way.after(before, slowed)
    shares, longest = way.timed()
    for side in range(len(_ELBOWS)):
        if longest <= _AIM_M:
            break
        # The straight way of a raised arm is long; past the shoulder it is shorter.
        for bent in (way.folding(side, rad) for rad in _FOLDS_RAD):
            ours, its_longest = bent.timed()
            if its_longest < longest:
                way, shares, longest = bent, ours, its_longest
    root, turns = way.at(shares)
    quaternions = quaternion_wxyz_from_matrix(turns)
    poses = [
        replace(pose, root_m=r, quaternions_wxyz=q, contacts=np.ones(4))
        for pose, r, q in zip(slowed, root, quaternions, strict=True)
    ]
    return poses, longest


@dataclass(frozen=True)
class _Way:
    """From poses that slow down to a relaxed stand where the last of them is, facing as it does."""

    root_m: Array
    """(n, 3)."""
    turns: Array
    """(n, 22, 3, 3)."""
    rise_m: float
    """What the pelvis rises from the last pose to rest."""
    to_rest: Array
    """(22, 3) rotation vectors from the last pose to rest: one for all, so that no arm changes its way round."""

    before_m: Array
    """(22, 3) joints of the pose before."""
    fold_rad: tuple[float, float] = (0.0, 0.0)
    """How far each elbow bends half-way."""

    @classmethod
    def after(cls, before: FollowerPose, poses: list[FollowerPose]) -> "_Way":
        root, turns = np.array([p.root_m for p in poses], dtype=np.float64), turns_of(poses)
        rest = relaxed_rotations().astype(np.float64)
        rest[0] = yaw_matrix(float(pelvis_yaw(turns[-1, 0])))
        to_rest = rotvec_from_matrix(np.swapaxes(turns[-1], -1, -2) @ rest)
        rise_m = RELAXED_PELVIS_HEIGHT_M - float(root[-1, 1])
        return cls(root, turns, rise_m, to_rest, joints_of([before])[0])

    def folding(self, side: int, rad: float) -> "_Way":
        fold = list(self.fold_rad)
        fold[side] = rad
        return replace(self, fold_rad=(fold[0], fold[1]))

    def at(self, shares: Array) -> tuple[Array, Array]:
        """Root (n, 3) and rotations (n, 22, 3, 3) with ``shares`` (n,) of the way behind."""
        root = self.root_m + shares[:, None] * np.array([0.0, self.rise_m, 0.0])
        turns = self.turns @ matrix_from_rotvec(shares[:, None, None] * self.to_rest)
        for (elbow, bend), rad in zip(_ELBOWS, self.fold_rad, strict=True):
            bent = np.sin(np.pi * shares)[:, None] * rad * np.array([0.0, bend, 0.0])
            turns[:, elbow] = turns[:, elbow] @ matrix_from_rotvec(bent)
        return root, turns

    def timed(self) -> tuple[Array, float]:
        """Shares (n,) by frame that let no joint move further in one than it must, and how far the furthest does."""
        frames = len(self.root_m)
        # Eased at both ends; a step of the share per frame.
        steps = np.sin(np.pi * (np.arange(frames) + 0.5) / frames) + 0.25
        best, shares = np.inf, np.zeros(frames)
        for _ in range(_TRIES):
            steps /= steps.sum()
            root, turns = self.at(np.cumsum(steps))
            moved = _longest_m(np.concatenate([self.before_m[None], forward(BODY, root, turns)[0]]))
            if moved.max() < best:
                best, shares = float(moved.max()), np.cumsum(steps)
            if best <= _AIM_M:
                break
            # Take from where a joint is fast, give to where all are slow.
            steps = steps * (np.median(moved) + 0.005) / (moved + 0.005)
        return shares, best


def _steps_m(poses: list[FollowerPose]) -> Array:
    """(n - 1,) how far the joint moves that moves furthest, from pose to pose."""
    return _longest_m(joints_of(poses))


def _longest_m(joints_m: Array) -> Array:
    return np.linalg.norm(np.diff(joints_m, axis=0), axis=-1).max(axis=-1)
