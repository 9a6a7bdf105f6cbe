"""Acclaim skeletons (.asf) and their motion (.amc), as the CMU database holds them, mapped to the 22 body joints.

A bone of an .asf has a direction in the world of the rest pose, a length, and the axes its angles turn about; it turns
at its start, which is where its parent ends. So a bone's turn against the rest pose is ``parent C R C^-1``, C being
its axes (Acclaim's "ASF/AMC" description, J. Lander 1998), and the joint that a bone starts at turns with that bone.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from duet.errors import MotionError
from duet.kinematics import local_from_global
from duet.rotations import Array, matrix_from_rotvec
from duet.skeleton import BODY_JOINT_NAMES, BODY_PARENTS, Skeleton

CMU_INCH_M = 2.54 / 100.0
"""CMU states lengths in inches times the ``length`` unit of the file's header, .45."""

# Joint -> the bone that starts there. A wrist turns with the hand.
_BONES = {
    "pelvis": "root", "left_hip": "lfemur", "right_hip": "rfemur", "spine1": "lowerback", "left_knee": "ltibia",
    "right_knee": "rtibia", "spine2": "upperback", "left_ankle": "lfoot", "right_ankle": "rfoot", "spine3": "thorax",
    "left_foot": "ltoes", "right_foot": "rtoes", "neck": "lowerneck", "left_collar": "lclavicle",
    "right_collar": "rclavicle", "head": "head", "left_shoulder": "lhumerus", "right_shoulder": "rhumerus",
    "left_elbow": "lradius", "right_elbow": "rradius", "left_wrist": "lhand", "right_wrist": "rhand",
}  # fmt: skip
_STARTS_LIKE = {"lhand": "lwrist", "rhand": "rwrist"}
_PLACES = "tx", "ty", "tz"
_FREEDOMS = {*_PLACES, "rx", "ry", "rz", "l"}


@dataclass
class _Bone:
    direction: Array
    length: float
    axes: Array
    """(3, 3)."""
    freedoms: list[str]
    parent: str = ""


def read_asf(skeleton_path: Path, motion_path: Path, *, inch_m: float = CMU_INCH_M) -> tuple[Skeleton, Array, Array]:
    """``(skeleton, root_m (T, 3), rotations (T, 22, 3, 3))`` of an .amc with its .asf; the rate is stated in neither.

    Raises MotionError for files that are no Acclaim, lack a bone of the body, or hold numbers that are not finite.
    """
    bones, scale, unit = _parse_skeleton(skeleton_path, inch_m)
    missing = sorted({bone for bone in _BONES.values() if bone not in bones})
    if missing:
        raise MotionError(
            f"{skeleton_path}: expected the bones of the CMU database, got none called {', '.join(missing)}. "
            "Convert the take to BVH."
        )
    frames = _parse_motion(motion_path, bones)
    turned = _turns(bones, frames, unit)
    ends = {"root": np.zeros(3)}
    for name, bone in bones.items():
        if name != "root":
            ends[name] = ends[bone.parent] + bone.direction * bone.length * scale
    rest = {
        joint: np.zeros(3) if name == "root" else ends[bones[_STARTS_LIKE.get(name, name)].parent]
        for joint, name in _BONES.items()
    }
    global_ = np.stack([turned[_BONES[joint]] for joint in BODY_JOINT_NAMES], axis=1)
    order = [bones["root"].freedoms.index(axis) for axis in _PLACES]
    skeleton = _skeleton(np.array([rest[joint] for joint in BODY_JOINT_NAMES]))
    return skeleton, frames["root"][:, order] * scale, local_from_global(skeleton, global_)


def _parse_skeleton(path: Path, inch_m: float) -> tuple[dict[str, _Bone], float, float]:
    """``(bones by name, parents first, metres per unit, radians per unit of angle)``."""
    text = _read(path)
    sections = {part.split(maxsplit=1)[0]: part for part in re.split(r"^:", text, flags=re.MULTILINE) if part.strip()}
    try:
        units = dict(line.split()[:2] for line in sections["units"].splitlines() if len(line.split()) >= 2)
        unit = math.radians(1.0) if units.get("angle", "deg") == "deg" else 1.0
        scale = inch_m / _positive(float(units["length"]))
        root = _fields(sections["root"])
        turn = _axes([float(v) for v in root["orientation"]], root["axis"][0], unit)
        bones = {"root": _Bone(np.zeros(3), 0.0, turn, _freedoms(root["order"]))}
        if missing := set(_PLACES).difference(bones["root"].freedoms):
            raise ValueError(f"a root without {', '.join(sorted(missing))}")
        blocks = re.findall(r"\bbegin\b(.*?)\bend\b", sections["bonedata"], re.DOTALL)
        by_name = dict(_parse_bone(block, unit) for block in blocks)
        below = {words[0]: words[1:] for line in sections["hierarchy"].splitlines() if (words := line.split())}
        names = ["root"]
        for parent in names:
            for child in below.get(parent, []):
                if child in bones:
                    raise ValueError(f"{child} below two bones, or below itself")
                by_name[child].parent = parent
                bones[child] = by_name[child]
                names.append(child)
    except (KeyError, ValueError, IndexError) as error:
        raise MotionError(
            f"{path}: expected an Acclaim skeleton (units, root, bonedata, hierarchy), got none that is whole "
            f"({type(error).__name__}: {error}). Fetch it again."
        ) from error
    return bones, scale, unit


