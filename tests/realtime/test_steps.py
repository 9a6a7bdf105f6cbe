"""How far a body may go in a frame: nothing is changed that may be, and what may not is shown a little later."""

import numpy as np
import pytest

from duet.choreography import compose
from duet.features import pelvis_yaw
from duet.kinematics import forward
from duet.poses import relaxed_rotations
from duet.rotations import matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY
from realtime.steps import (
    MOST_CHANGE_M,
    MOST_LEAP_M,
    MOST_STEP_M,
    MOST_TURN_CHANGE_RAD,
    bounded_place,
    bounded_pose,
    own_steps_m,
)

REST = relaxed_rotations().astype(np.float64)
SHOULDER = BODY.index("left_shoulder")


def still(count: int) -> np.ndarray:
    return np.repeat(REST[None], count, axis=0)


def test_a_dance_goes_through_as_it_is() -> None:
    dancer = compose("salsa", 6.0, 170.0, 2, fps=30.0).follower.on_body(BODY)
    root, turns = dancer.root_m[:90], dancer.rotations[:90]
    shown, rotations = bounded_place(root[2:], turns[2:], root[:2], turns[:2])
    slow = np.linalg.norm(np.diff(root, axis=0), axis=-1).max() <= MOST_STEP_M
    assert np.abs(shown - root[2:]).max() < (1e-6 if slow else 0.03)
    np.testing.assert_allclose(rotations, turns[2:], atol=1e-6)
    own = own_steps_m(turns[1:])[1:]
    np.testing.assert_array_equal(bounded_pose(turns[2:], turns[2:], own, own[:3], turns[1]), turns[2:])


@pytest.mark.parametrize("away_m", [0.1, 1.0, -3.0])
def test_a_pelvis_that_is_elsewhere_is_gone_after_and_met(away_m: float) -> None:
    root = np.tile([away_m, 0.9, 0.0], (90, 1))
    shown, _ = bounded_place(root, still(90), np.tile([0.0, 0.9, 0.0], (2, 1)), still(2))
    steps = np.diff(shown[:, 0], prepend=0.0)
    assert np.abs(steps).max() <= MOST_STEP_M
    assert np.diff(np.abs(steps), prepend=0.0).max() <= MOST_CHANGE_M + 1e-6, "takes its time to go"
    assert shown[-1, 0] == pytest.approx(away_m, abs=1e-5)
    assert (np.sign(away_m) * steps >= -1e-6).all(), "never goes past it"


def test_a_pelvis_that_is_turned_over_turns_by_and_by() -> None:
    there = still(60)
    there[:, 0] = yaw_matrix(3.0)
    _, shown = bounded_place(np.zeros((60, 3)), there, np.zeros((2, 3)), still(2))
    turned = np.diff(np.unwrap(pelvis_yaw(shown[:, 0].astype(np.float64))), prepend=0.0)
    assert np.diff(np.abs(turned), prepend=0.0).max() <= MOST_TURN_CHANGE_RAD + 1e-6
    np.testing.assert_allclose(shown[-1, 0], there[-1, 0], atol=1e-5)


def test_an_arm_that_is_elsewhere_at_once_is_there_some_frames_later() -> None:
    raised = still(40)
    raised[:, SHOULDER] = matrix_from_rotvec(np.array([0.0, 0.0, 1.8])) @ REST[SHOULDER]
    shown = bounded_pose(raised, raised, own_steps_m(raised), np.zeros((3, 22, 3)), REST)
    joints = forward(BODY, np.zeros((41, 3)), np.concatenate([REST[None], shown.astype(np.float64)]))[0]
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(axis=-1)
    assert steps[0] > 0.02 and steps.max() <= MOST_LEAP_M
    np.testing.assert_allclose(shown[-1], raised[-1], atol=1e-5)


@pytest.mark.parametrize("rested_m", [0.0, 0.02, 0.05])
def test_a_step_out_of_a_rest_is_no_longer_than_one_of_a_rest(rested_m: float) -> None:
    fast = still(6)
    for i in range(6):
        fast[i, SHOULDER] = matrix_from_rotvec(np.array([0.0, 0.0, 0.3 * (i + 1)])) @ REST[SHOULDER]
    own = own_steps_m(np.concatenate([REST[None], fast]))[1:]
    assert np.linalg.norm(own[0], axis=-1).max() > 2 * MOST_STEP_M, "a dance may: it is its own"
    np.testing.assert_array_equal(bounded_pose(fast, fast, own, own[:3], REST), fast.astype(np.float32))
    shown = bounded_pose(fast, fast, own, own[:3], REST, rested_m)
    joints = forward(BODY, np.zeros((7, 3)), np.concatenate([REST[None], shown.astype(np.float64)]))[0]
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(axis=-1)
    assert steps[0] <= MOST_STEP_M - rested_m + 1e-6
    assert steps[1] > MOST_STEP_M, "from then on it is a dance again"
