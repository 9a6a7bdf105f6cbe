"""``duet bench beats``: the live beat tracker on generated music whose beats are known."""

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from duet.errors import InputError
from duet.terminal import new_console

if TYPE_CHECKING:
    from rich.table import Table

    from realtime.bench.beats import Judged, Summary

_EPILOG = """\
columns: F and AMLt of the beats (70 ms; any metrical level), median time to lock and to be back after a jump or a
silence with the share within 4 s, F of the downbeats, and how far off the announced next beat is. The rows in brackets
are trials; "(beyond)" is music slower or faster than its style is as a rule, "usual tempi" all other pieces. The aims
stand below. The exit code is 1 when one is missed: a beat announced in silence, speech or a crowd is one.

examples:
  duet bench beats                       all 72 pieces, a few minutes
  duet bench beats --style waltz         one style
  duet bench beats --seed 1              another set: other tempi, other chords, other players, other speakers
  duet bench beats --pieces              also every piece, the worst first
  duet bench beats --steps               also with a leader's steps as a second witness
"""


def add_beats(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``bench beats`` to the parser."""
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
    beats.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from rich.progress import Progress

    from duet.pieces import piece_set
    from realtime.bench.beats import STEPS, TRACKER, aims, false_locks, judge, tables, track_live, track_with_steps
    from ui.bench.output import aims_table

    if arguments.seed < 0:
        raise InputError(f"--seed: expected 0 or more, got {arguments.seed}.")
    everything = piece_set(arguments.seed)
    pieces = [piece for piece in everything if arguments.style in (None, piece.style)]
    if not pieces:
        styles = ", ".join(dict.fromkeys(piece.style for piece in everything))
        raise InputError(f"--style: expected one of {styles}, got {arguments.style!r}. Choose one of these.")
    console = new_console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("listening", total=len(pieces))
        track = {TRACKER: track_live} | ({STEPS: track_with_steps} if arguments.steps else {})
        judged = judge(pieces, track, lambda: progress.advance(task))
        progress.update(task, description="listening to speech")
        locks = false_locks(arguments.seed)
    found = tables(judged)
    for tracker, groups in found.items():
        console.print(_table(tracker, groups))
        if arguments.pieces:
            console.print(_by_piece(tracker, judged))
    console.print("Announced a beat where there is none: " + ", ".join(f"{n} {s:.1%}" for n, s in locks.items()))
    held = aims(found[TRACKER]["all"], locks)
    console.print(aims_table(held))
    return 0 if all(aim.holds for aim in held) else 1


def _by_piece(tracker: str, judged: "Sequence[Judged]") -> "Table":
    from realtime.bench.beats import summarise

    own = sorted((each for each in judged if each.tracker == tracker), key=lambda each: each.score.f)
    return _table(f"{tracker}, by piece", {each.piece.name: summarise([each]) for each in own})


def _table(title: str, groups: "dict[str, Summary]") -> "Table":
    """One row per group."""
    from rich.table import Table

    # Without lines, all columns fit into a terminal of 80.
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column("music", no_wrap=True)
    for heading in ("n", "F", "AMLt", "lock s", "in 4 s", "back s", "in 4 s", "bar F", "next ms", "p90"):
        table.add_column(heading, justify="right")
    for name, row in groups.items():
        recovered = "-" if math.isnan(row.recovered_in_time) else f"{row.recovered_in_time:.0%}"
        cells = [
            str(row.pieces), f"{row.f:.3f}", f"{row.amlt:.3f}", _number(row.lock_median_s), f"{row.locked_in_time:.0%}",
            _number(row.recovery_median_s), recovered, f"{row.downbeat_f:.3f}", _number(1e3 * row.predicted_median_s),
            _number(1e3 * row.predicted_p90_s),
        ]  # fmt: skip
        table.add_row(name, *cells)
    return table


def _number(value: float) -> str:
    """Rounded; a dash where there is none, ``never`` where it is infinite."""
    return "-" if math.isnan(value) else "never" if math.isinf(value) else f"{value:.1f}"
