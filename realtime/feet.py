"""Causal foot lock: a foot that the model says is planted stays where it landed.

The principle of InfiniteDance's foot restoration (arXiv 2603.13375) in one causal pass: only hip, knee and ankle are
touched. Contacts pass a hysteresis, and a foot that the pose swings is none; a planted one is pinned by two-bone
inverse kinematics, and a released one slides back to the model's pose over a few frames. Where the pose walks off
from under a foot that is planted, the foot slides after it, the more the further it is pulled, and where it rests
comes along: one that held on and was let go would leap, be planted where it came to, and leap again, many times a
second; one that was drawn to where it once landed would stand beside its body for as long as the model leaves it
planted, which is seconds and metres where that is unsure.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.kinematics import forward, two_bone_ik
from duet.rotations import Array
from duet.skeleton import BODY

ON, OFF = 0.3, 0.1
"""Contact probability above which a foot is planted, and below which it is released: a model that learned from recorded
feet, which glide, is never sure of its own."""
LAND_STEP_M, SWING_STEP_M = 0.03, 0.06
"""How far the pose may carry a foot in a frame that lands, and one that is planted: faster than that it swings, however
sure its contact is."""
MAX_PULL_M = 0.13
"""A planted foot is never as far as this from where the pose has it. Shorter, and feet glide; longer, and they lag
behind a body that walks."""
_SLACK_M = 1.25 * MAX_PULL_M
"""How far where a foot rests is left behind: there it slides three quarters as fast as the pose already."""
_HOMING = 0.04
"""Of the way a foot is pulled, what its rest comes after in a frame: whoever walked and stands again has their feet
below them within some seconds, and none is seen to glide."""
RELEASE_FRAMES = 7
_KEPT = 1.0 - 1.0 / RELEASE_FRAMES
"""Of the way a released foot is off, what it is in the next frame."""

LEGS = (
    tuple(BODY.index(n) for n in ("left_hip", "left_knee", "left_ankle", "left_foot")),
    tuple(BODY.index(n) for n in ("right_hip", "right_knee", "right_ankle", "right_foot")),
)
_ANKLE_REST_M = float(BODY.rest_joints_m[LEGS[0][2], 1])
_TOE_REST_M = float(BODY.rest_joints_m[LEGS[0][3], 1])


@dataclass(frozen=True)
class FootLock:
    """State after one frame, for both feet (left, right)."""

    planted: tuple[bool, bool] = (False, False)
    anchor_m: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0))
    """Where (x, z) each planted ankle rests: where it landed, or as far after that as it was pulled."""
    offset_m: tuple[tuple[float, float, float], tuple[float, float, float]] = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    """Correction of each ankle applied in this frame; decays after release."""


def lock_feet(
    root_m: Array, rotations: Array, contacts: Array, lock: FootLock
) -> tuple[NDArray[np.float32], list[FootLock]]:
    """Pin planted feet over consecutive frames.

    Root (T, 3), local rotations (T, 22, 3, 3) on BODY, contacts (T, 4). Returns new local rotations
    and the state after each frame.
    """
    out = np.array(rotations, dtype=np.float64)
    joints, globals_ = forward(BODY, np.asarray(root_m, dtype=np.float64), out)
    offsets = np.zeros((len(out), len(LEGS), 3))
    locks: list[FootLock] = []
    # Plain numbers, as it runs per frame on the live path.
    ankles, toes = (joints[:, [leg[i] for leg in LEGS]].tolist() for i in (2, 3))
    steps_m = _steps_m(joints[:, [leg[2] for leg in LEGS]]).tolist()
    for t, touches in enumerate(np.maximum(contacts[:, :2], contacts[:, 2:]).tolist()):
        stands = [_stands(touches[i], steps_m[t][i], lock.planted[i]) for i in range(len(LEGS))]
        feet = [_decide(ankles[t][i], toes[t][i][1], stands[i], lock, i) for i in range(len(LEGS))]
        (left, left_at, left_by), (right, right_at, right_by) = feet
        lock = FootLock((left, right), (left_at, right_at), (left_by, right_by))
        offsets[t] = lock.offset_m
        locks.append(lock)
    frames, sides = np.nonzero(np.abs(offsets).max(axis=-1) > 1e-4)
    if len(frames):
        legs = np.array(LEGS)[sides]
        bend_legs(out, joints, globals_, (frames, legs), joints[frames, legs[:, 2]] + offsets[frames, sides])
    return out.astype(np.float32), locks


def _steps_m(ankles_m: Array) -> NDArray[np.float64]:
    """(T, 2) how far the pose carries ankles (T, 2, 3) to the next frame; the last as the one before it."""
    steps_m = np.linalg.norm(np.diff(ankles_m, axis=0), axis=-1)
    return np.concatenate([steps_m, steps_m[-1:]]) if len(steps_m) else np.zeros(ankles_m.shape[:2])


def _stands(contact: float, step_m: float, was: bool) -> bool:
    """Whether a foot is planted, that was or was not in the frame before."""
    return contact > (OFF if was else ON) and step_m < (SWING_STEP_M if was else LAND_STEP_M)


def _decide(
    ankle: list[float], toe_height: float, planted: bool, lock: FootLock, side: int
) -> tuple[bool, tuple[float, float], tuple[float, float, float]]:
    """Whether the foot is planted now, where it rests, and how far the ankle must move."""
    anchor, was = lock.anchor_m[side], lock.planted[side]
    released_x, _, released_z = (_KEPT * way for way in lock.offset_m[side])
    if planted and not was:
        # Land where the (possibly still released) foot is shown, so that planting never jumps.
        anchor = (ankle[0] + released_x, ankle[2] + released_z)
    # Nothing goes through the floor, planted or not.
    up = max(_ANKLE_REST_M * 0.85 - ankle[1], _TOE_REST_M * 0.5 - toe_height, 0.0)
    if not planted:
        return False, anchor, (released_x, up, released_z)
    away_x, away_z = anchor[0] - ankle[0], anchor[1] - ankle[2]
    pulled_m = math.hypot(away_x, away_z)
    left = min(1.0 - _HOMING * min(pulled_m / MAX_PULL_M, 1.0) ** 2, _SLACK_M / max(pulled_m, _SLACK_M))
    away_x, away_z = left * away_x, left * away_z
    anchor = ankle[0] + away_x, ankle[2] + away_z
    # Hardly less than what is pulled where that is little, and never more than the most, without a kink between.
    held = (1.0 + (math.hypot(away_x, away_z) / MAX_PULL_M) ** 3) ** (-1 / 3)
    return True, anchor, (held * away_x, up, held * away_z)


def bend_legs(
    local: Array,
    joints: Array,
    globals_: Array,
    where: tuple[NDArray[np.intp], NDArray[np.intp]],
    target: Array,
) -> None:
    """Turn hips, knees and ankles of some legs, in place, so that each ankle meets its ``target`` (K, 3); the feet keep
    their tilt. ``where``: frames (K,), and the legs (K, 4) as ``LEGS`` has them."""
    frames, (hip, knee, ankle, _) = where[0], where[1].T
    hips = globals_[frames, hip]
    upper, lower = two_bone_ik(
        joints[frames, hip], joints[frames, knee], joints[frames, ankle], target, hinge_axis=hips[..., 0]
    )
    hip_global, knee_global = upper @ hips, lower @ globals_[frames, knee]
    pelvis = globals_[frames, np.array(BODY.parents)[hip]]
    local[frames, hip] = np.swapaxes(pelvis, -1, -2) @ hip_global
    local[frames, knee] = np.swapaxes(hip_global, -1, -2) @ knee_global
    local[frames, ankle] = np.swapaxes(knee_global, -1, -2) @ globals_[frames, ankle]
