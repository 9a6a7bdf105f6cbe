"""Steps, the two-sample judge and the intervals, on what is known."""

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from models.data.landings import Landings, landings
from models.data.pairs import Pair
from models.evaluation.judge import Windows, area_under_curve, tell_apart, window_features
from models.evaluation.metrics import Performance
from models.evaluation.statistics import Track, difference, estimate, over_seeds
from models.evaluation.steps import beat_phases, concentration, on_beat, together


def steps_at(times_s: list[float] | np.ndarray) -> Landings:
    return Landings(np.array(times_s, dtype=np.float64), np.arange(len(times_s)) % 2)


BEATS = np.arange(0.0, 10.0, 0.5)


def test_late_steps_are_late() -> None:
    found = on_beat(steps_at(BEATS[2:-2] + 0.05), BEATS)
    assert found.steps == 16 and found.per_beat == pytest.approx(0.8)
    assert found.signed_ms == pytest.approx(50.0) and found.absolute_ms == pytest.approx(50.0)
    assert found.within_percent == 100.0 and found.within_chance_percent == pytest.approx(24.0)
    assert found.concentration == pytest.approx(1.0) and found.concentration_chance < 0.3


def test_steps_off_the_beat_are_told_from_steps_on_it() -> None:
    early = on_beat(steps_at(BEATS[2:-2] - 0.1), BEATS)
    assert early.signed_ms == pytest.approx(-100.0) and early.within_percent == 0.0
    anywhere = on_beat(steps_at(np.random.default_rng(1).uniform(0, 9.5, 4000)), BEATS)
    assert anywhere.absolute_ms == pytest.approx(125.0, abs=6.0)
    assert anywhere.concentration < 0.1 and anywhere.within_percent == pytest.approx(24.0, abs=3.0)
    assert np.isnan(on_beat(steps_at([]), BEATS).signed_ms)


def test_salsa_fits_the_bar_better_than_the_beat() -> None:
    bars = np.arange(0.0, 10.0, 2.0)
    salsa = on_beat(steps_at(np.sort(np.concatenate([bars, bars + 0.5, bars + 1.15]))), BEATS)
    assert salsa.pattern_percent == 100.0 and salsa.pattern_chance_percent == pytest.approx(37.5)
    rest = on_beat(steps_at(bars[:-1] + 1.7), BEATS)
    assert rest.pattern_percent == 0.0


def test_phases_of_uneven_beats() -> None:
    np.testing.assert_allclose(beat_phases(np.array([0.5, 1.5, 9.0]), np.array([0.0, 1.0, 3.0])), [0.5, 1.25])
    assert concentration(np.array([0.0, 0.5])) == pytest.approx(0.0)


def test_dancers_who_step_together() -> None:
    one = steps_at(BEATS)
    late = together(steps_at(BEATS + 0.04), one, 10.0)
    assert late.lag_ms == pytest.approx(40.0) and late.percent == 100.0
    assert late.chance_percent == pytest.approx(40.0, abs=5.0)  # .2 s of every .5 s


def test_landings_of_a_choreographed_couple_lie_on_its_beats() -> None:
    for seed, bpm in ((1, 165.0), (2, 190.0)):
        couple = choreograph_tempo(20.0, bpm, seed)
        beats = np.arange(0.0, 20.0, 60.0 / bpm)
        for dancer in (couple.leader, couple.follower):
            found = on_beat(landings(dancer.joints_m, 30.0), beats)
            assert 0.5 < found.per_beat < 0.95
            assert found.absolute_ms < 45.0 and found.concentration > 0.9
            assert found.concentration_chance < 0.2


def test_landings_do_not_depend_on_the_rate_and_need_a_swing() -> None:
    couple = choreograph_tempo(8.0, 180.0, 4, fps=60.0)
    slow = landings(couple.follower.joints_m[::2], 30.0)
    fast = landings(couple.follower.joints_m, 60.0)
    common = np.abs(fast.times_s[:, None] - slow.times_s).min(axis=1)
    assert np.median(common) < 0.02 and (common < 0.05).mean() > 0.85
    still = couple.follower.joints_m[:1].repeat(60, axis=0)
    trembling = still + np.random.default_rng(0).normal(0, 0.002, still.shape)
    assert not len(landings(trembling, 30.0))


