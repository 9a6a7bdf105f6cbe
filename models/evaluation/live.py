"""What only a live follower can get wrong: seams between commits, teleports, plans that churn, bodies inside bodies."""

import numpy as np
from numpy.typing import NDArray

from duet.features import follower_rotations
from duet.kinematics import forward
from duet.rotations import Array
from duet.skeleton import BODY
from models.evaluation.bodies import overlapping
from models.evaluation.metrics import Performance, bone_error_mm, flat, own_frame
from models.evaluation.statistics import Track
from models.rollout import Around, Floats, Grid, Inputs, Partner

TELEPORT_M = 0.15
"""A pelvis that goes further in a frame has not walked: 4.5 m/s."""
PENETRATION_M, CONTACT_M = 0.02, 0.01
FINAL_S = 1.0
"""The end of a take, over which the final error is taken."""


def live_tracks(
    made: Performance, real: Performance, leader_m: Array, fps: float, *, token_frames: int, first_frame: int = 0
) -> dict[str, Track]:
    """Numbers by name, frame by frame. ``first_frame``: how many frames of the dance were left out before these.

    Steps between commits are held against steps within them: how far a step is from the real follower's
    (``seam_root_ratio``, ``seam_joint_ratio``) and how much speed changes there (``seam_jolt_ratio``); 1 is seamless.
    """
    root_error = flat(made.joints_m[:, 0] - real.joints_m[:, 0])
    ends = np.arange(len(root_error)) >= len(root_error) - round(FINAL_S * fps)
    steps = made.joints_m[1:, 0] - made.joints_m[:-1, 0], real.joints_m[1:, 0] - real.joints_m[:-1, 0]
    own = own_frame(made)
    pose_steps = np.diff(own, axis=0), np.diff(own_frame(real), axis=0)
    joint_gap = np.linalg.norm(pose_steps[0] - pose_steps[1], axis=-1).mean(axis=1)
    jolt = np.linalg.norm(np.diff(made.joints_m, n=2, axis=0), axis=-1).mean(axis=1)
    return {
        "root_fde_m": Track((root_error * ends).astype(np.float64), ends.astype(np.float64)),
        "mpjve_mm": Track.mean(1000.0 * _root_centred_velocity_gap(made, real)),
        "teleport_percent": Track.mean(100.0 * (flat(steps[0]) > TELEPORT_M)),
        "seam_root_ratio": _seam(flat(steps[0] - steps[1]), first_frame, token_frames),
        "seam_joint_ratio": _seam(joint_gap, first_frame, token_frames),
        "seam_jolt_ratio": _seam(jolt, first_frame, token_frames),
        "contact_percent": Track.mean(100.0 * overlapping(made.joints_m, leader_m, deeper_m=-CONTACT_M)),
        "contact_real_percent": Track.mean(100.0 * overlapping(real.joints_m, leader_m, deeper_m=-CONTACT_M)),
        "penetration_percent": Track.mean(100.0 * overlapping(made.joints_m, leader_m, deeper_m=PENETRATION_M)),
        "penetration_real_percent": Track.mean(100.0 * overlapping(real.joints_m, leader_m, deeper_m=PENETRATION_M)),
    }


def live_numbers(tracks: dict[str, Track], joints_m: Array) -> dict[str, float]:
    """The tracks as numbers, and the worst bone as a share of its length."""
    worst = float(bone_error_mm(joints_m))
    shortest_mm = 1000.0 * float(BODY.bone_lengths_m[1:].min())
    return {name: track.value for name, track in tracks.items()} | {
        "bone_error_mm": worst,
        "bone_error_percent_at_most": 100.0 * worst / shortest_mm,
    }


def _root_centred_velocity_gap(made: Performance, real: Performance) -> NDArray[np.float64]:
    """(T - 1,) metres a frame."""
    one, other = (np.diff(p.joints_m - p.joints_m[:, :1], axis=0) for p in (made, real))
    return np.asarray(np.linalg.norm(one - other, axis=-1).mean(axis=1), dtype=np.float64)


def _seam(values: NDArray, first_frame: int, token_frames: int) -> Track:
    """Mean at the seams over mean within; value k is of the way from frame k to k + 1 (or about frame k + 1)."""
    seam = (np.arange(len(values)) + 1 + first_frame) % token_frames == 0
    return Track(np.where(seam, values, 0.0) * (token_frames - 1), np.where(seam, 0.0, values))


class Watched(Around):
    """A partner whose plans are held against each other: how much does a tick change what was planned for a moment?

    ``first_frame`` is the first one judged. Changes before it do not count: there a partner may be moved by others.
    """

    def __init__(self, partner: Partner, first_frame: int = 0) -> None:
        super().__init__(partner)
        self._token = Grid.of(partner.config).token
        self._first_frame = first_frame
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Forget everything."""
        super().reset(batch)
        self._start = 0
        self._planned: Floats | None = None
        self._changes_mm: list[tuple[float, float]] = []

    def tick(self, inputs: Inputs) -> Floats:
        """See ``models.rollout.Partner``."""
        frames = super().tick(inputs)
        joints = _pose(frames[0])
        if self._planned is not None and self._start >= self._first_frame:
            change = 1000.0 * np.linalg.norm(joints[: -self._token] - self._planned, axis=-1).mean(axis=1)
            self._changes_mm.append((float(change[: self._token].mean()), float(change.mean())))
        self._planned = joints[self._token :]
        self._start += self._token
        return frames

    def churn(self) -> dict[str, float]:
        """Mean change of joints, in the dancer's own frame, from one tick to the next: of what is committed next, and
        of the whole plan. Of the first take of a batch."""
        if not self._changes_mm:
            return {"churn_next_mm": float("nan"), "churn_plan_mm": float("nan")}
        nearest, whole = np.mean(self._changes_mm, axis=0)
        return {"churn_next_mm": float(nearest), "churn_plan_mm": float(whole)}


def _pose(frames: Floats) -> NDArray[np.floating]:
    """(T, 22, 3) joints of follower frames (T, 145) in the dancer's own frame, pelvis at the origin."""
    rotations = follower_rotations(frames, np.zeros(len(frames)))
    return forward(BODY, np.zeros((len(frames), 3), dtype=rotations.dtype), rotations)[0]
