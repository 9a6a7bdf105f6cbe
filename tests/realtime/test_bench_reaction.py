"""A leader who steps aside on a clock that is moved: what is danced without the step tells when it was answered."""

from pathlib import Path

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import ManualClock
from duet.features import Placement, Standing, partner_standing
from duet.poses import RELAXED_PELVIS_HEIGHT_M
from realtime.bench import reaction
from realtime.bench.reaction import STEP_M, SteppingLeader, reactions, step_times
from realtime.conductor import Conductor
from realtime.engine import DelayedEngine
from realtime.health import Health
from realtime.inference.runner_ort import OrtRunner
from realtime.playout import Playout
from realtime.sessions.session import Recording
from realtime.sight.leader_take import TakeLeader
from realtime.tick import FollowerState
from realtime.wishes import Wishes

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
LATENCY_S = 0.045


class _Silence:
    def take_new(self, until_s: float) -> tuple[()]:
        return ()


@pytest.fixture(scope="module")
def runner() -> OrtRunner:
    return OrtRunner(SHIPPED)


def _leader(times_s: np.ndarray) -> SteppingLeader:
    return SteppingLeader(TakeLeader(compose("salsa", 1.0, 180.0, 0, fps=30.0).leader, 30.0).frame(0), times_s, 30.0)


def _recorded(folder: Path, runner: OrtRunner, leader: SteppingLeader, seconds: float) -> Path:
    contract, clock = runner.contract, ManualClock()
    wish = Placement(contract.distance_m)
    start = partner_standing(Standing(np.zeros(3), 0.0), wish, RELAXED_PELVIS_HEIGHT_M)
    engine = DelayedEngine(runner, FollowerState.initial(contract), clock, lambda tick: LATENCY_S)
    conductor = Conductor(
        contract, engine, leader, _Silence(), Playout(contract.timeline, start), clock, Wishes(wish), Health(),
        forecaster=runner.forecaster,
    )  # fmt: skip
    recording = Recording(folder, conductor)
    try:
        conductor.run(lambda: clock.now() >= seconds)
    finally:
        recording.close()
    return folder


def test_steps_come_at_any_moment_and_are_watched_to_their_end() -> None:
    times = step_times(30.0, 1)
    assert 9 <= len(times) <= 15 and times[0] > reaction.SETTLED_S and times[-1] < 30.0 - reaction.WATCHED_S
    assert np.unique(np.round((times * 30.0) % 1.0, 2)).size > 5
    np.testing.assert_array_equal(times, step_times(30.0, 1))
    assert not np.array_equal(times, step_times(30.0, 2))


def test_the_leader_is_aside_from_one_frame_to_the_next_and_back() -> None:
    leader = _leader(np.array([1.01, 2.0]))
    leader.start(ManualClock(), 0.5)
    xs = [float(frame.root_m[0]) for frame in leader.take_new(3.5)]
    moves = np.flatnonzero(np.abs(np.diff(xs)) > 0.01) + 1
    assert moves.tolist() == [31, 60] and abs(xs[40] - xs[0]) == pytest.approx(STEP_M)
    assert leader.take_new(3.5) == [] and leader.frame(40, steps=0).root_m[0] == leader.frame(0).root_m[0]
    assert leader.frame(40).time_s == pytest.approx(0.5 + 40 / 30)


def test_a_step_is_answered_and_its_parts_make_up_the_whole(tmp_path: Path, runner: OrtRunner) -> None:
    leader = _leader(np.array([4.02]))
    found = reactions(_recorded(tmp_path, runner, leader, 6.0), runner, leader)
    assert found.equal_bits
    (one,) = found.found
    assert one.event_s == 4.02 and 0.0 <= one.framed_s - one.event_s <= 1 / 30 + 1e-6
    assert one.shown_s is not None and one.parts_ms is not None
    assert sum(one.parts_ms) == pytest.approx(1e3 * (one.shown_s - one.event_s))
    assert 0.0 < one.shown_s - one.event_s < 0.4, "on this clock it does not depend on the machine"


def test_a_step_that_nobody_sees_is_answered_by_nobody(
    tmp_path: Path, runner: OrtRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaction, "STEP_M", 0.0)
    leader = _leader(np.array([4.02]))
    (one,) = reactions(_recorded(tmp_path, runner, leader, 6.0), runner, leader).found
    assert one.shown_s is None and one.parts_ms is None
