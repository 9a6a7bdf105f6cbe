"""A small corpus to train on, and a couple in the formats of the data sets, as their authors' programs write it."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.choreography.couple import Couple
from duet.motion import Motion, write_motion
from duet.rotations import Array, rotvec_from_matrix, six_d_from_matrix

Z_UP_FROM_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
SHIFT = np.array([0.003, -0.351, 0.012])
"""Where a SMPL-X pelvis is when its translation is 0."""


def z_up(motion: Motion) -> tuple[Array, Array]:
    """Root (T, 3) and local rotations (T, 22, 3, 3) in a world whose z is up."""
    rotations = motion.rotations.astype(np.float64)
    rotations[:, 0] = Z_UP_FROM_Y_UP @ rotations[:, 0]
    return motion.root_m.astype(np.float64) @ Z_UP_FROM_Y_UP.T, rotations


def axis_angles(rotations: Array, joints: int) -> Array:
    """(T, joints * 3), those past the 22nd at rest."""
    poses = np.zeros((len(rotations), joints, 3))
    poses[:, :22] = rotvec_from_matrix(rotations.astype(np.float64))
    return poses.reshape(len(rotations), -1)


def write_dd100(
    root: Path, take: str, leader: Motion, follower: Motion, kind: str = "smplx", split: str = "all"
) -> Path:
    """``motion/KIND/SPLIT/TAKE_{00,01}.npy``; the folder of KIND."""
    folder = root / "motion" / kind / split
    folder.mkdir(parents=True, exist_ok=True)
    for role, motion in (("01", leader), ("00", follower)):
        position, rotations = z_up(motion)
        if kind == "pos3d":
            joints = np.zeros((motion.frames, 55, 3))
            joints[:, :22] = motion.joints_m.astype(np.float64) @ Z_UP_FROM_Y_UP.T
            np.save(folder / f"{take}_{role}.npy", joints.reshape(motion.frames, -1))
        elif kind == "rotmat":
            matrices = np.broadcast_to(np.eye(3), (motion.frames, 55, 3, 3)).copy()
            matrices[:, :22] = rotations
            held = np.concatenate([position - SHIFT, matrices.reshape(motion.frames, -1)], axis=1)
            np.save(folder / f"{take}_{role}.npy", held)
        else:
            poses = axis_angles(rotations, 55)
            parameters = {
                "poses": poses.astype(np.float32),
                "global_orient": poses[:, :3].astype(np.float32),
                "transl": (position - SHIFT).astype(np.float32),
                "betas": np.zeros((motion.frames, 10), np.float32),
                "meta": {"gender": "female" if role == "00" else "male"},
            }
            np.save(folder / f"{take}_{role}.npy", np.array(parameters, dtype=object))
    return folder


def write_interdance(
    folder: Path, take: str, leader: Motion, follower: Motion, *, keys: str = "smpl", segment: str = ""
) -> None:
    """``TAKE_0.pkl`` leads, ``TAKE_1.pkl`` follows, with one of the two sets of keys."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, motion in (("0", leader), ("1", follower)):
        translation = motion.root_m - SHIFT
        if keys == "smpl":
            held = {"smpl_poses": axis_angles(motion.rotations, 22), "smpl_trans": translation}
        else:
            poses = axis_angles(motion.rotations, 55).reshape(-1, 55, 3)
            held = {"pose": poses, "trans": translation, "beta": np.zeros(10)}
        (folder / f"{take}_{role}{segment}.pkl").write_bytes(pickle.dumps(held, protocol=4))


def write_aist(folder: Path, name: str, motion: Motion, split: str = "train") -> None:
    """``motions/NAME.pkl`` at the motion's own rate, and its line in the split."""
    (folder / "motions").mkdir(parents=True, exist_ok=True)
    (folder / "splits").mkdir(exist_ok=True)
    scaling = 93.7
    held = {
        "smpl_poses": axis_angles(motion.rotations, 24),
        "smpl_scaling": np.array([scaling], np.float32),
        "smpl_trans": ((motion.root_m - SHIFT) * scaling).astype(np.float32),
        "smpl_loss": 0.1,
    }
    (folder / "motions" / f"{name}.pkl").write_bytes(pickle.dumps(held, protocol=2))
    for part in ("train", "val", "test"):
        with (folder / "splits" / f"crossmodal_{part}.txt").open("a") as file:
            file.write(f"{name}\n" if part == split else "")


MOTORICA_NAMES = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand", "hip": "UpLeg", "knee": "Leg",
    "ankle": "Foot", "foot": "ToeBase",
}  # fmt: skip


def write_motorica(folder: Path, name: str, motion: Motion) -> None:
    """``NAME.bvh`` in centimetres with the data set's joint names."""
    names = []
    for joint in motion.skeleton.names:
        side, _, rest = joint.partition("_")
        names.append(f"{side.capitalize()}{MOTORICA_NAMES[rest]}" if rest else MOTORICA_NAMES[joint])
    skeleton = replace(motion.skeleton, names=tuple(names), offsets_m=motion.skeleton.offsets_m * 100)
    folder.mkdir(parents=True, exist_ok=True)
    write_motion(folder / f"{name}.bvh", replace(motion, skeleton=skeleton, root_m=motion.root_m * 100))


def write_finedance(folder: Path, number: str, motion: Motion, *, contacts: bool = False) -> None:
    """``motion/NNN.npy`` with rows of 315 or 319 numbers."""
    (folder / "motion").mkdir(parents=True, exist_ok=True)
    matrices = np.broadcast_to(np.eye(3), (motion.frames, 52, 3, 3)).copy()
    matrices[:, :22] = motion.rotations
    six = six_d_from_matrix(np.swapaxes(matrices, -1, -2))  # their form holds rows, ours columns
    parts = [np.zeros((motion.frames, 4))] if contacts else []
    held = np.concatenate([*parts, motion.root_m - SHIFT, six.reshape(motion.frames, -1)], axis=1)
    np.save(folder / "motion" / f"{number}.npy", held.astype(np.float32))


@pytest.fixture(scope="session")
def couple() -> Couple:
    """Ten seconds of two people who dance."""
    return choreograph_tempo(10.0, 180.0, 3)


@pytest.fixture(scope="session")
def files() -> SimpleNamespace:
    """Writers of one take, by data set."""
    return SimpleNamespace(
        dd100=write_dd100,
        interdance=write_interdance,
        aist=write_aist,
        motorica=write_motorica,
        finedance=write_finedance,
        z_up=z_up,
        axis_angles=axis_angles,
        shift=SHIFT,
    )


@pytest.fixture(scope="module")
def unplotted() -> Iterator[None]:
    """Drawing its curves is most of the work of so small a run; that they are drawn is held in test_training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.trainer.plot_history", lambda history, picture: None)
        yield
