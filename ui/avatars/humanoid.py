"""Which bone of a foreign rig is which joint of ours: told by a VRM file, or guessed from the bones' names.

The names of Mixamo, Unreal, Rigify, 3ds Max Biped, MakeHuman, VRoid, Ready Player Me and SMPL rigs are known; whatever
is called otherwise can be told by hand.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from duet.errors import InputError
from ui.avatars.figure import Rig
from ui.avatars.gltf import GltfFile, soundness

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_SIDES = ("left", "right")
NEEDED = (
    "pelvis", "head",
    *(f"{side}_{joint}" for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in _SIDES),
)  # fmt: skip
"""Without these it is no human figure. A bone between pelvis and head is needed as well, whatever its name."""
_OPTIONAL = (
    "neck", "jaw", *(f"{side}_{joint}" for joint in ("collar", "foot", "eye") for side in _SIDES),
    *(f"{side}_{finger}{k}" for side in _SIDES for finger in FINGERS for k in (1, 2, 3)),
)  # fmt: skip
MAPPED = (*NEEDED, *_OPTIONAL)

_VRM = {
    "hips": "pelvis", "neck": "neck", "head": "head", "jaw": "jaw", "UpperLeg": "hip", "LowerLeg": "knee",
    "Foot": "ankle", "Toes": "foot", "Shoulder": "collar", "UpperArm": "shoulder", "LowerArm": "elbow",
    "Hand": "wrist", "Eye": "eye", "ThumbMetacarpal": "thumb1",
}  # fmt: skip
_VRM_PARTS = {"Proximal": 1, "Intermediate": 2, "Distal": 3}

# What a bone is called, without side and number, -> our joint.
_ALIASES = {
    "pelvis": ("hips", "pelvis", "hip"),
    "head": ("head",),
    "neck": ("neck",),
    "jaw": ("jaw",),
    "_hip": ("upleg", "upperleg", "thigh", "hip", "femur"),
    "_knee": ("lowerleg", "lowleg", "calf", "shin", "knee", "leg"),
    "_ankle": ("ankle", "foot"),
    "_foot": ("toebase", "toes", "toe", "ball", "foot"),
    "_collar": ("collar", "clavicle", "collarbone", "shoulder"),
    "_shoulder": ("upperarm", "uparm", "arm", "shoulder"),
    "_elbow": ("forearm", "lowerarm", "lowarm", "elbow"),
    "_wrist": ("hand", "wrist"),
    "_eye": ("eye", "eyeball"),
}
_FINGER_ALIASES = {
    "thumb": ("thumb",), "index": ("index",), "middle": ("middle", "mid"), "ring": ("ring",),
    "pinky": ("pinky", "little"),
}  # fmt: skip
_NOISE = {
    "mixamorig", "bip", "def", "org", "cc", "base", "jnt", "joint", "bone", "armature", "rig", "bind", "j", "c", "hand",
    "f", "adj", "sk", "finger",
}  # fmt: skip
_LEFT_RIGHT = {"l": "left", "left": "left", "r": "right", "right": "right"}


def humanoid_of(file: GltfFile, rig: Rig, told: Mapping[str, str]) -> tuple[dict[str, int], str]:
    """Our joint -> node, and how it was found. ``told``: joint -> the name of its bone, which goes before.

    Raises ``InputError`` when it is no whole human figure.
    """
    with soundness(file.path):
        mapping, way = _of_vrm(file), "by its VRM humanoid"
        if mapping is None:
            mapping, way = _of_names(rig), "by the bones' names"
    for joint, bone in told.items():
        if joint not in MAPPED:
            raise InputError(f"--map {joint}: expected a joint, got another name. Choose one of {', '.join(MAPPED)}.")
        if bone not in rig.names:
            raise InputError(f"--map {joint}={bone}: expected a bone of {file.path.name}, got none called so.")
        mapping[joint] = rig.names.index(bone)
    _check(file, rig, mapping)
    return mapping, way


def _of_vrm(file: GltfFile) -> dict[str, int] | None:
    """The humanoid of VRM 1.0 or 0.x; None in a file without one."""
    extensions = file.json.get("extensions", {})
    if "VRMC_vrm" in extensions:
        bones = {name: bone["node"] for name, bone in extensions["VRMC_vrm"]["humanoid"]["humanBones"].items()}
    elif "VRM" in extensions:
        bones = {bone["bone"]: bone["node"] for bone in extensions["VRM"]["humanoid"]["humanBones"]}
    else:
        return None
    count = len(file.list("nodes"))
    if any(not isinstance(node, int) or not 0 <= node < count for node in bones.values()):
        raise ValueError("its humanoid names a node that is not there")
    metacarpals = any(name.endswith("ThumbMetacarpal") for name in bones)
    joints = {_vrm_joint(name, metacarpals): node for name, node in bones.items()}
    return {joint: node for joint, node in joints.items() if joint in MAPPED}


def _vrm_joint(bone: str, metacarpals: bool) -> str:
    """Our joint for a VRM bone; spine, chest and others of no fixed place keep their name."""
    side = next((side for side in _SIDES if bone.startswith(side)), None)
    if side is None:
        return _VRM.get(bone, bone)
    rest = bone.removeprefix(side)
    if rest in _VRM:
        return f"{side}_{_VRM[rest]}"
    for part, number in _VRM_PARTS.items():
        if rest.endswith(part):
            finger = rest.removesuffix(part).lower().replace("little", "pinky")
            # VRM 1.0 begins the thumb one bone nearer to the wrist.
            return f"{side}_{finger}{number + (part == 'Proximal' and finger == 'thumb' and metacarpals)}"
    return bone


def words_of(name: str) -> tuple[str | None, str, int | None]:
    """The side, the rest of a bone's name in lower case without what rigs put before it, and its number."""
    name = re.split(r"[:|]", name)[-1]
    side, number, words = None, None, []
    for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name):
        word = word.lower()
        if word.isdigit():
            number = int(word)
            continue
        for long in _SIDES:
            if word.startswith(long) and word != long:
                side, word = long, word.removeprefix(long)
        if word in _LEFT_RIGHT and side is None:
            side = _LEFT_RIGHT[word]
        elif word in _VRM_PART_WORDS:
            number = _VRM_PART_WORDS[word]
        else:
            words.append(word)
            # "Bip01": the number is the rig's.
            continue
    kept = [word for word in words if word not in _NOISE] or [word for word in words if word == "hand"]
    return side, "".join(kept), number


