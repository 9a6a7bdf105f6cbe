"""Where somebody stands who stands on the mark: the middle of the stage, and where it faces."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from duet.errors import InputError
from duet.frames import LeaderFrame, LeaderStatus
from duet.kinematics import heading_yaw
from duet.rotations import wrap_angle
from duet.skeleton import BODY
from realtime.sight.placement import Lens

_LEAST_S = 2.0
_STILL_M = 0.15
_STEADY_RAD = math.radians(20.0)
_AHEAD_RAD = math.radians(6.0)
"""Turned no further than the pose model errs: facing the camera."""
_ZOOM = (0.5, 2.0)


@dataclass(frozen=True)
class Standpoint:
    """Somebody on the mark."""

    mark_m: tuple[float, float]
    """(x, z) in the room."""
    facing_rad: float
    """As ``StageMap.facing_rad``."""
    spread_m: float
    """How far they strayed from it, root mean square."""
    seconds: float
    lens: Lens
    """The camera's, as a measured distance told it, or as it was assumed."""

    @property
    def away_m(self) -> float:
        """From the camera, along the floor."""
        return math.hypot(*self.mark_m)


def standpoint(frames: Sequence[LeaderFrame], lens: Lens, *, away_m: float | None = None) -> Standpoint:
    """Where somebody stood, of frames whose stage is the room itself (``StageMap(mark_m=(0, 0))``).

    ``away_m``, the mark's measured distance from the camera along the floor, tells the field of view as well.
    InputError where nobody stood still in view for long enough.
    """
    seen = [frame for frame in frames if frame.status is LeaderStatus.TRACKED]
    # A picture stands for the time until the next one.
    span_s = (seen[-1].time_s - seen[0].time_s) * len(seen) / (len(seen) - 1) if len(seen) > 1 else 0.0
    if span_s < _LEAST_S:
        raise InputError(
            f"Mark: expected somebody in view for {_LEAST_S:.0f} s, got {span_s:.1f} s. "
            "Step back until the whole body is in the picture, in good light."
        )
    places = np.array([frame.root_m[[0, 2]] for frame in seen], dtype=np.float64)
    place = np.median(places, axis=0)
    spread_m = float(np.sqrt(np.mean(np.sum((places - place) ** 2, axis=1))))
    headings = heading_yaw(BODY, np.array([frame.joints_m for frame in seen], dtype=np.float64))
    facing = float(np.arctan2(np.median(np.sin(headings)), np.median(np.cos(headings))))
    strayed = float(np.median(np.abs(wrap_angle(headings - facing))))
    if spread_m > _STILL_M or strayed > _STEADY_RAD:
        raise InputError(
            f"Mark: expected somebody who stands still and faces the audience, got one who strayed {spread_m:.2f} m "
            f"and {math.degrees(strayed):.0f} degrees. Stand still, and again."
        )
    x_m, z_m = float(place[0]), float(place[1])
    if away_m is not None:
        lens, z_m = _zoomed(lens, x_m, z_m, away_m)
    return Standpoint((x_m, z_m), 0.0 if abs(facing) < _AHEAD_RAD else facing, spread_m, span_s, lens)


def _zoomed(lens: Lens, x_m: float, z_m: float, away_m: float) -> tuple[Lens, float]:
    """The lens with which somebody seen at (x, z) is as far away as they are, and z with it.

    Depth grows with the focal length and what lies across the picture does not: u = f x / z.
    """
    deep_m = math.sqrt(max(away_m**2 - x_m**2, 0.0))
    zoom = deep_m / max(abs(z_m), 1e-6)
    if not _ZOOM[0] <= zoom <= _ZOOM[1]:
        raise InputError(
            f"--away: expected about {math.hypot(x_m, z_m):.1f} m, as the picture has it, got {away_m:g} m. "
            "Measure along the floor from under the camera to the mark; give --height, too."
        )
    fov_rad = 2.0 * math.atan(math.tan(0.5 * lens.fov_rad) / zoom)
    return Lens(fov_rad, lens.pitch_rad), -deep_m
