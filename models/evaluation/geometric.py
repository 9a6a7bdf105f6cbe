"""32 yes-or-no questions about a pose and its motion, as used for FID_g and DIV_g.

Relational motion features of Mueller, Roeder and Clausen (SIGGRAPH 2005) with the thresholds that the dance literature
took over from AIST++ (arXiv 2101.08779) and Duolando (arXiv 2403.18811). ``exact`` asks them as published code does,
with its two slips: velocities reckoned at 120 frames a second whatever the rate, and ``move`` that looks at the third
joint relative to the first instead of the fourth relative to the third.
"""

import numpy as np
from numpy.typing import NDArray

from duet.rotations import Array
from duet.skeleton import BODY

Floats = NDArray[np.float64]

PUBLISHED_FPS = 120.0
_HUMERUS_M, _SHOULDERS_M, _HIPS_M = 0.256838, 0.390848, 0.119247
"""Of the SMPL body on which the thresholds were set, whoever dances."""
_NAMES = {
    "root": "pelvis", "belly": "spine1", "chest": "spine3", "neck": "neck",
    "lhip": "left_hip", "rhip": "right_hip", "lknee": "left_knee", "rknee": "right_knee",
    "lankle": "left_ankle", "rankle": "right_ankle", "ltoes": "left_foot", "rtoes": "right_foot",
    "lshoulder": "left_shoulder", "rshoulder": "right_shoulder", "lelbow": "left_elbow", "relbow": "right_elbow",
    "lwrist": "left_wrist", "rwrist": "right_wrist",
}  # fmt: skip
_H, _S, _P = _HUMERUS_M, _SHOULDERS_M, _HIPS_M
# The question, the joints it is asked of, its threshold in metres or metres a second, or its range in degrees.
_QUESTIONS: tuple[tuple[str, str, float | tuple[float, float]], ...] = (
    ("across plane", "neck rhip lhip rwrist", 1.8 * _H),
    ("across plane", "neck lhip rhip lwrist", 1.8 * _H),
    ("beyond", "chest neck neck rwrist", 0.2 * _H),
    ("beyond", "chest neck neck lwrist", 0.2 * _H),
    ("move", "belly chest chest rwrist", 1.8 * _H),
    ("move", "belly chest chest lwrist", 1.8 * _H),
    ("angle", "relbow rshoulder relbow rwrist", (0.0, 110.0)),
    ("angle", "lelbow lshoulder lelbow lwrist", (0.0, 110.0)),
    ("beyond", "lshoulder rshoulder lwrist rwrist", 2.5 * _S),
    ("move", "lwrist rwrist rwrist lwrist", 1.4 * _H),
    ("move", "rwrist root lwrist root", 1.4 * _H),
    ("move", "lwrist root rwrist root", 1.4 * _H),
    ("fast", "rwrist", 2.5 * _H),
    ("fast", "lwrist", 2.5 * _H),
    ("off plane", "root lhip ltoes rankle", 0.38 * _H),
    ("off plane", "root rhip rtoes lankle", 0.38 * _H),
    ("beyond", "zero up lowest rankle", 1.2 * _H),
    ("beyond", "zero up lowest lankle", 1.2 * _H),
    ("beyond", "lhip rhip lankle rankle", 2.1 * _P),
    ("angle", "rknee rhip rknee rankle", (0.0, 110.0)),
    ("angle", "lknee lhip lknee lankle", (0.0, 110.0)),
    ("fast", "rankle", 2.5 * _H),
    ("fast", "lankle", 2.5 * _H),
    ("angle", "neck root rshoulder relbow", (25.0, 180.0)),
    ("angle", "neck root lshoulder lelbow", (25.0, 180.0)),
    ("angle", "neck root rhip rknee", (50.0, 180.0)),
    ("angle", "neck root lhip lknee", (50.0, 180.0)),
    ("off plane", "rankle neck lankle root", 0.5 * _H),
    ("angle", "neck root zero up", (70.0, 110.0)),
    ("beyond", "zero down lowest rwrist", -1.2 * _H),
    ("beyond", "zero down lowest lwrist", -1.2 * _H),
    ("fast", "root", 2.3 * _H),
)


