"""Everything that may go wrong beside the devices, on a clock that is moved: seen, told, and soon over."""

from pathlib import Path

import numpy as np
import pytest

from duet.frames import PoseSource
from realtime.bench.choreographed import ChoreographedRunner
from realtime.bench.faults import BACK_S, COMMANDS, KINDS, FaultPlan, judge, own_leap_m, plan, run
from realtime.bench.faulty_stage import TEMPO_BPM, Fault, FaultyStage
from realtime.commands import Resume
from realtime.inference.runner_ort import OrtRunner
from realtime.steps import MOST_STEP_M
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
    lasts = fault.amount if name in ("stall", "clock leaps", "model stalls") else 0.0
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


@pytest.mark.parametrize("number", [17, 20])
def test_some_sequences_with_the_follower_that_ships(real: OrtRunner, number: int) -> None:
    verdict = run(real.contract, real, real.forecaster, number, plan(0, number))
    assert verdict.back_s <= BACK_S and verdict.lifeless_s <= 1.0 and not verdict.untold, verdict
    assert max(verdict.step_m, verdict.rest_step_m) <= MOST_STEP_M and np.isfinite(verdict.leap_m)


@pytest.mark.parametrize("number", [22, 50])
def test_a_stall_while_the_leader_is_taken_in_changes_nothing_that_was_shown(
    quick: ChoreographedRunner, number: int
) -> None:
    verdict = run(quick.contract, quick, None, number, plan(0, number))
    assert max(verdict.step_m, verdict.rest_step_m) <= MOST_STEP_M, verdict
