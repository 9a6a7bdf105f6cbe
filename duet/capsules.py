"""A body as capsules along its bones, and the shortest ways between two such bodies."""

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
ENDS = np.array([BODY.index(name) for name in _RADII_M])
STARTS = np.array([BODY.parents[end] for end in ENDS])
"""Joints (C,) between which each capsule lies."""
RADII_M = np.array(list(_RADII_M.values()))
"""(C,)."""


def shortest_way(a0: Array, a1: Array, b0: Array, b1: Array) -> NDArray[np.float64]:
    """From the segments b0-b1 to the segments a0-a1 (..., 3), the shortest vectors (..., 3).

    Ericson, Real-Time Collision Detection, 5.1.9.
    """
    u, v, w = a1 - a0, b1 - b0, a0 - b0
    a, b, c = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    d, e = (u * w).sum(-1), (v * w).sum(-1)
    tiny = 1e-9
    parallel = a * c - b * b
    s = np.clip(np.where(parallel > tiny, (b * e - c * d) / np.maximum(parallel, tiny), 0.0), 0.0, 1.0)
    t = (b * s + e) / np.maximum(c, tiny)
    t_in = np.clip(t, 0.0, 1.0)
    s = np.where(t == t_in, s, np.clip((b * t_in - d) / np.maximum(a, tiny), 0.0, 1.0))
    return np.asarray(w + s[..., None] * u - t_in[..., None] * v, dtype=np.float64)
