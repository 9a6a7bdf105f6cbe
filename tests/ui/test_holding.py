"""Hands that nearly meet do, nothing else moves, and nothing leaps."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix, yaw_matrix
from duet.skeleton import BODY
from ui.drawing.arms import Placed
from ui.drawing.avatar import Avatar, BodyPose, shipped_avatar
from ui.drawing.bones import bones_of
from ui.drawing.holding import FAR_M, NEAR_M, hold_hands


@cache
def avatars() -> tuple[Avatar, Avatar]:
    return shipped_avatar("follower"), shipped_avatar("leader")


def reaching(avatar: Avatar, z_m: float, yaw_rad: float) -> Placed:
    """A body with both forearms held out before it."""
    turns = np.zeros((22, 3))
    for side, sign in (("left", -1.0), ("right", 1.0)):
        turns[BODY.index(f"{side}_shoulder")] = (0.0, 0.0, 1.2 * sign)
        turns[BODY.index(f"{side}_elbow")] = (0.0, 1.5 * sign, 0.0)
    matrices = matrix_from_rotvec(turns)
    matrices[0] = yaw_matrix(yaw_rad)
    return avatar.place(BodyPose(np.array([0.0, 0.878, z_m]), quaternion_wxyz_from_matrix(matrices)))


def couple(apart_m: float) -> tuple[Placed, Placed]:
    her, him = avatars()
    return reaching(her, apart_m, np.pi), reaching(him, 0.0, 0.0)


def palms(avatar: Avatar, placed: Placed) -> np.ndarray:
    joints = placed[0]
    names = avatar.names.index
    return np.array(
        [0.25 * joints[names(f"{s}_wrist")] + 0.75 * joints[names(f"{s}_middle1")] for s in ("left", "right")]
    )


def gaps(placed: tuple[Placed, Placed]) -> np.ndarray:
    """(2,) from each hand of hers to the one of his that is opposite: her left, his right."""
    her, him = (palms(avatar, body) for avatar, body in zip(avatars(), placed, strict=True))
    return np.linalg.norm(her - him[::-1], axis=-1)


def held(placed: tuple[Placed, Placed]) -> tuple[Placed, Placed]:
    her, him = avatars()
    return hold_hands(her, placed[0], him, placed[1])


def reach_m() -> float:
    """How far apart two of these bodies stand whose palms touch."""
    far = couple(3.0)
    return 3.0 - float(np.abs(palms(avatars()[0], far[0])[0, 2] - palms(avatars()[1], far[1])[1, 2]))


def test_near_hands_meet() -> None:
    for gap in (0.05, 0.10, NEAR_M):
        placed = couple(reach_m() + gap)
        assert gaps(placed).min() > 0.045
        assert gaps(held(placed)).max() < 0.06


def test_far_hands_are_left_alone() -> None:
    placed = couple(reach_m() + FAR_M + 0.02)
    assert held(placed) == placed


@given(gap=st.floats(0.0, 0.4))
def test_only_arms_move_a_little_and_keep_their_lengths(gap: float) -> None:
    placed = couple(reach_m() + gap)
    for avatar, before, after in zip(avatars(), placed, held(placed), strict=True):
        moved = np.linalg.norm(after[0] - before[0], axis=-1)
        assert moved.max() < 0.13
        arms = [j for j, name in enumerate(avatar.names) if name[-1] in "123" or name.endswith(("elbow", "wrist"))]
        arms = [j for j in arms if not avatar.names[j].startswith("spine")]
        assert len(arms) == 34
        assert np.delete(moved, arms).max() == 0.0
        parents = list(avatar.parents[1:])
        lengths = [np.linalg.norm(b[0][1:] - b[0][parents], axis=-1) for b in (before, after)]
        np.testing.assert_allclose(lengths[1], lengths[0], atol=1e-6)
        np.testing.assert_allclose(after[1] @ after[1].swapaxes(1, 2), np.tile(np.eye(3), (55, 1, 1)), atol=1e-6)


def test_nothing_leaps_as_hands_come_nearer() -> None:
    wrist = avatars()[0].names.index("left_wrist")
    places = [held(couple(reach_m() + gap))[0][0][wrist] for gap in np.arange(0.4, 0.0, -0.005)]
    assert np.linalg.norm(np.diff(places, axis=0), axis=-1).max() < 0.03


def test_skin_goes_with_the_arm() -> None:
    her, _ = avatars()
    placed = couple(reach_m() + 0.1)
    joints, turns = held(placed)[0]
    matrices = her.skin_between(joints, turns)
    wrist = her.names.index("left_wrist")
    rest = her.rest_from_bind[wrist]
    bind = np.linalg.inv(rest[:, :3]) @ (her.rest_joints_m[wrist] - rest[:, 3])
    np.testing.assert_allclose(matrices[wrist, :, :3] @ bind + matrices[wrist, :, 3], joints[wrist], atol=1e-5)


@pytest.mark.parametrize("name", ["leader", "follower", "glow"])
def test_bones_lie_where_the_joints_are(name: str) -> None:
    avatar = shipped_avatar(name)
    bones = bones_of(avatar)
    placed = reaching(avatar, 0.0, 0.4)
    matrices = bones.skin_between(*placed)
    skin = np.einsum("vab,vb->va", matrices[bones.bone_index[:, 0]][..., :3], bones.vertices_m)
    skin += matrices[bones.bone_index[:, 0]][..., 3]
    for joint in ("left_wrist", "right_knee", "left_middle3", "head"):
        away = np.linalg.norm(skin - placed[0][avatar.names.index(joint)], axis=-1)
        assert away.min() < 0.04, joint
    a, b, c = (bones.vertices_m[bones.faces[:, k]] for k in range(3))
    assert np.sum(a * np.cross(b, c)) > 0.0, "turned outwards"
    assert bones.is_glowing
