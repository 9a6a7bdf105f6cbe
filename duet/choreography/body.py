"""From the lower body to the whole one: spine, shoulders, arms that reach, and a head that looks."""

from dataclasses import dataclass

import numpy as np

from duet.choreography.curves import ease, lower_envelope, slow_noise, smooth
from duet.choreography.legs import SIDES, LowerBody
from duet.choreography.style import DancerStyle
from duet.kinematics import limb_rotations, local_from_global
from duet.motion import Motion
from duet.rotations import (
    Array,
    matrix_between,
    matrix_from_quaternion_wxyz,
    matrix_from_rotvec,
    normalise,
    quaternion_wxyz_from_matrix,
    rotvec_from_matrix,
    wrap_angle,
    yaw_matrix,
)
from duet.skeleton import BODY

_OFFSETS = BODY.offsets_m.astype(np.float64)
_INDEX = {name: j for j, name in enumerate(BODY.names)}
_ELBOW_HINGES = {"left": np.array([0.0, -1.0, 0.0]), "right": np.array([0.0, 1.0, 0.0])}
ARM_REACH_M = 0.985 * float(BODY.bone_lengths_m[[_INDEX["left_elbow"], _INDEX["left_wrist"]]].sum())
_AHEAD = np.array([0.0, 0.2, 1.0])
_WHIP_RAD_S = 18.0
"""Faster than this no arm joint turns."""
_NEAR_SHOULDER_M = 0.34
"""A wrist nearer to its shoulder than this is kept off it, half as far where it would be inside."""
_EASY_REACH, _FULL_REACH = 0.95, 1.01
"""Share of its reach up to which an arm follows a hand exactly, and that it nears beyond, yielding more and more."""
_SPINE_SHARES = {"spine1": 0.3, "spine2": 0.4, "spine3": 0.3}


@dataclass
class Torso:
    """Everything between the hips and the arms, per frame, in the world."""

    legs: LowerBody
    style: DancerStyle
    positions_m: dict[str, Array]
    """Joint name -> (T, 3), spine up to head and shoulders."""
    rotations: dict[str, Array]
    """Joint name -> (T, 3, 3) global rotations of the same joints."""

    @property
    def chest(self) -> Array:
        """(T, 3, 3) global rotation of the chest."""
        return self.rotations["spine3"]

    def shoulder(self, side: str) -> Array:
        """(T, 3) a shoulder at rest, before it is raised for a reach."""
        return self.positions_m[f"{side}_shoulder"]


def torso(legs: LowerBody, style: DancerStyle, partner_root_m: Array, fps: float, rng: np.random.Generator) -> Torso:
    """Spine and chest: counter-rotation against the hips, a lean, and a little turn to the partner (T, 3)."""
    frames = len(legs.root_m)
    noise = style.noise * slow_noise(rng, frames, fps, period_s=3.5, columns=3)
    across = partner_root_m - legs.root_m
    bearing = wrap_angle(np.arctan2(across[:, 0], across[:, 2]) - legs.heading_rad)
    toward = smooth(_fade(bearing, 0.6), 0.12 * fps) * 0.5
    # The shoulders turn against the hips, a little more than the hips turn.
    twist = -0.6 * style.counter * style.hip_yaw_rad * legs.balance
    yaw = legs.heading_rad + toward + twist + 0.035 * noise[:, 0]
    lean = style.lean_rad + 0.025 * noise[:, 1] + 1.3 * legs.sink_m
    roll = (1.0 - style.counter) * 0.6 * style.hip_roll_rad * legs.balance + 0.02 * noise[:, 2]
    zero = np.zeros(frames)
    chest = yaw_matrix(yaw) @ matrix_from_rotvec(np.stack([lean, zero, roll], axis=-1))
    bend = rotvec_from_matrix(np.swapaxes(legs.pelvis, -1, -2) @ chest)
    body = Torso(legs, style, {"pelvis": legs.root_m}, {"pelvis": legs.pelvis})
    turned = legs.pelvis
    for name, share in _SPINE_SHARES.items():
        turned = turned @ matrix_from_rotvec(share * bend)
        _attach(body, name, turned)
    for name in ("neck", "left_collar", "right_collar", "left_shoulder", "right_shoulder"):
        _attach(body, name, chest)
    return body


