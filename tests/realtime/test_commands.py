"""Commands: a closed set, obeyed at a tick's beginning; and how a body stops when it is told to."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import choreograph
from duet.clock import ManualClock
from duet.contract import load_contract
from duet.errors import InputError
from duet.features import FOLLOWER_SIZE, Placement, Standing
from duet.frames import FollowerPose, PoseSource
from duet.kinematics import forward
from duet.motion import Motion
from duet.rotations import matrix_from_quaternion_wxyz
from duet.skeleton import BODY
from realtime.commands import (
    Begin,
    Command,
    CommandInbox,
    Fade,
    Freeze,
    LockSeed,
    Panic,
    Rest,
    Resume,
    SetGuidance,
    SetPlacement,
    SetStyle,
    SwitchFollower,
    UnlockSeed,
    command_as_values,
    command_of,
)
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.health import Health
from realtime.playout import Plan, Playout
from realtime.sight.leader_take import TakeLeader
from realtime.tick import FollowerState, Tensors
from realtime.wishes import Wishes

FOLLOWER = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
CONTRACT = load_contract(FOLLOWER)
GUIDANCE = ((1.0, 0.5), (0.0, -2.0), (3.0, 0.0))
EVERY: list[Command] = [
    SetPlacement(Placement(1.25, -0.5)), SetStyle((0.0, 1.0)), SetGuidance(GUIDANCE), LockSeed(7), UnlockSeed(),
    Freeze(), Fade(1.5), Panic(), Resume(), Rest(2.0), Begin(9), SwitchFollower("second"),
]  # fmt: skip


class Asked:
    """Says zeros, and remembers what it was asked and after how many ticks."""

    def __init__(self) -> None:
        self.inputs: list[Tensors] = []
        self.remembered: list[float] = []

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        self.inputs.append(inputs)
        self.remembered.append(float(state.tensors["ticks"][0]))
        frames = np.zeros((1, CONTRACT.plan_frames, FOLLOWER_SIZE), np.float32)
        frames[..., :132:6] = frames[..., 4:132:6] = 1.0
        return {"frames": frames}, FollowerState({"ticks": state.tensors["ticks"] + 1})


@pytest.fixture(scope="module")
def take() -> Motion:
    return choreograph(np.arange(0.0, 8.0, 1 / 3), 3, fps=30.0, seconds=7.0).leader


def loop(take: Motion) -> tuple[Conductor, ManualClock, Asked, CommandInbox]:
    clock, runner, inbox = ManualClock(), Asked(), CommandInbox()
    state = FollowerState({"ticks": np.zeros(1, np.float32)})
    playout = Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0))

    class Nothing:
        def take_new(self, until_s: float) -> list:
            return []

    conductor = Conductor(
        CONTRACT,
        InlineEngine(runner, state),
        TakeLeader(take, 30.0),
        Nothing(),
        playout,
        clock,
        Wishes(Placement(CONTRACT.distance_m)),
        Health(),
        seed=3,
        commands=inbox,
    )
    return conductor, clock, runner, inbox


def run(
    conductor: Conductor, clock: ManualClock, at: dict[int, list[Command]], inbox: CommandInbox, ticks: int
) -> None:
    for tick in range(1, ticks):
        clock.sleep_until(tick * 4 / 30 - 2 / 30)
        for command in at.get(tick, []):
            inbox.ask(command)
        conductor.tick(tick)


@pytest.mark.parametrize("command", EVERY, ids=lambda c: type(c).__name__)
def test_a_command_survives_json(command: Command) -> None:
    assert command_of(json.loads(json.dumps(command_as_values(command)))) == command


@pytest.mark.parametrize(
    "values",
    [
        None, 3, [], {}, {"command": "Dance"}, {"command": ["Freeze"]}, {"command": "Freeze", "seconds": 1},
        {"command": "Fade"}, {"command": "Fade", "seconds": "soon"}, {"command": "Fade", "seconds": 1e9},
        {"command": "Fade", "seconds": float("nan")}, {"command": "LockSeed", "seed": -1},
        {"command": "LockSeed", "seed": float("inf")}, {"command": "SetStyle", "style": 3},
        {"command": "SetStyle", "style": [1.0] * 1000}, {"command": "SetGuidance", "guidance": [[1, 2]]},
        {"command": "SetPlacement", "placement": {"distance_m": 1.0}}, {"command": "Begin", "seed": -1},
        {"command": "SwitchFollower", "to": "third"}, {"command": "Rest", "seconds": 1e9},
        {"command": "SetPlacement", "placement": {"distance_m": float("inf"), "bearing_rad": 0.0}},
    ],
)  # fmt: skip
def test_what_is_no_command_is_refused_in_one_sentence(values: object) -> None:
    with pytest.raises(InputError, match="expected"):
        command_of(values)


def test_wishes_change_at_the_tick_that_takes_them_and_not_before(take: Motion) -> None:
    conductor, clock, runner, inbox = loop(take)
    style = tuple(float(i == 0) for i in range(CONTRACT.style_size))
    far = Placement(1.5, 0.0)
    run(conductor, clock, {5: [SetGuidance(GUIDANCE), SetStyle(style)], 8: [SetPlacement(far)]}, inbox, 12)
    for tick, asked in enumerate(runner.inputs, start=1):
        assert np.array_equal(asked["guidance"][0], GUIDANCE) is (tick >= 5)
        assert np.array_equal(asked["style"][0], style if tick >= 5 else np.array(CONTRACT.style, np.float32))
        assert bool(asked["place"][0, 4] == 1.5) is (tick >= 8)


def test_a_style_of_another_follower_changes_nothing(take: Motion) -> None:
    conductor, clock, runner, inbox = loop(take)
    run(conductor, clock, {3: [SetStyle((1.0,) * (CONTRACT.style_size + 1))]}, inbox, 6)
    assert conductor.health.counter("refused_commands") == 1
    assert {tuple(t["style"][0]) for t in runner.inputs} == {tuple(np.array(CONTRACT.style, np.float32))}


def test_a_locked_seed_draws_the_same_from_the_cue_on(take: Motion) -> None:
    conductor, clock, runner, inbox = loop(take)
    run(conductor, clock, {4: [LockSeed(11)], 9: [LockSeed(11)], 14: [UnlockSeed()]}, inbox, 18)
    noise = [t["noise"] for t in runner.inputs]
    np.testing.assert_array_equal(noise[3:8], noise[8:13])
    free, clock, other, inbox = loop(take)
    run(free, clock, {}, inbox, 18)
    own = [t["noise"] for t in other.inputs]
    np.testing.assert_array_equal(noise[13:], own[13:])
    assert not np.array_equal(noise[4], own[4])


@pytest.mark.parametrize("stop", [Freeze(), Fade(0.5), Panic()])
def test_a_stop_ends_the_asking_and_a_resume_begins_it_anew(take: Motion, stop: Command) -> None:
    conductor, clock, runner, inbox = loop(take)
    run(conductor, clock, {1: [Resume()], 6: [stop], 20: [Resume()]}, inbox, 40)
    # Ticks 1..5, then 20..39 from the first state on; a resume without a stop is nothing.
    assert runner.remembered == [*range(5), *range(20)]
    assert conductor.playout.pose_at(40 * 4 / 30).source is PoseSource.MODEL


def test_commands_of_one_tick_are_obeyed_in_their_order(take: Motion) -> None:
    conductor, clock, runner, inbox = loop(take)
    run(conductor, clock, {6: [Panic(), Resume(), Freeze()]}, inbox, 8)
    assert conductor.wishes.is_halted and len(runner.inputs) == 5


@pytest.fixture(scope="module")
def dancing(take: Motion) -> Callable[[], Playout]:
    """A follower that dances as the choreographed leader does."""

    def make() -> Playout:
        playout = Playout(CONTRACT.timeline, Standing(take.root_m[0].astype(np.float64), 0.0))
        playout.merge(Plan(0, take.root_m, take.rotations, np.zeros((take.frames, 4), np.float32), 0.0), -1)
        return playout

    return make


def joints_m(poses: list[FollowerPose]) -> np.ndarray:
    turns = matrix_from_quaternion_wxyz(np.array([p.quaternions_wxyz for p in poses], np.float64))
    return forward(BODY, np.array([p.root_m for p in poses], np.float64), turns)[0]


@pytest.mark.parametrize("frame", range(20, 180, 4))
def test_panic_rests_in_a_second_without_a_leap(dancing: Callable[[], Playout], frame: int) -> None:
    playout = dancing()
    # Asked for just after a tick's beginning: the next one takes it, a token later.
    asked = frame - CONTRACT.token_frames
    playout.halt(frame + 1, round(0.8 * 30))
    poses = [playout.pose_at(f / 30) for f in range(frame, asked + 61)]
    shown = joints_m(poses)
    steps = np.linalg.norm(np.diff(shown, axis=0), axis=-1).max(axis=-1)
    # The frame after the one on screen is being drawn toward already; the stop begins behind it.
    assert steps[1:].max() <= 0.05
    rested = asked + 30 - frame
    np.testing.assert_allclose(shown[rested:], shown[rested][None].repeat(len(shown) - rested, 0), atol=1e-6)
    assert poses[-1].source is PoseSource.HOLD
    assert abs(poses[-1].root_m[1] - BODY.offsets_m[0, 1]) < 0.02


def test_freeze_stops_softly_and_stays(dancing: Callable[[], Playout]) -> None:
    for frame in range(20, 160, 10):
        playout = dancing()
        before = joints_m([playout.pose_at(f / 30) for f in range(frame - 1, frame + 20)])
        playout.halt(frame)
        shown = joints_m([playout.pose_at(f / 30) for f in range(frame - 1, frame + 400)])
        np.testing.assert_allclose(shown[:2], before[:2], atol=1e-6)
        steps = np.linalg.norm(np.diff(shown, axis=0), axis=-1).max(axis=-1)
        assert steps[1:].max() <= 0.05
        assert steps[9:].max() < 1e-6


def test_a_body_that_was_stopped_comes_back_without_a_leap(dancing: Callable[[], Playout], take: Motion) -> None:
    playout = dancing()
    playout.halt(60)
    plan = Plan(100, take.root_m[60:120], take.rotations[60:120], np.zeros((60, 4), np.float32), 3.3)
    playout.merge(plan, 100)
    shown = joints_m([playout.pose_at(f / 30) for f in range(90, 150)])
    steps = np.linalg.norm(np.diff(shown[:, 0], axis=0), axis=-1)
    assert steps.max() < 0.08
    assert playout.pose_at(159 / 30).source is PoseSource.MODEL
