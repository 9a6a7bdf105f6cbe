import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from duet.rotations import (
    cross,
    matrix_between,
    matrix_from_6d,
    matrix_from_quaternion_wxyz,
    matrix_from_rotvec,
    normalise,
    quaternion_wxyz_from_matrix,
    rotvec_from_matrix,
    rotvec_from_quaternion_wxyz,
    six_d_from_matrix,
    slerp_wxyz,
    wrap_angle,
    yaw_matrix,
)

# Whole turns and back: beyond pi the rotation vector is not the shortest, the matrix is still a rotation.
rotvecs = arrays(np.float64, (3,), elements=st.floats(-6.3, 6.3))
matrices = rotvecs.map(matrix_from_rotvec)
angles = st.floats(-20.0, 20.0)
fractions = st.floats(0.0, 1.0)


def unit_quaternion(rotvec: np.ndarray) -> np.ndarray:
    return quaternion_wxyz_from_matrix(matrix_from_rotvec(rotvec))


quaternions = rotvecs.map(unit_quaternion)


@given(matrices)
def test_a_rotation_vector_makes_a_rotation(matrix: np.ndarray) -> None:
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0, abs=1e-12)


@given(rotvecs)
def test_the_opposite_rotation_vector_is_the_inverse(rotvec: np.ndarray) -> None:
    np.testing.assert_allclose(matrix_from_rotvec(rotvec) @ matrix_from_rotvec(-rotvec), np.eye(3), atol=1e-12)


@given(rotvecs)
def test_the_axis_stays_where_it_is(rotvec: np.ndarray) -> None:
    np.testing.assert_allclose(matrix_from_rotvec(rotvec) @ rotvec, rotvec, atol=1e-11)


@given(matrices)
def test_every_form_comes_back_as_the_same_rotation(matrix: np.ndarray) -> None:
    np.testing.assert_allclose(matrix_from_6d(six_d_from_matrix(matrix)), matrix, atol=1e-12)
    np.testing.assert_allclose(matrix_from_quaternion_wxyz(quaternion_wxyz_from_matrix(matrix)), matrix, atol=1e-9)
    np.testing.assert_allclose(matrix_from_rotvec(rotvec_from_matrix(matrix)), matrix, atol=1e-7)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_turns_survive_the_quaternion(axis: np.ndarray) -> None:
    half = matrix_from_rotvec(np.pi * axis)
    np.testing.assert_allclose(quaternion_wxyz_from_matrix(half)[1:] @ axis, 1.0, atol=1e-12)
    np.testing.assert_allclose(matrix_from_rotvec(rotvec_from_matrix(half)), half, atol=1e-12)


@given(arrays(np.float64, (3,), elements=st.floats(-1.8, 1.8)))
def test_a_short_rotation_vector_comes_back(rotvec: np.ndarray) -> None:
    np.testing.assert_allclose(rotvec_from_matrix(matrix_from_rotvec(rotvec)), rotvec, atol=1e-7)


@given(matrices)
def test_quaternions_are_unit_and_on_the_near_side(matrix: np.ndarray) -> None:
    quaternion = quaternion_wxyz_from_matrix(matrix)
    assert np.linalg.norm(quaternion) == pytest.approx(1.0, abs=1e-12)
    assert quaternion[0] >= 0.0


@given(quaternions)
def test_both_signs_of_a_quaternion_are_one_rotation(quaternion: np.ndarray) -> None:
    np.testing.assert_allclose(matrix_from_quaternion_wxyz(-quaternion), matrix_from_quaternion_wxyz(quaternion))
    turned = rotvec_from_quaternion_wxyz(-quaternion)
    np.testing.assert_allclose(matrix_from_rotvec(turned), matrix_from_quaternion_wxyz(quaternion), atol=1e-7)


@given(arrays(np.float64, (6,), elements=st.floats(-3.0, 3.0)))
def test_any_6d_with_two_directions_makes_a_rotation(six: np.ndarray) -> None:
    if np.linalg.norm(np.cross(six[:3], six[3:])) < 1e-3:
        return
    matrix = matrix_from_6d(six)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(matrix) > 0.99
    np.testing.assert_allclose(matrix[:, 0], normalise(six[:3]), atol=1e-12)


@given(quaternions, quaternions)
def test_slerp_starts_and_ends_where_it_should(start: np.ndarray, end: np.ndarray) -> None:
    for fraction, expected in ((0.0, start), (1.0, end)):
        met = matrix_from_quaternion_wxyz(slerp_wxyz(start, end, fraction))
        np.testing.assert_allclose(met, matrix_from_quaternion_wxyz(expected), atol=1e-7)


