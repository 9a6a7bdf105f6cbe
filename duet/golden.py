"""The golden answer of a follower: inputs that anybody can make anew, and the frames that torch danced to them.

It travels in the follower's folder, so that every runtime on every machine can be held against the trained network
without torch. Plain arrays, no pickles.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.errors import FollowerError
from duet.features import FOLLOWER_ROOT, FOLLOWER_SIZE, ROOT_FACING, ROOT_HEIGHT, ROOT_PLACE, follower_rotations
from duet.files import BROKEN_ARCHIVE, written_whole
from duet.kinematics import forward
from duet.skeleton import BODY

GOLDEN_FILE = "golden.npz"
FORMAT = "duet-golden/1"
_CARRY, _FRESH = 0.9, 0.43
_GUIDED_OF_60, _SHOWN_OF_40 = 30, 20

Units = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""(mean, spread) of a frame's features, each (width,), by the name of the input."""
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Golden:
    """What to ask, and what the answer is."""

    seed: int
    units: Units
    ticks: tuple[int, ...]
    """Numbers of the ticks whose frames are kept; all before them are asked, too."""
    frames: NDArray[np.float32]
    """(len(ticks), plan frames, 145) as torch decoded them."""


def seeded_inputs(
    shapes: Shapes, past: int, units: Units, ticks: int, seed: int = 0
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Inputs of ``ticks`` ticks: leader and music slide by one token a tick, guidance and reference come and go.

    ``shapes`` of the inputs by name, the first ``past`` tokens of the window observed. Leader, music and place are as
    far from the mean as in the data that ``units`` were taken from; without units they are z-scores.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    window = shapes["leader"][1]
    tracks: dict[str, NDArray[np.float32]] = {}
    for name in ("leader", "music"):
        track = rng.standard_normal((ticks + window, shapes[name][-1]), dtype=np.float32)
        for t in range(1, len(track)):
            track[t] = _CARRY * track[t - 1] + _FRESH * track[t]
        tracks[name] = in_units(track, name, units)
    flags = np.zeros(shapes["leader_flag"], dtype=np.float32)
    flags[:, :past, 0] = 1.0
    flags[:, past:, 2] = 1.0
    style = np.zeros(shapes["style"], dtype=np.float32)
    style[0, 0] = 1.0
    for tick in range(ticks):
        inputs = {
            name: 0.5 * rng.standard_normal(shape, dtype=np.float32)
            for name, shape in shapes.items()
            if name not in ("leader", "music", "leader_flag", "style")
        }
        inputs |= {name: track[None, tick : tick + window] for name, track in tracks.items()}
        inputs |= {"leader_flag": flags, "style": style, "place": in_units(inputs["place"], "place", units)}
        inputs["noise"] = rng.standard_normal(shapes["noise"], dtype=np.float32)
        if "guidance" in inputs:
            inputs["guidance"] = np.abs(inputs["guidance"]) * float(tick % (2 * _GUIDED_OF_60) >= _GUIDED_OF_60)
        if "reference_flag" in inputs:
            shown = float(tick % (2 * _SHOWN_OF_40) >= _SHOWN_OF_40)
            inputs["reference_flag"] = np.full(shapes["reference_flag"], shown, dtype=np.float32)
        yield inputs


def in_units(scores: NDArray[np.float32], name: str, units: Units) -> NDArray[np.float32]:
    """z-scores (..., n * width) of input ``name``, one or more frames in a row, to data units."""
    if name not in units:
        return scores
    mean, spread = units[name]
    return (scores.reshape(-1, len(mean)) * spread + mean).astype(np.float32).reshape(scores.shape)


def joint_distance_mm(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Greatest distance in millimetres between the joints of decoded frames (T, 145).

    They stand where the frames say, turned as these say: in the frame of a leader at (0, 0) who looks along +Z.
    """
    joints = [_joints_by_leader(frames) for frames in (one, other)]
    return float(np.linalg.norm(joints[0] - joints[1], axis=-1).max() * 1e3)


def _joints_by_leader(frames: NDArray[np.float32]) -> NDArray[np.floating]:
    """(T, 22, 3) metres, as decoded frames (T, 145) place them beside the leader."""
    root = frames[:, FOLLOWER_ROOT]
    place, facing = root[:, ROOT_PLACE], root[:, ROOT_FACING]
    pelvis = np.stack([place[:, 0], root[:, ROOT_HEIGHT][:, 0], place[:, 1]], axis=1)
    yaw_rad = np.arctan2(facing[:, 0], facing[:, 1])
    return forward(BODY, pelvis, follower_rotations(frames, yaw_rad))[0]


def save_golden(golden: Golden, path: Path) -> None:
    """Write ``golden`` as one npz file; equal answers are equal bytes."""
    about = json.dumps({"format": FORMAT, "seed": golden.seed, "units": sorted(golden.units)}, sort_keys=True)
    arrays: dict[str, NDArray] = {
        "about": np.frombuffer(about.encode(), dtype=np.uint8),
        "ticks": np.array(golden.ticks, dtype=np.int32),
        "frames": golden.frames.astype("<f4"),
    }
    for name, (mean, spread) in sorted(golden.units.items()):
        arrays[f"{name}_mean"], arrays[f"{name}_spread"] = mean.astype("<f4"), spread.astype("<f4")
    with written_whole(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_golden(path: Path) -> Golden:
    """Read what ``save_golden`` wrote; FollowerError says what is wrong with another file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        about = json.loads(arrays["about"].tobytes())
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']!r}")
        ticks, frames = tuple(int(t) for t in arrays["ticks"]), arrays["frames"]
        if frames.ndim != 3 or len(frames) != len(ticks) or frames.shape[2] != FOLLOWER_SIZE or not ticks:
            raise ValueError(f"frames of shape {frames.shape}")
        if not np.isfinite(frames).all() or min(ticks) < 0 or max(ticks) >= 100_000:
            raise ValueError("numbers that are none")
        units = {name: (arrays[f"{name}_mean"], arrays[f"{name}_spread"]) for name in about["units"]}
        return Golden(int(about["seed"]), units, ticks, frames)
    except BROKEN_ARCHIVE as error:
        what = f"none with {error}" if isinstance(error, KeyError) else str(error)
        raise FollowerError(
            f"{path}: expected the golden answer of a follower, got {what}. Export the follower again."
        ) from error
