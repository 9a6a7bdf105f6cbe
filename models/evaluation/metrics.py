"""How close a danced follower is to the real one, and how much it moves like a dancer.

All on paired frames (T, 22, 3) of the same take. Gate on closeness; what measures the beat misleads with so little
data (holding still beats a real dancer at "echoing" the leader's beats), so it is reported by others, not here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.features import pelvis_yaw
from duet.rotations import Array, wrap_angle, yaw_matrix
from duet.skeleton import BODY, FEET
from models.evaluation.bodies import overlapping
from models.evaluation.statistics import Track

Floats = NDArray[np.floating]
CONTACT_HEIGHT_M = 0.03
"""A foot joint within this of its lowest height counts as down, for the skate measure only."""


@dataclass(frozen=True)
class Performance:
    """A follower's dance to one take, however it came to be."""

    joints_m: Floats
    """(T, 22, 3) in the world."""
    yaw_rad: Floats
    """(T,) heading of the pelvis."""

    @classmethod
    def of(cls, joints_m: Floats, rotations: Floats) -> "Performance":
        """From joints and local rotations (T, 22, 3, 3)."""
        return cls(np.asarray(joints_m, dtype=np.float64), pelvis_yaw(np.asarray(rotations, dtype=np.float64)[:, 0]))


def tracks(made: Performance, real: Performance, leader_m: Array, fps: float) -> dict[str, Track]:
    """Numbers by name, frame by frame; ratios are made / real, so that 1 is like the real follower."""
    made_root, real_root = made.joints_m[:, 0], real.joints_m[:, 0]
    leader_root = np.asarray(leader_m)[:, 0]
    away = flat(made_root - leader_root) - flat(real_root - leader_root)
    turned = np.degrees(np.abs(wrap_angle(made.yaw_rad - real.yaw_rad)))
    pose, own = _centred(made.joints_m) - _centred(real.joints_m), own_frame(made) - own_frame(real)
    return {
        "root_ade_m": Track.mean(flat(made_root - real_root)),
        "distance_mae_m": Track.mean(np.abs(away)),
        "heading_deg": Track.mean(turned),
        "mpjpe_mm": Track.mean(1000.0 * _length(pose)),
        "mpjpe_turned_mm": Track.mean(1000.0 * _length(own)),
        "speed_ratio": Track(_speed(made.joints_m), _speed(real.joints_m)),
        "pose_speed_ratio": Track(_speed(own_frame(made)), _speed(own_frame(real))),
        "jerk_ratio": Track(_speed(made.joints_m, 3), _speed(real.joints_m, 3)),
        "turn_ratio": Track(_turning(made.yaw_rad), _turning(real.yaw_rad)),
        "skate": skating(made.joints_m, fps),
        "skate_real": skating(real.joints_m, fps),
        "overlap_percent": Track.mean(100.0 * overlapping(made.joints_m, leader_m)),
        "overlap_real_percent": Track.mean(100.0 * overlapping(real.joints_m, leader_m)),
    }


def measure(made: Performance, real: Performance, leader_m: Array, fps: float) -> dict[str, float]:
    """The same numbers over all frames, and the worst bone."""
    whole = {name: track.value for name, track in tracks(made, real, leader_m, fps).items()}
    return whole | {"bone_error_mm": bone_error_mm(made.joints_m)}


def skating(joints_m: Array, fps: float) -> Track:
    """Share of frames in which a foot that is down slides faster than 0.3 m/s."""
    feet = np.asarray(joints_m)[:, list(FEET)]
    down = feet[..., 1] < np.percentile(feet[..., 1], 5, axis=0) + CONTACT_HEIGHT_M
    sliding = flat(np.diff(feet, axis=0)) * fps > 0.3
    down = down[1:]
    return Track((sliding & down).sum(axis=1).astype(np.float64), down.sum(axis=1).astype(np.float64))


def skate(joints_m: Array, fps: float) -> float:
    """The same over all frames; 0 where no foot is ever down."""
    return float(np.nan_to_num(skating(joints_m, fps).value))


def bone_error_mm(joints_m: Array) -> float:
    """Largest deviation of any bone from its length."""
    parents = np.array(BODY.parents[1:])
    lengths = np.linalg.norm(joints_m[:, 1:] - joints_m[:, parents], axis=-1)
    return 1000.0 * float(np.abs(lengths - BODY.bone_lengths_m[1:]).max())


def flat(vectors: Array) -> Floats:
    """Horizontal length of (..., 3)."""
    return np.hypot(vectors[..., 0], vectors[..., 2])


def own_frame(performance: Performance) -> Floats:
    """Joints (T, 22, 3) seen from the follower's own pelvis and heading."""
    return np.einsum("tij,tkj->tki", yaw_matrix(-performance.yaw_rad), _centred(performance.joints_m))


def _centred(joints_m: Array) -> Floats:
    return joints_m - joints_m[:, :1]


def _length(vectors: Array) -> NDArray[np.float64]:
    """(T,) mean length over the joints of (T, J, 3)."""
    return np.asarray(np.linalg.norm(vectors, axis=-1).mean(axis=1), dtype=np.float64)


def _speed(joints_m: Array, order: int = 1) -> NDArray[np.float64]:
    """(T - order,) mean length over the joints of the differences of (T, J, 3)."""
    return _length(np.diff(np.asarray(joints_m, dtype=np.float64), n=order, axis=0))


def _turning(yaw_rad: Array) -> NDArray[np.float64]:
    return np.abs(wrap_angle(np.diff(yaw_rad))).astype(np.float64)
