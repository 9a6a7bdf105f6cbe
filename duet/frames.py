"""The values that flow through the live half: frozen, stamped at capture, read-only once published.

Arrays are float32 and C-contiguous; metres, seconds, right-handed, Y up. ``time_s`` is on the
session clock.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class LeaderStatus(StrEnum):
    """How the leader's newest frame came to be."""

    TRACKED = "tracked"
    HELD = "held"  # a short drop-out: the last pose, carried on
    LOST = "lost"  # nobody seen for longer than the tracker extrapolates


class PoseSource(StrEnum):
    """How a follower's pose came to be shown."""

    MODEL = "model"
    BLEND = "blend"  # cross-fade back from a held pose
    HOLD = "hold"  # starved: easing to, or resting in, a held pose


@dataclass(frozen=True, eq=False)
class _Published:
    """Turns every array field into read-only contiguous float32, so that no reader can change it."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                array = np.array(value, dtype=np.float32, order="C")
                array.setflags(write=False)
                object.__setattr__(self, field.name, array)


@dataclass(frozen=True, eq=False)
class MusicFrame(_Published):
    """What is known of the music at one hop."""

    index: int
    time_s: float
    """Centre of the hop's analysis window at the converter."""
    features: Floats
    """(D,) in the layout of ``duet.music.FEATURES``."""
    beat_phase: float
    """[0, 1): 0 on the beat."""
    bar_phase: float
    """[0, 1): 0 on the downbeat."""
    tempo_bpm: float
    confidence: float
    """[0, 1]; 0 in silence."""
    metre: int = 4
    """Beats in a bar."""


@dataclass(frozen=True, eq=False)
class LeaderFrame(_Published):
    """The leader's body at one moment."""

    index: int
    time_s: float
    """Mid-exposure."""
    root_m: Floats
    """(3,) pelvis in the world."""
    joints_m: Floats
    """(22, 3) in the world, on the canonical body."""
    rotations_6d: Floats
    """(22, 6) local rotations; row 0 is the pelvis in the world."""
    visibility: Floats
    """(22,) in [0, 1]."""
    status: LeaderStatus


@dataclass(frozen=True, eq=False)
class FollowerPose(_Published):
    """The follower's body as it is shown at ``time_s``."""

    time_s: float
    root_m: Floats
    """(3,) pelvis in the world."""
    quaternions_wxyz: Floats
    """(22, 4) or (55, 4) local rotations; row 0 is the pelvis in the world."""
    contacts: Floats
    """(4,) in [0, 1], in the order of ``duet.skeleton.FEET``."""
    source: PoseSource
