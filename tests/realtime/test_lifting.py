"""Lifting on landmarks made from known poses: root, floor, stage and proportions."""

import math
import time

import numpy as np
import pytest

from duet.frames import LeaderStatus
from duet.kinematics import forward, heading_yaw
from duet.rotations import matrix_from_6d, yaw_matrix
from duet.skeleton import BODY, Skeleton
from realtime.sight.landmarks import COUNT, joint_visibility
from realtime.sight.lifting import Lifter
from realtime.sight.placement import Floor, Lens, StageMap, locate
from realtime.sight.proportions import Proportions
from realtime.sight.sightlines import along_camera
from tests.realtime.filmed_person import CAMERA_HEIGHT_M, DISTANCE_M, FPS, LENS, SHOWN, Person, dancer, lift


@pytest.mark.parametrize(("noisy", "bound_m"), [(False, 1e-6), (True, 0.06)])
def test_root_comes_from_projection(noisy: bool, bound_m: float) -> None:
    person = dancer(40)
    rng = np.random.default_rng(4) if noisy else None
    error = []
    for i in range(40):
        seen = along_camera(person.landmarks(i, rng, 0.01), LENS)
        error.append(locate(seen, LENS, 1.0) - (person.hip_centre_m(i) - np.array([0.0, CAMERA_HEIGHT_M, DISTANCE_M])))
    rms = np.sqrt(np.mean(np.square(error), axis=0))
    assert rms.max() <= bound_m
    if noisy:
        assert rms[0] < 0.012 and rms[1] < 0.012 and rms[2] > rms[0]


def test_root_is_true_for_a_camera_that_looks_down() -> None:
    pitch = math.radians(-12.0)
    lens = Lens(pitch_rad=pitch)
    point = lens.room_from_camera @ np.array([0.0, 0.0, -3.0])
    np.testing.assert_allclose(point, [0.0, -3.0 * math.sin(-pitch), -3.0 * math.cos(pitch)])


def test_dancer_is_followed_on_the_stage() -> None:
    person = dancer(150)
    frames = lift(person, Lifter(lens=LENS, stage=StageMap(mark_m=(0.0, -DISTANCE_M))), noise_m=0.008)
    late = frames[90:]
    assert all(frame.status is LeaderStatus.TRACKED for frame in frames)
    joints = np.array([frame.joints_m for frame in late])
    truth = person.joints_m[90:]
    error = np.linalg.norm(joints - truth, axis=-1)
    assert error[:, SHOWN].mean() < 0.05
    relative = np.linalg.norm((joints - joints[:, :1]) - (truth - truth[:, :1]), axis=-1)
    assert relative[:, SHOWN].mean() < 0.035
    assert abs(np.mean([heading_yaw(BODY, frame.joints_m) for frame in late]) - 0.3) < 0.05
    lowest = joints[:, [10, 11], 1].min(axis=1)
    assert abs(np.median(lowest)) < 0.05


def test_joints_and_rotations_agree_and_bones_are_fixed() -> None:
    lifter = Lifter(lens=LENS)
    late = lift(dancer(150), lifter, noise_m=0.008)[110:]
    skeleton = lifter.proportions.skeleton()
    bones = np.array(
        [np.linalg.norm(frame.joints_m[1:] - frame.joints_m[list(BODY.parents[1:])], axis=-1) for frame in late]
    )
    assert np.ptp(bones, axis=0).max() < 1e-3
    joints, _ = forward(skeleton, late[-1].root_m, matrix_from_6d(late[-1].rotations_6d))
    np.testing.assert_allclose(joints, late[-1].joints_m, atol=2e-3)
    np.testing.assert_array_equal(late[-1].joints_m[0], late[-1].root_m)


