"""What the networks see and say: leader features in, follower features out, and the way back to the world.

Everything here is invariant to where on the floor the couple is and which way it faces, so that no
committed token ever needs to be expressed anew. The same functions make the training data and run
live; ``LAYOUT_VERSION`` goes into the contract and changes with any of them.
"""

import cmath
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duet.kinematics import heading_yaw
from duet.rotations import Array, matrix_from_6d, six_d_from_matrix, wrap_angle, yaw_matrix
from duet.skeleton import BODY, BODY_JOINT_NAMES

LAYOUT_VERSION = "1"

LEADER_POSE = slice(0, 66)
"""Joints (22, 3) relative to the pelvis, in the leader's heading frame, metres."""
LEADER_VELOCITY = slice(66, 69)
"""Pelvis velocity in the heading frame, m/s."""
LEADER_YAW_RATE = slice(69, 70)
LEADER_HEIGHT = slice(70, 71)
LEADER_CONFIDENCE = slice(71, 72)
LEADER_SIZE = 72

UPPER_JOINTS = tuple(
    BODY_JOINT_NAMES.index(n)
    for n in (
        "spine1", "spine2", "spine3", "neck", "left_collar", "right_collar", "head", "left_shoulder",
        "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    )
)  # fmt: skip
LOWER_JOINTS = tuple(j for j in range(len(BODY_JOINT_NAMES)) if j not in UPPER_JOINTS)

FOLLOWER_UPPER = slice(0, 78)
"""Local rotations 6D of UPPER_JOINTS (13, 6)."""
FOLLOWER_LOWER = slice(78, 132)
"""Rotations 6D of LOWER_JOINTS (9, 6): pelvis in the follower's heading frame, legs local."""
FOLLOWER_ROOT = slice(132, 141)
"""Where the follower stands and goes, see ROOT_*."""
FOLLOWER_CONTACT = slice(141, 145)
"""Contact of duet.skeleton.FEET, [0, 1]."""
FOLLOWER_SIZE = 145

ROOT_PLACE = slice(0, 2)
"""Follower pelvis minus leader pelvis (x, z) in the leader's heading frame of the same frame, metres."""
ROOT_FACING = slice(2, 4)
"""sin, cos of follower heading minus leader heading."""
ROOT_VELOCITY = slice(4, 7)
"""Pelvis velocity to this frame, in the follower's own heading frame, m/s."""
ROOT_YAW_RATE = slice(7, 8)
"""rad/s."""
ROOT_HEIGHT = slice(8, 9)
"""Pelvis above the floor, metres."""

PLACE_SIZE = 8

HEADING_TIME_CONSTANT_S = 0.25
"""The leader's heading is smoothed causally: shoulders sway with every step, a partner's place does not."""


def smooth_heading(yaw_rad: Array, fps: float, previous_rad: float | None = None) -> NDArray[np.float64]:
    """Causal one-pole low-pass of a yaw track (T,), unwrapped; continues from ``previous_rad``."""
    gain = 1.0 - math.exp(-1.0 / (HEADING_TIME_CONSTANT_S * fps))
    out = np.empty(len(yaw_rad))
    state = float(yaw_rad[0]) if previous_rad is None else previous_rad
    for t, yaw in enumerate(yaw_rad):
        state += gain * math.remainder(float(yaw) - state, math.tau)
        out[t] = state
    return out


def leader_headings(joints_m: Array, fps: float, previous_rad: float | None = None) -> NDArray[np.float64]:
    """Smoothed heading (T,) in radians of joints (T, 22, 3)."""
    return smooth_heading(heading_yaw(BODY, joints_m), fps, previous_rad)


def leader_features(
    joints_m: Array, heading_rad: Array, fps: float, *, confidence: Array, before: tuple[Array, float] | None = None
) -> NDArray[np.float32]:
    """Features (T, 72) of a leader: joints (T, 22, 3) in the world, smoothed headings (T,), confidence (T,).

    ``before`` is ``(joints (22, 3), heading)`` of the frame before the first, for its velocity;
    without it the first frame stands still.
    """
    first = (joints_m[0], float(heading_rad[0])) if before is None else before
    root = joints_m[:, 0]
    previous_root = np.concatenate([np.asarray(first[0])[None, 0], root[:-1]])
    previous_heading = np.concatenate([[first[1]], heading_rad[:-1]])
    into_heading = yaw_matrix(-np.asarray(heading_rad, dtype=np.float64))
    pose = np.einsum("tij,tkj->tki", into_heading, joints_m - root[:, None])
    velocity = np.einsum("tij,tj->ti", into_heading, (root - previous_root) * fps)
    yaw_rate = wrap_angle(heading_rad - previous_heading) * fps
    columns = [pose.reshape(len(root), -1), velocity, yaw_rate[:, None], root[:, 1:2], np.asarray(confidence)[:, None]]
    return np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float32)


