"""Avatars: files, the hands' rest, retargeting and skinning."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.errors import InputError
from duet.frames import LeaderFrame, LeaderStatus
from duet.kinematics import forward
from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix, six_d_from_matrix
from duet.skeleton import BODY, Skeleton
from ui.drawing.avatar import ASSETS, AVATARS, Avatar, BodyPose, read_avatar, shipped_avatar

NAMES = ("leader", "follower")


@pytest.fixture(scope="module", params=NAMES)
def avatar(request: pytest.FixtureRequest) -> Avatar:
    return shipped_avatar(request.param)


@cache
def shipped(name: str) -> Avatar:
    return shipped_avatar(name)


def rest_pose(height_m: float = float(BODY.offsets_m[0, 1])) -> BodyPose:
    quaternions = np.zeros((22, 4))
    quaternions[:, 0] = 1.0
    return BodyPose(np.array([0.0, height_m, 0.0]), quaternions)


def posed(**rotvecs: tuple[float, float, float]) -> BodyPose:
    turns = np.zeros((22, 3))
    for name, rotvec in rotvecs.items():
        turns[BODY.index(name)] = rotvec
    return BodyPose(np.array([0.3, 0.85, -0.2]), quaternion_wxyz_from_matrix(matrix_from_rotvec(turns)))


def test_files_are_sound(avatar: Avatar) -> None:
    count = len(avatar.vertices_m)
    assert 4000 < count < 8000
    assert avatar.faces.max() == count - 1
    assert (avatar.bone_weight.sum(1) == 255).all()
    assert avatar.bone_index.max() < 55
    assert np.isfinite(avatar.vertices_m).all()
    lengths = np.linalg.norm(avatar.normals / 127.0, axis=1)
    assert (lengths > 0.9).mean() > 0.999
    assert avatar.names[:22] == BODY.names
    assert avatar.parents[:22] == BODY.parents


def test_files_are_small() -> None:
    from ui.drawing.avatar import ASSETS

    for name in AVATARS:
        assert (ASSETS / f"{name}.npz").stat().st_size < 500_000
    assert "CC0" in (ASSETS / "NOTICE.md").read_text()


def test_the_figure_of_light_is_light_and_has_the_same_bones() -> None:
    glow, leader = shipped("glow"), shipped("leader")
    assert glow.is_glowing and not leader.is_glowing
    assert glow.names == leader.names and glow.parents == leader.parents
    assert 1500 < len(glow.vertices_m) < 6000 and glow.faces.max() == len(glow.vertices_m) - 1
    assert (glow.bone_weight.sum(1) == 255).all()
    assert abs(glow.skinned_vertices_m(rest_pose())[:, 1].min()) < 0.002
    # In front it is greener than behind: that is how it is told where it faces.
    ahead = glow.normals[:, 2] > 80
    behind = glow.normals[:, 2] < -80
    assert np.median(glow.colours[ahead, 1]) > np.median(glow.colours[behind, 1]) + 100


def test_normals_point_outwards(avatar: Avatar) -> None:
    a, b, c = (avatar.vertices_m[avatar.faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    agree = np.sum(face_normals * avatar.normals[avatar.faces[:, 0]], axis=1) > 0
    assert agree.mean() > 0.98
    # The signed volume of an outward surface is positive: a body is 40 to 120 litres.
    assert 0.03 < np.sum(a * np.cross(b, c)) / 6 < 0.15


def test_what_casts_the_shadow_has_the_whole_outline(avatar: Avatar) -> None:
    """Linings and eyes are spared, and nothing of the silhouette from the light's side is lost."""
    assert 0.7 * len(avatar.faces) < len(avatar.casting_faces) < 0.95 * len(avatar.faces)
    across, up = np.array([0.72, 0.0, -0.69]), np.array([-0.33, 0.6, -0.34])
    for way in (across, up, across + up, across - up):
        whole, casting = ((avatar.vertices_m[np.unique(f)] @ way) for f in (avatar.faces, avatar.casting_faces))
        assert casting.max() == whole.max() and casting.min() == whole.min()


def test_seen_from_afar_a_body_has_the_same_outline_in_far_fewer_triangles(avatar: Avatar) -> None:
    assert avatar.far_faces is not None and len(avatar.far_faces) < 0.45 * len(avatar.faces)
    assert len(avatar.far_casting_faces) < len(avatar.far_faces)
    for way in np.eye(3):
        whole, far = ((avatar.vertices_m[np.unique(f)] @ way) for f in (avatar.faces, avatar.far_faces))
        assert far.max() == pytest.approx(whole.max(), abs=0.01) and far.min() == pytest.approx(whole.min(), abs=0.01)
    a, b, c = (avatar.vertices_m[avatar.far_faces[:, k]] for k in range(3))
    agree = np.sum(np.cross(b - a, c - a) * avatar.normals[avatar.far_faces[:, 0]], axis=1) > 0
    assert agree.mean() > 0.97


