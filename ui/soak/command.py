"""``duet soak``: a show that goes on for hours, sampled, judged by slope, and drawn."""

import argparse
import json
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from duet.errors import DuetError, InputError
from duet.files import check_could_write, written_whole
from duet.terminal import new_console
from ui.bench.recorded import add_data
from ui.limits import check_within

if TYPE_CHECKING:
    from rich.console import Console

    from realtime.bench.soak import Sample, Slope, Verdict

_MORE = """\
In real time a whole exhibit runs on this machine, with the processes of camera, sound and picture: a film of a lead
who comes and goes is its camera, a virtual microphone hears music (or --config's own of both), and pictures are drawn
without a display. With --speed-up the same loop runs on a clock that moves as fast as the follower answers: visitors,
ghost, music, conductor and network, but no devices and no processes; a tick takes 45 ms of that clock, so that none is
late. Memory, handles, threads, lag and jerk are sampled; a curve passes where the whole 95 % interval of its slope is
within its bound. Ctrl-C ends it early and judges what there is; what ended early does not pass.

examples:
  duet soak --hours 1 --out soak-1h                 an hour of the real thing
  duet soak --hours 24 --speed-up --out soak-24h    a day, as fast as it goes
  duet soak --hours 8 --config show.toml            your own show, over night

A curve is not said to fail by what half an hour or less would add up to: there it fails by what it has grown already,
if that is more than a whole hour allows, and is unsure otherwise. So are ticks that were late.

exit code: 0 pass, 1 fail, 3 unsure (it was too short to tell), 2 it could not begin, or broke off.
"""
_MOST_SAMPLES = 720
_LINES = 10
_CODES = {"pass": 0, "fail": 1, "unsure": 3}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe it to the parser; ``follower`` is the usual one."""
    soak = commands.add_parser(
        "soak",
        help="does a show stay as it is for hours? memory, handles, lag, jerk, judged by slope",
        description="Let a show go on for hours and judge by slope whether it stays as it was.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    soak.add_argument("--hours", type=float, default=1.0, metavar="N", help="of the show (default 1)")
    soak.add_argument("--speed-up", action="store_true", help="on a clock that moves as fast as the follower answers")
    soak.add_argument("--config", type=Path, metavar="SHOW.toml", help="a show of your own (real time only)")
    soak.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    soak.add_argument("--seed", type=int, default=0, metavar="N", help="of who comes and goes (default 0)")
    add_data(soak, "recorded leads")
    soak.add_argument(
        "--out", type=Path, default=Path("soak"), metavar="DIR", help="for soak.png, soak.json and report.json (soak)"
    )
    soak.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:

    check_within("--hours", arguments.hours, 0.001, 1000.0)
    if arguments.seed < 0:
        raise InputError(f"--seed: expected 0 or more, got {arguments.seed}.")
    if arguments.speed_up and arguments.config is not None:
        raise InputError("--config: expected a show in real time, got --speed-up beside it. Leave one of them out.")
    for name in ("soak.json", "soak.png", "report.json"):
        # A soak that is refused leaves no folder behind: what is written makes it.
        check_could_write(arguments.out / name, "--out")
    console, samples = new_console(stderr=True), list["Sample"]()
    begun_s, interrupted = time.monotonic(), False
    try:
        (_accelerated if arguments.speed_up else _real)(arguments, console, samples)
    except KeyboardInterrupt:
        interrupted = True
    except DuetError:
        if samples:
            # What was seen until then is what a soak is for.
            _conclude(arguments, console, samples, time.monotonic() - begun_s, interrupted=True)
        raise
    if not samples:
        # Nothing was seen: the verdict of an earlier soak stays.
        console.print("Nothing was sampled: no verdict is written.")
        return 130 if interrupted else _CODES["unsure"]
    return _conclude(arguments, console, samples, time.monotonic() - begun_s, interrupted=interrupted)


def _accelerated(arguments: argparse.Namespace, console: "Console", samples: "list[Sample]") -> None:
    from realtime.bench.soak_show import Show
    from realtime.inference.runner_ort import OrtRunner

    with console.status("Loading the follower"):
        runner = OrtRunner(arguments.follower)
        show = Show(runner.contract, runner, runner.forecaster, seed=arguments.seed)
    with _progress(console, arguments.hours, samples) as told:
        show.perform(arguments.hours * 3600.0, _every_s(arguments.hours), told)


def _real(arguments: argparse.Namespace, console: "Console", samples: "list[Sample]") -> None:
    from realtime.bench.soak_show import LOOK_S, Sampler
    from realtime.conductor import Conductor
    from ui.app import perform
    from ui.soak.exhibit import exhibit

    stopped = threading.Event()
    with (
        exhibit(arguments, console) as (sources, output),
        _progress(console, arguments.hours, samples) as told,
    ):

        def watch(conductor: Conductor) -> None:
            sampler = Sampler(conductor, conductor.clock)

            def look() -> None:
                due_s = _every_s(arguments.hours)
                while not stopped.wait(LOOK_S / 2):
                    sampler.look()
                    if conductor.clock.now() >= due_s:
                        due_s += _every_s(arguments.hours)
                        told(sampler.sample())

            threading.Thread(target=look, name="duet-soak", daemon=True).start()

        try:
            if perform(sources, output, begun=watch) != 0:
                raise KeyboardInterrupt
        finally:
            stopped.set()


def _every_s(hours: float) -> float:
    return max(hours * 3600.0 / _MOST_SAMPLES, 0.25)


class _progress:
    """A bar, and what takes a sample: moves the bar and keeps it. In a log it is a line for each tenth."""

    def __init__(self, console: "Console", hours: float, samples: "list[Sample]") -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[what]}", markup=False),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("soaking", total=hours * 3600.0, what="")
        self._console, self._samples = console, samples
        self._line_s = self._every_s = hours * 3600.0 / _LINES

    def __enter__(self) -> "Callable[[Sample], None]":
        self._bar.start()
        return self._take

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _take(self, sample: "Sample") -> None:
        self._samples.append(sample)
        what = f"{sample.time_s / 3600.0:.2f} h, {sample.memory_mb:.0f} MB, {sample.late_ticks} of {sample.ticks} late"
        self._bar.update(self._task, completed=sample.time_s, what=what)
        if sample.time_s >= self._line_s and not self._console.is_terminal:
            self._line_s += self._every_s
            self._console.print(what, highlight=False, soft_wrap=True)


def _conclude(
    arguments: argparse.Namespace, console: "Console", samples: "list[Sample]", wall_s: float, *, interrupted: bool
) -> int:
    from dataclasses import asdict

    from realtime.bench.provenance import provenance
    from realtime.bench.soak import judge
    from ui.soak.curves import write_curves

    verdict = judge(samples, arguments.hours)
    values = {
        "command": _command(arguments),
        "interrupted": interrupted,
        "wall_s": round(wall_s, 1),
        "provenance": provenance(),
        "verdict": verdict.values(),
        "samples": [asdict(sample) for sample in samples],
    }
    path = arguments.out / "soak.json"
    try:
        with written_whole(path) as part:
            part.write_text(json.dumps(_finite(values), indent=1) + "\n")
    except OSError as error:
        raise InputError(f"{path}: expected to write the verdict there, got: {error}. Name another folder.") from error
    write_curves(arguments.out / "soak.png", samples, verdict)
    _tell(console, verdict, wall_s, len(samples))
    console.print(f"Wrote {path} and {arguments.out / 'soak.png'}", soft_wrap=True)
    return 130 if interrupted else _CODES[verdict.judgement]


def _command(arguments: argparse.Namespace) -> str:
    """As it was asked for, follower, show and data by their names."""
    words = ["duet soak", f"--hours {arguments.hours:g}"] + (["--speed-up"] if arguments.speed_up else [])
    if arguments.config is not None:
        # It names its follower and its seed itself.
        return " ".join([*words, f"--config {arguments.config.name}"])
    if arguments.data is not None and not arguments.speed_up:
        words.append(f"--data {arguments.data.resolve().name}")
    return " ".join([*words, f"--seed {arguments.seed}", f"--follower {arguments.follower.resolve().name}"])


def _finite(values: object) -> object:
    """What JSON can hold: nothing for what is not a number."""
    if isinstance(values, float) and not math.isfinite(values):
        return None
    if isinstance(values, dict):
        return {key: _finite(value) for key, value in values.items()}
    return [_finite(value) for value in values] if isinstance(values, list | tuple) else values


def _tell(console: "Console", verdict: "Verdict", wall_s: float, count: int) -> None:
    from rich.table import Table

    from ui.soak.curves import readable

    table = Table(box=None, pad_edge=False)
    for heading in ("curve", "begins", "ends", "an hour", "95 %", "at most", ""):
        table.add_column(heading, justify="left" if heading in ("curve", "") else "right")
    for slope in verdict.slopes:
        what = f"{slope.what}, {slope.unit}" if slope.unit else slope.what
        table.add_row(what, *_numbers(slope), slope.judgement)
    table.add_row("ticks late or skipped", "", f"{verdict.late_share:.2%}", "", "", "0.5 %", verdict.late_judgement)
    console.print(table)
    hours = f"{readable(verdict.hours, digits=3)} of {verdict.wanted_hours:g} h"
    console.print(f"{hours} in {wall_s / 60.0:.1f} min, {count} samples: {verdict.judgement}.")


def _numbers(slope: "Slope") -> tuple[str, ...]:
    """Begins, ends, an hour, its interval, at most."""
    from ui.soak.curves import readable

    allowed = slope.allowed_per_hour
    first, last = readable(slope.first, allowed), readable(slope.last, allowed)
    if not math.isfinite(slope.least_per_hour):
        # There is no line.
        return first, last, "–", "–", readable(allowed, digits=3)
    numbers = (slope.per_hour, slope.least_per_hour, slope.most_per_hour)
    rate, least, most = (readable(number, allowed) for number in numbers)
    return first, last, rate, f"{least} … {most}", readable(allowed, digits=3)
