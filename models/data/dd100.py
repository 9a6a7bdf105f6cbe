"""DD100, the duets of Duolando (arXiv 2403.18811): SMPL-X parameters, or the arrays derived from them.

``motion/smplx/{all,train,test}/GENRE_CHOREO_TAKE_{00,01}.npy`` hold a dictionary each (poses (T, 165), transl, betas,
meta); ``motion/rotmat`` a translation and 55 matrices, ``motion/pos3d`` 55 joints per frame: ReactDance's
``data_lazy`` holds the last only. 00 is the follower, 01 the leader. 30 fps, z up, metres. Music, where it lies in
``music/mp3``, is called GENRE_CHOREO_TAKE. Rotations are taken where there are any; positions beside them give each
dancer's own proportions.

Test takes are the authors': choreographies divisible by 5, of ballet 9 and 10. They state no validation takes: here
these are choreographies that end in 1, of ballet 8, taken from the training ones.
"""

import re
from pathlib import Path

import numpy as np

from duet.errors import InputError
from models.data.recording import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Dancer,
    Dancers,
    Finding,
    Points,
    Recording,
    Source,
    music_beside,
)
from models.data.smpl import (
    MODEL_VARIABLE,
    array_of,
    from_axis_angles,
    model_file,
    model_skeleton,
    motion_of,
    skeleton_of,
)
from models.data.unpickle import read_npy

FPS = 30.0
KINDS = ("smplx", "rotmat", "pos3d")
"""Layouts of a dancer, best first."""
_FOLDERS = ("all", *SPLITS)
_NAME = re.compile(r"(?P<take>(?P<genre>.+)_(?P<choreography>\d+)_(?P<number>\d+))_(?P<role>00|01)")
_JOINTS = 55


def split_of(genre: str, choreography: int) -> str:
    """Whether a choreography is for training, validation or test."""
    if genre.lower().startswith("ballet"):
        return TEST if choreography in (9, 10) else VALIDATION if choreography == 8 else TRAIN
    return TEST if choreography % 5 == 0 else VALIDATION if choreography % 10 == 1 else TRAIN


def find(folder: Path) -> list[Recording]:
    """The takes of which at least one dancer is there."""
    for root in (folder, folder / "data", folder / "data_lazy"):
        for kind in KINDS:
            found = _takes(root, kind)
            if found:
                return found
    return []


def _takes(root: Path, kind: str) -> list[Recording]:
    found: dict[str, Recording] = {}
    for at in (root / "motion" / kind / name for name in _FOLDERS):
        for path in sorted(at.glob("*_0[01].npy")) if at.is_dir() else ():
            match = _NAME.fullmatch(path.stem)
            if match is None or f"dd100-{match['take']}" in found:
                continue
            leader, follower = (at / f"{match['take']}_{role}.npy" for role in ("01", "00"))
            found[f"dd100-{match['take']}"] = Recording(
                name=f"dd100-{match['take']}",
                dataset="dd100",
                split=split_of(match["genre"], int(match["choreography"])),
                leader=leader,
                follower=follower,
                beside=tuple(p for dancer in (leader, follower) for p in [_positions(dancer)] if p is not None),
                music=music_beside([root / "music" / "mp3" / name for name in _FOLDERS], match["take"]),
            )
    return [found[name] for name in sorted(found)]


def _positions(path: Path) -> Path | None:
    """The joint positions of the same dancer, where they lie beside rotations."""
    kind, split = path.parent.parent, path.parent.name
    beside = kind.with_name("pos3d") / split / path.name
    return beside if kind.name != "pos3d" and beside.is_file() else None


def read(recording: Recording) -> tuple[Dancers, list[Finding]]:
    """Both dancers, z up."""
    assert recording.follower is not None
    kind = recording.leader.parent.parent.name
    if kind == "pos3d":
        paths = {"leader": recording.leader, "follower": recording.follower}
        text = "Only joint positions are known; rotations were found from them, twists and heads as far as they show."
        return {role: points_of(path) for role, path in paths.items()}, [Finding("from positions", text)]
    dancers: Dancers = {}
    where: set[str] = set()
    for role, path in (("leader", recording.leader), ("follower", recording.follower)):
        dancers[role], source = _rotating(path, kind)
        where.add(source)
    text = f"Proportions are those of {' and '.join(sorted(where))}."
    return dancers, [Finding(", ".join(sorted(where)), text)]


def _rotating(path: Path, kind: str) -> tuple[Dancer, str]:
    """``(a dancer whose rotations are stored, where the proportions come from)``."""
    if kind == "rotmat":
        held = array_of(path, read_npy(path), "rotmat", (3 + _JOINTS * 9,))
        rotations, translation, betas, gender = held[:, 3:].reshape(len(held), _JOINTS, 3, 3), held[:, :3], None, ""
    else:
        rotations, translation, betas, gender = _smplx(path)
    positions = _positions(path)
    if positions is not None:
        joints = points_of(positions).joints_m
        frames = min(len(joints), len(rotations))
        skeleton = skeleton_of(rotations[:frames], joints[:frames])
        return motion_of(path, rotations[:frames], joints[:frames, 0], FPS, skeleton=skeleton), "the joint positions"
    model = model_file(gender) if betas is not None else None
    if model is not None and betas is not None:
        return motion_of(path, rotations, translation, FPS, skeleton=model_skeleton(model, betas)), "SMPL-X"
    return motion_of(path, rotations, translation, FPS), f"the canonical body (no SMPL-X model in {MODEL_VARIABLE})"


def _smplx(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    held = read_npy(path)
    if not isinstance(held, dict) or not {"poses", "transl"} <= held.keys():
        got = ", ".join(map(str, held)) if isinstance(held, dict) else type(held).__name__
        raise InputError(f"{path}: expected SMPL-X parameters (poses, transl), got {got}. Fetch the file again.")
    poses = array_of(path, held["poses"], "poses", (_JOINTS * 3,))
    translation = array_of(path, held["transl"], "transl", (3,))
    betas = np.atleast_2d(np.asarray(held.get("betas", np.zeros(10)), dtype=np.float64))[0]
    meta = held.get("meta")
    gender = str(meta.get("gender", "neutral")) if isinstance(meta, dict) else "neutral"
    return from_axis_angles(poses), translation, betas, gender


def points_of(path: Path) -> Points:
    """Joint positions (T, 165) or (T, 55, 3)."""
    held = array_of(path, read_npy(path), "pos3d", (_JOINTS * 3,))
    return Points(FPS, held.reshape(len(held), _JOINTS, 3))


DD100 = Source(
    name="dd100",
    layout="motion/{smplx,rotmat,pos3d}/{all,train,test}/GENRE_CHOREO_TAKE_{00,01}.npy (and music/mp3)",
    licence="DD100 (Duolando, arXiv 2403.18811): S-Lab licence, non-commercial; do not pass the data on.",
    up="z",
    find=find,
    read=read,
)
