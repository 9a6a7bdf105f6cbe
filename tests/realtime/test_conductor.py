"""The conductor's own duties: gathering, timing, merging. The follower here is a pure function that steps in place."""

from collections.abc import Sequence

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.contract import FollowerContract, TensorSpec
from duet.errors import DuetError
from duet.features import (
    FOLLOWER_CONTACT,
    FOLLOWER_LOWER,
    FOLLOWER_ROOT,
    FOLLOWER_SIZE,
    FOLLOWER_UPPER,
    LAYOUT_VERSION,
    LOWER_JOINTS,
    UPPER_JOINTS,
    Placement,
    Standing,
)
from duet.frames import LeaderFrame, LeaderStatus, MusicFrame, PoseSource
from duet.music import FEATURES
from duet.poses import relaxed_rotations
from duet.rotations import six_d_from_matrix
from duet.skeleton import BODY
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.health import Health
from realtime.law import LEAST_DELAY_FRAMES
from realtime.motion_log import MotionLog
from realtime.playout import Playout
from realtime.tick import FollowerState, Tensors
from realtime.wishes import Wishes

CONTRACT = FollowerContract(
    name="test",
    fps=30.0,
    token_frames=4,
    window_tokens=8,
    plan_tokens=4,
    latent_size=6,
    style_size=2,
    joint_names=BODY.names,
    skeleton_fingerprint=BODY.fingerprint,
    feature_layout=LAYOUT_VERSION,
    music_layout="1",
    inputs=tuple(
        TensorSpec(n, s)
        for n, s in {
            "leader": (1, 8, 288), "leader_flag": (1, 8, 3), "music": (1, 8, 32), "place": (1, 8),
            "noise": (1, 4, 6), "guidance": (1, 3, 2), "style": (1, 2),
        }.items()
    ),
    outputs=(TensorSpec("frames", (1, 16, FOLLOWER_SIZE)),),
    states=(TensorSpec("ticks", (1,)),),
    graphs=(),
    style=(1.0, 0.0),
    observed_delay_frames=5,
    root_leak=0.2,
    distance_m=0.8,
    weights_sha256="",
    parity_max_abs=0.0,
    training_data="",
    licence="",
)  # fmt: skip


