"""Forward kinematics, heading, foot contact and two-bone inverse kinematics."""

import numpy as np
from numpy.typing import NDArray

from duet.rotations import Array, cross, matrix_between, matrix_from_rotvec, normalise
from duet.skeleton import FEET, Skeleton

CONTACT_SPEED_M_S = 0.3
"""A foot joint slower than this may touch: 0.01 m a frame at 30 fps, as in Duolando (arXiv 2403.18811)."""
CONTACT_HEIGHTS_M = (0.12, 0.12, 0.06, 0.06)
"""Ankles and toes of the canonical body lower than this may touch (rest heights .074 and .014 m)."""


def forward(skeleton: Skeleton, root_m: Array, rotations: Array) -> tuple[Array, Array]:
    """Joint positions (..., J, 3) and global rotations (..., J, 3, 3).

    ``root_m`` (..., 3) is the root's position in the world, ``rotations`` (..., J, 3, 3) are local,
    row 0 in the world. The root's rest offset is not added: ``root_m`` replaces it.
    """
    parents = skeleton.parents
    # Joint by joint from the front: each is a block, and the bones are turned all at once.
    local = np.moveaxis(rotations, -3, 0)
    globals_ = np.empty(local.shape, rotations.dtype)
    globals_[0] = local[0]
    for j in range(1, len(skeleton)):
        np.matmul(globals_[parents[j]], local[j], out=globals_[j])
    bones = skeleton.offsets_m[1:].astype(rotations.dtype).reshape(-1, *(1,) * (local.ndim - 3), 3, 1)
    positions = np.empty(local.shape[:-1], np.result_type(root_m, rotations))
    positions[0] = root_m
    positions[1:] = (globals_[list(parents[1:])] @ bones)[..., 0]
    for j in range(1, len(skeleton)):
        positions[j] += positions[parents[j]]
    joints, turns = np.moveaxis(positions, 0, -2), np.moveaxis(globals_, 0, -3)
    return np.ascontiguousarray(joints), np.ascontiguousarray(turns)


def local_from_global(skeleton: Skeleton, global_rotations: Array) -> Array:
    """Global rotations (..., J, 3, 3) to local ones."""
    parents = np.array(skeleton.parents)
    local = global_rotations.copy()
    parent_from_world = np.swapaxes(global_rotations[..., parents[1:], :, :], -1, -2)
    local[..., 1:, :, :] = parent_from_world @ global_rotations[..., 1:, :, :]
    return local


def heading_yaw(skeleton: Skeleton, joints_m: Array) -> NDArray[np.floating]:
    """Yaw (...) in radians of where a body faces: across hips and shoulders, projected on the floor.

    0 faces +Z, pi/2 faces +X.
    """
    left = [skeleton.index(n) for n in ("left_hip", "left_shoulder")]
    right = [skeleton.index(n) for n in ("right_hip", "right_shoulder")]
    across = normalise(joints_m[..., left, :] - joints_m[..., right, :]).sum(axis=-2)
    # Facing is across x up: a body facing +Z has its left at +X.
    return np.arctan2(-across[..., 2], across[..., 0])


def foot_contacts(joints_m: Array, fps: float) -> NDArray[np.float32]:
    """(T, 4) in {0, 1}: which of ``FEET`` rest on the floor, from heights and speeds of (T, 22, 3)."""
    feet = joints_m[:, list(FEET)]
    speed = np.zeros(feet.shape[:2])
    if len(feet) > 1:
        step = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * fps
        speed[1:] = step
        speed[0] = step[0]
    low = feet[..., 1] < np.array(CONTACT_HEIGHTS_M)
    return (low & (speed < CONTACT_SPEED_M_S)).astype(np.float32)


def two_bone_ik(root: Array, mid: Array, end: Array, target: Array, *, hinge_axis: Array) -> tuple[Array, Array]:
    """World rotations (..., 3, 3) to apply to the upper and to the lower bone so that ``end`` meets ``target``.

    ``root``, ``mid``, ``end``, ``target`` (..., 3) are hip, knee, ankle and where the ankle should be.
    ``hinge_axis`` (..., 3) is the world axis about which a positive turn of the shin bends the knee (+X of
    a body that faces +Z): a straight leg bends about it and an overstretched one folds back over it. The
    second rotation is the lower bone's total one (it includes the first). A target out of reach
    is reached for, never stretched to.
    """
    thigh, shin = root - mid, end - mid
    upper, lower = np.linalg.norm(thigh, axis=-1), np.linalg.norm(shin, axis=-1)
    # Stay a hair inside full extension: the knee's direction is undefined at the limit.
    reach = np.clip(np.linalg.norm(target - root, axis=-1), np.abs(upper - lower) + 1e-4, (upper + lower) * 0.9995)
    wanted = np.arccos(np.clip((upper**2 + lower**2 - reach**2) / (2 * upper * lower), -1.0, 1.0))
    axis = cross(shin, thigh)
    sine = np.linalg.norm(axis, axis=-1)
    angle = np.arctan2(sine, np.sum(shin * thigh, axis=-1))
    straight = sine < 1e-5 * upper * lower
    overstretched = ~straight & (np.sum(axis * hinge_axis, axis=-1) < 0.0)
    axis = np.where(straight[..., None], hinge_axis, np.where(overstretched[..., None], -axis, axis))
    angle = np.where(overstretched, 2.0 * np.pi - angle, angle)
    bend = matrix_from_rotvec(normalise(axis) * (angle - wanted)[..., None])
    swing = matrix_between((bend @ shin[..., None])[..., 0] - thigh, target - root)
    return swing, swing @ bend


def limb_rotations(
    root: Array, target: Array, pole: Array, *, upper: Array, lower: Array, hinge: Array
) -> tuple[Array, Array, Array, Array]:
    """Pose two-bone limbs from nothing: ``(upper (..., 3, 3), lower (..., 3, 3), mid (..., 3), end (..., 3))``.

    ``root`` and ``target`` (..., 3) are shoulder and wrist (or hip and ankle) in the world; the elbow
    (knee) goes to the side of ``pole`` (..., 3). ``upper`` and ``lower`` (3,) are the bones at rest,
    ``hinge`` (3,) the axis at rest about which the lower bone flexes from the upper one. The
    rotations are global. A target out of reach is reached for, never stretched to.
    """
    long, short = float(np.linalg.norm(upper)), float(np.linalg.norm(lower))
    reach = np.linalg.norm(target - root, axis=-1, keepdims=True)
    toward = (target - root) / np.maximum(reach, 1e-8)
    reach = np.clip(reach, abs(long - short) + 1e-3, (long + short) * 0.9995)
    side = normalise(pole - toward * np.sum(pole * toward, axis=-1, keepdims=True))
    cosine = np.clip((long**2 + reach**2 - short**2) / (2 * long * reach), -1.0, 1.0)
    mid = root + long * (toward * cosine + side * np.sqrt(1.0 - cosine**2))
    end = root + toward * reach
    # The hinge is across the limb's plane, the same for both bones, straight or bent.
    across = -cross(toward, side)
    above = _frame(mid - root, across) @ _frame(upper, hinge).T
    below = _frame(end - mid, across) @ _frame(lower, hinge).T
    return above, below, mid, end


def _frame(bone: Array, hinge: Array) -> Array:
    """Right-handed frames (..., 3, 3) with the first column along ``bone``, the second nearest ``hinge``."""
    first = normalise(bone)
    second = normalise(hinge - first * np.sum(first * hinge, axis=-1, keepdims=True))
    return np.stack([first, second, cross(first, second)], axis=-1)
