"""Hands keep out of heads and trunks, slide over them, and are left alone elsewhere."""

from functools import cache

import numpy as np
import pytest

from duet.rotations import yaw_matrix
from duet.skeleton import BODY
from ui.drawing.apart import HEAD_M, TRUNK_M, keep_apart, ways_out_m
from ui.drawing.arms import Placed, arms_of, reach
from ui.drawing.avatar import Avatar, BodyPose, shipped_avatar

_NEARLY_M = 0.012


@cache
def avatars() -> list[Avatar]:
    return [shipped_avatar("follower"), shipped_avatar("leader")]


def couple(apart_m: float = 1.2) -> list[Placed]:
    """Two who face each other, arms stretched out to the sides."""
    quaternions = np.zeros((22, 4))
    quaternions[:, 0] = 1.0
    turned = quaternions.copy()
    turned[0] = (0.0, 0.0, 1.0, 0.0)
    her, him = avatars()
    return [
        her.place(BodyPose(np.array([0.0, 0.87, apart_m]), turned)),
        him.place(BodyPose(np.array([0.0, 0.87, 0.0]), quaternions)),
    ]


def with_hand_at(bodies: list[Placed], whose: int, side: int, place_m: np.ndarray) -> list[Placed]:
    """The same with one palm there, as near as the arm reaches."""
    bodies = [(joints.copy(), turns.copy()) for joints, turns in bodies]
    arms = arms_of(avatars()[whose])
    joints = bodies[whose][0]
    for _ in range(8):  # the hand turns with the forearm
        steps = np.zeros((2, 3))
        steps[side] = place_m - 0.5 * (joints[arms.wrists[side]] + joints[arms.knuckles[side]])
        reach([(arms, bodies[whose], k) for k in (0, 1)], steps)
    return bodies


def middle_of(bodies: list[Placed], whose: int, side: int) -> np.ndarray:
    arms, joints = arms_of(avatars()[whose]), bodies[whose][0]
    return 0.5 * (joints[arms.wrists[side]] + joints[arms.knuckles[side]])


def head_m(bodies: list[Placed], whose: int) -> np.ndarray:
    joints, turns = bodies[whose]
    head = BODY.index("head")
    return joints[head] + turns[head] @ np.array([0.0, 0.075, 0.02])


def test_hands_that_are_in_nothing_stay_where_they_were_danced() -> None:
    bodies = couple()
    assert all(a is b for a, b in zip(keep_apart(avatars(), bodies), bodies, strict=True))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("whose", [0, 1])
def test_a_hand_in_its_own_head_comes_out_and_nothing_else_moves(whose: int, side: int) -> None:
    bodies = couple()
    inside = with_hand_at(bodies, whose, side, head_m(bodies, whose) + np.array([0.02, -0.01, 0.01]))
    assert np.linalg.norm(middle_of(inside, whose, side) - head_m(inside, whose)) < 0.05
    after = keep_apart(avatars(), inside)
    assert np.linalg.norm(middle_of(after, whose, side) - head_m(after, whose)) > HEAD_M - _NEARLY_M
    arms = arms_of(avatars()[whose])
    moved = np.linalg.norm(after[whose][0] - inside[whose][0], axis=-1) > 1e-9
    mine = {int(arms.elbows[side]), *arms.hands[side].tolist()}
    assert set(np.flatnonzero(moved).tolist()) <= mine
    np.testing.assert_array_equal(after[1 - whose][0], inside[1 - whose][0])
    for upper, lower in ((arms.shoulders, arms.elbows), (arms.elbows, arms.wrists)):
        lengths = [np.linalg.norm(b[whose][0][upper[side]] - b[whose][0][lower[side]]) for b in (inside, after)]
        assert lengths[0] == pytest.approx(lengths[1], abs=1e-6), "bones keep their length"


def test_a_hand_in_the_partners_chest_comes_out_towards_its_owner() -> None:
    bodies = couple(0.45)
    chest = bodies[0][0][BODY.index("spine3")]
    inside = with_hand_at(bodies, 1, 1, chest + np.array([0.01, 0.0, 0.0]))
    after = keep_apart(avatars(), inside)
    palm = middle_of(after, 1, 1)
    waist, neck = (after[0][0][BODY.index(name)] for name in ("spine1", "neck"))
    along = 0.7 * (neck - waist)
    nearest = waist + np.clip((palm - waist) @ along / (along @ along), 0.0, 1.0) * along
    assert np.linalg.norm(palm - nearest) > TRUNK_M - 2 * _NEARLY_M
    assert palm[2] < chest[2] - 0.05, "he stands on this side of her"


def test_a_hand_that_passes_through_a_head_slides_over_the_face() -> None:
    """In steps of a centimetre it never leaps, and goes over from where it was danced into what is shown."""
    bodies = couple()
    head = head_m(bodies, 0)
    way = yaw_matrix(np.pi) @ np.array([1.0, 0.0, 0.0])
    steps = []
    shown, danced = None, None
    for x in np.arange(-0.24, 0.24, 0.01):
        moved = with_hand_at(bodies, 0, 0, head + way * x - np.array([0.0, 0.0, 0.03]))
        after = middle_of(keep_apart(avatars(), moved), 0, 0)
        before = middle_of(moved, 0, 0)
        if shown is not None and danced is not None:
            steps.append((np.linalg.norm(after - shown), np.linalg.norm(before - danced)))
        shown, danced = after, before
    assert max(step for step, _ in steps) < 0.08
    assert np.max(steps[0]) == pytest.approx(np.min(steps[0]), abs=0.02)


def test_without_flesh_there_is_no_way_out() -> None:
    arms = [arms_of(avatar) for avatar in avatars()]
    assert not ways_out_m(arms, couple()).any()
