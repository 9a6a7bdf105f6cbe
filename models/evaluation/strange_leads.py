"""Leads that no salsa dancer gives: everyday ones, and what a tracker or a fool does to a follower.

Every lead begins and ends with salsa, so that a follower is thrown out of a dance and has to find back. Everyday ones
are choreographed with a good partner, who tells when a partner can be expected beside the leader at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.choreography import accompany_tempo, choreograph_tempo
from duet.choreography.curves import ease
from duet.features import pelvis_yaw
from duet.motion import Motion
from duet.poses import RELAXED_PELVIS_HEIGHT_M, relaxed_rotations
from duet.rotations import (
    Array,
    matrix_from_quaternion_wxyz,
    matrix_from_rotvec,
    quaternion_wxyz_from_matrix,
    slerp_wxyz,
    yaw_matrix,
)
from duet.skeleton import BODY

TEMPO_BPM = 180.0
FPS = 30.0
TOGETHER_M = 1.4
"""Pelvis to pelvis: 99 % of all frames of recorded couples are nearer."""
JOIN_S = 0.6
"""Over so long a leader passes from one part of a lead into the next."""
EVERYDAY = {
    "walk": ("walk",),
    "stop": ("stand",),
    "wave": ("stand", "wave"),
    "turn away": ("stand", "turn away"),
    "leave and return": ("stand", "leave and return"),
    "crouch": ("stand", "crouch"),
}
_Made = tuple[Motion, NDArray[np.bool_], NDArray[np.bool_]]
"""A leader, in which frames they were not seen, and in which they cannot be reached."""
_SALSA_S, _EVERYDAY_S = 6.0, 16.0


@dataclass(frozen=True)
class StrangeLead:
    """A leader, and what may be asked of a partner."""

    name: str
    leader: Motion
    confidence: NDArray[np.float32]
    """(T,) what the tracker says of itself: 0 where the leader was not seen."""
    reachable: NDArray[np.bool_]
    """(T,) whether a good partner would be at the partner's distance."""


def strange_leads(seed: int, names: Sequence[str] = ()) -> list[StrangeLead]:
    """Every lead of LEADS once, or those of ``names``; another seed varies salsa, acts and body."""
    salsa = choreograph_tempo(40.0, TEMPO_BPM, seed, fps=FPS).leader
    return [
        _everyday(name, EVERYDAY[name], salsa, seed) if name in EVERYDAY else _abrupt(name, _ABRUPT[name](salsa))
        for name in names or LEADS
    ]


def joined(pieces: list[Motion]) -> Motion:
    """The pieces one after the other: each begins where and as the one before ended, and passes into its own pose."""
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = _append(whole, piece)
    return whole


def still(seconds: float) -> Motion:
    """A relaxed stand at the origin, facing +Z."""
    frames = round(seconds * FPS)
    root = np.tile([0.0, RELAXED_PELVIS_HEIGHT_M, 0.0], (frames, 1))
    return Motion(FPS, BODY, root.astype(np.float32), np.repeat(relaxed_rotations()[None], frames, axis=0))


def spinning(seconds: float, rate_rad_s: float) -> Motion:
    """Somebody who turns on the spot."""
    motion = still(seconds)
    return _turned(motion, rate_rad_s * np.arange(motion.frames) / FPS)


def running(distance_m: float, speed_m_s: float) -> Motion:
    """Somebody who turns round, runs away, stands, and runs back to where they came from."""
    run = _run(distance_m, speed_m_s)
    back = yaw_matrix(np.pi)
    about = _turned(still(0.5), np.pi * ease(np.linspace(0.0, 1.0, round(0.5 * FPS))))
    away = replace(run, rotations=_after(back, run.rotations), root_m=run.root_m @ back.T.astype(np.float32))
    return joined([about, away, still(2.0), about, away, about, still(2.0)])


def lying(seconds: float) -> Motion:
    """Somebody who lies down on the back, stays there, and gets up again."""
    motion = still(seconds)
    time_s = np.arange(motion.frames) / FPS
    down = ease(time_s / 1.5) - ease((time_s - seconds + 1.5) / 1.5)
    tilt = matrix_from_rotvec(-0.5 * np.pi * down[:, None] * np.array([1.0, 0.0, 0.0]))
    rotations = motion.rotations.copy()
    rotations[:, 0] = tilt @ rotations[:, 0]
    root = motion.root_m.copy()
    root[:, 1] += ((0.12 - RELAXED_PELVIS_HEIGHT_M) * down).astype(np.float32)
    return replace(motion, root_m=root, rotations=rotations)


