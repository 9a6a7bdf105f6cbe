"""Judging hours: a leak is found, a shaking curve is none, and who has seen little is unsure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.bench.soak import Judgement, Sample, binned, judge


def samples(hours: float, *, leak_mb_h: float = 0.0, late: int = 0, seed: int = 0) -> list[Sample]:
    rng, count, noise_mb = np.random.default_rng(seed), 400, 0.5
    return [
        Sample(
            time_s=h * 3600.0,
            # A start that fills its buffers, a slope, and a sampler that shakes.
            memory_mb=300.0 + min(h * 200.0, 5.0) + leak_mb_h * h + rng.normal(0.0, noise_mb),
            handles=40 + int(rng.random() < 0.1) * 3,
            threads=12,
            lag_ms=float(rng.normal(180.0, 8.0)) if rng.random() < 0.8 else float("nan"),
            jerk=float(rng.normal(90.0, 10.0)),
            late_ticks=late,
            ticks=round(h * 27_000) + 1,
        )
        for h in np.linspace(0.0, hours, count)
    ]


def of(curve: str, verdict) -> Judgement:
    return next(slope.judgement for slope in verdict.slopes if slope.curve == curve)


@pytest.mark.parametrize("hours", [1.0, 24.0])
def test_a_steady_show_passes(hours: float) -> None:
    verdict = judge(samples(hours), hours)
    assert verdict.judgement is Judgement.PASS and verdict.hours == pytest.approx(hours)
    assert all(slope.least_per_hour <= slope.per_hour <= slope.most_per_hour for slope in verdict.slopes)


@given(st.floats(8.0, 100.0), st.integers(0, 50))
def test_a_leak_is_found_in_an_hour(leak_mb_h: float, seed: int) -> None:
    verdict = judge(samples(1.0, leak_mb_h=leak_mb_h, seed=seed), 1.0)
    assert of("memory_mb", verdict) is Judgement.FAIL and verdict.judgement is Judgement.FAIL
    found = next(slope for slope in verdict.slopes if slope.curve == "memory_mb")
    assert found.least_per_hour - 1.0 <= leak_mb_h <= found.most_per_hour + 1.0


def test_a_small_leak_is_found_in_a_day() -> None:
    assert of("memory_mb", judge(samples(24.0, leak_mb_h=3.0), 24.0)) is Judgement.FAIL
    assert of("memory_mb", judge(samples(1.0, leak_mb_h=3.0), 1.0)) is Judgement.PASS


def test_wild_samples_do_not_make_a_slope() -> None:
    wild = samples(1.0)
    for i in range(20, 400, 37):
        wild[i] = Sample(**{**vars(wild[i]), "memory_mb": 5000.0})
    assert judge(wild, 1.0).judgement is Judgement.PASS


def test_late_ticks_are_judged_by_their_share() -> None:
    assert judge(samples(1.0, late=10), 1.0).late_judgement is Judgement.PASS
    verdict = judge(samples(1.0, late=1000), 1.0)
    assert verdict.late_judgement is Judgement.FAIL is verdict.judgement
    assert verdict.values()["judgement"] == "fail"


def test_who_has_seen_little_is_unsure() -> None:
    assert judge([], 1.0).judgement is Judgement.UNSURE
    assert judge(samples(1.0)[:5], 1.0).judgement is Judgement.UNSURE


def test_bins_leave_out_the_start_and_what_is_no_number() -> None:
    times, values = np.linspace(0.0, 1.0, 101), np.ones(101)
    values[:10] = 99.0
    values[50] = np.nan
    at, medians = binned(times, values)
    assert at[0] >= 0.1 and np.isfinite(medians).all() and (medians == 1.0).all()


def test_ticks_that_were_skipped_count_as_late_ones() -> None:
    many = samples(1.0)
    many[-1] = Sample(**{**vars(many[-1]), "skipped_ticks": 27_000})
    verdict = judge(many, 1.0)
    assert verdict.late_share == pytest.approx(0.5, abs=0.01) and verdict.late_judgement is Judgement.FAIL


def test_a_show_that_ended_early_does_not_pass() -> None:
    assert judge(samples(1.0), 1.0).judgement is Judgement.PASS
    assert judge(samples(1.0), 1.5).judgement is Judgement.UNSURE
    assert judge(samples(1.0, late=1000), 1.5).judgement is Judgement.FAIL


def short(minutes: float, *, grown_mb: float = 0.0, late: int = 0) -> list[Sample]:
    """A show of some minutes whose memory grows evenly by so much, and stays as it is otherwise."""
    return [
        Sample(60.0 * minutes * x, 246.4 + grown_mb * x, 40, 12, 180.0, 90.0, late, round(450 * minutes * x) + 1)
        for x in np.linspace(0.0, 1.0, 400)
    ]


@pytest.mark.parametrize(("minutes", "grown_mb"), [(3.0, 0.4), (3.0, 4.0), (1.5, 4.0), (30.0, 5.0)])
def test_a_short_growth_is_not_made_an_hour_of_it(minutes: float, grown_mb: float) -> None:
    verdict = judge(short(minutes, grown_mb=grown_mb), minutes / 60.0)
    slope = next(slope for slope in verdict.slopes if slope.curve == "memory_mb")
    assert slope.least_per_hour > slope.allowed_per_hour or not np.isfinite(slope.least_per_hour)
    assert slope.judgement is Judgement.UNSURE is verdict.judgement


@pytest.mark.parametrize("minutes", [3.0, 30.0])
def test_a_gross_leak_is_found_early(minutes: float) -> None:
    assert judge(short(minutes, grown_mb=20.0), 1.0).judgement is Judgement.FAIL


def test_after_half_an_hour_the_slope_decides() -> None:
    # Four fifths of what an hour may bring, in a good half of one.
    assert judge(short(35.0, grown_mb=5.0), 1.0).judgement is Judgement.FAIL


def test_a_start_takes_a_minute_at_least() -> None:
    """Eleven seconds in which buffers are filled are a start, and nothing else."""
    verdict = judge(short(11.0 / 60.0, grown_mb=50.0), 0.1)
    assert of("memory_mb", verdict) is Judgement.UNSURE is verdict.judgement


def test_few_late_ticks_of_a_short_show_are_no_fail_yet() -> None:
    # An hour of 27,000 may have 135.
    assert judge(short(3.0, late=30), 0.05).late_judgement is Judgement.UNSURE
    assert judge(short(3.0, late=300), 0.05).late_judgement is Judgement.FAIL
    assert judge(short(3.0, late=3), 0.05).late_judgement is Judgement.PASS
