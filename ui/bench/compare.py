"""``duet bench compare``: two runs of one bench beside each other, as ratios, and whether they may be compared."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duet.errors import InputError
from duet.terminal import new_console
from realtime.bench.provenance import SAME_MACHINE
from realtime.bench.record import BenchRecord, read_json, record_of
from realtime.bench.suite import SUITE_SCHEMA, suite_of

if TYPE_CHECKING:
    from rich.table import Table

_EPILOG = """\
The second by the first: 0.50 is twice as fast. "apart" says whether the intervals of p99 do not overlap; where they do,
another run might say the opposite. Runs of different machines are shown, and said to be. Of two runs of duet bench all,
every part that both have.

examples:
  duet bench compare before.json after.json
"""


def add_compare(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``bench compare`` to the parser."""
    compare = kinds.add_parser(
        "compare",
        help="two runs of one bench, as ratios",
        description="Hold two records that duet bench wrote with --json beside each other.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    compare.add_argument("first", type=Path, metavar="A.json")
    compare.add_argument("second", type=Path, metavar="B.json")
    compare.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    first, second = _records(arguments.first), _records(arguments.second)
    both = [kind for kind in first if kind in second]
    if not both:
        raise InputError(
            f"{arguments.second}: expected a record of bench {', '.join(first)}, got one of bench "
            f"{', '.join(second)}. Compare two of one kind."
        )
    console = new_console()
    said: set[str] = set()
    for kind in both:
        for sentence in differences(first[kind], second[kind]):
            # Of several parts, each was made on the same machine.
            if sentence not in said:
                console.print(sentence, style="yellow", soft_wrap=True, highlight=False)
            said.add(sentence)
        for table in tables(first[kind], second[kind]):
            console.print(table)
    return 0


def _records(path: Path) -> dict[str, BenchRecord]:
    """The records in a file by kind: the one of a bench, or those of the parts of ``duet bench all``."""
    raw = read_json(path)
    if raw.get("schema") != SUITE_SCHEMA:
        record = record_of(raw, path)
        return {record.kind: record}
    return {part.name: part.record for part in suite_of(raw, path).parts if part.record is not None}


def differences(first: BenchRecord, second: BenchRecord) -> list[str]:
    """Sentences on what else than the thing measured is different, the machine first."""
    said = []
    one, other = (record.provenance.get("machine", {}) for record in (first, second))
    for name in SAME_MACHINE:
        if one.get(name) != other.get(name):
            said.append(f"Not the same machine: {name.replace('_', ' ')} {_said(one, name)} and {_said(other, name)}.")
    for name in sorted(first.subject.keys() | second.subject.keys()):
        if first.subject.get(name) != second.subject.get(name) and not name.endswith(("sha256", "_why")):
            said.append(f"{name.replace('_', ' ')}: {_said(first.subject, name)} and {_said(second.subject, name)}.")
    for title, record in (("first", first), ("second", second)):
        said += [f"The {title}: {w}" for w in record.warnings if w.startswith(("Unsteady", "Busy", "Drifting"))]
    return said


def _said(values: dict[str, Any], name: str) -> str:
    return str(values.get(name) or "none")


def tables(first: BenchRecord, second: BenchRecord) -> "Iterator[Table]":
    """Distributions, then figures; what only one of them has is left out."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(first.kind)
    for heading in ("p50 A", "p50 B", "B / A", "p99 A", "p99 B", "B / A", "apart"):
        table.add_column(heading, justify="right")
    for name, series in first.series.items():
        if name not in second.series:
            continue
        a, b = series.measured, second.series[name].measured
        apart = "yes" if a.p99_high < b.p99_low or b.p99_high < a.p99_low else "no"
        table.add_row(
            f"{name}, {series.unit}",
            f"{a.p50:.2f}", f"{b.p50:.2f}", ratio(a.p50, b.p50),
            f"{a.p99:.2f}", f"{b.p99:.2f}", ratio(a.p99, b.p99), apart,
        )  # fmt: skip
    yield table
    figures = Table(box=None, pad_edge=False)
    for heading in ("", "A", "B", "B / A"):
        figures.add_column(heading, justify="right" if heading else "left")
    for name, figure in first.figures.items():
        if name in second.figures:
            one, other = figure.value, second.figures[name].value
            label = f"{figure.what}, {figure.unit}".rstrip(", ")
            figures.add_row(label, f"{one:.4g}", f"{other:.4g}", ratio(one, other))
    yield figures


def ratio(first: float, second: float) -> str:
    """The second by the first; a dash where there is none."""
    return f"{second / first:.2f}" if first else "-"