def _everyday(name: str, acts: tuple[str, ...], salsa: Motion, seed: int) -> StrangeLead:
    couple = accompany_tempo(_EVERYDAY_S, TEMPO_BPM, seed, fps=FPS, acts=acts)
    first, last = _cut(salsa, 0.0, _SALSA_S), _cut(salsa, _SALSA_S, 2 * _SALSA_S)
    leader = joined([first, couple.leader, last])
    reachable = np.ones(leader.frames, dtype=bool)
    away = np.hypot(*(couple.follower.root_m - couple.leader.root_m)[:, [0, 2]].T) > TOGETHER_M
    reachable[first.frames : first.frames + len(away)] = ~away
    return StrangeLead(name, leader, np.ones(leader.frames, np.float32), reachable)


def _abrupt(name: str, made: _Made) -> StrangeLead:
    leader, unseen, unreachable = made
    return StrangeLead(name, leader, 1.0 - unseen.astype(np.float32), ~unreachable)


def _plain(leader: Motion) -> _Made:
    """A lead that is always seen and can always be reached."""
    return leader, np.zeros(leader.frames, dtype=bool), np.zeros(leader.frames, dtype=bool)


def _between_salsa(salsa: Motion, strange: Motion) -> Motion:
    return joined([_cut(salsa, 0.0, _SALSA_S), strange, _cut(salsa, _SALSA_S, 2.5 * _SALSA_S)])


def _swapped(salsa: Motion) -> _Made:
    """The tracker takes somebody two metres aside for the leader, and comes back six seconds later."""
    leader = _cut(salsa, 0.0, 24.0)
    root = leader.root_m.copy()
    root[round(8 * FPS) : round(14 * FPS)] += np.array([2.0, 0.0, 0.0], np.float32)
    return _plain(replace(leader, root_m=root))


def _dropouts(salsa: Motion) -> _Made:
    """Nobody is seen for 1, 2, 3 and 5 seconds: the last pose is held, then the dance is where it would have been."""
    leader = _cut(salsa, 0.0, 36.0)
    shown, unseen = np.arange(leader.frames), np.zeros(leader.frames, dtype=bool)
    for start_s, seconds in ((5.0, 1.0), (10.0, 2.0), (16.0, 3.0), (24.0, 5.0)):
        gone = slice(round(start_s * FPS), round((start_s + seconds) * FPS))
        shown[gone], unseen[gone] = gone.start - 1, True
    held = replace(leader, root_m=leader.root_m[shown], rotations=leader.rotations[shown])
    return held, unseen, np.zeros(leader.frames, dtype=bool)


def _frozen(salsa: Motion) -> _Made:
    """The leader stands like a statue in the middle of a step."""
    leader = _cut(salsa, 0.0, 24.0)
    shown = np.arange(leader.frames)
    shown[round(8 * FPS) : round(16 * FPS)] = round(8 * FPS)
    return _plain(replace(leader, root_m=leader.root_m[shown], rotations=leader.rotations[shown]))


def _t_pose(salsa: Motion) -> _Made:
    """The tracker gives up and shows its rest pose for six seconds, from one frame to the next."""
    leader = _cut(salsa, 0.0, 22.0)
    rotations = leader.rotations.copy()
    glitch = slice(round(8 * FPS), round(14 * FPS))
    rotations[glitch] = np.eye(3, dtype=np.float32)
    rotations[glitch, 0] = yaw_matrix(float(pelvis_yaw(leader.rotations[glitch.start, 0])))
    root = leader.root_m.copy()
    root[glitch] = root[glitch.start]
    return _plain(replace(leader, root_m=root, rotations=rotations))


def _ran(salsa: Motion) -> _Made:
    """Nobody keeps up with a runner: a partner is expected where the leader is slower than that."""
    leader = _between_salsa(salsa, running(6.0, 3.0))
    step = np.gradient(leader.root_m.astype(np.float64), axis=0)
    return leader, np.zeros(leader.frames, dtype=bool), np.asarray(np.hypot(step[:, 0], step[:, 2]) * FPS > 1.5)


