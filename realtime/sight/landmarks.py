"""The 33 landmarks of MediaPipe's pose model, and where each sits on the canonical body.

World landmarks come in metres, centred between the hips, along the camera's axes: x to the right of
the picture, y down, z away from the camera. Turned upright they are x right, y up, z toward the
camera, so that somebody facing the camera faces +Z with the left hand at +X, like every dancer here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from duet.rotations import Array
from duet.skeleton import BODY

COUNT = 33
NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = 0, 2, 5, 7, 8
# (left, right) from here on.
SHOULDERS, ELBOWS, WRISTS = (11, 12), (13, 14), (15, 16)
PINKIES, INDEXES = (17, 18), (19, 20)
HIPS, KNEES, ANKLES = (23, 24), (25, 26), (27, 28)
HEELS, TOES = (29, 30), (31, 32)


class Landmarks(NamedTuple):
    """One person as the pose model sees it in one picture."""

    world_m: Array
    """(33, 3) along the camera's axes, as MediaPipe gives them: y down, z away."""
    image: Array
    """(33, 2) in the picture, x to the right and y down, both 0..1."""
    visibility: Array
    """(33,) in [0, 1]."""
    size_px: tuple[int, int]
    """Width and height of the picture."""


def upright(world_m: Array) -> Array:
    """World landmarks (33, 3) with y up and z toward the camera."""
    return world_m * np.array([1.0, -1.0, -1.0])


class Sites(NamedTuple):
    """Where landmarks are attached to the body."""

    landmarks: NDArray[np.intp]
    """(S,) of the 33."""
    joints: NDArray[np.intp]
    """(S,) the joint that carries each."""
    offsets_m: Array
    """(S, 3) from that joint, in its frame, on the canonical body."""
    weights: Array
    """(S,) how much each counts: the joints themselves more than face, hands and feet."""


def _sites() -> Sites:
    # What the model calls a shoulder or an ankle is not where a body bends: offsets fitted to the pictures' points of
    # two avatars dancing (several takes, all headings), whose joints are known; left and right alike.
    rows: list[tuple[int, str, tuple[float, float, float], float]] = [(NOSE, "head", (0.0, 0.017, 0.1), 0.3)]
    for side, name, sign in ((0, "left", 1.0), (1, "right", -1.0)):
        rows += [
            ((LEFT_EAR, RIGHT_EAR)[side], "head", (sign * 0.042, 0.034, 0.025), 0.3),
            (SHOULDERS[side], f"{name}_collar", (sign * 0.131, 0.01, 0.005), 1.0),
            (ELBOWS[side], f"{name}_elbow", (sign * -0.003, 0.007, 0.012), 1.0),
            (WRISTS[side], f"{name}_wrist", (0.0, 0.0, 0.0), 1.0),
            (INDEXES[side], f"{name}_wrist", (sign * 0.073, -0.012, 0.021), 0.15),
            (PINKIES[side], f"{name}_wrist", (sign * 0.064, -0.014, -0.005), 0.15),
            (HIPS[side], f"{name}_hip", (sign * -0.01, -0.012, 0.02), 1.0),
            (KNEES[side], f"{name}_knee", (sign * 0.008, -0.013, -0.025), 1.0),
            (ANKLES[side], f"{name}_ankle", (0.0, 0.023, 0.01), 1.0),
            (HEELS[side], f"{name}_ankle", (sign * -0.003, -0.032, -0.03), 0.4),
            (TOES[side], f"{name}_foot", (sign * 0.005, 0.017, 0.038), 0.4),
        ]
    return Sites(
        np.array([row[0] for row in rows]),
        np.array([BODY.index(row[1]) for row in rows]),
        np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows]),
    )


SITES = _sites()


def _rest_points() -> Array:
    points = np.broadcast_to(BODY.rest_joints_m[BODY.index("head")].astype(np.float64), (COUNT, 3)).copy()
    points[SITES.landmarks] = BODY.rest_joints_m[SITES.joints] + SITES.offsets_m
    return points


REST_POINTS_M = _rest_points()
"""(33, 3) the landmarks of the canonical body at rest, upright; those without a site lie at the head."""

# For each joint the landmarks that say how well it is seen.
_WITNESSES: dict[str, tuple[int, ...]] = {
    "pelvis": HIPS, "spine1": HIPS + SHOULDERS, "spine2": HIPS + SHOULDERS, "spine3": SHOULDERS,
    "neck": SHOULDERS, "head": (NOSE, LEFT_EAR, RIGHT_EAR),
    **{f"{side}_{joint}": (pair[i],) for i, side in enumerate(("left", "right")) for joint, pair in (
        ("hip", HIPS), ("knee", KNEES), ("ankle", ANKLES), ("foot", TOES), ("collar", SHOULDERS),
        ("shoulder", SHOULDERS), ("elbow", ELBOWS), ("wrist", WRISTS),
    )},
}  # fmt: skip


def _witness_matrix() -> Array:
    matrix = np.zeros((len(BODY), COUNT))
    for name, landmarks in _WITNESSES.items():
        matrix[BODY.index(name), list(landmarks)] = 1.0 / len(landmarks)
    return matrix


_JOINT_FROM_LANDMARK = _witness_matrix()


def joint_visibility(visibility: Array) -> Array:
    """Visibility of the 22 joints (22,) from that of the 33 landmarks."""
    return _JOINT_FROM_LANDMARK @ visibility
