"""What the pose model's axes are, and what its two answers are worth.

The model looks at a square cut out around the person, not at the whole picture. What it calls "toward the camera" is
therefore along the line of sight to the hips, not along the camera's axis: of somebody 1.3 m beside the axis of a
camera 4 m away, it says that they are turned by 13 to 17 degrees more than they are. Of somebody above or below the
axis the same holds in part only, because it has learned that people stand upright. (Measured on rendered dancers,
``duet bench perception``.)

Where a joint is in the picture it knows several times better than how far away the joint is: ``on_sightlines`` takes
each from the answer that is good at it.
"""

import math

import numpy as np

from duet.rotations import Array
from realtime.sight.landmarks import HIPS, Landmarks
from realtime.sight.placement import Lens

_RISE_SHARE = 0.4
"""How far the model's axes follow a line of sight up or down; sideways they follow it all the way."""
_PICTURE_SHARE = 0.8
"""How much of where a point is across the picture comes from the picture; the rest is the world landmark's, whose
noise is another: both together tremble less than either."""
_FLIP = np.diag([1.0, -1.0, -1.0])


def axes(image: Array, size_px: tuple[int, int], lens: Lens) -> Array:
    """(3, 3) from the model's upright axes to the camera's, for a person at ``image`` (33, 2)."""
    across, down = (image[list(HIPS)].mean(axis=0) - 0.5) * np.array(size_px)
    focal = lens.focal_px(size_px)
    turn = -math.atan2(across, focal)
    # Up and down count from the horizon: so upright as people stand, the model takes most of a camera's tilt off.
    tilt = _RISE_SHARE * (math.atan2(-down, math.hypot(focal, across)) + lens.pitch_rad) - lens.pitch_rad
    c, s = math.cos(turn), math.sin(turn)
    about_y = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    c, s = math.cos(tilt), math.sin(tilt)
    return about_y @ np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def along_camera(landmarks: Landmarks, lens: Lens) -> Landmarks:
    """The same person with world landmarks along the camera's axes."""
    turn = _FLIP @ axes(landmarks.image, landmarks.size_px, lens) @ _FLIP
    return landmarks._replace(world_m=landmarks.world_m @ turn.T)


def along_sight(landmarks: Landmarks, lens: Lens) -> Landmarks:
    """The inverse: world landmarks along the camera's axes, as the pose model would give them."""
    turn = _FLIP @ axes(landmarks.image, landmarks.size_px, lens) @ _FLIP
    return landmarks._replace(world_m=landmarks.world_m @ turn)


def on_sightlines(points_m: Array, place_m: Array, landmarks: Landmarks, lens: Lens) -> Array:
    """Upright points (33, 3) relative to ``place_m`` (3,), camera axes, moved toward where the picture shows them.

    How far away each is stays as it was.
    """
    ahead = -(points_m[:, 2] + place_m[2])
    off = (landmarks.image - 0.5) * np.array(landmarks.size_px) / lens.focal_px(landmarks.size_px)
    seen = np.stack([off[:, 0] * ahead, -off[:, 1] * ahead, -ahead], axis=-1)
    return np.where(ahead[:, None] > 0.1, points_m + _PICTURE_SHARE * (seen - place_m - points_m), points_m)
