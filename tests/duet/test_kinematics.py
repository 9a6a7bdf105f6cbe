import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from duet.kinematics import (
    CONTACT_SPEED_M_S,
    foot_contacts,
    forward,
    heading_yaw,
    limb_rotations,
    local_from_global,
    two_bone_ik,
)
from duet.rotations import matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY, FEET, Skeleton

HIP, KNEE, ANKLE = np.array([0.1, 0.9, 0.0]), np.array([0.1, 0.5, 0.06]), np.array([0.1, 0.1, 0.0])
LEFT = np.array([1.0, 0.0, 0.0])  # of a body that faces +Z


def random_pose(seed: int, shape: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*shape, 3)), matrix_from_rotvec(rng.normal(size=(*shape, len(BODY), 3)))


def recursive_position(skeleton: Skeleton, root_m: np.ndarray, rotations: np.ndarray, joint: int) -> np.ndarray:
    """The textbook way, one joint at a time, from the leaf up."""
    position = np.zeros(3)
    while joint > 0:
        position = skeleton.offsets_m[joint] + rotations[joint] @ position
        joint = skeleton.parents[joint]
    return root_m + rotations[0] @ position


@pytest.mark.parametrize("seed", range(3))
def test_forward_equals_the_plain_recursion(seed: int) -> None:
    root_m, rotations = random_pose(seed)
    joints, _ = forward(BODY, root_m, rotations)
    expected = [recursive_position(BODY, root_m, rotations, j) for j in range(len(BODY))]
    np.testing.assert_allclose(joints, expected, atol=1e-12)


def test_forward_of_many_is_forward_of_each() -> None:
    root_m, rotations = random_pose(0, (2, 3))
    joints, turned = forward(BODY, root_m, rotations)
    assert joints.shape == (2, 3, 22, 3)
    alone = forward(BODY, root_m[1, 2], rotations[1, 2])
    np.testing.assert_allclose(joints[1, 2], alone[0], atol=1e-12)
    np.testing.assert_allclose(turned[1, 2], alone[1], atol=1e-12)


def test_the_rest_pose_has_no_rotations() -> None:
    joints, turned = forward(BODY, BODY.offsets_m[0], np.broadcast_to(np.eye(3), (22, 3, 3)))
    np.testing.assert_allclose(joints, BODY.rest_joints_m, atol=1e-6)
    np.testing.assert_array_equal(turned, np.broadcast_to(np.eye(3), (22, 3, 3)))


@pytest.mark.parametrize("seed", range(3))
def test_no_pose_stretches_a_bone(seed: int) -> None:
    joints, _ = forward(BODY, *random_pose(seed, (5,)))
    lengths = np.linalg.norm(joints[:, 1:] - joints[:, list(BODY.parents[1:])], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(BODY.bone_lengths_m[1:], (5, 21)), atol=1e-6)


def test_local_and_global_rotations_are_inverse() -> None:
    root_m, rotations = random_pose(4, (3,))
    np.testing.assert_allclose(local_from_global(BODY, forward(BODY, root_m, rotations)[1]), rotations, atol=1e-12)


@given(st.floats(-3.1, 3.1))
def test_heading_is_the_yaw_a_body_was_turned_by(yaw: float) -> None:
    joints = BODY.rest_joints_m @ yaw_matrix(yaw).T + np.array([3.0, 0.0, -2.0])
    assert heading_yaw(BODY, joints) == pytest.approx(yaw, abs=1e-6)


def test_heading_signs() -> None:
    # Yaw 0 looks along +Z and pi/2 along +X: turning to one's left is positive.
    left_turn = BODY.rest_joints_m @ yaw_matrix(np.pi / 2).T
    assert left_turn[BODY.index("left_foot"), 0] > left_turn[BODY.index("left_ankle"), 0]
    assert heading_yaw(BODY, np.stack([BODY.rest_joints_m, left_turn])) == pytest.approx([0.0, np.pi / 2], abs=1e-6)


def test_feet_touch_when_low_and_slow() -> None:
    fps, frames = 30.0, 12
    joints = np.repeat(BODY.rest_joints_m[None].astype(np.float64), frames, axis=0)
    left_ankle, right_ankle, left_toe, right_toe = FEET
    joints[:, [right_ankle, right_toe], 1] += 0.15
    joints[6:, [left_ankle, left_toe], 0] += np.arange(6)[:, None] * 1.2 * CONTACT_SPEED_M_S / fps
    contacts = foot_contacts(joints, fps)
    assert contacts.dtype == np.float32
    np.testing.assert_array_equal(contacts[:7], np.tile([1.0, 0.0, 1.0, 0.0], (7, 1)))
    np.testing.assert_array_equal(contacts[7:], np.zeros((5, 4)))


def test_one_frame_alone_stands_still() -> None:
    np.testing.assert_array_equal(foot_contacts(BODY.rest_joints_m[None], 30.0), np.ones((1, 4)))


def solved(
    root: np.ndarray, mid: np.ndarray, end: np.ndarray, target: np.ndarray, hinge: np.ndarray = LEFT
) -> tuple[np.ndarray, np.ndarray]:
    """Where knee and ankle are after the solution."""
    upper, lower = two_bone_ik(root, mid, end, target, hinge_axis=hinge)
    new_mid = root + upper @ (mid - root)
    return new_mid, new_mid + lower @ (end - mid)


