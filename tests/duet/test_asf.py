"""Acclaim files: a couple's take written in the format of the CMU database and read back."""

from pathlib import Path

import numpy as np
import pytest

from duet.asf import CMU_INCH_M, read_asf
from duet.choreography import choreograph_tempo
from duet.errors import MotionError
from duet.kinematics import forward
from duet.motion import Motion
from duet.rotations import Array, matrix_from_rotvec
from duet.skeleton import BODY

UNIT = CMU_INCH_M / 0.45
# Bone -> (parent, joint it starts at, joint it ends at); collars start where the neck does, as in the database.
BONES = {
    "lhipjoint": ("root", "pelvis", "left_hip"), "lfemur": ("lhipjoint", "left_hip", "left_knee"),
    "ltibia": ("lfemur", "left_knee", "left_ankle"), "lfoot": ("ltibia", "left_ankle", "left_foot"),
    "ltoes": ("lfoot", "left_foot", None), "rhipjoint": ("root", "pelvis", "right_hip"),
    "rfemur": ("rhipjoint", "right_hip", "right_knee"), "rtibia": ("rfemur", "right_knee", "right_ankle"),
    "rfoot": ("rtibia", "right_ankle", "right_foot"), "rtoes": ("rfoot", "right_foot", None),
    "lowerback": ("root", "pelvis", "spine2"), "upperback": ("lowerback", "spine2", "spine3"),
    "thorax": ("upperback", "spine3", "neck"), "lowerneck": ("thorax", "neck", None),
    "upperneck": ("lowerneck", None, "head"), "head": ("upperneck", "head", None),
    "lclavicle": ("thorax", "neck", "left_shoulder"), "lhumerus": ("lclavicle", "left_shoulder", "left_elbow"),
    "lradius": ("lhumerus", "left_elbow", "left_wrist"), "lwrist": ("lradius", "left_wrist", None),
    "lhand": ("lwrist", None, None), "rclavicle": ("thorax", "neck", "right_shoulder"),
    "rhumerus": ("rclavicle", "right_shoulder", "right_elbow"), "rradius": ("rhumerus", "right_elbow", "right_wrist"),
    "rwrist": ("rradius", "right_wrist", None), "rhand": ("rwrist", None, None),
}  # fmt: skip
# Which joint of ours turns a bone; the others turn with their parents.
TURNS = {
    "lfemur": "left_hip", "ltibia": "left_knee", "lfoot": "left_ankle", "ltoes": "left_foot", "rfemur": "right_hip",
    "rtibia": "right_knee", "rfoot": "right_ankle", "rtoes": "right_foot", "lowerback": "spine1", "upperback": "spine2",
    "thorax": "spine3", "lowerneck": "neck", "head": "head", "lclavicle": "left_collar", "lhumerus": "left_shoulder",
    "lradius": "left_elbow", "lhand": "left_wrist", "rclavicle": "right_collar", "rhumerus": "right_shoulder",
    "rradius": "right_elbow", "rhand": "right_wrist",
}  # fmt: skip


def _rest(joint: str) -> Array:
    return BODY.rest_joints_m[BODY.index(joint)].astype(float)


def _bone_axes(number: int) -> Array:
    """Degrees: another frame for every bone, as in the database."""
    return np.array([7.0 * number % 40, -11.0 * number % 30, 5.0 * number % 50])


def _xyz(matrix: Array) -> Array:
    """Degrees (..., 3) about x, then y, then z."""
    y = np.arcsin(np.clip(-matrix[..., 2, 0], -1, 1))
    x = np.arctan2(matrix[..., 2, 1], matrix[..., 2, 2])
    z = np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])
    return np.rad2deg(np.stack([x, y, z], axis=-1))


def _matrix(degrees: Array) -> Array:
    turn = np.eye(3)
    for axis in range(3):
        turn = matrix_from_rotvec(np.eye(3)[axis] * np.deg2rad(degrees[axis])) @ turn
    return turn


def write_acclaim(folder: Path, subject: str, take: str, motion: Motion) -> None:
    """``subject.asf`` and ``subject_take.amc``, with every bone free about three axes."""
    turned = forward(BODY, motion.root_m, motion.rotations)[1].astype(float)
    world = {"root": turned[:, 0]}
    lines = [
        "# AST/ASF file using VICON", ":version 1.10", ":name VICON", ":units", "  mass 1.0", "  length 0.45",
        "  angle deg", ":documentation", "   .ASF/.AMC automatically generated: see the manual", ":root",
        "   order TX TY TZ RX RY RZ", "   axis XYZ", "   position 0 0 0", "   orientation 0 0 0", ":bonedata",
    ]  # fmt: skip
    rows = {"root": np.concatenate([motion.root_m / UNIT, _xyz(turned[:, 0])], axis=1)}
    for number, (bone, (parent, start, end)) in enumerate(BONES.items(), start=1):
        way = _rest(end) - _rest(start or "neck") if end else np.array([0.0, 0.0, 1e-6])
        length = float(np.linalg.norm(way))
        axes = _bone_axes(number)
        world[bone] = turned[:, BODY.index(TURNS[bone])] if bone in TURNS else world[parent]
        frame = _matrix(axes)
        rows[bone] = _xyz(frame.T @ np.swapaxes(world[parent], -1, -2) @ world[bone] @ frame)
        direction = way / max(length, 1e-9)
        lines += [
            "  begin", f"     id {number}", f"     name {bone}",
            f"     direction {direction[0]:.9f} {direction[1]:.9f} {direction[2]:.9f}",
            f"     length {length / UNIT:.9f}", f"     axis {axes[0]} {axes[1]} {axes[2]}  XYZ",
            "    dof rx ry rz", "    limits (-160.0 20.0)", "           (-70.0 70.0)", "           (-60.0 70.0)",
            "  end",
        ]  # fmt: skip
    lines += [":hierarchy", "  begin"]
    for parent in ("root", *BONES):
        children = [bone for bone, (above, _, _) in BONES.items() if above == parent]
        lines += [f"    {parent} {' '.join(children)}"] if children else []
    (folder / f"{subject}.asf").write_text("\n".join([*lines, "  end"]) + "\n")
    text = ["#!OML:ASF F:\\VICON\\USERDATA", ":FULLY-SPECIFIED", ":DEGREES"]
    for t in range(motion.frames):
        text.append(str(t + 1))
        text += [f"{bone} {' '.join(f'{v:.7f}' for v in values[t])}" for bone, values in rows.items()]
    (folder / f"{subject}_{take}.amc").write_text("\n".join(text) + "\n")


