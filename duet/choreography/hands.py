"""Where two dancers' hands meet, for every way of holding."""

import numpy as np

from duet.choreography.body import ARM_REACH_M, Torso, direction, free_hand
from duet.choreography.curves import ease, held, smooth
from duet.choreography.figures import CONNECTIONS
from duet.choreography.legs import SIDES
from duet.choreography.score import CoupleScore, Gesture
from duet.choreography.style import CoupleStyle
from duet.rotations import Array, normalise

_WRIST_GAP_M = 0.05
"""Each wrist stays this far from the point where the hands meet."""
_BODY_RADIUS_M, _SKIN_M = 0.20, 0.14
"""Held hands keep this far from the axis of each body, and any wrist at least that far."""
_GESTURES_M = {
    "wave": np.array([0.20, 0.28, 0.16]),
    "raise": np.array([0.06, 0.42, 0.12]),
    "offer": np.array([0.0, -0.20, 0.36]),
}
"""Where a gesture's wrist is from its shoulder: outwards, up, ahead."""
_HEAD_RADIUS_M = 0.19
_PAIRS = {
    "aside": ("left", "right"), "left": ("left", "right"), "right": ("right", "left"),
    "over_follower": ("left", "right"), "over_leader": ("left", "right"),
    "cross": ("right", "right"), "cross_over": ("right", "right"),
}  # fmt: skip
"""Connection -> (leader's hand, follower's hand) that meet in the air."""


def join_hands(
    score: CoupleScore, leader: Torso, follower: Torso, style: CoupleStyle, times_s: Array,
    *, beat_s: float, fps: float, rng: np.random.Generator,
) -> tuple[dict[str, Array], dict[str, Array]]:  # fmt: skip
    """Wrist tracks (side -> (T, 3)) of leader and follower: joined where the score says so, free elsewhere."""
    weights = smooth(held(score.hold_times_s, score.holds, times_s), 0.30 * beat_s * fps)
    weight = {name: weights[:, [k]] for k, name in enumerate(CONNECTIONS)}
    hands = [{side: free_hand(body, side, fps, rng) for side in SIDES} for body in (leader, follower)]
    wishes: list[dict[str, list[tuple[Array, Array]]]] = [{side: [] for side in SIDES} for _ in range(2)]
    for name, (hers_of_leader, hers_of_follower) in _PAIRS.items():
        if not weight[name].any():
            continue
        meeting = _meeting_point(name, leader, follower, style)
        ours = leader.shoulder(hers_of_leader), follower.shoulder(hers_of_follower)
        meeting = _within_reach(_outside(meeting, (leader, follower), _BODY_RADIUS_M), ours)
        sides = (hers_of_leader, hers_of_follower)
        ease_of = [_comfort(body, side, meeting) for body, side in zip((leader, follower), sides, strict=True)]
        joined = weight[name] * smooth(ease_of[0] * ease_of[1], 0.08 * fps)
        for wish, body, side, shoulder in zip(wishes, (leader, follower), sides, ours, strict=True):
            wrist = meeting + _WRIST_GAP_M * normalise(shoulder - meeting)
            wish[side].append((joined, _in_front(body, side, wrist)))
    back, arm = _frame_points(leader, follower)
    for who, side, point, share in (
        (0, "right", back, weight["frame"] + weight["embrace"]),
        (1, "left", arm, weight["frame"]),
    ):
        ease_of_it = smooth(_comfort((leader, follower)[who], side, point), 0.08 * fps)
        wishes[who][side].append((share * ease_of_it, _in_front((leader, follower)[who], side, point)))
    for gesture in score.gestures:
        body = (leader, follower)[gesture.who]
        wanted = wishes[gesture.who][gesture.side]
        # A hand that is held stays with its partner.
        spare = 1.0 - np.minimum(sum((w for w, _ in wanted), np.zeros((len(times_s), 1))), 1.0)
        share, wrist = _gesture(gesture, body, times_s)
        wanted.append((share * spare, wrist))
    clear = [_blend(hand, wish) for hand, wish in zip(hands, wishes, strict=True)]
    for tracks, own, other in zip(clear, (leader, follower), (follower, leader), strict=True):
        for side in SIDES:
            reached = _within_reach(tracks[side], (own.shoulder(side),))
            clear_of_other = _off_head(_outside(reached, (other,), _SKIN_M), other)
            tracks[side] = _off_head(_before_midline(own, clear_of_other), own)
    return clear[0], clear[1]


def _gesture(gesture: Gesture, body: Torso, times_s: Array) -> tuple[Array, Array]:
    """Weight (T, 1) and wrist (T, 3) of a hand that waves, is raised, or is held out."""
    sign = 1.0 if gesture.side == "left" else -1.0
    weight = ease((times_s - gesture.start_s) / 0.55) * ease((gesture.stop_s - times_s) / 0.55)
    way = np.broadcast_to(_GESTURES_M[gesture.kind] * np.array([sign, 1.0, 1.0]), (len(times_s), 3)).copy()
    if gesture.kind != "offer":
        # A hand goes up in front of its shoulder, not through it.
        way += 4.0 * (1.0 - weight)[:, None] * np.array([0.10 * sign, 0.0, 0.16])
    if gesture.kind == "wave":
        way[:, 0] += 0.10 * np.sin(2 * np.pi * 1.9 * (times_s - gesture.start_s))
    return weight[:, None], body.shoulder(gesture.side) + np.einsum("tij,tj->ti", body.chest, way)


