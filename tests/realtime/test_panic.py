"""Panic does not wait for a tick: what is on screen comes to rest within a second of the key, and a replay knows it."""

from pathlib import Path

import numpy as np
import pytest

from duet.contract import load_contract
from duet.frames import PoseSource
from realtime.bench.choreographed import ChoreographedRunner
from realtime.bench.faulty_stage import TEMPO_BPM, FaultyStage
from realtime.commands import Command, CommandInbox, Freeze, Panic, Resume
from realtime.sessions.session import Recording
from realtime.sessions.session_replay import Session
from realtime.tick import FollowerState

FOLLOWER = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"


@pytest.fixture(scope="module")
def runner() -> ChoreographedRunner:
    return ChoreographedRunner(load_contract(FOLLOWER), TEMPO_BPM)


def stage_of(runner: ChoreographedRunner, *asked: tuple[float, Command]) -> FaultyStage:
    return FaultyStage(runner.contract, runner, (), commands=asked)


def test_panic_brings_all_that_was_asked_before_it() -> None:
    inbox = CommandInbox()
    inbox.ask(Resume())
    assert inbox.take_urgent(5) == ()
    inbox.ask(Panic())
    inbox.ask(Freeze())
    assert inbox.take_urgent(5) == [Resume(), Panic(), Freeze()]
    assert inbox.take_urgent(5) == () and inbox.take_new(5) == []


@pytest.mark.parametrize("asked_s", [2.0 + i * 0.031 for i in range(8)])
def test_it_rests_within_a_second_of_the_key(runner: ChoreographedRunner, asked_s: float) -> None:
    shown = stage_of(runner, (asked_s, Panic())).perform(4.0)
    turns = np.array([p.quaternions_wxyz for p in shown.poses])
    source = np.array([p.source.value for p in shown.poses])
    stopped_s = shown.time_s[(shown.time_s > 1.5) & (source == PoseSource.HOLD.value)][0]
    assert stopped_s - asked_s < 0.2, "at the next frames, and not at the next tick of a pace of some tokens"
    rested = turns[shown.time_s >= asked_s + 1.0]
    np.testing.assert_allclose(rested, np.broadcast_to(rested[-1], rested.shape), atol=1e-5)


def test_a_panic_between_ticks_is_replayed_to_the_bit(tmp_path: Path, runner: ChoreographedRunner) -> None:
    stage = stage_of(runner, (2.05, Panic()), (3.3, Resume()))
    # What goes wrong and is guarded against is no matter of a session file: it has what came through.
    recording = Recording(tmp_path, stage.conductor)
    stage.perform(5.0)
    recording.close()
    session = Session(tmp_path)
    verdict = session.replay(stage.conductor.contract, runner, None)
    session.close()
    assert verdict.complete and verdict.is_equal, verdict
    assert verdict.ticks < 5.0 * 30 / runner.contract.token_frames - 8, "some were not asked for"
    assert FollowerState.initial(runner.contract).tensors.keys() == {"ticks"}