class Standstill:
    """Stands 0.8 m before the leader, facing them, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Tensors] = []

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        self.asked.append(inputs)
        rest = relaxed_rotations()
        frames = np.zeros((1, 16, FOLLOWER_SIZE), np.float32)
        frames[..., FOLLOWER_UPPER] = six_d_from_matrix(rest[list(UPPER_JOINTS)]).ravel()
        frames[..., FOLLOWER_LOWER] = six_d_from_matrix(rest[list(LOWER_JOINTS)]).ravel()
        frames[..., FOLLOWER_ROOT] = [0.0, 0.8, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.8664]
        frames[..., FOLLOWER_CONTACT] = 0.0
        return {"frames": frames}, FollowerState({"ticks": state.tensors["ticks"] + 1})


class WalkingLeader:
    """Walks along +X at ``speed_m_s``, facing +Z."""

    def __init__(self, speed_m_s: float, *, from_s: float = 0.0) -> None:
        self.speed_m_s, self.from_s, self.next = speed_m_s, from_s, 0

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        out = []
        while self.next / 30.0 <= until_s + 1e-6:
            time_s = self.next / 30.0
            joints = BODY.rest_joints_m + np.array([self.speed_m_s * time_s, 0.0, 0.0])
            if time_s >= self.from_s:
                out.append(
                    LeaderFrame(
                        self.next, time_s, joints[0], joints, np.zeros((22, 6)), np.ones(22), LeaderStatus.TRACKED
                    )
                )
            self.next += 1
        return out


class SteadyMusic:
    def __init__(self) -> None:
        self.next = 0

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        out = []
        while self.next / 30.0 <= until_s:
            beats = self.next / 30.0 * 3.0
            features = np.zeros(FEATURES.size, np.float32)
            out.append(MusicFrame(self.next, self.next / 30.0, features, beats % 1, beats / 4 % 1, 180.0, 1.0))
            self.next += 1
        return out


def conductor(runner: Standstill, clock: ManualClock, leader: WalkingLeader, **more) -> Conductor:
    state = FollowerState({"ticks": np.zeros(1, np.float32)})
    playout = Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0))
    return Conductor(
        CONTRACT,
        InlineEngine(runner, state),
        leader,
        SteadyMusic(),
        playout,
        clock,
        Wishes(Placement(0.8)),
        Health(),
        **more,
    )


def run(loop: Conductor, clock: ManualClock, seconds: float) -> None:
    loop.run(stop=lambda: clock.now() >= seconds)


def test_ticks_start_by_the_clock_two_frames_ahead() -> None:
    clock, runner = ManualClock(), Standstill()
    loop = conductor(runner, clock, WalkingLeader(0.0))
    run(loop, clock, 2.0)
    assert loop.health.counter("ticks") == len(runner.asked) == 15
    assert loop.health.counter("late_ticks") == 0
    first = int(round(2.0 * 30 / 4)) * 4 - LEAST_DELAY_FRAMES
    assert clock.now() == pytest.approx(first / 30 + 4 / 30, abs=1e-6)


def test_inputs_are_the_contract_s_tensors() -> None:
    clock, runner = ManualClock(), Standstill()
    run(conductor(runner, clock, WalkingLeader(0.5)), clock, 1.5)
    for spec in CONTRACT.inputs:
        tensor = runner.asked[-1][spec.name]
        assert tensor.shape == spec.shape and tensor.dtype == np.float32, spec.name
        assert np.isfinite(tensor).all()
    assert set(runner.asked[-1]) == {t.name for t in CONTRACT.inputs}


def test_the_follower_stays_with_a_walking_leader() -> None:
    clock = ManualClock()
    loop = conductor(Standstill(), clock, WalkingLeader(0.5))
    run(loop, clock, 4.0)
    pose = loop.playout.pose_at(4.0)
    assert pose.root_m[0] == pytest.approx(2.0, abs=0.15)
    assert pose.root_m[2] == pytest.approx(0.8, abs=0.05)


def test_nobody_there_means_no_ticks_and_a_resting_follower() -> None:
    clock, runner = ManualClock(), Standstill()
    loop = conductor(runner, clock, WalkingLeader(0.0, from_s=100.0))
    run(loop, clock, 2.0)
    assert not runner.asked
    assert loop.playout.pose_at(2.0).source is PoseSource.HOLD


def test_a_late_leader_is_met_where_they_are() -> None:
    clock = ManualClock()
    loop = conductor(Standstill(), clock, WalkingLeader(0.5, from_s=3.0))
    run(loop, clock, 5.0)
    # Two and a half metres away, and nobody glides faster than 1.5 m/s.
    assert loop.playout.pose_at(5.0).root_m[0] == pytest.approx(2.5, abs=0.15)


def test_noise_depends_on_seed_and_tick_alone() -> None:
    asked = []
    for seed in (0, 0, 1):
        clock, runner = ManualClock(), Standstill()
        run(conductor(runner, clock, WalkingLeader(0.0), seed=seed), clock, 1.0)
        asked.append([t["noise"] for t in runner.asked])
    np.testing.assert_array_equal(asked[0], asked[1])
    assert not np.array_equal(asked[0], asked[2])
    assert not np.array_equal(asked[0][0], asked[0][1])


def test_a_clock_that_jumps_skips_ticks_instead_of_lagging() -> None:
    clock, runner = ManualClock(), Standstill()
    loop = conductor(runner, clock, WalkingLeader(0.0))
    for tick in range(1, 4):
        clock.sleep_until(tick * 4 / 30)
        loop.tick(tick)
    clock.advance(10.0)
    loop.run(stop=lambda: clock.now() >= 12.0)
    assert loop.health.counter("ticks") < 25
    assert loop.playout.pose_at(12.0).source is not PoseSource.HOLD


def test_the_log_holds_both_dancers_frame_by_frame() -> None:
    clock, log = ManualClock(), MotionLog(30.0)
    run(conductor(Standstill(), clock, WalkingLeader(0.5), log=log), clock, 2.0)
    arrays = log.arrays()
    assert len(arrays["time_s"]) >= 55
    np.testing.assert_allclose(np.diff(arrays["time_s"]), 1 / 30, atol=1e-6)
    assert arrays["leader_joints_m"].shape == arrays["follower_joints_m"].shape == (len(arrays["time_s"]), 22, 3)
    np.testing.assert_allclose(arrays["leader_joints_m"][:, 0, 0], arrays["time_s"] * 0.5, atol=1e-4)
    assert set(arrays["source"]) <= {"model", "blend", "hold"}


class Stumbling(Standstill):
    """Says NaN for a while, and for ever if it is not made to forget."""

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        outputs, new = super().tick(inputs, state)
        if 5 <= len(self.asked) < 12 or not np.isfinite(state.tensors["ticks"]).all():
            outputs = {"frames": np.full_like(outputs["frames"], np.nan)}
            new = FollowerState({"ticks": np.full(1, np.nan, np.float32)})
        return outputs, new


def test_a_follower_that_says_nan_rests_visibly_and_comes_back() -> None:
    clock = ManualClock()
    loop = conductor(Stumbling(), clock, WalkingLeader(0.0))
    shown = []
    loop.run(stop=lambda: shown.append(loop.playout.pose_at(clock.now())) or clock.now() >= 5.0)
    assert loop.health.counter("broken_ticks") == 7
    assert all(np.isfinite(p.root_m).all() and np.isfinite(p.quaternions_wxyz).all() for p in shown)
    sources = [p.source for p in shown]
    assert PoseSource.HOLD in sources[8:20]
    assert sources[-1] is PoseSource.MODEL


class Leaving(WalkingLeader):
    """Is not measured between two moments, as when a camera is pulled out."""

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        return [f for f in super().take_new(until_s) if not 2.0 < f.time_s < 12.0]


def test_a_leader_away_for_long_ends_nothing() -> None:
    clock, runner = ManualClock(), Standstill()
    loop = conductor(runner, clock, Leaving(0.2))
    loop.run(stop=lambda: clock.now() >= 15.0)
    assert loop.health.counter("ticks") >= 110
    assert 70 <= loop.health.counter("stale_leader_ticks") <= 80
    assert all(np.isfinite(t["leader"]).all() for t in runner.asked)
    pose = loop.playout.pose_at(15.0)
    assert pose.source is PoseSource.MODEL
    assert pose.root_m[0] == pytest.approx(3.0, abs=0.2)


class Breaking(SteadyMusic):
    """Is not heard between two moments."""

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        return [f for f in super().take_new(until_s) if not 2.0 < f.time_s < 12.0]


def test_music_away_for_long_is_silence() -> None:
    clock, runner = ManualClock(), Standstill()
    loop = conductor(runner, clock, WalkingLeader(0.0))
    loop.music = Breaking()
    loop.run(stop=lambda: clock.now() >= 15.0)
    assert not runner.asked[75]["music"].any()
    assert runner.asked[-1]["music"].any()


class Slow(Standstill):
    """Takes ``seconds`` of the session's time for a tick."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        self.clock.advance(self.seconds)
        return super().tick(inputs, state)


