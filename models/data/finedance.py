"""FineDance (Li et al. 2023): solo dances as translation and 52 rotations of SMPL-H, 30 fps, y up.

``motion/NNN.npy`` (T, 315) = translation 3 + 52 x 6; prepared ones (T, 319) have four contacts in front. The 6-D form
holds the first two *rows* of a matrix. Music lies in ``music_wav`` or ``music`` as NNN. The test takes and those to
ignore are the authors' cross-genre split; they state no validation takes: here these are drawn from the training ones.
"""

import re
from pathlib import Path

from models.data.recording import TEST, Dancers, Finding, Recording, Source, hashed_split, music_beside
from models.data.smpl import array_of, from_row_6d, motion_of
from models.data.unpickle import read_npy

FPS = 30.0
_ROTATIONS = 52
_WIDTHS = (3 + _ROTATIONS * 6, 4 + 3 + _ROTATIONS * 6)
_TEST = {63, 132, 143, 36, 98, 198, 130, 12, 211, 193, 179, 65, 137, 161, 92, 120, 37, 109, 204, 144}
_IGNORED = {116, 117, 118, 119, 120, 121, 122, 123, 202, 130}


def split_of(number: str) -> str:
    """Whether a take is for training, validation or test."""
    return TEST if int(number) in _TEST else hashed_split(f"finedance-{number}", tenths_test=0)


def find(folder: Path) -> list[Recording]:
    """The takes under ``folder``."""
    for at in (folder / "motion", folder / "motion_fea319"):
        paths = [path for path in sorted(at.glob("*.npy")) if re.fullmatch(r"\d{3}", path.stem)] if at.is_dir() else []
        if paths:
            places = [folder / "music_wav", folder / "music", folder / "wav"]
            return [
                Recording(f"finedance-{p.stem}", "finedance", split_of(p.stem), p, music=music_beside(places, p.stem))
                for p in paths
                if int(p.stem) not in _IGNORED
            ]
    return []


def read(recording: Recording) -> tuple[Dancers, list[Finding]]:
    """The dancer, y up."""
    path = recording.leader
    held = array_of(path, read_npy(path), "motion", _WIDTHS)
    held = held[:, -_WIDTHS[0] :]
    return {"leader": motion_of(path, from_row_6d(held[:, 3:]), held[:, :3], FPS)}, []


FINEDANCE = Source(
    name="finedance",
    layout="motion/NNN.npy",
    licence="FineDance (ICCV 2023): non-commercial research, by its authors' terms; do not pass the data on.",
    up="y",
    find=find,
    read=read,
)
