"""Couples made from recorded couples by moving them as one, on paths that bend.

What the follower sees of its leader stays true in a warp: place, facing and hands of the two relative to each other
are kept exactly, frame by frame; only the floor turns slowly under both.
"""

from dataclasses import replace

import numpy as np

from duet.choreography.curves import slow_noise, smooth
from duet.motion import Motion
from duet.rotations import Array, yaw_matrix
from models.data.footing import replanted, stride
from models.data.pairs import Pair

TURN_RAD_S = 0.22
"""Standard deviation of the speed at which a bent path turns, by default. A salsa couple itself turns faster."""
_TURN_PERIOD_S = 5.0
_TRAVEL_S = 1.5
"""A couple's travel is what its midpoint does over longer than this; shorter is sway."""


def bent(
    pair: Pair, rng: np.random.Generator, *, turn_rad_s: float = TURN_RAD_S, stretch: tuple[float, float] = (0.8, 1.25)
) -> Pair:
    """``pair`` on a path that bends: its way over the floor turns slowly, by ``turn_rad_s`` on average, and is
    longer or shorter by a factor within ``stretch``.

    Both dancers turn about their midpoint as one body, so place and facing relative to each other stay as
    they were. Feet that stand make the steps they made in the source: nothing slides that did not.
    """
    fps, frames = pair.leader.fps, pair.frames
    speed = turn_rad_s * slow_noise(rng, frames, fps, period_s=_TURN_PERIOD_S)[:, 0]
    angle = np.cumsum(speed) / fps
    middle = 0.5 * (pair.leader.root_m + pair.follower.root_m).astype(np.float64)
    middle[:, 1] = 0.0
    travel = smooth(middle, _TRAVEL_S * fps / 2)
    longer = middle + (float(rng.uniform(*stretch)) - 1.0) * travel
    way = np.einsum("tij,tj->ti", yaw_matrix(angle), np.diff(longer, axis=0, prepend=longer[:1]))
    path = middle[0] + np.cumsum(way, axis=0)
    return replace(
        pair,
        name=f"{pair.name}-bent",
        leader=_moved(pair.leader, angle, middle, path),
        follower=_moved(pair.follower, angle, middle, path),
    )


def _moved(dancer: Motion, angle_rad: Array, about_m: Array, to_m: Array) -> Motion:
    """``dancer`` turned by ``angle_rad`` (T,) about ``about_m`` (T, 3), which goes to ``to_m`` (T, 3)."""
    turn = yaw_matrix(angle_rad)
    root = to_m + np.einsum("tij,tj->ti", turn, dancer.root_m - about_m)
    rotations = dancer.rotations.astype(np.float64)
    rotations[:, 0] = turn @ rotations[:, 0]
    moved = replace(dancer, root_m=root.astype(np.float32), rotations=rotations.astype(np.float32))
    source = stride(dancer)
    steps = source.steps()
    # A standing foot's own small motion, seen from the turned floor.
    flat = np.stack([steps[..., 0], np.zeros_like(steps[..., 0]), steps[..., 1]], axis=-1)
    turned = np.einsum("tij,tkj->tki", turn, flat)
    steps = np.stack([turned[..., 0], turned[..., 2], steps[..., 2]], axis=-1)
    return replanted(moved, steps, source.stands)
