"""How true tracking is: a dancer whose joints are known, filmed, tracked and lifted; and where the error arises.

Whoever films (``ui.bench.perception``: our avatar before a virtual camera) hands over a ``Shot``. The landmarks of its
pictures are lifted as on a stage, then again with parts of them replaced by the truth: what is left with a true picture
and true depth is lifting's own, what each of them takes away is the pose model's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from duet.frames import LeaderStatus
from duet.rotations import Array
from duet.skeleton import BODY
from realtime.sight.landmarks import ANKLES, HIPS, KNEES, SHOULDERS, Landmarks, upright
from realtime.sight.lifting import Lifter
from realtime.sight.placement import Lens
from realtime.sight.sightlines import along_camera, along_sight
from realtime.sight.synthetic import points_of

BODY_GOAL_MM, PATH_GOAL_CM = 60.0, 10.0
FRAME_GOAL_MS, AGE_GOAL_FRAMES, FPS_GOAL = 33.0, 1.0, 30.0
SETTLE_S = 2.0
"""Left out at the beginning: bones, floor and filters are being learned."""
_ARMS = ("elbow", "wrist")
TORSO_AND_LEGS = tuple(j for j, name in enumerate(BODY.names) if j and not name.endswith(_ARMS) and name != "head")
_CORE = list(SHOULDERS + HIPS + KNEES + ANKLES)


@dataclass(frozen=True)
class Told:
    """What lifting is told of camera and performer: as they are where both were calibrated, else what is assumed."""

    lens: Lens
    height_m: float | None


@dataclass(frozen=True)
class Shot:
    """A dancer filmed by a camera that looks along -Z, level."""

    name: str
    fps: float
    seen: tuple[Landmarks | None, ...]
    """(T) what the pose model says of each picture."""
    joints_m: Array
    """(T, 22, 3) the truth, in the world."""
    turns: Array
    """(T, 22, 3, 3) the joints' true global rotations."""
    eye_m: Array
    """(3,) where the camera stands."""
    lens: Lens
    height_m: float
    told: Told | None = None
    """None: the truth."""

    def true_points(self, frame: int) -> Array:
        """(33, 3) where the landmarks are, from the camera, upright."""
        return points_of(self.joints_m[frame], self.turns[frame], self.scale) - self.eye_m

    @property
    def scale(self) -> float:
        """The dancer's size relative to the canonical body, by the legs."""
        hip, knee, ankle = (BODY.index(f"left_{name}") for name in ("hip", "knee", "ankle"))
        bones = np.linalg.norm(np.diff(self.joints_m[0, [hip, knee, ankle]], axis=0), axis=-1)
        return float(bones.sum() / BODY.leg_length_m)


@dataclass(frozen=True)
class Truth:
    """Which parts of what the pose model says are replaced by the truth."""

    picture: bool = False
    """Where every landmark is across the line of sight, and in the picture."""
    depth: bool = False
    """How far away each is, relative to the hips."""


PLAYED = "as tracked"
VARIANTS = {
    PLAYED: Truth(),
    "true picture": Truth(picture=True),
    "true depth": Truth(depth=True),
    "true picture and depth": Truth(picture=True, depth=True),
}


@dataclass(frozen=True)
class Score:
    """How wrong a lifted dance is; joints relative to the pelvis, the path after one shift for the whole of it."""

    joints_mm: Array
    """(22,) mean distance of each joint from where it is."""
    path_cm: Array
    """(3,) root mean square across the picture, up, and toward the camera."""
    tracked: float
    """[0, 1] share of pictures in which the dancer was tracked."""

    @property
    def body_mm(self) -> float:
        """Mean over torso and legs."""
        return float(self.joints_mm[list(TORSO_AND_LEGS)].mean())

    @property
    def path_all_cm(self) -> float:
        """Root mean square of the path's distance."""
        return float(np.linalg.norm(self.path_cm))

    @classmethod
    def mean(cls, scores: "list[Score]") -> "Score":
        """Of several dances."""
        return cls(
            np.mean([s.joints_mm for s in scores], axis=0),
            np.sqrt(np.mean([s.path_cm**2 for s in scores], axis=0)),
            float(np.mean([s.tracked for s in scores])),
        )


