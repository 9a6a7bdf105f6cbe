"""Hands that were danced into a head or a trunk lie on it in the picture.

A follower's model knows joints, not flesh, and avatars have heads and chests of their own. A head is a ball, a trunk a
ball drawn along the spine; a hand inside goes out by the arm's reach (two-bone inverse kinematics). Near the skin
the way out is straight outwards, deep inside it is one that goes smoothly over into that: forwards out of one's own
body, towards its owner out of the partner's. So a hand that passes through slides over the skin, and nothing leaps.
It is the picture's doing alone; what was danced is not touched.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from duet.skeleton import BODY
from ui.drawing.arms import Arms, Placed, arms_of, reach
from ui.drawing.avatar import Avatar

_HEAD, _NECK, _WAIST, _CHEST = (BODY.index(name) for name in ("head", "neck", "spine1", "spine3"))
_SKULL_M = np.array([0.0, 0.075, 0.02])
"""From the head's joint to the middle of the skull."""
HEAD_M, TRUNK_M = 0.115, 0.135
"""Radii, with half a hand's thickness."""
_BELOW_NECK = 0.7
"""Share of the way from waist to neck at which the trunk's ball stops."""
_ROUNDS = 3


def keep_apart(avatars: Sequence[Avatar], placed: Sequence[Placed]) -> list[Placed]:
    """The bodies with their hands outside all heads and trunks; the very same where none is in any."""
    arms = [arms_of(avatar) for avatar in avatars]
    bodies, copied = list(placed), False
    for _ in range(_ROUNDS):
        out = ways_out_m(arms, bodies)
        if not out.any():
            break
        if not copied:
            bodies, copied = [(joints.copy(), turns.copy()) for joints, turns in bodies], True
        reach([(arm, body, side) for arm, body in zip(arms, bodies, strict=True) for side in (0, 1)], out)
    return bodies


def ways_out_m(arms: Sequence[Arms], bodies: Sequence[Placed]) -> NDArray[np.float64]:
    """(2 B, 3) by which each hand of B bodies is to move; zeros where it is in nothing."""
    points = np.concatenate([_points(arm, joints) for arm, (joints, _) in zip(arms, bodies, strict=True)])
    out = np.zeros((len(points), 3))
    for whose, (joints, turns) in enumerate(bodies):
        ahead = np.stack([turns[_HEAD][:, 2], turns[_CHEST][:, 2]])
        for centre, radius, forwards in zip(_middles(joints, turns, points), (HEAD_M, TRUNK_M), ahead, strict=True):
            off = points - centre
            distance = np.sqrt(np.sum(off * off, axis=-1))
            if distance.min() >= radius:
                continue
            wanted = np.empty((len(points), 3))
            for owner, (other, _) in enumerate(bodies):
                way = forwards if owner == whose else other[_CHEST] - joints[_CHEST]
                wanted[2 * owner : 2 * owner + 2] = way / max(float(np.linalg.norm(way)), 1e-6)
            steps = _steps(off, distance, radius, wanted)
            deepest = np.argmax(np.sum(steps * steps, axis=-1), axis=1)
            out += steps[np.arange(len(steps)), deepest]
    return out


def _points(arms: Arms, joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3, 3) of each hand: its middle, its knuckles, and where its middle finger ends."""
    knuckles, ends = joints[arms.knuckles], joints[[fingers[1, 2] for fingers in arms.fingers]]
    return np.stack([0.5 * (joints[arms.wrists] + knuckles), knuckles, ends], axis=1)


def _middles(
    joints: NDArray[np.float64], turns: NDArray[np.float64], points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The skull's middle (3,), and where the trunk's axis is nearest to each point (like ``points``)."""
    waist = joints[_WAIST]
    along = _BELOW_NECK * (joints[_NECK] - waist)
    share = np.clip((points - waist) @ along / (along @ along), 0.0, 1.0)
    return joints[_HEAD] + turns[_HEAD] @ _SKULL_M, waist + share[..., None] * along


def _steps(
    off: NDArray[np.float64], distance: NDArray[np.float64], radius: float, wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(H, P, 3) to the skin, from ``off`` (H, P, 3) its middle; ``wanted`` (H, 3) is the way from deep inside."""
    share = np.minimum(distance / radius, 1.0)[..., None]
    way = share * off / np.maximum(distance, 1e-6)[..., None] + (1.0 - share) * wanted[:, None, :]
    way /= np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-6)
    along = np.sum(off * way, axis=-1)
    inside = distance < radius
    length = np.where(
        inside, np.sqrt(np.maximum(along * along - distance * distance + radius * radius, 0.0)) - along, 0.0
    )
    return way * length[..., None]
