"""``duet replay``: a recorded session, danced again and compared with what was shown; a film of it, if asked."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from duet.errors import InputError
from duet.files import check_writable
from duet.terminal import new_console
from ui.options import size_of
from ui.outputs import check_apart

if TYPE_CHECKING:
    from realtime.motion_log import MotionLog
    from realtime.sessions.session_replay import Verdict

_MORE = """\
A session holds what the follower saw, heard and was asked, and when, but no picture and no sound. Replayed on the
machine that recorded it, every number is the same to the last bit; on another one joints may be off, which is said.

examples:
  duet play --leader camera:0 --music song.mp3 --record friday     record a session
  duet replay friday                                               dance it again and compare
  duet replay friday --out friday.mp4                              and make a film of it
  duet replay friday --paced                                       as slowly as it was danced

exit code: 0 the same dance (to the bit, or on another machine within the tolerance), 1 another dance, 2 no session.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe it to the parser; ``follower`` is the usual one."""
    command = commands.add_parser(
        "replay",
        help="dance a recorded session again, and compare",
        description="Dance a recorded session again, to the bit, as fast as it goes.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("session", type=Path, metavar="DIR", help="the folder that --record named")
    command.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="the follower that danced it")
    command.add_argument("--also", type=Path, metavar="DIR", help="the second follower, where there was one")
    command.add_argument("--out", type=Path, metavar="FILM.mp4", help="make a silent film of it")
    command.add_argument("--size", default="640x360", metavar="WxH", help="of the film (default 640x360)")
    command.add_argument("--save-motion", type=Path, metavar="FILE.npz", help="keep both dancers' joints, 30 fps")
    command.add_argument("--paced", action="store_true", help="by the clock, not as fast as it goes")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from realtime.cast import Member
    from realtime.inference.runner_ort import OrtRunner
    from realtime.motion_log import MotionLog
    from realtime.sessions.session_replay import Session

    film, motion = arguments.out, arguments.save_motion
    for path, suffix in ((film, ".mp4"), (motion, ".npz")):
        if path is not None:
            if path.suffix.lower() != suffix:
                raise InputError(f"{path}: expected a name ending in {suffix}, got '{path.suffix}'. Rename it.")
            check_writable(path)
    read = {"DIR": arguments.session, "--follower": arguments.follower, "--also": arguments.also}
    check_apart({"--out": film, "--save-motion": motion}, read)
    size = size_of(arguments.size)
    console = new_console(stderr=True)
    session = Session(arguments.session)
    try:
        with console.status("Loading the follower"):
            runner = OrtRunner(arguments.follower)
            other = None if arguments.also is None else OrtRunner(arguments.also)
        log = MotionLog(runner.contract.fps) if film is not None or motion is not None else None
        with console.status("Dancing again: Ctrl-C to stop") as status:
            verdict = session.replay(
                runner.contract,
                runner,
                runner.forecaster,
                log=log,
                also=None if other is None else (Member(other.contract, other.forecaster), other),
                paced=arguments.paced,
                told=lambda at_s: status.update(f"Dancing again: {at_s:.0f} s · Ctrl-C to stop"),
            )
    finally:
        session.close()
    is_written = log is None or _write(log, motion, film, size, console)
    code = _tell(console, verdict)
    return code if is_written else 2


def _write(log: "MotionLog", motion: Path | None, film: Path | None, size: tuple[int, int], console: Console) -> bool:
    """Write what was asked for of the dance, and say so; where nothing was danced, say that. Whether it was written."""
    from ui.drawing.dance import dance_of
    from ui.film_take import Drawing, write_film
    from ui.kept import nothing_danced

    asked = [path for path in (film, motion) if path is not None]
    if unwritten := nothing_danced(log, *asked):
        console.print(unwritten, soft_wrap=True)
        return False
    if motion is not None:
        log.save(motion)
    if film is not None:
        dance = dance_of(log.arrays())
        write_film(film, Drawing((dance,), 0.0, dance.seconds), size, dance.fps, None, console)
    for path in asked:
        console.print(f"Wrote {path}")
    return True


def _tell(console: Console, verdict: "Verdict") -> int:
    """Say what was found; the exit code."""
    from realtime.sessions.session_replay import TOLERANCE_M

    danced = f"Danced {verdict.seconds:.1f} s again: {verdict.ticks} ticks, {verdict.poses} poses"
    if verdict.lost:
        console.print(verdict.lost)
    elif not verdict.complete:
        console.print("The recording was cut off: it has no end.")
    if verdict.is_equal:
        console.print(f"{danced}, equal to the bit.")
        return 0
    first = verdict.first_difference or "in its poses"
    console.print(
        f"{danced}. {verdict.different_ticks} times a tick differs, first {first}; "
        f"{verdict.different_poses} poses differ, joints by {verdict.furthest_m * 1e3:.2f} mm at most "
        f"(at {verdict.furthest_at_s:.1f} s)."
    )
    within = math.isfinite(verdict.furthest_m) and verdict.furthest_m <= TOLERANCE_M
    if verdict.same_machine:
        console.print("It was recorded on a machine like this one: something else has changed.")
    elif within:
        console.print(f"Another machine or runtime danced it: up to {TOLERANCE_M * 1e3:g} mm is the same dance.")
    return 0 if within and not verdict.same_machine else 1
