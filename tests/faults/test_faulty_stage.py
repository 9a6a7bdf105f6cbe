"""Everything that may go wrong beside the devices, on a clock that is moved: seen, told, and soon over."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from duet.frames import FollowerPose, PoseSource
from duet.poses import relaxed_quaternions_wxyz
from duet.skeleton import BODY
from realtime.bench.choreographed import ChoreographedRunner
from realtime.bench.faults import BACK_S, COMMANDS, KINDS, FaultPlan, judge, own_leap_m, plan, run
from realtime.bench.faulty_stage import DISPLAY_FPS, HAPPENING, TEMPO_BPM, Fault, FaultyStage, Shown
from realtime.commands import Resume
from realtime.inference.runner_ort import OrtRunner
from realtime.steps import MOST_STEP_M
from ui.bench.faults import _EPILOG
from ui.cli import DEFAULT_FOLLOWER


@pytest.fixture(scope="module")
def real() -> OrtRunner:
    return OrtRunner(Path(DEFAULT_FOLLOWER))


@pytest.fixture(scope="module")
def quick(real: OrtRunner) -> ChoreographedRunner:
    return ChoreographedRunner(real.contract, TEMPO_BPM)


@pytest.fixture(scope="module")
def own_m(quick: ChoreographedRunner) -> float:
    return own_leap_m(quick.contract, quick, None, 3, dances=2)


def _alone(name: str) -> FaultPlan:
    """One fault of its middle amount for a second."""
    kind = next(kind for kind in KINDS if kind.name == name)
    fault = Fault(name, 1.5, 1.0, sum(kind.amounts) / 2)
    commands = ((1.5, COMMANDS[name]), (2.45, Resume())) if name in COMMANDS else ()
    lasts = fault.amount if kind.lasts else 0.0
    return FaultPlan((fault,), commands, fault.end_s + lasts + BACK_S + 0.5, 0.01)


def test_a_dance_in_which_nothing_happens_leaves_no_trace(quick: ChoreographedRunner) -> None:
    stage = FaultyStage(quick.contract, quick, ())
    shown = stage.perform(4.0)
    verdict = judge(stage, shown, FaultPlan((Fault("leader frozen", 9.0),), (), 4.0, 0.0))
    assert verdict.rest_step_m == 0.0 and verdict.lifeless_s < 0.2 and stage.told == []
    traces = {trace for kind in KINDS for trace in kind.traces} - {"rest"}
    assert [trace for trace in traces if stage.health.counter(trace)] == []
    assert all(pose.source is not PoseSource.HOLD for t, pose in zip(shown.time_s, shown.poses, strict=True) if t > 0.5)


@pytest.mark.parametrize("name", [kind.name for kind in KINDS])
def test_a_fault_is_seen_told_and_over(quick: ChoreographedRunner, own_m: float, name: str) -> None:
    verdict = run(quick.contract, quick, None, 3, _alone(name), own_m)
    assert verdict.good, verdict


def test_nonsense_is_told_once_and_its_end_too(quick: ChoreographedRunner) -> None:
    stage = FaultyStage(quick.contract, quick, (Fault("leader not a number", 1.0, 1.0),))
    stage.perform(3.0)
    assert stage.told == [
        "leader: a body that is not a number (refused leader frames)",
        "no more refused leader frames",
    ]
    assert 25 <= stage.health.counter("refused_leader_frames") <= 35


def test_a_follower_that_raises_says_what_it_raised(quick: ChoreographedRunner) -> None:
    stage = FaultyStage(quick.contract, quick, (Fault("model raises", 1.0, 1.0),))
    shown = stage.perform(4.0)
    assert stage.told[0].startswith("follower: RuntimeError: no such kernel")
    assert stage.health.counter("failed_ticks") >= 6
    rested = [t for t, pose in zip(shown.time_s, shown.poses, strict=True) if pose.source is PoseSource.HOLD]
    plan_s = quick.contract.plan_frames / quick.contract.fps
    assert min(t for t in rested if t > 0.9) < 1.0 + plan_s + 0.1, "dances its plan to the end and rests then"


def test_sequences_are_the_same_each_time_and_know_every_kind() -> None:
    plans = [plan(0, number) for number in range(len(KINDS))]
    assert [p.faults[0].kind for p in plans] == [kind.name for kind in KINDS]
    assert plan(0, 7) == plan(0, 7) != plan(1, 7)
    assert {len(plan(0, number).faults) for number in range(60)} == {1, 2, 3}


def test_clocks_that_are_moved_on_twice_are_waited_for() -> None:
    twice = Fault("clock leaps", 1.5, 0.5, 40.0), Fault("clock leaps by an hour", 1.6, 0.3, 3600.0)
    pulled = Fault("leader pulled", 1.5, 1.0, 0.0)
    assert FaultPlan((*twice, pulled), (), 0.0, 0.0).over_s == pytest.approx(3642.0)
    assert FaultPlan((twice[0], pulled), (), 0.0, 0.0).over_s == pytest.approx(42.0)
    assert FaultPlan((pulled,), (), 0.0, 0.0).over_s == pytest.approx(2.5)


REAL = (
    (17, FaultPlan((Fault("model not a number", 2.251997734563109, 1.2300692606277097),), (), 6.982, 0.0251273395)),
    (20, FaultPlan(
        (Fault("model slow", 1.3739787284339802, 1.009602039807765, 0.20904378286928196),
         Fault("music changes", 2.2243020935558038, 0.37730423657232426, 1.5217884563170248),
         Fault("model stalls", 2.291262014996401, 0.5180277673788714, 0.7975932802396526)),
        (), 7.1068830626149255, 0.01912610341910124,
    )),
)  # fmt: skip


@pytest.mark.parametrize(("seed", "sequence"), REAL)
def test_some_sequences_with_the_follower_that_ships(real: OrtRunner, seed: int, sequence: FaultPlan) -> None:
    own_m = own_leap_m(real.contract, real, real.forecaster, seed, dances=1)
    verdict = run(real.contract, real, real.forecaster, seed, sequence, own_m)
    assert verdict.good, verdict


STALLS = (
    FaultPlan(
        (Fault("stall", 1.5518600060088137, 0.8596992494235176, 0.5737335534410943),
         Fault("music raises", 1.323928333043045, 1.002797898467608),
         Fault("music pulled", 1.5022501867404001, 0.7025117242204829)),
        (), 6.485293508873426, 0.007507402493849232,
    ),
    FaultPlan(
        (Fault("stall", 2.2097878616061832, 1.1380400396343893, 1.1326771162418243),),
        (), 7.980505017482397, 0.007308850344200309,
    ),
)  # fmt: skip


@pytest.mark.parametrize(("seed", "sequence"), list(zip((22, 50), STALLS, strict=True)))
def test_a_stall_while_the_leader_is_taken_in_changes_nothing_that_was_shown(
    quick: ChoreographedRunner, seed: int, sequence: FaultPlan
) -> None:
    verdict = run(quick.contract, quick, None, seed, sequence)
    assert max(verdict.step_m, verdict.rest_step_m) <= MOST_STEP_M, verdict


def test_every_kind_is_somebodys_and_leaves_a_trace_or_says_why_not() -> None:
    assert HAPPENING | set(COMMANDS) == {kind.name for kind in KINDS} and not HAPPENING & set(COMMANDS)
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert [kind.name for kind in KINDS if bool(kind.traces) == bool(kind.untold_because)] == []
    # Each can be asked for its trace: sequences draw such that are long and strong enough.
    drawn = [fault for number in range(300) for fault in plan(0, number).faults]
    for kind in KINDS:
        assert any(f.kind == kind.name and f.seconds >= kind.least_s and f.amount >= kind.least_amount for f in drawn)
    assert f"--sequences {len(KINDS)} " in _EPILOG


class _Met(FaultyStage):
    """A stage on which nothing was counted, though a fault was met."""

    def __init__(self, stage: FaultyStage, fault: Fault) -> None:
        self.health, self._fault = stage.health, fault

    @property
    def met(self) -> dict[Fault, int]:
        return {self._fault: 100}


@pytest.fixture(scope="module")
def clean(quick: ChoreographedRunner) -> tuple[FaultyStage, Shown]:
    stage = FaultyStage(quick.contract, quick, ())
    return stage, stage.perform(1.6)


@pytest.mark.parametrize("name", [kind.name for kind in KINDS if kind.traces])
def test_what_leaves_no_trace_is_found_out(clean: tuple[FaultyStage, Shown], name: str) -> None:
    """A verdict on a stage where nothing was counted, nor anybody rested, though the fault was met."""
    fault = _alone(name).faults[0]
    stage, shown = clean
    verdict = judge(_Met(stage, fault), shown, FaultPlan((fault,), (), 1.6, 0.0))
    assert verdict.untold == (name,) and not verdict.good


def test_a_jump_is_a_leap_and_a_quick_swing_is_none(clean: tuple[FaultyStage, Shown]) -> None:
    stage, _ = clean
    time_s, shoulder = 1.0 + np.arange(30) / DISPLAY_FPS, BODY.index("left_shoulder")

    def leap_m(turn: NDArray[np.float64]) -> float:
        """Of an arm that is turned by ``turn`` (30,), frame by frame, about what is ahead."""
        quaternions = np.tile(relaxed_quaternions_wxyz(), (30, 1, 1)).astype(np.float32)
        quaternions[:, shoulder] = 0.0
        quaternions[:, shoulder, 0], quaternions[:, shoulder, 3] = np.cos(turn / 2), np.sin(turn / 2)
        root_m, contacts = np.array([0.0, 0.87, 0.0], np.float32), np.ones(4, np.float32)
        poses = [
            FollowerPose(float(t), root_m, q, contacts, PoseSource.MODEL)
            for t, q in zip(time_s, quaternions, strict=True)
        ]
        return judge(stage, Shown(time_s, poses), FaultPlan((), (), 2.0, 0.0)).leap_m

    # A hand that goes round as fast as hands do (15 cm a frame and more), for all its turning never leaps.
    swing = 0.35 * np.arange(30)
    assert leap_m(swing) < 0.02
    # One that is elsewhere for one frame does, and one that stops or sets off all at once.
    assert leap_m(np.where(np.arange(30) == 15, 0.2, 0.0)) > MOST_STEP_M
    assert leap_m(0.35 * np.maximum(np.arange(30) - 15, 0)) > MOST_STEP_M
    assert leap_m(0.35 * np.minimum(np.arange(30), 15)) > MOST_STEP_M


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", [kind.name for kind in KINDS if kind.amounts[0] < kind.amounts[1]])
def test_a_fault_of_any_amount_is_told(quick: ChoreographedRunner, name: str, end: int) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    amount = max(kind.amounts[end], kind.least_amount)
    sequence = FaultPlan((Fault(name, 1.37, max(kind.least_s, 0.2), amount),), (), 2.5, 0.01)
    stage = FaultyStage(quick.contract, quick, sequence.faults, seed=1)
    assert judge(stage, stage.perform(3.0), sequence).untold == ()


def test_holes_and_bodies_that_cannot_move_so_are_told_in_words(quick: ChoreographedRunner) -> None:
    said = {}
    for fault in (Fault("leader leaps", 1.0, 0.5, 2.0), Fault("leader slow", 1.0, 1.0, 6.0),
                  Fault("leader frozen", 1.0, 1.0), Fault("leader shakes", 1.0, 1.0, 0.05), Fault("xruns", 1.0, 1.0),
                  Fault("music pulled", 1.0, 1.3)):  # fmt: skip
        stage = FaultyStage(quick.contract, quick, (fault,))
        stage.perform(4.0)
        said[fault.kind] = stage.told
    assert said["leader leaps"] == [
        "leader: 2.0 m away from one frame to the next (leader leaps)",
        "no more leader leaps",
    ]
    assert said["leader slow"] == ["leader: 6 frames a second (slow leader)", "no more slow leader"]
    assert said["leader frozen"][0] == "leader: the very same body for 0.5 s (still leader)"
    assert "no more still leader" in said["leader frozen"]
    assert said["leader shakes"][0].startswith("leader: trembles by ") and len(said["leader shakes"]) == 2
    assert said["xruns"] == ["music: 0.10 s of it are missing (music gaps)", "no more music gaps"]
    assert said["music pulled"][0].startswith("music: 1.0") and len(said["music pulled"]) == 2
