"""What a recording is measured for before anybody learns from it, and how it becomes metres, y up, 30 fps, on BODY.

Nothing is taken on trust that can be measured: which way is up, in which unit, at which rate, where the floor is, which
side is left. Every measure becomes a ``Finding`` with its number; what cannot be mended is refused with a sentence.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.kinematics import heading_yaw
from duet.motion import Motion
from duet.rotations import Array, matrix_between
from duet.skeleton import BODY
from models.data.positions import motion_of_positions
from models.data.recording import JOINTS, Dancers, Finding, Points

FPS = 30.0
SLOWEST_FPS = 20.0
SHORTEST_S = 4.0
_AXES = "xyz"
_CLEARLY = 0.7
"""Cosine from which an axis counts as up."""
_UNITS = {"metres": 1.0, "centimetres": 0.01, "inches": 0.0254, "millimetres": 0.001}
_LEG_M = (0.55, 1.15)
"""Hip to ankle of people from small to tall."""
_FASTEST_ROOT_M_S = 8.0
_MOST_STEPS_PER_S, _FASTEST_FEET_M_S = 2.5, 4.0
"""Recorded salsa has 1.6 to 2.2 steps a second (as counted below) and feet of 2.5 to 2.9 m/s (95 % of frames); the same
takes at twice their rate have 2.7 to 3.6 and over 5. Quick dances pass one of the two, a wrong rate both."""
_STRAY_FLOOR_M = 0.10
_J = {name: j for j, name in enumerate(BODY.names)}


def settle(name: str, dancers: Dancers, *, up: str) -> tuple[dict[str, Motion], list[Finding]]:
    """The dancers of a recording in metres, y up, at 30 fps, on BODY with their feet on the floor; and what was found.

    ``up`` is the axis the data set's authors say is up. Raises InputError for what cannot be learned from.
    """
    rates(name, dancers)
    turn, found = upright(name, dancers, up)
    motions, size = metres(name, dancers, turn)
    sides(name, motions)
    findings = [found, size, steps(motions), *floors(motions)]
    fps = next(iter(motions.values())).fps
    if fps != FPS:
        findings.insert(0, Finding(f"{fps:g} fps", f"Taken as recorded at {fps:g} fps, brought to {FPS:g}."))
    return {role: motion.resample(FPS).on_body() for role, motion in motions.items()}, findings


def rates(name: str, dancers: Dancers) -> None:
    """Refuses takes that are too short, or at too low a rate to show a step."""
    for role, dancer in dancers.items():
        fps, joints = dancer.fps, _joints(dancer)
        if len(joints) < 2 or len(joints) / fps < SHORTEST_S:
            raise InputError(
                f"{name}: expected at least {SHORTEST_S:g} s, got {len(joints)} "
                f"frame{'s' * (len(joints) != 1)} of the {role} at {fps:g} fps. Leave the take out."
            )
        held = _held_frames(joints)
        if fps / held < SLOWEST_FPS:
            how = f"{fps:g} fps" if held == 1 else f"{fps:g} fps with every pose held for {held} frames"
            raise InputError(
                f"{name}: expected at least {SLOWEST_FPS:g} fps, got {how}: steps cannot be seen in it. "
                "Export the take again at 30 fps or more."
            )
    stated = {dancer.fps for dancer in dancers.values()}
    if len(stated) > 1:
        raise InputError(f"{name}: expected one rate for both dancers, got {sorted(stated)}. Export both alike.")


def _held_frames(joints: Array) -> int:
    """For how many frames a pose is usually shown: 3 in a 10 fps take that was blown up to 30."""
    moved = np.flatnonzero(np.abs(np.diff(joints, axis=0)).max(axis=(1, 2)) > 0.0)
    return max(1, int(np.median(np.diff(moved)))) if len(moved) > 2 else 1


def upright(name: str, dancers: Dancers, stated: str) -> tuple[Array, Finding]:
    """``(turn (3, 3) that brings the file's up to y, finding)``: up is where heads are above pelvises."""
    ways = []
    for dancer in dancers.values():
        joints = _joints(dancer)
        way = joints[:, _J["head"]] - joints[:, 0]
        ways.append(way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9))
    median = np.median(np.concatenate(ways), axis=0)
    axis = int(np.argmax(np.abs(median)))
    numbers = f"({median[0]:.2f}, {median[1]:.2f}, {median[2]:.2f})"
    if abs(median[axis]) < _CLEARLY or median[axis] < 0.0:
        which = "no axis clearly up" if abs(median[axis]) < _CLEARLY else f"{_AXES[axis]} down"
        raise InputError(
            f"{name}: expected heads above pelvises, got {which} (median direction {numbers}). "
            "Export the take with y or z up."
        )
    short = f"{_AXES[axis]} up {median[axis]:.2f}"
    if _AXES[axis] == stated:
        found = Finding(
            short, f"Up is {_AXES[axis]}, as stated: the median direction from pelvis to head is {numbers}."
        )
    else:
        found = Finding(
            short,
            f"Up is {_AXES[axis]}, not {stated} as stated for this data set: the median direction from pelvis to head "
            f"is {numbers}. It was taken as measured; check where the file comes from.",
            warning=True,
        )
    return np.round(matrix_between(np.eye(3)[axis], np.array([0.0, 1.0, 0.0]))), found


