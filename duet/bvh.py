"""BVH files: reading any hierarchy, mapping it to the 22 body joints, writing ours."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from duet.errors import MotionError
from duet.kinematics import heading_yaw, local_from_global
from duet.rotations import Array, matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY_JOINT_NAMES, BODY_PARENTS, Skeleton

# Names that joints go by, lower case without "_", "." and "-": cgspeed/DAZ, Mixamo/MotionBuilder, SMPL, Unreal, and
# our own. The first that is there and not yet taken counts. The spine goes by topology, see _spine.
_CENTRE_ALIASES = {"pelvis": ("pelvis", "hips", "hip", "root"), "neck": ("neck", "neck1"), "head": ("head",)}
_LIMB_ALIASES = {
    "hip": ("hip", "upleg", "thigh"),
    "knee": ("knee", "leg", "shin", "calf"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toe", "toes", "ball", "foot", "footend", "ankleend"),
    # Some rigs call the collar "LeftShoulder" and the shoulder "LeftArm": the shoulder chooses first.
    "shoulder": ("arm", "shldr", "upperarm", "shoulder"),
    "collar": ("collar", "clavicle", "shoulder"),
    "elbow": ("elbow", "forearm", "lowerarm"),
    "wrist": ("wrist", "hand"),
}
_ESSENTIAL = (
    "pelvis",
    *(f"{side}_{j}" for j in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in ("left", "right")),
)
_CHANNELS = {f"{axis}{kind}" for axis in "xyz" for kind in ("position", "rotation")}
_LEAST_FRAME_S = 1e-6


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
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MotionError(f"{path}: expected a readable BVH file, got {error.strerror}. Check the path.") from error
    head, motion_word, tail = text.partition("MOTION")
    if "HIERARCHY" not in head or not motion_word:
        raise MotionError(f"{path}: expected a BVH file (HIERARCHY, MOTION), got something else. Export it as BVH.")
    hierarchy = _parse_hierarchy(path, head)
    fps, values = _parse_motion(path, tail, sum(len(c) for c in hierarchy.channels))
    positions, rotations = _forward(hierarchy, values)
    at, sources = _map_body(path, hierarchy, _accumulate(hierarchy) * scale)
    skeleton = _skeleton_from_rest(at)
    # A rig that rests facing another axis is turned to face +Z: x_rest' = turn @ x_rest, so R' = R @ turn^T.
    quarters = round(float(heading_yaw(skeleton, skeleton.rest_joints_m)) / (np.pi / 2))
    turn = yaw_matrix(-quarters * np.pi / 2)
    skeleton = _skeleton_from_rest({name: turn @ position for name, position in at.items()})
    local = local_from_global(skeleton, rotations[:, sources] @ turn.T)
    return fps, skeleton, positions[:, sources[0]] * scale, local


def _parse_hierarchy(path: Path, text: str) -> _Hierarchy:
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    stack: list[int] = []
    words = iter(text.split())
    try:
        for word in words:
            if word in ("ROOT", "JOINT", "End"):
                name = next(words)
                names.append(f"{names[stack[-1]]}_end" if word == "End" else name.rpartition(":")[2])
                parents.append(stack[-1] if stack else -1)
                offsets.append([0.0, 0.0, 0.0])
                channels.append([])
            elif word == "{":
                stack.append(len(names) - 1)
            elif word == "}":
                stack.pop()
            elif word == "OFFSET":
                offsets[stack[-1]] = [float(next(words)) for _ in range(3)]
            elif word == "CHANNELS":
                channels[stack[-1]] = [_channel(next(words)) for _ in range(int(next(words)))]
    except (IndexError, ValueError, StopIteration) as error:
        reason = str(error) if isinstance(error, ValueError) else "one that breaks off or is out of order"
        raise MotionError(
            f"{path}: expected a well-formed BVH hierarchy, got {reason}. Export the take again."
        ) from error
    if not names or not np.isfinite(offsets).all():
        raise MotionError(
            f"{path}: expected joints with finite offsets, got {len(names)} joints. Export the take again."
        )
    return _Hierarchy(names, parents, np.array(offsets, dtype=np.float64), channels)


def _channel(word: str) -> str:
    if word.lower() not in _CHANNELS:
        raise ValueError(f"channel {word!r}")
    return word.lower()


def _parse_motion(path: Path, text: str, width: int) -> tuple[float, Array]:
    """``(fps, values (T, width))`` of the part after MOTION."""
    stated = re.search(r"Frames:\s*(\d+)", text)
    match = re.search(r"Frame\s+Time:\s*(\S+)", text)
    try:
        frame_s = float(match.group(1)) if match else 0.0
        values = np.array(text[match.end() :].split(), dtype=np.float64) if match else np.empty(0)
    except ValueError as error:
        raise MotionError(
            f"{path}: expected numbers in the MOTION part, got {error}. Export the take again."
        ) from error
    frames, rest = divmod(len(values), max(width, 1))
    # Shorter than any camera takes: a rate of no number, or of one that overflows.
    if not frame_s >= _LEAST_FRAME_S or frames < 2:
        raise MotionError(
            f"{path}: expected a frame time and at least 2 frames, got {frame_s:g} s and {frames} frames. "
            "Export the take again."
        )
    if rest or (stated and frames < int(stated.group(1))):
        promised = stated.group(1) if stated else "whole"
        raise MotionError(
            f"{path}: expected {promised} frames of {width} numbers, got {len(values) / width:.1f} frames. "
            "The file was cut short; export or fetch it again."
        )
    values = values.reshape(frames, width)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise MotionError(
            f"{path}: expected finite numbers, got NaN or infinity in {int(bad.sum())} frames, first in frame "
            f"{int(np.argmax(bad))}. Clean or cut the take."
        )
    fps = 1.0 / frame_s
    # Frame times carry few digits (0.008333, 0.0333333): a rate this close to a whole one is meant to be it.
    return (float(round(fps)) if abs(fps - round(fps)) < 2e-4 * fps else fps), values


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
            axis = "xyz".index(channel[0])
            if channel.endswith("position"):
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


def _map_body(path: Path, hierarchy: _Hierarchy, rest: Array) -> tuple[dict[str, Array], list[int]]:
    """Rest position of each of the 22 joints by name, and its source of rotation in their order."""
    found = _find_joints(hierarchy)
    missing = [n for n in _ESSENTIAL if n not in found]
    if missing:
        raise MotionError(
            f"{path}: expected a human body with hips, legs and arms, got no joint for {', '.join(missing)} "
            f"among {', '.join(hierarchy.names[:8])}… Rename the joints or export with a standard rig."
        )
    found |= _spine(hierarchy, found)
    for side in ("left", "right"):  # an End Site of no length says nothing of where the toes are
        foot = found.get(f"{side}_foot")
        if foot is not None and np.allclose(rest[foot], rest[found[f"{side}_ankle"]], atol=1e-3):
            del found[f"{side}_foot"]
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
    return at, [sources[n] for n in BODY_JOINT_NAMES]


def _find_joints(hierarchy: _Hierarchy) -> dict[str, int]:
    """Index in the file of each joint that is there by one of its names, the spine left out."""
    plain = [re.sub(r"^mixamorig\d*|[_.-]", "", n.lower()) for n in hierarchy.names]
    wanted = {name: list(aliases) for name, aliases in _CENTRE_ALIASES.items()}
    for joint, aliases in _LIMB_ALIASES.items():
        for side in ("left", "right"):
            wanted[f"{side}_{joint}"] = [n for a in aliases for n in (side + a, side[0] + a, a + side[0], a + side)]
    found: dict[str, int] = {}
    for name, candidates in wanted.items():
        free = [plain.index(c) for c in candidates if c in plain and plain.index(c) not in found.values()]
        if free:
            found[name] = free[0]
    return found


def _spine(hierarchy: _Hierarchy, found: dict[str, int]) -> dict[str, int]:
    """The joints between pelvis and neck, as spine1, spine2 and spine3: rigs have none to six, under any name."""
    below: list[int] = []
    joint = found["pelvis"]
    while joint >= 0:
        below.append(joint)
        joint = hierarchy.parents[joint]
    top = next(found[n] for n in ("neck", "left_collar", "left_shoulder") if n in found)
    chain: list[int] = []
    joint = hierarchy.parents[top]
    while joint >= 0 and joint not in below:
        chain.insert(0, joint)
        joint = hierarchy.parents[joint]
    if len(chain) < 3:
        return dict(zip(("spine1", "spine3"), chain, strict=False))
    return {"spine1": chain[0], "spine2": chain[len(chain) // 2], "spine3": chain[-1]}


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
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {1.0 / fps:.10f}"]
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
    m = np.asarray(rotations, dtype=np.float64)
    across = np.hypot(m[..., 0, 1], m[..., 1, 1])
    x = np.arctan2(m[..., 2, 1], across)
    # Where x is a right angle (gimbal lock), z and y turn about one axis: give the whole turn to z.
    locked = across < 1e-6
    z = np.where(locked, np.arctan2(m[..., 1, 0], m[..., 0, 0]), np.arctan2(-m[..., 0, 1], m[..., 1, 1]))
    y = np.where(locked, 0.0, np.arctan2(-m[..., 2, 0], m[..., 2, 2]))
    return np.rad2deg(np.stack([z, x, y], axis=-1))
