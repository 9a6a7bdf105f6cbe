"""Faults at random, on a clock that moves only when told: what the audience sees of each, judged.

A sequence is a dance of some seconds in which one to three things go wrong at their own moments, for a time, and the
rest of which is there to recover in. Judged is what a display shows, frame by frame:

steps      the pelvis moves no further than 5 cm from one frame to the next, whatever it does
rests      while the follower stops, rests or is held, no joint moves further than 5 cm from one frame to the next
leaps      no joint's way in one frame is off the middle between its ways in the frame before and after it by more than
           5 cm, or than it is so in a dance in which nothing happens (a quick swing is a dance, a jump is none)
alive      within any second somebody dances, or rests and is shown as resting; no pose stands still as if it danced
back       the dance is back within 3 s after the last fault has ended
told       every fault left a trace: a counter that counts nothing in a clean dance, a sentence, or a rest that is seen
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.forecast import Forecaster
from duet.frames import PoseSource
from duet.rotations import Array
from realtime.bench.faulty_stage import CLOCK_FAULTS, DISPLAY_FPS, Fault, FaultyStage, Shown
from realtime.commands import Command, Fade, Freeze, Panic, Resume, SetStyle
from realtime.pose_line import joints_of
from realtime.steps import MOST_STEP_M
from realtime.tick import Runner

ALIVE_S, BACK_S = 1.0, 3.0
LEAPS = "leaps off the middle of their neighbours"
"""How leaps are told, for who keeps verdicts."""
_MOVED_M = 0.01
_CLEAN_DANCES, _CLEAN_S = 8, 12.0
_FIRST_S, _LAST_S = 1.2, 2.4
_LONGEST_S = 1.5
_ENTRY_S = 0.9
"""Until then the follower comes out of its first rest, and nothing has gone wrong yet."""

COMMANDS: dict[str, Command] = {
    "panic": Panic(), "freeze": Freeze(), "fade": Fade(1.0), "style of another": SetStyle((1.0,) * 255),
}  # fmt: skip
"""No faults, but what somebody may ask for in the middle of them."""


@dataclass(frozen=True)
class Kind:
    """One way for things to go wrong."""

    name: str
    traces: tuple[str, ...]
    """Counters of which one counts at least; ``rest`` where the follower is seen resting."""
    amounts: tuple[float, float] = (0.0, 0.0)
    least_s: float = 0.1
    """Shorter than this it need not leave a trace."""
    least_amount: float = 0.0
    """Nor less than this."""
    least_met: int = 1
    """Nor one that was met less often: in the middle of another fault, that hides it."""
    lasts: bool = False
    """Whether it goes on for its amount, in seconds, from its end on."""
    untold_because: str = ""
    """Why nobody need be told, where there is no trace."""


KINDS = (
    # Who rests is not asked, and need not know where the leader is.
    Kind("leader pulled", ("stale_leader_ticks", "rest"), least_s=0.6),
    Kind("leader frozen", ("still_leader",), least_s=0.7, least_met=20),
    Kind("leader slow", ("slow_leader",), (4.0, 10.0), least_s=0.7, least_met=20),
    Kind("leader lost", ("lost_frames",), least_s=0.3),
    # What leaps or trembles between two frames that are far apart may have gone there: then those are told of.
    Kind("leader leaps", ("leader_leaps", "slow_leader"), (0.5, 3.0), least_met=3),
    Kind("leader not a number", ("refused_leader_frames",), least_s=0.3),
    Kind("leader garbage", ("refused_leader_frames",), least_s=0.3),
    Kind("leader shakes", ("trembling_leader", "slow_leader"), (0.01, 0.1), least_s=0.4, least_met=12),
    Kind("leader's clock", ("refused_leader_frames",), (0.5, 60.0), least_s=0.3),
    Kind("leader raises", ("leader_failures",), least_s=0.3),
    Kind("music pulled", ("music_gaps",), least_met=3),
    Kind("xruns", ("music_gaps",), least_s=0.2, least_met=6),
    Kind("music not a number", ("refused_music_frames",), least_s=0.3),
    Kind(
        "music changes", (), (0.5, 2.0),
        untold_because="other music is no fault: its tempo, and how sure it is, stand on the panel all the time",
    ),
    Kind("music raises", ("music_failures",), least_s=0.3),
    Kind("model raises", ("failed_ticks",), least_s=0.3),
    Kind("model is short of memory", ("failed_ticks",), least_s=0.3),
    Kind("model not a number", ("broken_ticks",), least_s=0.3),
    Kind("model garbage", ("failed_ticks",), (4.0, 20.0), least_s=0.3),
    Kind("model wild", ("failed_ticks",), (0.08, 0.5), least_s=0.3),
    # Slower by less, every plan is there in time, and nothing is wrong.
    Kind("model slow", ("late_ticks", "pace_changes"), (0.001, 0.5), least_s=0.3, least_amount=0.1, least_met=2),
    Kind("model stalls", ("late_ticks", "pace_changes", "rest"), (0.5, 2.0), lasts=True),
    Kind("stall", ("skipped_ticks", "late_ticks", "stale_leader_ticks", "rest"), (0.3, 2.0), lasts=True),
    Kind("clock leaps", ("skipped_ticks", "rest"), (2.0, 60.0), lasts=True),
    Kind("clock leaps by an hour", ("skipped_ticks", "rest"), (3600.0, 3600.0), lasts=True),
    *(Kind(name, ("refused_commands",) if name.startswith("style") else ("rest",)) for name in COMMANDS),
)  # fmt: skip
"""Sequences draw from these. (Cameras that see black or the same again, devices and processes that die are no matter of
a clock that is moved: ``duet bench unplug`` and tests have the real ones.)"""


@dataclass(frozen=True)
class FaultPlan:
    """What goes wrong, and what is asked, in one dance."""

    faults: tuple[Fault, ...]
    commands: tuple[tuple[float, Command], ...]
    seconds: float
    phase_s: float

    @property
    def names(self) -> str:
        """In a few words."""
        return ", ".join(f"{f.kind} ({f.begin_s:.2f} s for {f.seconds:.2f}, {f.amount:.2g})" for f in self.faults)

    @property
    def over_s(self) -> float:
        """When nothing is wrong any more."""
        return _over_s(self.faults)


@dataclass(frozen=True)
class Verdict:
    """What was seen of one sequence."""

    step_m: float
    """Of the pelvis, from frame to frame."""
    rest_step_m: float
    """From frame to frame of a rest, or of the way to it."""
    leap_m: float
    """How far off the middle of its neighbours the way of a joint was in one frame."""
    leap_at_s: float
    leap_in: str
    """How that frame came to be."""
    allowed_m: float
    """A leap of this is one of the dance."""
    lifeless_s: float
    """The longest time for which a pose stood still as if it danced."""
    back_s: float
    """After the last fault; infinite for never."""
    untold: tuple[str, ...]
    """Faults without a trace."""

    @property
    def good(self) -> bool:
        """Whether all of it is as it should be."""
        return self.is_steady and self.lifeless_s <= ALIVE_S and self.back_s <= BACK_S and not self.untold

    @property
    def is_steady(self) -> bool:
        """Whether nothing moved more suddenly than it may."""
        return max(self.step_m, self.rest_step_m) <= MOST_STEP_M and self.leap_m <= self.allowed_m


def plan(seed: int, number: int) -> FaultPlan:
    """Sequence ``number`` of set ``seed``: the same each time. The first has the first kind, and so on."""
    rng = np.random.default_rng([seed, number])
    kinds = [KINDS[number % len(KINDS)]]
    kinds += [KINDS[i] for i in rng.choice(len(KINDS), rng.integers(0, 3), replace=False) if KINDS[i] != kinds[0]]
    faults = []
    for kind in kinds:
        begin_s, seconds = rng.uniform(_FIRST_S, _LAST_S), rng.uniform(0.1, _LONGEST_S)
        faults.append(Fault(kind.name, float(begin_s), float(seconds), float(rng.uniform(*kind.amounts))))
    commands = [(f.begin_s, COMMANDS[f.kind]) for f in faults if f.kind in COMMANDS]
    over_s = _over_s(faults)
    if any(f.kind in COMMANDS for f in faults):
        commands.append((over_s - 1.0 / DISPLAY_FPS, Resume()))
    return FaultPlan(tuple(faults), tuple(commands), over_s + BACK_S + 0.5, float(rng.uniform(0.0, 1.0 / DISPLAY_FPS)))


def _over_s(faults: Sequence[Fault]) -> float:
    """When nothing of ``faults`` is wrong any more: what moves the clock on does so one after the other."""
    moved_to_s = 0.0
    for fault in sorted((f for f in faults if f.kind in CLOCK_FAULTS), key=lambda fault: fault.begin_s):
        moved_to_s = max(moved_to_s, fault.end_s) + fault.amount
    others = [f.end_s + (f.amount if kind_of(f).lasts else 0.0) for f in faults if f.kind not in CLOCK_FAULTS]
    return max(moved_to_s, *others, 0.0)


def kind_of(fault: Fault) -> Kind:
    """What kind of fault it is."""
    return next(kind for kind in KINDS if kind.name == fault.kind)


def run(
    contract: FollowerContract,
    runner: Runner,
    forecaster: Forecaster | None,
    seed: int,
    sequence: FaultPlan,
    allowed_m: float = MOST_STEP_M,
) -> Verdict:
    """Dance one sequence; ``allowed_m``: see ``own_leap_m``."""
    stage = FaultyStage(
        contract,
        runner,
        sequence.faults,
        forecaster=forecaster,
        commands=sequence.commands,
        seed=seed,
        phase_s=sequence.phase_s,
    )
    return judge(stage, stage.perform(sequence.seconds), sequence, allowed_m)


def own_leap_m(
    contract: FollowerContract, runner: Runner, forecaster: Forecaster | None, seed: int, dances: int = _CLEAN_DANCES
) -> float:
    """The longest leap of dances in which nothing happens, by each lead, or 5 cm where there is none so long."""
    longest = MOST_STEP_M
    for k in range(dances):
        shown = FaultyStage(contract, runner, (), forecaster=forecaster, seed=seed + k).perform(_CLEAN_S)
        longest = max(longest, _leap(shown, joints_of(shown.poses))[0])
    return longest


def judge(stage: FaultyStage, shown: Shown, sequence: FaultPlan, allowed_m: float = MOST_STEP_M) -> Verdict:
    """What ``shown`` was like."""
    joints = joints_of(shown.poses)
    source = np.array([pose.source.value for pose in shown.poses])
    since = shown.time_s >= _ENTRY_S
    leap_m, i = _leap(shown, joints)
    rested = bool((source[since] == PoseSource.HOLD.value).any())
    return Verdict(
        step_m=float(np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1)[_looked(shown)].max(initial=0.0)),
        rest_step_m=_rest_step_m(shown, joints, source),
        leap_m=leap_m,
        leap_at_s=float(shown.time_s[i]),
        leap_in=f"{source[i - 1]} to {source[i]}",
        allowed_m=allowed_m,
        lifeless_s=_lifeless_s(joints, source, since),
        back_s=_back_s(shown, source, sequence.over_s),
        untold=tuple(fault.kind for fault in sequence.faults if not _is_told(stage, fault, rested)),
    )


def _looked(shown: Shown) -> NDArray[np.bool_]:
    """(T - 1,) where two frames follow on one another: a display that was off compares nothing."""
    return (np.diff(shown.time_s) < 1.5 / DISPLAY_FPS) & (shown.time_s[1:] >= _ENTRY_S)


def _rest_step_m(shown: Shown, joints: Array, source: NDArray[np.str_]) -> float:
    steps_m = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(axis=-1)
    # The step into a rest is still the dance's, in part.
    rests = (source[1:] == PoseSource.HOLD.value) & (source[:-1] == PoseSource.HOLD.value)
    return float(steps_m[_looked(shown) & rests].max(initial=0.0))


def _leap(shown: Shown, joints: Array) -> tuple[float, int]:
    """The longest, and the number of its frame."""
    steps, looked = np.diff(joints, axis=0), _looked(shown)
    leaps_m = np.linalg.norm(steps[1:-1] - (steps[:-2] + steps[2:]) / 2, axis=-1).max(axis=-1)
    leaps_m = np.where(looked[:-2] & looked[1:-1] & looked[2:], leaps_m, 0.0)
    i = int(np.argmax(leaps_m))
    return float(leaps_m[i]), i + 2


def _lifeless_s(joints: Array, source: NDArray[np.str_], since: NDArray[np.bool_]) -> float:
    window = int(ALIVE_S * DISPLAY_FPS)
    longest, run_frames, anchor = 0, 0, joints[0]
    for pose, how, counts in zip(joints, source, since, strict=True):
        still = np.linalg.norm(pose - anchor, axis=-1).max() < _MOVED_M
        if still and counts and how != PoseSource.HOLD.value:
            run_frames += 1
        else:
            run_frames, anchor = 0, pose
        longest = max(longest, run_frames)
    return longest / window * ALIVE_S


def _back_s(shown: Shown, source: NDArray[np.str_], over_s: float) -> float:
    after = shown.time_s >= over_s
    dancing = source[after] == PoseSource.MODEL.value
    if not len(dancing) or not dancing[-1]:
        return np.inf
    away = np.flatnonzero(~dancing)
    return float(shown.time_s[after][away[-1] + 1] - over_s) if len(away) else 0.0


def _is_told(stage: FaultyStage, fault: Fault, rested: bool) -> bool:
    kind = kind_of(fault)
    if not kind.traces:
        return True
    often = 1 if fault.kind in COMMANDS else stage.met.get(fault, 0)
    slight = fault.seconds < kind.least_s or fault.amount < kind.least_amount or often < kind.least_met
    counted = any(stage.health.counter(trace) for trace in kind.traces)
    return slight or counted or ("rest" in kind.traces and rested)
