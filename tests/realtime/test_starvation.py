"""Frames that no plan reached are counted; a rest that was wished is none of them."""

from pathlib import Path

import numpy as np

from duet.choreography import compose
from duet.clock import ManualClock
from duet.contract import load_contract
from duet.features import FOLLOWER_SIZE, Placement, Standing
from realtime.commands import CommandInbox, Panic, Resume
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.health import Health
from realtime.playout import Playout
from realtime.sight.leader_take import TakeLeader
from realtime.starvation import Starvation
from realtime.tick import FollowerState, Tensors
from realtime.wishes import Wishes

CONTRACT = load_contract(Path(__file__).resolve().parents[2] / "followers" / "salsa-s")
FPS, TOKEN = 30, 4


class Still:
    """Stands, as a follower."""

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        frames = np.zeros((1, CONTRACT.plan_frames, FOLLOWER_SIZE), np.float32)
        frames[..., :132:6] = frames[..., 4:132:6] = 1.0
        return {"frames": frames}, FollowerState({"ticks": state.tensors["ticks"] + 1})


class Nothing:
    def take_new(self, until_s: float) -> list:
        return []


class Dance:
    """Ticked by hand, looked at more often than there are frames."""

    def __init__(self) -> None:
        self.clock, self.health, self.inbox = ManualClock(), Health(), CommandInbox()
        leader = TakeLeader(compose("walk", 12.0, 120.0, 3, fps=30.0).leader, 30.0)
        leader.start(self.clock, 0.0)  # type: ignore[arg-type]
        self.conductor = Conductor(
            CONTRACT, InlineEngine(Still(), FollowerState({"ticks": np.zeros(1, np.float32)})), leader, Nothing(),
            Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)), self.clock, Wishes(Placement(CONTRACT.distance_m)),
            self.health, commands=self.inbox,
        )  # fmt: skip
        self.starvation, self.now = Starvation(self.conductor), 0.0

    def goes_on(self, from_tick: int, to_tick: int, *, asked: bool = True) -> int:
        """How many frames starve from tick to tick; nobody is ``asked`` while the conductor hangs."""
        before = self.health.counter("starved_frames")
        for tick in range(from_tick, to_tick):
            self.look_until(tick * TOKEN / FPS - 2 / FPS)
            if asked:
                self.conductor.tick(tick)
        return self.health.counter("starved_frames") - before

    def look_until(self, time_s: float) -> None:
        while self.now < time_s:
            self.now = min(self.now + 1 / 60, time_s)
            self.clock.sleep_until(self.now)
            self.starvation.look(self.now)


def test_a_dance_that_runs_empty_is_counted_frame_by_frame() -> None:
    dance = Dance()
    assert dance.goes_on(1, 40) == 0, "neither before the first plan nor while there are plans"
    last = dance.conductor.playout.line.last_frame
    assert dance.goes_on(40, 70, asked=False) == dance.conductor.contract.timeline.frame_at(dance.now) - last > 60
    assert dance.goes_on(70, 71) <= TOKEN
    assert dance.goes_on(71, 90) == 0, "it dances again"


def test_a_wished_rest_is_none() -> None:
    dance = Dance()
    dance.goes_on(1, 30)
    dance.inbox.ask(Panic())
    assert dance.goes_on(30, 80) == 0
    dance.inbox.ask(Resume())
    assert dance.goes_on(80, 89) == 0


def test_who_looks_late_counts_what_was_missed() -> None:
    dance = Dance()
    dance.goes_on(1, 30)
    last = dance.conductor.playout.line.last_frame
    dance.starvation.look((last + 50) / FPS)
    dance.starvation.look((last + 50) / FPS)
    assert dance.health.counter("starved_frames") == 50
