"""Hands that meet in the dance meet in the picture: poses are danced on one canonical body, avatars have other arms.

Where two hands of a couple are danced near each other, both arms reach (two-bone inverse kinematics) for the middle
between them, the more the nearer they were danced: a hand that passes by at a distance is left alone, and nothing
leaps. However long the avatars' arms are, it is the danced distance that decides; where one arm is too short, the other
goes further. It is the picture's doing alone; what was danced is not touched.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from duet.rotations import matrix_from_rotvec
from duet.skeleton import BODY
from ui.drawing.apart import keep_apart
from ui.drawing.arms import SIDES, SIGNS, Arms, Hand, Placed, arms_of, palms, reach
from ui.drawing.avatar import Avatar, BodyPose

NEAR_M, FAR_M = 0.15, 0.30
"""Palms nearer than the first meet, those further than the second do not know of each other."""
_PALM_M = 0.035
"""From palm to palm when hands lie in each other: the flesh of both."""
_GRIP_RAD = np.array([0.30, 0.40, 0.25])
"""What the joints of each finger bend more in a hold than at rest."""
_MOST_REACHES, _NEARLY_M = 4, 0.01
_OUTLINE_EVERY = 7
_WRISTS = [BODY.index(f"{side}_wrist") for side in SIDES]
_PALM_OFF_M = np.array([0.07, -0.07])
"""From a wrist to the middle of the hand, along X at rest."""
_CHAIN = [
    *(BODY.index(f"spine{k}") for k in (1, 2, 3)),
    *(BODY.index(f"{side}_{joint}") for side in SIDES for joint in ("collar", "shoulder", "elbow", "wrist")),
]
_ABOVE = [BODY.parents[joint] for joint in _CHAIN]


def place_couple(
    avatars: Sequence[Avatar], poses: Sequence[BodyPose]
) -> tuple[list[Placed], NDArray[np.float64] | None]:
    """Bodies in the world, their hands in each other's where they were danced so, and in nobody's head or trunk.

    The follower comes first. And the middle between the leader's eyes (3,), None without a leader.
    """
    placed = keep_apart(avatars, [avatar.place(pose) for avatar, pose in zip(avatars, poses, strict=True)])
    if len(placed) < 2:
        return placed, None
    danced = [_danced_palms(pose, turns) for pose, (_, turns) in zip(poses, placed, strict=True)]
    distance = np.linalg.norm(danced[1][None, :, :] - danced[0][:, None, :], axis=-1)
    eyes_m = avatars[1].between_eyes_m(placed[1])
    return list(hold_hands(avatars[0], placed[0], avatars[1], placed[1], distance)), eyes_m


def outline_m(avatars: Sequence[Avatar], placed: Sequence[Placed]) -> NDArray[np.float64]:
    """(N, 3) points all over the skins of bodies that were placed, to see how much room they take."""
    skins = [avatar.skinned_between_m(*body, _OUTLINE_EVERY) for avatar, body in zip(avatars, placed, strict=True)]
    return np.concatenate(skins).astype(np.float64)


def _danced_palms(pose: BodyPose, turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) the middles of both hands where they were danced, from the global rotations, which all bodies share."""
    offsets = pose.skeleton.offsets_m.astype(np.float64)
    steps = np.einsum("jab,jb->ja", turns[_ABOVE], offsets[_CHAIN])
    spine, sides = steps[:3].sum(axis=0), steps[3:].reshape(2, 4, 3).sum(axis=1)
    return np.asarray(pose.root_m) + spine + sides + turns[_WRISTS][:, :, 0] * _PALM_OFF_M[:, None]


def hold_hands(
    first: Avatar,
    first_placed: Placed,
    second: Avatar,
    second_placed: Placed,
    danced_m: NDArray[np.float64] | None = None,
) -> tuple[Placed, Placed]:
    """Both bodies, with arms that reach for the partner's hand where it is near; the same where none is.

    ``danced_m`` (2, 2): how far apart they were danced, the first one's left and right to the second one's; without it
    these bodies' own hands tell.
    """
    arms = arms_of(first), arms_of(second)
    apart = _apart(arms, (first_placed, second_placed))
    distance = np.sqrt(np.sum(apart * apart, axis=-1))
    near = distance if danced_m is None else danced_m
    if near.min() >= FAR_M:
        return first_placed, second_placed
    x = np.clip((FAR_M - near) / (FAR_M - NEAR_M), 0.0, 1.0)
    pull = x * x * (3.0 - 2.0 * x)
    # A hand between two others goes for their middle, never further.
    pull /= np.maximum(1.0, np.maximum(pull.sum(0, keepdims=True), pull.sum(1, keepdims=True)))
    wanted = distance - pull * np.maximum(distance - _PALM_M, 0.0)
    grips = np.concatenate([pull.sum(axis=1), pull.sum(axis=0)])
    bodies = tuple((joints.copy(), turns.copy()) for joints, turns in (first_placed, second_placed))
    hands = [(arm, body, side) for arm, body in zip(arms, bodies, strict=True) for side in (0, 1)]
    _close(hands, grips)
    for _ in range(_MOST_REACHES):
        too_far = np.where(pull > 0.0, np.maximum(distance - wanted, 0.0), 0.0)
        way = (0.5 * too_far / np.maximum(distance, 1e-6))[:, :, None] * apart
        reach(hands, np.concatenate([way.sum(axis=1), -way.sum(axis=0)]))
        apart = _apart(arms, bodies)
        distance = np.sqrt(np.sum(apart * apart, axis=-1))
        # Once is enough, but where an arm is too short for its half of the way.
        if np.all((pull == 0.0) | (distance - wanted < _NEARLY_M)):
            break
    return bodies[0], bodies[1]


def _apart(arms: tuple[Arms, Arms], bodies: Sequence[Placed]) -> NDArray[np.float64]:
    """(2, 2, 3) from each palm of the first body to each of the second's."""
    first, second = (palms(arm, placed) for arm, placed in zip(arms, bodies, strict=True))
    return second[None, :, :] - first[:, None, :]


def _close(hands: Sequence[Hand], grips: NDArray[np.float64]) -> None:
    """Bend the fingers of each hand by its share of ``grips`` (4,), in place.

    All of a hand's finger joints bend about the same axis.
    """
    signed = grips * [SIGNS[side] for _, _, side in hands]
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
