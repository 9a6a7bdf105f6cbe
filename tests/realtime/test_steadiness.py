"""Jitter at rest and lag in motion, through the whole of lifting."""

import functools

import numpy as np
import pytest

from duet.errors import InputError
from duet.frames import LeaderFrame, LeaderStatus
from duet.skeleton import BODY
from realtime.sight.filters import SMOOTHINGS, STAGE, OneEuro, Smoothing
from realtime.sight.steadiness import JITTER_GOAL_MM, LAG_GOAL_MS, SWINGS_M, Steadiness, measure, phase_lag, rest_jitter


@functools.cache
def _measured(name: str) -> Steadiness:
    return measure(30.0, 0.008, SMOOTHINGS[name], seconds=7.0)


def test_the_stage_is_quiet_at_rest_and_not_late() -> None:
    found = _measured("stage")
    assert found.is_good
    assert found.rest.body_mm <= JITTER_GOAL_MM
    assert found.rest.worst_mm < 4.0
    assert abs(found.swing_lag_ms) <= LAG_GOAL_MS and abs(found.swing_gain - 1.0) < 0.1
    assert abs(found.sway_lag_ms) <= LAG_GOAL_MS and abs(found.depth_lag_ms) <= LAG_GOAL_MS
    assert str(found).startswith("still 2.")


def test_small_movements_are_followed_as_large_ones_are() -> None:
    swings = _measured("stage").swings
    assert [swing.amplitude_m for swing in swings] == list(SWINGS_M)
    for swing in swings:
        assert abs(swing.lag_ms) <= LAG_GOAL_MS
        assert abs(swing.gain - 1.0) < 0.15


def test_a_filter_with_a_dead_zone_is_found_out() -> None:
    points = OneEuro(min_cutoff_hz=1.0, beta=14.0, lead_s=0.018, still_m_s=0.25)
    swings = measure(30.0, 0.008, Smoothing(points, STAGE.place), seconds=4.0).swings
    assert swings[0].lag_ms > LAG_GOAL_MS and swings[0].gain < 0.85
    assert abs(swings[-1].lag_ms) <= LAG_GOAL_MS


def test_without_smoothing_the_noise_comes_through() -> None:
    found = _measured("none")
    assert found.rest.body_mm > 2.0 * _measured("stage").rest.body_mm
    assert abs(found.swing_lag_ms) < 3.0
    assert not found.is_good


@pytest.mark.parametrize("lag_s", [-0.02, 0.0, 0.05])
def test_lag_is_found_in_a_path_that_lags(lag_s: float) -> None:
    times = np.arange(300) / 30.0

    def path(at: np.ndarray) -> np.ndarray:
        return np.stack([np.zeros(300), 0.3 * np.sin(2 * np.pi * 1.5 * at), np.ones(300)], axis=-1)

    lag_ms, gain = phase_lag(0.9 * path(times - lag_s), path(times), times, 1.5)
    assert lag_ms == pytest.approx(1e3 * lag_s, abs=0.5)
    assert gain == pytest.approx(0.9, abs=0.01)


def _frames(joints: np.ndarray, status: LeaderStatus = LeaderStatus.TRACKED) -> list[LeaderFrame]:
    turns = np.tile(np.eye(3)[:2].ravel(), (22, 1))
    return [
        LeaderFrame(i, i / 30.0, j[0], j, turns.astype(np.float32), np.ones(22, np.float32), status)
        for i, j in enumerate(joints.astype(np.float32))
    ]


def test_breathing_is_no_jitter_and_trembling_is() -> None:
    rng = np.random.default_rng(0)
    still = np.tile(BODY.rest_joints_m, (240, 1, 1)).astype(np.float64)
    breath = still + 0.01 * np.sin(2 * np.pi * 0.25 * np.arange(240) / 30.0)[:, None, None]
    assert rest_jitter(_frames(breath)).body_mm < 1.5
    assert rest_jitter(_frames(breath + rng.normal(size=still.shape) * 0.004)).body_mm == pytest.approx(4.0, abs=0.6)


def test_who_walks_or_is_not_there_does_not_stand_still() -> None:
    still = np.tile(BODY.rest_joints_m, (240, 1, 1)).astype(np.float64)
    walk = still + np.linspace(0.0, 1.0, 240)[:, None, None]
    with pytest.raises(InputError, match="moved"):
        rest_jitter(_frames(walk))
    with pytest.raises(InputError, match=r"in view for 3 s, got 0\.0 s"):
        rest_jitter(_frames(still, LeaderStatus.LOST))
