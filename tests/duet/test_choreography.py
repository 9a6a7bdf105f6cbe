"""The couple choreographer: two plausible bodies that dance together, on the beat, without sliding or breaking."""

import numpy as np
import pytest

from duet.choreography import KINDS, Couple, CoupleStyle, DancerStyle, choreograph, choreograph_tempo, compose
from duet.choreography.everyday import ACTS
from duet.choreography.repertoire import REPERTOIRE
from duet.errors import InputError
from duet.motion import Motion
from duet.rotations import rotvec_from_matrix, yaw_matrix
from duet.skeleton import BODY

SEEDS = range(6)
BALLS = [BODY.index("left_foot"), BODY.index("right_foot")]


@pytest.fixture(scope="module")
def couples() -> list[Couple]:
    return [choreograph_tempo(20.0, 155.0 + 8.0 * seed, seed) for seed in SEEDS]


def takes(couples: list[Couple]) -> list[Motion]:
    return [take for couple in couples for take in (couple.leader, couple.follower)]


def pelvis_distance(couple: Couple) -> np.ndarray:
    return np.linalg.norm((couple.leader.root_m - couple.follower.root_m)[:, [0, 2]], axis=-1)


def landings_s(take: Motion) -> np.ndarray:
    """When each ball of a foot comes to rest on the floor."""
    out = []
    for ball in BALLS:
        track = take.joints_m[:, ball].astype(np.float64)
        low = track[1:, 1] < BODY.rest_joints_m[ball, 1] + 1e-3
        resting = low & (np.linalg.norm(np.diff(track, axis=0), axis=-1) * take.fps < 0.05)
        out.append(np.flatnonzero(resting[1:] & ~resting[:-1]) + 1)
    return np.sort(np.concatenate(out)) / take.fps


def test_both_takes_share_one_clock_and_one_body(couples):
    for couple in couples:
        assert couple.leader.frames == couple.follower.frames == 600
        assert couple.leader.skeleton == couple.follower.skeleton == BODY


def test_rotations_are_rotations_and_bones_keep_their_length(couples):
    for take in takes(couples):
        unit = take.rotations @ np.swapaxes(take.rotations, -1, -2)
        assert np.allclose(unit, np.eye(3), atol=1e-4)
        assert np.linalg.det(take.rotations).min() > 0.999
        bones = take.joints_m[:, 1:] - take.joints_m[:, list(BODY.parents[1:])]
        assert np.allclose(np.linalg.norm(bones, axis=-1), BODY.bone_lengths_m[1:], atol=1e-4)


def test_standing_feet_do_not_slide_and_none_goes_through_the_floor(couples):
    for take in takes(couples):
        feet = take.joints_m[:, [BODY.index(f"{side}_{j}") for side in ("left", "right") for j in ("ankle", "foot")]]
        assert feet[..., 1].min() > -0.01
        for ball in BALLS:
            track = take.joints_m[:, ball].astype(np.float64)
            grounded = track[:, 1] < BODY.rest_joints_m[ball, 1] + 2e-4
            # Inside a stance: on the floor before and after as well.
            inside = grounded[:-3] & grounded[1:-2] & grounded[2:-1] & grounded[3:]
            moved = np.linalg.norm(np.diff(track[:, [0, 2]], axis=0), axis=-1)[1:-1]
            assert inside.mean() > 0.3
            assert moved[inside].max() < 0.002


def test_feet_land_on_the_beats():
    for seed in range(4):
        beats = np.cumsum(np.full(49, 60.0 / (150.0 + 15.0 * seed)))
        couple = choreograph(beats, seed, fps=120.0)
        for take in (couple.leader, couple.follower):
            landed = landings_s(take)
            # The dance goes on to the last frame, one beat after the last.
            late = np.abs(landed[:, None] - np.append(beats, 2 * beats[-1] - beats[-2])).min(axis=1)
            assert len(landed) > 30
            assert np.percentile(late, 98) < 0.06
            assert late.max() < 0.09


def test_partners_keep_a_partners_distance(couples):
    for couple in couples:
        distance = pelvis_distance(couple)
        assert distance.min() > 0.35
        assert distance.max() < 1.9
        assert 0.5 < distance.mean() < 1.15


def test_partners_mostly_look_at_each_other(couples):
    ahead = []
    for couple in couples:
        way = (couple.follower.root_m - couple.leader.root_m) * [1, 0, 1]
        facing = couple.leader.rotations[:, 0, :, 2] * [1, 0, 1]
        ahead.append((way * facing).sum(-1) > 0)
    assert np.concatenate(ahead).mean() > 0.85


def test_hands_meet_in_closed_hold_and_through_most_of_the_dance(couples):
    joined = []
    for couple in couples:
        lead, follow = couple.leader.joints_m, couple.follower.joints_m
        left, right = BODY.index("left_wrist"), BODY.index("right_wrist")
        pairs = [(left, right), (right, left), (right, right)]
        gaps = [np.linalg.norm(lead[:, a] - follow[:, b], axis=-1) for a, b in pairs]
        assert gaps[0][0] < 0.15, "the dance begins hand in hand"
        joined.append(np.min(gaps, axis=0) < 0.12)
    assert np.concatenate(joined).mean() > 0.5


def test_motion_is_as_lively_as_people_and_nothing_pops(couples):
    for take in takes(couples):
        speed = np.linalg.norm(np.diff(take.joints_m, axis=0), axis=-1) * take.fps
        assert 0.2 < speed.mean() < 1.1
        assert speed.max() < 9.0
        turned = rotvec_from_matrix(np.swapaxes(take.rotations[:-1], -1, -2) @ take.rotations[1:])
        assert np.linalg.norm(turned, axis=-1).max() < np.radians(75)


