"""Between two ticks: who does what was not foreseen is followed at once, softly, and by the same way in a replay."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import realtime.anticipation
from duet.clock import ManualClock
from duet.contract import load_contract
from duet.features import Placement, Standing
from duet.forecast import ForeseenLeader
from duet.frames import FollowerPose, LeaderFrame, LeaderStatus
from duet.poses import relaxed_rotations
from duet.skeleton import BODY
from realtime.anticipation import (
    CALM_SHARE,
    CALM_STEP_M,
    EAGER_LEAK,
    LEAST_SIGMA_M,
    SHARE,
    SHIFT_STEP_M,
    SIGMAS,
    InHand,
    Surprise,
)
from realtime.conductor import Conductor
from realtime.engine import DelayedEngine, InlineEngine
from realtime.health import Health
from realtime.motion_log import MotionLog
from realtime.playout import FADE_FRAMES, FADE_STEP_M, Plan, Playout
from realtime.sessions.session import Recording
from realtime.sessions.session_replay import Session
from realtime.tick import FollowerState
from realtime.wishes import Wishes

CONTRACT = load_contract(Path(__file__).resolve().parents[2] / "followers" / "salsa-s")
START_S = 4.1


def test_a_surprise_is_three_sigma_of_what_is_usual() -> None:
    chance, surprise = np.random.default_rng(0), Surprise()
    usual = [surprise.see(4, off) for off in np.abs(chance.normal(0.0, 0.04, 300))]
    assert sum(usual[30:]) <= 6, "who dances is not surprising all the time"
    for _ in range(100):
        assert not surprise.see(4, 0.004)
    assert not surprise.see(4, 0.9 * SIGMAS * LEAST_SIGMA_M)
    assert surprise.see(4, 1.2 * SIGMAS * LEAST_SIGMA_M) and surprise.see(5, 0.3)


def test_what_is_foreseen_from_further_is_further_off() -> None:
    surprise = Surprise()
    for _ in range(100):
        surprise.see(2, 0.02)
    assert surprise.see(2, 0.07) and not surprise.see(4, 0.07)


def in_hand(x_m: float = 0.0) -> InHand:
    rows = np.zeros((32, 145), np.float32)
    rows[:, 132:141] = [0.0, 0.8, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.8664]
    root = np.tile([x_m, 0.87, 0.8], (32, 1)).astype(np.float32)
    rotations = np.tile(relaxed_rotations().astype(np.float32), (32, 1, 1, 1))
    return InHand(Plan(40, root, rotations, np.zeros((32, 4), np.float32), 1.2), rows, window(x_m), 37)


def window(x_m: float, turned_rad: float = 0.0) -> ForeseenLeader:
    joints = np.tile(BODY.rest_joints_m, (32, 1, 1)) + [x_m, 0.0, 0.0]
    return ForeseenLeader(Standing(joints[0, 0], 0.0), joints, np.full(32, turned_rad), joints[:2])


def test_a_plan_is_shifted_by_a_share_of_what_its_place_moved() -> None:
    before = in_hand()
    after = before.shifted(window(0.2), 42, 44, (41, 1.4))
    moved = after.plan.root_m - before.plan.root_m[2:]
    assert after.plan.first_frame == 42 and len(after.plan.root_m) == len(after.rows) == 30
    assert not moved[:2].any(), "frames that may be on screen stay"
    np.testing.assert_allclose(moved[-1], [SHARE * 0.2, 0.0, 0.0], atol=1e-6)
    assert moved[2, 0] == pytest.approx(SHIFT_STEP_M, abs=1e-6)
    assert np.abs(np.diff(moved, axis=0, prepend=0.0)).max() <= SHIFT_STEP_M + 1e-6
    assert after.plan.leader_time_s == 1.4 and after.known_frame == 41
    # A leader who turns on the spot takes the place along.
    turned = before.shifted(window(0.0, 0.3), 42, 44, (41, 1.4)).plan.root_m[-1] - before.plan.root_m[-1]
    np.testing.assert_allclose(turned, SHARE * 0.8 * np.array([np.sin(0.3), 0.0, np.cos(0.3) - 1.0]), atol=1e-6)


def test_the_next_look_begins_from_what_was_shifted() -> None:
    once = in_hand().shifted(window(0.2), 42, 44, (41, 1.4))
    again = once.shifted(window(0.2), 43, 45, (42, 1.5))
    np.testing.assert_allclose(again.plan.root_m, once.plan.root_m[1:], atol=1e-6)
    further = again.shifted(window(0.4), 44, 46, (43, 1.5))
    np.testing.assert_allclose(further.plan.root_m[-1, 0], SHARE * 0.4, atol=1e-6)
    steps_m = np.diff(np.concatenate([again.plan.root_m[:1], further.plan.root_m])[:, 0])
    assert steps_m.max() <= SHIFT_STEP_M + 1e-6, "however often"
    assert once.off_m(43, window(0.2).plan_joints_m[0]) == pytest.approx(0.0, abs=1e-6)
    assert in_hand().off_m(38, BODY.rest_joints_m) == pytest.approx(0.0), "foreseen before the plan's first frame"
    assert in_hand().off_m(37, BODY.rest_joints_m) is None and in_hand().off_m(72, BODY.rest_joints_m) is None


@pytest.mark.parametrize(("apart_m", "frames"), [(0.01, 1), (0.06, 2), (0.078, FADE_FRAMES)])
def test_an_eager_plan_comes_in_as_soon_as_no_joint_leaps(apart_m: float, frames: int) -> None:
    playout = Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0))
    first = in_hand().plan
    playout.merge(replace(first, first_frame=0), -1)
    playout.merge(replace(first, first_frame=16), 15)
    there = replace(first, first_frame=30, root_m=first.root_m + np.float32([apart_m, 0.0, 0.0]))
    playout.merge(there, 29, eager=True)
    x_m = np.array([playout.pose_at(f / 30.0).root_m[0] for f in range(29, 40)])
    assert int(np.argmax(np.abs(x_m - apart_m) < 1e-6)) == frames + 1
    assert np.diff(x_m).max() <= FADE_STEP_M + 1e-6


class Starting:
    """Stands still, and from START_S on goes sideways at once; seen ``age_s`` later."""

    def __init__(self, speed_m_s: float, age_s: float) -> None:
        self.speed_m_s, self.age_s, self.next = speed_m_s, age_s, 0

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        frames = []
        while self.next / 30.0 <= until_s - self.age_s + 1e-6:
            time_s = self.next / 30.0
            joints = (BODY.rest_joints_m + [self.speed_m_s * max(time_s - START_S, 0.0), 0.0, 0.0]).astype(np.float32)
            six = np.tile(np.float32([1, 0, 0, 0, 1, 0]), (22, 1))
            seen = np.ones(22, np.float32)
            frames.append(LeaderFrame(self.next, time_s, joints[0], joints, six, seen, LeaderStatus.TRACKED))
            self.next += 1
        return frames


class Nothing:
    def take_new(self, until_s: float) -> tuple:
        return ()


class Still:
    def tick(self, inputs, state: FollowerState):
        return {"frames": in_hand().rows[None]}, state


def dance(
    speed_m_s: float, record: Path | None = None, age_s: float = 0.0, display_lead_s: float = 0.0
) -> tuple[Conductor, np.ndarray]:
    clock, log = ManualClock(), MotionLog(CONTRACT.fps)
    conductor = Conductor(
        CONTRACT, InlineEngine(Still(), FollowerState.initial(CONTRACT)), Starting(speed_m_s, age_s), Nothing(),
        Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)), clock, Wishes(Placement(0.8)), Health(), log=log,
        display_lead_s=display_lead_s,
    )  # fmt: skip
    recording = None if record is None else Recording(record, conductor)
    conductor.run(lambda: clock.now() >= 6.0)
    if recording is not None:
        recording.close()
    return conductor, log.arrays()["follower_root_m"]


def reacted_s(root_m: np.ndarray) -> float:
    still = root_m[round((START_S - 0.2) * 30)]
    return float(np.flatnonzero(np.abs(root_m[:, 0] - still[0]) > 0.005)[0]) / 30.0 - START_S


@pytest.mark.parametrize("age_s", [0.0, 0.07])
def test_a_sudden_start_is_followed_sooner_and_a_calm_leader_is_no_surprise(
    monkeypatch: pytest.MonkeyPatch, age_s: float
) -> None:
    conductor, soon = dance(1.2, age_s=age_s)
    assert 1 <= conductor.health.counter("surprises") <= 12
    assert dance(0.0, age_s=age_s)[0].health.counter("surprises") == 0
    monkeypatch.setattr(realtime.anticipation, "SIGMAS", np.inf)
    monkeypatch.setattr(realtime.anticipation, "CALM_SHARE", 0.0)
    conductor, late = dance(1.2, age_s=age_s)
    assert conductor.health.counter("surprises") == 0
    assert reacted_s(soon) <= reacted_s(late) - 1.9 / 30.0
    steps = [np.abs(np.diff(root_m[round(START_S * 30) - 2 :], axis=0)).max() for root_m in (soon, late)]
    assert steps[0] <= steps[1] + SHIFT_STEP_M


def test_between_ticks_a_plan_is_made_to_know_the_newest_leader() -> None:
    clock, ages_s = ManualClock(), []
    engine = DelayedEngine(Still(), FollowerState.initial(CONTRACT), clock, lambda tick: 0.045)
    playout = Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0))
    conductor = Conductor(
        CONTRACT, engine, Starting(0.3, 0.0), Nothing(), playout, clock, Wishes(Placement(0.8)), Health(), log=Shown(
            lambda time_s: ages_s.append(playout.leader_age_s(time_s))
        ),
    )  # fmt: skip
    conductor.run(lambda: clock.now() >= 4.0)
    known = np.array(ages_s[45:]) * 30.0
    assert known.min() > 1.9 and np.median(known) < 2.6 and known.max() < 3.1


@pytest.mark.parametrize("ticks_s", [0.045, 0.1])
@pytest.mark.parametrize("sooner", range(4))
def test_a_surprise_is_news_to_the_next_tick_whenever_it_was_seen(
    monkeypatch: pytest.MonkeyPatch, sooner: int, ticks_s: float
) -> None:
    monkeypatch.setitem(globals(), "START_S", START_S - sooner / 30.0)
    clock, asked, seen = ManualClock(), list[tuple[float, bool]](), list[float]()
    engine = DelayedEngine(Still(), FollowerState.initial(CONTRACT), clock, lambda tick: ticks_s)
    conductor = Conductor(
        CONTRACT, engine, Starting(1.2, 0.0), Nothing(), Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)), clock,
        Wishes(Placement(0.8)), Health(),
    )  # fmt: skip
    gather, is_surprised = conductor._gather, conductor._ahead.is_surprised

    def gathered(tick: int, now: float):
        known, inputs = gather(tick, now)
        asked.append((now, known.surprised))
        return known, inputs

    def looked(track) -> bool:
        surprised = is_surprised(track)
        seen.extend([clock.now()] * surprised)
        return surprised

    monkeypatch.setattr(conductor, "_gather", gathered)
    monkeypatch.setattr(conductor._ahead, "is_surprised", looked)
    conductor.run(lambda: clock.now() >= 5.0)
    first_s = seen[0]
    assert START_S < first_s < START_S + 0.3
    assert [surprised for at_s, surprised in asked if at_s < first_s] == [False] * sum(t < first_s for t, _ in asked)
    assert next(surprised for at_s, surprised in asked if at_s >= first_s), "the first that was asked after it"


class Shown:
    def __init__(self, told: Callable[[float], None]) -> None:
        self._told = told

    def add_leader(self, newest_index: int, joints_m: np.ndarray, rotations_6d: np.ndarray) -> None:
        return

    def add_follower(self, frame: int, pose: FollowerPose) -> None:
        self._told(pose.time_s)


def test_who_is_no_surprise_moves_a_plan_by_less() -> None:
    before = in_hand()
    after = before.shifted(window(0.05), 42, 44, (41, 1.4), surprised=False)
    moved = (after.plan.root_m - before.plan.root_m[2:])[:, 0]
    assert not moved[:2].any() and moved[2] == pytest.approx(CALM_STEP_M, abs=1e-6)
    assert moved[-1] == pytest.approx(CALM_SHARE * 0.05, abs=1e-6)


@pytest.mark.parametrize("display_lead_s", [0.0, 0.055])
def test_a_surprise_is_replayed_to_the_bit(tmp_path: Path, display_lead_s: float) -> None:
    conductor, root_m = dance(1.2, tmp_path, display_lead_s=display_lead_s)
    session, log = Session(tmp_path), MotionLog(CONTRACT.fps)
    verdict = session.replay(CONTRACT, Still(), None, log=log)
    session.close()
    assert conductor.health.counter("surprises") > 0
    assert verdict.is_equal and verdict.complete
    np.testing.assert_array_equal(log.arrays()["follower_root_m"], root_m)


def test_who_goes_off_suddenly_is_hurried_after_for_a_while() -> None:
    surprise, body = Surprise(), BODY.rest_joints_m.astype(np.float64)
    surprise.see_step(body[None])
    for _ in range(60):
        surprise.see_step(np.stack([body, body + [0.001, 0.0, 0.0]]))
    assert surprise.leak(0.05) == 0.05
    surprise.see_step(np.stack([body, body + [0.02, 0.0, 0.0]]))
    leaks = [surprise.leak(0.05) for _ in range(12)]
    assert leaks[0] == pytest.approx(EAGER_LEAK) and leaks == sorted(leaks, reverse=True)
    assert leaks[-1] == pytest.approx(0.05, abs=0.005)
    assert surprise.leak(0.5) == 0.5, "never less than the follower was made with"


def test_a_dancer_who_goes_on_is_no_start() -> None:
    surprise, body = Surprise(), BODY.rest_joints_m.astype(np.float64)
    for i in range(300):
        surprise.see_step(np.stack([body, body + [0.02 + 0.015 * np.sin(i / 5.0), 0.0, 0.0]]))
        leak = surprise.leak(0.05)
        assert i < 60 or leak == pytest.approx(0.05, abs=0.01)
