"""What every program is told of one picture: camera, lamps, floor and wall, as bytes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from duet.rotations import normalise
from ui.drawing.framing import Framing, Matrix
from ui.drawing.stages import Colour, Stage

_BLACK: Colour = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class View:
    """Where a picture is seen from, and how far round the dancers the light's (4, 4) matrix reaches."""

    framing: Framing
    aspect: float
    light_from_world: Matrix
    reach_m: float


def towards_light(stage: Stage) -> Matrix:
    """(3,) unit."""
    return np.asarray(normalise(np.array(stage.towards_light)), dtype=np.float64)


def shared_values(stage: Stage, view: View, beat_phase: float | None, time_s: float) -> dict[str, bytes]:
    """Uniform -> value, for one picture."""
    swell = stage.swell(beat_phase, time_s)
    return _of_camera(stage, view) | _of_lamps(stage, swell) | _of_floor(stage, view, time_s)


def _of_camera(stage: Stage, view: View) -> dict[str, bytes]:
    framing = view.framing
    eye, ahead = framing.eye_m, framing.aim_m - framing.eye_m
    clip_from_world = framing.clip_from_world(view.aspect)
    flat = np.array([ahead[0], 0.0, ahead[2]]) / max(float(np.hypot(ahead[0], ahead[2])), 1e-6)
    # Where the floor ends, straight ahead behind the dancers.
    end = framing.target_m * [1.0, 0.0, 1.0] + flat * stage.depth_m
    horizon = clip_from_world @ np.append(end, 1.0)
    across = np.tan(framing.view_rad / 2) * view.aspect * (-1.0 if framing.is_mirrored else 1.0)
    return {
        "clip_from_world": _bytes(clip_from_world.T),
        "light_from_world": _bytes(view.light_from_world.T),
        "eye_m": _bytes(eye),
        "horizon": _bytes(horizon[1] / horizon[3]),
        "aspect": _bytes(view.aspect),
        "outlook": _bytes([np.arctan2(ahead[0], -ahead[2]), across]),
    }


@lru_cache(maxsize=64)
def _of_lamps(stage: Stage, swell: float) -> dict[str, bytes]:
    """What changes with the beat at most: lamps, wall and the floor's own looks."""
    walls = np.array(stage.wall or (_BLACK, _BLACK))
    # The key light breathes a little, the coloured ones fully.
    return {
        "towards_light": _bytes(towards_light(stage)),
        "key_light": _bytes(np.array(stage.key) * (0.7 + 0.3 * swell)),
        "sky_light": _bytes(stage.sky),
        "bounce_light": _bytes(stage.bounce),
        "rim_left": _bytes(np.array(stage.rims[0]) * (0.35 + 0.65 * swell)),
        "rim_right": _bytes(np.array(stage.rims[1]) * (0.35 + 0.65 * swell)),
        "horizon_light": _bytes(stage.horizon),
        "zenith_light": _bytes(stage.zenith),
        "glow_light": _bytes(stage.glow),
        "strip_light": _bytes(walls),
        "swell": _bytes(swell),
        "floor_colour": _bytes(stage.floor),
        "boards": _bytes(stage.boards),
        "pool_fall": _bytes(stage.pool),
        "mirrors": _bytes(stage.mirrors),
        "depth_m": _bytes(stage.depth_m),
    }


def _of_floor(stage: Stage, view: View, time_s: float) -> dict[str, bytes]:
    values = {
        "reach_m": _bytes(view.reach_m),
        "pool_m": _bytes(view.framing.target_m[[0, 2]]),
    }
    if stage.spots:
        values |= {"spots": _bytes(stage.spots_at(time_s)), "spot_light": _bytes(stage.spots)}
    return values


def _bytes(value: ArrayLike) -> bytes:
    return np.ascontiguousarray(value, dtype=np.float32).tobytes()