def score(shot: Shot, truth: Truth, done: Callable[[], None] = lambda: None) -> Score:
    """Lift the shot as on a stage and compare; ``done`` is called after each picture."""
    told = shot.told or Told(shot.lens, shot.height_m)
    lifter = Lifter(lens=told.lens, height_m=told.height_m)
    joints, tracked = [], []
    for i, landmarks in enumerate(shot.seen):
        frame = lifter.step(None if landmarks is None else _with(shot, i, landmarks, truth), i / shot.fps)
        joints.append(frame.joints_m)
        tracked.append(frame.status is LeaderStatus.TRACKED)
        done()
    late = slice(min(round(SETTLE_S * shot.fps), len(joints) // 2), None)
    found, true = np.array(joints, dtype=np.float64)[late], shot.joints_m[late]
    off = (found - found[:, :1]) - (true - true[:, :1])
    path = found[:, 0] - true[:, 0]
    return Score(
        1e3 * np.linalg.norm(off, axis=-1).mean(axis=0),
        1e2 * np.sqrt(np.mean((path - path.mean(axis=0)) ** 2, axis=0)),
        float(np.mean(tracked)),
    )


def model_alone_mm(shot: Shot) -> float:
    """Mean distance of the pose model's own shoulders, hips, knees and ankles from the true ones, hips on hips.

    As the model gives them: turned toward the line of sight, with its own bones.
    """
    late = min(round(SETTLE_S * shot.fps), len(shot.seen) // 2)
    error = []
    for i, landmarks in enumerate(shot.seen):
        if landmarks is not None and i >= late:
            true, said = shot.true_points(i), upright(landmarks.world_m)
            off = (said - said[list(HIPS)].mean(axis=0)) - (true - true[list(HIPS)].mean(axis=0))
            error.append(np.linalg.norm(off[_CORE], axis=-1))
    return 1e3 * float(np.mean(error)) if error else float("nan")


def picture_error_px(shot: Shot) -> float:
    """Mean distance in the picture between the model's points and the true ones, over the same landmarks."""
    error = []
    for i, landmarks in enumerate(shot.seen):
        if landmarks is not None:
            off = (landmarks.image - _projected(shot, shot.true_points(i), landmarks.size_px)) * landmarks.size_px
            error.append(np.linalg.norm(off[_CORE], axis=-1))
    return float(np.mean(error)) if error else float("nan")


def _with(shot: Shot, frame: int, landmarks: Landmarks, truth: Truth) -> Landmarks:
    """One picture's landmarks, partly true."""
    if not (truth.picture or truth.depth):
        return landmarks
    true = shot.true_points(frame)
    said = upright(along_camera(landmarks, shot.lens).world_m)
    said = said - said[list(HIPS)].mean(axis=0)
    relative = true - true[list(HIPS)].mean(axis=0)
    world = np.concatenate(
        [relative[:, :2] if truth.picture else said[:, :2], relative[:, 2:] if truth.depth else said[:, 2:]], axis=-1
    )
    image = _projected(shot, true, landmarks.size_px) if truth.picture else landmarks.image
    known = Landmarks(world * np.array([1.0, -1.0, -1.0]), image, landmarks.visibility, landmarks.size_px)
    return along_sight(known, shot.lens)


def _projected(shot: Shot, points: Array, size_px: tuple[int, int]) -> Array:
    """(33, 2) where upright points (33, 3) from the camera are in the picture, 0..1."""
    flat = points[:, :2] / -points[:, 2:] * np.array([1.0, -1.0])
    return flat * shot.lens.focal_px(size_px) / np.array(size_px) + 0.5
