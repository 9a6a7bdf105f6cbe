"""Couples: two dancers' takes on one clock and one floor, on the canonical body."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.features import leader_headings
from duet.kinematics import foot_contacts
from duet.motion import Motion, read_motion
from duet.skeleton import FEET

FPS = 30.0
CMU_FPS = 60.0
"""The true rate: the files say 120, at which the couple would take more than five steps a second."""
CMU_SCALE_M = 1.2989
TRAIN_TAKES = ("01", "02", "03", "04", "05", "06", "07", "09", "10", "11")
VALIDATION_TAKES = ("12", "13")
CMU_DATA = (
    "CMU Graphics Lab Motion Capture Database, subjects 60 and 61 (salsa), takes 01-07, 09-11; validation 12, 13. "
    "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from "
    "NSF EIA-0196217."
)
TOGETHER_M = 1.5
"""Pelvis distance within which a couple counts as dancing together; takes are trimmed to it at both ends."""

FLAWED_START_S = {"10": 1.5}
"""Seconds cut off the start of a take for a known flaw of the recording."""


@dataclass(frozen=True)
class Pair:
    """A couple: ``leader`` and ``follower`` on BODY, frame ``t`` of both at the same moment."""

    name: str
    leader: Motion
    follower: Motion
    beats_s: NDArray[np.float64] | None = None
    """Beat times in seconds from frame 0, where they are known exactly."""
    heard: NDArray[np.float32] | None = None
    """(T, 8) the music they danced to as it is heard live, where it was recorded."""

    def __post_init__(self) -> None:
        if self.leader.frames != self.follower.frames or self.leader.fps != self.follower.fps:
            raise InputError(
                f"{self.name}: expected both dancers on one clock, got {self.leader.frames} frames at "
                f"{self.leader.fps} fps and {self.follower.frames} at {self.follower.fps}. Cut them alike."
            )

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.leader.frames

    def slice(self, start: int, stop: int | None = None) -> "Pair":
        """Frames ``start`` up to, not including, ``stop``; beats move along."""
        beats = None if self.beats_s is None else self.beats_s - start / self.leader.fps
        return replace(
            self,
            leader=self.leader.slice(start, stop),
            follower=self.follower.slice(start, stop),
            beats_s=beats,
            heard=None if self.heard is None else self.heard[start:stop],
        )

    def mirrored(self) -> "Pair":
        """Left and right swapped for both."""
        return replace(
            self, name=f"{self.name}-mirrored", leader=self.leader.mirrored(), follower=self.follower.mirrored()
        )

    def swapped(self) -> "Pair":
        """The other one leads."""
        return replace(self, name=f"{self.name}-swapped", leader=self.follower, follower=self.leader)

    def at_tempo(self, factor: float) -> "Pair":
        """The same dance ``factor`` times as fast; nobody heard its music so, unless it is 1."""
        if factor == 1.0:
            return self

        def warp(motion: Motion) -> Motion:
            return replace(replace(motion, fps=motion.fps * factor).resample(motion.fps), fps=motion.fps)

        beats = None if self.beats_s is None else self.beats_s / factor
        return replace(
            self,
            name=f"{self.name}-x{factor:.2f}",
            leader=warp(self.leader),
            follower=warp(self.follower),
            beats_s=beats,
            heard=None,
        )

    def at_distance(self, offset_m: float) -> "Pair":
        """The follower moved by ``offset_m`` away from the leader along the line between the two, smoothed."""
        line = self.follower.root_m - self.leader.root_m
        line[:, 1] = 0.0
        line = _smooth(line / np.maximum(np.linalg.norm(line, axis=1, keepdims=True), 0.2), int(self.leader.fps))
        root = self.follower.root_m + np.float32(offset_m) * line
        return replace(self, follower=replace(self.follower, root_m=root.astype(np.float32)))

    def headings(self) -> NDArray[np.float64]:
        """(T,) the leader's smoothed heading, as it is measured live."""
        return leader_headings(self.leader.joints_m, self.leader.fps)

    def contacts(self) -> NDArray[np.float32]:
        """(T, 4) contacts of the follower's feet.

        Each foot joint is levelled by itself first: in one take a foot was recorded 6 cm too high throughout.
        """
        joints, feet = self.follower.joints_m.copy(), list(FEET)
        rest = self.follower.skeleton.rest_joints_m[feet, 1]
        joints[:, feet, 1] -= np.percentile(joints[:, feet, 1], 5, axis=0) - rest
        return foot_contacts(joints, self.follower.fps)

    def distances_m(self) -> NDArray[np.float32]:
        """(T,) horizontal distance of the two pelvises."""
        return np.linalg.norm((self.follower.root_m - self.leader.root_m)[:, [0, 2]], axis=1)


def _smooth(values: NDArray, frames: int) -> NDArray:
    """Centred moving average of (T, D) over ``frames``; for data preparation only, it looks ahead."""
    half = frames // 2
    padded = np.concatenate([np.repeat(values[:1], half, 0), values, np.repeat(values[-1:], half, 0)])
    sums = np.cumsum(np.concatenate([np.zeros_like(padded[:1]), padded]), axis=0)
    window = 2 * half + 1
    return (sums[window:] - sums[:-window]) / window


def together(pair: Pair, flawed_start_s: float = 0.0) -> tuple[int, int]:
    """First frame, and the one after the last, of the stretch in which the couple dances together."""
    close = np.flatnonzero(pair.distances_m() < TOGETHER_M)
    if not len(close):
        raise InputError(f"{pair.name}: expected a couple within {TOGETHER_M} m, got none. Is the scale right?")
    return max(int(close[0]), round(flawed_start_s * pair.leader.fps)), int(close[-1]) + 1


def trim(pair: Pair, flawed_start_s: float = 0.0) -> Pair:
    """The stretch in which the couple dances together, from the first to the last close frame."""
    return pair.slice(*together(pair, flawed_start_s))


def load_cmu(folder: Path, takes: tuple[str, ...]) -> list[Pair]:
    """Salsa couples of the CMU database: ``60_NN.bvh`` leads ``61_NN.bvh``, trimmed, 30 fps, on BODY."""
    pairs = []
    for take in takes:
        dancers = [
            read_motion(folder / f"{subject}_{take}.bvh", fps_override=CMU_FPS, scale=CMU_SCALE_M)
            .resample(FPS)
            .on_body()
            for subject in ("60", "61")
        ]
        frames = min(d.frames for d in dancers)
        pair = Pair(f"cmu-{take}", dancers[0].slice(0, frames), dancers[1].slice(0, frames))
        pairs.append(trim(pair, FLAWED_START_S.get(take, 0.0)))
    return pairs


def load_pairs(data_dir: str | Path, split: str = "train") -> list[Pair]:
    """The couples of ``split`` ("train" or "validation") under ``data_dir`` (see the README on DUET_DATA)."""
    folder = Path(data_dir) / "cmu_salsa"
    if not folder.is_dir():
        raise InputError(f"{folder}: expected the salsa takes, got no such folder. Set DUET_DATA or give --data.")
    splits = {"train": TRAIN_TAKES, "validation": VALIDATION_TAKES}
    if split not in splits:
        raise InputError(f"Split: expected one of {sorted(splits)}, got {split!r}. Choose one of them.")
    return load_cmu(folder, splits[split])
