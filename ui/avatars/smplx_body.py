"""A SMPL-X model file becomes an avatar, through the package ``smplx`` (extra ``duet[smplx]``).

The files are the user's own, under their own licence (https://smpl-x.is.tue.mpg.de). They are npz files whose side
tables may hold pickles: those are never opened; the arrays of numbers alone are handed on. (Pavlakos et al. 2019,
arXiv 1904.05866.)
"""

import io
import tempfile
import zipfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.extras import how_to_install
from duet.rotations import matrix_between, normalise
from ui.avatars.fit import Fit, assembled
from ui.avatars.gltf import MOST_BYTES
from ui.drawing.avatar import shipped_avatar

_ARRAYS = (
    "v_template", "f", "weights", "J_regressor", "shapedirs", "posedirs", "kintree_table", "hands_componentsl",
    "hands_componentsr", "hands_meanl", "hands_meanr", "lmk_faces_idx", "lmk_bary_coords", "dynamic_lmk_faces_idx",
    "dynamic_lmk_bary_coords", "vt", "ft",
)  # fmt: skip
_MOST_BYTES = 4 * MOST_BYTES
_SKIN, _SUIT, _SHOES, _HAIR = (
    (0.72, 0.53, 0.43, 0.2),
    (0.22, 0.26, 0.34, 0.15),
    (0.08, 0.07, 0.07, 0.6),
    (0.13, 0.09, 0.07, 0.2),
)
_HEADS, _HANDS = (12, 15, 22, 23, 24), (20, 21, *range(25, 55))
_FEET = 7, 8, 10, 11


def smplx_fit(path: Path, betas: tuple[float, ...], height_m: float | None) -> Fit:
    """The body of a model file with shape ``betas``, in plain dance wear. Raises ``InputError``."""
    try:
        import smplx  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError(
            f"{path}: expected the package smplx, got none. Install it: {how_to_install('smplx')}"
        ) from error
    arrays = _read(path)
    shapes = arrays["shapedirs"].shape[2]
    if len(betas) > shapes:
        raise InputError(f"--betas: expected at most {shapes} for {path.name}, got {len(betas)}.")
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "SMPLX_NEUTRAL.npz"
        np.savez(clean, **arrays)  # pyright: ignore[reportArgumentType]
        try:
            given = {"betas": np.array([betas], dtype=np.float32), "num_betas": len(betas)} if betas else {}
            with redirect_stdout(io.StringIO()):  # the package prints what it thinks of a model
                model: Any = smplx.SMPLX(str(clean), ext="npz", use_pca=False, flat_hand_mean=True, **given)
                body: Any = model.forward(return_verts=True)
        except Exception as error:  # the package raises whatever numpy and torch do
            raise InputError(f"{path}: expected a SMPL-X model, got a broken one ({error}). Fetch it again.") from error
    points = body.vertices.detach().numpy()[0].astype(np.float64)
    joints = body.joints.detach().numpy()[0, :55].astype(np.float64)
    weights = model.lbs_weights.numpy().astype(np.float64)
    return _fit(points, joints, np.asarray(model.faces, dtype=np.int64), weights, height_m)


def _fit(points: NDArray, joints: NDArray, faces: NDArray, weights: NDArray, height_m: float | None) -> Fit:
    scale = 1.0 if height_m is None else height_m / float(np.ptp(points[:, 1]))
    points, joints = points * scale, joints * scale
    like = shipped_avatar("leader")
    turns, rest = np.tile(np.eye(3), (55, 1, 1)), joints.copy()
    for j, parent in enumerate(like.parents):
        if parent < 0:
            continue
        rest[j] = rest[parent] + turns[parent] @ (joints[j] - joints[parent])
        side, _, name = like.names[j].partition("_")
        child = {"shoulder": "elbow", "elbow": "wrist"}.get(name)
        limb = name in ("elbow", "wrist") or name.rstrip("123") in ("thumb", "index", "middle", "ring", "pinky")
        turns[j] = turns[parent] if limb else np.eye(3)
        if child:
            bone = turns[j] @ (joints[like.names.index(f"{side}_{child}")] - joints[j])
            turns[j] = matrix_between(bone, np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])) @ turns[j]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    avatar = assembled(
        points, _normals(points, faces), _dressed(points, weights, joints), faces, weights, joints, turns, rest
    )
    unit = "as in the file" if height_m is None else "scaled as told"
    return Fit(avatar, like.names, (), 0, unit, float(np.ptp(avatar.vertices_m[:, 1])))


def _read(path: Path) -> dict[str, NDArray]:
    """The arrays of numbers; nothing that is a pickle is opened."""
    try:
        with zipfile.ZipFile(path) as file:
            if sum(entry.file_size for entry in file.infolist()) > _MOST_BYTES:
                raise InputError(f"{path}: expected at most {_MOST_BYTES >> 20} MB unpacked, got more. Fetch it again.")
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in _ARRAYS}
    except FileNotFoundError as error:
        raise InputError(f"{path}: expected a file, got none. Check the name.") from error
    except (KeyError, ValueError, OSError, MemoryError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected a SMPL-X model as npz, got another file ({error}). Check the name."
        ) from error
    count = len(arrays["v_template"])
    if arrays["weights"].shape != (count, 55) or arrays["v_template"].shape != (count, 3) or arrays["f"].max() >= count:
        raise InputError(f"{path}: expected a SMPL-X model of 55 joints, got {arrays['weights'].shape[1:]}. Check it.")
    return arrays


def _normals(points: NDArray, faces: NDArray) -> NDArray:
    a, b, c = (points[faces[:, k]] for k in range(3))
    area, normals = np.cross(b - a, c - a), np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, faces[:, k], area)
    return np.asarray(normalise(normals))


def _dressed(points: NDArray, weights: NDArray, joints: NDArray) -> NDArray:
    """(N, 4) colours: a body without clothes gets a suit, shoes and a cap of hair, so that facing reads from afar."""
    colours = np.tile(_SUIT, (len(points), 1))
    colours[weights[:, _HANDS].sum(axis=1) > 0.5] = _SKIN
    colours[weights[:, _FEET].sum(axis=1) > 0.6] = _SHOES
    head = weights[:, _HEADS].sum(axis=1) > 0.5
    colours[head] = _SKIN
    eyes = joints[[23, 24]].mean(axis=0)
    ahead = points[:, 2] - joints[15, 2]
    colours[head & (points[:, 1] > eyes[1] + 0.05 - 0.5 * np.minimum(eyes[2] - joints[15, 2] - ahead, 0.16))
            & (points[:, 1] > joints[15, 1] - 0.03)] = _HAIR  # fmt: skip
    return colours
