"""AIST++ (Li et al. 2021): solo dances as SMPL parameters fitted to video, 60 fps, y up.

``motions/gXX_sXX_cAll_dNN_mXXN_chNN.pkl`` with smpl_poses (T, 72), smpl_trans (T, 3) and smpl_scaling (1,): the
translation is divided by the scaling to be in metres. ``splits/crossmodal_{train,val,test}.txt`` name the takes;
``ignore_list.txt`` those whose fit is bad. Sound files are called after the music (``mBR0``), in ``wav`` or ``music``.
"""

import re
from pathlib import Path

import numpy as np

from duet.errors import InputError
from models.data.recording import (
    TEST,
    TRAIN,
    VALIDATION,
    Dancers,
    Finding,
    Recording,
    Source,
    music_beside,
)
from models.data.smpl import array_of, from_axis_angles, motion_of
from models.data.unpickle import read_pickle

FPS = 60.0
_NAME = re.compile(r"g[A-Z]{2}_s[A-Z]{2}_cAll_d\d+_(?P<music>m[A-Z]{2}\d)_ch\d+")
_SPLITS = {"train": TRAIN, "val": VALIDATION, "test": TEST}


def find(folder: Path) -> list[Recording]:
    """The takes that the split names and that are not to be ignored."""
    motions = next((at for at in (folder / "motions", folder) if at.is_dir() and any(at.glob("g*_cAll_*.pkl"))), None)
    if motions is None:
        return []
    split = _split(folder)
    ignored = set((folder / "ignore_list.txt").read_text().split()) if (folder / "ignore_list.txt").is_file() else set()
    found = []
    for path in sorted(motions.glob("*.pkl")):
        match = _NAME.fullmatch(path.stem)
        if match is None or path.stem in ignored or path.stem not in split:
            continue
        music = music_beside([folder / "wav", folder / "music", motions], match["music"])
        found.append(Recording(f"aist-{path.stem}", "aist", split[path.stem], path, music=music))
    return found


def _split(folder: Path) -> dict[str, str]:
    """Name of a take -> its split."""
    split = {}
    for part, name in _SPLITS.items():
        path = folder / "splits" / f"crossmodal_{part}.txt"
        if not path.is_file():
            raise InputError(
                f"{path}: expected the split of AIST++, got no such file. Unpack splits/ beside motions/: "
                "it is part of the annotations."
            )
        split |= dict.fromkeys(path.read_text().split(), name)
    return split


def read(recording: Recording) -> tuple[Dancers, list[Finding]]:
    """The dancer, y up."""
    path = recording.leader
    held = read_pickle(path)
    if not isinstance(held, dict) or not {"smpl_poses", "smpl_trans", "smpl_scaling"} <= held.keys():
        got = ", ".join(map(str, held)) if isinstance(held, dict) else type(held).__name__
        raise InputError(
            f"{path}: expected smpl_poses, smpl_trans and smpl_scaling, got {got}. Fetch the annotations again."
        )
    rotations = from_axis_angles(array_of(path, held["smpl_poses"], "smpl_poses", (72,)))
    scaling = float(np.asarray(held["smpl_scaling"], dtype=np.float64).reshape(-1)[0])
    if not (np.isfinite(scaling) and scaling > 0):
        raise InputError(f"{path}: expected a smpl_scaling above 0, got {scaling}. Fetch the annotations again.")
    translation = array_of(path, held["smpl_trans"], "smpl_trans", (3,)) / scaling
    text = f"The translation was divided by the fit's scaling, {scaling:.1f}."
    return {"leader": motion_of(path, rotations, translation, FPS)}, [Finding(f"scaling {scaling:.1f}", text)]


AIST = Source(
    name="aist",
    layout="motions/gXX_sXX_cAll_dNN_mXXN_chNN.pkl and splits/crossmodal_{train,val,test}.txt",
    licence="AIST++ annotations: CC BY 4.0 (Google); the videos and music of the AIST Dance Database: research only.",
    up="y",
    find=find,
    read=read,
)
