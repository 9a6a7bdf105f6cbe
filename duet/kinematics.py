"""Forward kinematics, heading, foot contact and two-bone inverse kinematics."""

import numpy as np
from numpy.typing import NDArray

from duet.rotations import Array, matrix_between, matrix_from_rotvec, normalise
from duet.skeleton import FEET, Skeleton

CONTACT_SPEED_M_S = 0.3
"""A foot joint slower than this (0.01 m per frame at 30 fps, as in MODELS.md's sources) may touch."""
CONTACT_HEIGHTS_M = (0.12, 0.12, 0.06, 0.06)
"""Ankles and toes of the canonical body lower than this may touch (rest heights .074 and .014 m)."""


def forward(skeleton: Skeleton, root_m: Array, rotations: Array) -> tuple[Array, Array]:
    """Joint positions (..., J, 3) and global rotations (..., J, 3, 3).

    ``root_m`` (..., 3) is the root's position in the world, ``rotations`` (..., J, 3, 3) are local,
    row 0 in the world. The root's rest offset is not added: ``root_m`` replaces it.
    """
    offsets = skeleton.offsets_m.astype(rotations.dtype)
    positions: list[Array] = [root_m]
    globals_: list[Array] = [rotations[..., 0, :, :]]
    for j in range(1, len(skeleton)):
        parent = skeleton.parents[j]
        positions.append(positions[parent] + globals_[parent] @ offsets[j])
        globals_.append(globals_[parent] @ rotations[..., j, :, :])
    return np.stack(positions, axis=-2), np.stack(globals_, axis=-3)


def local_from_global(skeleton: Skeleton, global_rotations: Array) -> Array:
    """Global rotations (..., J, 3, 3) to local ones."""
    parents = np.array(skeleton.parents)
    local = global_rotations.copy()
    local[..., 1:, :, :] = np.swapaxes(global_rotations[..., parents[1:], :, :], -1, -2) @ global_rotations[..., 1:, :, :]
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


def two_bone_ik(
    root: Array, mid: Array, end: Array, target: Array, *, hinge_axis: Array
) -> tuple[Array, Array]:
    """World rotations (3, 3) to apply to the upper and to the lower bone so that ``end`` meets ``target``.

    ``root``, ``mid``, ``end``, ``target`` (3,) are hip, knee, ankle and where the ankle should be.
    ``hinge_axis`` (3,) is the world axis the knee bends about, used when the leg is straight. The
    second rotation is the lower bone's total one (it includes the first). A target out of reach
    is reached for, never stretched to.
    """
    upper, lower = np.linalg.norm(mid - root), np.linalg.norm(end - mid)
    reach = np.linalg.norm(target - root)
    # Stay a hair inside full extension: the knee's direction is undefined at the limit.
    reach_in = np.clip(reach, abs(upper - lower) + 1e-4, (upper + lower) * 0.9995)
    now = np.clip(np.dot(normalise(root - mid), normalise(end - mid)), -1.0, 1.0)
    want = np.clip((upper**2 + lower**2 - reach_in**2) / (2 * upper * lower), -1.0, 1.0)
    axis = np.cross(root - mid, end - mid)
    axis = normalise(axis) if np.linalg.norm(axis) > 1e-5 else normalise(hinge_axis)
    bend = matrix_from_rotvec(axis * (np.arccos(want) - np.arccos(now)))
    end_bent = mid + bend @ (end - mid)
    swing = matrix_between(end_bent - root, target - root)
    return swing, swing @ bend
