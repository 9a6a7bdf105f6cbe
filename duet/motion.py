"""A take: one dancer's recorded or choreographed motion; read from BVH and npz, written to both."""

import math
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.bvh import read_bvh, write_bvh
from duet.errors import MotionError
from duet.files import BROKEN_ARCHIVE, written_whole
from duet.kinematics import forward, local_from_global
from duet.rotations import (
    Array,
    matrix_between,
    matrix_from_6d,
    matrix_from_quaternion_wxyz,
    quaternion_wxyz_from_matrix,
    six_d_from_matrix,
)
from duet.skeleton import BODY, FEET, Skeleton

TAKE_SUFFIXES = ".bvh", ".npz"
"""What the names of takes end in."""
RATES_FPS = 1.0, 1000.0
"""The least and the most frames a second of a take: what is outside is a wrong unit."""
_MOST_HELD_FRAMES = 108_000
"""Of a take with its gaps held, an hour at 30 a second: a broken clock would fill memory."""

# Bones whose rest directions differ between bodies in ways that do not show in a pose (how far the
# legs are apart, how straight the arms lie in the T-pose): joint -> the child its bone points to.
# A wrist turns with its forearm. Torso and feet keep their global rotation: upright stays upright,
# flat stays flat.
_LIMB_BONES = {
    "left_hip": ("left_hip", "left_knee"), "right_hip": ("right_hip", "right_knee"),
    "left_knee": ("left_knee", "left_ankle"), "right_knee": ("right_knee", "right_ankle"),
    "left_shoulder": ("left_shoulder", "left_elbow"), "right_shoulder": ("right_shoulder", "right_elbow"),
    "left_elbow": ("left_elbow", "left_wrist"), "right_elbow": ("right_elbow", "right_wrist"),
    "left_wrist": ("left_elbow", "left_wrist"), "right_wrist": ("right_elbow", "right_wrist"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Motion:
    """A take of ``T`` frames.

    ``root_m`` (T, 3): pelvis in the world, metres. ``rotations`` (T, J, 3, 3): local rotations,
    row 0 in the world, relative to the T-pose of ``skeleton``.
    """

    fps: float
    skeleton: Skeleton
    root_m: NDArray[np.float32]
    rotations: NDArray[np.float32]

    def __post_init__(self) -> None:
        shape = (len(self.root_m), len(self.skeleton), 3, 3)
        if self.rotations.shape != shape or self.root_m.shape != (shape[0], 3):
            raise MotionError(f"Motion: expected rotations {shape}, got {self.rotations.shape}. Check the skeleton.")
        if not shape[0]:
            raise MotionError("Motion: expected at least one frame, got none. Take a longer piece.")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise MotionError(f"Motion: expected a rate above 0 fps, got {self.fps}. Check the rate.")
        for name in ("root_m", "rotations"):
            array = np.array(getattr(self, name), dtype=np.float32, order="C")
            if not np.isfinite(array).all():
                raise MotionError(f"Motion: expected finite {name}, got NaN or infinity. Clean or cut the take.")
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.root_m)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.fps

    @cached_property
    def joints_m(self) -> NDArray[np.float32]:
        """(T, J, 3) joint positions in the world by forward kinematics."""
        joints = forward(self.skeleton, self.root_m, self.rotations)[0].astype(np.float32)
        joints.setflags(write=False)
        return joints

    def slice(self, start: int, stop: int | None = None) -> "Motion":
        """Frames ``start`` up to, not including, ``stop``."""
        return replace(self, root_m=self.root_m[start:stop], rotations=self.rotations[start:stop])

    def resample(self, fps: float) -> "Motion":
        """The same take at another rate, by Catmull-Rom splines: between frames a straight line would damp all quick
        motion, and a tempo change with it."""
        count = int(np.floor((self.frames - 1) / self.fps * fps + 1e-6)) + 1
        at = np.arange(count) * (self.fps / fps)
        quaternions = quaternion_wxyz_from_matrix(self.rotations.astype(np.float64))
        # A rotation has two quaternions: stay on one side.
        near = np.sum(quaternions[1:] * quaternions[:-1], axis=-1, keepdims=True) >= 0.0
        quaternions[1:] *= np.cumprod(np.where(near, 1.0, -1.0), axis=0)
        rotations = matrix_from_quaternion_wxyz(_between(quaternions, at)).astype(np.float32)
        return replace(self, fps=fps, root_m=_between(self.root_m, at).astype(np.float32), rotations=rotations)

    def mirrored(self) -> "Motion":
        """Left and right swapped: x -> -x, the body's own asymmetries with it."""
        flip = np.diag([-1.0, 1.0, 1.0]).astype(np.float32)
        order = list(self.skeleton.mirror)
        skeleton = replace(self.skeleton, offsets_m=self.skeleton.offsets_m[order] @ flip)
        rotations = flip @ self.rotations[:, order] @ flip
        return replace(self, skeleton=skeleton, root_m=self.root_m @ flip, rotations=rotations)

    def floor_m(self) -> float:
        """Height of the floor this dancer stands on: low percentile of the lowest foot joint."""
        feet = list(FEET)
        above = self.joints_m[:, feet, 1] - self.skeleton.rest_joints_m[feet, 1]
        return float(np.percentile(above.min(axis=1), 5))

    def levelled(self) -> "Motion":
        """The take with its floor at y = 0."""
        return replace(self, root_m=self.root_m - np.array([0.0, self.floor_m(), 0.0], dtype=np.float32))

    def on_body(self, body: Skeleton = BODY) -> "Motion":
        """The same dance on another body: same pose, same path, height by leg length, feet on the floor."""
        global_rotations = forward(self.skeleton, self.root_m, self.rotations)[1].astype(np.float64)
        own, other = self.skeleton.rest_joints_m.astype(np.float64), body.rest_joints_m.astype(np.float64)
        for name, (start, end) in _LIMB_BONES.items():
            a, b, j = self.skeleton.index(start), self.skeleton.index(end), self.skeleton.index(name)
            global_rotations[:, j] = global_rotations[:, j] @ matrix_between(other[b] - other[a], own[b] - own[a])
        local = local_from_global(body, global_rotations)
        hips = [self.skeleton.index("left_hip"), self.skeleton.index("right_hip")]
        centre = self.joints_m[:, hips].mean(axis=1).astype(np.float64)
        centre[:, 1] = (centre[:, 1] - self.floor_m()) * body.leg_length_m / self.skeleton.leg_length_m
        root = centre - global_rotations[:, 0] @ body.offsets_m[hips].mean(axis=0).astype(np.float64)
        return Motion(self.fps, body, root.astype(np.float32), local.astype(np.float32)).levelled()


def _between(values: Array, at: Array) -> Array:
    """``values`` (T, ...) at fractional indices ``at`` (N,) in [0, T - 1] by Catmull-Rom splines."""
    last = len(values) - 1
    low = np.minimum(np.floor(at + 1e-9).astype(int), last)
    x = np.clip(at - low, 0.0, 1.0).reshape(-1, *[1] * (values.ndim - 1))
    # At both ends the motion goes on as it was.
    ends = 2.0 * values[[0, -1]] - values[[min(1, last), max(last - 1, 0)]]
    padded = np.concatenate([ends[:1], values, ends[1:], ends[1:]]).astype(np.float64)
    before, here, after, beyond = (padded[low + k] for k in range(4))
    bent = 2.0 * before - 5.0 * here + 4.0 * after - beyond
    return here + 0.5 * x * (after - before + x * (bent + x * (3.0 * (here - after) + beyond - before)))


def read_motion(
    path: str | Path,
    *,
    fps_override: float | None = None,
    scale: float = 1.0,
    dancer: str = "leader",
    on_time: bool = False,
) -> Motion:
    """Read a take from ``.bvh`` or ``.npz``.

    ``fps_override`` replaces the file's rate (some BVH files state a wrong one), ``scale`` turns a
    BVH's units into metres. ``dancer`` picks one of two from an npz that holds a couple. ``on_time``:
    the pose is held through what a motion log left out, because somebody was not known, so that every
    frame has its time. Raises MotionError with what is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise MotionError(f"{path}: expected a take, got no such file. Check the path.")
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        fps, skeleton, root, rotations = read_bvh(path, scale=scale)
    elif suffix == ".npz":
        fps, skeleton, root, rotations = _read_npz(path, dancer)
    else:
        raise MotionError(f"{path}: expected .bvh or .npz, got {suffix or 'no ending'!r}. Convert the take.")
    rate = fps_override or fps
    if not RATES_FPS[0] <= rate <= RATES_FPS[1]:
        raise MotionError(
            f"{path}: expected {RATES_FPS[0]:g} to {RATES_FPS[1]:g} frames a second, got {rate:.4g}. "
            "Give the true rate with --bvh-fps."
        )
    if on_time and suffix == ".npz" and (times_s := npz_times_s(path)) is not None:
        numbers = frame_numbers(path, times_s, len(root), fps)
        if numbers[-1] > max(len(root), _MOST_HELD_FRAMES):
            raise MotionError(
                f"{path}: expected at most {_MOST_HELD_FRAMES} frames with the gaps between them, got "
                f"{numbers[-1] + 1:.0f}. Cut it into pieces."
            )
        rows = np.searchsorted(numbers, np.arange(numbers[-1] + 1.0), side="right") - 1
        root, rotations = root[rows], rotations[rows]
    motion = Motion(rate, skeleton, root.astype(np.float32), rotations.astype(np.float32))
    _check_human(path, motion)
    return motion


def npz_times_s(path: Path) -> NDArray[np.float64] | None:
    """(T,) the session times of the frames of an npz; None where it tells none. MotionError for a broken one."""
    try:
        with np.load(path, allow_pickle=False) as held:
            times_s = np.asarray(held["time_s"], np.float64) if "time_s" in held else np.empty(0)
    except BROKEN_ARCHIVE as error:
        raise MotionError(f"{path}: expected a motion file, got one that cannot be read ({error}).") from error
    return times_s if times_s.size else None


def frame_numbers(path: Path, times_s: NDArray[np.float64], rows: int, fps: float) -> NDArray[np.float64]:
    """(T,) the numbers of the frames in so many ``rows``, from 0: frames in which one of both was not known have no
    row. MotionError where ``times_s`` are not the rows'."""
    if times_s.shape == (rows,):
        # Times beyond all numbers are refused here, not warned of by numpy.
        with np.errstate(all="ignore"):
            frames = np.round((times_s - times_s[0]) * fps)
            if np.isfinite(frames).all() and (np.diff(frames) > 0.0).all():
                return frames
    raise MotionError(
        f"{path}: expected a time for each of {rows} frames, one after the other, got others. Save the motion again."
    )


def _check_human(path: Path, motion: Motion) -> None:
    """Refuse what cannot be a person in metres: nearly always a wrong unit or up-axis."""
    head, pelvis = motion.skeleton.index("head"), 0
    up = (motion.joints_m[:, head] - motion.joints_m[:, pelvis]).mean(axis=0)
    axis = int(np.argmax(np.abs(up)))
    if axis != 1 or up[1] < 0.0:
        got = f"{'XYZ'[axis]} {'up' if up[axis] > 0.0 else 'down'}"
        raise MotionError(f"{path}: expected Y up, got {got}. Export the take with Y up.")
    height = motion.skeleton.rest_joints_m[head, 1]
    if not 0.6 < height < 2.6:
        raise MotionError(
            f"{path}: expected a body of 0.6 to 2.6 m up to the head, got {height:.4g} m. "
            "Give the unit with --bvh-scale, for example 0.01 for centimetres."
        )


def _read_npz(path: Path, dancer: str) -> tuple[float, Skeleton, Array, Array]:
    """``(fps, skeleton, root_m (T, 3), rotations (T, 22, 3, 3))`` of one dancer."""
    try:
        with zipfile.ZipFile(path) as archive:  # np.load alone would also open a bare array or a pickle
            held = {name.removesuffix(".npy") for name in archive.namelist()}
        prefix = f"{dancer}_" if f"{dancer}_rotations_6d" in held else ""
        needed = {"fps", "joint_names", "parents", "offsets_m", f"{prefix}root_m", f"{prefix}rotations_6d"}
        if missing := sorted(needed - held):
            raise MotionError(
                f"{path}: expected a take written by Duet, got no {', '.join(missing)}. "
                "Write it with Duet, or give a BVH."
            )
        with np.load(path, allow_pickle=False) as data:
            names = tuple(str(n) for n in data["joint_names"])
            skeleton = Skeleton(names, tuple(int(p) for p in data["parents"]), data["offsets_m"])
            root = data[f"{prefix}root_m"].astype(np.float64)
            six = data[f"{prefix}rotations_6d"].astype(np.float64)
            fps = float(data["fps"])
    except BROKEN_ARCHIVE as error:
        reason = str(error).rstrip(".").splitlines()[0] if str(error) else type(error).__name__
        raise MotionError(f"{path}: expected an npz take, got a broken one ({reason}). Write it again.") from error
    if (skeleton.names, skeleton.parents) != (BODY.names, BODY.parents):
        raise MotionError(
            f"{path}: expected the {len(BODY)} body joints, got {len(skeleton)} joints from {skeleton.names[0]!r} on. "
            "Map the take to the joints of duet/skeleton.py."
        )
    if root.ndim != 2 or root.shape[1] != 3 or six.shape != (len(root), len(skeleton), 6):
        raise MotionError(
            f"{path}: expected root_m (T, 3) and rotations_6d (T, {len(skeleton)}, 6), "
            f"got {root.shape} and {six.shape}. Write the take again."
        )
    rotations = matrix_from_6d(np.where(np.isfinite(six), six, np.nan))
    # A 6D without two directions leaves the third axis without length; NaN compares false as well.
    turned = np.linalg.norm(rotations[..., 2], axis=-1) > 0.99
    bad = ~(np.isfinite(root).all(axis=1) & turned.all(axis=1))
    if bad.any():
        raise MotionError(
            f"{path}: expected finite numbers, got NaN or no rotation in {int(bad.sum())} frames, first in frame "
            f"{int(np.argmax(bad))}. Clean or cut the take."
        )
    return fps, skeleton, root, rotations


def write_motion(path: str | Path, motion: Motion) -> None:
    """Write a take as ``.npz`` or ``.bvh``, whole or not at all."""
    write_couple(path, {"": motion})


def write_couple(path: str | Path, dancers: dict[str, Motion]) -> None:
    """Write takes that share rate and skeleton into one file; BVH holds one dancer only.

    Keys are ``leader`` and ``follower``, or "" for a single dancer.
    """
    path = Path(path)
    first = next(iter(dancers.values()))
    if any((m.fps, m.skeleton) != (first.fps, first.skeleton) for m in dancers.values()):
        raise MotionError(f"{path}: expected dancers of one rate and one body, got several. Put them on one first.")
    suffix = path.suffix.lower()
    if suffix not in TAKE_SUFFIXES:
        raise MotionError(f"{path}: expected a name in .bvh or .npz, got {suffix or 'no ending'!r}. Change the ending.")
    if suffix == ".bvh" and len(dancers) != 1:
        raise MotionError(f"{path}: expected one dancer for BVH, got {len(dancers)}. Write .npz, or one file each.")
    with written_whole(path) as part:
        if suffix == ".bvh":
            write_bvh(part, first.fps, first.skeleton, first.root_m, first.rotations)
            return
        with part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **_npz_arrays(dancers))


def _npz_arrays(dancers: dict[str, Motion]) -> dict[str, NDArray]:
    first = next(iter(dancers.values()))
    arrays: dict[str, NDArray] = {
        "fps": np.array(first.fps),
        "joint_names": np.array(first.skeleton.names),
        "parents": np.array(first.skeleton.parents),
        "offsets_m": first.skeleton.offsets_m,
    }
    for name, motion in dancers.items():
        prefix = f"{name}_" if name else ""
        arrays[f"{prefix}root_m"] = motion.root_m
        arrays[f"{prefix}rotations_6d"] = six_d_from_matrix(motion.rotations)
    return arrays
