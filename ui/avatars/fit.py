"""Fits a foreign figure to our 55 joints: laid out in the T-pose of our skeleton, its skin on our bones, soles on the
floor.

A joint's rotation in that T-pose is the identity, and limbs point where the canonical body's do: a danced pose has the
same bone directions on any figure, whatever its proportions and the pose in which it was saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.rotations import matrix_between, yaw_matrix
from duet.skeleton import BODY
from ui.avatars.figure import Floats, Rig, Surface
from ui.avatars.humanoid import FINGERS, spine_of
from ui.drawing.avatar import Avatar, four_influences, shipped_avatar

UNITS = {1.0: "metres", 0.01: "centimetres", 0.0254: "inches", 0.001: "millimetres", 100.0: "hundreds of metres"}
_HEIGHTS_M = (0.9, 2.4)
"""A figure that dances is so tall; others were made in another unit."""
_SPINE = ("spine1", "spine2", "spine3")
_LIMBS = {"shoulder": "elbow", "elbow": "wrist", "wrist": "middle1", "hip": "knee", "knee": "ankle"}
_LEAST_M = 1e-4


@dataclass(frozen=True)
class Fit:
    """An avatar, and what was done to have it."""

    avatar: Avatar
    found: tuple[str, ...]
    """Our joints that a bone of the figure stands for."""
    guessed: tuple[str, ...]
    """Those that were put where a body has them."""
    folded: int
    """Bones whose skin went to the nearest of ours."""
    unit: str
    height_m: float


def fit_figure(surface: Surface, rig: Rig, mapping: Mapping[str, int], height_m: float | None = None) -> Fit:
    """The figure on our joints, ``height_m`` tall where that is given. Raises ``InputError`` when it cannot stand."""
    turn = _upright({name: rig.places_m[node] for name, node in mapping.items()})
    points, places = surface.points_m @ turn.T, rig.places_m @ turn.T
    scale, unit = _scale(float(np.ptp(points[:, 1])), height_m)
    middle = np.array([1.0, 0.0, 1.0]) * places[mapping["pelvis"]] + [0.0, points[:, 1].min(), 0.0]
    points, places = (points - middle) * scale, (places - middle) * scale
    joints = {name: places[node] for name, node in mapping.items()}
    spine = spine_of(rig, mapping)
    joints |= _spine_joints([places[node] for node in spine], joints)
    base, turns, rest, guessed = _laid_out(joints)
    weights = _weights(surface, rig, _owners(rig, mapping, spine))
    if len(spine) < len(_SPINE):
        _share_spine(weights, points, base)
    avatar = assembled(points, surface.normals @ turn.T, surface.colours, surface.faces, weights, base, turns, rest)
    ours = set(mapping.values()) | set(spine)
    folded = len(rig.moving - ours)
    found = tuple(name for name in avatar.names if name not in guessed)
    return Fit(avatar, found, guessed, folded, unit, float(np.ptp(points[:, 1])))


def assembled(
    points: Floats, normals: Floats, colours: Floats, faces: NDArray[np.int64], weights: Floats, base: Floats,
    turns: Floats, rest: Floats,
) -> Avatar:  # fmt: skip
    """An avatar of points (N, 3) in a pose of joints ``base`` (55, 3) that ``turns`` (55, 3, 3) lay out as ``rest``.

    ``weights`` (N, 55). Its soles are put on the floor, in that pose and at rest.
    """
    like = shipped_avatar("leader")
    index, weight = four_influences(weights)
    shift = rest - np.einsum("jab,jb->ja", turns, base)
    carry = np.concatenate([turns, shift[:, :, None]], axis=2)
    shares = weight.astype(np.float64) / 255.0
    laid = sum(
        shares[:, k, None] * (np.einsum("vab,vb->va", carry[index[:, k], :, :3], points) + carry[index[:, k], :, 3])
        for k in range(4)
    )
    soles = _sole_vertices(index, weight, like.names)
    lowest, sunk = float(np.min(np.asarray(laid)[soles, 1])), float(points[:, 1].min())
    points, rest = points - [0.0, sunk, 0.0], rest - [0.0, lowest, 0.0]
    shift = rest - np.einsum("jab,jb->ja", turns, base - [0.0, sunk, 0.0])
    used, compact = np.unique(faces, return_inverse=True)
    if not len(used):
        raise InputError("Avatar: expected a figure to be seen, got none. Its materials are all transparent.")
    avatar = Avatar(
        vertices_m=points[used].astype(np.float32),
        normals=np.round(normals[used] * 127).astype(np.int8),
        colours=np.round(np.clip(colours[used], 0.0, 1.0) * 255).astype(np.uint8),
        faces=_numbered(compact.reshape(-1, 3), len(used)),
        bone_index=index[used],
        bone_weight=weight[used],
        rest_joints_m=rest.astype(np.float32),
        rest_from_bind=np.concatenate([turns, shift[:, :, None]], axis=2).astype(np.float32),
        names=like.names,
        parents=like.parents,
    )
    if not all(np.isfinite(held).all() for held in (avatar.vertices_m, avatar.rest_joints_m, avatar.rest_from_bind)):
        raise InputError("Avatar: expected a figure of a size that can be, got one beyond all numbers. Check its mesh.")
    return avatar


def _numbered(faces: NDArray[np.int64], vertices: int) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """As small as the numbers of so many vertices can be."""
    return faces.astype(np.uint16) if vertices <= 65_535 else faces.astype(np.uint32)


def _sole_vertices(index: NDArray[np.uint8], weight: NDArray[np.uint8], names: tuple[str, ...]) -> NDArray[np.bool_]:
    """What stands on the floor: feet; everything where feet have no skin."""
    feet = [names.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("ankle", "foot")]
    soles = (np.where(np.isin(index, feet), weight, 0).sum(axis=1)) > 127
    return soles if soles.any() else np.ones(len(index), dtype=bool)


def _upright(joints: Mapping[str, Floats]) -> Floats:
    """(3, 3) that stands the figure up (Y) and lets it face +Z: its left is at +X."""
    up = joints["head"] - joints["pelvis"]
    axis = np.zeros(3)
    axis[np.argmax(np.abs(up))] = np.sign(up[np.argmax(np.abs(up))])
    stand = np.asarray(matrix_between(axis, np.array([0.0, 1.0, 0.0])))
    across = sum(joints[f"left_{name}"] - joints[f"right_{name}"] for name in ("hip", "shoulder"))
    x, _, z = stand @ across
    if np.hypot(x, z) < _LEAST_M:
        raise InputError("Avatar: expected a left and a right side, got both in one place. Check its bones.")
    return np.asarray(yaw_matrix(np.arctan2(z, x))) @ stand


def _scale(height: float, wanted_m: float | None) -> tuple[float, str]:
    """What turns the file's unit into metres, and what it is called."""
    if height < _LEAST_M:
        raise InputError("Avatar: expected a standing figure, got a flat one. Check its mesh.")
    if wanted_m is not None:
        return wanted_m / height, "scaled as told"
    for factor, unit in UNITS.items():
        if _HEIGHTS_M[0] <= height * factor <= _HEIGHTS_M[1]:
            return factor, unit
    raise InputError(
        f"Avatar: expected a figure of {_HEIGHTS_M[0]} to {_HEIGHTS_M[1]} m, got {height:.3g} in the file's unit. "
        "Tell how tall it is: --height M."
    )


