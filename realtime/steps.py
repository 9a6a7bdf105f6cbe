"""How far a body may go from one frame to the next: what ``Playout`` shows keeps to it, wherever it came from.

The bound is 5 cm a frame, and what it binds was read off real couples (CMU salsa at 30 fps: a pelvis moves 4.9 cm a
frame at its 99th percentile, the furthest joint 14 cm, and so does any dance):

* the pelvis goes no further than ``MOST_STEP_M`` a frame, and in no other direction or faster than in the frame before
  by more than ``MOST_CHANGE_M``; its turn is bounded likewise;
* a joint, seen from the pelvis, goes as it was planned, before or now, or between the two, or less far, give or take
  ``MOST_LEAP_M``;
* a step out of a rest is a rest's still, in which nothing is planned: no joint goes further than ``MOST_STEP_M``, its
  pelvis' way included.

All together: what handing over, foot lock, and a place that is revised add to a dance is never more than 5 cm a frame.
Where neither binds nothing is changed, to the bit. Where one does, the body is late by what it could not go, and makes
it good as soon as it may.
"""

import numpy as np
from numpy.typing import NDArray

from duet.features import pelvis_yaw
from duet.kinematics import forward
from duet.rotations import (
    Array,
    matrix_from_quaternion_wxyz,
    quaternion_wxyz_from_matrix,
    slerp_wxyz,
    yaw_matrix,
)
from duet.skeleton import BODY

MOST_STEP_M = 0.05
MOST_CHANGE_M = 0.02
MOST_LEAP_M = 0.05
MOST_TURN_RAD = 0.5
"""Of the pelvis in a frame: two and a half turns a second."""
MOST_TURN_CHANGE_RAD = 0.08
_AIM = 0.98
"""Of each bound: poses are rounded, and a display asks for moments between frames."""
_SHARES = np.append(0.75 ** np.arange(16), 0.0)
"""Of the way to a pose that is too far, of which the furthest that may be is gone."""


