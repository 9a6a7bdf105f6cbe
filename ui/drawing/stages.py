"""The looks of the stage, one row each: what lights the dancers, what they stand on and what is behind them.

Colours are linear light, as strong as it takes: the shaders bend everything to the screen at the end.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

Colour = tuple[float, float, float]

_FAR_M = 40.0
_UNKNOWN_BEAT_HZ = 0.5
_SPOT_LAP_S = 11.0
_SPOT_WAY_M = 1.5
_SPOT_RADIUS_M = 0.9


@dataclass(frozen=True)
class Stage:
    """One look. ``key`` falls from ``towards_light``, ``sky`` from above, ``bounce`` from below, the two ``rims`` from
    behind at the left and at the right."""

    says: str
    key: Colour
    sky: Colour
    bounce: Colour
    rims: tuple[Colour, Colour]
    horizon: Colour
    zenith: Colour
    glow: Colour
    """In the middle of the back wall."""
    floor: Colour
    boards: float = 0.0
    """How much the floor's tone changes from board to board; 0: a floor without boards."""
    mirrors: float = 0.0
    """Share of the dancers' light that the floor mirrors when seen steeply; 0: matte."""
    pool: float = 0.055
    """How fast the floor's light falls off from the dancers, per square metre."""
    depth_m: float = _FAR_M
    """From the dancers to where the floor ends and the wall begins."""
    towards_light: Colour = (0.42, 0.80, 0.43)
    spots: tuple[Colour, Colour, Colour] | None = None
    """Three coloured pools of light that wander over the floor."""
    wall: tuple[Colour, Colour] | None = None
    """Two colours of light strips on the back wall."""
    pulse: float = 0.0
    """By what share the lights fall between two beats."""
    is_clear: bool = False
    """Whether there is nothing but the dancers and their shadow, to be laid over another picture."""

    @property
    def defines(self) -> tuple[str, ...]:
        """What floor and wall need, for their shaders, and the lights that never change: constants are quicker."""
        wanted = {
            "BOARDS": self.boards > 0.0,
            "MIRRORS": self.mirrors > 0.0,
            "WALLED": self.depth_m < _FAR_M,
            "SPOTS": self.spots is not None,
            "CATCHER": self.is_clear,
            "STRIPS": self.wall is not None,
        }
        names = tuple(name for name, needed in wanted.items() if needed)
        if self.pulse:
            return names
        lights = {
            "key_light": self.key,
            "sky_light": self.sky,
            "bounce_light": self.bounce,
            "rim_left": self.rims[0],
            "rim_right": self.rims[1],
            "horizon_light": self.horizon,
            "zenith_light": self.zenith,
            "glow_light": self.glow,
            "floor_colour": self.floor,
        }
        return names + tuple(f"{name} vec3({r:.6f}, {g:.6f}, {b:.6f})" for name, (r, g, b) in lights.items())

    def swell(self, beat_phase: float | None, time_s: float) -> float:
        """[0, 1] how bright pulsing lights are: 1 on the beat; a slow breath where none is known."""
        if not self.pulse:
            return 1.0
        if beat_phase is None:
            return 1.0 - self.pulse * (0.5 - 0.5 * math.cos(2.0 * math.pi * _UNKNOWN_BEAT_HZ * time_s))
        # Up within the last tenth of a beat, down over the rest: what flashes at once hurts the eye.
        rise = max(0.0, (beat_phase - 0.9) / 0.1)
        return 1.0 - self.pulse * (1.0 - max(math.exp(-3.0 * beat_phase), rise))

    def spots_at(self, time_s: float) -> list[tuple[float, float, float, float]]:
        """Where on the floor, relative to the dancers, the pools of light are: x, z, 1 / radius squared, unused."""
        places = []
        for k in range(len(self.spots or ())):
            turn = 2.0 * math.pi * (time_s / _SPOT_LAP_S + k / 3.0)
            x, z = _SPOT_WAY_M * math.cos(turn), 0.7 * _SPOT_WAY_M * math.sin(1.3 * turn + k)
            places.append((x, z, 1.0 / _SPOT_RADIUS_M**2, 0.0))
        return places


_COOL_RIM = (0.22, 0.30, 0.48)
STAGES: Mapping[str, Stage] = {
    "studio": Stage(
        says="a warm dance studio with a wooden floor",
        key=(1.55, 1.42, 1.22),
        sky=(0.34, 0.36, 0.44),
        bounce=(0.24, 0.17, 0.13),
        rims=(_COOL_RIM, _COOL_RIM),
        horizon=(0.430, 0.300, 0.205),
        zenith=(0.022, 0.060, 0.090),
        glow=(0.06, 0.15, 0.19),
        floor=(0.215, 0.124, 0.070),
        boards=0.35,
        pool=0.016,
        depth_m=8.0,
    ),
    "club": Stage(
        says="a dark club whose lights pulse with the beat, with a mirroring floor",
        key=(0.98, 0.85, 0.88),
        sky=(0.24, 0.20, 0.42),
        bounce=(0.20, 0.07, 0.20),
        rims=((2.60, 0.20, 1.50), (0.20, 1.40, 2.60)),
        horizon=(0.016, 0.008, 0.026),
        zenith=(0.004, 0.003, 0.010),
        glow=(0.030, 0.010, 0.050),
        floor=(0.030, 0.024, 0.040),
        mirrors=0.24,
        depth_m=7.0,
        spots=((1.50, 0.12, 0.80), (0.10, 0.70, 1.50), (1.30, 0.75, 0.10)),
        wall=((0.85, 0.06, 0.55), (0.05, 0.40, 0.95)),
        pulse=0.72,
    ),
    "black": Stage(
        says="a black box: nothing but the dancers, to be projected",
        key=(1.45, 1.36, 1.24),
        sky=(0.34, 0.38, 0.50),
        bounce=(0.16, 0.15, 0.18),
        rims=((1.90, 2.15, 2.70), (1.90, 2.15, 2.70)),
        horizon=(0.0, 0.0, 0.0),
        zenith=(0.0, 0.0, 0.0),
        glow=(0.0, 0.0, 0.0),
        floor=(0.0, 0.0, 0.0),
        mirrors=0.34,
    ),
    "clear": Stage(
        says="no stage: a transparent background, with the shadow, to be laid over another picture",
        key=(1.55, 1.42, 1.22),
        sky=(0.34, 0.36, 0.44),
        bounce=(0.20, 0.17, 0.15),
        rims=(_COOL_RIM, _COOL_RIM),
        horizon=(0.0, 0.0, 0.0),
        zenith=(0.0, 0.0, 0.0),
        glow=(0.0, 0.0, 0.0),
        floor=(0.0, 0.0, 0.0),
        is_clear=True,
    ),
}