def test_area_under_curve_by_hand() -> None:
    assert area_under_curve(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1.0
    assert area_under_curve(np.array([0.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx(0.625)


def take(features: np.ndarray, goes: int = 1) -> Windows:
    return Windows.of([("take", features)] * goes)


def test_the_judge_tells_what_differs_and_only_that() -> None:
    rng = np.random.default_rng(0)
    takes = [take(rng.normal(size=(30, 50))) for _ in range(6)]
    moved = [take(rng.normal(size=(30, 50)) + np.eye(50)[3] * 2.0) for _ in range(3)]
    same = tell_apart(takes[:3], takes[3:])
    assert same.low < 0.5 < same.high and same.windows == 180
    told = tell_apart(takes[:3], moved)
    assert told.auc > 0.75 and told.low > 0.5
    assert np.isnan(tell_apart(takes[:1], moved[:1]).auc)


def test_the_judge_does_not_know_a_take_by_heart() -> None:
    # Takes differ greatly from each other, the two kinds do not: only a judge that saw the take could tell.
    rng = np.random.default_rng(1)
    evenings = [rng.normal(size=40) * 3.0 for _ in range(8)]
    one, other = ([take(e + 0.1 * rng.normal(size=(20, 40))) for e in half] for half in (evenings[:4], evenings[4:]))
    found = tell_apart(one, other)
    assert found.low < 0.5 < found.high or found.auc < 0.5


def test_a_stretch_is_one_observation_however_often_it_is_told() -> None:
    rng = np.random.default_rng(2)
    one, other = ([rng.normal(size=(40, 12)) + shift for _ in range(3)] for shift in (0.0, 0.3))
    few = tell_apart([take(rows) for rows in one], [take(rows) for rows in other])
    many = tell_apart([take(rows, 9) for rows in one], [take(rows, 9) for rows in other])
    assert many.windows == 9 * few.windows
    assert many.high - many.low > 0.8 * (few.high - few.low)
    # Windows that overlap are of one stretch; other takes' and later ones are not.
    windows = Windows.of([("a", one[0][:6]), ("b", one[1][:5]), ("a", one[2][:6])])
    assert windows.stretches.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 0, 0, 0, 0, 1, 1]


def test_windows_do_not_know_where_they_are() -> None:
    couple = choreograph_tempo(6.0, 180.0, 5)
    pair = Pair("dance", couple.leader, couple.follower)
    here = Performance.of(pair.follower.joints_m, pair.follower.rotations)
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # +90 degrees about +Y
    shift = np.array([4.0, 0.0, -2.0])
    there = Performance(here.joints_m @ turn.T + shift, here.yaw_rad + np.pi / 2)
    one = window_features(here, pair.leader.joints_m, 30.0)
    other = window_features(there, pair.leader.joints_m.astype(np.float64) @ turn.T + shift, 30.0)
    assert one.shape[0] == 5
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_intervals_hold_a_known_difference() -> None:
    rng = np.random.default_rng(0)
    shared = [rng.normal(1.0, 0.5, 900) for _ in range(4)]
    ours = [Track.mean(take - 0.2) for take in shared]
    theirs = [Track.mean(take + 0.05 * rng.normal(size=900)) for take in shared]
    found = difference(ours, theirs, 30.0)
    assert found.value == pytest.approx(-0.2, abs=0.01)
    assert found.low < found.value < found.high < -0.18 and found.below_zero
    alone = estimate(ours, 30.0)
    # Pairing takes away what the takes share.
    assert alone.high - alone.low > 3.0 * (found.high - found.low)
    assert not difference(ours, ours, 30.0).below_zero


def test_few_takes_that_differ_give_wide_intervals() -> None:
    takes = [Track.mean(np.full(600, 1.0)), Track.mean(np.full(600, 3.0))]
    found = estimate(takes, 30.0)
    assert found.value == 2.0 and (found.low, found.high) == (1.0, 3.0)


def test_a_quotient_is_of_sums_and_seeds_are_no_takes() -> None:
    track = Track(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(over_seeds([track, Track(np.array([3.0, 5.0]), np.ones(2))]).above, [2.0, 4.0])
    ratio = Track(np.repeat(2.0, 240), np.repeat([1.0, 0.0], 120))
    assert estimate([ratio], 30.0).value == 4.0
    assert len(Track.mean(np.zeros(290)).blocks(120)) == 2 and len(Track.mean(np.zeros(300)).blocks(120)) == 3
