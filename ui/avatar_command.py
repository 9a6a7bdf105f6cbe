"""``duet avatar``: the bodies that ship, a turntable of any of them, and bringing one's own."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from duet.errors import InputError
from duet.extras import how_to_install
from duet.terminal import new_console
from ui.drawing.avatar import AVATARS
from ui.drawing.stages import STAGES
from ui.drawing.wardrobe import avatar_named, avatar_names, avatar_says, keep_avatar, own_avatars, own_folder, own_name
from ui.limits import check_within

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ui.drawing.avatar import Avatar, BodyPose

_MORE = """\
examples:
  duet avatar list
  duet avatar show follower                        writes follower.png: eight views round her
  duet avatar show glow --stage black --out glow.png
  duet avatar show mine.npz --out mine.png         a file baked by python -m ui.bake.avatar
  duet avatar import dancer.vrm                    a body of your own; then: duet play --follower-avatar dancer ...
"""
_IMPORT_MORE = f"""\
Files: VRM, or glTF (.glb, .gltf) with one skinned human figure, in any of the usual rigs; or an SMPL-X model (.npz with
the arrays of SMPLX_NEUTRAL.npz). Bones that are ours take the pose, all others go with the nearest of them; textures
become the colours of vertices. Where a bone is not found, tell which one it is. For SMPL-X, install once:
  {how_to_install("smplx")}

examples:
  duet avatar import dancer.vrm
  duet avatar import figure.glb --name zoe --height 1.68
  duet avatar import figure.glb --map left_elbow=arm_stretch.l --map right_elbow=arm_stretch.r
  duet avatar import SMPLX_NEUTRAL.npz --name smplx --betas 0.5,-1