def look_at(body: Torso, target_m: Array, fps: float, rng: np.random.Generator) -> None:
    """Turn neck and head toward ``target_m`` (T, 3), as far as a neck turns; ahead when it is behind."""
    frames, style = len(target_m), body.style
    noise = style.noise * slow_noise(rng, frames, fps, period_s=2.5, columns=3)
    way = target_m - body.positions_m["neck"] - np.array([0.0, 0.12, 0.0])
    chest_yaw = np.unwrap(np.arctan2(body.chest[:, 0, 2], body.chest[:, 2, 2]))
    turn = smooth(_fade(wrap_angle(np.arctan2(way[:, 0], way[:, 2]) - chest_yaw), 1.1) * style.gaze, 0.07 * fps)
    nod = smooth(np.clip(-np.arctan2(way[:, 1], np.hypot(way[:, 0], way[:, 2]) + 0.3), -0.3, 0.35) * 0.6, 0.1 * fps)
    tilt = np.stack([nod + 0.03 * noise[:, 0], np.zeros(frames), 0.03 * noise[:, 1]], axis=-1)
    head = yaw_matrix(chest_yaw + turn + 0.05 * noise[:, 2]) @ matrix_from_rotvec(tilt)
    half = matrix_from_rotvec(0.4 * rotvec_from_matrix(np.swapaxes(body.chest, -1, -2) @ head))
    body.rotations["neck"] = body.chest @ half
    _attach(body, "head", head)


def free_hand(body: Torso, side: str, fps: float, rng: np.random.Generator) -> Array:
    """(T, 3) where a wrist is that holds nothing: bent arm, swinging with the steps."""
    style, sign = body.style, 1.0 if side == "left" else -1.0
    noise = 0.025 * style.noise * slow_noise(rng, len(body.chest), fps, period_s=3.0, columns=3)
    rest = np.array([sign * style.arm_spread_m, style.arm_height_m, style.arm_reach_m])
    swing = style.arm_swing_m * body.legs.balance[:, None] * np.array([0.25, 0.15 * sign, -sign])
    # Free arms come in when the body spins.
    spin = np.abs(np.gradient(body.legs.heading_rad) * fps)
    flight = smooth(ease((spin - 1.5) / 5.0), 0.08 * fps)[:, None] * np.array([-sign * 0.14, 0.06, -0.02])
    return body.shoulder(side) + np.einsum(
        "tij,tj->ti", body.chest, rest + swing + flight + noise + 0.5 * body.legs.sink_m[:, None] * _AHEAD
    )


def finish(body: Torso, hands_m: dict[str, Array], fps: float) -> Motion:
    """The take: arms that reach for ``hands_m`` (side -> (T, 3) wrists), and local rotations of everything."""
    turned = {**body.rotations, **body.legs.legs}
    for side in SIDES:
        turned |= _arm(body, side, smooth(hands_m[side], 0.06 * fps), fps)
    stacked = np.stack([turned[name] for name in BODY.names], axis=1)
    local = local_from_global(BODY, stacked)
    for side in SIDES:
        for name in (f"{side}_collar", f"{side}_shoulder", f"{side}_elbow"):
            local[:, _INDEX[name]] = _calmed(local[:, _INDEX[name]], fps)
    return Motion(fps, BODY, body.legs.root_m.astype(np.float32), local.astype(np.float32))


