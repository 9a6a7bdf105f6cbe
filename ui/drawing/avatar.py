"""A dancer's body: its file, its pose on a 22-joint pose, and the matrices that bend its skin.

A pose speaks of the 22 body joints of some skeleton; an avatar has 55 joints and its own proportions. The local
rotations are taken over as they are, the hands rest relaxed, and the pelvis is put at the height at which the lowest
point of the soles is as high above the floor as the pose's is, scaled by leg length: standing feet stand, lifted feet
are lifted. On the floor the path is the pose's own, so that partners stay as far apart as they danced; and so are the
ankles' places, by a little swing of the legs: under legs of another length, standing feet would slide.
"""

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.files import BROKEN_ARCHIVE, written_whole
from duet.frames import FollowerPose, LeaderFrame
from duet.rotations import (
    matrix_from_6d,
    matrix_from_quaternion_wxyz,
    matrix_from_rotvec,
    quaternion_wxyz_from_matrix,
)
from duet.skeleton import BODY, Skeleton
from ui.drawing.legs import ANKLES, FEET, HIPS, KNEES, Legs, legs_of

Floats = NDArray[np.float32]

ASSETS = Path(__file__).parent / "assets"
AVATARS = {
    "leader": "a broad-shouldered dancer in shirt and trousers",
    "follower": "a dancer in a red dress, her hair in a knot",
    "glow": "an abstract figure of light, to be projected",
}
"""What each body that ships is like."""

# Radians of curl of the three joints of each relaxed finger (T-pose, palm down), on top of the sculpted hand.
_CURLS = {"index": 0.26, "middle": 0.38, "ring": 0.46, "pinky": 0.46}
_CLOSED = {"index": 0.13, "middle": 0.03, "ring": -0.07, "pinky": -0.16}
"""Radians about the palm's normal that bring the fingers together: they are sculpted spread."""
_CURL_SHARES = (0.7, 1.0, 0.6)
_THUMB_ROTVEC = (0.0, 0.22, -0.12)
_INFLUENCES = 4
_MOST_BYTES = 256 << 20
_MAY_LACK = "is_glowing", "far_faces"
_KINDS = {
    "normals": "i", "colours": "u", "faces": "u", "far_faces": "u",
    "bone_index": "u", "bone_weight": "u", "names": "U", "parents": "iu",
}  # fmt: skip


@dataclass(frozen=True)
class BodyPose:
    """A body in the world: ``root_m`` (3,), local ``quaternions_wxyz`` (22 or 55, 4) with row 0 in the world.

    ``skeleton`` is the one the root's height was measured on; only its first 22 joints are read.
    """

    root_m: NDArray[np.floating]
    quaternions_wxyz: NDArray[np.floating]
    skeleton: Skeleton = BODY

    @classmethod
    def of_follower(cls, pose: FollowerPose) -> "BodyPose":
        """The follower as it is shown."""
        return cls(pose.root_m, pose.quaternions_wxyz)

    @classmethod
    def of_leader(cls, frame: LeaderFrame, skeleton: Skeleton = BODY) -> "BodyPose":
        """The leader as measured on ``skeleton``."""
        return cls(frame.root_m, quaternion_wxyz_from_matrix(matrix_from_6d(frame.rotations_6d)), skeleton)