def bounded_place(
    root_m: Array, rotations: Array, before_root_m: Array, before_rotations: Array
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Root (N, 3) and rotations (N, 22, 3, 3) with a pelvis that goes and turns no further than it may.

    ``before_root_m`` (2, 3) and ``before_rotations`` (2, 22, 3, 3) are the two poses that were shown before.
    """
    root = _followed(np.concatenate([before_root_m, root_m]).astype(np.float64), MOST_STEP_M, MOST_CHANGE_M)
    yaw = np.unwrap(pelvis_yaw(np.concatenate([before_rotations[:, 0], rotations[:, 0]]).astype(np.float64)))
    turned = _followed(yaw[:, None], MOST_TURN_RAD, MOST_TURN_CHANGE_RAD)[:, 0] - yaw[2:]
    if not turned.any():
        return root.astype(np.float32), rotations.astype(np.float32)
    rotations = np.array(rotations, dtype=np.float64)
    rotations[:, 0] = yaw_matrix(turned) @ rotations[:, 0]
    return root.astype(np.float32), rotations.astype(np.float32)


def _followed(wanted: Array, most: float, most_change: float) -> NDArray[np.float64]:
    """(N, d) after ``wanted`` (2 + N, d), whose first two were, as well as steps and their changes allow."""
    most, most_change = most * _AIM, most_change * _AIM
    steps = np.diff(wanted, axis=0)
    free = _freely(steps, most, most_change)
    at, step, out = wanted[1 + free], steps[free], list(wanted[2 : 2 + free])
    for before, now in zip(wanted[1 + free : -1], wanted[2 + free :], strict=True):
        own, behind = now - before, before - at
        away = float(np.linalg.norm(behind))
        # As fast toward it as can be braked in time.
        made_good = min(away, float(np.sqrt(most_change * away + most_change**2 / 16) - most_change / 4))
        next_step = _within(own + behind * (made_good / away if away > 0.0 else 0.0), most)
        # A body may stop at once; it takes its time to go.
        slower = step * np.clip(next_step @ step / max(float(step @ step), 1e-12), 0.0, 1.0)
        step = slower + _within(next_step - slower, most_change)
        # Exact where nothing binds, so that no rounding is carried on.
        at = now.copy() if np.abs(at + step - now).max() <= 1e-9 else at + step
        out.append(at)
    return np.array(out).reshape(-1, wanted.shape[1])


def _freely(steps: Array, most: float, most_change: float) -> int:
    """How many of ``steps`` (1 + N, d) after the first are gone as they are wanted, before a bound binds."""
    before, now = steps[:-1], steps[1:]
    kept = np.clip((now * before).sum(axis=-1) / np.maximum((before * before).sum(axis=-1), 1e-12), 0.0, 1.0)
    change = np.linalg.norm(now - kept[:, None] * before, axis=-1)
    binds = (np.linalg.norm(now, axis=-1) > most) | (change > most_change)
    return int(np.argmax(binds)) if binds.any() else len(now)


def _within(vector: Array, most: float) -> Array:
    length = float(np.linalg.norm(vector))
    return vector if length <= most else vector * (most / length)


def own_steps_m(planned: Array) -> NDArray[np.float64]:
    """(N, 22, 3) how far each joint goes from frame to frame of a plan (N, 22, 3, 3), seen from the pelvis."""
    steps = _steps_m(planned)
    # What it did before its first frame nobody knows: as in the frame after.
    return np.concatenate([steps[:1], steps]) if len(steps) else np.zeros((1, len(BODY), 3))


def bounded_pose(
    rotations: Array, planned: Array, own_m: Array, replaced_m: Array, before: Array, rested_m: float | None = None
) -> NDArray[np.float32]:
    """Rotations (N, 22, 3, 3), in whose steps no joint leaps.

    ``planned`` (N, 22, 3, 3) are those of the plan before it was blended with anything, and ``own_m`` (N, 22, 3) its
    steps; ``replaced_m`` (K, 22, 3) are those of the plan that it replaces, K in 0 ... N, and ``before`` (22, 3, 3) was
    shown last. ``rested_m``: the first step leads out of a rest, and the pelvis goes so far in it; None where somebody
    dances.
    """
    shown = np.concatenate([before[None], rotations]).astype(np.float64)
    old, most_m = np.concatenate([replaced_m, own_m[len(replaced_m) :]]), np.full(len(rotations), MOST_LEAP_M)
    if rested_m is not None and len(rotations):
        own_m, most_m[0] = own_m.copy(), max(MOST_STEP_M - rested_m, 0.0)
        old[0] = own_m[0] = 0.0
    joints = _joints_m(shown)
    leaps = _leaps_m(np.diff(joints, axis=0), old, own_m).max(axis=-1)
    if not (leaps > most_m).any():
        return rotations.astype(np.float32)
    was_bound = False
    for i in range(int(np.argmax(leaps > most_m)), len(rotations)):
        leap = _leaps_m(joints[i + 1] - joints[i], old[i], own_m[i]).max() if was_bound else leaps[i]
        was_bound = bool(leap > most_m[i])
        if was_bound:
            near = planned[[max(i - 1, 0), i]]
            shown[i + 1] = _furthest(shown[i], near, shown[i + 1], (old[i], own_m[i]), float(most_m[i]))
            joints[i + 1] = _joints_m(shown[i + 1 : i + 2])[0]
    return shown[1:].astype(np.float32)


def _furthest(last: Array, planned: Array, wanted: Array, own: tuple[Array, Array], most_m: float) -> Array:
    """Rotations (22, 3, 3) as near to the ``wanted`` ones as may follow on the ``last``, no joint leaping further than
    ``most_m``: on the way there from where the plan's own turn ``planned`` (2, 22, 3, 3) would take them, or from where
    they are."""
    turned = last @ np.swapaxes(planned[0], -1, -2).astype(np.float64) @ planned[1]
    ends = quaternion_wxyz_from_matrix(np.stack([turned, last, wanted]))
    for start in ends[:2]:
        poses = matrix_from_quaternion_wxyz(slerp_wxyz(start[None], ends[2][None], _SHARES[:, None]))
        joints = _joints_m(np.concatenate([last[None], poses]))
        fit = _leaps_m(joints[1:] - joints[0], *own).max(axis=-1) <= _AIM * most_m
        if fit.any():
            return poses[int(np.argmax(fit))]
    return last


def _joints_m(rotations: Array) -> NDArray[np.float64]:
    """(T, 22, 3) seen from the pelvis."""
    rotations = np.asarray(rotations, dtype=np.float64)
    return forward(BODY, np.zeros((len(rotations), 3)), rotations)[0].astype(np.float64)


def _steps_m(rotations: Array) -> NDArray[np.float64]:
    """(T - 1, 22, 3)."""
    return np.diff(_joints_m(rotations), axis=0)


def _leaps_m(steps_m: Array, old: Array, new: Array) -> Array:
    """(..., 22) how far steps (..., 22, 3) are from all between the ``old`` and the ``new``, and none and the new."""
    return np.minimum(_off_m(steps_m, old, new), _off_m(steps_m, np.zeros_like(new), new))


def _off_m(points: Array, start: Array, end: Array) -> Array:
    """(...) from ``points`` (..., 3) to the straight ways from ``start`` to ``end``."""
    way = end - start
    along = ((points - start) * way).sum(axis=-1) / np.maximum((way * way).sum(axis=-1), 1e-12)
    return np.linalg.norm(points - start - np.clip(along, 0.0, 1.0)[..., None] * way, axis=-1)
