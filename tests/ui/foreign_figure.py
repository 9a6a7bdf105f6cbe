"""A skinned human figure in any of the usual rigs, written as GLB, VRM or glTF: one of our bodies in foreign dress."""

import io
import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from duet.rotations import yaw_matrix
from ui.drawing.avatar import Avatar, shipped_avatar

# Our joint -> the bone of a rig; what a rig has no bone for is left out.
_SIDED = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")


def _rig(trunk: tuple[str, ...], sided: tuple[str, ...], finger: str, pattern: str, sides: tuple[str, str]) -> dict:
    names = dict(zip(_TRUNK, trunk, strict=True))
    for ours, theirs in zip(("left", "right"), sides, strict=True):
        names |= {f"{ours}_{j}": pattern.format(side=theirs, bone=b) for j, b in zip(_SIDED, sided, strict=True)}
        for name in ("Thumb", "Index", "Middle", "Ring", "Pinky"):
            for k in (1, 2, 3):
                names[f"{ours}_{name.lower()}{k}"] = finger.format(side=theirs, name=name, low=name.lower(), k=k)
    return names


_VRM_SIDED = ("UpperLeg", "LowerLeg", "Foot", "Toes", "Shoulder", "UpperArm", "LowerArm", "Hand")
_UNREAL_SIDED = ("thigh", "calf", "foot", "ball", "clavicle", "upperarm", "lowerarm", "hand")
RIGS = {
    "mixamo": _rig(
        tuple(f"mixamorig:{n}" for n in ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head")),
        ("UpLeg", "Leg", "Foot", "ToeBase", "Shoulder", "Arm", "ForeArm", "Hand"),
        "mixamorig:{side}Hand{name}{k}", "mixamorig:{side}{bone}", ("Left", "Right"),
    ),
    "unreal": _rig(
        ("pelvis", "spine_01", "spine_02", "spine_03", "neck_01", "head"),
        _UNREAL_SIDED, "{low}_0{k}_{side}", "{bone}_{side}", ("l", "r"),
    ),
    "rigify": _rig(
        ("DEF-pelvis", "DEF-spine.001", "DEF-spine.002", "DEF-spine.003", "DEF-neck", "DEF-head"),
        ("thigh", "shin", "foot", "toe", "shoulder", "upper_arm", "forearm", "hand"),
        "DEF-{low}.0{k}.{side}", "DEF-{bone}.{side}", ("L", "R"),
    ),
    "vroid": _rig(
        tuple(f"J_Bip_C_{n}" for n in ("Hips", "Spine", "Chest", "UpperChest", "Neck", "Head")),
        ("UpperLeg", "LowerLeg", "Foot", "ToeBase", "Shoulder", "UpperArm", "LowerArm", "Hand"),
        "J_Bip_{side}_{name}{k}", "J_Bip_{side}_{bone}", ("L", "R"),
    ),
    "smpl": _rig(
        ("Pelvis", "Spine1", "Spine2", "Spine3", "Neck", "Head"),
        ("Hip", "Knee", "Ankle", "Foot", "Collar", "Shoulder", "Elbow", "Wrist"),
        "{side}_{name}{k}", "{side}_{bone}", ("L", "R"),
    ),
    "biped": _rig(
        ("Bip01 Pelvis", "Bip01 Spine", "Bip01 Spine1", "Bip01 Spine2", "Bip01 Neck", "Bip01 Head"),
        ("Thigh", "Calf", "Foot", "Toe0", "Clavicle", "UpperArm", "Forearm", "Hand"),
        "Bip01 {side} {name}{k}", "Bip01 {side} {bone}", ("L", "R"),
    ),
}  # fmt: skip


@cache
def original() -> Avatar:
    return shipped_avatar("follower")


class Figure:
    """One of our bodies as a foreign file would hold it; every part may be changed before it is written."""

    def __init__(
        self, rig: str = "mixamo", *, unit: float = 1.0, yaw: float = 0.0,
        stretch: tuple[float, float, float] = (1.0, 1.0, 1.0), without: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        ours = original()
        names = {joint: bone for joint, bone in RIGS[rig].items() if joint not in without}
        turns, shift = ours.rest_from_bind[:, :, :3], ours.rest_from_bind[:, :, 3]
        base = np.einsum("jba,jb->ja", turns, ours.rest_joints_m - shift)
        change = unit * np.asarray(yaw_matrix(yaw)) * np.array(stretch)
        self.places = {joint: change @ base[ours.names.index(joint)] for joint in names}
        self.points = (ours.vertices_m @ change.T).astype("<f4")
        self.normals = (ours.normals / 127.0 @ np.asarray(yaw_matrix(yaw)).T).astype("<f4")
        self.faces = ours.faces.astype("<u2")
        order = [joint for joint in ours.names if joint in names]
        owner = []
        for j in range(55):
            while ours.names[j] not in names:
                j = ours.parents[j]
            owner.append(order.index(ours.names[j]))
        self.joints = np.array(owner, dtype="u1")[ours.bone_index]
        self.weights = (ours.bone_weight / 255.0).astype("<f4")
        self.binary = b""
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0"}, "buffers": [], "bufferViews": [], "accessors": [], "nodes": [], "meshes": [],
            "scenes": [{"nodes": [0, len(order) + 1]}], "scene": 0,
        }  # fmt: skip
        self._nodes(names, order)
        inverse = np.tile(np.eye(4, dtype="<f4"), (len(order), 1, 1))
        inverse[:, :3, 3] = [-self.places[joint] for joint in order]
        attributes = {
            "POSITION": self.add(self.points), "NORMAL": self.add(self.normals), "JOINTS_0": self.add(self.joints),
            "WEIGHTS_0": self.add(self.weights),
        }  # fmt: skip
        primitive = {"attributes": attributes, "indices": self.add(self.faces.reshape(-1, 1)), "material": 0}
        self.json["meshes"] = [{"primitives": [primitive]}]
        surface = {"baseColorFactor": [0.25, 0.04, 0.81, 1.0], "roughnessFactor": 0.9}
        self.json["materials"] = [{"pbrMetallicRoughness": surface}]
        skin_matrices = self.add(inverse.swapaxes(1, 2).reshape(-1, 16))
        self.json["skins"] = [{"joints": list(range(1, len(order) + 1)), "inverseBindMatrices": skin_matrices}]
        self.json["nodes"].append({"mesh": 0, "skin": 0})
        self.primitive, self.names, self.order = primitive, names, order

    def _nodes(self, names: dict[str, str], order: list[str]) -> None:
        ours = original()
        self.json["nodes"] = [{"name": "Armature", "children": [1]}]
        for joint in order:
            j = ours.names.index(joint)
            above = ours.parents[j]
            while above >= 0 and ours.names[above] not in names:
                above = ours.parents[above]
            place = self.places[joint]
            if above >= 0:
                place = place - self.places[ours.names[above]]
                self.json["nodes"][1 + order.index(ours.names[above])].setdefault("children", []).append(
                    len(self.json["nodes"])
                )
            self.json["nodes"].append({"name": names[joint], "translation": place.tolist()})

    def node(self, joint: str) -> int:
        return 1 + self.order.index(joint)

    def add(self, values: np.ndarray) -> int:
        """A new accessor over new bytes."""
        kinds = {"|u1": 5121, "<u2": 5123, "<u4": 5125, "<f4": 5126}
        parts = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
        entry = {
            "bufferView": self.add_bytes(np.ascontiguousarray(values).tobytes()), "count": len(values),
            "componentType": kinds[values.dtype.str], "type": parts[values.shape[1]],
        }  # fmt: skip
        self.json["accessors"].append(entry)
        return len(self.json["accessors"]) - 1

    def add_bytes(self, raw: bytes) -> int:
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(raw)})
        self.binary += raw + b"\0" * (-len(raw) % 4)
        return len(self.json["bufferViews"]) - 1

    def paint(self, picture: np.ndarray, uv: np.ndarray) -> None:
        """Give it a texture (H, W, 3) and where each vertex lies on it, (N, 2)."""
        file = io.BytesIO()
        Image.fromarray(picture).save(file, format="PNG")
        self.json["images"] = [{"bufferView": self.add_bytes(file.getvalue()), "mimeType": "image/png"}]
        self.json["textures"] = [{"source": 0}]
        self.primitive["attributes"]["TEXCOORD_0"] = self.add(uv.astype("<f4"))
        surface = self.json["materials"][0]["pbrMetallicRoughness"]
        surface.pop("baseColorFactor")
        surface["baseColorTexture"] = {"index": 0}

    def vrm(self, version: str) -> None:
        """Say which bone is which as VRM does."""
        bones = {}
        for joint in self.order:
            bone = VRM_BONES.get(joint)
            if bone is not None and version == "1.0":
                first = {"ThumbProximal": "ThumbMetacarpal", "ThumbIntermediate": "ThumbProximal"}
                for old, new in first.items():
                    if bone.endswith(old):
                        bone = bone.replace(old, new)
                        break
            if bone is not None:
                bones[bone] = self.node(joint)
        if version == "1.0":
            told: Any = {"VRMC_vrm": {"humanoid": {"humanBones": {name: {"node": n} for name, n in bones.items()}}}}
        else:
            told = {"VRM": {"humanoid": {"humanBones": [{"bone": name, "node": n} for name, n in bones.items()]}}}
        self.json["extensions"] = told

    def write(self, path: Path) -> Path:
        self.json["buffers"] = [{"byteLength": len(self.binary)}]
        document = json.dumps(self.json).encode()
        document += b" " * (-len(document) % 4)
        chunks = struct.pack("<II", len(document), 0x4E4F534A) + document
        chunks += struct.pack("<II", len(self.binary), 0x004E4942) + self.binary
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
        return path

    def write_apart(self, path: Path, uri: str) -> Path:
        """As .gltf, its numbers at ``uri``."""
        self.json["buffers"] = [{"byteLength": len(self.binary), "uri": uri}]
        path.write_text(json.dumps(self.json))
        return path


VRM_BONES = {
    "pelvis": "hips",
    "spine1": "spine",
    "spine2": "chest",
    "spine3": "upperChest",
    "neck": "neck",
    "head": "head",
}
for _side in ("left", "right"):
    VRM_BONES |= {f"{_side}_{joint}": f"{_side}{bone}" for joint, bone in zip(_SIDED, _VRM_SIDED, strict=True)}
    for _name in ("Thumb", "Index", "Middle", "Ring", "Little"):
        for _k, _part in enumerate(("Proximal", "Intermediate", "Distal"), start=1):
            _ours = _name.lower().replace("little", "pinky")
            VRM_BONES[f"{_side}_{_ours}{_k}"] = f"{_side}{_name}{_part}"
