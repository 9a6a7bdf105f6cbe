"""Arms in the picture: which joints they are, where their palms are, and how they reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from duet.kinematics import two_bone_ik
from ui.drawing.avatar import Avatar

Placed = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A body in the world: joints (55, 3) in metres and global rotations (55, 3, 3)."""

SIDES, SIGNS = ("left", "right"), (-1.0, 1.0)
FINGERS = ("index", "middle", "ring", "pinky")


@dataclass(frozen=True)
class Arms:
    """Joint numbers, left and right."""

    shoulders: NDArray[np.intp]
    elbows: NDArray[np.intp]
    wrists: NDArray[np.intp]
    knuckles: NDArray[np.intp]
    hands: tuple[NDArray[np.intp], NDArray[np.intp]]
    """Each wrist and all its fingers."""
    fingers: tuple[NDArray[np.intp], NDArray[np.intp]]
    """(4, 3) the joints of each hand's fingers from the knuckle on."""


Hand = tuple[Arms, Placed, int]
"""Whose arms, which body, which side."""


@lru_cache(maxsize=16)
def _arms_named(names: tuple[str, ...]) -> Arms:
    def joints(name: str) -> NDArray[np.intp]:
        return np.array([names.index(f"{side}_{name}") for side in SIDES])

    def hand(side: str) -> NDArray[np.intp]:
        fingers = [j for j, name in enumerate(names) if name.startswith(f"{side}_") and name[-1] in "123"]
        return np.array([names.index(f"{side}_wrist"), *fingers])

    def fingers(side: str) -> NDArray[np.intp]:
        return np.array([[names.index(f"{side}_{finger}{k}") for k in (1, 2, 3)] for finger in FINGERS])

    left, right = SIDES
    return Arms(
        joints("shoulder"),
        joints("elbow"),
        joints("wrist"),
        joints("middle1"),
        (hand(left), hand(right)),
        (fingers(left), fingers(right)),
    )


def arms_of(avatar: Avatar) -> Arms:
    """Of an avatar."""
    return _arms_named(avatar.names)


def palms(arms: Arms, placed: Placed) -> NDArray[np.float64]:
    """(2, 3) the middles of the left and of the right hand."""
    return 0.25 * placed[0][arms.wrists] + 0.75 * placed[0][arms.knuckles]


def reach(hands: Sequence[Hand], steps_m: NDArray[np.float64]) -> None:
    """Move the hands by ``steps_m`` (4, 3), in place, all at once; they keep their angle to the forearm."""
    shoulders = np.array([joints[arms.shoulders[side]] for arms, (joints, _), side in hands])
    elbows = np.array([joints[arms.elbows[side]] for arms, (joints, _), side in hands])
    wrists = np.array([joints[arms.wrists[side]] for arms, (joints, _), side in hands])
    # Arms lie along X at rest: a left elbow bends about -Y, a right one about +Y.
    hinges = np.array([turns[arms.shoulders[side]][:, 1] * SIGNS[side] for arms, (_, turns), side in hands])
    above, below = two_bone_ik(shoulders, elbows, wrists, wrists + steps_m, hinge_axis=hinges)
    for k, (arms, (joints, turns), side) in enumerate(hands):
        if not steps_m[k].any():
            continue
        shoulder, elbow, hand = arms.shoulders[side], arms.elbows[side], arms.hands[side]
        bent = shoulders[k] + above[k] @ (elbows[k] - shoulders[k])
        joints[hand] = bent + (joints[hand] - elbows[k]) @ below[k].T
        joints[elbow] = bent
        turns[shoulder], turns[elbow] = above[k] @ turns[shoulder], below[k] @ turns[elbow]
        turns[hand] = below[k] @ turns[hand]