def test_far_triangles_that_are_not_there_are_told(tmp_path: Path) -> None:
    with np.load(ASSETS / "glow.npz") as held:
        arrays = dict(held)
    without = tmp_path / "without.npz"
    np.savez(without, **{name: array for name, array in arrays.items() if name != "far_faces"})
    assert read_avatar(without).far_faces is None, "as files were before"
    arrays["far_faces"] = np.array([[0, 1, len(arrays["vertices_m"])]], np.uint16)
    np.savez(without, **arrays)
    with pytest.raises(InputError, match="its triangles or bones are not there"):
        read_avatar(without)


def test_two_dancers_differ() -> None:
    leader, follower = (shipped_avatar(name) for name in NAMES)
    assert leader.vertices_m[:, 1].max() > follower.vertices_m[:, 1].max() + 0.05
    shoulders = [a.rest_joints_m[16, 0] - a.rest_joints_m[17, 0] for a in (leader, follower)]
    assert shoulders[0] > shoulders[1] + 0.02
    assert np.abs(leader.colours.mean(0) - follower.colours.mean(0)).max() > 20


def test_rest_pose_stands_on_the_floor_in_a_t(avatar: Avatar) -> None:
    skin = avatar.skinned_vertices_m(rest_pose())
    assert abs(skin[:, 1].min()) < 0.002
    joints, turns = avatar.place(rest_pose())
    wrists = joints[[20, 21]]
    shoulders = joints[[16, 17]]
    np.testing.assert_allclose(wrists[:, 1], shoulders[:, 1], atol=1e-4)
    np.testing.assert_allclose(turns[:22], np.tile(np.eye(3), (22, 1, 1)), atol=1e-12)
    # Eyes and toes lie ahead (+Z): the body faces where the skeleton says.
    assert joints[avatar.names.index("left_eye"), 2] > joints[15, 2]
    assert joints[10, 2] > joints[7, 2]


def test_arms_hang_as_sculpted(avatar: Avatar) -> None:
    """Undoing the T-pose's turn of the arms gives back the bind pose: no shoulder is bent twice."""
    pose = rest_pose()
    quaternions = pose.quaternions_wxyz.copy()
    turns = avatar.rest_from_bind[:, :, :3]
    for j in range(22):
        parent = avatar.parents[j]
        local = turns[j].T if parent < 0 else turns[parent] @ turns[j].T
        quaternions[j] = quaternion_wxyz_from_matrix(local)
    root = pose.root_m + [0, 0, avatar.rest_joints_m[0, 2]]
    skin = avatar.skinned_vertices_m(BodyPose(root, quaternions))
    hands = np.isin(avatar.bone_index[:, 0], range(25, 55))
    assert np.abs(skin - avatar.vertices_m)[~hands].max() < 0.012


@given(hip=st.floats(-1.2, 0.4), knee=st.floats(0.0, 1.6), tilt=st.floats(-0.3, 0.3), height=st.floats(0.0, 0.3))
def test_soles_keep_their_height(hip: float, knee: float, tilt: float, height: float) -> None:
    """Whatever the pose, an avatar's soles are as high above the floor as the pose's, scaled by leg length."""
    pose = posed(left_hip=(hip, 0.0, 0.1), left_knee=(knee, 0.0, 0.0), right_hip=(tilt, 0.0, 0.0))
    own_joints, _ = canonical_body().place(BodyPose(pose.root_m + [0, height, 0], pose.quaternions_wxyz))
    np.testing.assert_allclose(own_joints[0], pose.root_m + [0, height, 0], atol=1e-6)
    for name in NAMES:
        avatar = shipped(name)
        low, _ = avatar.place(pose)
        high, _ = avatar.place(BodyPose(pose.root_m + [0, height, 0], pose.quaternions_wxyz))
        scale = avatar.skeleton.leg_length_m / BODY.leg_length_m
        np.testing.assert_allclose(high - low, np.tile([0, scale * height, 0], (55, 1)), atol=1e-9)


def canonical_body() -> Avatar:
    """An avatar of the canonical body's own proportions, which retargeting must leave where it is."""
    joints = shipped("leader").rest_joints_m.copy()
    joints[:22] = BODY.rest_joints_m
    return replace(shipped("leader"), rest_joints_m=joints)


