"""A body's legs, both at once: where ankles and soles are, and how legs of another length step as far.

``turns`` are global rotations (J, 3, 3) of all joints; left comes first.
"""

import numpy as np
from numpy.typing import NDArray

from duet.skeleton import BODY, Skeleton

Array = NDArray[np.float64]

HIPS, KNEES, ANKLES, FEET = (
    np.array([BODY.index(f"{side}_{name}") for side in ("left", "right")]) for name in ("hip", "knee", "ankle", "foot")
)
_HEEL_BACK_M = 0.05
_TOE_AHEAD_M = 0.06


class Legs:
    """The legs of ``skeleton``, whose first joints are the body's."""

    def __init__(self, skeleton: Skeleton) -> None:
        offsets = skeleton.offsets_m.astype(np.float64)
        self._hip, self._knee, self._ankle, self._foot = (offsets[joints] for joints in (HIPS, KNEES, ANKLES, FEET))
        self._at_rest = self._hip + self._knee + self._ankle
        heights = skeleton.rest_joints_m[:, 1].astype(np.float64)
        self._heel, self._ball, self._toe = np.zeros((3, 2, 3))
        self._heel[:, 1], self._heel[:, 2] = -heights[ANKLES], -_HEEL_BACK_M
        self._ball[:, 1] = self._toe[:, 1] = -heights[FEET]
        self._toe[:, 2] = _TOE_AHEAD_M

    def ankles_m(self, turns: Array) -> Array:
        """(2, 3) from the root joint to the ankles."""
        return self._hip @ turns[0].T + _turned(turns[HIPS], self._knee) + _turned(turns[KNEES], self._ankle)

    def sole_height_m(self, turns: Array) -> float:
        """Height of the lowest point of both soles above the root joint."""
        ankles, at_ankle, at_foot = self.ankles_m(turns), turns[ANKLES], turns[FEET]
        feet = ankles + _turned(at_ankle, self._foot)
        heel, ball, toe = _turned(at_ankle, self._heel), _turned(at_foot, self._ball), _turned(at_foot, self._toe)
        return float(min((ankles + heel)[:, 1].min(), (feet + ball)[:, 1].min(), (feet + toe)[:, 1].min()))

    def swing_to(self, danced: "Legs", turns: Array) -> Array:
        """(2, 3, 3) how to swing the legs so that the ankles stand over the floor as the ``danced`` ones do.

        What the bodies' stances differ by at rest is kept, along the foot: while that stands still, so does the ankle.
        Knees keep their bend. A leg that is lifted to the side has no floor to slide on.
        """
        leg = self.ankles_m(turns) - self._hip @ turns[0].T
        length2 = np.sum(leg * leg, axis=1)
        standing = np.clip(-2.0 * leg[:, 1] / np.sqrt(length2), 0.0, 1.0)
        apart = _along(turns[ANKLES], self._at_rest - danced._at_rest) + danced.ankles_m(turns) - self.ankles_m(turns)
        wanted = leg + standing[:, None] * apart
        wanted[:, 1] = np.sign(leg[:, 1]) * np.sqrt(np.maximum(length2 - wanted[:, 0] ** 2 - wanted[:, 2] ** 2, 0.0))
        return _swing(leg, wanted)


_BODY_LEGS = Legs(BODY)


def legs_of(skeleton: Skeleton) -> Legs:
    """The legs of ``skeleton``; those of the canonical body are at hand."""
    return _BODY_LEGS if skeleton is BODY else Legs(skeleton)


def _turned(turns: Array, vectors: Array) -> Array:
    return (turns @ vectors[:, :, None])[:, :, 0]


def _along(feet: Array, vectors: Array) -> Array:
    """Vectors (2, 3), turned about the vertical by where each foot (2, 3, 3) points."""
    ahead = feet[:, [0, 2], 2]
    sine, cosine = (ahead / np.maximum(np.sqrt(np.sum(ahead * ahead, axis=1, keepdims=True)), 1e-6)).T
    x, y, z = vectors.T
    return np.stack([cosine * x + sine * z, y, cosine * z - sine * x], axis=1)


def _swing(source: Array, target: Array) -> Array:
    """(2, 3, 3) the smallest rotations of vectors (2, 3) onto others as long and less than a right angle away.

    ``duet.rotations.matrix_between`` without its care for opposite vectors, at a tenth of the time: this is done for
    every picture.
    """
    length2 = np.sum(source * source, axis=1)
    axis = source[:, [1, 2, 0]] * target[:, [2, 0, 1]] - source[:, [2, 0, 1]] * target[:, [1, 2, 0]]
    axis /= length2[:, None]
    cosine = np.sum(source * target, axis=1) / length2
    cross = np.zeros((len(axis), 3, 3))
    cross[:, [2, 0, 1], [1, 2, 0]] = axis
    cross[:, [1, 2, 0], [2, 0, 1]] = -axis
    return np.eye(3) + cross + cross @ cross / (1.0 + cosine)[:, None, None]
