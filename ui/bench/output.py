"""What every bench with a record does with it: tables on the terminal, JSON, and a page."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from duet.files import check_writable, saved_whole
from duet.terminal import new_console
from realtime.bench.record import Aim, BenchRecord
from ui.bench.page import page

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def add_output(command: argparse.ArgumentParser) -> None:
    """The options ``--json`` and ``--html``."""
    command.add_argument("--json", metavar="FILE", help="also write everything measured; - prints it and no table")
    command.add_argument("--html", type=Path, metavar="FILE", help="also write a page with pictures, one file")


def told(arguments: argparse.Namespace, measure: "Callable[[Console], BenchRecord]", *, strict: bool = False) -> int:
    """Measure, print and write what ``add_output`` was given.

    0 where it computes what it should and, when ``strict``, every aim is met; else 1.
    """
    alone = arguments.json == "-"
    for path in (None if alone or arguments.json is None else Path(arguments.json), arguments.html):
        if path is not None:
            check_writable(path)
    console = new_console(stderr=alone)
    record = measure(console)
    if alone:
        new_console(soft_wrap=True, highlight=False).print(record.to_json(), end="")
    else:
        for table in tables(record):
            console.print(table)
        for warning in record.warnings:
            console.print(warning, style="yellow", soft_wrap=True, highlight=False)
        console.print(record.verdict, soft_wrap=True, highlight=False)
    if arguments.json is not None and not alone:
        record.write(Path(arguments.json))
        console.print(f"Wrote {arguments.json}", soft_wrap=True)
    if arguments.html is not None:
        with saved_whole(arguments.html, "the page") as part:
            part.write_text(page(record), encoding="utf-8")
        console.print(f"Wrote {arguments.html}", soft_wrap=True)
    return 0 if record.is_right and not (strict and record.missed) else 1


def tables(record: BenchRecord) -> "Iterator[Table]":
    """The distributions, then the single figures, then the aims."""
    from rich.table import Table

    table = Table(title=f"{record.subject.get('runtime', '')}", title_justify="left", box=None, pad_edge=False)
    table.add_column(record.kind)
    for heading in ("n", "min", "p50", "p90", "p95", "p99", "p99.9", "max", "CoV"):
        table.add_column(heading, justify="right")
    for name, series in record.series.items():
        m = series.measured
        tail = "-" if m.p999 is None else f"{m.p999:.2f}"
        cells = [f"{v:.2f}" for v in (m.min, m.p50, m.p90, m.p95, m.p99)]
        table.add_row(f"{name}, {series.unit}", str(m.n), *cells, tail, f"{m.max:.2f}", f"{m.cov:.0%}")
    yield table
    figures = Table(box=None, pad_edge=False, show_header=False)
    figures.add_column("")
    figures.add_column("", justify="right")
    for figure in record.figures.values():
        figures.add_row(figure.what, f"{figure.value:.4g} {figure.unit}".rstrip())
    for name, value in record.parity.items():
        figures.add_row(f"parity: {name}", f"{value:.3g}" if isinstance(value, float) else str(value))
    yield figures
    if record.aims:
        yield aims_table(record.aims)


def aims_table(aims: Sequence[Aim]) -> "Table":
    """What the numbers should be, met or missed."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("aim")
    table.add_column("measured", justify="right")
    for heading in ("wanted", ""):
        table.add_column(heading)
    for aim in aims:
        table.add_row(aim.what, f"{aim.got:.4g} {aim.unit}".rstrip(), aim.wanted, met_or_missed(aim.holds))
    return table


def met_or_missed(holds: bool) -> "Text":
    """The word beside an aim."""
    from rich.text import Text

    return Text("met", style="green") if holds else Text("missed", style="yellow")
