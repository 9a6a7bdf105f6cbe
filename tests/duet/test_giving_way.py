"""A follower gives way with the whole body: soon, softly, and only to a body that is in the way."""

import numpy as np
import pytest

from duet.capsules import ENDS, RADII_M, STARTS, shortest_way
from duet.features import (
    FOLLOWER_LOWER,
    FOLLOWER_ROOT,
    FOLLOWER_SIZE,
    FOLLOWER_UPPER,
    LOWER_JOINTS,
    UPPER_JOINTS,
    Standing,
    follower_rotations,
    integrate_root,
)
from duet.giving_way import Bodies
from duet.kinematics import forward
from duet.poses import RELAXED_PELVIS_HEIGHT_M, relaxed_rotations
from duet.rotations import Array, six_d_from_matrix
from duet.skeleton import BODY

FPS, LEAK, FRAMES = 30.0, 0.05, 90


def standing_frames(distance_m: float, frames: int = FRAMES) -> np.ndarray:
    """(T, 145) of somebody who stands before the leader, facing them."""
    rest = relaxed_rotations()
    rows = np.zeros((frames, FOLLOWER_SIZE), np.float32)
    rows[:, FOLLOWER_UPPER] = six_d_from_matrix(rest[list(UPPER_JOINTS)]).ravel()
    rows[:, FOLLOWER_LOWER] = six_d_from_matrix(rest[list(LOWER_JOINTS)]).ravel()
    rows[:, FOLLOWER_ROOT] = [0.0, distance_m, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, RELAXED_PELVIS_HEIGHT_M]
    return rows


def relaxed(z_m: np.ndarray) -> np.ndarray:
    """(T, 22, 3) of a leader who stands at (0, z), facing +Z."""
    root = np.stack([np.zeros_like(z_m), np.full_like(z_m, RELAXED_PELVIS_HEIGHT_M), z_m], axis=-1)
    return forward(BODY, root, np.repeat(relaxed_rotations()[None], len(z_m), axis=0))[0]


def lying(frames: int = FRAMES) -> np.ndarray:
    """(T, 22, 3) of a leader on the back, pelvis at the origin and legs toward +Z, as the first half is already."""
    joints = relaxed(np.zeros(frames)) - [0.0, RELAXED_PELVIS_HEIGHT_M, 0.0]
    down = np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], axis=-1) + [0.0, 0.12, 0.0]
    stands = np.arange(frames) < frames // 2
    return np.where(stands[:, None, None], relaxed(np.zeros(frames)), down)


def walk(leader: np.ndarray, frames: np.ndarray, *, gives_way: bool) -> tuple[np.ndarray, np.ndarray]:
    """Root (T, 3) of the follower and depth (T,) of the two bodies in each other."""
    heading = np.zeros(len(leader))
    room = Bodies(frames, leader, heading, LEAK) if gives_way else None
    start = Standing(leader[0, 0] + [0.0, 0.0, frames[0, FOLLOWER_ROOT][1]], np.pi)
    walked = integrate_root(start, frames[:, FOLLOWER_ROOT], leader[:, 0], heading, FPS, LEAK, room)
    root, yaw = np.array([s.root_m for s in walked]), np.array([s.yaw_rad for s in walked])
    joints = forward(BODY, root, follower_rotations(frames, yaw))[0]
    return root, depth(joints, leader)


