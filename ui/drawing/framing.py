"""Where the picture is seen from: a camera that calmly keeps both dancers in view, and the light's view for shadows.

All matrices are for column vectors and OpenGL clip space.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from duet.rotations import normalise

Matrix = NDArray[np.float64]

FIELD_OF_VIEW_RAD = 0.56
_NEAR_M, _FAR_M = 0.2, 60.0
_SETTLE_S = 0.9
"""Time constant of the camera's following."""
_SNAP_AFTER_S = 1.0
"""A gap in time longer than this is a cut: the camera jumps."""
_HALF_HEIGHT_M = 1.13
_ARM_ROOM_M = 0.85
_EYE_HEIGHT_M = 1.55
_TARGET_HEIGHT_M = 0.88
_MAX_TURN_RAD = 0.6
_TURN_RAD_S = 0.12
_FILLED = 0.90
"""Share of a still's height or width that the bodies fill."""
_CLOSER_STEPS = 6


def look_at(eye: Matrix, target: Matrix) -> Matrix:
    """(4, 4) view matrix, Y up."""
    ahead = normalise(target - eye)
    right = normalise(np.cross(ahead, [0.0, 1.0, 0.0]))
    view = np.eye(4)
    view[:3, :3] = [right, np.cross(right, ahead), -ahead]
    view[:3, 3] = -view[:3, :3] @ eye
    return view


def perspective(aspect: float, view_rad: float = FIELD_OF_VIEW_RAD, near_m: float = _NEAR_M) -> Matrix:
    """(4, 4) projection with the vertical field of view ``view_rad``; nothing nearer than ``near_m`` is seen."""
    scale = 1.0 / np.tan(view_rad / 2)
    depth = near_m - _FAR_M
    return np.array(
        [
            [scale / aspect, 0, 0, 0],
            [0, scale, 0, 0],
            [0, 0, (_FAR_M + near_m) / depth, 2 * _FAR_M * near_m / depth],
            [0, 0, -1, 0],
        ]
    )


