"""The offline quality pass: quieter than live, no lag, gaps filled, feet that stay."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from duet.errors import MediaError
from duet.kinematics import forward
from duet.motion import Motion, read_motion, write_motion
from duet.rotations import Array, matrix_from_rotvec
from duet.skeleton import BODY
from realtime.sight.synthetic import Filmed
from realtime.sight.take_cleaning import (
    FILL_S,
    Cleaned,
    Sighting,
    _reach_s,
    clean,
    filled_frames,
    planted_feet,
    skate_m_s,
    smoothed,
    tremble_m,
)

FPS = 30.0
FRAMES = 120
WRIST = BODY.index("left_wrist")


def _danced() -> tuple[Array, Array]:
    """Root (T, 3) and rotations of somebody who stands with the left foot, taps with the right and waves."""
    phase = 2.0 * np.pi * np.arange(FRAMES) / FPS
    turns = np.zeros((FRAMES, 22, 3))
    lift = 0.35 * np.maximum(0.0, np.sin(phase))
    for side, sign, bend in (("left", 1.0, 0.0 * lift), ("right", -1.0, lift)):
        turns[:, BODY.index(f"{side}_hip"), 0] = -0.1 - bend
        turns[:, BODY.index(f"{side}_knee"), 0] = 0.2 + 2.0 * bend
        turns[:, BODY.index(f"{side}_ankle"), 0] = -0.1 - bend
        turns[:, BODY.index(f"{side}_shoulder"), 2] = -sign * (0.9 + 0.3 * np.sin(phase))
    rotations = matrix_from_rotvec(turns)
    root = np.zeros((FRAMES, 3))
    ankle = forward(BODY, root, rotations)[0][:, BODY.index("left_ankle")]
    root = BODY.rest_joints_m[BODY.index("left_ankle")] - ankle
    return root - np.array([root[0, 0], 0.0, root[0, 2]]), rotations


def _sightings(noise_m: float, gone: range = range(0)) -> list[Sighting]:
    filmed, rng = Filmed(noise_m=noise_m), np.random.default_rng(0)
    root, rotations = _danced()
    seen = [filmed.landmarks(BODY, root[i], rotations[i], rng) for i in range(FRAMES)]
    return [(i / FPS, None if i in gone else seen[i]) for i in range(FRAMES)]


@pytest.fixture(scope="module")
def cleaned() -> Cleaned:
    return clean(_sightings(0.015), height_m=1.66)


def _truth() -> Motion:
    root, rotations = _danced()
    return Motion(FPS, BODY, root.astype(np.float32), rotations.astype(np.float32))


def test_noise_goes_and_the_dance_stays(cleaned: Cleaned) -> None:
    assert cleaned.motion.fps == FPS and cleaned.motion.frames == FRAMES and cleaned.filled_frames == 0
    truth = _truth().joints_m
    posed = cleaned.motion.joints_m - cleaned.motion.joints_m[:, :1]
    error = np.linalg.norm(posed - (truth - truth[:, :1]), axis=-1)
    assert error.mean() < 0.02
    assert tremble_m(cleaned.motion) < 0.003
    swing = np.ptp(cleaned.motion.joints_m[15:-15, WRIST, 1])
    assert swing == pytest.approx(np.ptp(truth[15:-15, WRIST, 1]), rel=0.08)


def test_planted_feet_stay_and_the_tapping_one_is_free(cleaned: Cleaned) -> None:
    assert cleaned.planted[:, 0].mean() > 0.9
    assert 0.3 < cleaned.planted[:, 1].mean() < 0.95
    assert skate_m_s(cleaned.motion, cleaned.planted) < 0.02
    lowest = cleaned.motion.joints_m[..., 1].min()
    assert lowest > -0.03


def test_a_gap_is_filled_by_what_leads_into_it_and_out_of_it() -> None:
    cleaned = clean(_sightings(0.0, range(50, 56)), height_m=1.66)
    assert cleaned.filled_frames == 6
    truth = _truth().joints_m
    error = (cleaned.motion.joints_m - cleaned.motion.joints_m[:, :1]) - (truth - truth[:, :1])
    assert np.linalg.norm(error[48:58, WRIST], axis=-1).max() < 0.06


def test_a_body_back_to_front_for_a_moment_is_dropped() -> None:
    seen = _sightings(0.0)
    time_s, landmarks = seen[40]
    assert landmarks is not None
    seen[40] = time_s, landmarks._replace(world_m=landmarks.world_m * np.array([-1.0, 1.0, -1.0]))
    assert clean(seen, height_m=1.66).filled_frames == 1


def test_the_longest_stretch_becomes_the_take() -> None:
    gap = int(FILL_S * FPS) + 5
    cleaned = clean(_sightings(0.0, range(20, 20 + gap)), height_m=1.66)
    assert cleaned.start_s == pytest.approx((20 + gap) / FPS)
    np.testing.assert_allclose(cleaned.motion.root_m[0, [0, 2]], 0.0, atol=1e-6)


def test_nobody_makes_no_take() -> None:
    with pytest.raises(MediaError, match=r"expected somebody in view for 1 s on end, got 0\.0 s"):
        clean([(i / FPS, None) for i in range(60)])
    with pytest.raises(MediaError, match="expected somebody"):
        clean([])


def test_smoothing_neither_lags_nor_moves_a_parabola() -> None:
    times = np.arange(60) / 30.0
    path = np.stack([times, times**2, 1.0 - times], axis=-1)[:, None]
    np.testing.assert_allclose(smoothed(times, path, np.ones((60, 1)), times, 0.08), path, atol=1e-5)


def test_take_is_read_back(cleaned: Cleaned, tmp_path: Path) -> None:
    for name in ("take.npz", "take.bvh"):
        write_motion(tmp_path / name, cleaned.motion)
        back = read_motion(tmp_path / name)
        np.testing.assert_allclose(back.joints_m, cleaned.motion.joints_m, atol=2e-3)
    assert planted_feet(cleaned.motion)[:, 0].mean() > 0.9


def test_an_hour_is_counted_in_little_memory() -> None:
    times = np.arange(100_000) / 30.0
    grid = times.copy()
    grid[50_000:] += 1.0
    tracemalloc.start()
    try:
        filled = filled_frames(times, grid, 30.0)
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert filled == 30
    assert most_bytes < 50e6


@pytest.mark.parametrize("count", [1, 3, 5, 60])
def test_the_nearest_are_found_as_by_looking_at_every_one(count: int) -> None:
    times = np.sort(np.round(np.random.default_rng(count).uniform(0.0, 4.0, count), 1))
    # Between two as well as on one, where distances are equal; and before and after all of them.
    grid = np.arange(-20, 101) * 0.05
    away = np.abs(grid[:, None] - times)
    assert 0 < filled_frames(times, grid, 15.0) == int(np.sum(away.min(axis=1) > 0.75 / 15.0)) < len(grid)
    assert [_reach_s(times, now) for now in grid] == [np.sort(row)[:5][-1] for row in away]
