"""Two bodies as capsules along their bones: where they run into each other."""

import numpy as np
from numpy.typing import NDArray

from duet.rotations import Array
from duet.skeleton import BODY

# Radius by the joint a bone ends in, metres: a slim person, so that dancing close is not a collision.
# Hands and forearms are left out: partners hold each other.
_RADII_M = {
    "left_knee": 0.06, "right_knee": 0.06, "left_ankle": 0.045, "right_ankle": 0.045,
    "spine1": 0.10, "spine2": 0.10, "spine3": 0.10, "neck": 0.09, "head": 0.08,
    "left_elbow": 0.035, "right_elbow": 0.035,
}  # fmt: skip
_ENDS = np.array([BODY.index(name) for name in _RADII_M])
_STARTS = np.array([BODY.parents[end] for end in _ENDS])
_RADII = np.array(list(_RADII_M.values()))


def overlapping(first_m: Array, second_m: Array, *, deeper_m: float = 0.0) -> NDArray[np.bool_]:
    """(T,) whether the bodies (T, 22, 3) touch: any capsule of one is inside one of the other, by over ``deeper_m``."""
    first, second = np.asarray(first_m, dtype=np.float64), np.asarray(second_m, dtype=np.float64)
    touching = np.zeros(len(first), dtype=bool)
    for end, start, radius in zip(_ENDS, _STARTS, _RADII, strict=True):
        gap = segment_distance(first[:, start, None], first[:, end, None], second[:, _STARTS], second[:, _ENDS])
        touching |= (gap < radius + _RADII - deeper_m).any(axis=1)
    return touching


def segment_distance(a0: Array, a1: Array, b0: Array, b1: Array) -> NDArray[np.float64]:
    """Least distance (...) of the segments a0-a1 and b0-b1 (..., 3) (Ericson, Real-Time Collision Detection, 5.1.9)."""
    u, v, w = a1 - a0, b1 - b0, a0 - b0
    a, b, c = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    d, e = (u * w).sum(-1), (v * w).sum(-1)
    tiny = 1e-9
    parallel = a * c - b * b
    s = np.clip(np.where(parallel > tiny, (b * e - c * d) / np.maximum(parallel, tiny), 0.0), 0.0, 1.0)
    t = (b * s + e) / np.maximum(c, tiny)
    t_in = np.clip(t, 0.0, 1.0)
    s = np.where(t == t_in, s, np.clip((b * t_in - d) / np.maximum(a, tiny), 0.0, 1.0))
    return np.linalg.norm(w + s[..., None] * u - t_in[..., None] * v, axis=-1)
