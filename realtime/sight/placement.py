"""Where a tracked person stands: root in the room by projection, the floor under the feet, the stage.

Room: the camera is the origin, y up, z toward the audience (from the performer to the camera), so
somebody in front of the camera has a negative z. Stage: metres, y up, floor at 0, +Z toward the
audience, which is where a dancer faces who faces the camera.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from duet.rotations import Array, yaw_matrix
from realtime.sight.landmarks import Landmarks

_FLOOR_SAMPLES = 300
_FLOOR_PERCENTILE = 15.0
_FLOOR_EASE = 0.05


@dataclass(frozen=True)
class Lens:
    """What is assumed of the camera.

    ``fov_rad`` is the field of view along the picture's longer side (most webcams: 55 to 70 degrees),
    ``pitch_rad`` how far the camera looks up. Distances along the line of sight scale with the first.
    """

    fov_rad: float = math.radians(60.0)
    pitch_rad: float = 0.0

    def focal_px(self, size_px: tuple[int, int]) -> float:
        """Focal length for pictures of ``size_px`` (width, height), pixels taken as square."""
        return 0.5 * max(size_px) / math.tan(0.5 * self.fov_rad)

    @property
    def room_from_camera(self) -> Array:
        """(3, 3) from upright camera axes to the room's."""
        c, s = math.cos(self.pitch_rad), math.sin(self.pitch_rad)
        return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def locate(landmarks: Landmarks, lens: Lens, metres: float) -> Array:
    """Hip centre (3,) from the camera, upright axes, metres.

    The world landmarks lie along the camera's axes already, so that only a translation is unknown:
    for each landmark ``u (z + tz) = f (x + tx)``, two linear equations weighted by visibility.
    ``metres`` scales the pose model's metres to the person's.
    """
    width, height = landmarks.size_px
    focal = lens.focal_px(landmarks.size_px)
    x, y, z = np.moveaxis(landmarks.world_m * metres, -1, 0)
    u = landmarks.image[:, 0] * width - 0.5 * width
    v = landmarks.image[:, 1] * height - 0.5 * height
    zero, f = np.zeros_like(u), np.full_like(u, focal)
    rows = np.concatenate([np.stack([f, zero, -u], axis=-1), np.stack([zero, f, -v], axis=-1)])
    values = np.concatenate([u * z - focal * x, v * z - focal * y])
    weights = np.tile(np.maximum(landmarks.visibility, 1e-3), 2)
    weighted = rows.T * weights
    tx, ty, tz = np.linalg.solve(weighted @ rows, weighted @ values)
    return np.array([tx, -ty, -tz])


class Floor(NamedTuple):
    """The floor's height in the room: a running low percentile of the lower foot's sole."""

    samples: Array
    """(N,) lowest sole per frame, the newest last."""
    height_m: float

    @classmethod
    def unknown(cls) -> "Floor":
        """Before anybody stood on it."""
        return cls(np.zeros(0), 0.0)

    def observe(self, sole_m: float) -> "Floor":
        """The state after one more frame; the height moves slowly, so that the body does not bob."""
        samples = np.append(self.samples[-_FLOOR_SAMPLES + 1 :], sole_m)
        goal = float(np.percentile(samples, _FLOOR_PERCENTILE))
        ease = max(_FLOOR_EASE, 1.0 / len(samples))
        return Floor(samples, self.height_m + ease * (goal - self.height_m))


@dataclass(frozen=True)
class StageMap:
    """From the room to the stage.

    ``mark_m`` is the place (x, z) in the room that becomes the middle of the stage; None: where the
    performer stands in the first third of a second. ``facing_rad`` is where somebody faces in the room
    who faces the audience on the stage: 0 is toward the camera, positive to the performer's left.
    (Who is to be seen as in a mirror is mirrored later: ``realtime.sight.stage_shift``.)
    """

    mark_m: tuple[float, float] | None = None
    facing_rad: float = 0.0

    @property
    def stage_from_room(self) -> Array:
        """(3, 3) from the room's axes to the stage's."""
        return yaw_matrix(-self.facing_rad)


class Mark(NamedTuple):
    """The place in the room that is the middle of the stage, as far as it is known."""

    x_m: float
    z_m: float
    seen: int
    wanted: int

    @classmethod
    def of(cls, stage: StageMap, frames: int) -> "Mark":
        """The given mark, or one to be found over ``frames`` frames."""
        if stage.mark_m is None:
            return cls(0.0, 0.0, 0, frames)
        return cls(*stage.mark_m, 0, 0)

    def observe(self, root_m: Array) -> "Mark":
        """The mean place of the first frames; fixed after that."""
        if self.seen >= self.wanted:
            return self
        share = 1.0 / (self.seen + 1)
        x_m = self.x_m + share * (float(root_m[0]) - self.x_m)
        z_m = self.z_m + share * (float(root_m[2]) - self.z_m)
        return Mark(x_m, z_m, self.seen + 1, self.wanted)

    def fixed_on(self, stage: StageMap) -> StageMap:
        """``stage`` with this mark, if it does not move any more."""
        if stage.mark_m is not None or self.seen < self.wanted:
            return stage
        return replace(stage, mark_m=(self.x_m, self.z_m))

    def on_stage(self, root_m: Array, floor_m: float) -> Array:
        """A place (3,) in the room as seen from the middle of the stage."""
        return root_m - np.array([self.x_m, floor_m, self.z_m])
