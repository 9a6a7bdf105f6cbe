"""Landmarks made from known poses, as a camera with the pose model's errors would see them.

What is measured on them is true of the code that follows the pose model, never of the model itself: its errors
are no white noise. ``duet calibrate tracking --camera`` measures with the real one.
"""

from dataclasses import dataclass

import numpy as np

from duet.kinematics import forward
from duet.rotations import Array
from duet.skeleton import BODY, Skeleton
from realtime.sight.landmarks import COUNT, HIPS, LEFT_EYE, RIGHT_EYE, SITES, Landmarks
from realtime.sight.placement import Lens
from realtime.sight.sightlines import along_sight

_HEAD = BODY.index("head")
_EYES = ((LEFT_EYE, (0.026, 0.05, 0.075)), (RIGHT_EYE, (-0.026, 0.05, 0.075)))


@dataclass(frozen=True)
class Filmed:
    """A camera on a tripod and how wrong the pose model is."""

    lens: Lens = Lens()
    size_px: tuple[int, int] = (640, 480)
    height_m: float = 1.0
    distance_m: float = 3.0
    noise_m: float = 0.0
    """Standard deviation per axis of every world landmark, independent from picture to picture. The picture's points
    carry noise of the same size at the performer's distance, of their own."""

    def landmarks(
        self, skeleton: Skeleton, root_m: Array, rotations: Array, rng: np.random.Generator | None = None
    ) -> Landmarks:
        """What is seen of a body at ``root_m`` (3,) with local ``rotations`` (22, 3, 3)."""
        points = landmark_points(skeleton, root_m, rotations)
        camera = (points - np.array([0.0, self.height_m, self.distance_m])) * np.array([1.0, -1.0, -1.0])
        focal = self.lens.focal_px(self.size_px)
        size = np.array(self.size_px)
        image = camera[:, :2] / camera[:, 2:] * focal / size + 0.5
        world = camera - camera[list(HIPS)].mean(axis=0)
        if rng is not None:
            world = world + rng.normal(size=world.shape) * self.noise_m
            image = image + rng.normal(size=image.shape) * self.noise_m * focal / self.distance_m / size
        return along_sight(Landmarks(world, image, np.ones(COUNT), self.size_px), self.lens)


def landmark_points(skeleton: Skeleton, root_m: Array, rotations: Array) -> Array:
    """Where the 33 landmarks of a body are (33, 3), on the stage; those without a site lie at the head."""
    return points_of(*forward(skeleton, root_m, rotations))


def points_of(joints_m: Array, turns: Array, scale: float = 1.0) -> Array:
    """The same (33, 3) from joints (22, 3) and their global rotations; ``scale`` is the body's size."""
    points = np.broadcast_to(joints_m[_HEAD], (COUNT, 3)).copy()
    offsets = scale * SITES.offsets_m
    points[SITES.landmarks] = joints_m[SITES.joints] + (turns[SITES.joints] @ offsets[..., None])[..., 0]
    for landmark, offset in _EYES:
        points[landmark] = joints_m[_HEAD] + turns[_HEAD] @ (scale * np.array(offset))
    return points
