"""An exhibit's leader: the ghost, a visitor, nobody in between; the next visitor finds nothing of the last."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import ManualClock
from duet.contract import load_contract
from duet.features import FOLLOWER_SIZE, Placement, Standing
from duet.frames import LeaderFrame, LeaderStatus, PoseSource
from duet.kinematics import forward
from duet.rotations import matrix_from_quaternion_wxyz
from duet.skeleton import BODY
from realtime.commands import Begin, Command, CommandInbox, Panic, Resume, SetPlacement
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.health import Health
from realtime.kiosk.ghost import Ghost
from realtime.kiosk.presence import Presence, Rules, Scene
from realtime.kiosk.visits import Visits
from realtime.playout import Playout
from realtime.sight.leader_take import TakeLeader
from realtime.tick import FollowerState, Tensors
from realtime.wishes import Wishes

CONTRACT = load_contract(Path(__file__).resolve().parents[2] / "followers" / "salsa-s")
RULES = Rules(enter_s=1.0, leave_s=2.0, welcome_s=2.0, farewell_s=2.0, attract_s=30.0)
WALK = TakeLeader(compose("walk", 12.0, 120.0, 3, fps=30.0).leader, 30.0)


class Asked:
    """Says zeros, and remembers what it was asked, and after how many ticks."""

    def __init__(self) -> None:
        self.ticks: dict[int, tuple[Tensors, float]] = {}
        self.now = 0

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        self.ticks[self.now] = inputs, float(state.tensors["ticks"][0])
        frames = np.zeros((1, CONTRACT.plan_frames, FOLLOWER_SIZE), np.float32)
        frames[..., :132:6] = frames[..., 4:132:6] = 1.0
        return {"frames": frames}, FollowerState({"ticks": state.tensors["ticks"] + 1})


class Visitors:
    """Somebody walks before the camera from each of ``comes_s`` on, for ``stays_s``."""

    def __init__(self, comes_s: Sequence[float], stays_s: float = 8.0) -> None:
        self.comes_s, self.stays_s, self.next = comes_s, stays_s, 0

    def start(self, clock: object, begin_s: float) -> None: ...

    def stop(self) -> None: ...

    def shown(self, time_s: float) -> LeaderFrame | None:
        return None

    def take_new(self, until_s: float) -> list[LeaderFrame]:
        frames = []
        while self.next / 30.0 <= until_s + 1e-6:
            time_s = self.next / 30.0
            since_s = next((time_s - c for c in self.comes_s if c <= time_s < c + self.stays_s), None)
            body = WALK.frame(0 if since_s is None else min(round(since_s * 30.0), 359))
            status = LeaderStatus.LOST if since_s is None else LeaderStatus.TRACKED
            frames.append(replace(body, index=self.next, time_s=time_s, status=status))
            self.next += 1
        return frames


class Nothing:
    def take_new(self, until_s: float) -> list:
        return []


def show(
    comes_s: Sequence[float], seconds: float, *, seed: int = 0, by_hand: Mapping[int, Command] | None = None
) -> tuple[Asked, list[Presence], Conductor]:
    """An exhibit of ``seconds``; what was asked tick by tick, and every change of scene."""
    clock, runner, inbox, told = ManualClock(), Asked(), CommandInbox(), list[Presence]()
    visits = Visits(Visitors(comes_s), Ghost(4.0, 180.0), RULES, inbox.ask, Health(), seed=seed, told=told.append)
    conductor = Conductor(
        CONTRACT,
        InlineEngine(runner, FollowerState({"ticks": np.zeros(1, np.float32)})),
        visits,
        Nothing(),
        Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)),
        clock,
        Wishes(Placement(CONTRACT.distance_m)),
        Health(),
        commands=inbox,
    )
    for tick in range(1, round(seconds * 7.5)):
        clock.sleep_until(tick * 4 / 30 - 2 / 30)
        runner.now = tick
        if by_hand and tick in by_hand:
            inbox.ask(by_hand[tick])
        conductor.tick(tick)
    return runner, told, conductor


def dancing(told: list[Presence]) -> float:
    """When the last dance with a visitor began."""
    return [presence.since_s for presence in told if presence.scene is Scene.DANCE][-1]


def test_who_comes_second_finds_nothing_of_who_came_first() -> None:
    apart_s = 24.0
    only, told_only, _ = show([4.0], 13.0, seed=1)
    second, told, _ = show(
        [4.0, 4.0 + apart_s], 13.0 + apart_s, seed=0, by_hand={40: SetPlacement(Placement(1.4, 0.5))}
    )
    assert dancing(told) - dancing(told_only) == pytest.approx(apart_s) and told[-1].visits == 2
    ticks, shift = [t for t in only.ticks if t / 7.5 > dancing(told_only) + 0.5], round(apart_s * 7.5)
    assert len(ticks) > 20
    for tick in ticks:
        (inputs, remembered), (again, remembered_again) = only.ticks[tick], second.ticks[tick + shift]
        assert remembered == remembered_again
        for name, values in inputs.items():
            # Where the body stands is no memory: it walks to whoever leads.
            known = slice(4, None) if name == "place" else slice(None)
            np.testing.assert_allclose(
                again[name][:, known], values[:, known], atol=2e-5, err_msg=f"{name} in tick {tick}"
            )


def test_nobody_leads_in_between_and_no_step_is_long() -> None:
    runner, told, conductor = show([4.0], 20.0)
    assert [presence.scene for presence in told] == [Scene.WELCOME, Scene.DANCE, Scene.FAREWELL, Scene.ATTRACT]
    welcome, dance, farewell, attract = (presence.since_s for presence in told)
    silent = {t for t in range(1, 150) if t not in runner.ticks}
    for from_s, to_s in ((welcome, dance), (farewell, attract)):
        assert {t for t in range(1, 150) if from_s + 0.3 < t / 7.5 < to_s} <= silent
    assert {t for t in range(1, 150) if dance + 0.5 < t / 7.5 < farewell - 0.1} & silent == set()


def test_between_two_leaders_the_body_rests_and_never_jumps() -> None:
    frames = round(20.0 * 30)
    poses = {}
    clock, runner, inbox = ManualClock(), Asked(), CommandInbox()
    visits = Visits(Visitors([4.0]), Ghost(4.0, 180.0), RULES, inbox.ask, Health())
    conductor = Conductor(
        CONTRACT, InlineEngine(runner, FollowerState({"ticks": np.zeros(1, np.float32)})), visits, Nothing(),
        Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)), clock, Wishes(Placement(CONTRACT.distance_m)), Health(),
        commands=inbox,
    )  # fmt: skip
    for tick in range(1, frames // 4):
        clock.sleep_until(tick * 4 / 30 - 2 / 30)
        for frame in range(tick * 4 - 5, tick * 4 - 1):
            poses[frame] = conductor.playout.pose_at(frame / 30.0)
        conductor.tick(tick)
    root = np.array([pose.root_m for pose in poses.values()], dtype=np.float64)
    turns = matrix_from_quaternion_wxyz(np.array([p.quaternions_wxyz for p in poses.values()], dtype=np.float64))
    steps = np.linalg.norm(np.diff(forward(BODY, root, turns)[0], axis=0), axis=-1).max(axis=-1)
    rests = np.array([pose.source is PoseSource.HOLD for pose in poses.values()])
    assert rests.sum() > 60 and steps[rests[1:] & rests[:-1]].max() < 0.05


def test_between_two_dances_of_the_ghost_the_body_rests_and_begins_as_the_first_time() -> None:
    runner, told, conductor = show([], 36.0)
    assert [presence.scene for presence in told] == [Scene.INTERLUDE, Scene.ATTRACT]
    rest, again = (presence.since_s for presence in told)
    assert not [tick for tick in runner.ticks if rest + 0.3 < tick / 7.5 < again]
    assert min(count for tick, (_, count) in runner.ticks.items() if tick / 7.5 > again) == 0.0
    assert conductor.health.counter("broken_ticks") == 0


class LastSeen(Visitors):
    """Whoever was there last is shown where they were."""

    def shown(self, time_s: float) -> LeaderFrame | None:
        return WALK.frame(7)


def test_the_last_visitor_is_gone_from_the_picture_between_two_dances_of_the_ghost() -> None:
    ghost = Ghost(4.0, 180.0)
    visits = Visits(LastSeen([0.0], 6.0), ghost, replace(RULES, attract_s=4.0), CommandInbox().ask, Health())
    drawn: dict[Scene, list[bytes]] = {}
    for step in range(1, 200):
        visits.take_new(step / 10)
        shown = visits.shown(step / 10)
        assert shown is not None
        drawn.setdefault(visits.presence.scene, []).append(shown.joints_m.tobytes())
    visitor, standing = WALK.frame(7).joints_m.tobytes(), ghost.shown(1e6).joints_m.tobytes()
    for scene in (Scene.WELCOME, Scene.DANCE, Scene.FAREWELL):
        assert set(drawn[scene]) == {visitor}, scene
    assert len(drawn[Scene.INTERLUDE]) > 10 and set(drawn[Scene.INTERLUDE][1:]) == {standing}
    assert visitor not in drawn[Scene.ATTRACT]


def test_a_panic_lasts_whoever_comes() -> None:
    runner, told, conductor = show([4.0], 20.0, by_hand={20: Panic()})
    assert told[-1].scene is Scene.ATTRACT and max(runner.ticks) < 21
    assert conductor.wishes.is_halted
    again, _, conductor = show([4.0], 20.0, by_hand={20: Panic(), 60: Resume()})
    assert max(again.ticks) > 140 and not conductor.wishes.is_halted


def test_who_stands_too_far_away_only_looks_on() -> None:
    inbox, clock = CommandInbox(), ManualClock()
    visits = Visits(Visitors([0.0], 20.0), Ghost(4.0, 180.0), RULES, inbox.ask, Health(), zone_m=0.01)
    for step in range(1, 150):
        clock.sleep_until(step / 10)
        assert visits.take_new(clock.now())
    assert visits.presence.scene is Scene.ATTRACT and not inbox.take_new(0)


def test_after_a_machine_slept_the_show_begins_clean() -> None:
    inbox = CommandInbox()
    visits = Visits(Visitors([0.0], 6.0), Ghost(4.0, 180.0), RULES, inbox.ask, Health())
    for step in range(1, 60):
        visits.take_new(step / 10)
    assert visits.presence.scene is Scene.DANCE
    for step in range(40):
        visits.take_new(600.0 + step / 10)
    commands = inbox.take_new(0)
    assert visits.presence.scene is Scene.ATTRACT
    assert isinstance(commands[-1], Begin) and commands[-1].seed == 0


class Unplugged(Visitors):
    """Somebody walks there, until the camera raises at whoever looks."""

    def take_new(self, until_s: float) -> list[LeaderFrame]:
        if until_s >= 6.0:
            raise RuntimeError("a cable came loose")
        return super().take_new(until_s)


def test_a_camera_that_raises_sees_nobody_and_the_ghost_dances_on(caplog: pytest.LogCaptureFixture) -> None:
    scenes, health = list[Scene](), Health()
    visits = Visits(
        Unplugged([0.0], 60.0), Ghost(4.0, 180.0), RULES, CommandInbox().ask,
        told=lambda presence: scenes.append(presence.scene), health=health,
    )  # fmt: skip
    frames = [visits.take_new(step / 10) for step in range(1, 150)]
    assert scenes == [Scene.WELCOME, Scene.DANCE, Scene.FAREWELL, Scene.ATTRACT]
    assert len(frames[-1]) == 3 and visits.shown(14.9) is not None
    assert health.counter("leader_failures") == sum(1 for step in range(1, 150) if step / 10 >= 6.0)
    told = [record.getMessage() for record in caplog.records if record.name == "duet.kiosk"]
    assert told == ["leader: RuntimeError: a cable came loose (leader failures)"]
