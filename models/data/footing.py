"""Feet that stay where they stand when a take is warped or spliced.

A warp or a cross-fade moves the whole body a little, its planted feet with it. Here every foot that stands gets back
the steps it made in the source, and the correction is handed over from stance to stance while the foot is in the air
(Kovar, Schreiner and Gleicher 2002, "Footskate cleanup for motion capture editing"). Legs follow by two-bone inverse
kinematics, so that bones keep their lengths. It looks ahead: for making data only.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.choreography.curves import ease
from duet.kinematics import foot_contacts, forward, two_bone_ik
from duet.motion import Motion
from duet.rotations import wrap_angle, yaw_matrix
from duet.skeleton import FEET

Floats = NDArray[np.float64]

LARGEST_PULL_M = 0.10
"""A foot that would have to be held further than this from where its leg wants it slips instead."""
_FLICKER_FRAMES = 2
"""Gaps in a stance up to this long, and stances up to half of it, are noise of the contact detection."""
_LEGS = tuple(tuple(f"{side}_{joint}" for joint in ("hip", "knee", "ankle", "foot")) for side in ("left", "right"))


@dataclass(frozen=True)
class Stride:
    """What both feet (left, right) of a dancer do on the floor plan."""

    places: Floats
    """(T, 2, 3) x and z of the ball of each foot in metres, and where the foot points in radians, unwrapped."""
    stands: NDArray[np.bool_]
    """(T, 2) whether it is planted."""

    def steps(self) -> Floats:
        """(T, 2, 3) change of ``places`` since the frame before; 0 in the first."""
        return np.diff(self.places, axis=0, prepend=self.places[:1])


def stride(motion: Motion) -> Stride:
    """Where the feet of ``motion`` are and when they stand; each foot is levelled by itself first."""
    joints, feet = motion.joints_m.astype(np.float64), list(FEET)
    rest = motion.skeleton.rest_joints_m[feet, 1]
    joints[:, feet, 1] -= np.percentile(joints[:, feet, 1], 5, axis=0) - rest
    contacts = foot_contacts(joints, motion.fps) > 0.5
    stands = np.stack([_steady(contacts[:, k] | contacts[:, k + 2]) for k in (0, 1)], axis=1)
    ankles, toes = joints[:, feet[:2]], joints[:, feet[2:]]
    ahead = toes - ankles
    yaw = np.unwrap(np.arctan2(ahead[..., 0], ahead[..., 2]), axis=0)
    return Stride(np.stack([toes[..., 0], toes[..., 2], yaw], axis=-1), stands)


def replanted(motion: Motion, steps: Floats, stands: NDArray[np.bool_]) -> Motion:
    """``motion`` with every standing foot making exactly ``steps`` (T, 2, 3) of the source while it stands (T, 2)."""
    places = stride(motion).places
    joints, turned = forward(motion.skeleton, motion.root_m.astype(np.float64), motion.rotations.astype(np.float64))
    local = motion.rotations.astype(np.float64)
    for foot, names in enumerate(_LEGS):
        pull = _handed_over(places[:, foot], steps[:, foot], stands[:, foot])
        hip, knee, ankle, ball = (motion.skeleton.index(name) for name in names)
        twist = yaw_matrix(pull[:, 2])
        # The foot turns about its ball: that is what stays on the floor when the heel rises.
        target = joints[:, ball] + np.einsum("tij,tj->ti", twist, joints[:, ankle] - joints[:, ball])
        target[:, [0, 2]] += pull[:, :2]
        upper, lower = two_bone_ik(
            joints[:, hip], joints[:, knee], joints[:, ankle], target, hinge_axis=turned[:, hip, :, 0]
        )
        thigh, shin = upper @ turned[:, hip], lower @ turned[:, knee]
        sole = twist @ turned[:, ankle]
        local[:, hip] = np.swapaxes(turned[:, motion.skeleton.parents[hip]], -1, -2) @ thigh
        local[:, knee] = np.swapaxes(thigh, -1, -2) @ shin
        local[:, ankle] = np.swapaxes(shin, -1, -2) @ sole
    return replace(motion, rotations=local.astype(np.float32))


def spans(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """``[start, stop)`` of each stretch in which ``flags`` (T,) is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _steady(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``flags`` (T,) without flicker."""
    steady = flags.copy()
    for start, stop in spans(~flags):
        if stop - start <= _FLICKER_FRAMES and start > 0 and stop < len(flags):
            steady[start:stop] = True
    for start, stop in spans(steady):
        if stop - start <= _FLICKER_FRAMES // 2:
            steady[start:stop] = False
    return steady


def _handed_over(places: Floats, steps: Floats, stands: NDArray[np.bool_]) -> Floats:
    """(T, 3) what to add to ``places`` (T, 3) of one foot so that it makes ``steps`` (T, 3) while it stands."""
    pull = np.zeros_like(places)
    stances = spans(stands)
    for start, stop in stances:
        wanted = np.concatenate([np.zeros((1, 3)), np.cumsum(steps[start + 1 : stop], axis=0)])
        made = places[start:stop] - places[start]
        lag = wanted - made
        lag[:, 2] = wrap_angle(lag[:, 2])
        # Half of the correction before the middle of the stance, half after: the least pull on the leg.
        pull[start:stop] = lag - lag.mean(axis=0)
    for (_, stop), (start, _) in zip(stances, stances[1:], strict=False):
        share = ease(np.arange(1, start - stop + 1) / (start - stop + 1))[:, None]
        pull[stop:start] = pull[stop - 1] * (1.0 - share) + pull[start] * share
    if stances:
        pull[: stances[0][0]] = pull[stances[0][0]]
        pull[stances[-1][1] :] = pull[stances[-1][1] - 1]
    length = np.linalg.norm(pull[:, :2], axis=1, keepdims=True)
    return pull / np.maximum(length / LARGEST_PULL_M, 1.0)
