"""Own couples: two takes a dance, as ``duet record-take`` or any motion capture leaves them.

``NAME-leader.npz`` and ``NAME-follower.npz`` (or ``.bvh``; ``_`` instead of ``-`` is fine), both on one clock and one
floor; or ``NAME-couple.npz`` with both, as ``duet-lab choreograph`` writes it. A BVH's unit and axis are measured.
Music lies beside them as ``NAME.wav``, ``.mp3``, ``.ogg`` or ``.flac``. What lies in the folders ``validation`` and
``test`` is never learned from; where there is no such folder, the take's name decides, once and for all.
"""

import re
from pathlib import Path

import numpy as np

from duet.bvh import read_bvh
from duet.errors import InputError
from duet.motion import Motion, read_motion
from models.data.recording import SPLITS, TRAIN, Dancers, Finding, Recording, Source, hashed_split, music_beside

NAME = "own"
_ROLES = ("leader", "follower")
_COUPLE = "couple"
_FILE = re.compile(rf"(?P<take>.+?)[-_](?P<role>{'|'.join((*_ROLES, _COUPLE))})", re.IGNORECASE)
_ENDINGS = (".npz", ".bvh")
"""The first is taken where a dancer lies there twice."""


def find(folder: Path) -> list[Recording]:
    """The couples in ``folder`` and in its folders ``train``, ``validation`` and ``test``."""
    parted = any((folder / split).is_dir() and _dancers(folder / split) for split in SPLITS)
    found = []
    for place, split in ((folder, TRAIN if parted else None), *((folder / split, split) for split in SPLITS)):
        for take, files in sorted(_dancers(place).items()):
            name = f"{NAME}-{take}"
            both = files.get(_COUPLE)
            leader, follower = (both or files.get(role, place / f"{take}-{role}.npz") for role in _ROLES)
            music = music_beside([place], take)
            found.append(Recording(name, NAME, split or hashed_split(take), leader, follower, music=music))
    _unique(found)
    return found


def _dancers(place: Path) -> dict[str, dict[str, Path]]:
    """Take -> role -> file."""
    takes: dict[str, dict[str, Path]] = {}
    for ending in _ENDINGS:
        for path in sorted(place.glob(f"*{ending}")) if place.is_dir() else []:
            if (match := _FILE.fullmatch(path.stem)) is not None:
                takes.setdefault(match["take"], {}).setdefault(match["role"].lower(), path)
    return takes


def _unique(found: list[Recording]) -> None:
    """InputError for a take that lies in two folders: it would be learned from and judged by."""
    seen: dict[str, Recording] = {}
    for one in found:
        other = seen.setdefault(one.name, one)
        if other is not one:
            raise InputError(
                f"{one.leader.parent}: expected every couple once, got {one.name.removeprefix(f'{NAME}-')} here and in "
                f"{other.leader.parent}. Move one of the two away."
            )


def read(recording: Recording) -> tuple[Dancers, list[Finding]]:
    """Both dancers, in the axes and the unit of their files."""
    assert recording.follower is not None
    return {"leader": _read(recording.leader, "leader"), "follower": _read(recording.follower, "follower")}, []


def _read(path: Path, role: str) -> Motion:
    if path.suffix.lower() == ".npz":
        return read_motion(path, dancer=role)
    fps, skeleton, root, rotations = read_bvh(path, scale=1.0)
    return Motion(fps, skeleton, root.astype(np.float32), rotations.astype(np.float32))


OWN = Source(
    name=NAME,
    layout="NAME-leader.npz and NAME-follower.npz (or .bvh), those to judge by in validation/",
    licence="Own recordings: what those who danced them allow.",
    up="y",
    find=find,
    read=read,
)
