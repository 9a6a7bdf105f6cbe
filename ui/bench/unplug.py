"""``duet bench unplug``: cameras and sound cards taken away and given back at random, printed."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from duet.errors import InputError
from duet.terminal import new_console
from ui.limits import check_within

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from realtime.bench.unplug import Outcome

_EPILOG = """\
Nothing of this machine is unplugged: a virtual camera, microphone and speaker are, each beside a twin of its name.
They go silent, end their stream, hang or crash whoever uses them, come back under other numbers, and now and then
vanish once more while they are opened. The cameras of odd seeds have no serial numbers: only their sockets tell them
apart. Printed is the time from the last return until each is in use again.

examples:
  duet bench unplug                      100 sequences, about six minutes
  duet bench unplug --sequences 5        a short look
  duet bench unplug --seed 1             another hundred, cameras without serial numbers
"""


def add_unplug(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``bench unplug`` to the parser."""
    unplug = kinds.add_parser(
        "unplug",
        help="how soon vanished cameras and sound cards are back, and whether they are the right ones",
        description="Take virtual devices away at random and give them back.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    unplug.add_argument("--sequences", type=int, default=100, metavar="N", help="how many (default 100)")
    unplug.add_argument("--seed", type=int, default=0, metavar="N", help="of what happens (default 0)")
    unplug.set_defaults(run=_unplug)


def _unplug(arguments: argparse.Namespace) -> int:
    from rich.progress import Progress

    from realtime.bench.unplug import GOAL_S, opened

    check_within("--sequences", arguments.sequences, 1, 10_000)
    if arguments.seed < 0:
        raise InputError(f"--seed: expected 0 or more, got {arguments.seed}.")
    console = new_console()
    outcomes: list[Outcome] = []
    with Progress(console=console, transient=True) as progress, opened(arguments.seed) as run:
        for sequence in progress.track(range(arguments.sequences), description="unplugging"):
            found = run(sequence)
            outcomes += found
            for outcome in found:
                if not outcome.good:
                    console.print(*_sentence(sequence, outcome), soft_wrap=True)
    console.print(_table(outcomes))
    good = all(outcome.good for outcome in outcomes)
    verdict = f"{arguments.sequences} sequences, seed {arguments.seed}: no crash"
    aims = (
        f"all back within {GOAL_S:g} s, the right device each time" if good else "not all as they should be, see above"
    )
    console.print(f"{verdict}, {aims}.", soft_wrap=True)
    return 0 if good else 1


def _sentence(sequence: int, outcome: "Outcome") -> "tuple[str, str | Text]":
    """What went wrong, and which device came back."""
    from rich.text import Text

    loss = outcome.loss
    then = f", then '{loss.false_start}' while it was opened" if loss.false_start else ""
    device = "the right device" if outcome.right else Text("another device", style="red")
    went = f"sequence {sequence}: {outcome.kind} went by '{loss.fault}' for {loss.away_s:.1f} s{then}:"
    return f"{went} in use {outcome.back_s:.1f} s after its return,", device


def _table(outcomes: "Sequence[Outcome]") -> "Table":
    """One row per kind of device and way of going."""
    import numpy as np
    from rich.table import Table

    from realtime.bench.unplug import GOAL_S

    table = Table(box=None, pad_edge=False)
    for heading in ("device", "went by", "n", "back s p50", "p95", "max", "in time", "right"):
        table.add_column(heading, justify="left" if heading in ("device", "went by") else "right")
    ways = dict.fromkeys((o.kind, o.loss.fault) for o in sorted(outcomes, key=lambda o: (o.kind, o.loss.fault)))
    for kind, fault in [*ways, ("all", "")]:
        rows = [o for o in outcomes if kind == "all" or (o.kind, o.loss.fault) == (kind, fault)]
        back_s = np.array([o.back_s for o in rows])
        p50, p95 = np.sort(back_s)[[len(rows) // 2, int(0.95 * (len(rows) - 1))]]
        in_time, right = sum(o.back_s <= GOAL_S for o in rows), sum(o.right for o in rows)
        cells = (f"{p50:.2f}", f"{p95:.2f}", f"{back_s.max():.2f}", f"{in_time}/{len(rows)}", f"{right}/{len(rows)}")
        table.add_row(kind, fault, str(len(rows)), *cells)
    return table