def _spine_joints(places: list[Floats], joints: Mapping[str, Floats]) -> dict[str, Floats]:
    """Three joints from one or more bones between pelvis and neck; what is missing lies between its neighbours."""
    if len(places) >= len(_SPINE):
        return dict(zip(_SPINE, (places[0], places[len(places) // 2], places[-1]), strict=True))
    low, high = places[0], places[-1]
    if len(places) == 1:
        # The bottom of the only bone bends where ours begins; the chest turns two thirds of the way to the arms.
        arms = 0.5 * (joints["left_shoulder"] + joints["right_shoulder"])
        high = low + 0.55 * (arms - low)
    return {"spine1": low, "spine2": 0.5 * (low + high), "spine3": high}


def _laid_out(given: Mapping[str, Floats]) -> tuple[Floats, Floats, Floats, tuple[str, ...]]:
    """Joints (55, 3) as saved, turns (55, 3, 3) into the T-pose, joints (55, 3) there; the names that were guessed."""
    like = shipped_avatar("leader")
    names, parents = like.names, like.parents
    usual = like.skeleton.offsets_m.astype(np.float64)
    size = _size(given, like)
    base, turns, rest = np.zeros((55, 3)), np.tile(np.eye(3), (55, 1, 1)), np.zeros((55, 3))
    guessed = []
    for j, (name, parent) in enumerate(zip(names, parents, strict=True)):
        if name in given:
            base[j] = given[name]
        else:
            guessed.append(name)
            base[j] = _guess(name, given, base, names, base[parent] + turns[parent].T @ (size * usual[j]))
        if parent >= 0:
            rest[j] = rest[parent] + turns[parent] @ (base[j] - base[parent])
            turns[j] = turns[parent] if _follows(name) else np.eye(3)
        else:
            rest[j] = base[j]
        turns[j] = _aim(name, given, base[j], turns[j])
    return base, turns, rest, tuple(guessed)


def _follows(name: str) -> bool:
    """Whether a joint turns with its parent into the T-pose: limbs do, while trunk, head and feet stay as they are."""
    return name.partition("_")[2].rstrip("123") in (*_LIMBS, *FINGERS, "foot")


def _aim(name: str, given: Mapping[str, Floats], place: Floats, turn: Floats) -> Floats:
    """``turn``, and then so that the bone points where the canonical body's does."""
    side, _, joint = name.partition("_")
    if joint == "ankle" and f"{side}_foot" in given:
        ahead = (given[f"{side}_foot"] - place)[[0, 2]]
        if np.linalg.norm(ahead) < _LEAST_M:
            return turn
        usual = BODY.offsets_m[BODY.index(f"{side}_foot")].astype(np.float64)
        # Soles stay flat: a foot only turns about the vertical.
        turned = yaw_matrix(np.arctan2(usual[0], usual[2]) - np.arctan2(ahead[0], ahead[1]))
        return np.asarray(turned, dtype=np.float64)
    child = f"{side}_{_LIMBS[joint]}" if joint in _LIMBS else ""
    if child not in given:
        return turn
    bone = turn @ (given[child] - place)
    if np.linalg.norm(bone) < _LEAST_M:
        raise InputError(f"Avatar: expected {name} and {child} apart, got both in one place. Check its bones.")
    if joint == "wrist":
        wanted = np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])
    else:
        wanted = BODY.offsets_m[BODY.index(child)].astype(np.float64)
    return np.asarray(matrix_between(bone, wanted) @ turn, dtype=np.float64)


def _size(given: Mapping[str, Floats], like: Avatar) -> float:
    """How large the figure is beside one of ours, by its trunk."""
    ours = like.rest_joints_m[like.names.index("head")] - like.rest_joints_m[0]
    return float(np.linalg.norm(given["head"] - given["pelvis"]) / np.linalg.norm(ours))


def _guess(name: str, given: Mapping[str, Floats], base: Floats, names: tuple[str, ...], usual: Floats) -> Floats:
    """Where a joint is that no bone stands for: ``usual`` is its place after the proportions of a body of ours."""
    side, _, joint = name.partition("_")
    if name == "neck":
        return base[names.index("spine3")] + 0.72 * (given["head"] - base[names.index("spine3")])
    if joint == "collar":
        chest, shoulder = base[names.index("spine3")], given[f"{side}_shoulder"]
        return np.array([0.15, 0.9, 0.6]) * (shoulder - chest) + chest
    if joint == "foot":
        return np.array([usual[0], max(0.012, 0.2 * given[f"{side}_ankle"][1]), usual[2]])
    return usual


def _owners(rig: Rig, mapping: Mapping[str, int], spine: list[int]) -> NDArray[np.int64]:
    """(n,) the joint of ours that each node's skin goes to: the nearest above, the pelvis where none is."""
    names = shipped_avatar("leader").names
    ours = {node: names.index(name) for name, node in mapping.items()}
    thirds = _SPINE if len(spine) >= len(_SPINE) else ("spine1", "spine3") if len(spine) == 2 else ("spine2",)
    for k, node in enumerate(spine):
        third = min(k * len(thirds) // len(spine), len(thirds) - 1)
        ours.setdefault(node, names.index(thirds[third]))
    return np.array(
        [next((ours[above] for above in rig.line(node) if above in ours), 0) for node in range(len(rig.names))]
    )


def _weights(surface: Surface, rig: Rig, owners: NDArray[np.int64]) -> Floats:
    """(N, 55) shares that sum to 1."""
    weights = np.zeros((len(surface.points_m), 55))
    rows = np.arange(len(weights))
    for k in range(surface.bones.shape[1]):
        np.add.at(weights, (rows, owners[surface.bones[:, k]]), surface.weights[:, k])
    return weights / weights.sum(axis=1, keepdims=True)


def _share_spine(weights: Floats, points: Floats, base: Floats) -> None:
    """Spread what the few spine bones of a figure carry over our three, by height, in place."""
    spine = [3, 6, 9]
    heights = base[spine, 1]
    middles = np.array([heights[0], *(0.5 * (heights[:-1] + heights[1:])), heights[2]])
    share = weights[:, spine].sum(axis=1)
    # Each joint carries wholly what is in the middle between it and the next one, and shares what is between.
    at = np.interp(points[:, 1], [middles[1], middles[2], middles[3] + 0.04], [0.0, 1.0, 2.0])
    for k, joint in enumerate(spine):
        weights[:, joint] = share * np.clip(1.0 - np.abs(at - k), 0.0, 1.0)
