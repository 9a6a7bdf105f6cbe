"""Every data set: a couple written in its exact format comes back joint by joint, in the right roles and split."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.errors import InputError
from duet.kinematics import forward
from duet.motion import Motion, write_motion
from models.data import cmu, dd100, finedance, motorica
from models.data.checks import settle
from models.data.couples import couples_in, recorded_couples
from models.data.pairs import CMU_FPS, CMU_SCALE_M, Pair, load_cmu, trim
from models.data.positions import motion_of_positions
from models.data.recording import SPLITS, Recording, hashed_split
from models.data.sources import SOURCES, recordings


def settled(recording: Recording) -> dict[str, Motion]:
    """Its dancers, ready."""
    source = SOURCES[recording.dataset]
    dancers, _ = source.read(recording)
    return settle(recording.name, dancers, up=source.up)[0]


def assert_same_dance(back: Motion, danced: Motion, atol: float = 1e-3) -> None:
    """Equal joints, but for where on the floor: data sets are free in that."""
    assert back.fps == 30.0
    joints, wanted = back.joints_m, danced.on_body().joints_m[: back.frames]
    shift = (wanted - joints).mean(axis=(0, 1)) * np.array([1.0, 0.0, 1.0])
    np.testing.assert_allclose(joints + shift, wanted, atol=atol)


def assert_same_couple(back: dict[str, Motion], couple, atol: float = 1e-3) -> None:
    """Both dancers, and how they stand to each other."""
    assert_same_dance(back["leader"], couple.leader, atol)
    assert_same_dance(back["follower"], couple.follower, atol)
    apart = back["follower"].root_m - back["leader"].root_m
    wanted = couple.follower.root_m - couple.leader.root_m
    np.testing.assert_allclose(apart[:, [0, 2]], wanted[: len(apart), [0, 2]], atol=atol)


@pytest.mark.parametrize("kind", ["smplx", "rotmat", "pos3d"])
def test_dd100_comes_back(tmp_path: Path, couple, files, kind: str) -> None:
    files.dd100(tmp_path, "Salsa_12_1", couple.leader, couple.follower, kind)
    (found,) = recordings(tmp_path)
    assert (found.name, found.dataset, found.split) == ("dd100-Salsa_12_1", "dd100", "train")
    assert found.leader.name.endswith("_01.npy")
    assert_same_couple(settled(found), couple)


def test_positions_beside_rotations_give_a_dancers_own_proportions(tmp_path: Path, couple, files) -> None:
    long_legs = couple.leader.skeleton.offsets_m.copy()
    long_legs[[4, 5]] *= 1.2
    tall = replace(couple.leader, skeleton=replace(couple.leader.skeleton, offsets_m=long_legs))
    for kind in ("smplx", "pos3d"):
        files.dd100(tmp_path, "Tango_3_0", tall, couple.follower, kind, "train")
    (found,) = recordings(tmp_path, "dd100")
    dancers, findings = dd100.DD100.read(found)
    assert len(found.beside) == 2
    assert findings[0].short == "the joint positions"
    leader = dancers["leader"]
    assert isinstance(leader, Motion)
    np.testing.assert_allclose(leader.skeleton.bone_lengths_m, tall.skeleton.bone_lengths_m, atol=1e-4)


def test_reactdance_layout_is_found_by_its_positions(tmp_path: Path, couple, files) -> None:
    files.dd100(tmp_path / "data_lazy", "Waltz_5_0", couple.leader, couple.follower, "pos3d", "test")
    (found,) = recordings(tmp_path)
    assert (found.dataset, found.split) == ("dd100", "test")


@pytest.mark.parametrize(
    ("genre", "choreography", "split"),
    [
        ("Waltz", 5, "test"), ("Waltz", 10, "test"), ("Waltz", 11, "validation"), ("Waltz", 12, "train"),
        ("Ballet", 5, "train"), ("Ballet", 9, "test"), ("Ballet", 10, "test"), ("Ballet", 8, "validation"),
    ],
)  # fmt: skip
def test_dd100_is_split_as_its_authors_do(genre: str, choreography: int, split: str) -> None:
    assert dd100.split_of(genre, choreography) == split


@pytest.mark.parametrize("keys", ["smpl", "smplx"])
def test_interdance_comes_back(tmp_path: Path, couple, files, keys: str) -> None:
    files.interdance(tmp_path / "motion", "rumba07", couple.leader, couple.follower, keys=keys, segment="@012")
    (found,) = recordings(tmp_path)
    assert found.name == "interdance-rumba07@012"
    assert found.split == hashed_split("rumba07")
    assert found.leader.name == "rumba07_0@012.pkl"
    assert_same_couple(settled(found), couple)


def test_aist_comes_back_in_metres_at_30_fps(tmp_path: Path, couple, files) -> None:
    name = "gBR_sBM_cAll_d04_mBR0_ch01"
    files.aist(tmp_path, name, couple.leader.resample(60.0), "val")
    files.aist(tmp_path, name.replace("d04", "d05"), couple.leader.resample(60.0))
    (tmp_path / "ignore_list.txt").write_text(name.replace("d04", "d05") + "\n")
    (found,) = recordings(tmp_path, "aist")
    assert (found.split, found.couple) == ("validation", False)
    assert_same_dance(settled(found)["leader"], couple.leader)


def test_aist_wants_its_split(tmp_path: Path, couple, files) -> None:
    files.aist(tmp_path, "gBR_sBM_cAll_d04_mBR0_ch01", couple.leader)
    (tmp_path / "splits" / "crossmodal_val.txt").unlink()
    with pytest.raises(InputError, match="crossmodal_val.txt: expected the split of AIST.*Unpack splits/"):
        recordings(tmp_path)


def test_motorica_comes_back_from_centimetres(tmp_path: Path, couple, files) -> None:
    name = "kthstreet_gPO_sFM_cAll_d02_mPO_ch06_fastest"
    files.motorica(tmp_path / "bvh", name, couple.leader.resample(120.0))
    (found,) = recordings(tmp_path)
    assert found.name == f"motorica-{name}"
    assert found.split == hashed_split("PO_d02_mPO_ch06")
    dancers, _ = motorica.read(found)
    motions, findings = settle(found.name, dancers, up="y")
    assert "centimetres, legs 0.80 m" in [finding.short for finding in findings]
    assert_same_dance(motions["leader"], couple.leader, atol=2e-3)


@pytest.mark.parametrize("contacts", [False, True])
def test_finedance_comes_back(tmp_path: Path, couple, files, contacts: bool) -> None:
    files.finedance(tmp_path, "063", couple.leader, contacts=contacts)
    files.finedance(tmp_path, "116", couple.leader, contacts=contacts)
    (found,) = recordings(tmp_path)
    assert (found.name, found.split) == ("finedance-063", "test")
    assert_same_dance(settled(found)["leader"], couple.leader)


def test_finedance_holds_rows(couple) -> None:
    turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    rows = np.concatenate([turned[0], turned[1]])[None]
    np.testing.assert_allclose(finedance.from_row_6d(rows)[0, 0], turned, atol=1e-12)


def test_cmu_bvh_is_what_it_always_was(duet_data: Path) -> None:
    found = next(one for one in recordings(duet_data, "cmu") if one.name == "cmu-10")
    motions = settled(found)
    (known,) = load_cmu(duet_data / "cmu_salsa", ("10",))
    frames = min(dancer.frames for dancer in motions.values())
    pair = trim(Pair(found.name, *(motions[role].slice(0, frames) for role in ("leader", "follower"))), 1.5)
    assert (found.split, found.flawed_start_s) == ("train", 1.5)
    np.testing.assert_array_equal(pair.leader.root_m, known.leader.root_m)
    np.testing.assert_array_equal(pair.follower.rotations, known.follower.rotations)


def test_cmu_bvh_comes_back(tmp_path: Path, couple) -> None:
    for subject, motion in (("60", couple.leader), ("61", couple.follower)):
        small = replace(motion.skeleton, offsets_m=motion.skeleton.offsets_m / np.float32(CMU_SCALE_M))
        raw = replace(motion.resample(CMU_FPS), fps=120.0, skeleton=small)
        write_motion(tmp_path / f"{subject}_12.bvh", replace(raw, root_m=raw.root_m / np.float32(CMU_SCALE_M)))
    (found,) = recordings(tmp_path)
    assert (found.name, found.split, found.flawed_start_s) == ("cmu-12", "validation", 0.0)
    assert_same_couple(settled(found), couple, atol=2e-3)


def test_acclaim_couples_are_found_where_cmu_packs_them(tmp_path: Path) -> None:
    for subject in ("60", "61"):
        folder = tmp_path / "subjects" / subject
        folder.mkdir(parents=True)
        for name in (f"{subject}.asf", f"{subject}_01.amc", f"{subject}_08.amc"):
            (folder / name).touch()
    (found,) = cmu.find(tmp_path)
    assert (found.name, found.leader.name, found.follower and found.follower.name) == (
        "cmu-01",
        "60_01.amc",
        "61_01.amc",
    )
    assert sorted(path.name for path in found.files) == ["60.asf", "60_01.amc", "61.asf", "61_01.amc"]


def test_several_data_sets_are_found_beside_each_other(
    tmp_path: Path, couple, files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.dd100(tmp_path / "DD100", "Samba_2_0", couple.leader, couple.follower)
    files.interdance(tmp_path / "inter", "tango", couple.leader, couple.follower)
    files.finedance(tmp_path / "fine", "001", couple.leader)
    assert {found.dataset for found in recordings(tmp_path)} == {"dd100", "interdance", "finedance"}
    assert [found.dataset for found in recordings(tmp_path, "interdance")] == ["interdance"]
    monkeypatch.setenv("DUET_CACHE", str(tmp_path / "c"))
    (pair,) = recorded_couples(couples_in(tmp_path, "dd100"), "train")
    assert pair.name == "dd100-Samba_2_0"


def test_a_folder_without_a_data_set_says_what_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(InputError, match=r"expected a data set \(cmu: 60_NN.bvh.*finedance.*\), got holiday.jpg"):
        recordings(tmp_path)
    with pytest.raises(InputError, match="expected auto or one of cmu, dd100, .*got 'dd99'"):
        recordings(tmp_path, "dd99")
    with pytest.raises(InputError, match="nowhere: expected a folder with data sets, got no such folder"):
        recordings(tmp_path / "nowhere")


def test_a_drawn_split_stays_and_is_about_a_tenth_each() -> None:
    drawn = [hashed_split(f"take{n}") for n in range(1000)]
    assert drawn[:6] == [hashed_split(f"take{n}") for n in range(6)]
    assert {split: 60 < drawn.count(split) < 140 for split in ("validation", "test")} == {
        "validation": True,
        "test": True,
    }
    assert set(drawn) == set(SPLITS)


def test_an_unknown_body_is_met_by_positions(couple) -> None:
    """Other proportions and another rest pose: joints are met, limbs exactly, and the dance is the same on BODY."""
    body = couple.leader.skeleton
    offsets = body.offsets_m.copy()
    offsets[[1, 2], 0] *= 0.7
    offsets[[1, 2], 1] -= 0.07
    offsets[3] = (0.0, 0.12, -0.02)
    offsets[[18, 19]] *= 0.9
    other = replace(body, offsets_m=offsets)
    joints = forward(other, couple.leader.root_m, couple.leader.rotations)[0]
    back = motion_of_positions(30.0, joints)
    np.testing.assert_allclose(back.joints_m[:, [4, 7, 15, 16, 20]], joints[:, [4, 7, 15, 16, 20]], atol=5e-3)
    wanted = Motion(30.0, other, couple.leader.root_m, couple.leader.rotations).on_body().joints_m
    off = np.linalg.norm(back.on_body().joints_m - wanted, axis=-1)
    assert off.mean() < 0.02
    assert off[:, [7, 8]].max() < 0.03
