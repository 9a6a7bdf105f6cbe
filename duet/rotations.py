"""The only rotation maths of Duet: matrices, 6D, quaternions (wxyz), rotation vectors.

Every function works on any leading shape ``(...)``. A rotation matrix maps child coordinates to
parent coordinates (``x_parent = R @ x_child``). The 6D form is the first two *columns* of the
matrix (Zhou et al. 2019, "On the Continuity of Rotation Representations").
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]

_EPS = 1e-8


def normalise(vector: Array, axis: int = -1) -> Array:
    """Unit vectors along ``axis``; a zero vector stays zero."""
    length = np.linalg.norm(vector, axis=axis, keepdims=True)
    return vector / np.maximum(length, _EPS)


def cross(a: Array, b: Array) -> Array:
    """Cross products of vectors (..., 3): ``numpy.cross`` to the bit, without what it takes to bring axes in order."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def matrix_from_rotvec(rotvec: ArrayLike) -> Array:
    """Rotation vectors (..., 3) in radians to matrices (..., 3, 3) by Rodrigues' formula."""
    rotvec = np.asarray(rotvec)
    if not np.issubdtype(rotvec.dtype, np.floating):
        rotvec = rotvec.astype(np.float64)
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(rotvec / np.maximum(angle[..., 0], _EPS), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*rotvec.shape[:-1], 3, 3)
    eye = np.eye(3, dtype=rotvec.dtype)
    return eye + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)


def rotvec_from_matrix(matrix: Array) -> Array:
    """Matrices (..., 3, 3) to rotation vectors (..., 3); angles in [0, pi]."""
    return rotvec_from_quaternion_wxyz(quaternion_wxyz_from_matrix(matrix))


def matrix_from_6d(six: Array) -> Array:
    """6D (..., 6) to matrices (..., 3, 3) by Gram-Schmidt on the two columns."""
    first = normalise(six[..., 0:3])
    second = six[..., 3:6]
    second = normalise(second - first * np.sum(first * second, axis=-1, keepdims=True))
    return np.stack([first, second, cross(first, second)], axis=-1)


def six_d_from_matrix(matrix: Array) -> Array:
    """Matrices (..., 3, 3) to 6D (..., 6): the first two columns, one after the other."""
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def quaternion_wxyz_from_matrix(matrix: Array) -> Array:
    """Matrices (..., 3, 3) to unit quaternions (..., 4) with w >= 0 (Shepperd's method)."""
    m = np.asarray(matrix)
    trace = np.trace(m, axis1=-2, axis2=-1)
    # 4 q q^T: every row is a multiple of q; the one with the largest diagonal is the best conditioned.
    outer = np.empty((*m.shape[:-2], 4, 4), np.result_type(m, np.float32))
    outer[..., 0, 0] = 1.0 + trace
    outer[..., 0, 1] = m[..., 2, 1] - m[..., 1, 2]
    outer[..., 0, 2] = m[..., 0, 2] - m[..., 2, 0]
    outer[..., 0, 3] = m[..., 1, 0] - m[..., 0, 1]
    outer[..., 1:, 0] = outer[..., 0, 1:]
    outer[..., 1:, 1:] = m + np.swapaxes(m, -1, -2) + (1.0 - trace)[..., None, None] * np.eye(3, dtype=m.dtype)
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    q = normalise(np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :])
    return np.where(q[..., :1] < 0, -q, q)


def matrix_from_quaternion_wxyz(quaternion: Array) -> Array:
    """Quaternions (..., 4), of any length but zero, to matrices (..., 3, 3)."""
    w, x, y, z = np.moveaxis(normalise(quaternion), -1, 0)
    return np.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ],
        axis=-1,
    ).reshape(*w.shape, 3, 3)  # fmt: skip


def rotvec_from_quaternion_wxyz(quaternion: Array) -> Array:
    """Unit quaternions (..., 4) to rotation vectors (..., 3), the short way round."""
    q = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    length = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(length, q[..., :1])
    scale = np.where(length > 1e-7, angle / np.maximum(length, 1e-7), 2.0)
    return q[..., 1:] * scale


def slerp_wxyz(start: Array, end: Array, fraction: ArrayLike) -> Array:
    """Spherical interpolation of quaternions (..., 4), the short way round; ``fraction`` (...)."""
    fraction = np.asarray(fraction, dtype=start.dtype)[..., None]
    dot = np.sum(start * end, axis=-1, keepdims=True)
    end = np.where(dot < 0, -end, end)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    near = angle < 1e-4
    sine = np.where(near, 1.0, np.sin(angle))
    a = np.where(near, 1.0 - fraction, np.sin((1.0 - fraction) * angle) / sine)
    b = np.where(near, fraction, np.sin(fraction * angle) / sine)
    return normalise(a * start + b * end)


def matrix_between(source: Array, target: Array) -> Array:
    """The smallest rotation (..., 3, 3) that turns direction ``source`` (..., 3) onto ``target``."""
    a, b = normalise(np.asarray(source, dtype=np.float64)), normalise(np.asarray(target, dtype=np.float64))
    a, b = np.broadcast_arrays(a, b)
    axis = cross(a, b)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    cosine = np.sum(a * b, axis=-1, keepdims=True)
    # Opposite directions have no unique axis: any one across ``a`` will do.
    helper = np.where(np.abs(a[..., :1]) < 0.9, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    fallback = normalise(cross(a, helper))
    unit = np.where(sine > 1e-7, axis / np.maximum(sine, 1e-7), fallback)
    return matrix_from_rotvec(unit * np.arctan2(sine, cosine))


def yaw_matrix(yaw_rad: ArrayLike) -> Array:
    """Rotation about +Y by ``yaw_rad`` (...): (..., 3, 3). Yaw 0 faces +Z, pi/2 faces +X."""
    yaw_rad = np.asarray(yaw_rad)
    if not np.issubdtype(yaw_rad.dtype, np.floating):
        yaw_rad = yaw_rad.astype(np.float64)
    c, s, zero, one = np.cos(yaw_rad), np.sin(yaw_rad), np.zeros_like(yaw_rad), np.ones_like(yaw_rad)
    return np.stack([c, zero, s, zero, one, zero, -s, zero, c], -1).reshape(*yaw_rad.shape, 3, 3)


def wrap_angle(angle_rad: ArrayLike) -> Array:
    """The same angles in [-pi, pi]."""
    return np.arctan2(np.sin(angle_rad), np.cos(angle_rad))
