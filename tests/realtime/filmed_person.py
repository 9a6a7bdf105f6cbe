"""Somebody who dances before a camera that never was: poses, and the landmarks that are seen of them."""

from dataclasses import dataclass

import numpy as np

from duet.frames import LeaderFrame
from duet.kinematics import forward
from duet.rotations import Array, matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY, Skeleton
from realtime.sight.landmarks import COUNT, HIPS, Landmarks
from realtime.sight.lifting import Lifter
from realtime.sight.placement import Lens
from realtime.sight.synthetic import Filmed, landmark_points

SIZE_PX = (640, 480)
LENS = Lens()
CAMERA_HEIGHT_M = 1.0
DISTANCE_M = 3.0
FPS = 30.0
# The joints that landmarks show directly.
SHOWN = sorted(BODY.index(f"{side}_{joint}") for side in ("left", "right") for joint in (
    "hip", "knee", "ankle", "shoulder", "elbow", "wrist"
))  # fmt: skip
FILMED = Filmed(LENS, SIZE_PX, CAMERA_HEIGHT_M, DISTANCE_M)


@dataclass(frozen=True)
class Person:
    """Somebody before the camera: bones, and for every frame root on the stage and local rotations."""

    root_m: Array
    rotations: Array
    skeleton: Skeleton = BODY

    @property
    def joints_m(self) -> Array:
        return forward(self.skeleton, self.root_m, self.rotations)[0]

    def hip_centre_m(self, frame: int) -> Array:
        """Between what the pose model calls the hips."""
        points = landmark_points(self.skeleton, self.root_m[frame], self.rotations[frame])
        return points[list(HIPS)].mean(axis=0)

    def landmarks(self, frame: int, rng: np.random.Generator | None = None, noise_m: float = 0.0) -> Landmarks:
        seen = FILMED.landmarks(self.skeleton, self.root_m[frame], self.rotations[frame])
        world, image = seen.world_m, seen.image
        if rng is not None:
            world = world + rng.normal(size=world.shape) * noise_m
            image = image + rng.normal(size=image.shape) * 2.0 / np.array(SIZE_PX)
        return Landmarks(world, image, np.ones(COUNT), SIZE_PX)


def dancer(frames: int, *, yaw_rad: float = 0.3, skeleton: Skeleton = BODY, sway: float = 1.0) -> Person:
    """Somebody who steps from side to side with bent knees and swinging arms."""
    phase = 2.0 * np.pi * np.arange(frames) / FPS * sway
    rotvec = np.zeros((frames, 22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        lift = 0.25 * (1.0 + np.sin(phase + (0.0 if sign > 0 else np.pi)))
        rotvec[:, BODY.index(f"{side}_hip"), 0] = -lift
        rotvec[:, BODY.index(f"{side}_knee"), 0] = 2.0 * lift + 0.1
        rotvec[:, BODY.index(f"{side}_ankle"), 0] = -lift
        rotvec[:, BODY.index(f"{side}_shoulder"), 2] = -sign * (1.0 + 0.2 * np.sin(phase))
        rotvec[:, BODY.index(f"{side}_elbow"), 1] = -sign * 0.9
    rotations = matrix_from_rotvec(rotvec)
    rotations[:, 0] = yaw_matrix(np.full(frames, yaw_rad))
    root = np.zeros((frames, 3))
    root[:, 0] = 0.15 * (np.sin(phase / 2))
    person = Person(root, rotations, skeleton)
    lowest = person.joints_m[:, [10, 11], 1].min(axis=1) - 0.014
    root[:, 1] -= lowest
    return Person(root, rotations, skeleton)


def lift(person: Person, lifter: Lifter, *, noise_m: float = 0.0, seed: int = 0) -> list[LeaderFrame]:
    rng = np.random.default_rng(seed) if noise_m else None
    return [lifter.step(person.landmarks(i, rng, noise_m), i / FPS) for i in range(len(person.root_m))]
