"""Inverse kinematics on landmarks made from known poses: positions, rotations and facing."""

import math

import numpy as np
import pytest

from duet.kinematics import forward, heading_yaw
from duet.rotations import Array, matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY
from realtime.sight import pose_ik
from realtime.sight.landmarks import COUNT, upright
from tests.realtime.filmed_person import SHOWN, Person, dancer


def _random_poses(count: int, seed: int) -> Array:
    """Dancing-like poses (count, 22, 3, 3): every heading, knees and elbows bend their own way only."""
    rng = np.random.default_rng(seed)
    rotvec = np.zeros((count, 22, 3))
    joint = BODY.index

    def spread(*size: float) -> Array:
        return rng.normal(size=(count, 3)) * np.array(size)

    bend = spread(0.1, 0.1, 0.08)
    for name in ("spine1", "spine2", "spine3"):
        rotvec[:, joint(name)] = bend
    for side, sign in (("left", 1.0), ("right", -1.0)):
        rotvec[:, joint(f"{side}_hip")] = spread(0.5, 0.3, 0.25)
        rotvec[:, joint(f"{side}_knee"), 0] = rng.uniform(0.2, 1.6, count)
        rotvec[:, joint(f"{side}_ankle")] = spread(0.3, 0.0, 0.1)
        rotvec[:, joint(f"{side}_shoulder")] = spread(0.3, 0.5, 0.6) - np.array([0.0, 0.0, 0.6 * sign])
        rotvec[:, joint(f"{side}_elbow"), 1] = -sign * rng.uniform(0.2, 1.8, count)
    rotations = matrix_from_rotvec(rotvec)
    rotations[:, 0] = yaw_matrix(rng.uniform(-np.pi, np.pi, count)) @ matrix_from_rotvec(spread(0.1, 0.0, 0.1))
    return rotations


@pytest.mark.parametrize(("noise_m", "bound_m"), [(0.0, 0.008), (0.01, 0.018), (0.02, 0.035)])
def test_inverse_kinematics_meets_the_joints_it_is_shown(noise_m: float, bound_m: float) -> None:
    person = Person(np.tile(np.array([0.0, 0.9, 0.0]), (150, 1)), _random_poses(150, seed=1))
    rng = np.random.default_rng(2)
    truth = person.joints_m
    error = []
    for i in range(150):
        seen = person.landmarks(i, rng if noise_m else None, noise_m)
        rotations, pelvis = pose_ik.solve(BODY, upright(seen.world_m), np.ones(COUNT), 1.0)
        joints, _ = forward(BODY, pelvis, rotations)
        error.append(np.linalg.norm(joints[SHOWN] - (truth[i, SHOWN] - person.hip_centre_m(i)), axis=-1))
    assert np.mean(error) < bound_m


def test_inverse_kinematics_gives_rotations_and_faces_right() -> None:
    person = Person(np.tile(np.array([0.0, 0.9, 0.0]), (60, 1)), _random_poses(60, seed=3))
    truth = heading_yaw(BODY, person.joints_m)
    for i in range(60):
        rotations, pelvis = pose_ik.solve(BODY, upright(person.landmarks(i).world_m), np.ones(COUNT), 1.0)
        np.testing.assert_allclose(
            np.swapaxes(rotations, -1, -2) @ rotations, np.tile(np.eye(3), (22, 1, 1)), atol=1e-9
        )
        np.testing.assert_allclose(np.linalg.det(rotations), 1.0, atol=1e-9)
        joints, _ = forward(BODY, pelvis, rotations)
        assert abs(math.remainder(float(heading_yaw(BODY, joints)) - truth[i], 2 * math.pi)) < math.radians(4.0)
        for knee in (4, 5):  # knees bend backward
            assert rotations[knee][1, 1] > -0.5 and rotations[knee][2, 1] > -0.15


def test_hand_turned_over_takes_the_forearm_with_it() -> None:
    person = dancer(1)
    turned = Person(person.root_m, person.rotations.copy())
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turned.rotations[0, BODY.index(f"{side}_wrist")] = matrix_from_rotvec(np.array([0.8 * sign, 0.0, 0.0]))
    truth = forward(BODY, turned.root_m[0], turned.rotations[0])[1]
    rotations, pelvis = pose_ik.solve(BODY, upright(turned.landmarks(0).world_m), np.ones(COUNT), 1.0)
    globals_ = forward(BODY, pelvis, rotations)[1]
    for side in ("left", "right"):
        wrist = BODY.index(f"{side}_wrist")
        angle = np.arccos((np.trace(globals_[wrist].T @ truth[wrist]) - 1.0) / 2.0)
        assert angle < 0.12
        own = np.arccos((np.trace(rotations[wrist]) - 1.0) / 2.0)
        assert own == pytest.approx(0.4, abs=0.15)
