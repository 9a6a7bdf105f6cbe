"""``duet bench``: measures of what Duet hears, printed."""

import argparse
from typing import TYPE_CHECKING

from duet.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from realtime.bench_beats import Summary

_EPILOG = """\
columns: F and AMLt of the beats (70 ms; any metrical level), median time to lock and to be back after a jump or a
silence with the share within 4 s, F of the downbeats, and how far off the announced next beat is.

examples:
  duet bench beats                       all 54 pieces, a few minutes
  duet bench beats --style waltz         one style
  duet bench beats --seed 1              another set: other tempi, other chords, other players
"""


def add_bench(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register ``duet bench``."""
    bench = commands.add_parser("bench", help="measure how well Duet hears", description=__doc__)
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
    beats.set_defaults(run=_beats)


def _beats(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from duet.pieces import piece_set
    from realtime.bench_beats import TRACKER, false_locks, judge, tables, track_live

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
        judged = judge(pieces, {TRACKER: track_live}, lambda: progress.advance(task))
        locks = false_locks()
    for tracker, groups in tables(judged).items():
        console.print(_table(tracker, groups, live=tracker == TRACKER))
    console.print("Announced a beat where there is none: " + ", ".join(f"{n} {s:.1%}" for n, s in locks.items()))
    return 0


def _table(tracker: str, groups: "dict[str, Summary]", *, live: bool) -> "Table":
    """One row per group; what an offline tracker does not say is left out."""
    from rich.table import Table

    # Without lines, all columns fit into a terminal of 80.
    table = Table(title=tracker, box=None, pad_edge=False)
    table.add_column("music", no_wrap=True)
    for heading in ("n", "F", "AMLt", "lock s", "in 4 s", "back s", "in 4 s"):
        table.add_column(heading, justify="right")
    for heading in ("bar F", "next ms", "p90") if live else ():
        table.add_column(heading, justify="right")
    for name, row in groups.items():
        cells = [
            str(row.pieces), f"{row.f:.3f}", f"{row.amlt:.3f}", _number(row.lock_median_s), f"{row.locked_in_time:.0%}",
            _number(row.recovery_median_s), "-" if row.recovered_in_time != row.recovered_in_time
            else f"{row.recovered_in_time:.0%}",
        ]  # fmt: skip
        if live:
            cells += [
                f"{row.downbeat_f:.3f}",
                _number(1e3 * row.predicted_median_s),
                _number(1e3 * row.predicted_p90_s),
            ]
        table.add_row(name, *cells)
    return table


def _number(value: float) -> str:
    """Rounded; a dash where there is none, ``never`` where it is infinite."""
    return "-" if value != value else "never" if value == float("inf") else f"{value:.1f}"
