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


def measure(made: Performance, real: Performance, leader_m: Array, fps: float) -> dict[str, float]:
    """Numbers by name; ratios are made / real, so that 1 is like the real follower."""
    made_root, real_root = made.joints_m[:, 0], real.joints_m[:, 0]
    leader_root = np.asarray(leader_m)[:, 0]
    return {
        "root_ade_m": float(_flat(made_root - real_root).mean()),
        "distance_mae_m": float(np.abs(_flat(made_root - leader_root) - _flat(real_root - leader_root)).mean()),
        "heading_deg": float(np.degrees(np.abs(wrap_angle(made.yaw_rad - real.yaw_rad))).mean()),
        "mpjpe_mm": 1000.0 * float(np.linalg.norm(_centred(made.joints_m) - _centred(real.joints_m), axis=-1).mean()),
        "mpjpe_turned_mm": 1000.0 * float(np.linalg.norm(_own(made) - _own(real), axis=-1).mean()),
        "speed_ratio": _mean_speed(made.joints_m) / _mean_speed(real.joints_m),
        "pose_speed_ratio": _mean_speed(_own(made)) / _mean_speed(_own(real)),
        "jerk_ratio": _mean_jerk(made.joints_m) / _mean_jerk(real.joints_m),
        "turn_ratio": _turning(made.yaw_rad) / _turning(real.yaw_rad),
        "skate": skate(made.joints_m, fps),
        "skate_real": skate(real.joints_m, fps),
        "overlap_percent": 100.0 * float(overlapping(made.joints_m, leader_m).mean()),
        "overlap_real_percent": 100.0 * float(overlapping(real.joints_m, leader_m).mean()),
        "bone_error_mm": bone_error_mm(made.joints_m),
    }


def skate(joints_m: Array, fps: float) -> float:
    """Share of frames in which a foot that is down slides faster than 0.3 m/s."""
    feet = np.asarray(joints_m)[:, list(FEET)]
    down = feet[..., 1] < np.percentile(feet[..., 1], 5, axis=0) + CONTACT_HEIGHT_M
    sliding = _flat(np.diff(feet, axis=0)) * fps > 0.3
    down = down[1:]
    return float((sliding & down).sum() / max(1, down.sum()))


def bone_error_mm(joints_m: Array) -> float:
    """Largest deviation of any bone from its length."""
    parents = np.array(BODY.parents[1:])
    lengths = np.linalg.norm(joints_m[:, 1:] - joints_m[:, parents], axis=-1)
    return 1000.0 * float(np.abs(lengths - BODY.bone_lengths_m[1:]).max())


def _flat(vectors: Array) -> Floats:
    """Horizontal length of (..., 3)."""
    return np.hypot(vectors[..., 0], vectors[..., 2])


def _centred(joints_m: Array) -> Floats:
    return joints_m - joints_m[:, :1]


def _own(performance: Performance) -> Floats:
    """Joints seen from the follower's own pelvis and heading."""
    return np.einsum("tij,tkj->tki", yaw_matrix(-performance.yaw_rad), _centred(performance.joints_m))


def _mean_speed(joints_m: Array) -> float:
    return float(np.linalg.norm(np.diff(joints_m, axis=0), axis=-1).mean())


def _mean_jerk(joints_m: Array) -> float:
    return float(np.linalg.norm(np.diff(joints_m, n=3, axis=0), axis=-1).mean())


def _turning(yaw_rad: Array) -> float:
    return float(np.abs(wrap_angle(np.diff(yaw_rad))).mean())
