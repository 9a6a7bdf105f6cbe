"""The measure of following, on dancers whose lag is known."""

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.motion import Motion
from realtime.bench.follow import glides, lags_s, speeds, starts

FPS = 30.0


@pytest.fixture(scope="module")
def leader() -> Motion:
    return choreograph_tempo(14.0, 180.0, 5, fps=FPS).leader.on_body()


@pytest.mark.parametrize("frames", [-6, 0, 4, 6])
def test_a_dancer_who_does_the_same_later_lags_by_as_much(leader: Motion, frames: int) -> None:
    lead = speeds(leader.joints_m, FPS)
    found = lags_s(lead, np.roll(lead, frames), FPS)
    assert len(found) >= 6
    np.testing.assert_allclose(found, frames / FPS, atol=0.006)


def test_a_share_of_a_frame_is_found(leader: Motion) -> None:
    fine = choreograph_tempo(14.0, 180.0, 5, fps=120.0).leader.on_body().joints_m
    lead, late = speeds(fine[::4], FPS), speeds(fine[2::4], FPS)
    count = min(len(lead), len(late))
    np.testing.assert_allclose(np.median(lags_s(lead[:count], late[:count], FPS)), -0.5 / FPS, atol=0.006)


def test_who_moves_otherwise_follows_nobody(leader: Motion) -> None:
    lead = speeds(leader.joints_m, FPS)
    noise = np.random.default_rng(0).random(len(lead))
    assert len(lags_s(lead, noise, FPS)) <= 1
    assert not len(lags_s(lead, np.full(len(lead), 0.3), FPS))


def test_starts_are_where_a_leader_speeds_up_and_well_apart(leader: Motion) -> None:
    chosen = starts(leader, FPS, 3)
    assert len(chosen) == 3 and min(np.diff(chosen)) > 2 * FPS
    moves = speeds(leader.joints_m, FPS)
    for at in chosen:
        assert moves[at + 3 : at + 9].mean() > moves[at] + 0.2


def test_feet_that_are_stood_on_rest_and_a_body_that_slides_glides(leader: Motion) -> None:
    assert np.percentile(glides(leader.joints_m, FPS), 95) < 0.05, "choreographed feet are planted"
    sliding = np.repeat(leader.joints_m[:1], 31, axis=0) + np.linspace(0.0, 0.9, 31)[:, None, None] * [1.0, 0.0, 0.0]
    np.testing.assert_allclose(glides(sliding, FPS), 0.9, atol=1e-3)


def test_no_starts_are_none(leader: Motion) -> None:
    assert starts(leader, FPS, 0) == [] and len(starts(leader, FPS, 2)) == 2
