"""Couples, beats, forecasts and sequences as the networks learn from them."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import FOLLOWER_ROOT, LEADER_SIZE, Placement, Standing, integrate_root, leader_headings, pelvis_yaw
from duet.forecast import forecast_leader, leader_course, leader_flags, music_window
from duet.rotations import wrap_angle, yaw_matrix
from models.config import S
from models.data.beats import step_beats
from models.data.landings import landings
from models.data.music import condition_from_beats, heard_condition
from models.data.pairs import Pair, load_pairs, trim
from models.data.sequences import CLEAN, Corruption, build_sequence, corrupt_leader, tail_tokens

GRID = {"fps": 30.0, "past_tokens": 6, "plan_tokens": 2, "token_frames": 4}


@pytest.fixture(scope="module")
def pair() -> Pair:
    couple = choreograph_tempo(16.0, 180.0, 3)
    return Pair("dance", couple.leader, couple.follower, np.arange(0.0, 16.0, 60.0 / 180.0))


def test_a_pair_needs_one_clock(pair: Pair) -> None:
    with pytest.raises(InputError, match="one clock"):
        Pair("broken", pair.leader, pair.follower.slice(0, 10))


def test_mirroring_twice_is_the_same_dance(pair: Pair) -> None:
    twice = pair.mirrored().mirrored()
    np.testing.assert_allclose(twice.follower.joints_m, pair.follower.joints_m, atol=1e-5)
    assert np.abs(pair.mirrored().follower.joints_m - pair.follower.joints_m).max() > 0.1


def test_tempo_changes_length_and_beats_alike(pair: Pair) -> None:
    fast = pair.at_tempo(1.1)
    assert fast.frames == pytest.approx(pair.frames / 1.1, abs=2)
    assert fast.leader.fps == pair.leader.fps
    assert fast.beats_s is not None and pair.beats_s is not None
    np.testing.assert_allclose(fast.beats_s * 1.1, pair.beats_s)
    frame = round(5.0 * 30)
    np.testing.assert_allclose(fast.leader.root_m[frame], pair.leader.root_m[round(frame * 1.1)], atol=0.05)


def test_distance_moves_the_follower_away(pair: Pair) -> None:
    gained = pair.at_distance(0.2).distances_m() - pair.distances_m()
    assert gained.mean() == pytest.approx(0.2, abs=0.03)


def test_trim_cuts_to_the_close_stretch(pair: Pair) -> None:
    root = pair.follower.root_m.copy()
    root[:40] += np.array([0.0, 0.0, 5.0], np.float32)
    apart = replace(pair, follower=replace(pair.follower, root_m=root))
    assert trim(apart).frames == pair.frames - 40
    with pytest.raises(InputError, match="within"):
        trim(replace(pair, follower=replace(pair.follower, root_m=pair.follower.root_m + np.float32(9.0))))


def test_step_beats_find_the_tempo_of_the_steps(pair: Pair) -> None:
    beats = step_beats(replace(pair, beats_s=None))
    assert 60.0 / np.diff(beats).mean() == pytest.approx(180.0, rel=0.03)
    assert pair.beats_s is not None
    at = np.interp(beats, pair.beats_s, np.arange(len(pair.beats_s)))
    assert np.abs(at - np.round(at)).max() < 0.15  # 50 ms
    assert (np.round(at[::4]).astype(int) % 4 == 0).mean() > 0.9  # the first of every four begins a bar


def test_step_beats_survive_who_does_not_step(pair: Pair) -> None:
    still = replace(pair.leader, root_m=pair.leader.root_m[:1].repeat(pair.frames, 0))
    still = replace(still, rotations=pair.leader.rotations[:1].repeat(pair.frames, 0))
    alone = step_beats(replace(pair, leader=still, beats_s=None))
    at = np.interp(alone, np.arange(0.0, 16.0, 1 / 3), np.arange(48))
    assert np.abs(at - np.round(at)).max() < 0.25
    nobody = step_beats(replace(pair, leader=still, follower=still, beats_s=None))
    assert len(nobody) > 30 and (np.diff(nobody) > 0.25).all()


def test_music_condition_follows_its_beats() -> None:
    beats = np.arange(0.4, 10.0, 1.0 / 3.0)
    conditions = condition_from_beats(beats, 300, 30.0, np.random.default_rng(0))
    later = conditions[np.round(beats * 30).astype(int)[15:28]]
    assert conditions.shape == (300, 8)
    assert later[:, 1].min() > 0.8  # cos of the beat phase, once the tracker is sure
    np.testing.assert_allclose(conditions[:, 4], np.log2(180.0 / 120.0), atol=0.15)
    assert later[1::4, 3].min() > 0.8  # beats 16, 20, 24 begin a bar


def test_heard_music_is_on_its_beats_and_kept(tmp_path: Path) -> None:
    beats = np.arange(0.2, 9.0, 1.0 / 3.0)
    heard = heard_condition(beats, 240, 30.0, seed=3, lead_in_s=4.0, cache=tmp_path)
    phase = np.arctan2(heard[:, 0], heard[:, 1]) / (2 * np.pi)
    off = phase - (np.arange(240) / 30.0 - 0.2) * 3.0
    assert np.abs(off - np.round(off))[60:].mean() < 0.1
    assert heard[60:, 5].mean() > 0.8
    (kept,) = tmp_path.iterdir()
    stamp = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(heard_condition(beats, 240, 30.0, seed=3, lead_in_s=4.0, cache=tmp_path), heard)
    assert kept.stat().st_mtime_ns == stamp


def test_a_still_leader_is_forecast_to_stay(pair: Pair) -> None:
    joints = np.repeat(pair.leader.joints_m[50:51], 5, axis=0)
    ahead, heading = forecast_leader(joints, np.full(5, 0.7), 12, 30.0)
    np.testing.assert_allclose(ahead, np.repeat(joints[:1], 12, axis=0), atol=1e-6)
    np.testing.assert_allclose(heading, 0.7)


def test_forecast_turns_with_the_couple(pair: Pair) -> None:
    joints, heading = pair.leader.joints_m[60:70], leader_headings(pair.leader.joints_m, 30.0)[60:70]
    turn, shift = yaw_matrix(1.1), np.array([3.0, 0.0, -2.0])
    plain, plain_heading = forecast_leader(joints, heading, 9, 30.0)
    turned, turned_heading = forecast_leader(joints @ turn.T + shift, heading + 1.1, 9, 30.0)
    np.testing.assert_allclose(turned, plain @ turn.T + shift, atol=1e-5)
    np.testing.assert_allclose(wrap_angle(turned_heading - plain_heading - 1.1), 0.0, atol=1e-9)


def test_forecast_needs_a_frame() -> None:
    with pytest.raises(InputError, match="at least one"):
        forecast_leader(np.zeros((0, 22, 3)), np.zeros(0), 4, 30.0)


def test_flags_say_what_was_measured() -> None:
    # Newest frame 2 before the plan: the last past token holds three measured frames of four.
    assert leader_flags(2, 6, 2, 4).argmax(1).tolist() == [0, 0, 0, 0, 0, 1, 2, 2]
    assert leader_flags(1, 6, 2, 4).argmax(1).tolist() == [0, 0, 0, 0, 0, 0, 2, 2]
    assert leader_flags(5, 6, 2, 4).argmax(1).tolist() == [0, 0, 0, 0, 0, 2, 2, 2]


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_a_window_holds_nothing_newer_than_measured(pair: Pair, delay: int) -> None:
    joints, heading = pair.leader.joints_m, leader_headings(pair.leader.joints_m, 30.0)
    sure, newest = np.ones(len(heading)), 100
    before = leader_course(joints[:newest], heading[:newest], sure[:newest], delay_frames=delay, **GRID).window()
    assert before.features.shape == (8, 4 * LEADER_SIZE)
    assert before.plan_root_m.shape == (8, 3)
    rows = before.features.reshape(32, LEADER_SIZE)
    first = 6 * 4 - delay  # the newest measured row
    measured = joints[newest - 1] - joints[newest - 1, 0]
    seen = measured @ yaw_matrix(-heading[newest - 1]).T
    np.testing.assert_allclose(rows[first, :66].reshape(22, 3), seen, atol=1e-5)


def test_a_short_history_is_a_leader_standing_still(pair: Pair) -> None:
    window = leader_course(pair.leader.joints_m[:1], np.zeros(1), np.ones(1), delay_frames=3, **GRID).window()
    rows = window.features.reshape(32, LEADER_SIZE)
    np.testing.assert_allclose(rows, np.repeat(rows[:1], 32, axis=0), atol=1e-6)


def test_music_runs_on_past_what_was_heard() -> None:
    beats = np.arange(0.0, 12.0, 1.0 / 3.0)
    heard = condition_from_beats(beats, 200, 30.0, np.random.default_rng(1))
    window = music_window(heard[:100], delay_frames=3, **GRID).reshape(32, 8)
    np.testing.assert_allclose(window[: 6 * 4 - 2], heard[100 - 22 : 100])
    ahead = window[6 * 4 - 2 :]
    assert not ahead[:, 6:].any()
    phase_error = wrap_angle(np.arctan2(ahead[:, 0], ahead[:, 1]) - 2 * np.pi * np.arange(100, 110) / 10.0)
    assert np.abs(phase_error).max() < 0.6
    assert not music_window(heard[:0], delay_frames=3, **GRID).any()


def test_corruption_leaves_confidence_behind(pair: Pair) -> None:
    rough = Corruption(jitter_m=0.01, dropouts_per_s=1.0)
    seen, confidence = corrupt_leader(pair.leader.joints_m, 30.0, rough, np.random.default_rng(2))
    lost = np.flatnonzero(confidence == 0.0)
    assert len(lost)
    assert (confidence[confidence > 0.0] >= 0.7).all()
    # The pose freezes, and the pelvis drifts on by no more than a tracker lets it.
    drift = seen[lost[0]] - seen[lost[0] - 1]
    np.testing.assert_allclose(drift, drift[:1].repeat(22, axis=0), atol=1e-6)
    assert drift[0, 1] == 0.0
    assert np.linalg.norm(drift[0]) <= 2.0 / 30.0
    clean, sure = corrupt_leader(pair.leader.joints_m, 30.0, CLEAN, np.random.default_rng(2))
    np.testing.assert_allclose(clean, pair.leader.joints_m, atol=1e-6)
    assert sure.all()


def test_a_sequence_is_what_ticks_would_see(pair: Pair) -> None:
    rng = np.random.default_rng(0)
    conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)  # type: ignore[arg-type]
    s = build_sequence(pair, conditions, S, style=2, wish=Placement(), corruption=CLEAN, rng=rng)
    assert s.tokens == pair.frames // 4 and s.style == 2
    assert s.leader_tail.shape == (s.tokens, tail_tokens(S), 4 * LEADER_SIZE)
    token = 40
    # What is known of the tail's first token is what the leader did; what is planned for is wholly forecast.
    ahead = tail_tokens(S) - S.plan
    known = np.flatnonzero(s.flags_tail[:, 0, 0] == 1.0)
    known = known[known >= ahead]
    assert len(known) > 0.2 * s.tokens
    np.testing.assert_allclose(s.leader_tail[known, 0], s.leader[known - ahead], atol=1e-4)
    assert s.flags_tail[token, -S.plan :, 2].all()
    # The follower's features walk it back to where it was.
    start, stop = 100, 160
    yaw = pelvis_yaw(pair.follower.rotations[:, 0])
    walk = integrate_root(
        Standing(pair.follower.root_m[start - 1], float(yaw[start - 1])), s.frames[start:stop, FOLLOWER_ROOT],
        pair.leader.root_m[start:stop], pair.headings()[start:stop], 30.0, 0.1,
    )  # fmt: skip
    np.testing.assert_allclose([w.root_m for w in walk], pair.follower.root_m[start:stop], atol=1e-3)


def test_unknown_split_and_missing_data_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="salsa takes"):
        load_pairs(tmp_path)
    (tmp_path / "cmu_salsa").mkdir()
    with pytest.raises(InputError, match="train"):
        load_pairs(tmp_path, "tset")


@pytest.mark.skipif("DUET_DATA" not in os.environ, reason="needs the salsa takes: set DUET_DATA")
def test_recorded_couples_dance_together() -> None:
    for pair in load_pairs(os.environ["DUET_DATA"], "validation"):
        distance = pair.distances_m()
        assert distance.max() <= 1.5 + 1e-6 and 0.5 < distance.mean() < 1.0
        beats = step_beats(pair)
        assert 155 < 60.0 / np.diff(beats).mean() < 195
        for dancer in (pair.leader, pair.follower):
            at = np.interp(landings(dancer.joints_m, 30.0).times_s, beats, np.arange(len(beats)))
            into_bar = np.abs((at[:, None] - [0.0, 1.0, 2.3] + 2.0) % 4.0 - 2.0).min(axis=1)
            assert (into_bar < 0.25).mean() > 0.5  # .375 by chance
        assert pair.contacts().mean() > 0.2
