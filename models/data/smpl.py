"""SMPL, SMPL-H and SMPL-X parameters as takes: their first 22 joints are the body's, in the same order and T-pose.

Rotations carry over as they are. Where joints would be needed, three sources serve, best first: joint positions that
lie beside the parameters, the SMPL-X model file where the user has it, the canonical body. No number of the SMPL
models, whose licence forbids passing them on, is part of this project.

The translation of SMPL is not where the pelvis is, but off by the pelvis of the model's rest pose, which never moves:
both dancers of a couple are off alike, and the floor is found in the feet.
"""

import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from duet.errors import InputError
from duet.kinematics import forward
from duet.motion import Motion
from duet.rotations import Array, matrix_from_6d, matrix_from_rotvec
from duet.skeleton import BODY, BODY_JOINT_NAMES, BODY_PARENTS, Skeleton
from models.data.recording import JOINTS

MODEL_VARIABLE = "DUET_SMPLX"
"""Names the folder with SMPLX_NEUTRAL.npz (and MALE, FEMALE), for those who have accepted its licence."""
BETAS = 10


def array_of(path: Path, what: object, name: str, width: tuple[int, ...]) -> NDArray[np.float64]:
    """``what`` as (T, ...) numbers of one of the ``width``s per frame; InputError names what is wrong with it."""
    try:
        array = np.asarray(what, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: expected numbers in {name}, got {type(what).__name__}. Fetch the file again."
        ) from error
    flat = array.reshape(len(array), -1) if array.ndim > 1 and len(array) else array
    if flat.ndim != 2 or flat.shape[1] not in width:
        wanted = " or ".join(f"(T, {w})" for w in width)
        raise InputError(f"{path}: expected {name} {wanted}, got {array.shape}. Fetch the file again.")
    bad = ~np.isfinite(flat).all(axis=1)
    if bad.any():
        raise InputError(
            f"{path}: expected finite numbers, got NaN or infinity in {int(bad.sum())} of {len(flat)} frames of "
            f"{name}, first in frame {int(np.argmax(bad))}. Clean or cut the take."
        )
    return flat


def motion_of(path: Path, rotations: Array, translation_m: Array, fps: float, *, skeleton: Skeleton = BODY) -> Motion:
    """A take, in the file's axes, of local rotations (T, >= 22, 3, 3) and a translation (T, 3)."""
    if len(rotations) != len(translation_m):
        raise InputError(
            f"{path}: expected a translation for every pose, got {len(rotations)} poses and {len(translation_m)} "
            "translations. Fetch the file again."
        )
    local = rotations[:, :JOINTS].astype(np.float32)
    return Motion(fps, skeleton, translation_m.astype(np.float32), local)


def from_axis_angles(poses: Array) -> Array:
    """(T, N, 3, 3) of axis-angles (T, N * 3)."""
    return matrix_from_rotvec(poses.reshape(len(poses), -1, 3))


def from_row_6d(six: Array) -> Array:
    """(T, N, 3, 3) of the 6-D form that holds the first two *rows* (pytorch3d; ours holds columns): (T, N * 6)."""
    return np.swapaxes(matrix_from_6d(six.reshape(len(six), -1, 6)), -1, -2)


def skeleton_of(rotations: Array, joints_m: Array) -> Skeleton:
    """The body that has these local rotations (T, 22, 3, 3) and these joints (T, 22, 3): mean of all frames."""
    _, turned = forward(BODY, joints_m[:, 0], rotations[:, :JOINTS])
    parents = list(BODY_PARENTS[1:])
    bones = joints_m[:, 1:JOINTS] - joints_m[:, parents]
    offsets = np.zeros((JOINTS, 3))
    offsets[1:] = np.einsum("tjba,tjb->ja", turned[:, parents], bones) / len(bones)
    return standing(offsets)


def standing(offsets_m: Array) -> Skeleton:
    """A skeleton of offsets (22, 3), its root so high that its lowest joint touches the floor."""
    offsets = np.array(offsets_m, dtype=np.float64)
    offsets[0] = 0.0
    rest = offsets.copy()
    for j in range(1, JOINTS):
        rest[j] += rest[BODY_PARENTS[j]]
    offsets[0, 1] = -rest[:, 1].min()
    return Skeleton(BODY_JOINT_NAMES, BODY_PARENTS, offsets.astype(np.float32))


def model_file(gender: str) -> Path | None:
    """The user's SMPL-X model for ``gender``, None where no folder was named. InputError where it is not in there."""
    named = os.environ.get(MODEL_VARIABLE)
    if not named:
        return None
    gender = gender if gender in ("male", "female") else "neutral"
    names = [f"SMPLX_{gender.upper()}.npz", "SMPLX_NEUTRAL.npz"]
    for name in names:
        for folder in (Path(named), Path(named) / "smplx"):
            if (folder / name).is_file():
                return folder / name
    raise InputError(
        f"{named}: expected the SMPL-X model file {names[0]}, got none. Accept its licence and fetch it at "
        f"smpl-x.is.tue.mpg.de, or unset {MODEL_VARIABLE}: the canonical body then stands in."
    )


def model_skeleton(path: Path, betas: ArrayLike) -> Skeleton:
    """The rest joints of a person of shape ``betas`` (10,): regressed from the shaped template, as SMPL-X defines."""
    shape = np.zeros(BETAS)
    given = np.asarray(betas, dtype=np.float64).reshape(-1)[:BETAS]
    shape[: len(given)] = given
    try:
        with np.load(path, allow_pickle=False) as model:
            template = model["v_template"].astype(np.float64)
            directions = model["shapedirs"][:, :, :BETAS].astype(np.float64)
            regressor = model["J_regressor"][:JOINTS].astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected a SMPL-X model (v_template, shapedirs, J_regressor), got {error}. Fetch it again."
        ) from error
    joints = regressor @ (template + directions @ shape)
    offsets = joints.copy()
    offsets[1:] -= joints[list(BODY_PARENTS[1:])]
    return standing(offsets)
