"""``duet avatar``: the bodies that ship, and a turntable of any of them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from duet.errors import InputError
from ui.drawing.avatar import AVATARS
from ui.drawing.stages import STAGES

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
    show.add_argument("avatar", metavar="NAME", help=f"{', '.join(AVATARS)}, or a baked file")
    show.add_argument("--stage", choices=STAGES, default="studio", help="where it stands (default studio)")
    show.add_argument("--out", type=Path, metavar="FILE.png", help="the picture (default NAME.png)")
    show.set_defaults(run=_show)


def _list(_: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from ui.drawing.avatar import ASSETS, shipped_avatar

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "is", "height", "vertices", "file"):
        table.add_column(heading, justify="left" if heading in ("name", "is") else "right")
    for name, says in AVATARS.items():
        avatar, size = shipped_avatar(name), (ASSETS / f"{name}.npz").stat().st_size
        height = f"{avatar.vertices_m[:, 1].max():.2f} m"
        table.add_row(name, says, height, f"{len(avatar.vertices_m)}", f"{size // 1024} KiB")
    Console().print(table)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from PIL import Image
    from rich.console import Console

    from duet.files import check_writable, written_whole
    from ui.drawing.avatar import read_avatar, shipped_avatar

    known = arguments.avatar in AVATARS
    if not known and not arguments.avatar.endswith(".npz"):
        raise InputError(
            f"duet avatar show: expected one of {', '.join(AVATARS)} or a baked .npz file, got {arguments.avatar!r}."
        )
    path = arguments.out or Path(f"{Path(arguments.avatar).stem}.png")
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: expected a name ending in .png, got '{path.suffix}'. Rename it.")
    check_writable(path)
    avatar = shipped_avatar(arguments.avatar) if known else read_avatar(Path(arguments.avatar))
    picture = turntable(avatar, arguments.stage)
    with written_whole(path) as unfinished:
        Image.fromarray(picture).save(unfinished, format="PNG")
    Console(stderr=True).print(f"Wrote {path}")
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