@dataclass(frozen=True)
class Avatar:
    """The arrays of an avatar file (their shapes are in ``ui.bake.avatar``) and what is derived from them."""

    vertices_m: Floats
    normals: NDArray[np.int8]
    colours: NDArray[np.uint8]
    faces: NDArray[np.uint16] | NDArray[np.uint32]
    bone_index: NDArray[np.uint8]
    bone_weight: NDArray[np.uint8]
    rest_joints_m: Floats
    rest_from_bind: Floats
    names: tuple[str, ...]
    parents: tuple[int, ...]
    is_glowing: bool = False
    """Whether it is a figure of light, which no lamp lights."""
    far_faces: NDArray[np.uint16] | NDArray[np.uint32] | None = None
    """(K, 3) fewer and larger ones between the same vertices, for small pictures; None: only ``faces``."""

    @cached_property
    def skeleton(self) -> Skeleton:
        """The 55 joints, in the T-pose, standing on the floor."""
        offsets = self.rest_joints_m.copy()
        offsets[1:] -= self.rest_joints_m[list(self.parents[1:])]
        return Skeleton(self.names, self.parents, offsets)

    @cached_property
    def _levels(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]:
        """Joints, their parents and their offsets (J, 3, 1), by depth, so that a level is one matrix product."""
        depth = [0] * len(self.parents)
        for j, parent in enumerate(self.parents):
            if parent >= 0:
                depth[j] = depth[parent] + 1
        levels = [np.flatnonzero(np.array(depth) == d) for d in range(1, max(depth) + 1)]
        offsets = self.skeleton.offsets_m.astype(np.float64)[:, :, None]
        return [(level, np.array(self.parents)[level], offsets[level]) for level in levels]

    @cached_property
    def _relaxed(self) -> NDArray[np.float64]:
        """(55, 3, 3) local rotations of everything a 22-joint pose does not speak of."""
        rotations = np.tile(np.eye(3), (len(self.names), 1, 1))
        for side, sign in (("left", -1.0), ("right", 1.0)):
            for finger, curl in _CURLS.items():
                for k, share in enumerate(_CURL_SHARES, start=1):
                    turn = matrix_from_rotvec([0.0, 0.0, sign * curl * share])
                    if k == 1:
                        turn = matrix_from_rotvec([0.0, -sign * _CLOSED[finger], 0.0]) @ turn
                    rotations[self.names.index(f"{side}_{finger}{k}")] = turn
            thumb = np.array(_THUMB_ROTVEC) * [1.0, -sign, -sign]
            rotations[self.names.index(f"{side}_thumb1")] = matrix_from_rotvec(thumb)
        return rotations

    def local_rotations(self, pose: BodyPose) -> NDArray[np.float64]:
        """(55, 3, 3): the pose's 22 or 55 joints; hands relaxed where the pose has none."""
        given = np.asarray(matrix_from_quaternion_wxyz(np.asarray(pose.quaternions_wxyz)), dtype=np.float64)
        if len(given) == len(self.names):
            return given
        rotations = self._relaxed.copy()
        rotations[: len(given)] = given
        return rotations

    def place(self, pose: BodyPose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Joints (55, 3) in the world and global rotations (55, 3, 3) of this body in ``pose``."""
        turns = self.local_rotations(pose)
        joints = np.zeros((len(turns), 3))
        for level, parents, offsets in self._levels:
            above = turns[parents]
            joints[level] = joints[parents] + (above @ offsets)[:, :, 0]
            turns[level] = above @ turns[level]
        legs, danced = self._legs, legs_of(pose.skeleton)
        lowest = danced.sole_height_m(turns) + float(pose.root_m[1])
        self._swing_legs(legs.swing_to(danced, turns), joints, turns)
        height = lowest * self.skeleton.leg_length_m / pose.skeleton.leg_length_m - legs.sole_height_m(turns)
        return joints + np.array([pose.root_m[0], height, pose.root_m[2]]), turns

    def _swing_legs(self, swing: NDArray[np.float64], joints: NDArray[np.float64], turns: NDArray[np.float64]) -> None:
        """Swing both legs about the hips by ``swing`` (2, 3, 3), in place; feet keep their angle."""
        knee, shin, foot = joints[KNEES] - joints[HIPS], joints[ANKLES] - joints[KNEES], joints[FEET] - joints[ANKLES]
        joints[KNEES] = joints[HIPS] + (swing @ knee[:, :, None])[:, :, 0]
        joints[ANKLES] = joints[KNEES] + (swing @ shin[:, :, None])[:, :, 0]
        joints[FEET] = joints[ANKLES] + foot
        turns[HIPS], turns[KNEES] = swing @ turns[HIPS], swing @ turns[KNEES]

    @cached_property
    def _legs(self) -> Legs:
        return Legs(self.skeleton)

    def skin_between(self, joints: NDArray[np.float64], turns: NDArray[np.float64]) -> Floats:
        """(55, 3, 4): where each bone carries a point of the bind pose, of a body that was placed: joints (55, 3) and
        global rotations (55, 3, 3)."""
        matrices = np.empty((len(turns), 3, 4), dtype=np.float32)
        matrices[:, :, :3] = turns @ self.rest_from_bind[:, :, :3]
        to_joint = self.rest_from_bind[:, :, 3] - self.rest_joints_m
        matrices[:, :, 3] = np.einsum("jab,jb->ja", turns, to_joint) + joints
        return matrices

    def between_eyes_m(self, placed: tuple[NDArray[np.float64], NDArray[np.float64]]) -> NDArray[np.float64]:
        """(3,) the middle between the eyes of this body where it was placed."""
        eyes = [self.names.index(f"{side}_eye") for side in ("left", "right")]
        return placed[0][eyes].mean(axis=0)

    @property
    def casting_faces(self) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """(K, 3) the faces that cast the shadow: all but eyes and linings, which others hide from the light."""
        return self._casting(self.faces)

    @property
    def far_casting_faces(self) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """The same of ``far_faces``."""
        return self._casting(self.faces if self.far_faces is None else self.far_faces)

    def _casting(self, faces: NDArray[np.uint16] | NDArray[np.uint32]) -> NDArray[np.uint16] | NDArray[np.uint32]:
        return faces[~self._casts_none[faces].all(axis=1)]

    @cached_property
    def _casts_none(self) -> NDArray[np.bool_]:
        """(N,) where no shadow needs to come from."""
        _, first, group = np.unique(np.round(self.vertices_m * 1e4), axis=0, return_index=True, return_inverse=True)
        outside = first[group.ravel()]
        turned = np.sum(self.normals[outside].astype(np.int32) * self.normals, axis=1) < 0
        eyes = [self.names.index(f"{side}_eye") for side in ("left", "right")]
        return turned | np.isin(self.bone_index[:, 0], eyes)

    def skinned_vertices_m(self, pose: BodyPose) -> Floats:
        """(N, 3) the skin in the world, as the graphics card computes it."""
        return self.skinned_between_m(*self.place(pose))

    def skinned_between_m(self, joints: NDArray[np.float64], turns: NDArray[np.float64], every: int = 1) -> Floats:
        """``skinned_vertices_m`` of a body that was placed, as for ``skin_between``; one vertex in ``every``."""
        matrices = self.skin_between(joints, turns)
        weights = self.bone_weight[::every].astype(np.float32) / 255.0
        blended = np.einsum("vk,vkab->vab", weights, matrices[self.bone_index[::every]])
        return np.einsum("vab,vb->va", blended[:, :, :3], self.vertices_m[::every]) + blended[:, :, 3]


def four_influences(weights: NDArray[np.floating]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The four strongest joints of every vertex and their weights, which sum to exactly 255; of (N, J) shares."""
    index = np.argsort(-weights, axis=1, kind="stable")[:, :_INFLUENCES]
    weight = np.take_along_axis(weights, index, axis=1)
    whole = np.round(weight / weight.sum(1, keepdims=True) * 255).astype(int)
    whole[:, 0] += 255 - whole.sum(1)
    return index.astype(np.uint8), whole.astype(np.uint8)


def read_avatar(path: Path) -> Avatar:
    """The avatar in an npz file (no pickles). Raises ``InputError`` when it is missing or is no avatar."""
    try:
        with zipfile.ZipFile(path) as file:
            if sum(entry.file_size for entry in file.infolist()) > _MOST_BYTES:
                raise InputError(
                    f"{path}: expected an avatar of at most {_MOST_BYTES >> 20} MB, got more. Bake it again."
                )
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in Avatar.__dataclass_fields__ if name not in _MAY_LACK or name in data}
            arrays.pop("is_glowing", None)
            is_glowing = "is_glowing" in data and bool(data["is_glowing"])
        _check(arrays)
    except FileNotFoundError as error:
        raise InputError(f"Avatar: expected {path}, got none. Bake it: python -m ui.bake.avatar --help.") from error
    except BROKEN_ARCHIVE as error:
        raise InputError(f"Avatar: expected a baked avatar, got {path} ({error}). Bake it again.") from error
    names = tuple(str(name) for name in arrays.pop("names"))
    parents = tuple(int(parent) for parent in arrays.pop("parents"))
    if names[: len(BODY)] != BODY.names:
        raise InputError(f"Avatar: expected the body's 22 joints first, got {names[:3]} ... in {path}. Bake it again.")
    return Avatar(**arrays, names=names, parents=parents, is_glowing=is_glowing)