@pytest.mark.parametrize(("seconds", "late"), [(0.05, False), (0.08, True)])
def test_a_tick_is_late_when_its_first_frame_is_on_screen(seconds: float, late: bool) -> None:
    clock = ManualClock()
    loop = conductor(Slow(clock, seconds), clock, WalkingLeader(0.0))
    run(loop, clock, 2.0)
    assert (loop.health.counter("late_ticks") > 10) is late
    assert late or loop.health.counter("late_ticks") == 0


def test_a_slower_machine_starts_its_ticks_earlier() -> None:
    clock = ManualClock()
    loop = conductor(Slow(clock, 0.08), clock, WalkingLeader(0.0), delay_frames=3)
    run(loop, clock, 2.0)
    assert loop.health.counter("late_ticks") == 0


@pytest.mark.parametrize("lead_s", [0.0, 0.03, 0.2])
def test_what_a_late_display_shows_is_danced_so_much_ahead(lead_s: float) -> None:
    clock, began = ManualClock(), []
    loop = conductor(Slow(clock, 0.05), clock, WalkingLeader(0.5), display_lead_s=lead_s)
    loop.run(stop=lambda: began.append(clock.now()) or clock.now() >= 3.0)
    assert loop.health.counter("late_ticks") == 0
    # Each tick begins two frames before its first frame is drawn, and that is so much before it is seen.
    first = (np.array(began[5:]) + lead_s) * 30.0 + LEAST_DELAY_FRAMES
    np.testing.assert_allclose(first % 4, np.zeros(len(first)) + 4 * (first % 4 > 2), atol=1e-6)
    # At 2.5 s a picture is drawn of the moment when it is seen, and the follower is beside the leader of then.
    assert loop.playout.pose_at(2.5 + lead_s).root_m[0] == pytest.approx(0.5 * (2.5 + lead_s), abs=0.15)


@pytest.mark.parametrize("lead_s", [0.0, 0.2, 0.5])
def test_a_dance_before_a_late_display_begins_with_a_tick_that_can_be_in_time(lead_s: float) -> None:
    clock = ManualClock()
    loop = conductor(Standstill(), clock, WalkingLeader(0.5), display_lead_s=lead_s)
    run(loop, clock, 1.0)
    assert loop.health.counter("skipped_ticks") == loop.health.counter("late_ticks") == 0
    assert loop.health.counter("ticks") >= 7


def test_a_machine_that_is_too_slow_is_told_so() -> None:
    clock = ManualClock()
    with pytest.raises(DuetError, match="d <= s <= H - d"):
        conductor(Standstill(), clock, WalkingLeader(0.0), delay_frames=5)
