"""Poses that are known without a model: how a body rests when there is nothing to dance."""

import numpy as np
from numpy.typing import NDArray

from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix
from duet.skeleton import BODY

# Rotation vectors in radians of a relaxed stand: arms down with soft elbows, knees unlocked.
_RELAXED = {
    "left_shoulder": (0.15, 0.0, -1.25), "right_shoulder": (0.15, 0.0, 1.25),
    "left_elbow": (0.0, -0.35, 0.0), "right_elbow": (0.0, 0.35, 0.0),
    "left_hip": (-0.10, 0.0, -0.06), "right_hip": (-0.10, 0.0, 0.06),
    "left_knee": (0.20, 0.0, 0.0), "right_knee": (0.20, 0.0, 0.0),
    "left_ankle": (-0.10, 0.0, 0.06), "right_ankle": (-0.10, 0.0, -0.06),
}  # fmt: skip


def relaxed_rotations() -> NDArray[np.float32]:
    """Local rotations (22, 3, 3) of a relaxed stand, facing +Z."""
    rotvec = np.zeros((len(BODY), 3))
    for name, value in _RELAXED.items():
        rotvec[BODY.index(name)] = value
    return matrix_from_rotvec(rotvec).astype(np.float32)


def relaxed_quaternions_wxyz() -> NDArray[np.float32]:
    """The same as quaternions (22, 4)."""
    return quaternion_wxyz_from_matrix(relaxed_rotations()).astype(np.float32)


RELAXED_PELVIS_HEIGHT_M = float(BODY.offsets_m[0, 1]) - 0.012
"""Pelvis height of the relaxed stand: the knees take a little off the rest height."""
