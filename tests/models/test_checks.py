"""What is measured in a recording, and every way in which one can be unusable."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.errors import InputError
from duet.motion import Motion, read_motion
from duet.rotations import matrix_between
from duet.skeleton import BODY
from models.data import dd100, smpl
from models.data.checks import floors, landings_per_s, music_covers, settle, steps
from models.data.recording import Points
from models.data.sources import SOURCES, recordings


def points(motion: Motion, fps: float = 30.0) -> Points:
    return Points(fps, motion.joints_m.astype(np.float64))


def refusal(dancers, up: str = "y") -> str:
    with pytest.raises(InputError) as caught:
        settle("take", dancers, up=up)
    sentence = str(caught.value)
    assert sentence.startswith("take: expected ")
    assert sentence.endswith(".")
    return sentence


def test_the_measured_axis_wins_and_is_said(couple, files) -> None:
    root, rotations = files.z_up(couple.leader)
    standing = Motion(30.0, BODY, root.astype(np.float32), rotations.astype(np.float32))
    motions, findings = settle("take", {"leader": standing}, up="y")
    (found,) = [f for f in findings if f.short.startswith("z up")]
    assert found.warning
    assert "Up is z, not y as stated" in found.text
    np.testing.assert_allclose(motions["leader"].joints_m, couple.leader.on_body().joints_m, atol=1e-3)
    stated = settle("take", {"leader": standing}, up="z")[1]
    assert not [f for f in stated if f.warning]


def test_no_axis_up_is_refused(couple) -> None:
    joints = couple.leader.joints_m.astype(np.float64)
    diagonal = matrix_between(np.array([0.0, 1.0, 0.0]), np.ones(3))
    tilted = joints @ diagonal.T
    assert "got no axis clearly up" in refusal({"leader": Points(30.0, tilted)})
    upside_down = joints * np.array([1.0, -1.0, -1.0])
    assert "got y down (median direction (0.0" in refusal({"leader": Points(30.0, upside_down)}).replace("-0.0", "0.0")


@pytest.mark.parametrize(("factor", "unit"), [(100.0, "centimetres"), (1000.0, "millimetres"), (1 / 0.0254, "inches")])
def test_units_are_told_by_the_legs(couple, factor: float, unit: str) -> None:
    motions, findings = settle("take", {"leader": Points(30.0, couple.leader.joints_m * factor)}, up="y")
    assert f"{unit}, legs 0.80 m" in [f.short for f in findings]
    np.testing.assert_allclose(motions["leader"].joints_m, couple.leader.on_body().joints_m, atol=1e-3)


def test_nobody_has_such_legs(couple) -> None:
    sentence = refusal({"leader": Points(30.0, couple.leader.joints_m * 7.0)})
    assert "expected the leader's legs to be 0.55 to 1.15 m" in sentence
    assert "got 5.6" in sentence


def test_a_translation_in_centimetres_is_told_by_its_speed(couple) -> None:
    fast = replace(couple.leader, root_m=couple.leader.root_m * np.float32(100.0))
    sentence = refusal({"leader": fast})
    assert "expected a leader that moves at up to 8 m/s" in sentence
    assert "divide it by 100" in sentence


def test_ten_frames_a_second_are_too_few(couple) -> None:
    slow = couple.leader.resample(10.0)
    assert "expected at least 20 fps, got 10 fps: steps cannot be seen in it" in refusal({"leader": slow})
    blown_up = np.repeat(np.arange(slow.frames), 3)
    held = Motion(30.0, BODY, slow.root_m[blown_up], slow.rotations[blown_up])
    assert "got 30 fps with every pose held for 3 frames" in refusal({"leader": held})


@pytest.mark.parametrize("frames", [1, 2, 60])
def test_short_takes_are_refused(couple, frames: int) -> None:
    said = refusal({"leader": couple.leader.slice(0, frames)})
    assert f"expected at least 4 s, got {frames} frame{'s' * (frames > 1)} of the leader at 30 fps" in said


def test_swapped_sides_are_told_by_the_toes(couple) -> None:
    swapped = couple.leader.joints_m[:, list(BODY.mirror)]
    sentence = refusal({"leader": Points(30.0, swapped)})
    assert "Left and right are probably swapped" in sentence
    assert "degrees away from where hips and shoulders face" in sentence


def test_dancers_need_one_rate(couple) -> None:
    dancers = {"leader": couple.leader, "follower": couple.follower.resample(60.0)}
    assert "expected one rate for both dancers, got [30.0, 60.0]" in refusal(dancers)


def test_too_many_steps_point_to_the_rate(couple) -> None:
    assert 1.0 < landings_per_s(couple.leader) < 4.0  # 180 beats a minute, three steps to four beats, and turns
    assert not steps({"leader": couple.leader, "follower": couple.follower}).warning
    found = steps({"leader": replace(couple.leader, fps=90.0), "follower": replace(couple.follower, fps=90.0)})
    assert found.warning
    assert "the true rate is probably lower, such as 45 fps" in found.text


def test_the_rate_in_the_files_of_cmu_is_seen_to_be_wrong(duet_data: Path) -> None:
    for fps, wrong in ((60.0, False), (120.0, True)):
        dancers = {
            s: read_motion(duet_data / f"cmu_salsa/{s}_12.bvh", fps_override=fps, scale=1.2989) for s in ("60", "61")
        }
        assert steps(dancers).warning is wrong


def test_floors_are_told(couple) -> None:
    low = replace(couple.follower, root_m=couple.follower.root_m - np.array([0.0, 0.25, 0.0], np.float32))
    (found,) = floors({"leader": couple.leader, "follower": low})
    assert found.warning
    assert "Their floors differ by 2" in found.text
    ramp = np.linspace(0.0, 0.4, couple.leader.frames, dtype=np.float32)[:, None] * np.array(
        [0.0, 1.0, 0.0], np.float32
    )
    drifting = replace(couple.leader, root_m=couple.leader.root_m + ramp)
    assert "higher in the last third" in floors({"leader": drifting})[1].text


def test_music_that_ends_early() -> None:
    assert music_covers("take", 30.05, 30.0) == []
    (found,) = music_covers("take", 20.0, 30.0)
    assert found.warning
    assert found.text == "The music is 20.0 s long and the take 30.0 s: the take ends with the music."
    with pytest.raises(InputError, match="take: expected music for the 30.0 s of the take, got 1.0 s. Fetch"):
        music_covers("take", 1.0, 30.0)


def test_nan_names_frames_and_file(tmp_path: Path, couple, files) -> None:
    folder = files.dd100(tmp_path, "Salsa_1_0", couple.leader, couple.follower, "pos3d")
    held = np.load(folder / "Salsa_1_0_00.npy")
    held[[40, 41, 90], 7] = np.nan
    np.save(folder / "Salsa_1_0_00.npy", held)
    (found,) = recordings(tmp_path)
    with pytest.raises(
        InputError, match="Salsa_1_0_00.npy: .*NaN or infinity in 3 of 300 frames of pos3d, first in frame 40"
    ):
        dd100.read(found)


def test_a_missing_partner_is_named(tmp_path: Path, couple, files) -> None:
    folder = files.dd100(tmp_path, "Salsa_1_0", couple.leader, couple.follower)
    (folder / "Salsa_1_0_00.npy").unlink()
    (found,) = recordings(tmp_path)
    with pytest.raises(InputError, match=r"dd100-Salsa_1_0: expected a partner, got no follower \(Salsa_1_0_00.npy\)"):
        found.require()


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        ([1, 2], "expected SMPL-X parameters .poses, transl., got list"),
        ({"poses": np.zeros((5, 165))}, "got poses. Fetch"),
        ({"poses": np.zeros((5, 72)), "transl": np.zeros((5, 3))}, r"expected poses \(T, 165\), got \(5, 72\)"),
        ({"poses": np.zeros((5, 165)), "transl": np.zeros((4, 3))}, "got 5 poses and 4 translations"),
        ({"poses": "none", "transl": np.zeros((4, 3))}, "expected numbers in poses, got str"),
    ],
)
def test_wrong_contents_are_named(tmp_path: Path, couple, files, held, sentence: str) -> None:
    folder = files.dd100(tmp_path, "Salsa_1_0", couple.leader, couple.follower)
    np.save(folder / "Salsa_1_0_01.npy", np.array(held, dtype=object) if isinstance(held, dict) else held)
    if isinstance(held, list):
        (folder / "Salsa_1_0_01.npy").unlink()
        np.save(folder / "Salsa_1_0_01.npy", np.array([held, None], dtype=object))
        sentence = "got ndarray"
    (found,) = recordings(tmp_path)
    with pytest.raises(InputError, match=sentence):
        dd100.read(found)


def test_other_keys_are_named(tmp_path: Path) -> None:
    for role in "01":
        (tmp_path / f"tango_{role}.pkl").write_bytes(pickle.dumps({"joints": np.zeros(3)}))
    (found,) = recordings(tmp_path)
    with pytest.raises(InputError, match="expected smpl_poses and smpl_trans, or pose and trans, got joints"):
        SOURCES["interdance"].read(found)


def write_model(folder: Path) -> np.ndarray:
    """A SMPL-X model file of 55 vertices that are its joints: the format, and nobody's data. Its joints at betas 0."""
    folder.mkdir(parents=True, exist_ok=True)
    joints = np.zeros((55, 3))
    joints[:22] = BODY.rest_joints_m * 1.1 - np.array([0.0, 1.2, 0.0])
    taller = np.zeros((55, 3, 400))
    taller[..., 0] = joints
    np.savez(folder / "SMPLX_NEUTRAL.npz", v_template=joints, shapedirs=taller, J_regressor=np.eye(55))
    return joints


