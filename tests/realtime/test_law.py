"""The law while it runs: a slow machine is asked earlier and less often, a quick one again as before."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.choreography import choreograph_tempo
from duet.clock import ManualClock
from duet.contract import load_contract
from duet.errors import InputError
from duet.features import Placement, Standing
from duet.frames import MusicFrame, PoseSource
from duet.motion import Motion
from duet.timeline import check_law
from realtime.conductor import Conductor
from realtime.engine import DelayedEngine
from realtime.health import Health
from realtime.inference.runner_ort import OrtRunner
from realtime.law import RECENT_TICKS, TAKE_OVER_S, Law, Pace, SteadyPace, p95, pace_for, start_pace, trouble
from realtime.motion_log import MotionLog
from realtime.playout import Playout
from realtime.sessions.session import Recording
from realtime.sessions.session_replay import Session
from realtime.sight.leader_take import TakeLeader
from realtime.tick import FollowerState, earlier
from realtime.wishes import Wishes

FOLLOWER = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
CONTRACT = load_contract(FOLLOWER)
FPS = CONTRACT.fps


@given(st.floats(0.0, 3.0))
def test_every_pace_is_lawful_and_holds_the_latency_where_one_can(latency_s: float) -> None:
    pace = pace_for(CONTRACT, latency_s)
    s = pace.commit_tokens * CONTRACT.token_frames
    check_law(plan_frames=CONTRACT.plan_frames, commit_frames=s, delay_frames=pace.delay_frames)
    assert pace.delay_frames >= (latency_s + TAKE_OVER_S) * FPS - 1e-6 or pace.delay_frames == CONTRACT.plan_frames // 2
    assert pace.delay_frames > s - CONTRACT.token_frames, "no s is longer than d needs"


@pytest.mark.parametrize(
    ("latency_ms", "pace"),
    [(0, (1, 2)), (61, (1, 2)), (62, (1, 3)), (128, (1, 4)), (129, (2, 5)), (261, (2, 8)), (2000, (4, 16))],
)
def test_paces(latency_ms: int, pace: tuple[int, int]) -> None:
    assert pace_for(CONTRACT, latency_ms / 1e3) == Pace(*pace)


def paces(law: Law, seconds: list[float]) -> list[Pace]:
    now, out = Pace(), []
    for tick, latency_s in enumerate(seconds):
        law.observe(latency_s)
        now = law.pace(tick, now)
        out.append(now)
    return out


def test_one_slow_tick_changes_nothing_and_two_do() -> None:
    assert set(paces(Law(CONTRACT), [0.03] * 30 + [0.2] + [0.03] * 30)) == {Pace()}
    changed = paces(Law(CONTRACT), [0.03] * 30 + [0.19, 0.03, 0.19] + [0.03] * 100)
    assert changed[31] == Pace() and changed[32] == Pace(2, 6) and changed[-1] == Pace()


def test_it_returns_when_the_machine_has_been_quick_for_long_and_not_before() -> None:
    seen = paces(Law(CONTRACT), [0.3] * 40 + [0.03] * 100)
    back = seen.index(Pace(), 40)
    assert RECENT_TICKS - 2 <= back - 40 <= RECENT_TICKS
    assert set(seen[40:back]) == {Pace(3, 10)}


def test_a_machine_on_the_brink_does_not_go_to_and_fro() -> None:
    chance = np.random.default_rng(0)
    seen = paces(Law(CONTRACT), list(chance.normal(0.133, 0.006, 2000)))
    changes = sum(a.commit_tokens != b.commit_tokens for a, b in zip([Pace(), *seen], seen, strict=False))
    assert changes == 1 and seen[-1].commit_tokens == 2


def test_p95_is_the_second_longest_of_twenty() -> None:
    assert p95([]) == 0.0 and p95([0.1]) == 0.1
    assert p95(np.arange(20) / 100) == 0.18


def test_a_start_on_a_slow_machine_says_so_and_on_a_hopeless_one_is_refused() -> None:
    assert start_pace(CONTRACT, [0.03] * 20)[1] == ""
    law, told = start_pace(CONTRACT, [0.19] * 20)
    assert law.pace(0, Pace()) == Pace(2, 6) and told == trouble(CONTRACT, Pace(2, 6)) != ""
    assert "Close what else runs" in told and "every 0.27 s" in told
    assert "plans will come late" in start_pace(CONTRACT, [0.6] * 20)[1]
    with pytest.raises(InputError, match="expected ticks of at most 800 ms, got 900 ms"):
        start_pace(CONTRACT, [0.9] * 20)


@pytest.fixture(scope="module")
def runner() -> OrtRunner:
    return OrtRunner(FOLLOWER)


class Still:
    """The shipped follower's shapes at no cost."""

    def __init__(self) -> None:
        self.carried: list[int] = []
        self.asked = 0

    def tick(self, inputs, state: FollowerState):
        self.asked += 1
        frames = np.zeros((1, CONTRACT.plan_frames, 145), np.float32)
        frames[..., :132] = np.tile([1, 0, 0, 0, 1, 0], 22)
        frames[..., 132:141] = [0.0, 0.8, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.8664]
        return {"frames": frames}, state

    def carry(self, inputs, state: FollowerState) -> FollowerState:
        self.carried.append(self.asked)
        return state


@pytest.fixture(scope="module")
def leader() -> Motion:
    return choreograph_tempo(24.0, 180.0, 5, fps=FPS).leader


class Silence:
    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        return ()