"""
VIEWS = 8
_COLUMNS = 4
_CELL = (270, 360)
# Rotation vectors in radians.
_POSE = {
    "left_shoulder": (0.1, -0.6, -0.75), "right_shoulder": (0.1, 0.6, 0.75),
    "left_elbow": (0.0, -1.3, 0.0), "right_elbow": (0.0, 1.3, 0.0),
    "left_hip": (-0.28, 0.0, 0.05), "left_knee": (0.5, 0.0, 0.0), "left_ankle": (-0.1, 0.0, 0.0),
    "right_hip": (-0.04, 0.0, 0.02), "right_knee": (0.06, 0.0, 0.0),
    "spine2": (0.0, 0.12, 0.0), "head": (0.0, -0.1, 0.0),
}  # fmt: skip


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe it to the parser."""
    avatar = commands.add_parser(
        "avatar",
        help="the bodies to dance in",
        description="The bodies to dance in.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = avatar.add_subparsers(title="what to do", metavar="WHAT", required=True)
    names = kinds.add_parser("list", help="which ones there are", description="Which bodies there are.")
    names.set_defaults(run=_list)
    show = kinds.add_parser("show", help="draw one from all sides", description="Draw one from all sides.")
    show.add_argument("avatar", metavar="NAME", help=f"{', '.join(AVATARS)}, one of yours, or a baked file")
    show.add_argument("--stage", choices=STAGES, default="studio", help="where it stands (default studio)")
    show.add_argument("--out", type=Path, metavar="FILE.png", help="the picture (default NAME.png)")
    show.set_defaults(run=_show)
    bring = kinds.add_parser(
        "import",
        help="bring a body of your own: VRM, glTF or SMPL-X",
        description="Make an avatar from a file and keep it among your own.",
        epilog=_IMPORT_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bring.add_argument("file", type=Path, metavar="FILE", help=".vrm, .glb, .gltf, or a SMPL-X .npz")
    bring.add_argument("--name", metavar="NAME", help="what it is called from now on (default: as its file)")
    bring.add_argument("--height", type=float, metavar="M", help="how tall it is (default: as in the file)")
    bring.add_argument(
        "--map", action="append", default=[], metavar="JOINT=BONE", help="which bone is a joint; as often as needed"
    )
    bring.add_argument("--plain", action="store_true", help="leave its pictures out: materials' plain colours")
    bring.add_argument("--betas", metavar="B,B,...", help="the shape of a SMPL-X body (default: the mean one)")
    bring.add_argument("--replace", action="store_true", help="in place of your avatar of that name")
    bring.set_defaults(run=_import)


def _import(arguments: argparse.Namespace) -> int:
    from rich.text import Text

    from ui.avatars.bring import Wish, bring

    name = own_name(arguments.name or arguments.file.stem.replace(" ", "_"))
    if name in own_avatars() and not arguments.replace:
        raise InputError(f"--name: expected a new name, got {name!r}, which you have. Choose another, or --replace.")
    check_within("--height", arguments.height, 0.5, 3.0, "metres")
    console = new_console(stderr=True)
    with console.status(Text(f"Reading {arguments.file}")):
        fit = bring(arguments.file, Wish.of(arguments.map, arguments.betas, arguments.height, arguments.plain))
        path = keep_avatar(name, fit.avatar)
    for line in fit.lines():
        new_console().print(line, highlight=False, soft_wrap=True)
    told = f"Wrote {path}. See it: duet avatar show {name}. Dance in it: --follower-avatar {name}"
    console.print(told, soft_wrap=True)
    return 0


def _list(_: argparse.Namespace) -> int:
    from rich.table import Table

    from ui.drawing.avatar import ASSETS

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "is", "height", "vertices", "file"):
        table.add_column(heading, justify="left" if heading in ("name", "is") else "right")
    for name in avatar_names():
        says = avatar_says(name)
        folder = ASSETS if name in AVATARS else own_folder()
        avatar, size = avatar_named(name), (folder / f"{name}.npz").stat().st_size
        height = f"{avatar.vertices_m[:, 1].max():.2f} m"
        table.add_row(name, says, height, f"{len(avatar.vertices_m)}", f"{size // 1024} KiB")
    new_console().print(table)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from PIL import Image

    from duet.files import check_writable, saved_whole
    from ui.drawing.avatar import read_avatar

    known = arguments.avatar in avatar_names()
    if not known and not arguments.avatar.endswith(".npz"):
        raise InputError(
            f"duet avatar show: expected one of {', '.join(avatar_names())} or a baked .npz file, "
            f"got {arguments.avatar!r}."
        )
    path = arguments.out or Path(f"{Path(arguments.avatar).stem}.png")
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: expected a name ending in .png, got '{path.suffix}'. Rename it.")
    check_writable(path)
    avatar = avatar_named(arguments.avatar) if known else read_avatar(Path(arguments.avatar))
    picture = turntable(avatar, arguments.stage)
    with saved_whole(path, "the picture") as unfinished:
        Image.fromarray(picture).save(unfinished, format="PNG")
    new_console(stderr=True).print(f"Wrote {path}")
    return 0


def turntable(avatar: "Avatar", stage: str = "studio", cell: tuple[int, int] = _CELL) -> "NDArray[np.uint8]":
    """(H, W, 3 or, on a clear stage, 4): ``VIEWS`` pictures of ``cell`` (width, height) pixels, all the way round."""
    import numpy as np

    from ui.drawing.scene import SMOOTHING_SAMPLES, Scene, SceneState, create_headless_context
    from ui.staging import Staging

    context = create_headless_context()
    try:
        staging = Staging(stage=stage, camera="front")
        # A square keeps the body as high as the picture; its middle is kept.
        square, left = max(cell), (max(cell) - cell[0]) // 2
        size, samples = (square, cell[1]), SMOOTHING_SAMPLES
        scene = Scene(context, size, samples=samples, staging=staging, rich=True, follower=avatar)
        views = []
        for k in range(VIEWS):
            scene.draw(SceneState(0.0, posed(2.0 * np.pi * k / VIEWS)))
            view = scene.read_clear() if STAGES[stage].is_clear else scene.read()
            views.append(view[:, left : left + cell[0]])
    finally:
        context.release()
    rows = [np.concatenate(views[k : k + _COLUMNS], axis=1) for k in range(0, VIEWS, _COLUMNS)]
    return np.concatenate(rows)


def posed(yaw_rad: float) -> "BodyPose":
    """A body in an open dance hold, its weight on one leg, turned by ``yaw_rad``."""
    import numpy as np

    from duet.poses import RELAXED_PELVIS_HEIGHT_M
    from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix, yaw_matrix
    from duet.skeleton import BODY
    from ui.drawing.avatar import BodyPose

    turns = np.zeros((len(BODY), 3))
    for name, rotvec in _POSE.items():
        turns[BODY.index(name)] = rotvec
    matrices = matrix_from_rotvec(turns)
    matrices[0] = yaw_matrix(yaw_rad)
    root = np.array([0.0, RELAXED_PELVIS_HEIGHT_M, 0.0])
    return BodyPose(root, quaternion_wxyz_from_matrix(matrices))
