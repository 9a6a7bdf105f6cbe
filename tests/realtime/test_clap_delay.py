"""Delays that are known are found again: from synthetic claps, through noise, and past claps only one side noticed."""

import numpy as np
import pytest

from duet.errors import InputError
from duet.rotations import Array, matrix_from_rotvec
from duet.skeleton import BODY
from realtime.sight.synthetic import Filmed
from realtime.sound.clap_delay import (
    SOUND_M_S,
    at_source,
    bang_times,
    clap_times,
    click_train,
    delay_between,
    flash_times,
    hands_apart,
)

RATE_HZ = 48_000
MOMENTS_S = 1.0 + np.cumsum(np.random.default_rng(3).uniform(0.9, 1.2, 10))


def clap_turns(open_share: float) -> Array:
    """(22, 3, 3) of somebody whose hands are apart by that share: 0 as they meet."""
    turns = np.zeros((22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[BODY.index(f"{side}_shoulder")] = (0.0, -sign * (1.25 - 0.75 * open_share), -sign * 0.25)
        turns[BODY.index(f"{side}_elbow")] = (0.0, -sign * (0.85 - 0.5 * open_share), 0.0)
    return matrix_from_rotvec(turns)


def opening(time_s: float, *, stay_s: float = 0.0, close_s: float = 0.2) -> float:
    """How far the hands are apart at ``time_s``: they close before each moment, stay together and open again."""
    since = time_s - MOMENTS_S
    closing = np.min(np.abs(np.where(since < 0.0, -since, np.inf))) / close_s
    parting = np.min(np.where(since >= 0.0, np.maximum(since - stay_s, 0.0), np.inf)) / (1.4 * close_s)
    return float(min(closing, parting, 1.0))


def clapped_sound(seconds: float, *, noise: float = 0.003, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    sound = noise * rng.standard_normal(round(seconds * RATE_HZ))
    for moment in MOMENTS_S:
        first, length = round(moment * RATE_HZ), round(0.06 * RATE_HZ)
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.012 * RATE_HZ))
        sound[first : first + length] += rng.uniform(0.2, 0.5) * burst
    return sound


def test_claps_are_heard_to_a_few_milliseconds_in_a_room_with_music() -> None:
    seconds = MOMENTS_S[-1] + 1.0
    for hum in (0.0, 0.05):
        sound = clapped_sound(seconds) + hum * np.sin(2 * np.pi * 110.0 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
        found = bang_times(sound, RATE_HZ)
        assert len(found) == len(MOMENTS_S)
        assert np.abs(found - MOMENTS_S).max() < 0.003
    assert len(bang_times(0.003 * np.random.default_rng(0).standard_normal(5 * RATE_HZ), RATE_HZ)) == 0
    assert len(bang_times(np.zeros(RATE_HZ), RATE_HZ)) == 0
    assert len(bang_times(np.zeros(3), RATE_HZ)) == 0


@pytest.mark.parametrize(("fps", "stay_s"), [(30.0, 0.0), (30.0, 0.12), (25.0, 0.0), (60.0, 0.05)])
def test_hands_are_seen_to_meet_between_pictures(fps: float, stay_s: float) -> None:
    rng, filmed = np.random.default_rng(1), Filmed(noise_m=0.008)
    times = np.arange(0.013, MOMENTS_S[-1] + 1.0, 1.0 / fps)
    root = np.array([0.0, 0.9, 0.0])
    apart = [hands_apart(filmed.landmarks(BODY, root, clap_turns(opening(t, stay_s=stay_s)), rng)) for t in times]
    apart[40:44] = [np.nan] * 4
    found = clap_times(times, apart)
    error = np.array([found[np.argmin(np.abs(found - m))] - m for m in MOMENTS_S])
    assert len(MOMENTS_S) - 1 <= len(found) <= len(MOMENTS_S)
    assert abs(np.median(error)) < 0.3 / fps


@pytest.mark.parametrize("delay_s", [-0.04, 0.0, 0.035, 0.12, 0.31])
def test_a_known_delay_is_found_again(delay_s: float) -> None:
    rng = np.random.default_rng(int(1e3 * abs(delay_s)))
    heard = np.sort(np.concatenate([np.delete(MOMENTS_S, 2), [0.4, 7.77]]))
    seen = np.delete(MOMENTS_S, 5) + delay_s + 0.004 * rng.standard_normal(len(MOMENTS_S) - 1)
    found = delay_between(seen, at_source(heard + 3.0 / SOUND_M_S, 3.0))
    assert found.seconds == pytest.approx(delay_s, abs=0.004)
    assert found.pairs >= 8 and found.spread_s < 0.01


def test_too_few_and_mistaken_claps_are_refused() -> None:
    with pytest.raises(InputError, match="expected 4 claps or more seen and heard alike, got 3"):
        delay_between(MOMENTS_S[:3], MOMENTS_S[:3])
    with pytest.raises(InputError, match="0 seen"):
        delay_between([], MOMENTS_S)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="expected 4 claps"):
        delay_between(np.sort(rng.uniform(0, 40, 9)), np.sort(rng.uniform(0, 40, 9)))


def test_flashes_are_seen_to_half_a_picture() -> None:
    times = np.arange(0.0, MOMENTS_S[-1] + 1.0, 1.0 / 30.0)
    rng = np.random.default_rng(2)
    lit = np.array([np.any((t >= MOMENTS_S) & (t < MOMENTS_S + 0.1)) for t in times])
    found = flash_times(times, 60.0 + 90.0 * lit + rng.standard_normal(len(times)))
    assert len(found) == len(MOMENTS_S)
    assert np.abs(found - MOMENTS_S).max() <= 0.5 / 30.0 + 1e-6
    assert abs(np.mean(found - MOMENTS_S)) < 0.01
    assert len(flash_times(times, 60.0 + rng.standard_normal(len(times)))) == 0
    assert len(flash_times([], [])) == 0


def test_clicks_that_are_played_are_found_where_they_are() -> None:
    sound, times = click_train(RATE_HZ, 12.0)
    heard = np.concatenate([np.zeros(round(0.043 * RATE_HZ)), 0.1 * sound])
    heard = heard + 0.001 * np.random.default_rng(0).standard_normal(len(heard))
    found = delay_between(bang_times(heard, RATE_HZ), times, "clicks")
    assert found.seconds == pytest.approx(0.043, abs=0.002)
    assert found.pairs == len(times)
