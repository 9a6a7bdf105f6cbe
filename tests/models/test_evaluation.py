"""Metrics on motion whose numbers are known."""

import json
import re
import xml.dom.minidom
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import FOLLOWER_SIZE
from duet.motion import read_motion
from models.config import S
from models.data.pairs import Pair
from models.evaluation.baselines import Hold, Retrieval
from models.evaluation.bodies import overlapping, segment_distance
from models.evaluation.closed_loop import closed_loop_score, example_of, judge, judge_follower
from models.evaluation.evaluate import REAL, Evaluation, Options, evaluate_on, steps_to_watch, write_couples
from models.evaluation.html import page
from models.evaluation.live import Watched, live_tracks
from models.evaluation.metrics import Performance, measure, skate
from models.evaluation.reaction import reactions, stopped
from models.evaluation.report import Report
from models.rollout import dance


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
    foresight = None

    def __init__(self) -> None:
        self.frame = np.zeros(FOLLOWER_SIZE, np.float32)
        self.frame[:132] = np.tile([1, 0, 0, 0, 1, 0], 22)
        self.frame[133], self.frame[135], self.frame[140] = 1.0, -1.0, 0.87

    def reset(self, batch: int) -> None:
        assert batch == 1

    def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return np.repeat(self.frame[None, None], S.plan * S.token_frames, axis=1)


def test_short_takes_have_no_reactions() -> None:
    """After the leader has stopped, nothing is left of them to judge."""
    couple = choreograph_tempo(8.0, 180.0, 6)
    short = example_of(Pair("dance", couple.leader, couple.follower, np.arange(0.0, 8.0, 1.0 / 3.0)))
    assert reactions(Shadow(), [short], leak=1.0) == {}
    with pytest.raises(InputError, match="expected over 12 s, to stop the leader then, got 8.0 s"):
        stopped(short.take)


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
    report = Report({"real": numbers | {"churn_next_mm": float("nan")}}, "As recorded.")
    assert "| real | 0.00 |" in report.markdown()
    read = json.loads(report.to_json())
    assert read["rows"]["real"]["root_ade_m"] == 0.0 and read["rows"]["real"]["churn_next_mm"] is None


def test_seams_teleports_and_final_error_by_hand(pair: Pair) -> None:
    real = Performance.of(pair.follower.joints_m, pair.follower.rotations)
    steps = np.where(np.arange(pair.frames) % 4 == 0, 0.03, 0.01)
    made = replace(real, joints_m=real.joints_m + np.cumsum(steps)[:, None, None] * np.array([1.0, 0.0, 0.0]))
    found = live_tracks(made, real, pair.leader.joints_m, 30.0, token_frames=4)
    assert found["seam_root_ratio"].value == pytest.approx(3.0, rel=0.02)  # a seam more or less at the ends
    assert found["teleport_percent"].value == 0.0
    assert found["root_fde_m"].value == pytest.approx(np.cumsum(steps)[-30:].mean(), rel=1e-4)
    later = live_tracks(
        Performance(made.joints_m[30:], made.yaw_rad[30:]),
        Performance(real.joints_m[30:], real.yaw_rad[30:]),
        pair.leader.joints_m[30:],
        30.0,
        token_frames=4,
        first_frame=30,
    )
    assert later["seam_root_ratio"].value == pytest.approx(3.0, rel=0.03)
    jumped = real.joints_m.copy()
    jumped[100:] += np.array([0.5, 0.0, 0.0])
    there = live_tracks(replace(real, joints_m=jumped), real, pair.leader.joints_m, 30.0, token_frames=4)
    assert there["teleport_percent"].value == pytest.approx(100.0 / (pair.frames - 1))


def test_a_real_dancer_has_no_seams_and_penetration_is_deeper_than_contact(pair: Pair) -> None:
    real = Performance.of(pair.follower.joints_m, pair.follower.rotations)
    found = live_tracks(real, real, pair.follower.joints_m, 30.0, token_frames=4)
    assert found["seam_jolt_ratio"].value == pytest.approx(1.0, abs=0.1)
    assert found["penetration_percent"].value == 100.0
    apart = live_tracks(real, real, pair.follower.joints_m + [0.0, 0.0, 1.5], 30.0, token_frames=4)
    assert apart["contact_percent"].value == 0.0


class Wavering(Shadow):
    """Bends its back in every other plan: changes its mind at every tick."""

    def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        self.frame[0:6] = (0, 1, 0, -1, 0, 0) if self.frame[0] == 1 else (1, 0, 0, 0, 1, 0)
        return super().tick(inputs)


def test_plans_that_change_churn(pair: Pair) -> None:
    for partner, changes in ((Shadow(), False), (Wavering(), True)):
        watched = Watched(partner)
        dance(watched, [example_of(pair).take], leak=1.0)
        churn = watched.churn()
        assert (churn["churn_next_mm"] > 50.0) == changes
        assert churn["churn_plan_mm"] == pytest.approx(churn["churn_next_mm"])
    assert np.isnan(Watched(Shadow()).churn()["churn_next_mm"])


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    def couple(seed: int) -> Pair:
        danced = choreograph_tempo(10.0, 180.0, seed)
        return Pair(f"dance-{seed}", danced.leader, danced.follower, np.arange(0.0, 10.0, 1.0 / 3.0))

    told: list[str] = []
    options = Options(takes=("12", "13"), seeds=1, leak=1.0, reactions=False)
    found = evaluate_on(Shadow(), [example_of(couple(s)) for s in (5, 6)], [couple(7), couple(8)], options, told.append)
    assert len(told) + 1 == steps_to_watch(options)  # the takes were there already
    return found