def _blend(free: dict[str, Array], wishes: dict[str, list[tuple[Array, Array]]]) -> dict[str, Array]:
    out = {}
    for side, wanted in wishes.items():
        total = sum((w for w, _ in wanted), np.zeros((len(free[side]), 1)))
        over = np.maximum(total, 1.0)
        out[side] = free[side] * (1.0 - np.minimum(total, 1.0)) + sum(w / over * point for w, point in wanted)
    return out


def _meeting_point(name: str, leader: Torso, follower: Torso, style: CoupleStyle) -> Array:
    """(T, 3) where the hands would meet if arms had no length."""
    chests = leader.positions_m["spine3"], follower.positions_m["spine3"]
    middle, way = (chests[0] + chests[1]) / 2, direction(*chests)
    left = np.cross(np.array([0.0, 1.0, 0.0]), way)
    if name == "aside":
        return _at_height(middle + 0.40 * left, style.frame_height_m)
    if name in ("left", "right", "cross"):
        mine, hers = _PAIRS[name]
        between = (leader.shoulder(mine) + follower.shoulder(hers)) / 2
        aside = {"left": 0.05, "right": -0.05, "cross": -0.02}[name]
        return _at_height(between + aside * left, style.hand_height_m)
    if name == "over_leader":
        return _at_height(leader.positions_m["head"] + 0.16 * way, leader.positions_m["head"][:, 1] + 0.25)
    return _at_height(follower.positions_m["head"] - 0.15 * way, follower.positions_m["head"][:, 1] + 0.25)


def _at_height(point: Array, height_m: float | Array) -> Array:
    out = point.copy()
    out[:, 1] = height_m
    return out


def _comfort(body: Torso, side: str, wrist_m: Array) -> Array:
    """(T, 1) from 1 to 0: hands let go before an arm would have to go behind the back, across it, or too far."""
    way = np.einsum("tji,tj->ti", body.chest, wrist_m - body.shoulder(side))
    inward = way[:, 0] * (-1.0 if side == "left" else 1.0)
    behind = ease((way[:, 2] + 0.20) / 0.16)
    across = ease((0.50 - inward) / 0.16)
    overhead = ease((way[:, 1] - 0.05) / 0.2)
    near = ease((ARM_REACH_M + 2.5 * _WRIST_GAP_M - np.linalg.norm(way, axis=-1)) / 0.06)
    return (np.maximum(behind * across, overhead) * near)[:, None]


def _in_front(body: Torso, side: str, wrist_m: Array) -> Array:
    """A wrist (T, 3) kept where an arm can comfortably be, for the moments in which hands let go."""
    sign = 1.0 if side == "left" else -1.0
    way = np.einsum("tji,tj->ti", body.chest, wrist_m - body.shoulder(side))
    low = 1.0 - ease((way[:, 1] - 0.05) / 0.2)
    way[:, 2] += low * np.maximum(-0.08 - way[:, 2], 0.0)
    way[:, 0] += sign * low * np.maximum(-0.42 - sign * way[:, 0], 0.0)
    return body.shoulder(side) + np.einsum("tij,tj->ti", body.chest, way)


def _outside(point: Array, bodies: tuple[Torso, ...], radius_m: float) -> Array:
    """Push points at trunk height out of the dancers' trunks."""
    for body in bodies:
        axis = (body.positions_m["pelvis"] + body.positions_m["neck"]) / 2
        away = (point - axis) * np.array([1.0, 0.0, 1.0])
        distance = np.linalg.norm(away, axis=-1, keepdims=True)
        below = 1.0 - np.clip((point[:, 1:2] - body.positions_m["neck"][:, 1:2] + 0.05) / 0.12, 0.0, 1.0)
        point = point + normalise(away) * np.maximum(radius_m - distance, 0.0) * below
    return point


def _off_head(point: Array, body: Torso) -> Array:
    """Push points (T, 3) out of a dancer's head."""
    away = point - body.positions_m["head"] - np.array([0.0, 0.05, 0.0])
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    return point + normalise(away) * np.maximum(_HEAD_RADIUS_M - distance, 0.0)


def _before_midline(body: Torso, point: Array) -> Array:
    """Keep a wrist (T, 3) in front of its own trunk and head on its way from one side, or from above, to the other."""
    way = np.einsum("tji,tj->ti", body.chest, point - body.positions_m["neck"])
    middle = 1.0 - ease((np.abs(way[:, 0]) - 0.10) / 0.14)
    below = 1.0 - ease((way[:, 1] - 0.16) / 0.14)
    way[:, 2] += middle * below * np.maximum(0.20 - way[:, 2], 0.0)
    return body.positions_m["neck"] + np.einsum("tij,tj->ti", body.chest, way)


def _within_reach(point: Array, shoulders: tuple[Array, ...]) -> Array:
    """Pull points (T, 3) into the reach of all shoulders, as far as that is possible."""
    longest = ARM_REACH_M + _WRIST_GAP_M
    for _ in range(8):
        for shoulder in shoulders:
            way = point - shoulder
            distance = np.linalg.norm(way, axis=-1, keepdims=True)
            point = shoulder + way * np.minimum(1.0, longest / np.maximum(distance, 1e-6))
    return point


def _frame_points(leader: Torso, follower: Torso) -> tuple[Array, Array]:
    """(T, 3) leader's right wrist at her left side, follower's left wrist at his right upper arm."""
    side = follower.positions_m["spine3"] + follower.chest @ np.array([0.17, 0.12, -0.02])
    arm = leader.shoulder("right") + leader.chest @ np.array([-0.07, -0.08, 0.03])
    back = side + 0.07 * normalise(leader.shoulder("right") - side)
    return back, arm + 0.09 * normalise(follower.shoulder("left") - arm)
