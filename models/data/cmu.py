"""Salsa couples of the CMU database: subject 60 leads 61, as BVH (cgspeed) or as the original ASF and AMC.

BVH: ``60_NN.bvh`` and ``61_NN.bvh``. Acclaim: ``60.asf``, ``60_NN.amc``, and the same for 61, in one folder or as CMU
packs them (``subjects/60/...``).
"""

import re
from pathlib import Path

from duet.asf import read_asf
from duet.motion import Motion, read_motion
from models.data.pairs import CMU_DATA, CMU_FPS, CMU_SCALE_M, FLAWED_START_S, TRAIN_TAKES, VALIDATION_TAKES
from models.data.recording import TRAIN, VALIDATION, Dancers, Finding, Recording, Source

LEADER, FOLLOWER = "60", "61"
_SPLITS = {str(take): TRAIN for take in TRAIN_TAKES} | {str(take): VALIDATION for take in VALIDATION_TAKES}


def find(folder: Path) -> list[Recording]:
    """The takes of the split that ``folder`` has anything of."""
    found = []
    for suffix in (".bvh", ".amc"):
        files = {path.name: path for at in _places(folder) if at.is_dir() for path in at.glob(f"6[01]_*{suffix}")}
        takes = {match[1] for name in files if (match := re.fullmatch(rf"6[01]_(\d\d)\{suffix}", name))}
        for take in sorted(takes & _SPLITS.keys()):
            names = [f"{subject}_{take}{suffix}" for subject in (LEADER, FOLLOWER)]
            at = next(files[name].parent for name in names if name in files)
            leader, follower = (files.get(name, at / name) for name in names)
            beside = () if suffix == ".bvh" else (_skeleton(leader), _skeleton(follower))
            flawed_s = FLAWED_START_S.get(take, 0.0)
            found.append(
                Recording(f"cmu-{take}", "cmu", _SPLITS[take], leader, follower, beside, flawed_start_s=flawed_s)
            )
        if found:
            break
    return found


def _places(folder: Path) -> list[Path]:
    return [folder, *(folder / s for s in (LEADER, FOLLOWER)), *(folder / "subjects" / s for s in (LEADER, FOLLOWER))]


def _skeleton(path: Path) -> Path:
    return path.with_name(f"{path.name[:2]}.asf")


def read(recording: Recording) -> tuple[Dancers, list[Finding]]:
    """Both dancers, in metres."""
    assert recording.follower is not None
    paths = {"leader": recording.leader, "follower": recording.follower}
    text = (
        f"The files say 120 fps; at {CMU_FPS:g} the couple takes as many steps as in any salsa, at 120 twice as many."
    )
    rate = Finding("", text)
    return {role: _read(path) for role, path in paths.items()}, [rate]


def _read(path: Path) -> Motion:
    if path.suffix == ".bvh":
        return read_motion(path, fps_override=CMU_FPS, scale=CMU_SCALE_M)
    skeleton, root, rotations = read_asf(_skeleton(path), path)
    return Motion(CMU_FPS, skeleton, root.astype("float32"), rotations.astype("float32"))


CMU = Source(
    name="cmu",
    layout="60_NN.bvh and 61_NN.bvh, or 60.asf, 61.asf, 60_NN.amc and 61_NN.amc",
    licence=CMU_DATA,
    up="y",
    find=find,
    read=read,
)