def pelvis_yaw(pelvis: Array) -> NDArray[np.floating]:
    """Heading (...) of a pelvis rotation (..., 3, 3): where its +Z points on the floor."""
    return np.arctan2(pelvis[..., 0, 2], pelvis[..., 2, 2])


def follower_features(
    root_m: Array, rotations: Array, contacts: Array, leader_root_m: Array, leader_heading_rad: Array, fps: float
) -> NDArray[np.float32]:
    """Features (T, 145) of a follower on BODY: root (T, 3), local rotations (T, 22, 3, 3), contacts (T, 4).

    The leader's pelvis (T, 3) and smoothed heading (T,) give the frame of ROOT_PLACE.
    """
    yaw = pelvis_yaw(rotations[:, 0])
    pelvis = yaw_matrix(-yaw) @ rotations[:, 0]
    lower = rotations[:, list(LOWER_JOINTS)].copy()
    lower[:, 0] = pelvis
    into_leader = yaw_matrix(-np.asarray(leader_heading_rad, dtype=np.float64))
    place = np.einsum("tij,tj->ti", into_leader, root_m - leader_root_m)
    facing = yaw - leader_heading_rad
    step = np.diff(root_m, axis=0, prepend=root_m[:1]) * fps
    velocity = np.einsum("tij,tj->ti", yaw_matrix(-yaw), step)
    yaw_rate = wrap_angle(np.diff(yaw, prepend=yaw[:1])) * fps
    columns = [
        six_d_from_matrix(rotations[:, list(UPPER_JOINTS)]).reshape(len(yaw), -1),
        six_d_from_matrix(lower).reshape(len(yaw), -1),
        place[:, [0, 2]],
        np.sin(facing)[:, None],
        np.cos(facing)[:, None],
        velocity,
        yaw_rate[:, None],
        root_m[:, 1:2],
        contacts,
    ]
    return np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float32)


@dataclass(frozen=True)
class Standing:
    """Where a body stands: pelvis (3,) in the world and heading in radians."""

    root_m: NDArray[np.floating]
    yaw_rad: float
    giving_m: tuple[float, float] = (0.0, 0.0)
    """The step (x, z) of this frame that gave way to the other body: who gives way does so with a run-up."""


@dataclass(frozen=True)
class Placement:
    """The partner's place that a stage asks for."""

    distance_m: float = 0.85
    bearing_rad: float = 0.0
    """Direction from the leader's heading, 0 straight ahead, positive to the leader's left."""


def place_features(follower: Standing, leader: Standing, wish: Placement, confidence: float) -> NDArray[np.float32]:
    """(8,): follower's place (x, z) and facing (sin, cos) seen by the leader, the wished distance and
    bearing (sin, cos), tracking confidence."""
    place = yaw_matrix(-leader.yaw_rad) @ (follower.root_m - leader.root_m)
    facing = follower.yaw_rad - leader.yaw_rad
    return np.array(
        [
            place[0], place[2], np.sin(facing), np.cos(facing), wish.distance_m,
            np.sin(wish.bearing_rad), np.cos(wish.bearing_rad), confidence,
        ],
        dtype=np.float32,
    )  # fmt: skip


def partner_standing(leader: Standing, wish: Placement, height_m: float) -> Standing:
    """The wished place: in front of the leader, facing them."""
    yaw = leader.yaw_rad + wish.bearing_rad
    root = leader.root_m + wish.distance_m * np.array([np.sin(yaw), 0.0, np.cos(yaw)])
    return Standing(np.array([root[0], height_m, root[2]]), float(wrap_angle(yaw + np.pi)))


KEEP_APART_M = 0.42
"""Pelvis to pelvis: nearer than this, two bodies are inside each other. Real couples pass at 0.4 to 0.5 m."""
_GIVE_WAY = 0.35
"""How much of a lack of room is made good per frame: quick enough for a walk, too slow for a jump."""
GO_ROUND_M = 0.6
"""A way to the other side of the leader keeps this far from them, or as far as its ends do."""
HURRY_M_S = 3.0
"""Nobody is moved to their place faster than they could run there."""
_GIVE_WAY_STEP_M = 0.05
"""No step out of the leader's way is longer, whatever the lack of room."""
_GIVE_WAY_EAGER, _GIVE_WAY_NEW = 0.8, 0.5
"""How much of a lack of room a step would make good, and how much of a step is decided anew in each frame."""


class Room(Protocol):
    """Knows where two bodies are in each other's way, see ``duet.giving_way.Bodies``."""

    def lack(self, frame: int, root_m: Array, yaw_rad: float) -> Array:
        """The step (x, z) that takes a follower who stands there in ``frame`` out of the leader."""
        ...


