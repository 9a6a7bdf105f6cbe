"""Motorica Dance Dataset (Valle-Perez et al. 2021, Alexanderson et al. 2023): solo dances, BVH at 120 fps with sound.

``kthX_gYY_sFM_cAll_dNN_mYY_chNN....bvh``, centimetres, y up, and a sound file of the same name beside it or in ``wav``.
Its joints (Hips, Spine, Spine1, Neck, Head, LeftShoulder, LeftArm, LeftForeArm, LeftHand, LeftUpLeg, LeftLeg, LeftFoot,
LeftToeBase, and the right ones) go to ours by name, see ``duet.bvh``. The published splits are not part of the data
set: ours is drawn from dancer, music and number, so that all pieces of a dance are on one side.
"""

import re
from pathlib import Path

from duet.bvh import read_bvh
from duet.motion import Motion
from models.data.recording import Dancers, Finding, Recording, Source, hashed_split, music_beside

_NAME = re.compile(r"kth\w*?_g(?P<genre>[A-Z]{2})_s\w+?_cAll_(?P<dance>d\w+?_m\w+?_ch\d+).*")


def find(folder: Path) -> list[Recording]:
    """The takes under ``folder``, or in its ``bvh``."""
    for at in (folder, folder / "bvh"):
        found = []
        for path in sorted(at.glob("kth*.bvh")) if at.is_dir() else ():
            match = _NAME.fullmatch(path.stem)
            if match is not None:
                split = hashed_split(f"{match['genre']}_{match['dance']}")
                music = music_beside([at, folder / "wav", folder / "audio", folder / "music"], path.stem)
                found.append(Recording(f"motorica-{path.stem}", "motorica", split, path, music=music))
        if found:
            return found
    return []


def read(recording: Recording) -> tuple[Dancers, list[Finding]]:
    """The dancer, in the file's unit."""
    fps, skeleton, root, rotations = read_bvh(recording.leader, scale=1.0)
    return {"leader": Motion(fps, skeleton, root.astype("float32"), rotations.astype("float32"))}, []


MOTORICA = Source(
    name="motorica",
    layout="kthX_gYY_sFM_cAll_dNN_mYY_chNN.bvh (and .wav)",
    licence="Motorica Dance Dataset: non-commercial research; do not pass the data on; name it when you use it.",
    up="y",
    find=find,
    read=read,
)
