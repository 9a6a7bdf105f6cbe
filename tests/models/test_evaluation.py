"""Metrics on motion whose numbers are known."""

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.features import FOLLOWER_SIZE
from models.config import S
from models.data.pairs import Pair
from models.evaluation.baselines import Hold, Retrieval
from models.evaluation.bodies import overlapping, segment_distance
from models.evaluation.closed_loop import closed_loop_score, example_of, judge, judge_follower
from models.evaluation.metrics import Performance, measure, skate
from models.evaluation.reaction import reactions
from models.evaluation.report import Report


@pytest.fixture(scope="module")
def pair() -> Pair:
    couple = choreograph_tempo(8.0, 180.0, 5)
    return Pair("dance", couple.leader, couple.follower, np.arange(0.0, 8.0, 1.0 / 3.0))


def test_the_real_follower_is_perfect(pair: Pair) -> None:
    numbers = judge(pair.follower.joints_m, pair.follower.rotations, pair)
    for name in ("root_ade_m", "distance_mae_m", "heading_deg", "mpjpe_mm"):
        assert numbers[name] == pytest.approx(0.0, abs=1e-6)
    for name in ("speed_ratio", "jerk_ratio", "turn_ratio", "pose_speed_ratio"):
        assert numbers[name] == pytest.approx(1.0)
    assert numbers["bone_error_mm"] < 0.01


def test_a_shift_is_an_error_of_place_alone(pair: Pair) -> None:
    shift = np.array([0.3, 0.0, 0.4], np.float32)
    numbers = judge(pair.follower.joints_m + shift, pair.follower.rotations, pair)
    assert numbers["root_ade_m"] == pytest.approx(0.5, abs=1e-5)
    assert numbers["mpjpe_mm"] == pytest.approx(0.0, abs=0.01)


def test_stretched_bones_are_seen(pair: Pair) -> None:
    joints = pair.follower.joints_m.copy()
    joints[40:, 20] += np.array([0.0, 0.03, 0.0], np.float32)
    assert judge(joints, pair.follower.rotations, pair)["bone_error_mm"] > 1.0


def test_standing_still_does_not_move(pair: Pair) -> None:
    still = Performance.of(
        np.repeat(pair.follower.joints_m[:1], 100, 0), np.repeat(pair.follower.rotations[:1], 100, 0)
    )
    real = Performance.of(pair.follower.joints_m[:100], pair.follower.rotations[:100])
    numbers = measure(still, real, pair.leader.joints_m[:100], 30.0)
    assert numbers["speed_ratio"] == 0.0 and numbers["turn_ratio"] == 0.0


def test_sliding_feet_skate(pair: Pair) -> None:
    joints = np.repeat(pair.follower.joints_m[:1], 60, axis=0)
    assert skate(joints, 30.0) == 0.0
    gliding = joints + np.linspace(0.0, 2.0, 60)[:, None, None] * np.array([1.0, 0.0, 0.0])
    assert skate(gliding, 30.0) == 1.0


def test_segments_keep_their_distance() -> None:
    zero, x, y, up = np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, 0.5])
    assert segment_distance(zero, x, up, up + y) == pytest.approx(0.5)
    assert segment_distance(zero, x, x * 3, x * 4) == pytest.approx(2.0)
    assert segment_distance(zero, x, up - y, up + y) == pytest.approx(0.5)
    assert segment_distance(zero, x, up, up + x) == pytest.approx(0.5)


def test_bodies_overlap_only_when_close(pair: Pair) -> None:
    leader = pair.leader.joints_m
    assert overlapping(leader, leader).all()
    assert not overlapping(leader, leader + np.array([1.5, 0.0, 0.0], np.float32)).any()


def test_baselines_dance_and_hold_does_not_move_its_pose(pair: Pair) -> None:
    example = example_of(pair)
    frame = np.zeros(FOLLOWER_SIZE, np.float32)
    frame[:132] = np.tile([1, 0, 0, 0, 1, 0], 22)
    frame[133], frame[135], frame[140] = 0.8, -1.0, 0.87
    numbers = judge_follower(Hold(S, frame), [example], leak=1.0, seeds=(0,))
    assert numbers["pose_speed_ratio"] == pytest.approx(0.0, abs=1e-5)
    assert np.isfinite(list(numbers.values())).all()


def test_retrieval_finds_the_dance_it_knows(pair: Pair) -> None:
    from duet.features import Placement
    from models.data.sequences import CLEAN, build_sequence

    example = example_of(pair)
    known = build_sequence(
        pair, example.take.conditions, S, style=0, wish=Placement(), corruption=CLEAN, rng=np.random.default_rng(0)
    )
    numbers = judge_follower(Retrieval(S, [known]), [example], leak=0.3, seeds=(0,))
    assert numbers["root_ade_m"] < 0.2
    assert numbers["mpjpe_mm"] < 100.0


def test_the_score_punishes_stillness_and_collisions() -> None:
    good = dict.fromkeys(("root_ade_m", "distance_mae_m", "mpjpe_mm", "heading_deg"), 0.0)
    alive = closed_loop_score({**good, "speed_ratio": 1.0, "overlap_percent": 0.0})
    assert closed_loop_score({**good, "speed_ratio": 0.3, "overlap_percent": 0.0}) > alive
    assert closed_loop_score({**good, "speed_ratio": 1.0, "overlap_percent": 20.0}) > alive


class Shadow:
    """Stands a metre before the leader and moves as the leader moves: follows perfectly, and stops when they stop."""

    config = S

    def __init__(self) -> None:
        self.frame = np.zeros(FOLLOWER_SIZE, np.float32)
        self.frame[:132] = np.tile([1, 0, 0, 0, 1, 0], 22)
        self.frame[133], self.frame[135], self.frame[140] = 1.0, -1.0, 0.87

    def reset(self, batch: int) -> None:
        assert batch == 1

    def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return np.repeat(self.frame[None, None], S.plan * S.token_frames, axis=1)


def test_reactions_tell_a_follower_from_a_clock() -> None:
    couple = choreograph_tempo(18.0, 180.0, 6)
    pair = Pair("dance", couple.leader, couple.follower, np.arange(0.0, 18.0, 1.0 / 3.0))
    found = reactions(Shadow(), [example_of(pair)], leak=1.0)
    assert found["late_shift_s"] == pytest.approx(1.0, abs=0.15)
    assert found["late_gap_m"] < 0.5 * found["unshifted_gap_m"]
    assert found["stopped_speed_share"] < 0.1
    assert found["stopped_distance_m"] == pytest.approx(1.0, abs=0.05)


def test_a_report_says_every_number(pair: Pair) -> None:
    numbers = judge(pair.follower.joints_m, pair.follower.rotations, pair)
    report = Report({"real": numbers}, "As recorded.")
    assert "| real | 0.00 |" in report.markdown()
    assert '"root_ade_m"' in report.to_json()