_ABRUPT: dict[str, Callable[[Motion], _Made]] = {
    "tracker swap": _swapped,
    "dropouts": _dropouts,
    "frozen": _frozen,
    "T-pose": _t_pose,
    "spin 1 rad/s": lambda salsa: _plain(_between_salsa(salsa, spinning(10.0, 1.0))),
    "spin 2 rad/s": lambda salsa: _plain(_between_salsa(salsa, spinning(10.0, 2.0))),
    "spin 4 rad/s": lambda salsa: _plain(_between_salsa(salsa, spinning(10.0, 4.0))),
    "run 3 m/s": _ran,
    "lie down": lambda salsa: _plain(_between_salsa(salsa, lying(9.0))),
    "walk through": lambda salsa: _plain(_between_salsa(salsa, joined([_run(3.0, 1.0), still(3.0)]))),
}


LEADS = (*EVERYDAY, *_ABRUPT)
"""All by name."""


def _cut(motion: Motion, start_s: float, stop_s: float) -> Motion:
    return motion.slice(round(start_s * FPS), round(stop_s * FPS))


def _after(turn: Array, rotations: Array) -> NDArray[np.float32]:
    """Local rotations (T, 22, 3, 3) of a body turned by ``turn`` (..., 3, 3) in the world."""
    turned = np.array(rotations, dtype=np.float32)
    turned[:, 0] = turn @ turned[:, 0]
    return turned


def _turned(motion: Motion, yaw_rad: Array) -> Motion:
    """A body turned on the spot by (T,) radians."""
    return replace(motion, rotations=_after(yaw_matrix(np.asarray(yaw_rad, dtype=np.float64)), motion.rotations))


def _run(distance_m: float, speed_m_s: float) -> Motion:
    """Straight ahead from the origin: legs swing as fast as the speed asks for."""
    motion = still(distance_m / speed_m_s)
    time_s = np.arange(motion.frames) / FPS
    rotations, root = motion.rotations.copy(), motion.root_m.copy()
    swing = np.sin(2.0 * np.pi * (0.8 + 0.35 * speed_m_s) * time_s)
    across = np.array([1.0, 0.0, 0.0])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        forward = sign * swing * min(0.3 + 0.12 * speed_m_s, 0.7)
        for joint, angle in (("hip", -forward), ("knee", 0.5 * (1.0 - sign * swing)), ("shoulder", 0.6 * forward)):
            at = BODY.index(f"{side}_{joint}")
            rotations[:, at] = matrix_from_rotvec(angle[:, None] * across) @ rotations[:, at]
    root[:, 2] += (speed_m_s * time_s).astype(np.float32)
    return replace(motion, root_m=root, rotations=rotations)


def _append(whole: Motion, piece: Motion) -> Motion:
    """``piece`` moved and turned on the floor to where ``whole`` ends, its beginning eased in from that pose."""
    end_yaw = float(pelvis_yaw(whole.rotations[-1, 0]))
    turn = yaw_matrix(end_yaw - float(pelvis_yaw(piece.rotations[0, 0])))
    root = (piece.root_m - piece.root_m[0]) @ turn.T + whole.root_m[-1]
    rotations = _after(turn, piece.rotations)
    fade = ease(np.arange(1, piece.frames + 1) / (JOIN_S * FPS))
    # The height is the piece's own once the passage is over.
    root[:, 1] += fade * (piece.root_m[0, 1] - whole.root_m[-1, 1])
    few = min(round(JOIN_S * FPS), piece.frames)
    before = np.broadcast_to(quaternion_wxyz_from_matrix(whole.rotations[-1]), (few, len(BODY), 4))
    mixed = slerp_wxyz(before, quaternion_wxyz_from_matrix(rotations[:few]), fade[:few, None])
    rotations[:few] = matrix_from_quaternion_wxyz(mixed)
    return replace(
        whole,
        root_m=np.concatenate([whole.root_m, root.astype(np.float32)]),
        rotations=np.concatenate([whole.rotations, rotations]),
    )
