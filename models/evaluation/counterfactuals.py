"""What changes when something else had been the case: another leader, another music, other noise, no memory.

Every change is danced with the noise of the base dance, so whatever differs was caused by the change. How far two
dances of the same inputs are apart that differ in noise alone is the floor every number is to be read by.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.features import pelvis_yaw
from duet.rotations import Array, yaw_matrix
from models.data.beats import with_led_beats
from models.data.in_code import couple_in_code
from models.data.landings import landings
from models.data.music import heard_condition
from models.data.pairs import Pair
from models.data.take import Take
from models.evaluation.closed_loop import LEAD_IN_S, WARM_UP_S, example_of, joints_of
from models.evaluation.reaction import LATE_S, STOP_AFTER_S, late, speed_share, stopped
from models.evaluation.steps import on_beat
from models.evaluation.verdicts import Verdict
from models.rollout import Danced, Inputs, OnnxPartner, Partner, dance

CASE_S = 20.0
MOVE_M = 1.0
TURN_RAD = 2.0
TEMPO_FACTOR = 1.25
"""Music of so many times the tempo the leader dances to."""
MEMORY_STATES = "memory_"
"""How the names of those states begin that hold what happened before the window."""


@dataclass(frozen=True)
class Case:
    """A leader with music of known beats."""

    take: Take
    beats_s: NDArray[np.float64]

    @property
    def period_s(self) -> float:
        """Of the beat."""
        return float(np.median(np.diff(self.beats_s)))


@dataclass(frozen=True)
class Change:
    """Means over the cases of how far the dance went from the base dance."""

    name: str
    gap_m: float
    """Mean distance of the joints, each dance seen from its own leader's pelvis, the noise being the same."""
    pose_mm: float
    """Mean distance of the joints in the follower's own frame."""
    excess_m: float
    """How much further apart than two dances of the base are the base and the changed one, both with other noise."""


@dataclass(frozen=True)
class Counterfactuals:
    """All changes, and the targets they are held against."""

    changes: list[Change]
    verdicts: list[Verdict]


def cases_of(pairs: list[Pair], choreographed: int = 2, seed: int = 0) -> list[Case]:
    """The beginnings of recorded couples, and as many couples danced in code as asked for."""
    for k in range(choreographed):
        tempo_bpm = (180.0, 195.0, 165.0)[k % 3]
        pairs = [*pairs, couple_in_code(f"choreographed-{seed + k}", CASE_S, tempo_bpm, seed + k)]
    cases = []
    for pair in pairs:
        pair = with_led_beats(pair.slice(0, round(CASE_S * pair.leader.fps)))
        assert pair.beats_s is not None
        cases.append(Case(example_of(pair).take, pair.beats_s))
    return cases


class Forgetful(OnnxPartner):
    """An exported follower whose memory is emptied before every tick."""

    def tick(self, inputs: Inputs) -> NDArray[np.float32]:
        """See ``models.rollout.Partner``."""
        kept = self._state
        self._state = {k: np.zeros_like(v) if k.startswith(MEMORY_STATES) else v for k, v in kept.items()}
        return super().tick(inputs)


