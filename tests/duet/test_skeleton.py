from dataclasses import replace

import numpy as np
import pytest

from duet.skeleton import BODY, FEET, Skeleton


def test_the_body_is_a_tree_of_22_joints_from_the_pelvis() -> None:
    assert len(BODY) == 22
    assert BODY.names[0] == "pelvis"
    assert BODY.parents[0] == -1
    assert all(0 <= parent < j for j, parent in enumerate(BODY.parents) if j)
    assert [BODY.names[j] for j in FEET] == ["left_ankle", "right_ankle", "left_foot", "right_foot"]


def test_the_body_rests_upright_on_the_floor_facing_z_with_its_left_at_x() -> None:
    joints = BODY.rest_joints_m
    assert 0.0 < joints[:, 1].min() < 0.03
    assert joints[BODY.index("head"), 1] == pytest.approx(1.52, abs=0.1)
    assert joints[BODY.index("left_wrist"), 0] > 0.5 > -0.5 > joints[BODY.index("right_wrist"), 0]
    assert joints[BODY.index("left_foot"), 2] > joints[BODY.index("left_ankle"), 2]


def test_left_and_right_are_exact_mirror_images() -> None:
    mirrored = BODY.rest_joints_m[list(BODY.mirror)] * np.array([-1.0, 1.0, 1.0], dtype=np.float32)
    np.testing.assert_array_equal(mirrored, BODY.rest_joints_m)
    assert [BODY.mirror[m] for m in BODY.mirror] == list(range(22))
    assert BODY.names[BODY.mirror[BODY.index("left_knee")]] == "right_knee"
    assert BODY.mirror[BODY.index("head")] == BODY.index("head")


def test_lengths_are_those_of_the_rest_pose() -> None:
    joints = BODY.rest_joints_m
    knee, hip, ankle = (BODY.index(f"left_{n}") for n in ("knee", "hip", "ankle"))
    assert BODY.bone_lengths_m[knee] == pytest.approx(np.linalg.norm(joints[knee] - joints[hip]))
    assert BODY.bone_lengths_m[0] == 0.0
    legs = np.linalg.norm(joints[knee] - joints[hip]) + np.linalg.norm(joints[ankle] - joints[knee])
    assert BODY.leg_length_m == pytest.approx(legs, abs=1e-6)


def test_nobody_can_change_a_skeleton() -> None:
    for array in (BODY.offsets_m, BODY.bone_lengths_m, BODY.rest_joints_m):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_equal_bodies_have_equal_fingerprints_and_others_have_not() -> None:
    twin = Skeleton(BODY.names, BODY.parents, BODY.offsets_m + np.float32(1e-6))
    taller = replace(BODY, offsets_m=BODY.offsets_m * np.float32(1.01))
    renamed = replace(BODY, names=("hips", *BODY.names[1:]))
    assert twin == BODY
    assert hash(twin) == hash(BODY)
    assert taller != BODY
    assert renamed != BODY
    assert BODY != "body"


def test_a_follower_trained_on_this_body_still_fits() -> None:
    # Followers carry this number. Whoever changes the body must export every follower again.
    assert BODY.fingerprint.startswith("2fbbd33ef5173610")


@pytest.mark.parametrize(
    ("parents", "offsets"),
    [((-1, 0), np.zeros((3, 3))), ((-1, 0, 2), np.zeros((3, 3))), ((-1, -1, 0), np.zeros((3, 3))),
     ((0, 0, 1), np.zeros((3, 3))), ((-1, 0, 1), np.zeros((3, 2))), ((-1, 0, 1), np.full((3, 3), np.nan))],
)  # fmt: skip
def test_what_is_no_tree_is_refused(parents: tuple[int, ...], offsets: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Skeleton: expected"):
        Skeleton(("a", "b", "c"), parents, offsets)
