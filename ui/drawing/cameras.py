"""The cameras one can choose from: rigs that follow the couple, each in its own way. ``CAMERAS`` names them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ui.drawing.framing import Framing, Matrix

_ORBIT_RAD_S = 2.0 * np.pi / 48.0
_ORBIT_START_RAD = 0.9
_EYES_SETTLE_S, _GAZE_SETTLE_S = 0.08, 0.16
_EYES_AHEAD_M = 0.09
"""The camera stands before the face, so that nothing of the head is in its way."""
_EYES_NEAR_M = 0.05
_EYES_VIEW_RAD = 1.35
"""Wide: a partner an arm's length away is to be seen."""
_CHEST_M = 0.46
"""Above the partner's pelvis: where one looks at while dancing, so that face and hands are both in view."""


class Front(Framing):
    """Stands before the stage and goes along, but never round."""

    def _drift(self, across: Matrix, spread: float, elapsed: float) -> None:
        self.turn_rad = 0.0


class Mirror(Front):
    """From the front, left and right swapped: performers see themselves as in a dance hall's mirror."""

    @property
    def is_mirrored(self) -> bool:
        """It is."""
        return True


class Orbit(Framing):
    """Begins at the side and goes slowly round the couple."""

    def _drift(self, across: Matrix, spread: float, elapsed: float) -> None:
        self.turn_rad = _ORBIT_START_RAD if elapsed == np.inf else self.turn_rad + _ORBIT_RAD_S * elapsed


@dataclass
class FirstPerson(Framing):
    """Through the leader's eyes, at the partner; like ``Framing`` where there is no leader."""

    _eyes_m: Matrix | None = field(default=None, init=False)
    _gaze_m: Matrix = field(default_factory=lambda: np.zeros(3), init=False)

    def follow(self, roots_m: Matrix, time_s: float, aspect: float, eyes_m: Matrix | None = None) -> None:
        """Goes with the leader's head and turns after the partner, each without its trembling."""
        elapsed = np.inf if self.time_s is None else time_s - self.time_s
        super().follow(roots_m, time_s, aspect, eyes_m)
        if eyes_m is None:
            self._eyes_m = None
            return
        gaze = roots_m[0] + [0.0, _CHEST_M, 0.0]
        if self._eyes_m is None or not 0.0 <= elapsed < 1.0:
            self._eyes_m, self._gaze_m = eyes_m, gaze
            return
        self._eyes_m = self._eyes_m + (1.0 - np.exp(-elapsed / _EYES_SETTLE_S)) * (eyes_m - self._eyes_m)
        self._gaze_m = self._gaze_m + (1.0 - np.exp(-elapsed / _GAZE_SETTLE_S)) * (gaze - self._gaze_m)

    def close_in(self, points_m: Matrix, aspect: float) -> None:
        """Eyes stay where they are."""
        if self._eyes_m is None:
            super().close_in(points_m, aspect)

    @property
    def view_rad(self) -> float:
        """The vertical field of view."""
        return super().view_rad if self._eyes_m is None else _EYES_VIEW_RAD

    @property
    def near_m(self) -> float:
        """A partner may be all but in one's face."""
        return super().near_m if self._eyes_m is None else _EYES_NEAR_M

    @property
    def aim_m(self) -> Matrix:
        """(3,) the partner's chest."""
        return super().aim_m if self._eyes_m is None else self._gaze_m

    @property
    def eye_m(self) -> Matrix:
        """(3,) just before the leader's face."""
        if self._eyes_m is None:
            return super().eye_m
        ahead = (self._gaze_m - self._eyes_m) * [1.0, 0.0, 1.0]
        return self._eyes_m + _EYES_AHEAD_M * ahead / max(float(np.linalg.norm(ahead)), 1e-6)


@dataclass(frozen=True)
class Camera:
    """A rig one can ask for."""

    says: str
    make: Callable[[], Framing]


CAMERAS: Mapping[str, Camera] = {
    "follow": Camera("keeps both in view and drifts to where neither hides the other", Framing),
    "front": Camera("from before the stage, never round it", Front),
    "side": Camera("from the side, slowly round the couple", Orbit),
    "mirror": Camera("from the front, left and right swapped as in a mirror", Mirror),
    "first": Camera("through the leader's eyes", FirstPerson),
}