def test_feet_stand_still_while_standing(avatar: Avatar) -> None:
    """Knees bend and stretch over planted feet: the lowest skin stays on the floor."""
    for bend in np.linspace(0.0, 0.9, 7):
        legs = {f"{s}_{j}": (sign * bend, 0.0, 0.0) for s in ("left", "right") for j, sign in
                (("hip", -1.0), ("knee", 2.0), ("ankle", -1.0))}  # fmt: skip
        pose = posed(**legs)
        matrices = matrix_from_rotvec(np.zeros((22, 3)))
        for name, rotvec in legs.items():
            matrices[BODY.index(name)] = matrix_from_rotvec(rotvec)
        joints, _ = forward(BODY, np.zeros(3), matrices)
        rest_ankle = BODY.rest_joints_m[7, 1]
        root = np.array([0.0, rest_ankle - joints[7, 1], 0.0])
        skin = avatar.skinned_vertices_m(BodyPose(root, pose.quaternions_wxyz))
        assert abs(skin[:, 1].min()) < 0.012


ANGLES = st.floats(-0.35, 0.35)


@given(tilt=ANGLES, turn=st.floats(-0.8, 0.8), lean=ANGLES, swing=ANGLES, bend=st.floats(0.0, 0.9))
def test_a_foot_that_stands_does_not_slide(tilt: float, turn: float, lean: float, swing: float, bend: float) -> None:
    """However pelvis and knee move over it: under legs of another length, an ankle stays where it is."""
    for name in AVATARS:
        avatar, places = shipped(name), []
        for share in (0.0, 1.0):
            turns = {"pelvis": (share * tilt, share * turn, share * lean), "left_hip": (share * swing, 0.0, 0.0)}
            local = matrix_from_rotvec(np.zeros((22, 3)))
            for joint, rotvec in (turns | {"left_knee": (share * bend, 0.0, 0.0)}).items():
                local[BODY.index(joint)] = matrix_from_rotvec(np.array(rotvec))
            joints, turned = forward(BODY, np.zeros(3), local)
            local[7] = turned[4].T  # the foot stays flat and points ahead
            root = np.array([0.2, 0.9, 0.1]) - joints[7]
            placed, _ = avatar.place(BodyPose(root, quaternion_wxyz_from_matrix(local)))
            places.append(placed[7, [0, 2]])
        np.testing.assert_allclose(places[1], places[0], atol=1e-6)


def test_hands_are_relaxed_unless_given(avatar: Avatar) -> None:
    turns = avatar.local_rotations(rest_pose())
    index = avatar.names.index("left_index2")
    assert not np.allclose(turns[index], np.eye(3))
    mirrored = turns[avatar.names.index("right_index2")] * np.outer([-1, 1, 1], [-1, 1, 1])
    np.testing.assert_allclose(turns[index], mirrored, atol=1e-12)
    # Fingers curl towards the palm, which looks down in a T-pose.
    joints, _ = avatar.place(rest_pose())
    assert joints[avatar.names.index("left_middle3"), 1] < joints[20, 1]
    full = np.zeros((55, 4))
    full[:, 0] = 1.0
    given_hands = avatar.local_rotations(BodyPose(np.zeros(3), full))
    np.testing.assert_allclose(given_hands, np.tile(np.eye(3), (55, 1, 1)), atol=1e-12)


def test_skin_follows_the_wrist(avatar: Avatar) -> None:
    pose = posed(left_shoulder=(0.0, 0.0, 1.2), left_elbow=(0.0, -1.5, 0.0), left_collar=(0.0, 0.2, 0.1))
    skin = avatar.skinned_vertices_m(pose)
    joints, _ = avatar.place(pose)
    held = (avatar.bone_index[:, 0] == 20) & (avatar.bone_weight[:, 0] > 200)
    assert held.sum() > 10
    assert np.linalg.norm(skin[held] - joints[20], axis=1).max() < 0.15


def test_leader_of_other_proportions_stands_too() -> None:
    tall = Skeleton(BODY.names, BODY.parents, BODY.offsets_m * np.float32(1.15))
    rotations = np.tile(np.eye(3, dtype=np.float32), (22, 1, 1))
    root = tall.offsets_m[0]
    frame = LeaderFrame(
        0, 0.0, root, tall.rest_joints_m, six_d_from_matrix(rotations), np.ones(22, np.float32), LeaderStatus.TRACKED
    )
    skin = shipped("leader").skinned_vertices_m(BodyPose.of_leader(frame, tall))
    assert abs(skin[:, 1].min()) < 0.005


def test_broken_files_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match="none"):
        read_avatar(tmp_path / "nobody.npz")
    (tmp_path / "text.npz").write_text("not an avatar")
    with pytest.raises(InputError, match="baked avatar"):
        read_avatar(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", vertices_m=np.zeros((3, 3)))
    with pytest.raises(InputError, match="baked avatar"):
        read_avatar(tmp_path / "other.npz")