@pytest.fixture(scope="module")
def motion() -> Motion:
    return choreograph_tempo(2.0, 180.0, 4).leader


@pytest.mark.parametrize("freedoms", ["rx ry rz", "RX RY RZ"])
def test_a_take_comes_back_joint_by_joint(tmp_path: Path, motion: Motion, freedoms: str) -> None:
    write_acclaim(tmp_path, "60", "01", motion)
    text = (tmp_path / "60.asf").read_text()
    (tmp_path / "60.asf").write_text(text.replace("dof rx ry rz", f"dof {freedoms}"))
    skeleton, root, rotations = read_asf(tmp_path / "60.asf", tmp_path / "60_01.amc")
    back = Motion(motion.fps, skeleton, root.astype(np.float32), rotations.astype(np.float32))
    np.testing.assert_allclose(root, motion.root_m, atol=1e-5)
    same = [BODY.index(n) for n in ("left_ankle", "right_foot", "left_hip", "right_knee")]
    np.testing.assert_allclose(back.joints_m[:, same], motion.joints_m[:, same], atol=1e-4)
    np.testing.assert_allclose(back.on_body().joints_m, motion.on_body().joints_m, atol=1e-3)
    assert skeleton.leg_length_m == pytest.approx(BODY.leg_length_m, abs=1e-4)


def test_lengths_are_inches_of_the_header(tmp_path: Path, motion: Motion) -> None:
    write_acclaim(tmp_path, "60", "01", motion)
    assert pytest.approx(0.056444, abs=1e-6) == UNIT
    text = (tmp_path / "60.asf").read_text()
    (tmp_path / "60.asf").write_text(text.replace("length 0.45", "length 0.9"))
    half, root, _ = read_asf(tmp_path / "60.asf", tmp_path / "60_01.amc")
    assert half.leg_length_m == pytest.approx(BODY.leg_length_m / 2, abs=1e-4)
    np.testing.assert_allclose(root, motion.root_m / 2, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda asf, amc: (asf.replace("lfemur", "thigh"), amc.replace("lfemur", "thigh")), "none called lfemur"),
        (lambda asf, amc: (asf[: len(asf) // 2], amc), "got none that is whole"),
        (lambda asf, amc: (asf, amc[: len(amc) * 2 // 3].rsplit(" ", 1)[0]), "numbers for|cut short"),
        (lambda asf, amc: (asf, amc.split("\n2\n")[0]), "at least 2 whole frames, got 1"),
        (lambda asf, amc: (asf, amc.replace("\nhead ", "\nhead nan 0 0\nlost ", 1)), "got 'lost' in line"),
        (lambda asf, amc: (asf, amc.replace("\n2\nroot ", "\n2\nroot 0 ")), "7 numbers for root"),
        (
            lambda asf, amc: (asf.replace("ltibia lfoot\n", "ltibia lfoot lfemur\n"), amc),
            "got none .* lfemur below two",
        ),
        (lambda asf, amc: (asf.replace("length 0.45", "length 0"), amc), "got none .* a unit of length 0"),
        (lambda asf, amc: (asf.replace("order TX TY TZ", "order TY TZ"), amc), "got none .* a root without tx"),
        (lambda asf, amc: (asf.replace("dof rx ry rz", "dof rw ry rz", 1), amc), "got none .* a freedom 'rw'"),
        (
            lambda asf, amc: (asf.replace("direction ", "direction nan 0 0\n was ", 1), amc),
            "got none .* no finite length",
        ),
        (lambda asf, amc: (asf.replace("direction ", "direction 0 ", 1), amc), "got none .* too many values"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, motion: Motion, change, sentence: str) -> None:
    write_acclaim(tmp_path, "60", "01", motion)
    asf, amc = change((tmp_path / "60.asf").read_text(), (tmp_path / "60_01.amc").read_text())
    (tmp_path / "60.asf").write_text(asf)
    (tmp_path / "60_01.amc").write_text(amc)
    with pytest.raises(MotionError, match=sentence):
        read_asf(tmp_path / "60.asf", tmp_path / "60_01.amc")


def test_nan_names_its_frame(tmp_path: Path, motion: Motion) -> None:
    write_acclaim(tmp_path, "60", "01", motion)
    path = tmp_path / "60_01.amc"
    lines = path.read_text().splitlines()
    second = lines.index("2") + 1
    lines[second] = "root nan nan nan 0 0 0"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(MotionError, match="NaN or infinity in 1 frames, first in frame 1"):
        read_asf(tmp_path / "60.asf", path)