def metres(name: str, dancers: Dancers, turn: Array) -> tuple[dict[str, Motion], Finding]:
    """The dancers in metres, y up, and how large they are; of rotations without a body, how fast."""
    motions: dict[str, Motion] = {}
    legs: list[str] = []
    speeds: list[str] = []
    unit = "metres"
    for role, dancer in dancers.items():
        if isinstance(dancer, Motion) and dancer.skeleton == BODY:
            motions[role] = _turned(dancer, turn)
            speeds.append(f"{_root_speed(name, role, motions[role]):.1f}")
            continue
        leg = _leg_of_points(dancer.joints_m) if isinstance(dancer, Points) else dancer.skeleton.leg_length_m
        unit, factor = _unit(name, role, leg)
        legs.append(f"{leg * factor:.2f}")
        if isinstance(dancer, Points):
            motions[role] = motion_of_positions(dancer.fps, dancer.joints_m @ turn.T * factor)
        else:
            body = replace(dancer.skeleton, offsets_m=dancer.skeleton.offsets_m * np.float32(factor))
            turned = _turned(dancer, turn)
            motions[role] = replace(turned, skeleton=body, root_m=(turned.root_m * factor).astype(np.float32))
    if not legs:
        fast = "/".join(speeds)
        return motions, Finding(f"{fast} m/s", f"Pelvises move at up to {fast} m/s in 95 % of the frames: metres.")
    tall = "/".join(legs)
    short = f"legs {tall} m" if unit == "metres" else f"{unit}, legs {tall} m"
    return motions, Finding(short, f"The unit is {unit}: legs measure {tall} m from hip to ankle.", unit != "metres")


def _turned(motion: Motion, turn: Array) -> Motion:
    """Another axis up."""
    rotations = motion.rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    return replace(motion, root_m=(motion.root_m @ turn.T).astype(np.float32), rotations=rotations)


def _unit(name: str, role: str, leg: float) -> tuple[str, float]:
    """``(unit, metres of it)`` in which ``leg`` is that of a person."""
    for unit, factor in _UNITS.items():
        if _LEG_M[0] < leg * factor < _LEG_M[1]:
            return unit, factor
    raise InputError(
        f"{name}: expected the {role}'s legs to be {_LEG_M[0]} to {_LEG_M[1]} m from hip to ankle, got {leg:.3g} in "
        f"the file's unit, which is no person in {', '.join(_UNITS)}. Export the take in metres."
    )


def _root_speed(name: str, role: str, motion: Motion) -> float:
    """Rotations know no unit, so the path tells: nobody's pelvis is faster than a runner's."""
    path = np.linalg.norm(np.diff(motion.root_m, axis=0), axis=-1) * motion.fps
    fast = float(np.percentile(path, 95))
    if fast > _FASTEST_ROOT_M_S:
        raise InputError(
            f"{name}: expected a {role} that moves at up to {_FASTEST_ROOT_M_S:g} m/s, got {fast:.3g} m/s in one frame "
            "of twenty. The translation is probably not in metres: divide it by 100 if it is in centimetres."
        )
    return fast


def _leg_of_points(joints: Array) -> float:
    bones = [
        np.median(np.linalg.norm(joints[:, _J[f"{side}_{b}"]] - joints[:, _J[f"{side}_{a}"]], axis=-1))
        for side in ("left", "right")
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    ]
    return float(np.sum(bones) / 2.0)


