"""``duet bench all``: every bench of a performance one after the other, unattended, as one file and one page."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duet.errors import InputError
from duet.files import check_writable, saved_whole
from duet.terminal import new_console
from ui.bench.recorded import VARIABLE, usual_data
from ui.limits import check_within

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from realtime.bench.suite import Part, Suite

_EPILOG = """\
One after the other, each in a process of its own: model (the tick), live (a whole performance), perception (the tracked
leader), render (pictures), e2e (event to pose) and follow (how late it follows). N seconds are shared among them; what
they load, film and reckon comes on top. A part that fails is told, and the others go on. The exit code is 1 where one
failed or computes something wrong; aims that are missed are told. Run it with nothing else going on.

examples:
  duet bench all --json all.json --html all.html                   a minute of measuring, some minutes in all
  duet bench all --seconds 600 --json all.json --html all.html     for a claim
  duet bench all --parts model,e2e --follower DIR
  duet bench compare before.json after.json
"""
_PATIENCE, _LEAST_PATIENCE_S = 20.0, 900.0
"""A part that takes so many times its seconds, and at least so long, hangs."""
_LOOK_S = 0.2


def add_all(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe ``bench all`` to the parser."""
    everything = kinds.add_parser(
        "all",
        help="all that a performance is made of, as one report",
        description="Measure everything that a performance is made of.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    everything.add_argument("--seconds", type=float, default=60.0, metavar="N", help="measured in all (default 60)")
    everything.add_argument("--parts", metavar="A,B", help="only these (default: all)")
    everything.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    everything.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    everything.add_argument("--html", type=Path, metavar="FILE", help="also write a page with pictures, one file")
    everything.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from duet.contract import load_contract
    from ui.bench.part import PARTS
    from ui.bench.suite_page import suite_page

    check_within("--seconds", arguments.seconds, 10.0, 86_400.0)
    names = list(PARTS) if arguments.parts is None else [name.strip() for name in arguments.parts.split(",")]
    if unknown := [name for name in names if name not in PARTS]:
        raise InputError(f"--parts: expected some of {', '.join(PARTS)}, got {unknown[0]!r}. Choose among them.")
    for path in (arguments.json, arguments.html):
        if path is not None:
            check_writable(path)
    load_contract(arguments.follower)
    console = new_console()
    suite = measure_all(names, arguments.seconds, arguments.follower, console)
    for table in tables(suite):
        console.print(table)
    console.print(suite.verdict, soft_wrap=True, highlight=False)
    if arguments.json is not None:
        suite.write(arguments.json)
    if arguments.html is not None:
        with saved_whole(arguments.html, "the page") as part:
            part.write_text(suite_page(suite), encoding="utf-8")
    return 0 if suite.is_right else 1


def measure_all(names: list[str], seconds: float, follower: Path, console: "Console") -> "Suite":
    """Every part of ``names``, whatever becomes of the others."""
    from rich.progress import Progress, TimeElapsedColumn

    from realtime.bench.provenance import provenance
    from realtime.bench.suite import Suite

    where, parts = provenance(), []
    command = f"duet bench all --seconds {seconds:g} --parts {','.join(names)} --follower {follower.name}"
    columns = *Progress.get_default_columns()[:3], TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bars, tempfile.TemporaryDirectory() as folder:
        task = bars.add_task("", total=len(names))
        for number, name in enumerate(names):
            bars.update(task, description=f"{name} ({number + 1} of {len(names)})", completed=number)
            part = _measured(name, seconds, follower.resolve(), Path(folder))
            parts.append(part)
            said = part.failure or part.outcome
            told = f"{name}: {said} ({part.seconds:.0f} s)"
            bars.console.print(told, soft_wrap=True, highlight=False)
    return Suite(command, where, tuple(parts))


def _measured(name: str, seconds: float, follower: Path, folder: Path) -> "Part":
    from realtime.bench.record import read_record
    from realtime.bench.suite import Part

    out, begin_s = folder / f"{name}.json", time.monotonic()
    words = [sys.executable, "-m", "ui.bench.part", name, f"{seconds:g}", str(follower), str(out)]
    failure = _run_apart(words, folder / f"{name}.log", max(_PATIENCE * seconds, _LEAST_PATIENCE_S))
    took_s, record = time.monotonic() - begin_s, None
    if not failure:
        try:
            record = read_record(out)
        except InputError as error:
            failure = str(error)
    return Part(name, took_s, record, failure)


def _run_apart(words: list[str], log: Path, patience_s: float) -> str:
    """Run a program to its end; why it failed, "" where it did not. Ctrl-C ends it and whatever it began."""
    apart: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
    root, data = Path(__file__).resolve().parents[2], usual_data()
    # It runs in another folder than this one.
    variables = None if data is None else {**os.environ, VARIABLE: str(data.resolve())}
    with log.open("wb") as said:
        child = subprocess.Popen(
            words, cwd=root, env=variables, stdin=subprocess.DEVNULL, stdout=said, stderr=said, **apart
        )
        try:
            end_s = time.monotonic() + patience_s
            while child.poll() is None:
                if time.monotonic() > end_s:
                    return f"It hung: not done after {patience_s:.0f} s."
                time.sleep(_LOOK_S)
        finally:
            _end(child)
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "nothing was said"
    if child.returncode < 0:
        return f"It crashed ({signal.Signals(-child.returncode).name}): {last}"
    return last if child.returncode else ""


def _end(child: "subprocess.Popen[Any]") -> None:
    """Nothing of it is left running."""
    kill: Callable[[], object] = child.kill
    if os.name == "posix":
        kill = lambda: os.killpg(child.pid, signal.SIGKILL)  # noqa: E731
    try:
        kill()
    except (ProcessLookupError, PermissionError):
        return
    finally:
        child.wait()


def tables(suite: "Suite") -> "Iterator[Table]":
    """Part by part what was wanted and what was found."""
    from rich.table import Table
    from rich.text import Text

    from ui.bench.output import met_or_missed

    table = Table(box=None, pad_edge=False)
    for heading in ("part", "aim", "measured", "wanted", ""):
        table.add_column(heading, justify="right" if heading == "measured" else "left")
    for part in suite.parts:
        if part.record is None:
            table.add_row(part.name, Text.assemble(("failed", "red"), f": {part.failure}"), "", "", "")
            continue
        right = "" if part.record.is_right else Text("NOT RIGHT", style="red")
        table.add_row(part.name, part.record.verdict, "", "", right)
        for aim in part.record.aims:
            got = f"{aim.got:.4g} {aim.unit}".rstrip()
            table.add_row("", aim.what, got, aim.wanted, met_or_missed(aim.holds))
    yield table