@given(arrays(np.float64, (3,), elements=st.floats(-0.9, 0.9)))
def test_the_ankle_meets_its_target_and_bones_keep_their_length(offset: np.ndarray) -> None:
    target = HIP + offset
    thigh, shin = np.linalg.norm(KNEE - HIP), np.linalg.norm(ANKLE - KNEE)
    knee, ankle = solved(HIP, KNEE, ANKLE, target)
    assert np.linalg.norm(knee - HIP) == pytest.approx(thigh)
    assert np.linalg.norm(ankle - knee) == pytest.approx(shin)
    distance = np.linalg.norm(offset)
    if 0.01 < distance < (thigh + shin) * 0.9995:
        np.testing.assert_allclose(ankle, target, atol=1e-6)
    elif distance >= (thigh + shin) * 0.9995:
        # Out of reach: along the line to it, at most a hair short of straight.
        np.testing.assert_allclose(ankle - HIP, offset / distance * (thigh + shin) * 0.9995, atol=1e-6)


def test_a_target_where_the_ankle_is_changes_nothing() -> None:
    upper, lower = two_bone_ik(HIP, KNEE, ANKLE, ANKLE, hinge_axis=LEFT)
    np.testing.assert_allclose(upper, np.eye(3), atol=1e-7)
    np.testing.assert_allclose(lower, np.eye(3), atol=1e-7)


@pytest.mark.parametrize("yaw", [0.0, 1.0, -2.5])
@pytest.mark.parametrize("knee_ahead_m", [0.06, 0.0, -0.02])
def test_a_knee_bends_forward_even_from_straight_or_overstretched(yaw: float, knee_ahead_m: float) -> None:
    turn = yaw_matrix(yaw)
    hip, ankle = np.array([0.0, 0.9, 0.0]), np.array([0.0, 0.1, 0.0])
    knee = np.array([0.0, 0.5, knee_ahead_m])
    target = np.array([0.0, 0.25, 0.05])
    new_knee, new_ankle = solved(turn @ hip, turn @ knee, turn @ ankle, turn @ target, hinge=turn @ LEFT)
    np.testing.assert_allclose(turn.T @ new_ankle, target, atol=1e-6)
    assert (turn.T @ new_knee)[2] > 0.15


def test_the_knee_moves_smoothly_through_straight() -> None:
    """A leg that trembles about straight must not make the knee jump."""
    knees = [
        solved(HIP, np.array([0.1, 0.5, ahead]), ANKLE, np.array([0.1, 0.12, 0.02]))[0]
        for ahead in np.linspace(-0.004, 0.004, 41)
    ]
    assert np.linalg.norm(np.diff(knees, axis=0), axis=-1).max() < 0.002


def test_a_leg_posed_from_nothing_reaches_keeps_its_bones_and_bends_forward() -> None:
    rng = np.random.default_rng(0)
    upper, lower = np.array([0.0, -0.4, 0.03]), np.array([0.0, -0.42, -0.01])
    long, short = np.linalg.norm(upper), np.linalg.norm(lower)
    hips = rng.normal(size=(50, 3))
    targets = hips + np.array([0.0, -0.5, 0.0]) + rng.uniform(-0.5, 0.5, (50, 3))
    ahead = np.array([0.0, 0.0, 1.0])
    above, below, knees, ankles = limb_rotations(hips, targets, ahead, upper=upper, lower=lower, hinge=LEFT)
    for rotations in (above, below):
        np.testing.assert_allclose(
            rotations @ np.swapaxes(rotations, -1, -2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-9
        )
        assert np.linalg.det(rotations).min() > 0.99
    np.testing.assert_allclose(hips + above @ upper, knees, atol=1e-9)
    np.testing.assert_allclose(knees + below @ lower, ankles, atol=1e-9)
    distance = np.linalg.norm(targets - hips, axis=-1)
    within = distance < 0.9995 * (long + short)
    assert 5 < within.sum() < 50
    np.testing.assert_allclose(ankles[within], targets[within], atol=1e-9)
    short_of = np.linalg.norm(ankles - hips, axis=-1)[~within]
    np.testing.assert_allclose(short_of, 0.9995 * (long + short), atol=1e-9)
    # The knee is on the pole's side of the line from hip to ankle.
    middle = knees - hips
    line = (ankles - hips) / np.linalg.norm(ankles - hips, axis=-1, keepdims=True)
    assert ((middle - line * np.sum(middle * line, axis=-1, keepdims=True))[:, 2] > 0.0).all()


def test_a_leg_posed_as_it_rests_is_hardly_turned() -> None:
    upper, lower = np.array([0.0, -0.4, 0.03]), np.array([0.0, -0.42, -0.03])
    above, below, _, _ = limb_rotations(
        np.zeros(3), upper + lower, np.array([0.0, 0.0, 1.0]), upper=upper, lower=lower, hinge=LEFT
    )
    np.testing.assert_allclose(above, np.eye(3), atol=1e-2)
    np.testing.assert_allclose(below, np.eye(3), atol=1e-2)
