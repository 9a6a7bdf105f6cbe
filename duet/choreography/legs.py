"""From footfalls to the lower body: feet on arcs, pelvis over the weight, hips, heels and knees."""

from dataclasses import dataclass

import numpy as np

from duet.choreography.curves import ease, keyed, lower_envelope, slow_noise, smooth, soft_clip
from duet.choreography.score import BALL_AHEAD_M, LEFT, BeatGrid, DancerScore, Footfall, from_body
from duet.choreography.style import DancerStyle
from duet.kinematics import limb_rotations
from duet.rotations import Array, matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY

SIDES = ("left", "right")
_REST = BODY.rest_joints_m.astype(np.float64)
_OFFSETS = BODY.offsets_m.astype(np.float64)
_BALL_HEIGHT_M = float(_REST[BODY.index("left_foot"), 1])
_KNEE_HINGE = np.array([1.0, 0.0, 0.0])
_STRAIGHTEST = 0.985
"""Share of the whole leg length that is ever used: knees stay soft."""
_TOES_IN_RAD, _TOES_OUT_RAD = 0.35, 0.7
"""How far a standing foot may be turned against the pelvis before it pivots on its ball."""
_STEEPEST_RAD = 0.95
"""A heel rises no further than this: the ankle is then all but above the ball."""
_TRANSFER_S = 0.42
"""Weight moves from foot to foot within this, however slow the music."""
_FEET_APART_M = 0.13
"""A swinging foot passes the standing one at this distance."""
_ROLL_OFF_S, _ROLL_ON_S = 0.16, 0.10
"""A heel leaves the floor this much before its ball, and comes down this much after."""


@dataclass
class LowerBody:
    """The lower half of a dancer, per frame, in the world."""

    heading_rad: Array
    """(T,) the body's heading, unwrapped, without the turn of the hips."""
    balance: Array
    """(T,) -1 weight on the right leg, 1 on the left."""
    root_m: Array
    """(T, 3) pelvis."""
    pelvis: Array
    """(T, 3, 3) global rotation of the pelvis."""
    sink_m: Array
    """(T,) how deep it crouches."""
    legs: dict[str, Array]
    """Joint name -> (T, 3, 3) global rotation, for hips, knees, ankles and feet."""


@dataclass
class _FootTrack:
    ball_m: Array
    """(T, 3)."""
    yaw_rad: Array
    pitch_rad: Array
    """(T,) heel above the ball."""


@dataclass
class FloorPath:
    """Where a body goes on the floor plan, before its legs are posed."""

    heading_rad: Array
    """(T,)."""
    balance: Array
    """(T,)."""
    ground_m: Array
    """(T, 2) pelvis, x and z."""


def floor_path(score: DancerScore, grid: BeatGrid, times_s: Array, fps: float, rng: np.random.Generator) -> FloorPath:
    """Heading and weight of one dancer for every frame of ``times_s`` (T,)."""
    style, beat_s = score.style, grid.beat_s
    heading = smooth(keyed(score.turn_times_s, score.turns_rad, times_s), 0.2 * beat_s * fps)
    ground, balance = _weight_path(score.falls, times_s, min(beat_s, _TRANSFER_S), fps, style)
    drift = 0.01 * style.noise * slow_noise(rng, len(times_s), fps, period_s=3.0, columns=2)
    return FloorPath(heading, balance, ground + drift)


def keep_apart(paths: tuple[FloorPath, FloorPath], least_m: float, fps: float) -> None:
    """Push both pelvises apart where they come nearer than ``least_m``; the feet stay where they are."""
    way = paths[1].ground_m - paths[0].ground_m
    distance = np.linalg.norm(way, axis=-1)
    push = -lower_envelope(-np.maximum(least_m - distance, 0.0), 0.08 * fps)
    shift = smooth(way / np.maximum(distance, 0.05)[:, None], 0.05 * fps) * (0.5 * push)[:, None]
    paths[0].ground_m -= shift
    paths[1].ground_m += shift