def test_stage_middle_is_where_the_performer_starts() -> None:
    person = dancer(60)
    far = Person(person.root_m + np.array([0.6, 0.0, -1.0]), person.rotations)
    frames = lift(far, Lifter(lens=LENS))
    assert np.linalg.norm(frames[15].root_m[[0, 2]]) < 0.15
    moved = frames[59].root_m - frames[15].root_m
    np.testing.assert_allclose(moved, person.root_m[59] - person.root_m[15], atol=0.04)


def test_proportions_settle_on_a_persons_bones() -> None:
    factors = np.ones(22)
    factors[[4, 5]], factors[[20, 21]] = 1.12, 0.9
    skeleton = Skeleton(BODY.names, BODY.parents, (BODY.offsets_m * factors[:, None]).astype(np.float32))
    lifter = Lifter(lens=LENS)
    lift(dancer(150, skeleton=skeleton), lifter, noise_m=0.005)
    learnt = lifter.proportions.skeleton().bone_lengths_m / skeleton.bone_lengths_m.clip(1e-6)
    assert lifter.proportions.settled
    np.testing.assert_allclose(learnt[[4, 5, 7, 8, 18, 19, 20, 21]], 1.0, atol=0.04)


def test_known_height_sets_the_scale_of_body_and_room() -> None:
    person = dancer(150)
    frames = lift(person, Lifter(lens=LENS, height_m=1.66 * 1.1, stage=StageMap(mark_m=(0.0, 0.0))))
    assert frames[-1].root_m[2] == pytest.approx(-1.1 * DISTANCE_M, rel=0.03)
    thigh = np.linalg.norm(frames[-1].joints_m[4] - frames[-1].joints_m[1])
    assert thigh == pytest.approx(1.1 * BODY.bone_lengths_m[4], rel=0.03)
    assert Proportions.of_body(1.66 * 1.1).size == pytest.approx(1.1)


def test_floor_moves_slowly_and_ignores_jumps() -> None:
    floor = Floor.unknown()
    for i in range(200):
        floor = floor.observe(-1.0 + (0.3 if i % 20 < 4 else 0.0))
    assert floor.height_m == pytest.approx(-1.0, abs=0.01)
    assert floor.observe(-2.0).height_m > -1.1


def test_visibility_of_joints_follows_their_landmarks() -> None:
    visibility = np.ones(COUNT)
    visibility[15] = 0.2
    joints = joint_visibility(visibility)
    assert joints[BODY.index("left_wrist")] == pytest.approx(0.2)
    assert joints[BODY.index("right_wrist")] == 1.0
    assert joints.shape == (22,) and np.delete(joints, BODY.index("left_wrist")).min() == 1.0


def test_step_is_quick() -> None:
    person = dancer(60)
    lifter = Lifter(lens=LENS)
    seen = [person.landmarks(i) for i in range(60)]
    times = []
    for i in range(60):
        start = time.thread_time()
        lifter.step(seen[i], i / FPS)
        times.append(time.thread_time() - start)
    assert np.median(times) < 0.012  # 2 to 3 ms where nothing else runs


def test_who_faces_the_audience_may_stand_sideways_to_the_camera() -> None:
    person = dancer(60, yaw_rad=0.4)
    plain = lift(person, Lifter(lens=LENS, stage=StageMap((0.0, -DISTANCE_M))))
    turned = lift(person, Lifter(lens=LENS, stage=StageMap((0.0, -DISTANCE_M), facing_rad=0.4)))
    turn = yaw_matrix(-0.4)
    for before, after in zip(plain, turned, strict=True):
        np.testing.assert_allclose(after.joints_m, before.joints_m @ turn.T, atol=1e-4)
        np.testing.assert_allclose(
            matrix_from_6d(after.rotations_6d)[0], turn @ matrix_from_6d(before.rotations_6d)[0], atol=1e-4
        )
    headings = [float(heading_yaw(BODY, frame.joints_m)) for frame in turned]
    assert abs(np.median(headings)) < 0.1, "who faces where the stage faces has a heading near 0"
