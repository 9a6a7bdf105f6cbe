"""What data sets are made of, before anything is read: recordings on disk, and what was found in them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError, MotionError
from duet.motion import Motion
from duet.skeleton import BODY

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
JOINTS = len(BODY)


@dataclass(frozen=True)
class Finding:
    """Something that was measured in a recording."""

    short: str
    """For a cell of a table: "z up .98"; empty where another column says it."""
    text: str
    """A sentence with the number in it."""
    warning: bool = False
    """Something the reader should look at."""


@dataclass(frozen=True)
class Recording:
    """One take of a data set as it lies on disk."""

    name: str
    dataset: str
    split: str
    leader: Path
    """The dancer of a solo, the leader of a couple."""
    follower: Path | None = None
    """None in a solo; in a couple where the file should be, whether it is there or not."""
    beside: tuple[Path, ...] = ()
    """Other files that are read for it."""
    music: Path | None = None
    flawed_start_s: float = 0.0
    """Seconds at the start that are known to be broken."""

    @property
    def couple(self) -> bool:
        """Whether two dance."""
        return self.follower is not None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of it that exists."""
        all_ = (self.leader, self.follower, self.music, *self.beside)
        return tuple(path for path in all_ if path is not None and path.is_file())

    def require(self) -> None:
        """InputError unless every dancer's file is there."""
        for role, path, other in (("follower", self.follower, self.leader), ("leader", self.leader, self.follower)):
            if path is not None and not path.is_file():
                beside = f" beside {other.name}" if other is not None else ""
                raise InputError(
                    f"{self.name}: expected a partner, got no {role} ({path.name}){beside}. "
                    "Fetch the missing file, or move this one out of the folder."
                )


@dataclass(frozen=True)
class Points:
    """A dancer of whom only joint positions are known: (T, J, 3) in the file's axes and unit, J at least 22."""

    fps: float
    joints_m: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.joints_m.ndim != 3 or self.joints_m.shape[1] < JOINTS or self.joints_m.shape[2] != 3:
            raise MotionError(
                f"Points: expected (T, {JOINTS} or more, 3), got {self.joints_m.shape}. Check what the file holds."
            )


Dancer: TypeAlias = Motion | Points
Dancers: TypeAlias = dict[str, Dancer]
"""By role: leader and follower, or the leader alone."""


@dataclass(frozen=True)
class Source:
    """A data set: how to find its recordings and how to read one."""

    name: str
    """What ``--dataset`` calls it."""
    layout: str
    """Where its files lie, for whoever looks for them."""
    licence: str
    """Its terms, in a line."""
    up: str
    """The axis its authors say is up: "y" or "z"."""
    find: Callable[[Path], list[Recording]]
    """The recordings under a folder; none where it holds something else."""
    read: Callable[[Recording], tuple[Dancers, list[Finding]]]
    """The dancers of one, still in the file's axes, and what its reader has to say."""


def hashed_split(name: str, *, tenths_test: int = 1, tenths_validation: int = 1) -> str:
    """A split drawn once and for all from a take's name, for data sets whose authors state none."""
    draw = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    if draw < tenths_test:
        return TEST
    return VALIDATION if draw < tenths_test + tenths_validation else TRAIN


def music_beside(folders: list[Path], stem: str) -> Path | None:
    """The sound file called ``stem`` in the first of ``folders`` that has one."""
    for folder in folders:
        for suffix in (".wav", ".mp3", ".ogg", ".flac"):
            if (folder / f"{stem}{suffix}").is_file():
                return folder / f"{stem}{suffix}"
    return None