def _fields(block: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for line in block.splitlines() if (words := line.split())}


def _parse_bone(block: str, unit: float) -> tuple[str, _Bone]:
    held = _fields(block)
    *angles, order = held["axis"]
    x, y, z = (float(v) for v in held["direction"])
    direction, length = np.array([x, y, z]), float(held["length"][0])
    if not all(math.isfinite(v) for v in (x, y, z, length)):
        raise ValueError(f"{held['name'][0]} of no finite length")
    axes = _axes([float(v) for v in angles], order, unit)
    return held["name"][0], _Bone(direction, length, axes, _freedoms(held.get("dof", [])))


def _freedoms(words: list[str]) -> list[str]:
    """In lower case; ValueError for one that is none."""
    found = [word.lower() for word in words]
    if foreign := next((word for word in found if word not in _FREEDOMS), None):
        raise ValueError(f"a freedom {foreign!r}")
    return found


def _positive(value: float) -> float:
    """``value``; ValueError where nothing can be divided by it."""
    if not 0.0 < value < math.inf:
        raise ValueError(f"a unit of length {value:g}")
    return value


def _axes(angles: list[float], order: str, unit: float) -> Array:
    """(3, 3) of three angles turned about ``order``, for example XYZ, the first one first."""
    turn = np.eye(3)
    for angle, axis in zip(angles, order.lower(), strict=True):
        turn = matrix_from_rotvec(np.eye(3)["xyz".index(axis)] * angle * unit) @ turn
    return turn


def _parse_motion(path: Path, bones: dict[str, _Bone]) -> dict[str, Array]:
    """Bone -> (T, its freedoms)."""
    rows: dict[str, list[list[float]]] = {name: [] for name, bone in bones.items() if bone.freedoms}
    frames = 0
    for number, line in enumerate(_read(path).splitlines(), start=1):
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        if words[0].isdigit() and len(words) == 1:
            frames += 1
            continue
        try:
            values = [float(word) for word in words[1:]]
            if len(values) != len(bones[words[0]].freedoms):
                raise ValueError(f"{len(values)} numbers for {words[0]}")
            rows[words[0]].append(values)
        except (KeyError, ValueError) as error:
            raise MotionError(
                f"{path}: expected the motion of this skeleton, got {error} in line {number}. Fetch both files again."
            ) from error
    short = sorted(name for name, values in rows.items() if len(values) != frames)
    if short or frames < 2:
        raise MotionError(
            f"{path}: expected at least 2 whole frames, got {frames}"
            + (f" with {short[0]} in {len(rows[short[0]])} of them. " if short else ". ")
            + "The file was cut short; fetch it again."
        )
    arrays = {name: np.array(values) for name, values in rows.items()}
    bad = ~np.all([np.isfinite(values).all(axis=1) for values in arrays.values()], axis=0)
    if bad.any():
        raise MotionError(
            f"{path}: expected finite numbers, got NaN or infinity in {int(bad.sum())} frames, first in frame "
            f"{int(np.argmax(bad))}. Clean or cut the take."
        )
    return arrays


def _turns(bones: dict[str, _Bone], frames: dict[str, Array], unit: float) -> dict[str, Array]:
    """Bone -> (T, 3, 3) its turn in the world against the rest pose."""
    count = len(frames["root"])
    turned: dict[str, Array] = {}
    for name, bone in bones.items():
        own = np.broadcast_to(np.eye(3), (count, 3, 3))
        # Freedoms are applied in the order in which they are stated: the first turns first.
        for column, freedom in enumerate(bone.freedoms):
            if freedom[0] == "r":
                rotvec = np.zeros((count, 3))
                rotvec[:, "xyz".index(freedom[1])] = frames[name][:, column] * unit
                own = matrix_from_rotvec(rotvec) @ own
        own = bone.axes @ own @ bone.axes.T
        turned[name] = own if name == "root" else turned[bone.parent] @ own
    return turned


def _skeleton(joints: Array) -> Skeleton:
    """The body whose joints rest at (22, 3)."""
    offsets = joints.copy()
    offsets[1:] -= joints[list(BODY_PARENTS[1:])]
    offsets[0] = (0.0, -joints[:, 1].min(), 0.0)
    return Skeleton(BODY_JOINT_NAMES, BODY_PARENTS, offsets.astype(np.float32))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MotionError(f"{path}: expected a readable file, got {error.strerror}. Check the path.") from error
