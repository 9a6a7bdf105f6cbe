"""Hands that nearly meet are made to: a pose is danced on one canonical body, and avatars have arms of their own.

Where two hands of a couple are near each other, both arms reach (two-bone inverse kinematics) for the middle between
them, the more the nearer they are: a hand that passes by at a distance is left alone, and nothing leaps. It is the
picture's doing alone; what was danced is not touched.
"""

import numpy as np
from numpy.typing import NDArray

from duet.kinematics import two_bone_ik
from duet.rotations import matrix_from_rotvec
from ui.avatar import Avatar

Placed = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A body in the world: joints (55, 3) in metres and global rotations (55, 3, 3)."""

NEAR_M, FAR_M = 0.15, 0.30
"""Palms nearer than the first meet, those further than the second do not know of each other."""
_PALM_M = 0.035
"""From palm to palm when hands lie in each other: the flesh of both."""
_SIDES = ("left", "right")
_GRIP_RAD = np.array([0.30, 0.40, 0.25])
"""What the joints of each finger bend more in a hold than at rest."""
_FINGERS = ("index", "middle", "ring", "pinky")


def hold_hands(first: Avatar, first_placed: Placed, second: Avatar, second_placed: Placed) -> tuple[Placed, Placed]:
    """Both bodies, with arms that reach for the partner's hand where it is near; the same where none is."""
    palms = _palms(first, first_placed), _palms(second, second_placed)
    apart = palms[1][None, :, :] - palms[0][:, None, :]
    distance = np.linalg.norm(apart, axis=-1)
    if distance.min() >= FAR_M:
        return first_placed, second_placed
    x = np.clip((FAR_M - distance) / (FAR_M - NEAR_M), 0.0, 1.0)
    pull = x * x * (3.0 - 2.0 * x)
    # A hand between two others goes for their middle, never further.
    pull /= np.maximum(1.0, np.maximum(pull.sum(0, keepdims=True), pull.sum(1, keepdims=True)))
    way = 0.5 * pull * np.maximum(1.0 - _PALM_M / np.maximum(distance, 1e-6), 0.0)
    steps = np.einsum("ab,abk->ak", way, apart), -np.einsum("ab,abk->bk", way, apart)
    grips = pull.sum(axis=1), pull.sum(axis=0)
    return _reached(first, first_placed, steps[0], grips[0]), _reached(second, second_placed, steps[1], grips[1])


def _palms(avatar: Avatar, placed: Placed) -> NDArray[np.float64]:
    """(2, 3) the middles of the left and of the right hand."""
    joints = placed[0]
    wrists = joints[[avatar.names.index(f"{side}_wrist") for side in _SIDES]]
    knuckles = joints[[avatar.names.index(f"{side}_middle1") for side in _SIDES]]
    return 0.25 * wrists + 0.75 * knuckles


def _reached(avatar: Avatar, placed: Placed, steps_m: NDArray[np.float64], grips: NDArray[np.float64]) -> Placed:
    """The body with each hand ``steps_m`` (2, 3) further, closed by its share of ``grips`` (2,).

    Hands keep their angle to the forearm.
    """
    joints, turns = placed[0].copy(), placed[1].copy()
    for side, step, grip, sign in zip(_SIDES, steps_m, grips, (-1.0, 1.0), strict=True):
        if grip > 1e-3:
            _close(avatar, joints, turns, side, sign * grip)
        if np.linalg.norm(step) < 1e-4:
            continue
        shoulder, elbow, wrist = (avatar.names.index(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
        # Arms lie along X at rest: a left elbow bends about -Y, a right one about +Y.
        hinge = turns[shoulder] @ np.array([0.0, sign, 0.0])
        above, below = two_bone_ik(
            joints[shoulder], joints[elbow], joints[wrist], joints[wrist] + step, hinge_axis=hinge
        )
        hand = avatar.below(wrist)
        new_elbow = joints[shoulder] + above @ (joints[elbow] - joints[shoulder])
        joints[hand] = new_elbow + (joints[hand] - joints[elbow]) @ below.T
        joints[elbow] = new_elbow
        turns[shoulder], turns[elbow] = above @ turns[shoulder], below @ turns[elbow]
        turns[hand] = below @ turns[hand]
    return joints, turns


def _close(avatar: Avatar, joints: NDArray[np.float64], turns: NDArray[np.float64], side: str, grip: float) -> None:
    """Bend the fingers of one hand, in place; all of a hand's finger joints bend about the same axis."""
    axis = turns[avatar.names.index(f"{side}_wrist")] @ np.array([0.0, 0.0, 1.0])
    first, second, third = matrix_from_rotvec(axis * (grip * np.cumsum(_GRIP_RAD))[:, None])
    for finger in _FINGERS:
        a, b, c = (avatar.names.index(f"{side}_{finger}{k}") for k in (1, 2, 3))
        upper, lower = first @ (joints[b] - joints[a]), second @ (joints[c] - joints[b])
        joints[b] = joints[a] + upper
        joints[c] = joints[b] + lower
        turns[a], turns[b], turns[c] = first @ turns[a], second @ turns[b], third @ turns[c]