def test_knees_and_elbows_bend_the_right_way(couples):
    for take in takes(couples):
        joints = take.joints_m.astype(np.float64)
        for side in ("left", "right"):
            hip, knee, ankle, ball = (joints[:, BODY.index(f"{side}_{j}")] for j in ("hip", "knee", "ankle", "foot"))
            shin = ankle - knee
            # The knee's angle opens backwards: the ankle is behind the line of the thigh, seen from the toes.
            toes = (ball - ankle) * [1, 0, 1]
            toes /= np.linalg.norm(toes, axis=-1, keepdims=True)
            thigh = (knee - hip) / np.linalg.norm(knee - hip, axis=-1, keepdims=True)
            off = shin - thigh * (shin * thigh).sum(-1, keepdims=True)
            assert np.percentile((off * toes).sum(-1), 98) < 0.0
            flexion = rotvec_from_matrix(take.rotations[:, BODY.index(f"{side}_elbow")])
            sign = -1.0 if side == "left" else 1.0
            assert (sign * flexion[:, 1]).min() > -0.02
            assert np.abs(flexion[:, [0, 2]]).max() < 0.15


def test_the_same_seed_gives_the_same_dance_and_another_one_another():
    first, again, other = (choreograph_tempo(8.0, 180.0, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.leader.rotations, again.leader.rotations)
    assert np.array_equal(first.follower.root_m, again.follower.root_m)
    assert first.figures == again.figures
    assert not np.allclose(first.leader.joints_m, other.leader.joints_m, atol=0.1)


def test_every_figure_is_danced_by_some_couple():
    danced = set()
    for seed in range(40):
        couple = choreograph(np.arange(97) * 0.34, seed, fps=10.0)
        danced |= {name for name, _ in couple.figures}
    assert danced == set(REPERTOIRE)


def test_figures_begin_on_the_first_beat_of_eight():
    beats = 0.7 + np.cumsum(np.linspace(0.42, 0.3, 65))
    couple = choreograph(beats, 3)
    starts = [start for _, start in couple.figures]
    assert np.isin(np.round(starts, 6), np.round(beats[::8], 6)).all()
    assert couple.leader.seconds == pytest.approx(beats[-1] + 0.3, abs=0.05)


def test_nobody_stands_around_before_the_music_is_over():
    for beats in (41, 46, 95):
        couple = choreograph(np.arange(beats) * 0.5, 2)
        for take in (couple.leader, couple.follower):
            ankles = take.joints_m[-90:, [BODY.index("left_ankle"), BODY.index("right_ankle")]]
            assert np.linalg.norm(np.diff(ankles, axis=0), axis=-1).max() * take.fps > 0.5


def test_kinds_are_composed_by_name():
    for kind in KINDS:
        couple = compose(kind, 6.0, 120.0, 3)
        names = {name for name, _ in couple.figures}
        assert names <= (set(REPERTOIRE) if kind == "salsa" else set(ACTS))
        assert couple.leader.frames == couple.follower.frames == 180
    assert {name for name, _ in compose("leave", 20.0, 120.0, 3).figures} == {"stand", "leave and return"}
    with pytest.raises(InputError, match="expected one of salsa, walk"):
        compose("tango", 6.0, 120.0, 3)


def test_style_is_obeyed():
    small = CoupleStyle(leader=DancerStyle(step_m=0.15), follower=DancerStyle(step_m=0.15), turns=0.0)
    large = CoupleStyle(leader=DancerStyle(step_m=0.5), follower=DancerStyle(step_m=0.5), turns=0.0)
    paths = [
        np.abs(np.diff(choreograph_tempo(20.0, 180.0, 1, style=s).leader.root_m, axis=0)).sum() for s in (small, large)
    ]
    assert paths[0] < 0.8 * paths[1]
    names = {name for name, _ in choreograph_tempo(60.0, 180.0, 1, style=small).figures}
    assert not names & {"right turn", "inside turn", "double turn", "cuddle", "leader turn"}


def test_a_dance_can_stand_anywhere_in_the_world(couples):
    turned = couples[0].leader.joints_m @ yaw_matrix(1.0).T
    assert np.isfinite(turned).all()
    headings = [np.arctan2(*(c.follower.root_m[0] - c.leader.root_m[0])[[0, 2]]) for c in couples]
    assert np.ptp(headings) > 1.0


@pytest.mark.parametrize(
    ("beats", "reason"),
    [
        ([0.0], "two finite beat times"),
        ([0.0, np.nan, 1.0], "two finite beat times"),
        ([[0.0, 1.0]], "two finite beat times"),
        ([0.0, 0.4, 0.3], "in order"),
        ([0.0, 0.05, 0.1], "0.2 to 1.2 s apart"),
        ([0.0, 5.0], "0.2 to 1.2 s apart"),
    ],
)
def test_beats_nobody_can_step_on_are_refused(beats, reason):
    with pytest.raises(InputError, match=reason):
        choreograph(beats, 0)


def test_a_tempo_or_a_rate_nobody_can_use_is_refused():
    with pytest.raises(InputError, match="above 0"):
        choreograph_tempo(10.0, 0.0, 0)
    with pytest.raises(InputError, match="above 0"):
        choreograph_tempo(-1.0, 180.0, 0)
    with pytest.raises(InputError, match="frames a second"):
        choreograph_tempo(10.0, 180.0, 0, fps=1000.0)