def lower_body(
    path: FloorPath, score: DancerScore, grid: BeatGrid, times_s: Array, fps: float, rng: np.random.Generator
) -> LowerBody:
    """Both legs and the pelvis of one dancer that goes along ``path``."""
    style = score.style
    feet = [_foot_track(score.falls, foot, times_s, path.heading_rad, style) for foot in range(2)]
    swell = 1.0 + 0.15 * style.noise * slow_noise(rng, len(times_s), fps, period_s=5.0)[:, 0]
    deep = _crouch(score, times_s, fps)
    pelvis = _pelvis_rotation(path.heading_rad, path.balance * swell, 0.5 * style.lean_rad + 0.6 * deep, style)
    beat_phase = 2 * np.pi * grid.beat_of(times_s)
    sink = 0.02 * style.noise * slow_noise(rng, len(times_s), fps, period_s=3.0)[:, 0]
    wanted = _REST[0, 1] - style.crouch_m - style.bounce_m * np.cos(beat_phase) - np.abs(sink)
    # Who crouches sits back a little.
    ground = path.ground_m - 0.25 * deep[:, None] * np.stack([np.sin(path.heading_rad), np.cos(path.heading_rad)], -1)
    root = np.stack([ground[:, 0], wanted - deep, ground[:, 1]], axis=-1)
    _settle(root, pelvis, feet, fps)
    return LowerBody(
        path.heading_rad, path.balance, root, pelvis, deep, _pose_legs(root, pelvis, path.heading_rad, feet)
    )


def _foot_track(falls: list[Footfall], foot: int, times_s: Array, heading: Array, style: DancerStyle) -> _FootTrack:
    """One foot's way: planted, rolled off, swung, landed."""
    own = [f for f in falls if f.foot == foot]
    others = np.array([f.time_s for f in falls if f.foot != foot])
    ball = np.empty((len(times_s), 3))
    ball[:, 1] = _BALL_HEIGHT_M
    turned, pitch = np.empty(len(times_s)), np.zeros(len(times_s))
    inward, outward = (_TOES_IN_RAD, _TOES_OUT_RAD) if foot == LEFT else (_TOES_OUT_RAD, _TOES_IN_RAD)

    def against(yaw_rad: float, at: Array) -> Array:
        return soft_clip(yaw_rad - at, -inward, outward)

    start = 0
    for now, then in zip(own, [*own[1:], None], strict=True):
        lift_s = np.inf if then is None else _lift_time(now, then, others, style)
        stop = len(times_s) if then is None else int(np.searchsorted(times_s, lift_s, side="right"))
        ball[start:stop, 0], ball[start:stop, 2] = now.ball_m
        turned[start:stop] = against(now.yaw_rad, heading[start:stop])
        if then is None:
            break
        land = int(np.searchsorted(times_s, then.time_s, side="left"))
        moved = float(np.hypot(*(then.ball_m - now.ball_m)))
        amount = np.clip(moved / 0.25, 0.35, 1.0) * (1.0 if then.weight else 0.6)
        phase = (times_s[stop:land] - lift_s) / (then.time_s - lift_s)
        ball[stop:land] = _swing(now, then, _standing(falls, then), phase, style.lift_m * (0.5 + 0.5 * amount))
        before, after = (
            against(now.yaw_rad, heading[[stop - 1]]),
            against(then.yaw_rad, heading[[min(land, len(heading) - 1)]]),
        )
        turned[stop:land] = before + (after - before) * ease(phase)
        pitch += _heel(times_s, lift_s, then.time_s, style.heel_rad * amount)
        start = land
    return _FootTrack(ball, heading + turned, pitch)


def _lift_time(now: Footfall, then: Footfall, others: Array, style: DancerStyle) -> float:
    """A foot leaves the floor in time for its landing, but never before the other one has landed."""
    between = others[(others > now.time_s - 1e-6) & (others < then.time_s - 1e-6)]
    earliest = max(now.time_s, float(between.max()) if len(between) else now.time_s) + 0.01
    return max(earliest, then.time_s - style.swing_s)


def _standing(falls: list[Footfall], moving: Footfall) -> Footfall:
    """Where the other foot stands while ``moving`` swings."""
    before = [f for f in falls if f.foot != moving.foot and f.time_s < moving.time_s - 1e-6]
    return before[-1]


