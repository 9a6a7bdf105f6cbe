"""Tracking beside the truth: on landmarks made from a known dance, what is wrong must be found where it was put."""

import numpy as np
import pytest

from duet.choreography import compose
from duet.kinematics import forward
from duet.skeleton import BODY
from realtime.bench.perception import (
    TORSO_AND_LEGS,
    VARIANTS,
    Score,
    Shot,
    Truth,
    model_alone_mm,
    picture_error_px,
    score,
)
from realtime.sight.landmarks import Landmarks
from realtime.sight.synthetic import Filmed

FRAMES, FPS = 72, 30.0
FILMED = Filmed(distance_m=3.6, height_m=1.1)


def _shot(*, depth_noise_m: float = 0.0, picture_noise_px: float = 0.0, missing: tuple[int, ...] = ()) -> Shot:
    lead = compose("salsa", FRAMES / FPS, 180.0, 0, fps=FPS).leader.on_body()
    root, local = lead.root_m[:FRAMES].astype(np.float64), lead.rotations[:FRAMES].astype(np.float64)
    root = root - [*root[0, :1], 0.0, root[0, 2]]
    joints, turns = forward(BODY, root, local)
    rng = np.random.default_rng(0)
    seen: list[Landmarks | None] = []
    for i in range(len(root)):
        landmarks = FILMED.landmarks(BODY, root[i], local[i])
        world = landmarks.world_m + depth_noise_m * rng.normal(size=(33, 1)) * [0.0, 0.0, 1.0]
        image = landmarks.image + picture_noise_px * rng.normal(size=(33, 2)) / landmarks.size_px
        seen.append(None if i in missing else landmarks._replace(world_m=world, image=image))
    eye = np.array([0.0, FILMED.height_m, FILMED.distance_m])
    return Shot("lead", FPS, tuple(seen), joints, turns, eye, FILMED.lens, 1.66)


def test_a_perfect_pose_model_leaves_only_what_landmarks_do_not_show() -> None:
    found = score(_shot(), Truth())
    assert found.tracked == 1.0
    assert found.body_mm < 30.0 and found.path_all_cm < 4.0
    assert found.joints_mm[0] == 0.0


def test_an_error_is_found_where_it_was_put() -> None:
    shot = _shot(depth_noise_m=0.15)
    found = {name: score(shot, variant).body_mm for name, variant in VARIANTS.items()}
    assert found["as tracked"] > 1.3 * found["true depth"]
    assert found["true picture"] > 1.3 * found["true picture and depth"]
    assert picture_error_px(shot) < 0.01
    assert model_alone_mm(shot) > 60.0


def test_wrong_points_in_the_picture_are_counted_in_pixels() -> None:
    shot = _shot(picture_noise_px=4.0)
    assert picture_error_px(shot) == pytest.approx(4.0 * np.sqrt(np.pi / 2.0), rel=0.05)
    assert model_alone_mm(shot) == pytest.approx(model_alone_mm(_shot()), abs=0.5)


def test_pictures_without_anybody_are_counted_and_bridged() -> None:
    found = score(_shot(missing=(60, 61, 62)), Truth())
    assert found.tracked == pytest.approx(1.0 - 3 / FRAMES)
    assert np.isfinite(found.joints_mm).all()


def test_a_path_that_is_only_shifted_is_no_error() -> None:
    shot = _shot()
    moved = Shot(
        shot.name, shot.fps, shot.seen, shot.joints_m + [3.0, 0.0, -2.0], shot.turns, shot.eye_m, shot.lens, 1.66
    )
    np.testing.assert_allclose(score(moved, Truth()).path_cm, score(shot, Truth()).path_cm, atol=1e-6)


def test_scores_of_several_dances_are_put_together() -> None:
    first = Score(np.full(22, 40.0), np.array([3.0, 0.0, 4.0]), 1.0)
    second = Score(np.full(22, 60.0), np.array([3.0, 0.0, 4.0]), 0.5)
    mean = Score.mean([first, second])
    assert (mean.body_mm, mean.path_all_cm, mean.tracked) == (50.0, pytest.approx(5.0), 0.75)
    assert {"pelvis", "head", "left_wrist"}.isdisjoint(BODY.names[j] for j in TORSO_AND_LEGS)
    assert {"spine2", "left_foot", "right_shoulder"} <= {BODY.names[j] for j in TORSO_AND_LEGS}
