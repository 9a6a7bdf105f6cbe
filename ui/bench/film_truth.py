"""Dancers whose joints are known, before a virtual camera: our own avatar, drawn as ever, seen from a tripod."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.choreography import compose
from duet.motion import Motion, read_motion
from duet.rotations import Array, quaternion_wxyz_from_matrix
from realtime.bench.perception import Shot, Told
from realtime.sight.camera import CameraFrame
from realtime.sight.placement import Lens
from realtime.sight.tracking import PoseModel
from ui.bench.recorded import salsa_folder
from ui.drawing.avatar import BodyPose, shipped_avatar
from ui.drawing.framing import Framing, Matrix, look_at
from ui.drawing.scene import Scene, SceneState, create_headless_context

FPS = 30.0
SIZE_PX = (640, 480)
CAMERA_HEIGHT_M, DISTANCE_M = 1.1, 3.6
TAKES = ("60_12.bvh", "60_13.bvh")
"""Leads of two salsa takes that nothing here was fitted to."""
# The files state twice the true rate, and another unit.
_TAKE_FPS, _TAKE_SCALE = 60.0, 1.2989
_LEAD_IN_S = 2.0
"""Of a take: the dancers step up to each other."""
_TEMPO_BPM = 180.0
_NEAR_M, _FAR_M = 0.2, 60.0


def perspective_of(lens: Lens, size_px: tuple[int, int]) -> Matrix:
    """(4, 4) the projection that ``lens`` describes, for pictures of ``size_px``."""
    width, height = size_px
    scale = 2.0 * lens.focal_px(size_px)
    depth = _NEAR_M - _FAR_M
    return np.array(
        [
            [scale / width, 0, 0, 0],
            [0, scale / height, 0, 0],
            [0, 0, (_FAR_M + _NEAR_M) / depth, 2 * _FAR_M * _NEAR_M / depth],
            [0, 0, -1, 0],
        ]
    )


@dataclass
class Tripod(Framing):
    """A camera that stands where it was put, level, and looks along -Z."""

    stand_m: Matrix = field(default_factory=lambda: np.array([0.0, CAMERA_HEIGHT_M, DISTANCE_M]))
    lens: Lens = field(default_factory=Lens)

    def follow(self, roots_m: Matrix, time_s: float, aspect: float, eyes_m: Matrix | None = None) -> None:
        """Only the light goes along with the dancer."""
        self.target_m = roots_m.mean(axis=0) * [1.0, 0.0, 1.0] + [0.0, self.target_m[1], 0.0]
        self.time_s = time_s

    @property
    def eye_m(self) -> Matrix:
        """(3,) where it stands."""
        return self.stand_m

    def clip_from_world(self, aspect: float) -> Matrix:
        """(4, 4)."""
        size_px = round(1000 * aspect), 1000
        return perspective_of(self.lens, size_px) @ look_at(self.stand_m, self.stand_m + [0.0, 0.0, -1.0])


def leads(data: Path | None, seconds: float) -> dict[str, Motion]:
    """Name -> a salsa lead of up to ``seconds``, 30 fps, on the canonical body: real ones, else choreographed ones."""
    if data is not None:
        folder = salsa_folder(data)
        takes = {
            f"take {name[3:5]}": read_motion(folder / name, fps_override=_TAKE_FPS, scale=_TAKE_SCALE) for name in TAKES
        }
        start, count = round(_LEAD_IN_S * FPS), round(seconds * FPS)
        return {name: take.resample(FPS).on_body().slice(start, start + count) for name, take in takes.items()}
    return {
        f"choreographed {seed}": compose("salsa", seconds, _TEMPO_BPM, seed, fps=FPS).leader.on_body()
        for seed in (0, 1)
    }


@dataclass(frozen=True)
class Setting:
    """Who dances before which camera, and what lifting is told of it."""

    fov_deg: float = 60.0
    avatar: str = "leader"
    size: float = 1.0
    """Of the dancer, 1 as the avatar is."""
    told: bool = True
    """Lens and height, as after ``duet calibrate``; else lifting assumes what it does of everybody."""


CALIBRATED = Setting()
SETTINGS = {
    "nothing told": Setting(told=False),
    "lens of 70 degrees, nothing told": Setting(70.0, told=False),
    "lens of 80 degrees, nothing told": Setting(80.0, told=False),
    "somebody 1.52 m tall, nothing told": Setting(size=0.9, told=False),
    "somebody 1.86 m tall, nothing told": Setting(size=1.1, told=False),
    "another body, nothing told": Setting(avatar="follower", told=False),
    "lens of 80 degrees, all told": Setting(80.0),
}
"""What differs from the lifting's own idea of lens, height and body: none of it is shared there."""


class Studio:
    """One avatar before one camera. Use it as a context manager, on one thread."""

    def __init__(self, motion: Motion, setting: Setting = CALIBRATED) -> None:
        self.avatar = shipped_avatar(setting.avatar)
        self._setting = setting
        lens = Lens(math.radians(setting.fov_deg))
        floor = motion.root_m[:, [0, 2]]
        self._middle = (floor.min(axis=0) + floor.max(axis=0)) / 2.0
        self._motion = motion
        self._quaternions = quaternion_wxyz_from_matrix(motion.rotations)
        # A larger dancer before a camera is the same picture as this one before a camera that is nearer and lower.
        away = (DISTANCE_M + float(np.ptp(floor[:, 1])) / 2.0) / setting.size
        self._tripod = Tripod(stand_m=np.array([0.0, CAMERA_HEIGHT_M / setting.size, away]), lens=lens)
        self._context = create_headless_context()
        self._scene = Scene(self._context, SIZE_PX, follower=self.avatar)
        self._scene.framing = self._tripod

    def pose(self, frame: int) -> BodyPose:
        """The dancer, whose way about the floor has its middle before the camera."""
        root = self._motion.root_m[frame] - np.array([self._middle[0], 0.0, self._middle[1]])
        return BodyPose(root, self._quaternions[frame])

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """(H, W, 3) RGB of every frame."""
        for frame in range(self._motion.frames):
            self._scene.draw(SceneState(frame / self._motion.fps, self.pose(frame)))
            picture = self._scene.read()
            picture.setflags(write=False)
            yield picture

    def truth(self) -> tuple[Array, Array]:
        """Joints (T, 22, 3) in the world and their global rotations (T, 22, 3, 3)."""
        placed = [self.avatar.place(self.pose(frame)) for frame in range(self._motion.frames)]
        return np.array([joints[:22] for joints, _ in placed]), np.array([turns[:22] for _, turns in placed])

    def shot(self, name: str, pictures: Iterator[NDArray[np.uint8]], pose: PoseModel) -> Shot:
        """``pictures`` (of this studio) tracked by ``pose``, with the truth."""
        fps, size = self._motion.fps, self._setting.size
        seen = tuple(pose.landmarks(CameraFrame(i, i / fps, i / fps, picture)) for i, picture in enumerate(pictures))
        joints_m, turns = self.truth()
        told = None if self._setting.told else Told(Lens(), None)
        eye_m = size * self._tripod.stand_m
        return Shot(name, fps, seen, size * joints_m, turns, eye_m, self._tripod.lens, self.height_m, told)

    @property
    def height_m(self) -> float:
        """The dancer's."""
        return self._setting.size * float(self.avatar.vertices_m[:, 1].max())

    def close(self) -> None:
        """Let go of OpenGL."""
        self._context.release()

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
