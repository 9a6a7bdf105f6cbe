from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duet.features import (
    FOLLOWER_CONTACT,
    FOLLOWER_LOWER,
    FOLLOWER_ROOT,
    FOLLOWER_SIZE,
    FOLLOWER_UPPER,
    LEADER_CONFIDENCE,
    LEADER_HEIGHT,
    LEADER_POSE,
    LEADER_SIZE,
    LEADER_VELOCITY,
    LEADER_YAW_RATE,
    LOWER_JOINTS,
    PLACE_SIZE,
    ROOT_FACING,
    ROOT_HEIGHT,
    ROOT_PLACE,
    ROOT_VELOCITY,
    ROOT_YAW_RATE,
    UPPER_JOINTS,
    Placement,
    Standing,
    follower_features,
    follower_rotations,
    integrate_root,
    leader_features,
    leader_headings,
    partner_standing,
    pelvis_yaw,
    place_features,
    smooth_heading,
)
from duet.kinematics import foot_contacts, forward, heading_yaw
from duet.motion import Motion
from duet.rotations import matrix_from_rotvec, wrap_angle, yaw_matrix
from duet.skeleton import BODY

FPS = 30.0
FRAMES = 60


def dancer(seed: int, start: tuple[float, float], yaw: float) -> Motion:
    """Somebody who sways, steps and turns more than once around."""
    rng = np.random.default_rng(seed)
    t = np.arange(FRAMES)[:, None, None] / FPS
    rotations = matrix_from_rotvec(rng.normal(scale=0.25, size=(22, 3)) * np.sin(3.0 * t + rng.uniform(0, 6, (22, 3))))
    rotations[:, 0] = yaw_matrix(yaw + 4.0 * t[:, 0, 0] * rng.choice([-1, 1])) @ rotations[:, 0]
    path = np.stack([start[0] + 0.3 * np.sin(2 * t), 0.88 + 0.02 * np.sin(9 * t), start[1] + 0.2 * t], axis=-1)[:, 0, 0]
    return Motion(FPS, BODY, path.astype(np.float32), rotations.astype(np.float32))


LEADER, FOLLOWER = dancer(1, (0.0, 0.0), 0.3), dancer(2, (0.2, 0.8), 3.3)
SURE = np.linspace(0.2, 1.0, FRAMES)


def moved(motion: Motion, yaw: float, shift: np.ndarray) -> Motion:
    """The same dance elsewhere on the floor, turned about the world's origin."""
    turn = yaw_matrix(yaw)
    rotations = motion.rotations.astype(np.float64)
    rotations[:, 0] = turn @ rotations[:, 0]
    root = motion.root_m @ turn.T + shift
    return Motion(motion.fps, BODY, root.astype(np.float32), rotations.astype(np.float32))


def seen(leader: Motion) -> np.ndarray:
    return leader_features(leader.joints_m, leader_headings(leader.joints_m, FPS), FPS, confidence=SURE)


def said(follower: Motion, leader: Motion) -> np.ndarray:
    contacts = foot_contacts(follower.joints_m, FPS)
    heading = leader_headings(leader.joints_m, FPS)
    return follower_features(follower.root_m, follower.rotations, contacts, leader.root_m, heading, FPS)


def test_the_layout_has_a_place_for_every_number_once() -> None:
    for size, slices in (
        (LEADER_SIZE, [LEADER_POSE, LEADER_VELOCITY, LEADER_YAW_RATE, LEADER_HEIGHT, LEADER_CONFIDENCE]),
        (FOLLOWER_SIZE, [FOLLOWER_UPPER, FOLLOWER_LOWER, FOLLOWER_ROOT, FOLLOWER_CONTACT]),
        (
            FOLLOWER_ROOT.stop - FOLLOWER_ROOT.start,
            [ROOT_PLACE, ROOT_FACING, ROOT_VELOCITY, ROOT_YAW_RATE, ROOT_HEIGHT],
        ),
    ):
        assert [i for s in slices for i in range(s.start, s.stop)] == list(range(size))
    assert sorted(UPPER_JOINTS + LOWER_JOINTS) == list(range(22))
    assert LOWER_JOINTS[0] == 0
    assert seen(LEADER).shape == (FRAMES, LEADER_SIZE)
    assert said(FOLLOWER, LEADER).shape == (FRAMES, FOLLOWER_SIZE)