def measure_counterfactuals(
    partner: Partner,
    cases: list[Case],
    *,
    leak: float,
    delay_frames: int = 3,
    forgetful: Partner | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> Counterfactuals:
    """Dance every case as it was and as it was not; ``forgetful`` is the same follower without its memory.

    ``progress`` is told what is danced next. Raises InputError for a single case: it has no other leader.
    """
    if len(cases) < 2:
        raise InputError(f"Counterfactuals: expected two cases or more, got {len(cases)}. Add a couple.")
    frames = min(case.take.frames for case in cases)
    cases = [replace(case, take=case.take.slice(0, frames)) for case in cases]
    rows: list[dict[str, Change]] = []
    numbers: list[dict[str, float]] = []
    for i, case in enumerate(cases):
        stage = _Stage(partner, forgetful, case, leak, delay_frames, progress)
        changed = stage.changed(cases[(i + 1) % len(cases)])
        rows.append(
            {
                name: stage.change(name, danced, take)
                for name, (danced, take) in changed.items()
                if name not in ("moved leader", "turned leader")
            }
        )
        numbers.append(stage.numbers(changed))
    changes = [_mean_change([row[name] for row in rows]) for name in rows[0]]
    mean = {name: _mean_known([n[name] for n in numbers]) for name in numbers[0]}
    return Counterfactuals(changes, _verdicts({c.name: c for c in changes}, mean))


@dataclass
class _Stage:
    """One case, danced in many ways. The changed dances have the noise of the second base dance."""

    partner: Partner
    forgetful: Partner | None
    case: Case
    leak: float
    delay_frames: int
    progress: Callable[[str], None]

    def __post_init__(self) -> None:
        self.base, self.other = (self._dance(f"base, seed {s}", self.case.take, seed=s) for s in (1, 0))

    def _dance(self, what: str, take: Take, *, seed: int = 1, partner: Partner | None = None) -> Danced:
        self.progress(f"{self.case.take.name}: {what}")
        who = partner or self.partner
        return dance(who, [take], leak=self.leak, delay_frames=self.delay_frames, seeds=[seed])[0]

    def changed(self, another: Case) -> dict[str, tuple[Danced, Take]]:
        """Every change by name, with the leader it was danced to."""
        take, beats, period = self.case.take, self.case.beats_s, self.case.period_s
        turned = take.joints_m @ yaw_matrix(TURN_RAD).T.astype(np.float32)
        takes = {
            "other leader": replace(take, joints_m=another.take.joints_m),
            "frozen leader": stopped(take),
            "late leader": late(take),
            "moved leader": replace(take, joints_m=take.joints_m + np.array([MOVE_M, 0.0, 0.0], np.float32)),
            "turned leader": replace(take, joints_m=turned),
            "other music": replace(take, conditions=another.take.conditions),
            "music half a beat late": replace(take, conditions=self._heard(beats + 0.5 * period)),
            "music at another tempo": replace(take, conditions=self._heard(beats / TEMPO_FACTOR)),
            "silence": replace(take, conditions=np.zeros_like(take.conditions)),
        }
        danced = {name: (self._dance(name, told), told) for name, told in takes.items()}
        danced["other noise"] = self.other, take
        if self.forgetful is not None:
            danced["no memory"] = self._dance("no memory", take, partner=self.forgetful), take
        return danced

    def change(self, name: str, danced: Danced, told: Take) -> Change:
        """How far ``danced`` is from the base."""
        take = self.case.take
        floor = gap_m(self.base, take, self.other, take)
        gap = gap_m(danced, told, self.base, take)
        excess = 0.0 if name == "other noise" else gap_m(danced, told, self.other, take) - floor
        return Change(name, gap, _pose_mm(danced, self.base), excess)

    def numbers(self, changed: dict[str, tuple[Danced, Take]]) -> dict[str, float]:
        """What has a meaning of its own."""
        take, shift = self.case.take, round(LATE_S * self.case.take.fps)
        first = round(WARM_UP_S * take.fps)
        base, behind = joints_of(self.base)[first:-shift], joints_of(changed["late leader"][0])
        moved = (changed["moved leader"][0].root_m - self.base.root_m)[first:]
        back = changed["turned leader"][0].root_m @ yaw_matrix(TURN_RAD).astype(np.float32) - self.base.root_m
        half, beats = changed["music half a beat late"][0], self.case.beats_s
        frozen = changed["frozen leader"][0]
        return {
            "own_late_m": _apart(behind[first + shift :], base),
            "own_undelayed_m": _apart(behind[first:-shift], base),
            "moved_m": float(moved[:, 0].mean()),
            "moved_off_m": float(np.abs(moved - [MOVE_M, 0.0, 0.0]).max()),
            "turned_off_m": float(np.abs(back[first:]).max()),
            "frozen_speed": speed_share(frozen, take.fps),
            "unfrozen_speed": speed_share(self.base, take.fps),
            "steps_on_beat_ms": off_beat_ms(self.base, beats, take.fps),
            "steps_on_shifted_ms": off_beat_ms(half, beats + 0.5 * self.case.period_s, take.fps),
            "steps_on_old_ms": off_beat_ms(half, beats, take.fps),
            "chance_ms": 250.0 * self.case.period_s,
        }

    def _heard(self, beats_s: NDArray[np.float64]) -> NDArray[np.float32]:
        take = self.case.take
        return heard_condition(beats_s, take.frames, take.fps, seed=0, lead_in_s=LEAD_IN_S)


def gap_m(a: Danced, a_take: Take, b: Danced, b_take: Take) -> float:
    """Mean joint distance of two dances, each seen from its own leader's pelvis, without the first second."""
    first, frames = round(WARM_UP_S * a_take.fps), len(a.root_m)

    def seen(danced: Danced, take: Take) -> Array:
        place = take.joints_m[first:frames, :1] * np.array([1.0, 0.0, 1.0], np.float32)
        return joints_of(danced)[first:] - place

    return _apart(seen(a, a_take), seen(b, b_take))


def off_beat_ms(danced: Danced, beats_s: NDArray[np.float64], fps: float) -> float:
    """Median time between a step and the nearest beat."""
    return on_beat(landings(joints_of(danced), fps), beats_s).absolute_ms


def _pose_mm(a: Danced, b: Danced) -> float:
    def own(danced: Danced) -> Array:
        joints = joints_of(danced)
        return np.einsum("tij,tkj->tki", yaw_matrix(-pelvis_yaw(danced.rotations[:, 0])), joints - joints[:, :1])

    return 1000.0 * _apart(own(a), own(b))


def _apart(a_m: Array, b_m: Array) -> float:
    return float(np.linalg.norm(a_m - b_m, axis=-1).mean())


def _mean_known(values: list[float]) -> float:
    """Without NaN: a dance without a step has no distance from a beat. NaN when nothing is known."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _mean_change(rows: list[Change]) -> Change:
    mean = [float(np.mean([getattr(row, name) for row in rows])) for name in ("gap_m", "pose_mm", "excess_m")]
    return Change(rows[0].name, *mean)


def _verdicts(changes: dict[str, Change], n: dict[str, float]) -> list[Verdict]:
    # A follower whom nothing moves has no shares: they are nothing, and not a division by it.
    swap, floor = max(changes["other leader"].gap_m, 1e-9), changes["other noise"].gap_m
    shares = [
        Verdict.reported(f"{name}, as a share of another leader", 100.0 * change.gap_m / swap, "%")
        for name, change in changes.items()
        if name in ("other music", "music at another tempo", "silence")
    ]
    half = changes["music half a beat late"]
    memory = changes.get("no memory")
    return [
        Verdict.reported("noise floor: other noise alone", floor, "m"),
        Verdict.reported("noise floor, as a share of another leader", 100.0 * floor / swap, "%"),
        Verdict.at_least(
            f"leader {LATE_S:g} s late: nearer to the own dance {LATE_S:g} s late than to it undelayed",
            n["own_undelayed_m"] / max(n["own_late_m"], 1e-9),
            2.0,
            "times",
        ),
        Verdict.reported("  distance to the own dance late", n["own_late_m"], "m"),
        Verdict.reported("  distance to it undelayed", n["own_undelayed_m"], "m"),
        Verdict.at_most(f"leader moved {MOVE_M:g} m: follower is off that by", abs(n["moved_m"] - MOVE_M), 0.02, "m"),
        Verdict.reported("  furthest in any frame", n["moved_off_m"], "m"),
        Verdict.at_most("stage turned: furthest in any frame, turned back", n["turned_off_m"], 0.1, "m"),
        Verdict.at_most(f"leader stops after {STOP_AFTER_S:g} s: speed then, of before", n["frozen_speed"], 0.6),
        Verdict.reported("  the same where the leader goes on", n["unfrozen_speed"]),
        Verdict.at_least(f"{half.name}, as a share of another leader", 100.0 * half.gap_m / swap, 5.0, "%"),
        Verdict.reported(
            "  beyond the noise floor, both", 100.0 * half.excess_m / max(changes["other leader"].excess_m, 1e-9), "%"
        ),
        *shares,
        Verdict.at_most("steps: median from the beat", n["steps_on_beat_ms"], 60.0, "ms"),
        Verdict.at_most("steps: from the beat of shifted music", n["steps_on_shifted_ms"], 60.0, "ms"),
        Verdict.reported("  from the beat before the shift", n["steps_on_old_ms"], "ms"),
        Verdict.reported("  steps at any time", n["chance_ms"], "ms"),
        Verdict.at_least("no memory changes the dance", memory.gap_m if memory else None, 1e-3, "m"),
    ]
