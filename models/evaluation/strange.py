"""What a follower does beside a lead it never learned: does it stay whole, keep its distance and find back?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.features import Placement
from duet.motion import Motion, write_couple
from duet.rotations import Array, wrap_angle
from duet.skeleton import BODY
from models.data.music import heard_condition
from models.data.take import Take
from models.evaluation.bodies import overlapping
from models.evaluation.closed_loop import LEAD_IN_S, WARM_UP_S, joints_of
from models.evaluation.metrics import skate
from models.evaluation.strange_leads import FPS, LEADS, TEMPO_BPM, TOGETHER_M, StrangeLead, strange_leads
from models.rollout import Danced, Partner, dance

EXPLODES_M_S = 12.0
"""No joint of a dancer is faster."""
PELVIS_M = (0.35, 1.25)
"""No dancer's pelvis is lower, or higher."""
TELEPORTS_M_S = 6.0
"""No pelvis travels faster."""
STANDS_M_S = 0.05
"""A leader whose joints are slower than this on average stands."""
SETTLE_S = 1.0
"""A leader has to stand for so long before the partner is expected to calm down."""
INSIDE_M = 0.03
"""Bodies give way so far: dancers who touch are not inside each other. Recorded couples are deeper in 2 % of frames."""
INSIDE_S, AWAY_S = 0.2, 3.0
"""Longest a body may be inside the other, and longest the partner may be away from a leader who can be reached."""


@dataclass(frozen=True)
class Behaviour:
    """One lead and what the follower made of it."""

    name: str
    finite: bool
    joint_m_s: float
    """Fastest joint of any frame."""
    root_m_s: float
    """Fastest pelvis over the floor."""
    pelvis_m: tuple[float, float]
    """Lowest and highest pelvis."""
    touching_percent: float
    """Frames in which the capsules of the two bodies overlap at all."""
    inside_s: float
    """Longest run of frames with a body more than INSIDE_M inside the other."""
    inside_percent: float
    away_s: float
    """Longest run of frames further than TOGETHER_M from a leader who can be reached."""
    distance_m: float
    facing_deg: float
    """Mean angle between where the follower looks and where the leader is."""
    idle_m_s: float | None
    """Mean joint speed while the leader stands; None where no leader stands."""
    skate: float

    @property
    def broken(self) -> str:
        """What no dancer does, in a word; empty when nothing of it happened."""
        if not self.finite:
            return "NaN"
        if self.root_m_s > TELEPORTS_M_S:
            return "teleport"
        if self.joint_m_s > EXPLODES_M_S:
            return "explosion"
        low, high = PELVIS_M
        return "off the floor" if self.pelvis_m[0] < low or self.pelvis_m[1] > high else ""

    @property
    def missed(self) -> str:
        """Which targets were missed, in words."""
        reasons = [self.broken] if self.broken else []
        reasons += ["inside the leader"] if self.inside_s > INSIDE_S else []
        reasons += ["does not come back"] if self.away_s > AWAY_S else []
        return ", ".join(reasons)


def measure_strange(
    partner: Partner,
    *,
    leak: float,
    delay_frames: int = 3,
    wish: Placement | None = None,
    seeds: tuple[int, ...] = (0, 1),
    names: tuple[str, ...] = LEADS,
    out: Path | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> list[Behaviour]:
    """Every strange lead of ``names``, once a seed. With ``out`` each couple is written there as ``<lead>-<seed>.npz``.

    ``progress`` is told what is danced next.
    """
    found = []
    for seed in seeds:
        leads = strange_leads(seed, names)
        heard = _heard(max(lead.leader.frames for lead in leads), seed)
        for lead in leads:
            progress(f"{lead.name} ({seed})")
            take = take_of(lead, heard, wish or Placement())
            danced = dance(partner, [take], leak=leak, delay_frames=delay_frames, seeds=[seed])[0]
            found.append(behaviour(danced, lead, f"{lead.name} ({seed})"))
            if out is not None and found[-1].finite:
                write_danced(out / f"{_file_name(lead.name)}-{seed}.npz", danced, lead)
    return found


def take_of(lead: StrangeLead, heard: NDArray[np.float32], wish: Placement) -> Take:
    """The lead as a follower is shown it; ``heard`` (T or more, 8)."""
    conditions = heard[: lead.leader.frames]
    return Take(lead.name, lead.leader.joints_m, conditions, FPS, lead.confidence, wish=wish)


def behaviour(danced: Danced, lead: StrangeLead, name: str) -> Behaviour:
    """The numbers of one dance, without its first second."""
    judged = slice(round(WARM_UP_S * FPS), len(danced.root_m))
    root, joints = danced.root_m[judged].astype(np.float64), joints_of(danced)[judged].astype(np.float64)
    leader = lead.leader.joints_m[judged].astype(np.float64)
    if not np.isfinite(joints).all():
        nan = float("nan")
        return Behaviour(name, False, nan, nan, (nan, nan), nan, nan, nan, nan, nan, nan, None, nan)
    joint_speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * FPS
    inside = overlapping(joints, leader, deeper_m=INSIDE_M)
    way = leader[:, 0] - root
    distance = np.hypot(way[:, 0], way[:, 2])
    reachable = lead.reachable[judged]
    looks = np.abs(wrap_angle(np.arctan2(way[:, 0], way[:, 2]) - danced.yaw_rad[judged]))
    stands = _stands(leader)
    return Behaviour(
        name=name,
        finite=True,
        joint_m_s=float(joint_speed.max()),
        root_m_s=float(_flat(np.diff(root, axis=0)).max()) * FPS,
        pelvis_m=(float(root[:, 1].min()), float(root[:, 1].max())),
        touching_percent=100.0 * float(overlapping(joints, leader).mean()),
        inside_s=longest(inside) / FPS,
        inside_percent=100.0 * float(inside.mean()),
        away_s=longest(reachable & (distance > TOGETHER_M)) / FPS,
        distance_m=float(distance[reachable].mean()),
        facing_deg=float(np.degrees(looks[reachable].mean())),
        idle_m_s=float(joint_speed[stands[1:]].mean()) if stands[1:].any() else None,
        skate=skate(joints, FPS),
    )


def longest(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True in (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def write_danced(path: Path, danced: Danced, lead: StrangeLead) -> None:
    """Leader and follower as one take, as ``duet`` reads it."""
    frames = len(danced.root_m)
    follower = Motion(FPS, BODY, danced.root_m, danced.rotations)
    write_couple(path, {"leader": lead.leader.slice(0, frames), "follower": follower})


def _stands(leader_m: Array) -> NDArray[np.bool_]:
    """(T,) whether the leader (T, 22, 3) has been standing for SETTLE_S."""
    speed = np.linalg.norm(np.diff(leader_m, axis=0, prepend=leader_m[:1]), axis=-1).mean(axis=-1) * FPS
    settle = round(SETTLE_S * FPS)
    quiet = np.concatenate([np.zeros(settle, dtype=bool), speed < STANDS_M_S])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(quiet, settle + 1).all(axis=-1))


def _heard(frames: int, seed: int) -> NDArray[np.float32]:
    beats = np.arange(0.0, frames / FPS + 2.0, 60.0 / TEMPO_BPM)
    return heard_condition(beats, frames, FPS, seed=seed, lead_in_s=LEAD_IN_S)


def _flat(vectors: Array) -> NDArray[np.floating]:
    return np.hypot(vectors[..., 0], vectors[..., 2])


def _file_name(name: str) -> str:
    return name.replace("/", " per ").replace(" ", "-")
