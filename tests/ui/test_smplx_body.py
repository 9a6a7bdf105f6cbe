"""SMPL-X models become avatars: smplx itself reads a model file of that layout, made from one of our own bodies."""

import pickle
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from duet.errors import InputError
from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix
from duet.skeleton import BODY
from ui.avatars.bring import Wish, bring
from ui.drawing.avatar import Avatar, BodyPose, shipped_avatar

VERTICES, FACES, SHAPES = 10_475, 20_908, 20
ROOT = 0xFFFFFFFF


@cache
def original() -> Avatar:
    return shipped_avatar("leader")


@cache
def model_arrays() -> dict[str, np.ndarray]:
    """What a SMPL-X file holds, with the sizes that the package wants; degenerate where our body has less."""
    ours = original()
    matrices = ours.skin_between(ours.rest_joints_m.astype(np.float64), np.tile(np.eye(3), (55, 1, 1)))
    shares = ours.bone_weight / 255.0
    blended = np.einsum("vk,vkab->vab", shares, matrices[ours.bone_index])
    points = np.einsum("vab,vb->va", blended[:, :, :3], ours.vertices_m) + blended[:, :, 3]
    joints = ours.rest_joints_m.astype(np.float64)
    weights = np.zeros((len(points), 55))
    for k in range(4):
        np.add.at(weights, (np.arange(len(points)), ours.bone_index[:, k]), shares[:, k])
    more = VERTICES - len(points)
    points, weights = np.pad(points, ((0, more), (0, 0)), "edge"), np.pad(weights, ((0, more), (0, 0)), "edge")
    regressor = np.zeros((55, VERTICES))
    for j, joint in enumerate(joints):
        near = np.argsort(np.sum((points[: VERTICES - more] - joint) ** 2, axis=1))[:40]
        system = np.vstack([points[near].T, np.ones(len(near))])
        regressor[j, near] = np.linalg.lstsq(system, np.append(joint, 1.0), rcond=None)[0]
    shapes = np.zeros((VERTICES, 3, SHAPES), np.float32)
    shapes[:, :, 0] = 0.05 * points
    parents = np.where(np.array(ours.parents) < 0, ROOT, ours.parents)
    return {
        "v_template": points.astype(np.float32), "weights": weights.astype(np.float32), "J_regressor": regressor,
        "f": np.pad(ours.faces.astype(np.uint32), ((0, FACES - len(ours.faces)), (0, 0))), "shapedirs": shapes,
        "posedirs": np.zeros((VERTICES, 3, 486), np.float32),
        "kintree_table": np.stack([parents, np.arange(55)]).astype(np.uint32),
        "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45), "hands_meanl": np.zeros(45),
        "hands_meanr": np.zeros(45), "lmk_faces_idx": np.arange(51), "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "dynamic_lmk_faces_idx": np.zeros((79, 17), int), "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3),
        "vt": np.zeros((4, 2), np.float32), "ft": np.zeros((4, 3), np.uint32),
    }  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("smplx") / "SMPLX_NEUTRAL.npz"
    # As in the real files, a side table is a pickle: it must never be opened.
    np.savez(path, joint2num=np.array({"trap": Trap()}, dtype=object), **model_arrays())
    return path


class Trap:
    def __reduce__(self) -> tuple:
        return (sys.exit, ("a pickle was opened",))


@pytest.fixture(scope="module")
def with_smplx() -> None:
    pytest.importorskip("smplx", reason="the extra smplx is not installed: no SMPL-X bodies here")


@pytest.mark.usefixtures("with_smplx")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:smplx.*")
def test_a_model_becomes_an_avatar_that_dances_as_the_body_it_was_made_from(model: Path) -> None:
    got = bring(model, Wish())
    assert got.kind == "SMPL-X" and not got.fit.guessed
    ours = original()
    turns = np.zeros((22, 3))
    turns[BODY.index("left_knee")], turns[BODY.index("left_hip")] = (0.8, 0.0, 0.0), (-0.5, 0.0, 0.1)
    turns[BODY.index("right_shoulder")] = (0.0, 0.5, 0.9)
    pose = BodyPose(np.array([0.1, 0.86, 0.2]), quaternion_wxyz_from_matrix(matrix_from_rotvec(turns)))
    np.testing.assert_allclose(got.avatar.place(pose)[0][:22], ours.place(pose)[0][:22], atol=0.01)
    skin = got.avatar.skinned_vertices_m(pose)
    assert abs(skin[:, 1].min() - ours.skinned_vertices_m(pose)[:, 1].min()) < 0.01
    assert len(np.unique(got.avatar.colours, axis=0)) >= 4, "suit, skin, shoes and hair"
    assert len(got.avatar.faces) == len(ours.faces), "triangles without area are left out"


@pytest.mark.usefixtures("with_smplx")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:smplx.*")
def test_betas_change_the_shape(model: Path) -> None:
    mean, tall = (bring(model, Wish(betas=betas)).fit.height_m for betas in ((0.0,), (2.0, 0.0)))
    assert tall == pytest.approx(1.1 * mean, rel=0.01)
    with pytest.raises(InputError, match="at most 20"):
        bring(model, Wish(betas=(0.0,) * 21))


@pytest.mark.usefixtures("with_smplx")
def test_what_is_no_model_is_one_sentence(model: Path, tmp_path: Path) -> None:
    few = {name: array for name, array in model_arrays().items() if name != "weights"}
    np.savez(tmp_path / "few.npz", **few)
    np.savez(tmp_path / "hidden.npz", **{**few, "weights": np.array(Trap(), dtype=object)})
    np.savez(tmp_path / "other.npz", **{**model_arrays(), "weights": np.zeros((VERTICES, 24))})
    np.savez(tmp_path / "broken.npz", **{**model_arrays(), "posedirs": np.zeros((3, 3, 3))})
    (tmp_path / "pickled.npz").write_bytes(pickle.dumps({"v_template": 1}))
    said = {
        "few.npz": "weights", "hidden.npz": "pickle|Object arrays", "other.npz": "55 joints", "broken.npz": "broken",
        "pickled.npz": "another file", "gone.npz": "got none",
    }  # fmt: skip
    for name, words in said.items():
        with pytest.raises(InputError, match=words) as told:
            bring(tmp_path / name, Wish())
        assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="Leave them out"):
        bring(model, Wish(plain=True))


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smplx", None)
    with pytest.raises(InputError, match=r"pip install -e '.*\[smplx\]'"):
        bring(tmp_path / "SMPLX_NEUTRAL.npz", Wish())
