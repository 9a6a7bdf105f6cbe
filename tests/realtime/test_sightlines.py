"""The pose model's axes lie along the line of sight to the person; its picture is truer than its depth."""

import math

import numpy as np
import pytest

from duet.kinematics import heading_yaw
from duet.rotations import matrix_from_rotvec
from duet.skeleton import BODY
from realtime.sight import pose_ik
from realtime.sight.landmarks import COUNT, HIPS, REST_POINTS_M, Landmarks, upright
from realtime.sight.lifting import Lifter
from realtime.sight.placement import Lens, StageMap, locate
from realtime.sight.sightlines import along_camera, along_sight, on_sightlines
from realtime.sight.synthetic import Filmed

LENS = Lens()
SIZE_PX = (640, 480)
STANDING = np.tile(np.eye(3), (22, 1, 1))
PELVIS_M = float(BODY.rest_joints_m[0, 1])


def _seen_frontal(place_m: np.ndarray) -> Landmarks:
    """What the pose model says of a body that shows it its front, at ``place_m`` from the camera (upright axes)."""
    world = (REST_POINTS_M - REST_POINTS_M[list(HIPS)].mean(axis=0)) * np.array([1.0, -1.0, -1.0])
    focal = LENS.focal_px(SIZE_PX)
    hips = np.array([place_m[0], -place_m[1]]) / -place_m[2] * focal / np.array(SIZE_PX) + 0.5
    return Landmarks(world, np.tile(hips, (COUNT, 1)), np.ones(COUNT), SIZE_PX)


@pytest.mark.parametrize("x_m", [-1.3, 0.0, 1.3])
def test_who_shows_the_camera_the_front_faces_the_camera(x_m: float) -> None:
    seen = along_camera(_seen_frontal(np.array([x_m, 0.0, -4.0])), LENS)
    points = upright(seen.world_m)
    across = points[HIPS[0]] - points[HIPS[1]]
    facing = math.atan2(-across[2], across[0])
    assert facing == pytest.approx(math.atan2(-x_m, 4.0), abs=1e-6)


def test_axes_follow_a_line_of_sight_downward_in_part() -> None:
    level = upright(along_camera(_seen_frontal(np.array([0.0, 0.0, -4.0])), LENS).world_m)
    below = upright(along_camera(_seen_frontal(np.array([0.0, -1.0, -4.0])), LENS).world_m)
    up = below[0] - below[list(HIPS)].mean(axis=0)
    straight = level[0] - level[list(HIPS)].mean(axis=0)
    lean = math.atan2(up[2], up[1]) - math.atan2(straight[2], straight[1])
    assert lean == pytest.approx(-0.4 * math.atan2(1.0, 4.0), abs=0.01)


def test_one_way_is_the_inverse_of_the_other() -> None:
    rng = np.random.default_rng(0)
    seen = Landmarks(rng.normal(size=(COUNT, 3)), rng.uniform(size=(COUNT, 2)), np.ones(COUNT), SIZE_PX)
    np.testing.assert_allclose(along_sight(along_camera(seen, LENS), LENS).world_m, seen.world_m, atol=1e-12)


def test_points_come_to_lie_where_the_picture_shows_them() -> None:
    filmed = Filmed(LENS, SIZE_PX)
    seen = along_camera(filmed.landmarks(BODY, np.array([0.8, PELVIS_M, -0.5]), STANDING), LENS)
    place = locate(seen, LENS, 1.0)
    truth = upright(seen.world_m)
    wrong = truth + np.random.default_rng(1).normal(size=truth.shape) * np.array([0.05, 0.05, 0.0])
    left = on_sightlines(wrong, place, seen, LENS) - truth
    np.testing.assert_allclose(left, 0.2 * (wrong - truth), atol=1e-6)
    behind = truth.copy()
    behind[5, 2] = 10.0  # behind the camera: no sight line leads there
    np.testing.assert_array_equal(on_sightlines(behind, place, seen, LENS)[5], behind[5])


def test_somebody_who_walks_across_keeps_facing_ahead() -> None:
    filmed = Filmed(LENS, SIZE_PX, distance_m=4.0)
    lifter = Lifter(lens=LENS, stage=StageMap(mark_m=(0.0, -4.0)))
    yaws = []
    for i in range(120):
        place = np.array([-1.4 + 2.8 * i / 119, PELVIS_M, 0.0])
        frame = lifter.step(filmed.landmarks(BODY, place, STANDING), i / 30.0)
        yaws.append(float(heading_yaw(BODY, frame.joints_m)))
    assert np.abs(yaws).max() < 0.03


def test_fixed_bones_correct_a_depth_that_cannot_be() -> None:
    filmed = Filmed(LENS, SIZE_PX, distance_m=3.0)
    turns = np.zeros((22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[BODY.index(f"{side}_shoulder"), 2] = -1.2 * sign
    seen = along_camera(filmed.landmarks(BODY, np.array([0.0, PELVIS_M, 0.0]), matrix_from_rotvec(turns)), LENS)
    points, place = upright(seen.world_m), locate(seen, LENS, 1.0)
    truth = points.copy()
    points[[25, 26], 2] += 0.25  # both knees, straight in truth, come toward the camera
    error = []
    for where in (None, place):
        rotations, pelvis = pose_ik.solve(BODY, points, np.ones(COUNT), 1.0, where)
        globals_ = pose_ik.forward(BODY, pelvis, rotations)[0]
        error.append(abs(globals_[BODY.index("left_knee"), 2] - truth[25, 2] - 0.025))
    assert error[1] < 0.9 * error[0]