def _arm(body: Torso, side: str, wrist_m: Array, fps: float) -> dict[str, Array]:
    """Collar, upper arm, forearm and hand, global."""
    sign = 1.0 if side == "left" else -1.0
    chest, style = body.chest, body.style
    way = np.einsum("tji,tj->ti", chest, wrist_m - body.shoulder(side))
    distance = np.linalg.norm(way, axis=-1)
    # Too near the shoulder an elbow would have to fold up.
    short = np.maximum(_NEAR_SHOULDER_M - distance, 0.0) ** 2 / (2.0 * _NEAR_SHOULDER_M)
    # And at its full length it would snap straight.
    spare = (_FULL_REACH - _EASY_REACH) * ARM_REACH_M
    over = np.maximum(distance - _EASY_REACH * ARM_REACH_M, 0.0)
    change = short - over + spare * (1.0 - np.exp(-over / spare))
    wrist_m = wrist_m + np.einsum("tij,tj->ti", chest, normalise(way) * change[:, None])
    distance = distance + change
    up, ahead = way[:, 1] / distance, way[:, 2] / distance
    # A shoulder rises for a high hand and goes forward for a far one.
    rise = sign * 0.35 * ease((up + 0.1) / 1.1)
    forth = -sign * 0.22 * ease(distance / 0.5) * np.clip(ahead, -0.3, 1.0)
    collar = chest @ matrix_from_rotvec(np.stack([np.zeros_like(up), forth, rise], axis=-1))
    shoulder = body.positions_m[f"{side}_collar"] + collar @ _OFFSETS[_INDEX[f"{side}_shoulder"]]
    # The elbow hangs down and out; ahead under a hand overhead, behind a hanging one.
    high, low = ease((up - 0.55) / 0.4), ease(-up - 0.2)
    out = 0.25 + 0.6 * style.elbow_out * (1.0 - high) + 0.2 * high
    pole = np.stack([sign * out, -0.9 * (1.0 - low) * (1.0 - high) - 0.1, -0.2 - 0.8 * low + 0.8 * high], axis=-1)
    toward = normalise(np.einsum("tji,tj->ti", chest, wrist_m - shoulder))
    swivel = np.einsum("tij,tj->ti", chest, _steady_swivel(toward, pole, 0.12 * fps))
    upper, lower, _, _ = limb_rotations(
        shoulder, wrist_m, swivel,
        upper=_OFFSETS[_INDEX[f"{side}_elbow"]], lower=_OFFSETS[_INDEX[f"{side}_wrist"]], hinge=_ELBOW_HINGES[side],
    )  # fmt: skip
    return {f"{side}_collar": collar, f"{side}_shoulder": upper, f"{side}_elbow": lower, f"{side}_wrist": lower}


def _calmed(rotations: Array, fps: float) -> Array:
    """Rotations (T, 3, 3) of an arm joint, smoothed only around moments in which it would whip about."""
    quaternions = quaternion_wxyz_from_matrix(rotations)
    step = np.sum(quaternions[1:] * quaternions[:-1], axis=-1)
    quaternions[1:] *= np.cumprod(np.where(step < 0, -1.0, 1.0))[:, None]
    speed = np.append(0.0, 2.0 * np.arccos(np.clip(np.abs(step), 0.0, 1.0))) * fps
    whips = ease((speed - 0.6 * _WHIP_RAD_S) / (0.4 * _WHIP_RAD_S))
    if not whips.any():
        return rotations
    share = np.clip(-lower_envelope(-whips, 0.08 * fps), 0.0, 1.0)[:, None]
    mixed = quaternions * (1.0 - share) + smooth(quaternions, 0.1 * fps) * share
    return matrix_from_quaternion_wxyz(mixed)


def _steady_swivel(toward: Array, pole: Array, sigma_frames: float) -> Array:
    """Directions (T, 3) across ``toward`` (T, 3, unit) that lean to ``pole`` (T, 3) but never snap round it.

    Angles are measured in a frame that is carried along ``toward`` without twist, and smoothed with
    little say for moments in which the pole is nearly along ``toward`` and so says nothing.
    """
    carried = np.empty_like(toward)
    carried[0] = normalise(np.cross(toward[0], np.array([0.9, 0.1, 0.4])))
    for t, turn in enumerate(matrix_between(toward[:-1], toward[1:])):
        carried[t + 1] = turn @ carried[t]
    other = np.cross(toward, carried)
    along, across = np.sum(pole * carried, axis=-1), np.sum(pole * other, axis=-1)
    say = along**2 + across**2 + 1e-4
    angle = smooth(np.unwrap(np.arctan2(across, along)) * say, sigma_frames) / smooth(say, sigma_frames)
    return carried * np.cos(angle)[:, None] + other * np.sin(angle)[:, None]


def _attach(body: Torso, name: str, rotation: Array) -> None:
    """Put joint ``name`` where its parent carries it and turn it to ``rotation`` (T, 3, 3)."""
    parent = BODY.names[BODY.parents[_INDEX[name]]]
    body.positions_m[name] = body.positions_m[parent] + body.rotations[parent] @ _OFFSETS[_INDEX[name]]
    body.rotations[name] = rotation


def _fade(angle_rad: Array, limit_rad: float) -> Array:
    """The angle up to a limit, then back to 0 as it nears half a turn: no jump when a target passes behind."""
    beyond = np.clip((np.abs(angle_rad) - limit_rad) / (np.pi - limit_rad), 0.0, 1.0)
    return np.clip(angle_rad, -limit_rad, limit_rad) * (1.0 - ease(beyond))


def direction(source_m: Array, target_m: Array) -> Array:
    """(T, 3) unit vectors on the floor plan from one track to another."""
    way = (target_m - source_m) * np.array([1.0, 0.0, 1.0])
    return normalise(way)