def _check(arrays: dict[str, NDArray]) -> None:
    """Whether the arrays fit one another. Raises ``ValueError``, ``TypeError`` for a single number."""
    count, joints = len(arrays["vertices_m"]), len(arrays["names"])
    shapes = {
        "vertices_m": (count, 3), "normals": (count, 3), "colours": (count, 4), "faces": (len(arrays["faces"]), 3),
        "bone_index": (count, 4), "bone_weight": (count, 4), "rest_joints_m": (joints, 3),
        "rest_from_bind": (joints, 3, 4), "names": (joints,), "parents": (joints,),
    }  # fmt: skip
    if "far_faces" in arrays:
        shapes["far_faces"] = (len(arrays["far_faces"]), 3)
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} is {arrays[name].shape}, not {shape}")
        if arrays[name].dtype.kind not in _KINDS.get(name, "f"):
            raise ValueError(f"{name} is {arrays[name].dtype}")
    corners = [int(arrays[name].max(initial=0)) for name in ("faces", "far_faces") if name in arrays]
    if not len(arrays["faces"]) or max(corners) >= count or arrays["bone_index"].max() >= joints:
        raise ValueError("its triangles or bones are not there")
    if not all(np.isfinite(arrays[name]).all() for name in ("vertices_m", "rest_joints_m", "rest_from_bind")):
        raise ValueError("its numbers are not finite")


def write_avatar(path: Path, avatar: Avatar) -> None:
    """Write what ``read_avatar`` reads; whole or not at all."""
    held = {name: getattr(avatar, name) for name in Avatar.__dataclass_fields__}
    arrays = {name: np.asarray(value) for name, value in held.items() if value is not None}
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


def shipped_avatar(name: str) -> Avatar:
    """One of the ``AVATARS`` that ship with Duet."""
    return read_avatar(ASSETS / f"{name}.npz")
