"""Hands that nearly meet are made to: a pose is danced on one canonical body, and avatars have arms of their own.

Where two hands of a couple are near each other, both arms reach (two-bone inverse kinematics) for the middle between
them, the more the nearer they are: a hand that passes by at a distance is left alone, and nothing leaps. It is the
picture's doing alone; what was danced is not touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from duet.kinematics import two_bone_ik
from duet.rotations import matrix_from_rotvec
from ui.drawing.avatar import Avatar

Placed = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A body in the world: joints (55, 3) in metres and global rotations (55, 3, 3)."""

NEAR_M, FAR_M = 0.15, 0.30
"""Palms nearer than the first meet, those further than the second do not know of each other."""
_PALM_M = 0.035
"""From palm to palm when hands lie in each other: the flesh of both."""
_SIDES, _SIGNS = ("left", "right"), (-1.0, 1.0)
_GRIP_RAD = np.array([0.30, 0.40, 0.25])
"""What the joints of each finger bend more in a hold than at rest."""
_FINGERS = ("index", "middle", "ring", "pinky")


def hold_hands(first: Avatar, first_placed: Placed, second: Avatar, second_placed: Placed) -> tuple[Placed, Placed]:
    """Both bodies, with arms that reach for the partner's hand where it is near; the same where none is."""
    arms = _arms(first), _arms(second)
    palms = [_palms(arm, placed) for arm, placed in zip(arms, (first_placed, second_placed), strict=True)]
    apart = palms[1][None, :, :] - palms[0][:, None, :]
    distance = np.sqrt(np.sum(apart * apart, axis=-1))
    if distance.min() >= FAR_M:
        return first_placed, second_placed
    x = np.clip((FAR_M - distance) / (FAR_M - NEAR_M), 0.0, 1.0)
    pull = x * x * (3.0 - 2.0 * x)
    # A hand between two others goes for their middle, never further.
    pull /= np.maximum(1.0, np.maximum(pull.sum(0, keepdims=True), pull.sum(1, keepdims=True)))
    way = (0.5 * pull * np.maximum(1.0 - _PALM_M / np.maximum(distance, 1e-6), 0.0))[:, :, None] * apart
    steps = np.concatenate([way.sum(axis=1), -way.sum(axis=0)])
    grips = np.concatenate([pull.sum(axis=1), pull.sum(axis=0)])
    bodies = tuple((joints.copy(), turns.copy()) for joints, turns in (first_placed, second_placed))
    hands = [(arm, body, side) for arm, body in zip(arms, bodies, strict=True) for side in (0, 1)]
    _close(hands, grips)
    _reach(hands, steps)
    return bodies[0], bodies[1]


@dataclass(frozen=True)
class _Arms:
    """Joint numbers, left and right."""

    shoulders: NDArray[np.intp]
    elbows: NDArray[np.intp]
    wrists: NDArray[np.intp]
    knuckles: NDArray[np.intp]
    hands: tuple[NDArray[np.intp], NDArray[np.intp]]
    """Each wrist and all its fingers."""
    fingers: tuple[NDArray[np.intp], NDArray[np.intp]]
    """(4, 3) the joints of each hand's fingers from the knuckle on."""


_Hand = tuple[_Arms, Placed, int]
"""Whose arms, which body, which side."""


@lru_cache(maxsize=16)
def _arms_of(names: tuple[str, ...]) -> _Arms:
    def joints(name: str) -> NDArray[np.intp]:
        return np.array([names.index(f"{side}_{name}") for side in _SIDES])

    def hand(side: str) -> NDArray[np.intp]:
        fingers = [j for j, name in enumerate(names) if name.startswith(f"{side}_") and name[-1] in "123"]
        return np.array([names.index(f"{side}_wrist"), *fingers])

    def fingers(side: str) -> NDArray[np.intp]:
        return np.array([[names.index(f"{side}_{finger}{k}") for k in (1, 2, 3)] for finger in _FINGERS])

    left, right = _SIDES
    return _Arms(
        joints("shoulder"),
        joints("elbow"),
        joints("wrist"),
        joints("middle1"),
        (hand(left), hand(right)),
        (fingers(left), fingers(right)),
    )


def _arms(avatar: Avatar) -> _Arms:
    return _arms_of(avatar.names)


def _palms(arms: _Arms, placed: Placed) -> NDArray[np.float64]:
    """(2, 3) the middles of the left and of the right hand."""
    return 0.25 * placed[0][arms.wrists] + 0.75 * placed[0][arms.knuckles]


def _reach(hands: Sequence[_Hand], steps_m: NDArray[np.float64]) -> None:
    """Move the hands by ``steps_m`` (4, 3), in place, all at once; they keep their angle to the forearm."""
    shoulders = np.array([joints[arms.shoulders[side]] for arms, (joints, _), side in hands])
    elbows = np.array([joints[arms.elbows[side]] for arms, (joints, _), side in hands])
    wrists = np.array([joints[arms.wrists[side]] for arms, (joints, _), side in hands])
    # Arms lie along X at rest: a left elbow bends about -Y, a right one about +Y.
    hinges = np.array([turns[arms.shoulders[side]][:, 1] * _SIGNS[side] for arms, (_, turns), side in hands])
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


def _close(hands: Sequence[_Hand], grips: NDArray[np.float64]) -> None:
    """Bend the fingers of each hand by its share of ``grips`` (4,), in place.

    All of a hand's finger joints bend about the same axis.
    """
    signed = grips * [_SIGNS[side] for _, _, side in hands]
    axes = np.array([turns[arms.wrists[side]][:, 2] for arms, (_, turns), side in hands])
    bends = matrix_from_rotvec(axes[:, None, :] * (signed[:, None] * np.cumsum(_GRIP_RAD))[:, :, None])
    for (arms, (joints, turns), side), grip, (first, second, third) in zip(hands, grips, bends, strict=True):
        if not grip:
            continue
        near, middle, far = arms.fingers[side].T
        upper, lower = (joints[middle] - joints[near]) @ first.T, (joints[far] - joints[middle]) @ second.T
        joints[middle] = joints[near] + upper
        joints[far] = joints[middle] + lower
        turns[near], turns[middle], turns[far] = first @ turns[near], second @ turns[middle], third @ turns[far]
