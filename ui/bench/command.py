"""``duet bench``: measures of what Duet hears, sees and draws, printed."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from duet.errors import InputError
from ui.bench.compare import add_compare
from ui.bench.e2e import add_e2e
from ui.bench.everything import add_all
from ui.bench.faults import add_faults
from ui.bench.follow import add_follow
from ui.bench.live import add_live
from ui.bench.model import add_model
from ui.bench.peers import add_peers
from ui.bench.render import add_render
from ui.bench.unplug import add_unplug

if TYPE_CHECKING:
    from rich.table import Table

    from realtime.bench.beats import Summary

_EPILOG = """\
columns: F and AMLt of the beats (70 ms; any metrical level), median time to lock and to be back after a jump or a
silence with the share within 4 s, F of the downbeats, and how far off the announced next beat is.

examples:
  duet bench beats                       all 54 pieces, a few minutes
  duet bench beats --style waltz         one style
  duet bench beats --seed 1              another set: other tempi, other chords, other players
  duet bench beats --pieces              also every piece, the worst first
  duet bench beats --steps               also with a leader's steps as a second witness
"""

PARTS = ("live", "steady", "true")
_PERCEPTION = """\
live    a rendered lead (or your own --camera) is tracked while music is heard and the follower dances, for --seconds.
        "picture to leader": from a picture's arrival to the LeaderFrame. "age when taken up": how long a picture had
        waited when the pose model began with it. Run it with nothing else going on; a claim wants --seconds 600.
steady  noise of 8 mm through gates, filters and inverse kinematics: what `duet calibrate tracking` measures.
true    salsa leads (of --data, else choreographed) drawn with our avatar, filmed, tracked and lifted, beside the truth:
        joints relative to the pelvis, mean over torso and legs; the path after one shift for the whole dance. The rows
        below show where the error arises: the same with the picture's points, the depth, or both replaced by the truth.
`duet bench beats` measures how well the beat is heard.

examples:
  duet bench perception --seconds 600 --json perception.json
  duet bench perception --only true --data DATA
  duet bench perception --only live --camera camera:0
"""


def add_bench(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Register ``duet bench``; ``follower`` is the one that dances unless another is asked for."""
    bench = commands.add_parser("bench", help="measure how well Duet hears, sees and draws", description=__doc__)
    kinds = bench.add_subparsers(title="what to measure", metavar="WHAT", required=True)
    beats = kinds.add_parser(
        "beats",
        help="the beat tracker, on generated music whose beats are known",
        description="Play generated dance music to the live beat tracker and score what it announces. "
        "The music is kept in the cache for the next time.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    beats.add_argument("--style", metavar="NAME", help="only pieces of this style, such as salsa or 6/8")
    beats.add_argument("--seed", type=int, default=0, metavar="N", help="of the set (default 0)")
    beats.add_argument("--pieces", action="store_true", help="also list every piece, the worst first")
    beats.add_argument("--steps", action="store_true", help="also listen while a leader steps to the music")
    beats.set_defaults(run=_beats)
    add_unplug(kinds)
    add_faults(kinds, follower)
    add_render(kinds)
    add_follow(kinds, follower)
    _add_perception(kinds, follower)
    add_model(kinds, follower)
    add_live(kinds, follower)
    add_e2e(kinds, follower)
    add_peers(kinds)
    add_compare(kinds)
    add_all(kinds, follower)


def _add_perception(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    perception = kinds.add_parser(
        "perception",
        help="the tracked leader: how early, how steady, how true",
        description="Measure how early, how steady and how true the leader arrives.",
        epilog=_PERCEPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    perception.add_argument("--seconds", type=float, default=60.0, metavar="N", help="of the live part (default 60)")
    perception.add_argument("--film-seconds", type=float, default=20.0, metavar="N", help="of each lead (default 20)")
    perception.add_argument("--only", choices=PARTS, help="one part of the three")
    perception.add_argument("--camera", metavar="SOURCE", help="of the live part: camera:0, a video or a URL")
    perception.add_argument("--data", type=Path, metavar="DIR", help="recorded leads (default: the variable DUET_DATA)")
    perception.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    perception.add_argument("--json", metavar="FILE", help="also write everything measured; - prints it and no table")
    perception.set_defaults(run=_perception)


def _perception(arguments: argparse.Namespace) -> int:
    from ui.bench.perception import run

    if arguments.data is None and (named := os.environ.get("DUET_DATA")):
        arguments.data = Path(named)
    return run(arguments, (arguments.only,) if arguments.only else PARTS)


def _beats(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from duet.pieces import piece_set
    from realtime.bench.beats import STEPS, TRACKER, false_locks, judge, summarise, tables, track_live, track_with_steps

    if arguments.seed < 0:
        raise InputError(f"--seed: expected 0 or more, got {arguments.seed}.")
    everything = piece_set(arguments.seed)
    pieces = [piece for piece in everything if arguments.style in (None, piece.style)]
    if not pieces:
        styles = ", ".join(dict.fromkeys(piece.style for piece in everything))
        raise InputError(f"--style: expected one of {styles}, got {arguments.style!r}. Choose one of these.")
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("listening", total=len(pieces))
        track = {TRACKER: track_live} | ({STEPS: track_with_steps} if arguments.steps else {})
        judged = judge(pieces, track, lambda: progress.advance(task))
        locks = false_locks()
    for tracker, groups in tables(judged).items():
        console.print(_table(tracker, groups))
        if arguments.pieces:
            own = sorted((each for each in judged if each.tracker == tracker), key=lambda each: each.score.f)
            console.print(_table(f"{tracker}, by piece", {each.piece.name: summarise([each]) for each in own}))
    console.print("Announced a beat where there is none: " + ", ".join(f"{n} {s:.1%}" for n, s in locks.items()))
    return 0


def _table(title: str, groups: "dict[str, Summary]") -> "Table":
    """One row per group."""
    from rich.table import Table

    # Without lines, all columns fit into a terminal of 80.
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column("music", no_wrap=True)
    for heading in ("n", "F", "AMLt", "lock s", "in 4 s", "back s", "in 4 s", "bar F", "next ms", "p90"):
        table.add_column(heading, justify="right")
    for name, row in groups.items():
        cells = [
            str(row.pieces), f"{row.f:.3f}", f"{row.amlt:.3f}", _number(row.lock_median_s), f"{row.locked_in_time:.0%}",
            _number(row.recovery_median_s), "-" if row.recovered_in_time != row.recovered_in_time
            else f"{row.recovered_in_time:.0%}",
            f"{row.downbeat_f:.3f}", _number(1e3 * row.predicted_median_s), _number(1e3 * row.predicted_p90_s),
        ]  # fmt: skip
        table.add_row(name, *cells)
    return table


def _number(value: float) -> str:
    """Rounded; a dash where there is none, ``never`` where it is infinite."""
    return "-" if value != value else "never" if value == float("inf") else f"{value:.1f}"