def perform(runner, leader: Motion, latency_s, seconds: float, *, law=None, record: Path | None = None):
    """A performance on a machine whose ticks take ``latency_s(tick)``; the conductor, and what it showed."""
    clock, log, shown = ManualClock(), MotionLog(FPS), []
    conductor = Conductor(
        CONTRACT,
        DelayedEngine(runner, FollowerState.initial(CONTRACT), clock, latency_s),
        TakeLeader(leader, FPS),
        Silence(),
        Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)),
        clock,
        Wishes(Placement(CONTRACT.distance_m)),
        Health(),
        log=log,
        law=law or Law(CONTRACT),
        forecaster=getattr(runner, "forecaster", None),
    )
    recording = None if record is None else Recording(record, conductor)

    def stop() -> bool:
        shown.append((clock.now(), conductor.glance.pace, conductor.playout.pose_at(clock.now()).source))
        return clock.now() >= seconds

    conductor.run(stop)
    if recording is not None:
        recording.close()
    return conductor, log.arrays(), shown


@pytest.mark.parametrize("latency_ms", [1, 120, 250, 500])
def test_every_latency_up_to_half_a_second_is_met_by_a_lawful_pace(leader: Motion, latency_ms: int) -> None:
    follower = Still()
    conductor, motion, shown = perform(follower, leader, lambda tick: latency_ms / 1e3, 10.0)
    wanted = pace_for(CONTRACT, latency_ms / 1e3)
    assert shown[-1][1] == wanted
    # Late only until the law knows it: the first tick, and those refused while it lasts.
    assert conductor.health.counter("late_ticks") <= 6
    assert set(motion["source"][motion["time_s"] > 3.0]) == {"model"}, "never runs empty"
    assert len(follower.carried) >= (wanted.commit_tokens - 1) * (follower.asked - 6)


def test_a_machine_that_slows_down_and_recovers_is_followed_there_and_back(leader: Motion) -> None:
    conductor, _, shown = perform(Still(), leader, lambda tick: 0.25 if 30 <= tick < 75 else 0.03, 20.0)
    slow = [pace for now, pace, _ in shown if 6.0 < now < 9.5]
    after = [pace for now, pace, _ in shown if now > 17.0]
    assert set(slow) == {Pace(2, 8)} and set(after) == {Pace()}
    assert conductor.health.counter("pace_changes") == 2
    assert PoseSource.HOLD not in [source for now, _, source in shown if now > 3.0]


def test_without_the_law_half_of_the_ticks_come_late(leader: Motion) -> None:
    conductor, _, _ = perform(Still(), leader, lambda tick: 0.2, 6.0, law=SteadyPace())
    assert conductor.health.counter("late_ticks") > 0.4 * conductor.health.counter("ticks")


def test_what_the_law_decided_is_replayed_not_decided_again(tmp_path: Path, leader: Motion) -> None:
    conductor, motion, _ = perform(
        Still(), leader, lambda tick: 0.25 if 10 <= tick < 25 else 0.03, 12.0, record=tmp_path
    )
    assert conductor.health.counter("pace_changes") == 2
    session, log = Session(tmp_path), MotionLog(FPS)
    verdict = session.replay(CONTRACT, Still(), conductor.forecaster, log=log)
    session.close()
    assert verdict.complete and verdict.is_equal and verdict.ticks > 40
    np.testing.assert_array_equal(log.arrays()["follower_joints_m"], motion["follower_joints_m"])


def test_a_carried_token_is_what_was_planned(runner: OrtRunner) -> None:
    chance = np.random.default_rng(1)
    inputs = {t.name: chance.standard_normal(t.shape).astype(np.float32) for t in CONTRACT.inputs}
    _, state = runner.tick(inputs, FollowerState.initial(CONTRACT))
    before = {name: tensor.copy() for name, tensor in state.tensors.items()}
    carried = runner.carry(inputs, state)
    for name, tensor in state.tensors.items():
        np.testing.assert_array_equal(tensor, before[name], err_msg="pure")
    new, old = carried.tensors, state.tensors
    np.testing.assert_array_equal(new["past"][:, -1], old["plan"][:, 1])
    np.testing.assert_array_equal(new["past"][:, :-1], old["past"][:, 1:])
    np.testing.assert_array_equal(new["plan"][:, :-1], old["plan"][:, 1:])
    # Memory and decoder move on as in a tick that commits the same token.
    outputs, ticked = runner.tick(inputs, state)
    np.testing.assert_array_equal(new["memory_ssm"], ticked.tensors["memory_ssm"])
    assert not np.array_equal(new["codec_cache"], old["codec_cache"])
    assert carried.held.row in (-1, state.held.row + 1)


def test_earlier_inputs_are_those_of_the_tick_before() -> None:
    tensors = {
        "leader": np.arange(32.0).reshape(1, 32, 1), "music": np.arange(32.0).reshape(1, 32, 1), "place": np.ones(3),
    }  # fmt: skip
    before = earlier(tensors, 2)
    assert before["leader"][0, 23, 0] == 21.0 and before["music"][0, 23, 0] == 21.0
    assert before["place"] is tensors["place"]


def test_asked_every_second_token_the_shipped_follower_still_dances(runner: OrtRunner, leader: Motion) -> None:
    _, motion, shown = perform(runner, leader, lambda tick: 0.19, 8.0, law=Law(CONTRACT, [0.19] * 20))
    assert {pace for _, pace, _ in shown[2:]} == {Pace(2, 6)}
    settled = motion["time_s"] > 2.0
    follower, leads = motion["follower_joints_m"][settled], motion["leader_joints_m"][settled]
    away = np.linalg.norm((follower - leads)[:, 0, [0, 2]], axis=-1)
    assert np.percentile(away, 5) > 0.3 and np.percentile(away, 95) < 1.4
    assert np.linalg.norm(np.diff(follower[:, 0], axis=0), axis=-1).max() < 0.15
    assert set(motion["source"][settled]) == {"model"}