def _swing(now: Footfall, then: Footfall, standing: Footfall, phase: Array, lift_m: float) -> Array:
    """(n, 3) ball of a foot in the air, bowed as little as it takes to pass the standing foot."""
    arc = 16.0 * (phase * (1.0 - phase)) ** 2
    way = then.ball_m - now.ball_m
    # Aside of the way, first to the foot's own side.
    sign = 1.0 if then.foot == LEFT else -1.0
    aside = np.array([way[1], -way[0]]) / max(float(np.hypot(*way)), 1e-6)
    outward = from_body(standing.yaw_rad, sign, 0.0)
    aside = aside if aside @ outward >= 0 else -aside
    bows = np.array([0.0, 0.04, -0.04, 0.08, -0.08, 0.12, -0.12, 0.18, -0.18])
    paths = now.ball_m + way * ease(phase)[:, None] + bows[:, None, None] * aside * arc[:, None]
    yaw = now.yaw_rad + (then.yaw_rad - now.yaw_rad) * phase
    middles = paths - np.stack([np.sin(yaw), np.cos(yaw)], axis=-1) * BALL_AHEAD_M
    gap = np.linalg.norm(middles - _middle(standing), axis=-1).min(axis=-1) if len(phase) else np.ones(len(bows))
    best = int(np.argmin(np.maximum(_FEET_APART_M - gap, 0.0) + 0.25 * np.abs(bows)))
    return np.stack([paths[best, :, 0], _BALL_HEIGHT_M + lift_m * arc, paths[best, :, 1]], axis=-1)


def _heel(times_s: Array, lift_s: float, land_s: float, heel_rad: float) -> Array:
    """(T,) heel lift around one swing: rolls off the ball before, meets the floor ball first, comes down after."""
    landing = 0.45 * heel_rad
    off = ease((times_s - lift_s + _ROLL_OFF_S) / _ROLL_OFF_S) * heel_rad
    air = ease((times_s - lift_s) / (land_s - lift_s)) * (landing - heel_rad)
    on = ease((times_s - land_s) / _ROLL_ON_S) * -landing
    return off + air + on


def _weight_path(
    falls: list[Footfall], times_s: Array, beat_s: float, fps: float, style: DancerStyle
) -> tuple[Array, Array]:
    """Pelvis on the floor plan (T, 2) and balance (T,): the weight moves over each new foot as it lands."""
    feet = [falls[0], falls[1]]
    under = [_middle(f) for f in feet]
    steps = [f for f in falls[2:] if f.weight > 0]
    at, where, lean = [falls[0].time_s], [(under[0] + under[1]) / 2], [0.0]
    for index, fall in enumerate(steps):
        under[fall.foot] = _middle(fall)
        next_s = steps[index + 1].time_s if index + 1 < len(steps) else fall.time_s + 2 * beat_s
        share = style.commit * fall.weight
        place = under[fall.foot] * share + under[1 - fall.foot] * (1 - share)
        side = 1.0 if fall.foot == LEFT else -1.0
        rests = next_s - fall.time_s > 3.5 * beat_s
        if rests:
            # Nothing to do for a while: back between the feet.
            at += [fall.time_s + 0.3 * beat_s, fall.time_s + 2.0 * beat_s, next_s - 0.8 * beat_s]
            where += [place, *[(under[0] + under[1]) / 2] * 2]
            lean += [side, 0.0, 0.0]
            continue
        for key_s in (fall.time_s + 0.30 * beat_s, max(fall.time_s + 0.31 * beat_s, next_s - 0.55 * beat_s)):
            at.append(key_s)
            where.append(place)
            lean.append(side)
    at.append(at[-1] + 2 * beat_s)
    where.append((under[0] + under[1]) / 2)
    lean.append(0.0)
    ground = smooth(keyed(at, where, times_s), 0.24 * beat_s * fps)
    return ground, smooth(keyed(np.array(at) + 0.12 * beat_s, lean, times_s), 0.16 * beat_s * fps)


def _middle(fall: Footfall) -> Array:
    """(2,) the point of a standing foot the pelvis is carried over."""
    return fall.ball_m - from_body(fall.yaw_rad, 0.0, BALL_AHEAD_M)


def _crouch(score: DancerScore, times_s: Array, fps: float) -> Array:
    """(T,) metres by which the score lowers the pelvis."""
    if not score.sinks:
        return np.zeros(len(times_s))
    return smooth(keyed([at for at, _ in score.sinks], [depth for _, depth in score.sinks], times_s), 0.12 * fps)


