"""Giving way with the whole body: legs, trunk, head and upper arms of a follower stay out of those of the leader.

Everything is told in the plan's frames: the follower's poses as decoded, the leader's as foreseen. So a follower gives
way to a leader who comes nearer before they meet, and only as well as the leader is foreseen.
"""

import numpy as np
from numpy.typing import NDArray

from duet.capsules import ENDS, RADII_M, STARTS, shortest_way
from duet.features import FOLLOWER_ROOT, ROOT_FACING, ROOT_HEIGHT, ROOT_PLACE, follower_rotations
from duet.kinematics import forward
from duet.rotations import Array, wrap_angle, yaw_matrix
from duet.skeleton import BODY

AHEAD_FRAMES = (0, 3, 6)
"""Where a follower looks for the leader: far enough ahead to begin in time, no further than is foreseen well."""
SPARE_M = 0.01
"""Room that is left between two bodies."""
_APART = 1.0
"""How much a way out leads away from the leader rather than by the shortest way. Legs that have crossed have a shortest
way deeper into each other, and there is always room on the side away from the leader."""
_SWEEPS = 6

_BOTH_RADII_M = RADII_M[:, None] + RADII_M + SPARE_M


class Bodies:
    """Follower and leader in the frames of one plan."""

    def __init__(
        self,
        frames: Array,
        leader_m: Array,
        leader_heading_rad: Array,
        leak: float,
        *,
        asked_frames: int | None = None,
    ) -> None:
        """Follower frames (T, 145), leader joints (T, 22, 3) and smoothed headings (T,); ``leak`` a frame as in
        ``duet.features.integrate_root``. Only the first ``asked_frames`` will be asked about; None: all."""
        if asked_frames is not None:
            seen = slice(asked_frames + max(AHEAD_FRAMES))
            frames, leader_m, leader_heading_rad = frames[seen], leader_m[seen], leader_heading_rad[seen]
        rows = np.asarray(frames[:, FOLLOWER_ROOT], dtype=np.float64)
        heading = np.asarray(leader_heading_rad, dtype=np.float64)
        leader = np.asarray(leader_m, dtype=np.float64)
        rotations = follower_rotations(frames, np.zeros(len(rows)))
        own = forward(BODY, np.zeros((len(rows), 3), dtype=rotations.dtype), rotations)[0].astype(np.float64)
        self._own, self._leader = (own[:, STARTS], own[:, ENDS]), (leader[:, STARTS], leader[:, ENDS])
        self._halves_m = (_halves_m(own), _halves_m(leader))
        self._leader_root_m = leader[:, 0]
        place = np.stack([rows[:, ROOT_PLACE][:, 0], np.zeros(len(rows)), rows[:, ROOT_PLACE][:, 1]], axis=-1)
        self._target_m = leader[:, 0] + (yaw_matrix(heading) @ place[..., None])[..., 0]
        self._target_m[:, 1] = rows[:, ROOT_HEIGHT][:, 0]
        self._facing_rad = heading + np.arctan2(*rows[:, ROOT_FACING].T)
        self._reach_m = _reach(own) + _reach(leader - leader[:, :1])
        self._leak = leak

    def lack(self, frame: int, root_m: Array, yaw_rad: float) -> NDArray[np.float64]:
        """The least step (x, z) that takes a follower who stands there in ``frame`` out of the leader, now and soon."""
        frames = np.minimum(frame + np.array(AHEAD_FRAMES), len(self._target_m) - 1)
        gone = frames - frame
        # Until then the follower goes on towards the place that was said, as ``integrate_root`` does.
        root = self._target_m[frames] + ((1.0 - self._leak) ** gone)[:, None] * (root_m - self._target_m[frame])
        away = (root - self._leader_root_m[frames])[:, [0, 2]]
        apart = np.hypot(away[:, 0], away[:, 1])
        if (apart > self._reach_m[frames]).all():
            return np.zeros(2)
        yaw = yaw_rad + wrap_angle(self._facing_rad[frames] - self._facing_rad[frame])
        from_own = np.swapaxes(yaw_matrix(yaw), -1, -2)
        starts, ends = (joints[frames] @ from_own + root[:, None] for joints in self._own)
        leader_starts, leader_ends = (joints[frames] for joints in self._leader)
        when, own, other = np.nonzero(self._are_near(frames, starts + ends, leader_starts + leader_ends))
        way = shortest_way(starts[when, own], ends[when, own], leader_starts[when, other], leader_ends[when, other])
        gap = np.sqrt((way * way).sum(axis=-1))
        meet = gap < _BOTH_RADII_M[own, other]
        if not meet.any():
            return np.zeros(2)
        when, own, other, way, gap = when[meet], own[meet], other[meet], way[meet], gap[meet]
        out = way[:, [0, 2]] / np.maximum(gap, 1e-6)[:, None]
        out += _APART * (away / np.maximum(apart, 1e-6)[:, None])[when]
        return _least_step(out, _BOTH_RADII_M[own, other] - gap)

    def _are_near(self, frames: NDArray[np.intp], ends_m: Array, leader_ends_m: Array) -> NDArray[np.bool_]:
        """(K, C, C) which capsules may meet; both bodies' ends (K, C, 3), added up: by their middles alone."""
        own, leader = self._halves_m
        away = 0.5 * (ends_m[:, :, None] - leader_ends_m[:, None])
        most_m = own[frames][:, :, None] + leader[frames][:, None] + _BOTH_RADII_M
        return (away * away).sum(axis=-1) < (most_m + 1e-6) ** 2


def _halves_m(joints_m: Array) -> NDArray[np.float64]:
    """(T, C) half the length of each capsule of a body (T, 22, 3)."""
    return 0.5 * np.linalg.norm(joints_m[:, ENDS] - joints_m[:, STARTS], axis=-1)


def _reach(own_m: Array) -> NDArray[np.float64]:
    """How far (T,) from above a body (T, 22, 3) about the origin reaches."""
    return np.hypot(own_m[..., 0], own_m[..., 2]).max(axis=-1) + float(RADII_M.max()) + SPARE_M


def _least_step(out: Array, lacks_m: Array) -> NDArray[np.float64]:
    """A step (2,), about the least, that goes at least ``lacks_m`` (K,) along each of the directions ``out`` (K, 2).

    By projection on whichever lacks most (Kaczmarz, 1937). Directions that contradict each other are met half way.
    """
    directions = out / np.maximum(np.hypot(out[:, 0], out[:, 1]), 1e-6)[:, None]
    step = np.zeros(2)
    for _ in range(_SWEEPS):
        left = lacks_m - directions @ step
        worst = int(left.argmax())
        if left[worst] < 1e-4:
            break
        step += left[worst] * directions[worst]
    return step