def integrate_root(
    standing: Standing,
    root_features: Array,
    leader_root_m: Array,
    leader_heading_rad: Array,
    fps: float,
    leak: float,
    room: Room | None = None,
) -> list[Standing]:
    """Walk a follower on by decoded root features (T, 9), leaking toward the leader-relative place.

    Velocity and yaw rate alone drift; the place alone jumps when the leader's heading is revised.
    ``leak`` in (0, 1] per frame is how much of the gap between the two is closed: round the leader, not through
    them, and no faster than a run. Whoever comes nearer than KEEP_APART_M to the leader gives way, and with ``room``
    whoever runs into the leader's body. Leader pelvis (T, 3) and smoothed heading (T,) are those of the same frames.
    Returns T standings.
    """
    walk: list[Standing] = []
    # Plain numbers, as it runs per frame on the live path; on the floor z + ix, which is turned by being multiplied.
    at, height_m, yaw = _floor(standing.root_m), float(standing.root_m[1]), float(standing.yaw_rad)
    giving = complex(standing.giving_m[1], standing.giving_m[0])
    headings = np.asarray(leader_heading_rad, dtype=np.float64).tolist()
    facing = np.arctan2(root_features[:, 2], root_features[:, 3]).tolist()
    for t, row in enumerate(np.asarray(root_features, dtype=np.float64).tolist()):
        leader, heading = _floor(leader_root_m[t]), headings[t]
        yaw += row[7] / fps
        turn = heading + facing[t] - yaw
        yaw += leak * math.atan2(math.sin(turn), math.cos(turn))
        gone = at + complex(row[6], row[4]) * cmath.rect(1.0, yaw) / fps
        pulled = gone + _pull(gone, leader + complex(row[1], row[0]) * cmath.rect(1.0, heading), leader, leak)
        if room is not None:
            height_m += row[5] / fps
            height_m += leak * (float(leader_root_m[t][1]) - height_m)
            lack = room.lack(t, np.array([pulled.imag, height_m, pulled.real]), yaw)
            giving += _GIVE_WAY_NEW * (_give_way(complex(lack[1], lack[0])) - giving)
            pulled += giving
        moved = pulled + _room(pulled, leader, yaw) - gone
        at, height_m = gone + moved * min(1.0, HURRY_M_S / fps / max(abs(moved), 1e-9)), row[8]
        walk.append(Standing(np.array([at.imag, height_m, at.real]), yaw, (giving.imag, giving.real)))
    return walk


def _floor(point_m: Array) -> complex:
    """A point (3,) on the floor, z + ix: turned about +Y by multiplying with ``cmath.rect(1.0, yaw)``."""
    return complex(point_m[2], point_m[0])


def _pull(at: complex, target: complex, leader: complex, leak: float) -> complex:
    """The step that closes ``leak`` of the way to the target.

    A leader who turns takes the target round with them. One who always goes straight for it cuts every corner and
    ends on a circle far inside the target's (a low-pass of a rotation): so no step ends nearer to the leader than the
    same share of the way from one distance to the other, as far as GO_ROUND_M.
    """
    step = leak * (target - at)
    end, now_m, then_m = at + step - leader, abs(at - leader), abs(target - leader)
    least_m = min(now_m + leak * (then_m - now_m), GO_ROUND_M)
    return step + (least_m / abs(end) - 1.0) * end if 1e-3 < abs(end) < least_m else step


def _give_way(lack: complex) -> complex:
    """The step that answers a lack of room."""
    step = _GIVE_WAY_EAGER * lack
    return step * min(1.0, _GIVE_WAY_STEP_M / max(abs(step), 1e-9))


def _room(at: complex, leader: complex, yaw_rad: float) -> complex:
    """The step that gives the leader room; nothing while there is enough."""
    away, distance_m = at - leader, abs(at - leader)
    if distance_m >= KEEP_APART_M:
        return 0j
    # On the very spot there is no direction away: step back.
    out = away / distance_m if distance_m > 1e-3 else -cmath.rect(1.0, yaw_rad)
    return _GIVE_WAY * (KEEP_APART_M - distance_m) * out


def follower_rotations(features: Array, yaw_rad: Array) -> NDArray[np.float32]:
    """Local rotations (T, 22, 3, 3), row 0 in the world, from features (T, 145) and headings (T,)."""
    rotations = np.empty((len(features), len(BODY_JOINT_NAMES), 3, 3), dtype=np.float32)
    rotations[:, list(UPPER_JOINTS)] = matrix_from_6d(features[:, FOLLOWER_UPPER].reshape(-1, len(UPPER_JOINTS), 6))
    rotations[:, list(LOWER_JOINTS)] = matrix_from_6d(features[:, FOLLOWER_LOWER].reshape(-1, len(LOWER_JOINTS), 6))
    rotations[:, 0] = yaw_matrix(np.asarray(yaw_rad, dtype=np.float32)) @ rotations[:, 0]
    return rotations