def test_everybody_is_measured_and_compared(evaluation: Evaluation) -> None:
    report = evaluation.report
    names = ["follower", "hold", "mirror", "retrieval", "follower, warm", "retrieval, warm", "real follower"]
    assert list(report.rows) == names
    real = report.rows["real follower"]
    assert real["root_ade_m"] == 0.0 and real["step_concentration"] > 0.9 > real["step_concentration_chance"]
    assert list(report.paired["follower"]) == ["hold", "mirror", "retrieval"]
    assert list(report.paired["follower, warm"]) == ["retrieval, warm"]
    gap = report.rows["follower"]["root_ade_m"] - report.rows["retrieval"]["root_ade_m"]
    against = report.paired["follower"]["retrieval"]["root_ade_m"]
    assert against.low <= against.value <= against.high and against.value == pytest.approx(gap, abs=0.01)
    assert report.judged["real from follower"].auc > 0.9  # a T-pose
    assert set(report.literature) == {"duolando_compat", "si"}
    assert report.literature["si"]["real follower"]["fid_k"] < report.literature["si"]["follower"]["fid_k"]
    assert set(report.takes) == {"dance-5", "dance-6"}
    assert json.loads(report.to_json())["provenance"]["versions"]["numpy"]
    assert "follower minus retrieval" in report.markdown()


def test_what_no_judge_could_learn_is_said_in_words(evaluation: Evaluation) -> None:
    unknown = {name: replace(one, auc=float("nan")) for name, one in evaluation.report.judged.items()}
    text = replace(evaluation.report, judged=unknown).markdown()
    assert "one take is too few" in text and "nan" not in text
    assert "A judge" not in replace(evaluation.report, judged={}).markdown()


def test_warm_dancers_were_where_the_real_one_was(evaluation: Evaluation) -> None:
    (warm,) = next(d for d in evaluation.dancers if d.name == "follower, warm").of(0)
    real = evaluation.examples[0].pair.follower
    assert warm.first_frame == 48
    # One step after the last real frame.
    assert np.linalg.norm(warm.danced.joints_m[0, 0] - real.joints_m[47, 0]) < 0.2


def test_being_moved_is_no_change_of_plan(evaluation: Evaluation) -> None:
    for name in ("follower", "follower, warm"):  # one who always plans the same
        row = evaluation.report.rows[name]
        assert row["churn_next_mm"] == row["churn_plan_mm"] == 0.0, name


def test_the_page_is_whole_and_draws_every_take(evaluation: Evaluation) -> None:
    text = page(evaluation, {"Strange leads": [{"lead": "<walk>", "inside_s": 0.1}]})
    whole = xml.dom.minidom.parseString  # SVG inside is well-formed XML
    pictures = re.findall(r"<svg.*?</svg>", text, flags=re.S)
    assert len(pictures) == 2 * 6 and all(whole(picture) for picture in pictures)
    assert "&lt;walk&gt;" in text and "not comparable" in text and "nan" not in text
    assert not re.search(r"(src|href)=", text)


def test_couples_are_written_as_they_danced(evaluation: Evaluation, tmp_path: Path) -> None:
    first, second = write_couples(evaluation, tmp_path / "films")
    assert (first.name, second.name) == ("dance-5.npz", "dance-6.npz")
    follower = next(d for d in evaluation.dancers if d.name == "follower").of(0)[0]
    np.testing.assert_allclose(read_motion(first, dancer="follower").joints_m, follower.danced.joints_m, atol=1e-4)


def test_what_cannot_be_evaluated_is_said() -> None:
    with pytest.raises(InputError, match="12, 13"):
        Options(takes=("99",))
    with pytest.raises(InputError, match="expected each once, got 12, 13, 12"):
        Options(takes=("12", "13", "12"))
    with pytest.raises(InputError, match="retrieval"):
        Options(baselines=("luck",))
    with pytest.raises(InputError, match="Seeds"):
        Options(seeds=0)
    with pytest.raises(InputError, match="leak"):
        evaluate_on(Shadow(), [], [], Options(), lambda _: None)


def brief(seconds: float, seed: int) -> Pair:
    """A couple that dances for a moment."""
    danced = choreograph_tempo(seconds, 180.0, seed)
    return Pair(f"brief-{seed}", danced.leader, danced.follower, np.arange(0.0, seconds, 1.0 / 3.0))


class Never(Shadow):
    """Is not to be asked."""

    def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        raise AssertionError("danced")


def test_baselines_that_know_nobody_are_told_before_the_dance() -> None:
    example, options = example_of(brief(5.0, 5)), Options(seeds=1, leak=1.0)
    with pytest.raises(
        InputError, match="Baselines: expected training takes for hold, mirror, retrieval to know, got n"
    ):
        evaluate_on(Never(), [example], [], options, lambda _: None)


@pytest.mark.parametrize("known_s", [5.0, 9.0])
def test_takes_too_short_for_the_literature_are_left_out_of_it(known_s: float) -> None:
    """Nothing of those who danced is long enough for a piece, whether the couples beside them are or not."""
    options = Options(baselines=("hold",), seeds=1, leak=1.0, reactions=False, warm=False)
    examples = [example_of(brief(5.0, seed)) for seed in (5, 6)]
    found = evaluate_on(Shadow(), examples, [brief(known_s, 7), brief(known_s, 8)], options, lambda _: None)
    assert found.report.literature == {} and set(found.report.rows) == {"follower", "hold", REAL}
    text = page(found)
    assert "duet literature" not in text and "brief-6" in text