_VRM_PART_WORDS = {part.lower(): number for part, number in _VRM_PARTS.items()}


def _of_names(rig: Rig) -> dict[str, int]:
    called: dict[tuple[str | None, str], list[tuple[int, int, int]]] = {}
    nodes = {node for bone in rig.moving for node in rig.line(bone)}
    for node in sorted(nodes):
        side, word, number = words_of(rig.names[node])
        # The one without a number first, then the one nearest to the root.
        called.setdefault((side, word), []).append((number or 0, len(rig.line(node)), node))
    mapping: dict[str, int] = {}
    for joint, words in _ALIASES.items():
        for side in _SIDES if joint.startswith("_") else (None,):
            for node in _called(called, side, words):
                # A foot whose ankle goes by another name is the ball; so is a shoulder with a collar-bone.
                if node not in mapping.values():
                    mapping[f"{side}{joint}" if side else joint] = node
                    break
    _sort_shoulders(mapping, called)
    for side in _SIDES:
        for finger, words in _FINGER_ALIASES.items():
            found = sorted(entry for word in words for entry in called.get((side, word), ()))
            for k, (_, _, node) in enumerate(found[:3], start=1):
                mapping[f"{side}_{finger}{k}"] = node
    return mapping


def _called(
    called: Mapping[tuple[str | None, str], list[tuple[int, int, int]]], side: str | None, words: Iterable[str]
) -> list[int]:
    return [min(called[side, word])[2] for word in words if (side, word) in called]


def _sort_shoulders(mapping: dict[str, int], called: Mapping[tuple[str | None, str], Any]) -> None:
    """A bone called shoulder is the collar-bone where there is an upper arm beside it, else it is the upper arm."""
    for side in _SIDES:
        if f"{side}_shoulder" not in mapping and (side, "shoulder") in called and f"{side}_collar" in mapping:
            mapping[f"{side}_shoulder"] = mapping.pop(f"{side}_collar")


_LINES = (("pelvis", "hip", "knee", "ankle"), ("pelvis", "shoulder", "elbow", "wrist"))


def _check(file: GltfFile, rig: Rig, mapping: Mapping[str, int]) -> None:
    """Whether everything needed is there, and hangs together as in a body."""
    missing = [joint for joint in NEEDED if joint not in mapping]
    if missing:
        raise InputError(
            f"{file.path}: expected a human figure, got {len(rig.moving)} bones without {_listed(missing)}. "
            f"Name bones as VRM does, or tell: --map {missing[0]}=BONE."
        )
    if len(set(mapping.values())) < len(mapping):
        twice = [joint for joint in mapping if list(mapping.values()).count(mapping[joint]) > 1]
        raise InputError(f"{file.path}: expected a bone for each joint, got one for {_listed(twice)}. Tell: --map.")
    for side in _SIDES:
        for line in _LINES:
            joints = [line[0], *(f"{side}_{name}" for name in line[1:])]
            for above, below in zip(joints, joints[1:], strict=False):
                if mapping[above] not in rig.line(mapping[below])[1:]:
                    raise InputError(
                        f"{file.path}: expected {below} below {above}, got the bones {rig.names[mapping[below]]!r} "
                        f"and {rig.names[mapping[above]]!r}. Tell: --map {below}=BONE."
                    )
    if mapping["pelvis"] not in rig.line(mapping["head"])[1:] or not spine_of(rig, mapping):
        raise InputError(
            f"{file.path}: expected a spine from {rig.names[mapping['pelvis']]!r} to {rig.names[mapping['head']]!r}, "
            "got none. Tell: --map pelvis=BONE."
        )


def spine_of(rig: Rig, mapping: Mapping[str, int]) -> list[int]:
    """The bones between pelvis and neck (head, without one), from below."""
    top = mapping.get("neck", mapping["head"])
    line = rig.line(top)[1:]
    line = line[: line.index(mapping["pelvis"])] if mapping["pelvis"] in line else []
    # Further bones of a neck carry no arm.
    arms = {node for side in _SIDES for node in rig.line(mapping[f"{side}_shoulder"])}
    return [node for node in reversed(line) if node in arms] or list(reversed(line))


def _listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
