"""``duet calibrate stage``: where in the room the middle of the stage is, and where it faces."""

import argparse
import math

from rich.console import Console

from duet.errors import InputError
from duet.terminal import new_console
from realtime.calibration import load_calibration, save_calibration
from realtime.identity import camera_identity, camera_name
from realtime.sight.placement import Lens, StageMap
from ui.calibration.watch import watch
from ui.camera_options import add_look, camera_source, look_of
from ui.limits import check_within

_WALK_S, _SETTLE_S = 3.0, 1.0
_MORE = """\
Put a mark on the floor where you want to dance, the whole body in the picture. Start the command, walk to the mark from
further away (that tells the camera's tilt), stand still and face the audience (the projection, the screen, the hall:
not necessarily the camera). From then on somebody on the mark is in the middle of the stage, facing the audience, and
the partner stands at its distance from there. It is kept for this very camera, wherever it is plugged in; `duet play`
uses it.

While dancing, arrows move the leader, comma and full stop turn them, C makes the place they stand on the middle,
brackets change the partner's distance, Home undoes, and Enter keeps it all for this camera.

examples:
  duet calibrate stage --camera 0 --height 1.72
  duet calibrate stage --camera 0 --height 1.72 --away 3.2     3.2 m from camera to mark: depth is exact from then on
  duet calibrate stage --camera 0 --distance 1.1               and the partner dances 1.1 m away
  duet calibrate stage --camera 0 --forget                     back to what is assumed
"""


def add_stage(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``calibrate stage`` to the parser."""
    stage = kinds.add_parser(
        "stage",
        help="stand on the mark: the middle of the stage",
        description="Tell where in the room the middle of the stage is, and where the audience is.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stage.add_argument("--camera", default="0", metavar="N|URL", help="the camera's number (default 0) or address")
    stage.add_argument("--wait", type=float, default=8.0, metavar="N", help="seconds to walk to the mark (default 8)")
    stage.add_argument("--seconds", type=float, default=4.0, metavar="N", help="stand still so long (default 4)")
    stage.add_argument("--height", type=float, metavar="M", help="your height; asked for where it was never told")
    stage.add_argument("--away", type=float, metavar="M", help="from the camera to the mark, measured along the floor")
    stage.add_argument("--distance", type=float, metavar="M", help="how far away the partner dances here")
    stage.add_argument(
        "--forget", action="store_true", help="forget this camera's mark, facing, tilt, lens, offset and distance"
    )
    add_look(stage)
    stage.set_defaults(run=_stage)


def _stage(arguments: argparse.Namespace) -> int:
    for name, value, least, most in (
        ("--wait", arguments.wait, 0.0, 120.0),
        ("--seconds", arguments.seconds, 2.5, 60.0),
        ("--height", arguments.height, 0.8, 2.5),
        ("--away", arguments.away, 0.8, 20.0),
        ("--distance", arguments.distance, 0.4, 3.0),
    ):
        check_within(name, value, least, most)
    console = new_console()
    source = camera_source(arguments.camera)
    identity = camera_identity(source)
    if identity is None:
        raise InputError(
            f"--camera: expected a camera or a stream, got the file {arguments.camera}. A video has no room."
        )
    if arguments.forget:
        return _forget(console, source, identity)
    return _measure(console, arguments, source, identity)


def _forget(console: Console, source: str, identity: str) -> int:
    from realtime.sight.stage_shift import Shift

    changes = {
        "pitch_rad": 0.0,
        "mark_m": None,
        "facing_rad": 0.0,
        "fov_rad": None,
        "shift": Shift(),
        "distance_m": None,
    }
    path = save_calibration(load_calibration().with_camera(identity, **changes))
    console.print(f"{camera_name(source)}: forgotten in {path}", soft_wrap=True)
    return 0


def _measure(console: Console, arguments: argparse.Namespace, source: str, identity: str) -> int:
    from realtime.sight.stage_mark import standpoint
    from realtime.sight.stage_shift import Shift

    kept = load_calibration()
    height_m = arguments.height or kept.height_m or _ask_height(console)
    lens = kept.camera(identity).lens
    wait_s = arguments.wait
    if wait_s >= _WALK_S:
        lens, wait_s = _tilted(console, arguments, source, lens), _SETTLE_S
    frames = watch(
        console,
        source,
        look_of(arguments),
        wait_s=wait_s,
        seconds=arguments.seconds,
        asks=("go to the mark", "stand still, face the audience"),
        lens=lens,
        stage=StageMap(mark_m=(0.0, 0.0)),
        height_m=height_m,
    )
    found = standpoint(frames, lens, away_m=arguments.away)
    changes: dict[str, object] = {
        "mark_m": found.mark_m, "facing_rad": found.facing_rad, "pitch_rad": found.lens.pitch_rad,
        # Where somebody was moved to was meant from the mark before.
        "shift": Shift(),
    }  # fmt: skip
    if arguments.away is not None:
        changes["fov_rad"] = found.lens.fov_rad
    if arguments.distance is not None:
        changes["distance_m"] = arguments.distance
    # Read again: somebody may have kept something else meanwhile.
    calibration = load_calibration().with_camera(identity, name=camera_name(source), **changes)
    if height_m is not None:
        calibration = calibration.with_height(height_m)
    path = save_calibration(calibration)
    turned = math.degrees(found.facing_rad)
    console.print(
        f"{camera_name(source)}: the mark is {found.away_m:.2f} m away, {found.mark_m[0]:+.2f} m across "
        f"(strayed {100 * found.spread_m:.1f} cm in {found.seconds:.1f} s); the audience is "
        + (
            "at the camera"
            if turned == 0.0
            else f"{abs(turned):.0f} degrees to your {'left' if turned > 0 else 'right'} of it"
        )
        + (f"; field of view {math.degrees(found.lens.fov_rad):.0f} degrees" if arguments.away is not None else ""),
        soft_wrap=True,
    )
    if height_m is None:
        console.print("Your height was not told: distances are those of somebody of 1.66 m. Give --height.")
    console.print(f"Kept for this camera in {path}", soft_wrap=True)
    return 0


def _tilted(console: Console, arguments: argparse.Namespace, source: str, lens: Lens) -> Lens:
    """The lens with the tilt that the walk to the mark shows, or the one that was known."""
    from realtime.sight.camera_tilt import tilt
    from realtime.sight.preview import Sight

    sights: list[Sight] = []
    asks = ("", "walk to the mark from further away")
    watch(console, source, look_of(arguments), wait_s=0.0, seconds=arguments.wait, asks=asks, sights=sights)
    found = tilt(sights, lens)
    if found is None:
        console.print(
            f"The camera's tilt is taken to be {math.degrees(lens.pitch_rad):.0f} degrees: "
            "the walk was too short, or not in view from ears to ankles, to tell it."
        )
        return lens
    degrees = math.degrees(found.pitch_rad)
    console.print(f"The camera looks {'up' if degrees > 0 else 'down'} by {abs(degrees):.0f} degrees.")
    return Lens(lens.fov_rad, found.pitch_rad)


def _ask_height(console: Console) -> float | None:
    """Asked once, where somebody can answer; None: estimated."""
    if not console.is_terminal:
        return None
    from rich.prompt import Prompt

    while True:
        try:
            answer = Prompt.ask("Your height in metres (Enter: not told)", default="", console=console)
        except EOFError:  # Ctrl-D: nobody answers
            console.print()
            return None
        if not answer:
            return None
        try:
            height_m = float(answer.replace(",", "."))
        except ValueError:
            continue
        if 0.8 <= height_m <= 2.5:
            return height_m