def sides(name: str, motions: Mapping[str, Motion]) -> None:
    """Refuses takes whose left is right: then toes point to where the back is."""
    for role, motion in motions.items():
        joints = motion.joints_m
        yaw = heading_yaw(BODY, joints)
        ahead = np.stack([np.sin(yaw), np.zeros_like(yaw), np.cos(yaw)], axis=-1)
        toes = sum(joints[:, _J[f"{s}_foot"]] - joints[:, _J[f"{s}_ankle"]] for s in ("left", "right"))
        toes = toes / np.maximum(np.linalg.norm(toes, axis=-1, keepdims=True), 1e-9)
        along = float(np.median(np.sum(toes * ahead, axis=-1)))
        if along < -0.2:
            raise InputError(
                f"{name}: expected toes that point ahead, got the {role}'s pointing {np.degrees(np.arccos(along)):.0f} "
                "degrees away from where hips and shoulders face. Left and right are probably swapped: exchange them."
            )


def landings_per_s(motion: Motion) -> float:
    """How often a foot comes to rest: from over a third of its fast speed to under a quarter, both feet together."""
    count = 0
    for side in ("left", "right"):
        ankle = motion.joints_m[:, _J[f"{side}_ankle"]].astype(np.float64)
        speed = np.linalg.norm(np.diff(ankle, axis=0), axis=-1)
        width = max(1, round(motion.fps * 0.1))
        speed = np.convolve(speed, np.ones(width) / width, mode="same")
        fast = float(np.percentile(speed, 90))
        state = np.where(speed > 0.35 * fast, 1, np.where(speed < 0.25 * fast, -1, 0))
        state = state[state != 0]
        count += int(np.sum((state[:-1] > 0) & (state[1:] < 0)))
    return count / motion.seconds


def feet_m_s(motion: Motion) -> float:
    """Speed that ankles keep below in 95 % of the frames."""
    ankles = motion.joints_m[:, [_J["left_ankle"], _J["right_ankle"]]].astype(np.float64)
    return float(np.percentile(np.linalg.norm(np.diff(ankles, axis=0), axis=-1), 95) * motion.fps)


def steps(motions: Mapping[str, Motion]) -> Finding:
    """How many steps a second the dancers take and how fast, and whether that can be."""
    rate = float(np.mean([landings_per_s(motion) for motion in motions.values()]))
    fast = float(np.mean([feet_m_s(motion) for motion in motions.values()]))
    fps = next(iter(motions.values())).fps
    text = f"A dancer takes {rate:.1f} steps a second with feet of up to {fast:.1f} m/s at {fps:g} fps"
    if rate <= _MOST_STEPS_PER_S or fast <= _FASTEST_FEET_M_S:
        return Finding(f"{rate:.1f} steps/s", f"{text}.")
    return Finding(
        f"{rate:.1f} steps/s",
        f"{text}, more and faster than people dance: the true rate is probably lower, such as {fps / 2:g} fps. "
        "Find out how it was recorded.",
        warning=True,
    )


def floors(motions: Mapping[str, Motion]) -> list[Finding]:
    """Where each dancer's floor was before it was put at 0, and whether it stays there."""
    heights = {role: motion.floor_m() for role, motion in motions.items()}
    stated = "/".join(f"{100 * height:+.0f}" for height in heights.values())
    spread = max(heights.values()) - min(heights.values())
    found = [
        Finding(
            f"floor {stated} cm",
            f"The feet stand at {stated} cm; each dancer was put on the floor."
            + (f" Their floors differ by {100 * spread:.0f} cm." if spread > _STRAY_FLOOR_M else ""),
            warning=spread > _STRAY_FLOOR_M,
        )
    ]
    for role, motion in motions.items():
        third = motion.frames // 3
        drift = motion.slice(2 * third).floor_m() - motion.slice(0, third).floor_m()
        if abs(drift) > _STRAY_FLOOR_M:
            found.append(
                Finding(
                    f"drift {100 * drift:+.0f} cm",
                    f"The {role}'s floor is {100 * drift:+.0f} cm higher in the last third than in the first: the "
                    "recording drifts, or the floor is not level.",
                    warning=True,
                )
            )
    return found


def music_covers(name: str, music_s: float, take_s: float) -> list[Finding]:
    """Whether there is music for the whole take; InputError where there is hardly any."""
    if music_s >= take_s - 0.1:
        return []
    if music_s < SHORTEST_S:
        raise InputError(
            f"{name}: expected music for the {take_s:.1f} s of the take, got {music_s:.1f} s. "
            "Fetch the music again, or move it away: salsa is then made on the steps."
        )
    return [
        Finding(
            f"music {music_s:.1f} s",
            f"The music is {music_s:.1f} s long and the take {take_s:.1f} s: the take ends with the music.",
            warning=True,
        )
    ]


def _joints(dancer: Motion | Points) -> NDArray[np.floating]:
    """(T, 22, 3) in the file's axes and unit."""
    return dancer.joints_m[:, :JOINTS]
