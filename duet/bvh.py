"""BVH files: reading any hierarchy, mapping it to the 22 body joints, writing ours."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from duet.errors import MotionError
from duet.rotations import Array, matrix_from_rotvec, quaternion_wxyz_from_matrix, matrix_from_quaternion_wxyz
from duet.skeleton import BODY_JOINT_NAMES, BODY_PARENTS, Skeleton

# Names that joints go by: cgspeed/DAZ, Mixamo/MotionBuilder, and our own. The first that is there counts.
_ALIASES: dict[str, tuple[str, ...]] = {
    "pelvis": ("pelvis", "hip", "hips", "root"),
    "left_hip": ("left_hip", "lthigh", "leftupleg", "lefthip", "lhip"),
    "right_hip": ("right_hip", "rthigh", "rightupleg", "righthip", "rhip"),
    "spine1": ("spine1", "abdomen", "spine", "lowerback"),
    "left_knee": ("left_knee", "lshin", "leftleg", "leftknee", "lknee"),
    "right_knee": ("right_knee", "rshin", "rightleg", "rightknee", "rknee"),
    "spine2": ("spine2",),
    "left_ankle": ("left_ankle", "lfoot", "leftfoot", "leftankle", "lankle"),
    "right_ankle": ("right_ankle", "rfoot", "rightfoot", "rightankle", "rankle"),
    "spine3": ("spine3", "chest", "upperchest", "spine2", "spine1"),
    "left_foot": ("left_foot", "ltoe", "lefttoebase", "lefttoe", "ltoes", "lfoot_end", "leftfoot_end", "left_ankle_end"),
    "right_foot": ("right_foot", "rtoe", "righttoebase", "righttoe", "rtoes", "rfoot_end", "rightfoot_end", "right_ankle_end"),
    "neck": ("neck", "neck1"),
    "left_collar": ("left_collar", "lcollar", "leftshoulder", "leftcollar"),
    "right_collar": ("right_collar", "rcollar", "rightshoulder", "rightcollar"),
    "head": ("head",),
    "left_shoulder": ("left_shoulder", "lshldr", "leftarm", "lshoulder"),
    "right_shoulder": ("right_shoulder", "rshldr", "rightarm", "rshoulder"),
    "left_elbow": ("left_elbow", "lforearm", "leftforearm", "leftelbow", "lelbow"),
    "right_elbow": ("right_elbow", "rforearm", "rightforearm", "rightelbow", "relbow"),
    "left_wrist": ("left_wrist", "lhand", "lefthand", "leftwrist", "lwrist"),
    "right_wrist": ("right_wrist", "rhand", "righthand", "rightwrist", "rwrist"),
}  # fmt: skip


@dataclass(frozen=True)
class _Hierarchy:
    names: list[str]
    parents: list[int]
    offsets: Array  # (J, 3), file units
    channels: list[list[str]]


def read_bvh(path: Path, *, scale: float) -> tuple[float, Skeleton, Array, Array]:
    """``(fps, skeleton, root_m (T, 3), rotations (T, 22, 3, 3))`` of a BVH file, scaled to metres.

    The skeleton keeps the file's own proportions. Raises MotionError for a file that is not BVH,
    lacks a joint of the body (hips first of all), or holds numbers that are not finite.
    """
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise MotionError(f"{path}: expected a readable BVH file, got {error.strerror}. Check the path.") from error
    head, motion_word, tail = text.partition("MOTION")
    if "HIERARCHY" not in head or not motion_word:
        raise MotionError(f"{path}: expected a BVH file (HIERARCHY, MOTION), got something else. Export the take as BVH.")
    hierarchy = _parse_hierarchy(path, head)
    frame_s, values = _parse_motion(path, tail, sum(len(c) for c in hierarchy.channels))
    rest = _accumulate(hierarchy) * scale
    positions, rotations = _forward(hierarchy, values)
    skeleton, sources = _map_body(path, hierarchy, rest)
    local = np.empty((len(values), len(skeleton), 3, 3))
    for j, source in enumerate(sources):
        parent = skeleton.parents[j]
        local[:, j] = rotations[:, source]
        if parent >= 0:
            local[:, j] = np.swapaxes(rotations[:, sources[parent]], -1, -2) @ local[:, j]
    return 1.0 / frame_s, skeleton, positions[:, sources[0]] * scale, local


def _parse_hierarchy(path: Path, text: str) -> _Hierarchy:
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    stack: list[int] = []
    tokens = text.split()
    i = 0
    try:
        while i < len(tokens):
            token = tokens[i]
            if token in ("ROOT", "JOINT", "End"):
                is_end = token == "End"
                names.append(f"{names[stack[-1]]}_end" if is_end else tokens[i + 1].rpartition(":")[2])
                parents.append(stack[-1] if stack else -1)
                offsets.append([0.0, 0.0, 0.0])
                channels.append([])
                i += 2
            elif token == "{":
                stack.append(len(names) - 1)
                i += 1
            elif token == "}":
                stack.pop()
                i += 1
            elif token == "OFFSET":
                offsets[stack[-1]] = [float(v) for v in tokens[i + 1 : i + 4]]
                i += 4
            elif token == "CHANNELS":
                count = int(tokens[i + 1])
                channels[stack[-1]] = tokens[i + 2 : i + 2 + count]
                i += 2 + count
            else:
                i += 1
    except (IndexError, ValueError) as error:
        raise MotionError(f"{path}: expected a well-formed BVH hierarchy, got {error}. Export the take again.") from error
    return _Hierarchy(names, parents, np.array(offsets, dtype=np.float64).reshape(-1, 3), channels)


def _parse_motion(path: Path, text: str, width: int) -> tuple[float, Array]:
    match = re.search(r"Frame\s+Time:\s*(\S+)", text)
    try:
        frame_s = float(match.group(1)) if match else 0.0
        values = np.array(text[match.end() :].split(), dtype=np.float64) if match else np.empty(0)
    except ValueError as error:
        raise MotionError(f"{path}: expected numbers in the MOTION part, got {error}. Export the take again.") from error
    frames = len(values) // max(width, 1)
    if not frame_s > 0 or frames < 2:
        raise MotionError(f"{path}: expected a frame time and at least 2 frames, got {frames}. Export the take again.")
    values = values[: frames * width].reshape(frames, width)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise MotionError(
            f"{path}: expected finite numbers, got NaN or infinity in {int(bad.sum())} frames, first in frame "
            f"{int(np.argmax(bad))}. Clean or cut the take."
        )
    return frame_s, values


def _accumulate(hierarchy: _Hierarchy) -> Array:
    rest = hierarchy.offsets.copy()
    rest[0] = 0.0
    for j, parent in enumerate(hierarchy.parents):
        if parent >= 0:
            rest[j] = rest[parent] + hierarchy.offsets[j]
    return rest


def _forward(hierarchy: _Hierarchy, values: Array) -> tuple[Array, Array]:
    """Global positions (T, J, 3) in file units and rotations (T, J, 3, 3) of every joint."""
    count = len(hierarchy.names)
    positions = np.empty((len(values), count, 3))
    rotations = np.empty((len(values), count, 3, 3))
    column = 0
    for j in range(count):
        offset = np.broadcast_to(hierarchy.offsets[j], (len(values), 3)).copy()
        rotation = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        for channel in hierarchy.channels[j]:
            axis = "XYZ".index(channel[0].upper())
            if channel.lower().endswith("position"):
                # A position channel replaces the offset; only the root's is meaningful in practice.
                offset[:, axis] = values[:, column]
            else:
                rotvec = np.zeros((len(values), 3))
                rotvec[:, axis] = np.deg2rad(values[:, column])
                rotation = rotation @ matrix_from_rotvec(rotvec)
            column += 1
        parent = hierarchy.parents[j]
        if parent < 0:
            positions[:, j], rotations[:, j] = offset, rotation
        else:
            positions[:, j] = positions[:, parent] + np.einsum("tij,tj->ti", rotations[:, parent], offset)
            rotations[:, j] = rotations[:, parent] @ rotation
    return positions, rotations


def _map_body(path: Path, hierarchy: _Hierarchy, rest: Array) -> tuple[Skeleton, list[int]]:
    """The 22-joint skeleton with the file's proportions, and each joint's source of rotation."""
    lower = [n.lower() for n in hierarchy.names]
    found: dict[str, int] = {}
    for name, aliases in _ALIASES.items():
        for alias in aliases:
            if alias in lower and lower.index(alias) not in found.values():
                found[name] = lower.index(alias)
                break
    optional = {"spine1", "spine2", "spine3", "left_collar", "right_collar", "left_foot", "right_foot", "neck", "head"}
    missing = [n for n in BODY_JOINT_NAMES if n not in found and n not in optional]
    if missing:
        raise MotionError(
            f"{path}: expected a human body with hips, legs and arms, got no joint for {', '.join(missing)} "
            f"among {', '.join(hierarchy.names[:8])}… Rename the joints or export with a standard rig."
        )
    at: dict[str, Array] = {n: rest[i] for n, i in found.items()}
    sources = dict(found)
    shoulders = (at["left_shoulder"] + at["right_shoulder"]) / 2
    _fill(at, sources, "neck", shoulders + 0.15 * (shoulders - at["pelvis"]), "pelvis")
    _fill(at, sources, "head", at["neck"] + 0.2 * (at["neck"] - at["pelvis"]), "neck")
    _fill(at, sources, "spine1", at["pelvis"] + (at["neck"] - at["pelvis"]) * 0.2, "pelvis")
    _fill(at, sources, "spine3", (at["spine1"] + at["neck"]) / 2, "spine1")
    _fill(at, sources, "spine2", (at["spine1"] + at["spine3"]) / 2, "spine1")
    for side in ("left", "right"):
        _fill(at, sources, f"{side}_collar", at["neck"] + (at[f"{side}_shoulder"] - at["neck"]) * 0.2, "spine3")
        shin = np.linalg.norm(at[f"{side}_ankle"] - at[f"{side}_knee"])
        _fill(at, sources, f"{side}_foot", at[f"{side}_ankle"] + np.array([0.0, -0.15, 0.29]) * shin, f"{side}_ankle")
    return _skeleton_from_rest(at), [sources[n] for n in BODY_JOINT_NAMES]


def _fill(at: dict[str, Array], sources: dict[str, int], name: str, position: Array, like: str) -> None:
    """Put a joint the file lacks at ``position``, turning with joint ``like``."""
    if name not in at:
        at[name], sources[name] = position, sources[like]


def _skeleton_from_rest(at: dict[str, Array]) -> Skeleton:
    rest = np.array([at[n] for n in BODY_JOINT_NAMES])
    parents = np.array(BODY_PARENTS)
    offsets = rest.copy()
    offsets[1:] -= rest[parents[1:]]
    lowest = rest[:, 1].min()
    offsets[0] = (0.0, rest[0, 1] - lowest, 0.0)
    return Skeleton(BODY_JOINT_NAMES, BODY_PARENTS, offsets.astype(np.float32))


def write_bvh(path: Path, fps: float, skeleton: Skeleton, root_m: Array, rotations: Array) -> None:
    """Write a take as BVH in metres, rotations as ZXY Euler angles in degrees, joints by our names."""
    children: dict[int, list[int]] = {j: [] for j in range(len(skeleton))}
    for j, parent in enumerate(skeleton.parents):
        if parent >= 0:
            children[parent].append(j)
    lines = ["HIERARCHY"]
    order: list[int] = []
    _write_joint(skeleton, children, 0, 0, lines, order)
    euler = _zxy_degrees(rotations)
    rows = np.concatenate([root_m, euler[:, order].reshape(len(root_m), -1)], axis=1)
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {1.0 / fps:.8f}"]
    lines += [" ".join(f"{v:.6f}" for v in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def _write_joint(
    skeleton: Skeleton, children: dict[int, list[int]], j: int, depth: int, lines: list[str], order: list[int]
) -> None:
    pad = "  " * depth
    order.append(j)
    offset = np.zeros(3) if j == 0 else skeleton.offsets_m[j]
    position = "6 Xposition Yposition Zposition" if j == 0 else "3"
    lines += [
        f"{pad}{'ROOT' if j == 0 else 'JOINT'} {skeleton.names[j]}",
        f"{pad}{{",
        f"{pad}  OFFSET {offset[0]:.6f} {offset[1]:.6f} {offset[2]:.6f}",
        f"{pad}  CHANNELS {position} Zrotation Xrotation Yrotation",
    ]
    for child in children[j]:
        _write_joint(skeleton, children, child, depth + 1, lines, order)
    if not children[j]:
        lines += [f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET 0.000000 0.000000 0.000000", f"{pad}  }}"]
    lines.append(f"{pad}}}")


def _zxy_degrees(rotations: Array) -> Array:
    """Matrices (..., 3, 3) = Rz Rx Ry to angles (..., 3) in degrees, in the order z, x, y."""
    m = matrix_from_quaternion_wxyz(quaternion_wxyz_from_matrix(rotations))
    x = np.arcsin(np.clip(m[..., 2, 1], -1.0, 1.0))
    z = np.arctan2(-m[..., 0, 1], m[..., 1, 1])
    y = np.arctan2(-m[..., 2, 0], m[..., 2, 2])
    return np.rad2deg(np.stack([z, x, y], axis=-1))