def depth(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    way = shortest_way(
        one[:, STARTS][:, :, None], one[:, ENDS][:, :, None], other[:, STARTS][:, None], other[:, ENDS][:, None]
    )
    return (RADII_M[:, None] + RADII_M - np.linalg.norm(way, axis=-1)).max(axis=(1, 2))


def test_bodies_apart_are_left_alone() -> None:
    for distance_m in (0.5, 0.85, 3.0):
        frames, leader = standing_frames(distance_m), relaxed(np.zeros(FRAMES))
        with_room, without = walk(leader, frames, gives_way=True)[0], walk(leader, frames, gives_way=False)[0]
        np.testing.assert_array_equal(with_room, without)


def test_the_way_out_leads_out() -> None:
    frames, leader = standing_frames(0.3, 8), relaxed(np.zeros(8))
    frames[:, FOLLOWER_ROOT][:, 0] = 0.05
    here = np.array([0.05, RELAXED_PELVIS_HEIGHT_M, 0.12])
    step = Bodies(frames, leader, np.zeros(8), 1.0).lack(7, here, np.pi)
    turned = follower_rotations(frames[:1], np.full(1, np.pi))
    before, after = (
        depth(forward(BODY, at[None], turned)[0], leader[:1])[0] for at in (here, here + [step[0], 0.0, step[1]])
    )
    assert before > 0.05 and after < 0.005
    assert step[1] > 0.0 and np.hypot(*step) < 0.3


def test_legs_that_lie_down_into_the_follower_are_left_soon() -> None:
    """The pelvises stay far apart: only the legs are in the way."""
    frames, leader = standing_frames(0.7), lying()
    without, stays = walk(leader, frames, gives_way=False)
    root, gone = walk(leader, frames, gives_way=True)
    assert np.hypot(*(without - leader[:, 0])[:, [0, 2]].T).min() > 0.6
    assert (stays[FRAMES // 2 :] > 0.03).all()
    assert (gone > 0.03).sum() <= 6
    steps = np.diff(root - without, axis=0)[:, [0, 2]]
    assert np.linalg.norm(steps, axis=1).max() < 0.05
    assert np.linalg.norm(np.diff(steps, axis=0), axis=1).max() < 0.03
    assert np.abs(root[-1] - without[-1]).max() < 0.5


def test_who_gave_way_comes_back() -> None:
    """A leader lies down and stands up again: a second and a half later the follower is where they would have been."""
    leader = np.concatenate([lying(60), relaxed(np.zeros(60))])
    frames = standing_frames(0.7, 120)
    root, _ = walk(leader, frames, gives_way=True)
    assert root[:, 2].max() > 0.8 or np.abs(root[:, 0]).max() > 0.1
    np.testing.assert_allclose(root[105:], [[0.0, RELAXED_PELVIS_HEIGHT_M, 0.7]] * 15, atol=0.05)


class Crowded:
    """There is never room."""

    def lack(self, frame: int, root_m: Array, yaw_rad: float) -> Array:
        return np.array([5.0, 0.0])


def test_giving_way_is_bounded_begins_softly_and_goes_on_from_token_to_token() -> None:
    rows, leader = standing_frames(0.85)[:, FOLLOWER_ROOT], relaxed(np.zeros(FRAMES))[:, 0]
    start = Standing(np.array([0.0, RELAXED_PELVIS_HEIGHT_M, 0.85]), np.pi)

    def on(begins: Standing, part: slice) -> list[Standing]:
        return integrate_root(begins, rows[part], leader[part], np.zeros(FRAMES)[part], FPS, LEAK, Crowded())

    whole = on(start, slice(0, 8))
    x = np.array([start.root_m[0], *(s.root_m[0] for s in whole)])
    assert np.diff(x).max() < 0.05 and np.diff(x)[0] == pytest.approx(0.025)
    first = on(start, slice(0, 4))
    for one, other in zip(whole, first + on(first[-1], slice(4, 8)), strict=True):
        np.testing.assert_allclose(one.root_m, other.root_m, atol=1e-12)


def test_frames_that_nobody_asks_about_change_nothing() -> None:
    """To the bit: what is said of the first frames needs no more than they and how far ahead they look."""
    chance = np.random.default_rng(0)
    frames, leader, heading = standing_frames(0.35, 32), relaxed(np.linspace(0.0, 0.6, 32)), np.linspace(0.0, 0.5, 32)
    frames = (frames + chance.normal(0.0, 0.05, frames.shape)).astype(np.float32)
    whole, part = Bodies(frames, leader, heading, LEAK), Bodies(frames, leader, heading, LEAK, asked_frames=8)
    lacks = [
        [room.lack(i, np.array([0.02 * i, 0.85, 0.3]), np.pi - 0.1 * i) for i in range(8)] for room in (whole, part)
    ]
    np.testing.assert_array_equal(*lacks)
    assert np.count_nonzero(lacks[0]) > 8
