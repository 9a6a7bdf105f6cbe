"""Leads that are not salsa, and a partner who keeps distance and facing, steps on the beat and answers hands."""

import numpy as np
import pytest

from duet.choreography import Couple, accompany, accompany_tempo
from duet.errors import InputError
from duet.features import leader_headings
from duet.kinematics import heading_yaw
from duet.rotations import rotvec_from_matrix, wrap_angle
from duet.skeleton import BODY

SEEDS = range(8)
TEMPO_BPM = 172.0


@pytest.fixture(scope="module")
def couples() -> list[Couple]:
    return [accompany_tempo(60.0, TEMPO_BPM, seed) for seed in SEEDS]


def spans(couple: Couple, name: str) -> list[slice]:
    """Frames of each act called ``name`` that is danced to its end."""
    starts = [start for _, start in couple.figures]
    return [
        slice(int(start * couple.leader.fps), int(stop * couple.leader.fps))
        for (act, start), stop in zip(couple.figures, starts[1:], strict=False)
        if act == name
    ]


def long_spans(couples: list[Couple], name: str, seconds: float) -> list[tuple[Couple, slice]]:
    found = [(c, s) for c in couples for s in spans(c, name) if s.stop - s.start >= seconds * c.leader.fps]
    assert found, f"no {name} in these seeds"
    return found


def pelvis_distance(couple: Couple) -> np.ndarray:
    return np.linalg.norm((couple.leader.root_m - couple.follower.root_m)[:, [0, 2]], axis=-1)


def test_bodies_are_sound(couples):
    for couple in couples:
        for take in (couple.leader, couple.follower):
            assert take.frames == 1800
            assert take.joints_m[:, [7, 8, 10, 11], 1].min() > -0.01
            speed = np.linalg.norm(np.diff(take.joints_m, axis=0), axis=-1) * take.fps
            assert 0.05 < speed.mean() < 0.8
            assert speed.max() < 8.0
            turned = rotvec_from_matrix(np.swapaxes(take.rotations[:-1], -1, -2) @ take.rotations[1:])
            assert np.linalg.norm(turned, axis=-1).max() < np.radians(60)


def test_the_partner_keeps_distance_and_faces_the_leader(couples):
    for couple in couples:
        distance = pelvis_distance(couple)
        assert distance.min() > 0.35
        assert np.median(distance) < 1.3
        way = couple.leader.root_m - couple.follower.root_m
        looks = heading_yaw(BODY, couple.follower.joints_m)
        past = np.abs(wrap_angle(np.arctan2(way[:, 0], way[:, 2]) - looks))
        assert np.median(past) < np.radians(25)
        assert np.percentile(past, 95) < np.radians(75)


def test_the_partner_steps_on_the_beat_even_while_the_leader_stands():
    beats = np.arange(60) * 0.36
    couple = accompany(beats, 4, fps=120.0)
    landed = []
    for ball in (BODY.index("left_foot"), BODY.index("right_foot")):
        track = couple.follower.joints_m[:, ball].astype(np.float64)
        low = track[1:, 1] < BODY.rest_joints_m[ball, 1] + 1e-3
        resting = low & (np.linalg.norm(np.diff(track, axis=0), axis=-1) * 120.0 < 0.05)
        landed.append((np.flatnonzero(resting[1:] & ~resting[:-1]) + 1) / 120.0)
    times = np.concatenate(landed)
    assert len(times) > 0.65 * len(beats)
    assert np.percentile(np.abs(times[:, None] - beats).min(axis=1), 97) < 0.07


def test_a_wave_is_answered(couples):
    wrists = [BODY.index("left_wrist"), BODY.index("right_wrist")]
    for couple, span in long_spans(couples, "wave", 1.4):
        for take in (couple.leader, couple.follower):
            joints = take.joints_m[span]
            assert (joints[:, wrists, 1] - joints[:, [BODY.index("neck")], 1]).max() > 0.1


def test_an_offered_hand_is_taken(couples):
    gaps = []
    for couple, span in long_spans(couples, "offer a hand", 1.8):
        lead, follow = couple.leader.joints_m[span], couple.follower.joints_m[span]
        gaps.append(
            np.linalg.norm(lead[:, BODY.index("left_wrist")] - follow[:, BODY.index("right_wrist")], axis=-1).min()
        )
    assert np.median(gaps) < 0.12


def test_a_crouch_lowers_the_leader(couples):
    for couple, span in long_spans(couples, "crouch", 2.4):
        height = couple.leader.root_m[span, 1]
        assert height.min() < height[0] - 0.06


def test_a_leaver_is_noticed_and_followed():
    for seed in range(4):
        couple = accompany_tempo(30.0, TEMPO_BPM, seed, acts=("stand", "leave and return"))
        away = np.linalg.norm((couple.leader.root_m - couple.leader.root_m[0])[:, [0, 2]], axis=-1)
        distance = pelvis_distance(couple)
        assert away.max() > 1.6
        assert distance.max() > 1.1, "nobody knows at once that somebody leaves"
        assert (distance > 1.4).mean() < 0.1


def test_within_three_seconds_the_partner_stands_before_a_leader_who_has_stopped():
    settled = 0
    for seed in range(6):
        tempo_bpm = 90.0 + 20.0 * seed
        couple = accompany_tempo(40.0, tempo_bpm, seed, acts=("stand", "walk", "turn away", "leave and return"))
        fps = couple.leader.fps
        heading = leader_headings(couple.leader.joints_m, fps)
        moves = np.linalg.norm(np.diff(couple.leader.root_m[:, [0, 2]], axis=0), axis=-1) * fps > 0.3
        turns = np.abs(np.diff(heading)) * fps > 0.6
        last = np.maximum.accumulate(np.where(moves | turns, np.arange(len(moves)), -1))
        rested = np.flatnonzero((np.arange(len(moves)) - last) > 2.5 * fps) + 1
        way = couple.follower.root_m - couple.leader.root_m
        bearing = np.abs(wrap_angle(np.arctan2(way[:, 0], way[:, 2]) - heading))[rested]
        assert pelvis_distance(couple)[rested].max(initial=0.8) < 1.35, "a step back at most"
        assert bearing.max(initial=0.0) < np.radians(50)
        settled += len(rested)
    assert settled > 200


def test_the_same_seed_gives_the_same_takes(couples):
    again = accompany_tempo(60.0, TEMPO_BPM, 3)
    assert np.array_equal(again.leader.root_m, couples[3].leader.root_m)
    assert np.array_equal(again.follower.rotations, couples[3].follower.rotations)
    assert not np.allclose(couples[3].leader.root_m, couples[4].leader.root_m, atol=0.1)


def test_beats_nobody_can_step_on_are_refused():
    with pytest.raises(InputError, match="in order"):
        accompany([0.0, 0.3, 0.2], 0)
    with pytest.raises(InputError, match="above 0"):
        accompany_tempo(float("nan"), 180.0, 0)


def test_a_lead_can_be_asked_for() -> None:
    couple = accompany_tempo(12.0, TEMPO_BPM, 3, acts=("stand", "wave"))
    assert [name for name, _ in couple.figures][:3] == ["stand", "wave", "stand"]
    with pytest.raises(InputError, match="expected acts out of stand, walk"):
        accompany_tempo(12.0, TEMPO_BPM, 3, acts=("fly",))