def geometric_features(joints_m: Array, fps: float, *, exact: bool) -> Floats:
    """(32,) share of frames, from the second on, of which each question holds, for joints (T, 22 or more, 3), +Y up."""
    body = _Body(np.asarray(joints_m, dtype=np.float64), PUBLISHED_FPS if exact else fps, exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([body.ask(*question).mean() for question in _QUESTIONS])


class _Body:
    """Frames 1..T-1 of a body, and how fast it came there."""

    def __init__(self, joints_m: Floats, fps: float, exact: bool) -> None:
        self._joints, self._fps, self._exact = joints_m, fps, exact

    def ask(self, kind: str, joints: str, threshold: float | tuple[float, float]) -> NDArray[np.bool_]:
        """(T - 1,) whether it is so."""
        names = joints.split()
        if isinstance(threshold, tuple):
            angle = self._angle(*names)
            return (angle > threshold[0]) & (angle < threshold[1])
        measures = {
            "across plane": self._across_plane,
            "move": self._move,
            "beyond": self._beyond,
            "off plane": self._off_plane,
            "fast": self._speed,
        }
        return measures[kind](*names) > threshold

    def _at(self, name: str) -> Floats:
        if name in _NAMES:
            return self._joints[1:, BODY.index(_NAMES[name])]
        height = {"zero": 0.0, "up": 1.0, "down": -1.0}.get(name)
        heights = self._joints[1:, :, 1].min(axis=1) if height is None else height
        return np.array([0.0, 1.0, 0.0]) * np.broadcast_to(heights, len(self._joints) - 1)[:, None]

    def _velocity(self, name: str) -> Floats:
        return np.diff(self._joints[:, BODY.index(_NAMES[name])], axis=0) * self._fps

    def _speed(self, joint: str) -> Floats:
        return np.linalg.norm(self._velocity(joint), axis=-1)

    def _move(self, start: str, end: str, origin: str, joint: str) -> Floats:
        """Speed of ``joint`` relative to ``origin`` along the way from ``start`` to ``end``."""
        moves, rests = (origin, start) if self._exact else (joint, origin)
        return _along(self._velocity(moves) - self._velocity(rests), self._at(end) - self._at(start))

    def _across_plane(self, first: str, second: str, third: str, joint: str) -> Floats:
        """Speed of ``joint`` relative to ``first``, across the plane of the other three."""
        origin = self._at(first)
        normal = np.cross(self._at(third) - origin, self._at(second) - origin)
        return _along(self._velocity(joint) - self._velocity(first), normal)

    def _off_plane(self, first: str, second: str, third: str, joint: str) -> Floats:
        """Signed distance of ``joint`` from the plane of the other three."""
        origin = self._at(first)
        normal = np.cross(self._at(third) - origin, self._at(second) - origin)
        return _along(self._at(joint) - origin, normal)

    def _beyond(self, start: str, end: str, origin: str, joint: str) -> Floats:
        """How far ``joint`` is from ``origin`` in the direction from ``start`` to ``end``."""
        return _along(self._at(joint) - self._at(origin), self._at(end) - self._at(start))

    def _angle(self, first: str, second: str, third: str, fourth: str) -> Floats:
        """Degrees between the ways from ``first`` to ``second`` and from ``third`` to ``fourth``."""
        one, other = self._at(second) - self._at(first), self._at(fourth) - self._at(third)
        lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
        return np.degrees(np.arccos((one * other).sum(axis=-1) / lengths))


def _along(vectors: Floats, direction: Floats) -> Floats:
    return (vectors * direction).sum(axis=-1) / np.linalg.norm(direction, axis=-1)