@given(quaternions, arrays(np.float64, (3,), elements=st.floats(-1.7, 1.7)), fractions)
def test_slerp_turns_evenly_the_short_way(start: np.ndarray, turn: np.ndarray, fraction: float) -> None:
    turned = matrix_from_rotvec(turn) @ matrix_from_quaternion_wxyz(start)
    end = -quaternion_wxyz_from_matrix(turned)  # the far sign must not matter
    met = matrix_from_quaternion_wxyz(slerp_wxyz(start, end, fraction))
    expected = matrix_from_rotvec(turn * fraction) @ matrix_from_quaternion_wxyz(start)
    np.testing.assert_allclose(met, expected, atol=1e-6)


def test_slerp_keeps_shape_and_float32() -> None:
    start = unit_quaternion(np.random.default_rng(0).normal(size=(5, 22, 3))).astype(np.float32)
    joined = slerp_wxyz(start[:-1], start[1:], np.full((4, 1), 0.5))
    assert joined.shape == (4, 22, 4)
    assert joined.dtype == np.float32


@given(rotvecs, rotvecs)
def test_matrix_between_turns_one_direction_onto_the_other(source: np.ndarray, target: np.ndarray) -> None:
    if min(np.linalg.norm(source), np.linalg.norm(target)) < 1e-3:
        return
    turn = matrix_between(source, target)
    np.testing.assert_allclose(turn @ normalise(source), normalise(target), atol=1e-6)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("direction", [*np.eye(3), np.array([1.0, 2.0, -3.0])])
def test_matrix_between_opposite_directions_is_a_half_turn(direction: np.ndarray) -> None:
    turn = matrix_between(direction, -direction)
    np.testing.assert_allclose(turn @ direction, -direction, atol=1e-9)
    assert np.trace(turn) == pytest.approx(-1.0)


def test_nothing_to_turn_is_no_turn() -> None:
    np.testing.assert_array_equal(matrix_between(np.zeros(3), np.ones(3)), np.eye(3))
    np.testing.assert_array_equal(normalise(np.zeros(3)), np.zeros(3))


@given(angles, angles)
def test_yaws_add_up(a: float, b: float) -> None:
    np.testing.assert_allclose(yaw_matrix(a) @ yaw_matrix(b), yaw_matrix(a + b), atol=1e-9)


def test_yaw_zero_faces_z_and_a_quarter_turn_faces_x() -> None:
    forward = np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(yaw_matrix(0.0) @ forward, [0.0, 0.0, 1.0])
    np.testing.assert_allclose(yaw_matrix(np.pi / 2) @ forward, [1.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(yaw_matrix(0.7), matrix_from_rotvec([0.0, 0.7, 0.0]), atol=1e-12)


@given(angles)
def test_a_wrapped_angle_is_the_same_direction_and_small(angle: float) -> None:
    wrapped = wrap_angle(angle)
    assert -np.pi <= wrapped <= np.pi
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-9)
    assert np.sin(wrapped) == pytest.approx(np.sin(angle), abs=1e-9)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_leading_shapes_and_float32_are_kept(shape: tuple[int, ...]) -> None:
    rotvec = np.random.default_rng(1).normal(size=(*shape, 3)).astype(np.float32)
    matrix = matrix_from_rotvec(rotvec)
    quaternion = quaternion_wxyz_from_matrix(matrix)
    six = six_d_from_matrix(matrix)
    assert (matrix.shape, quaternion.shape, six.shape) == ((*shape, 3, 3), (*shape, 4), (*shape, 6))
    assert rotvec_from_matrix(matrix).shape == rotvec.shape
    assert yaw_matrix(rotvec[..., 0]).shape == (*shape, 3, 3)
    assert {a.dtype for a in (matrix, quaternion, six, matrix_from_6d(six))} == {np.dtype(np.float32)}
    one_by_one = np.array([matrix_from_rotvec(r) for r in rotvec.reshape(-1, 3)]).reshape(matrix.shape)
    np.testing.assert_allclose(matrix, one_by_one, atol=1e-6)


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((5, 3), (3,)), ((4, 1, 3), (1, 6, 3))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_products_are_those_of_numpy_to_the_bit(shapes: tuple[tuple[int, ...], ...], dtype: type) -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    np.testing.assert_array_equal(cross(a, b), np.cross(a, b))