def test_the_users_smplx_model_gives_proportions(tmp_path: Path, couple, files, monkeypatch) -> None:
    write_model(tmp_path / "models" / "smplx")
    monkeypatch.setenv(smpl.MODEL_VARIABLE, str(tmp_path / "models"))
    files.dd100(tmp_path, "Salsa_1_0", couple.leader, couple.follower)
    (found,) = recordings(tmp_path)
    dancers, findings = dd100.read(found)
    leader = dancers["leader"]
    assert isinstance(leader, Motion)
    assert findings[0].short == "SMPL-X"
    assert leader.skeleton.leg_length_m == pytest.approx(1.1 * BODY.leg_length_m, rel=1e-4)
    taller = smpl.model_skeleton(tmp_path / "models" / "smplx" / "SMPLX_NEUTRAL.npz", [0.1])
    assert taller.leg_length_m == pytest.approx(1.1 * 1.1 * BODY.leg_length_m, rel=1e-4)


def test_a_missing_smplx_model_says_where_its_licence_is(tmp_path: Path, couple, files, monkeypatch) -> None:
    files.dd100(tmp_path, "Salsa_1_0", couple.leader, couple.follower)
    monkeypatch.setenv(smpl.MODEL_VARIABLE, str(tmp_path))
    (found,) = recordings(tmp_path)
    with pytest.raises(InputError, match="expected the SMPL-X model file SMPLX_MALE.npz, got none. Accept its licence"):
        dd100.read(found)
    (tmp_path / "SMPLX_NEUTRAL.npz").write_bytes(b"broken")
    with pytest.raises(InputError, match="expected a SMPL-X model"):
        dd100.read(found)
    monkeypatch.delenv(smpl.MODEL_VARIABLE)
    assert "canonical body" in dd100.read(found)[1][0].short
