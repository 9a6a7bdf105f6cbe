"""A dancer as bones of light: made from an avatar's joints, needs no file."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ui.drawing.avatar import Avatar

_SIDES = 6
_LIMB_RADIUS_M, _FINGER_RADIUS_M, _JOINT_RADIUS_M = 0.022, 0.006, 0.034
_HEAD_RADII_M = (0.078, 0.112, 0.094)
_NOSE_M = 0.045
_LEFT, _RIGHT, _MIDDLE = (110, 235, 160), (255, 165, 95), (150, 200, 255)
_GLOW = 40
"""In the place of gloss: light of its own beside the edges'."""
_BODY_JOINTS = 22
_HEAD = 15


def bones_of(avatar: Avatar) -> Avatar:
    """A figure of spindles between the avatar's joints, bent as the avatar is; left green, right orange."""
    parts = _Parts()
    rest = avatar.rest_joints_m.astype(np.float64)
    for j, parent in enumerate(avatar.parents):
        is_finger = j > _BODY_JOINTS + 2
        if parent < 0 or (j > _BODY_JOINTS - 1 and not is_finger):
            continue
        colour = _colour(avatar.names[j])
        radius = _FINGER_RADIUS_M if is_finger else _LIMB_RADIUS_M
        parts.add(*_spindle(rest[parent], rest[j], radius), parent, colour)
        if not is_finger:
            parts.add(*_ball(rest[j], np.full(3, _JOINT_RADIUS_M)), j, colour)
    eyes = rest[[avatar.names.index("left_eye"), avatar.names.index("right_eye")]].mean(axis=0)
    middle = np.array([0.0, eyes[1] + 0.015, eyes[2] - 0.5 * _HEAD_RADII_M[2]])
    parts.add(*_ball(middle, np.array(_HEAD_RADII_M)), _HEAD, _MIDDLE)
    # A nose: the head tells from afar where it faces.
    tip = eyes + [0.0, -0.035, _NOSE_M]
    parts.add(*_spindle(middle, tip + (tip - middle) * 0.35, 0.03), _HEAD, (255, 255, 255))
    still = np.tile(np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1).astype(np.float32), (len(avatar.names), 1, 1))
    return replace(avatar, **parts.arrays(), rest_from_bind=still, is_glowing=True, far_faces=None)


def _colour(name: str) -> tuple[int, int, int]:
    return _LEFT if name.startswith("left_") else _RIGHT if name.startswith("right_") else _MIDDLE


class _Parts:
    """Pieces of a figure, each of one joint and colour."""

    def __init__(self) -> None:
        self._points: list[NDArray[np.float64]] = []
        self._normals: list[NDArray[np.float64]] = []
        self._faces: list[NDArray[np.int64]] = []
        self._joints: list[NDArray[np.uint8]] = []
        self._colours: list[NDArray[np.uint8]] = []
        self._count = 0

    def add(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float64],
        faces: NDArray[np.int64],
        joint: int,
        colour: tuple[int, int, int],
    ) -> None:
        self._points.append(points)
        self._normals.append(normals)
        self._faces.append(faces + self._count)
        self._joints.append(np.full(len(points), joint, dtype=np.uint8))
        self._colours.append(np.tile(np.array([*colour, _GLOW], dtype=np.uint8), (len(points), 1)))
        self._count += len(points)

    def arrays(self) -> dict[str, NDArray]:
        """The fields of an ``Avatar``."""
        joints = np.concatenate(self._joints)
        index = np.zeros((len(joints), 4), dtype=np.uint8)
        weight = np.zeros((len(joints), 4), dtype=np.uint8)
        index[:, 0], weight[:, 0] = joints, 255
        return {
            "vertices_m": np.concatenate(self._points).astype(np.float32),
            "normals": np.round(np.concatenate(self._normals) * 127).astype(np.int8),
            "colours": np.concatenate(self._colours),
            "faces": np.concatenate(self._faces).astype(np.uint16),
            "bone_index": index,
            "bone_weight": weight,
        }


Surface = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def _spindle(start: NDArray[np.float64], end: NDArray[np.float64], radius_m: float) -> Surface:
    """A bone: thin at both ends, thickest a third along."""
    along = end - start
    length = max(float(np.linalg.norm(along)), 1e-6)
    along = along / length
    side = np.cross(along, [0.0, 1.0, 0.0] if abs(along[1]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    turn = 2.0 * np.pi * np.arange(_SIDES) / _SIDES
    out = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * np.cross(along, side)
    rings = [(0.0, 0.35), (0.33, 1.0), (1.0, 0.3)]
    points = np.concatenate([start + along * share * length + out * radius_m * wide for share, wide in rings])
    normals = np.tile(out, (len(rings), 1))
    return points, normals, _strips(len(rings), _SIDES)


def _ball(centre: NDArray[np.float64], radii_m: NDArray[np.float64], rings: int = 7, around: int = 8) -> Surface:
    up = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]
    turn = 2.0 * np.pi * np.arange(around)[None, :] / around
    grid = np.broadcast_arrays(np.cos(up) * np.cos(turn), np.sin(up), -np.cos(up) * np.sin(turn))
    unit = np.stack(grid, axis=-1).reshape(-1, 3)
    normals = unit / radii_m
    return centre + unit * radii_m, normals / np.linalg.norm(normals, axis=1, keepdims=True), _strips(rings, around)


def _strips(rings: int, around: int) -> NDArray[np.int64]:
    """Triangles between rings of ``around`` points each, counter-clockwise seen from outside."""
    faces = []
    for ring in range(rings - 1):
        for k in range(around):
            a, b = ring * around + k, ring * around + (k + 1) % around
            faces += [[a, b, b + around], [a, b + around, a + around]]
    return np.array(faces)
