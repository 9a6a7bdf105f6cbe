"""Where two bodies run into each other."""

import numpy as np
from numpy.typing import NDArray

from duet.capsules import ENDS, RADII_M, STARTS, shortest_way
from duet.rotations import Array


def overlapping(first_m: Array, second_m: Array, *, deeper_m: float = 0.0) -> NDArray[np.bool_]:
    """(T,) whether the bodies (T, 22, 3) touch: any capsule of one is inside one of the other, by over ``deeper_m``."""
    first, second = np.asarray(first_m, dtype=np.float64), np.asarray(second_m, dtype=np.float64)
    touching = np.zeros(len(first), dtype=bool)
    for end, start, radius in zip(ENDS, STARTS, RADII_M, strict=True):
        gap = segment_distance(first[:, start, None], first[:, end, None], second[:, STARTS], second[:, ENDS])
        touching |= (gap < radius + RADII_M - deeper_m).any(axis=1)
    return touching


def segment_distance(a0: Array, a1: Array, b0: Array, b1: Array) -> NDArray[np.float64]:
    """Least distance (...) of the segments a0-a1 and b0-b1 (..., 3)."""
    return np.asarray(np.linalg.norm(shortest_way(a0, a1, b0, b1), axis=-1), dtype=np.float64)
