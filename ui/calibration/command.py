"""``duet calibrate``: what this machine's senses cost, measured; see each command's own help."""

import argparse
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from duet.terminal import new_console
from ui.calibration.watch import watch
from ui.camera_options import add_look, camera_source, look_of
from ui.limits import check_within

if TYPE_CHECKING:
    from realtime.sight.steadiness import Jitter, Steadiness

_GOAL_FPS = 30.0
_NOISE_MM = 8.0
_SETTLE_S = 2.0
_RATES_FPS = (5.0, _GOAL_FPS, 60.0, 120.0)
_TRACKING = """\
Noise of 8 mm (per axis, every landmark, every picture) goes through gates, filters and inverse kinematics as a
camera's would. Printed are the jitter of somebody standing still (mm rms per axis, all joints; aim: 3) and the lag
added to an arm that swings at 1.5 Hz (ms; aim: 33), at several picture rates, and what lighter and calmer smoothing
would cost. With --camera a real one is measured, too: stand still, the whole body in the picture. The panel of
`duet play` shows what was found.

examples:
  duet calibrate tracking                       the filters by themselves, nothing attached
  duet calibrate tracking --camera 0            and you, standing still, for ten seconds
  duet calibrate tracking --camera still.mp4    a video of somebody who stands
"""


def add_tracking(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``calibrate tracking`` to the parser."""
    tracking = kinds.add_parser(
        "tracking",
        help="jitter at rest and lag in motion",
        description="Measure how steady and how late tracking is.",
        epilog=_TRACKING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tracking.add_argument("--camera", metavar="N|VIDEO", help="also measure a camera (its number), a video or a URL")
    tracking.add_argument("--seconds", type=float, default=10.0, metavar="N", help="stand still so long (default 10)")
    tracking.add_argument("--noise", type=float, default=_NOISE_MM, metavar="MM", help="of the landmarks (default 8)")
    add_look(tracking)
    tracking.set_defaults(run=_tracking)


def _tracking(arguments: argparse.Namespace) -> int:
    check_within("--noise", arguments.noise, 0.0, 50.0, "mm", "The pose model's is near 8.")
    check_within("--seconds", arguments.seconds, 5.0, 600.0)
    console = new_console()
    seen = None
    if arguments.camera:
        from realtime.sight.steadiness import rest_jitter

        source, look = camera_source(arguments.camera), look_of(arguments)
        asks = ("stand still", "stand still")
        seen = rest_jitter(watch(console, source, look, wait_s=_SETTLE_S, seconds=arguments.seconds, asks=asks))
        console.print(_sentence(seen), soft_wrap=True)
    found = _print_filters(console, 1e-3 * arguments.noise)
    _keep(console, arguments, found, seen)
    return 0 if found.is_good else 1


def _keep(console: Console, arguments: argparse.Namespace, found: "Steadiness", seen: "Jitter | None") -> None:
    """For the panel: of a camera its own jitter, else that of the usual noise; a video is no device."""
    from realtime.calibration import Steady, load_calibration, save_calibration
    from realtime.identity import camera_identity

    identity = camera_identity(camera_source(arguments.camera)) if arguments.camera else None
    calibration = load_calibration()
    if arguments.noise == _NOISE_MM:
        calibration = calibration.with_steady(None, Steady(found.rest.body_mm, found.swing_lag_ms, "synthetic"))
    if identity is not None and seen is not None:
        calibration = calibration.with_steady(identity, Steady(seen.body_mm, found.swing_lag_ms, "camera"))
    if calibration != load_calibration():
        console.print(f"Kept for the panel in {save_calibration(calibration)}", soft_wrap=True)


def _print_filters(console: Console, noise_m: float) -> "Steadiness":
    """Both tables; what was found at 30 fps."""
    from realtime.sight.filters import SMOOTHINGS, STAGE
    from realtime.sight.steadiness import JITTER_GOAL_MM, LAG_GOAL_MS, measure

    rates = _table(f"smoothing of the stage, noise {1e3 * noise_m:g} mm", "fps")
    trade = _table("what lighter and calmer smoothing would cost, 30 fps", "smoothing")
    found: dict[float, Steadiness] = {}
    with console.status("swinging arms") as status:
        for fps in _RATES_FPS:
            status.update(f"swinging arms at {fps:g} fps")
            found[fps] = measure(fps, noise_m)
            rates.add_row(f"{fps:g}", *_cells(found[fps]))
        for name, smoothing in SMOOTHINGS.items():
            status.update(f"swinging arms, smoothing {name}")
            trade.add_row(
                name, *_cells(found[_GOAL_FPS] if smoothing is STAGE else measure(_GOAL_FPS, noise_m, smoothing))
            )
    at_goal = found[_GOAL_FPS]
    console.print(rates)
    console.print(trade)
    verdict, style = ("both aims hold", "green") if at_goal.is_good else ("the aims do not hold together", "yellow")
    aims = f"(still {JITTER_GOAL_MM:g} mm, lag {LAG_GOAL_MS:g} ms)"
    console.print(Text(f"{verdict} at 30 fps", style=style), aims)
    return at_goal


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in (first, "still mm", "worst joint mm", "arm lag ms", "arm size", "sway lag ms", "depth lag ms"):
        table.add_column(name, justify="left" if name == "smoothing" else "right")
    return table


def _cells(found: "Steadiness") -> tuple[str, ...]:
    return (
        f"{found.rest.body_mm:.1f}",
        f"{found.rest.worst_mm:.1f}",
        f"{found.swing_lag_ms:.0f}",
        f"{found.swing_gain:.2f}",
        f"{found.sway_lag_ms:.0f}",
        f"{found.depth_lag_ms:.0f}",
    )


def _sentence(jitter: "Jitter") -> str:
    return (
        f"camera: still {jitter.body_mm:.1f} mm rms, pose alone {jitter.pose_mm:.1f} mm, "
        f"worst {jitter.worst_joint.replace('_', ' ')} {jitter.worst_mm:.1f} mm"
    )
