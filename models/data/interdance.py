"""InterDance (arXiv 2412.16982): SMPL-X parameters of couples, one pickle per dancer.

``NAME_0.pkl`` leads, ``NAME_1.pkl`` follows (segments: ``NAME_0@SEGMENT.pkl``). Two sets of keys are about:
``smpl_poses`` and ``smpl_trans``, or ``pose`` (T, 165), ``trans`` and ``beta``. 30 fps, y up, metres. Sound files lie
beside the motion or in ``music``, under the couple's name. The authors' split is not public: ours is drawn from the
take's name once and for all, so that all segments of a take are on one side.
"""

import re
from pathlib import Path

import numpy as np

from duet.errors import InputError
from models.data.recording import Dancer, Dancers, Finding, Recording, Source, hashed_split, music_beside
from models.data.smpl import MODEL_VARIABLE, array_of, from_axis_angles, model_file, model_skeleton, motion_of
from models.data.unpickle import read_pickle

FPS = 30.0
_NAME = re.compile(r"(?P<take>.+)_(?P<role>[01])(?P<segment>@[^.]*)?")
_KEYS = (("smpl_poses", "smpl_trans"), ("pose", "trans"))
_WIDTHS = (22 * 3, 52 * 3, 55 * 3)


def find(folder: Path) -> list[Recording]:
    """The couples of which at least one dancer is there."""
    for at in (folder, folder / "motion", folder / "motions", folder / "smplx"):
        if at.is_dir() and (found := _couples(at, folder)):
            return found
    return []


def _couples(at: Path, folder: Path) -> list[Recording]:
    found: dict[str, Recording] = {}
    for path in sorted(at.glob("*.pkl")):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            continue
        segment = match["segment"] or ""
        leader, follower = (at / f"{match['take']}_{role}{segment}.pkl" for role in "01")
        name = f"interdance-{match['take']}{segment}"
        music = music_beside([at, folder / "music", folder / "wav"], f"{match['take']}{segment}")
        found[name] = Recording(name, "interdance", hashed_split(match["take"]), leader, follower, music=music)
    return list(found.values())


def read(recording: Recording) -> tuple[Dancers, list[Finding]]:
    """Both dancers, y up."""
    assert recording.follower is not None
    dancers: Dancers = {}
    where: set[str] = set()
    for role, path in (("leader", recording.leader), ("follower", recording.follower)):
        dancers[role], source = _read(path)
        where.add(source)
    text = f"Proportions are those of {' and '.join(sorted(where))}."
    return dancers, [Finding(", ".join(sorted(where)), text)]


def _read(path: Path) -> tuple[Dancer, str]:
    held = read_pickle(path)
    keys = held.keys() if isinstance(held, dict) else set()
    for poses_key, translation_key in _KEYS:
        if not isinstance(held, dict) or not {poses_key, translation_key} <= keys:
            continue
        rotations = from_axis_angles(array_of(path, held[poses_key], poses_key, _WIDTHS))
        translation = array_of(path, held[translation_key], translation_key, (3,))
        betas = held.get("beta", held.get("betas"))
        model = model_file("neutral") if betas is not None else None
        if model is None or betas is None:
            return motion_of(path, rotations, translation, FPS), f"the canonical body (no model in {MODEL_VARIABLE})"
        shape = np.atleast_2d(np.asarray(betas, dtype=np.float64))[0]
        return motion_of(path, rotations, translation, FPS, skeleton=model_skeleton(model, shape)), "SMPL-X"
    raise InputError(
        f"{path}: expected smpl_poses and smpl_trans, or pose and trans, got {', '.join(map(str, keys)) or 'neither'}. "
        "Fetch the file again."
    )


INTERDANCE = Source(
    name="interdance",
    layout="NAME_0.pkl and NAME_1.pkl",
    licence="InterDance (arXiv 2412.16982): research only, by its authors' terms; do not pass the data on.",
    up="y",
    find=find,
    read=read,
)
