"""How far a camera looks up or down, from somebody who walks toward it or away: the floor does not rise under them.

For a tilt that is assumed, the rays to ears and ankles tell where an upright body stands and how high its ankles are,
both in units of its height. Only with the true tilt are the ankles equally high near and far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from duet.rotations import Array
from realtime.sight.landmarks import ANKLES, LEFT_EAR, RIGHT_EAR
from realtime.sight.placement import Lens
from realtime.sight.preview import Sight

_MOST_RAD = math.radians(35.0)
_STEP_RAD = math.radians(0.25)
_SEEN = 0.6
_LEAST_SIGHTS = 24
_LEAST_RATIO = 1.3
"""The farthest place is so much farther than the nearest: else there is nothing to tell a tilt from."""
_ALIKE_RAD = math.radians(4.0)


@dataclass(frozen=True)
class Tilt:
    """What was found."""

    pitch_rad: float
    """How far the camera looks up, as ``Lens.pitch_rad``."""
    ratio: float
    """The farthest place by the nearest."""


def tilt(sights: Sequence[Sight], lens: Lens) -> Tilt | None:
    """The tilt that the walk shows; None where it was too short, or its halves do not agree."""
    rays = _rays(sights, lens)
    if len(rays) < _LEAST_SIGHTS:
        return None
    pitch_rad = _flattest(rays)
    away, _ = _standing(rays, pitch_rad)
    near, far = np.percentile(away, [10.0, 90.0])
    if not (near > 0.0 and far / near >= _LEAST_RATIO) or abs(pitch_rad) >= _MOST_RAD - _STEP_RAD:
        return None
    if abs(_flattest(rays[0::2]) - _flattest(rays[1::2])) > _ALIKE_RAD:
        return None
    return Tilt(pitch_rad, float(far / near))


def _rays(sights: Sequence[Sight], lens: Lens) -> Array:
    """(N, 2) how far above the camera's axis ears and ankles are seen, as angles."""
    rows = []
    for sight in sights:
        points = sight.points
        if points is None or points[[LEFT_EAR, RIGHT_EAR, *ANKLES], 2].min() < _SEEN:
            continue
        height, width = sight.picture.shape[:2]
        focal = lens.focal_px((width, height))
        up = (0.5 - points[:, 1].astype(np.float64)) * height / focal
        rows.append((up[[LEFT_EAR, RIGHT_EAR]].mean(), up[list(ANKLES)].mean()))
    return np.arctan(np.array(rows).reshape(-1, 2))


def _standing(rays: Array, pitch_rad: float) -> tuple[Array, Array]:
    """How far away bodies stand (N,) and how high their ankles are (N,), in units from ankle to ear."""
    ears, ankles = np.tan(rays + pitch_rad).T
    away = 1.0 / np.maximum(ears - ankles, 1e-6)
    return away, ankles * away


def _flattest(rays: Array) -> float:
    """The tilt with which ankles are most alike in height."""
    pitches = np.arange(-_MOST_RAD, _MOST_RAD + 0.5 * _STEP_RAD, _STEP_RAD)
    spreads = [float(np.subtract(*np.percentile(_standing(rays, p)[1], [85.0, 15.0]))) for p in pitches]
    return float(pitches[int(np.argmin(spreads))])