def _pelvis_rotation(heading: Array, balance: Array, tilt_rad: Array, style: DancerStyle) -> Array:
    """Cuban motion: the standing side's hip rises and goes back, the free one drops."""
    zero = np.zeros_like(heading)
    roll = matrix_from_rotvec(np.stack([zero, zero, style.hip_roll_rad * balance], axis=-1))
    tilt = matrix_from_rotvec(np.stack([tilt_rad, zero, zero], axis=-1))
    return yaw_matrix(heading + style.hip_yaw_rad * balance) @ tilt @ roll


def _settle(root: Array, pelvis: Array, feet: list[_FootTrack], fps: float) -> None:
    """Let both legs reach: first the trailing heel rises, then the pelvis sinks. Changes ``root`` and ``feet``."""
    limit = np.full(len(root), np.inf)
    extra = np.linspace(0.0, 0.9, 10)
    for foot, side in zip(feet, SIDES, strict=True):
        hip = pelvis @ _OFFSETS[BODY.index(f"{side}_hip")]
        tilts = [np.minimum(foot.pitch_rad + e, _STEEPEST_RAD) for e in extra]
        room = np.stack([_pelvis_room(root, hip, _ankle(foot, tilt, side)) for tilt in tilts], axis=-1)
        enough = room >= root[:, 1:2]
        least = np.where(enough.any(axis=-1), enough.argmax(axis=-1), room.argmax(axis=-1))
        raised = -lower_envelope(-extra[least], 0.045 * fps)
        foot.pitch_rad = np.minimum(foot.pitch_rad + raised, _STEEPEST_RAD)
        limit = np.minimum(limit, _pelvis_room(root, hip, _ankle(foot, foot.pitch_rad, side)))
    root[:, 1] = lower_envelope(np.minimum(root[:, 1], limit), 0.05 * fps)


def _pelvis_room(root: Array, hip: Array, ankle: Array) -> Array:
    """(T,) highest pelvis from which the leg still reaches ``ankle`` (T, 3); ``hip`` (T, 3) is relative to the root."""
    longest = _STRAIGHTEST * BODY.leg_length_m
    away = np.hypot(root[:, 0] + hip[:, 0] - ankle[:, 0], root[:, 2] + hip[:, 2] - ankle[:, 2])
    return ankle[:, 1] + np.sqrt(np.maximum(longest**2 - away**2, 0.01)) - hip[:, 1]


def _foot_rotation(foot: _FootTrack, pitch_rad: Array) -> Array:
    zero = np.zeros_like(pitch_rad)
    return yaw_matrix(foot.yaw_rad) @ matrix_from_rotvec(np.stack([pitch_rad, zero, zero], axis=-1))


def _ankle(foot: _FootTrack, pitch_rad: Array, side: str) -> Array:
    """(T, 3) the ankle above a ball with the heel lifted by ``pitch_rad``."""
    return foot.ball_m - _foot_rotation(foot, pitch_rad) @ _OFFSETS[BODY.index(f"{side}_foot")]


def _pose_legs(root: Array, pelvis: Array, heading: Array, feet: list[_FootTrack]) -> dict[str, Array]:
    """Global rotations of hips, knees, ankles and toes by inverse kinematics."""
    legs: dict[str, Array] = {}
    for foot, side in zip(feet, SIDES, strict=True):
        sign = 1.0 if side == "left" else -1.0
        hip = root + pelvis @ _OFFSETS[BODY.index(f"{side}_hip")]
        knee_yaw = heading + 0.6 * (foot.yaw_rad - heading)
        pole = yaw_matrix(knee_yaw) @ np.array([0.14 * sign, 0.0, 1.0])
        thigh, shin, _, _ = limb_rotations(
            hip, _ankle(foot, foot.pitch_rad, side), pole,
            upper=_OFFSETS[BODY.index(f"{side}_knee")], lower=_OFFSETS[BODY.index(f"{side}_ankle")], hinge=_KNEE_HINGE,
        )  # fmt: skip
        legs[f"{side}_hip"], legs[f"{side}_knee"] = thigh, shin
        legs[f"{side}_ankle"] = _foot_rotation(foot, foot.pitch_rad)
        # The toes stay on the floor when the heel rises, as far as toes bend.
        legs[f"{side}_foot"] = _foot_rotation(foot, np.maximum(foot.pitch_rad - 0.9, 0.0))
    return legs