def test_leader_numbers_mean_what_they_say() -> None:
    """Somebody at rest who faces +X, walks ahead at 0.6 m/s and turns left at 0.5 rad/s from there."""
    t = np.arange(FRAMES) / FPS
    turn = yaw_matrix(np.pi / 2 + 0.5 * t)
    path = np.stack([0.6 * t, np.full(FRAMES, 0.9), np.zeros(FRAMES)], axis=-1)
    rest = BODY.rest_joints_m - BODY.rest_joints_m[0]
    joints = np.einsum("tij,kj->tki", turn, rest) + path[:, None]
    features = leader_features(joints, np.pi / 2 + 0.5 * t, FPS, confidence=SURE)
    np.testing.assert_allclose(features[:, LEADER_POSE].reshape(-1, 22, 3), np.tile(rest, (FRAMES, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(features[1, LEADER_VELOCITY], [0.0, 0.0, 0.6], atol=0.02)
    np.testing.assert_allclose(features[0, LEADER_VELOCITY], 0.0, atol=1e-6)
    np.testing.assert_allclose(features[1:, LEADER_YAW_RATE], 0.5, atol=1e-5)
    np.testing.assert_allclose(features[:, LEADER_HEIGHT], 0.9, atol=1e-6)
    np.testing.assert_allclose(features[:, LEADER_CONFIDENCE][:, 0], SURE, atol=1e-6)


@settings(max_examples=15)
@given(st.floats(-3.1, 3.1), st.floats(-5, 5), st.floats(-5, 5))
def test_where_on_the_floor_the_couple_is_does_not_matter(yaw: float, x: float, z: float) -> None:
    shift = np.array([x, 0.0, z])
    leader, follower = moved(LEADER, yaw, shift), moved(FOLLOWER, yaw, shift)
    np.testing.assert_allclose(seen(leader), seen(LEADER), atol=3e-4)
    np.testing.assert_allclose(said(follower, leader), said(FOLLOWER, LEADER), atol=3e-4)


def test_frame_by_frame_equals_all_at_once() -> None:
    whole = seen(LEADER)
    before: tuple[np.ndarray, float] | None = None
    previous: float | None = None
    for t in range(FRAMES):
        joints = LEADER.joints_m[t : t + 1]
        heading = leader_headings(joints, FPS, previous)
        row = leader_features(joints, heading, FPS, confidence=SURE[t : t + 1], before=before)
        np.testing.assert_array_equal(row[0], whole[t])
        previous = float(heading[0])
        before = (joints[0], previous)


@pytest.mark.parametrize("make", [lambda m: seen(m), lambda m: said(m, LEADER), lambda m: said(FOLLOWER, m)])
@pytest.mark.parametrize("now", [1, 17, FRAMES - 1])
def test_the_future_does_not_change_the_past(make: Callable[[Motion], np.ndarray], now: int) -> None:
    other = dancer(7, (3.0, -2.0), 1.0)
    changed = Motion(
        FPS,
        BODY,
        np.concatenate([LEADER.root_m[:now], other.root_m[now:]]),
        np.concatenate([LEADER.rotations[:now], other.rotations[now:]]),
    )
    np.testing.assert_array_equal(make(changed)[:now], make(LEADER)[:now])
    assert not np.array_equal(make(changed)[now:], make(LEADER)[now:])


def test_a_heading_is_smoothed_and_never_jumps_at_the_seam() -> None:
    yaw = np.unwrap(np.linspace(2.0, 12.0, 300)) + 0.1 * np.sin(np.arange(300) * 2.0)
    smooth = smooth_heading(wrap_angle(yaw), FPS)
    assert np.abs(np.diff(smooth)).max() < np.abs(np.diff(yaw)).max() / 2
    # A one-pole filter lags a steady turn by its time constant, here 0.25 s.
    lag = (yaw - smooth)[100:]
    assert lag.mean() == pytest.approx(10.0 / (299 / FPS) * 0.25, rel=0.1)


def test_a_heading_settles_on_what_it_sees() -> None:
    assert smooth_heading(np.full(3, 1.5), FPS).tolist() == pytest.approx([1.5] * 3)
    turned = smooth_heading(np.full(90, 3.0), FPS, previous_rad=-3.0)
    assert wrap_angle(turned[-1] - 3.0) == pytest.approx(0.0, abs=1e-4)
    assert (np.diff(turned) < 0.0).all()  # -3 to 3 is a short way, past pi


def test_pelvis_and_body_agree_on_heading_at_rest() -> None:
    for yaw in (0.0, 1.0, -3.0):
        turned = BODY.rest_joints_m @ yaw_matrix(yaw).T
        assert pelvis_yaw(yaw_matrix(yaw)) == pytest.approx(heading_yaw(BODY, turned), abs=1e-6)


def walked(features: np.ndarray, leak: float, start: Standing | None = None) -> list[Standing]:
    yaw = pelvis_yaw(FOLLOWER.rotations[:, 0])
    start = start or Standing(FOLLOWER.root_m[0], float(yaw[0]))
    heading = leader_headings(LEADER.joints_m, FPS)
    return integrate_root(start, features[:, FOLLOWER_ROOT], LEADER.root_m, heading, FPS, leak)


@pytest.mark.parametrize("leak", [0.0, 0.1, 1.0])
def test_the_way_back_to_the_world_gives_the_dance_back(leak: float) -> None:
    features = said(FOLLOWER, LEADER)
    walk = walked(features, leak)
    root = np.array([s.root_m for s in walk])
    yaw = np.array([s.yaw_rad for s in walk])
    np.testing.assert_allclose(root, FOLLOWER.root_m, atol=1e-4)
    joints, _ = forward(BODY, root, follower_rotations(features, yaw))
    np.testing.assert_allclose(joints, FOLLOWER.joints_m, atol=3e-4)


def test_a_leak_brings_a_lost_follower_back() -> None:
    features = said(FOLLOWER, LEADER)
    lost = Standing(FOLLOWER.root_m[0] + np.array([1.0, 0.4, -1.0]), float(pelvis_yaw(FOLLOWER.rotations[0, 0])) + 2.0)
    kept = walked(features, 0.0, lost)[-1]
    back = walked(features, 0.15, lost)[-1]
    assert np.linalg.norm(kept.root_m - FOLLOWER.root_m[-1]) > 1.0
    assert kept.root_m[1] == pytest.approx(FOLLOWER.root_m[-1, 1], abs=1e-6)  # a height is said, never summed up
    np.testing.assert_allclose(back.root_m, FOLLOWER.root_m[-1], atol=0.02)
    assert wrap_angle(back.yaw_rad - pelvis_yaw(FOLLOWER.rotations[-1, 0])) == pytest.approx(0.0, abs=0.02)


@given(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(0.3, 2.0))
def test_the_wished_place_is_where_it_is_wished_and_faces_the_leader(
    yaw: float, bearing: float, distance: float
) -> None:
    leader = Standing(np.array([2.0, 0.9, -1.0]), yaw)
    wish = Placement(distance, bearing)
    partner = partner_standing(leader, wish, 0.85)
    gap = (partner.root_m - leader.root_m)[[0, 2]]
    assert np.linalg.norm(gap) == pytest.approx(distance)
    assert partner.root_m[1] == 0.85
    ahead = yaw_matrix(partner.yaw_rad) @ np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(ahead[[0, 2]], -gap / distance, atol=1e-9)
    features = place_features(partner, leader, wish, 0.5)
    assert features.shape == (PLACE_SIZE,)
    expected = [distance * np.sin(bearing), distance * np.cos(bearing), -np.sin(bearing), -np.cos(bearing)]
    np.testing.assert_allclose(features[:4], expected, atol=1e-6)
    np.testing.assert_allclose(features[4:], [distance, np.sin(bearing), np.cos(bearing), 0.5], atol=1e-6)


def test_a_positive_bearing_is_to_the_leaders_left() -> None:
    partner = partner_standing(Standing(np.zeros(3), 0.0), Placement(1.0, np.pi / 2), 0.9)
    np.testing.assert_allclose(partner.root_m, [1.0, 0.9, 0.0], atol=1e-9)


def beside(
    place: tuple[float, float], leader_m: np.ndarray, heading: np.ndarray, start: Standing, leak: float = 0.05
) -> np.ndarray:
    """(T, 2) distance from the leader and bearing of a follower who is always told the same place, and no velocity."""
    rows = np.zeros((len(heading), FOLLOWER_ROOT.stop - FOLLOWER_ROOT.start))
    rows[:, ROOT_PLACE], rows[:, ROOT_FACING], rows[:, ROOT_HEIGHT] = place, (0.0, -1.0), 0.87
    walk = integrate_root(start, rows, leader_m, heading, FPS, leak)
    away = np.array([s.root_m for s in walk]) - leader_m
    return np.stack([np.hypot(away[:, 0], away[:, 2]), np.unwrap(np.arctan2(away[:, 0], away[:, 2]))], axis=-1)


@pytest.mark.parametrize("rate_rad_s", [1.0, -2.0, 3.0])
def test_a_leader_who_spins_does_not_draw_the_follower_in(rate_rad_s: float) -> None:
    """Straight for a place that circles, one ends on a circle of 1 / sqrt(1 + (rate / pull)^2) of its size: .38 m."""
    heading = rate_rad_s * np.arange(300) / FPS
    seen = beside((0.0, 0.85), np.zeros((300, 3)), heading, Standing(np.array([0.0, 0.87, 0.85]), np.pi))
    assert seen[:, 0].min() > 0.59
    # With a leader who turns no faster than one can walk round them, it does go round.
    if abs(rate_rad_s) <= 2.0:
        assert np.diff(seen[200:, 1]).mean() * FPS == pytest.approx(rate_rad_s, rel=0.05)


def test_who_is_asked_to_come_near_comes_near() -> None:
    seen = beside((0.0, 0.45), np.zeros((200, 3)), np.zeros(200), Standing(np.array([0.9, 0.87, 0.0]), np.pi))
    assert seen[-1, 0] == pytest.approx(0.45, abs=0.01)
    assert abs(seen[-1, 1]) < 0.01
    assert (np.diff(seen[:, 0]) < 1e-9).all()


@pytest.mark.parametrize("leak", [0.05, 0.3, 1.0])
def test_nobody_is_moved_faster_than_a_run(leak: float) -> None:
    """A tracker that takes somebody else for the leader moves the place by metres from one frame to the next."""
    leader = np.zeros((120, 3))
    leader[60:] = (5.0, 0.0, 0.85)
    away = beside((0.0, 0.85), leader, np.zeros(120), Standing(np.array([0.0, 0.87, 0.85]), np.pi), leak)
    root = leader[:, [0, 2]] + away[:, :1] * np.stack([np.sin(away[:, 1]), np.cos(away[:, 1])], axis=-1)
    assert np.linalg.norm(np.diff(root, axis=0), axis=-1).max() * FPS < 3.01
    # And is there nonetheless before long.
    assert abs(away[-1, 0] - 0.85) < (0.3 if leak > 0.1 else 1.0)