@dataclass
class Framing:
    """The camera: it looks at the middle of the dancers from as far as their spread asks for.

    It drifts round slowly, at most ``_MAX_TURN_RAD`` to either side, towards where neither dancer hides the other.
    """

    target_m: Matrix = field(default_factory=lambda: np.array([0.0, _TARGET_HEIGHT_M, 0.0]))
    distance_m: float = 5.0
    turn_rad: float = 0.0
    spread_m: float = 1.0
    time_s: float | None = None

    def follow(self, roots_m: Matrix, time_s: float, aspect: float, eyes_m: Matrix | None = None) -> None:
        """Moves on to ``time_s`` with dancers' pelvises at ``roots_m`` (D, 3), the follower's first.

        ``eyes_m`` (3,) lies between the leader's eyes, for cameras that look through them; None without a leader.
        """
        elapsed = None if self.time_s is None else time_s - self.time_s
        cut = elapsed is None or not -1e-6 <= elapsed <= _SNAP_AFTER_S
        share = 1.0 if cut or elapsed is None else 1.0 - np.exp(-elapsed / _SETTLE_S)
        self.time_s = time_s
        middle = (roots_m.min(0) + roots_m.max(0)) / 2
        middle[1] = _TARGET_HEIGHT_M
        across = roots_m[-1, [0, 2]] - roots_m[0, [0, 2]]
        spread = float(np.linalg.norm(across))
        self._drift(across, spread, np.inf if cut or elapsed is None else elapsed)
        # The couple across the view and, a little more than halved, towards the camera: the nearer one looks larger.
        cosine, sine = np.cos(self.turn_rad), np.sin(self.turn_rad)
        right, near = np.array([cosine, -sine]), np.array([sine, cosine])
        half_width = abs(right @ across) / 2 + _ARM_ROOM_M
        tangent = np.tan(FIELD_OF_VIEW_RAD / 2)
        distance = max(_HALF_HEIGHT_M / tangent, half_width / (tangent * aspect)) + abs(near @ across) * 0.6
        self.target_m = self.target_m + share * (middle - self.target_m)
        self.distance_m += share * (distance - self.distance_m)
        self.spread_m += share * (spread - self.spread_m)

    def _drift(self, across: Matrix, spread: float, elapsed: float) -> None:
        """Turns towards the side view of the couple, no faster than ``_TURN_RAD_S``."""
        if spread < 0.3:
            return
        # The couple's axis has no sign: of the two side views take the one nearer to the front.
        wanted = np.arctan2(-across[1], across[0])
        wanted = (wanted + np.pi / 2) % np.pi - np.pi / 2
        wanted = float(np.clip(wanted, -_MAX_TURN_RAD, _MAX_TURN_RAD))
        step = np.clip(wanted - self.turn_rad, -_TURN_RAD_S * elapsed, _TURN_RAD_S * elapsed)
        self.turn_rad += float(step)

    def close_in(self, points_m: Matrix, aspect: float) -> None:
        """For stills: aims at the middle of ``points_m`` (N, 3) and stands so that they fill the picture."""
        points = np.concatenate([points_m, np.ones((len(points_m), 1))], axis=1)
        for _ in range(_CLOSER_STEPS):
            clip = points @ self.clip_from_world(aspect).T
            seen = clip[:, :2] / clip[:, 3:]
            low, high = seen.min(0), seen.max(0)
            across, up = (low + high) / 2 * np.tan(self.view_rad / 2) * self.distance_m
            across *= aspect * (-1.0 if self.is_mirrored else 1.0)
            self.target_m = self.target_m + [across * np.cos(self.turn_rad), up, -across * np.sin(self.turn_rad)]
            self.distance_m *= float((high - low).max()) / 2 / _FILLED

    @property
    def view_rad(self) -> float:
        """The vertical field of view."""
        return FIELD_OF_VIEW_RAD

    @property
    def near_m(self) -> float:
        """How near something may be and still be seen."""
        return _NEAR_M

    @property
    def is_mirrored(self) -> bool:
        """Whether left and right are swapped."""
        return False

    @property
    def aim_m(self) -> Matrix:
        """(3,) what the camera looks at."""
        return self.target_m

    @property
    def eye_m(self) -> Matrix:
        """(3,) where the camera stands."""
        rise = np.arctan2(_EYE_HEIGHT_M - _TARGET_HEIGHT_M, self.distance_m)
        flat = self.distance_m * np.cos(rise)
        away = np.array([np.sin(self.turn_rad), 0.0, np.cos(self.turn_rad)]) * flat
        return self.target_m + away + [0.0, _EYE_HEIGHT_M - _TARGET_HEIGHT_M, 0.0]

    def clip_from_world(self, aspect: float) -> Matrix:
        """(4, 4)."""
        flip = np.diag([-1.0 if self.is_mirrored else 1.0, 1.0, 1.0, 1.0])
        return flip @ perspective(aspect, self.view_rad, self.near_m) @ look_at(self.eye_m, self.aim_m)

    def light_from_world(self, towards_light: Matrix, texels: int) -> tuple[Matrix, float]:
        """(4, 4) from the world to the shadow map's clip space, and the radius in metres of what it covers.

        The radius grows in steps and the centre moves by whole texels, so that shadow edges do not crawl.
        """
        radius = np.ceil((self.spread_m / 2 + 1.1) * 4) / 4
        view = look_at(towards_light, np.zeros(3))
        centre = view[:3, :3] @ (self.target_m * [1.0, 0.9, 1.0])
        texel = 2 * radius / texels
        centre[:2] = np.round(centre[:2] / texel) * texel
        light = np.eye(4)
        light[:3, :3] = view[:3, :3] / radius
        light[:3, 3] = -centre / radius
        light[2] *= -0.5
        return light, float(radius)
