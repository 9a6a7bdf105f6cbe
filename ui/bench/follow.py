"""``duet bench follow``: how late the follower follows, printed."""

import argparse
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from duet.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from duet.groove import Groove
    from duet.motion import Motion
    from realtime.bench.follow import Stage, Start
    from realtime.inference.runner_ort import OrtRunner

TAKES = ("12", "13")
"""Salsa couples that the shipped follower did not learn from."""
# The files state twice the true rate, and another unit; the dancers step up to each other first.
_FILE_FPS, _FILE_SCALE, _LEAD_IN_S = 60.0, 1.2989, 2.0
_TEMPO_BPM = 180.0
AIMS_MS = {"lag p95": 100.0, "start p95": 300.0, "known p50": 60.0}
"""What a stage needs: at most so late behind what can be foreseen, behind a start, and so old what a pose knows."""
_EPILOG = """\
The exported follower dances live-causally beside recorded or choreographed leads, on a clock that moves only when told:
a tick takes --latency, so the figures are the same on every machine.

lag     how late its speed comes after the leader's (greatest correlation in windows of 4 s, within a quarter of a
        second; negative: before it), beside the real partner's of the same take
known   how old the newest leader frame is that a shown pose knew: what the software adds
start   a leader who stood still starts all of a sudden: the first pose that differs at all from those beside a leader
        who stands on, and the first change of speed by 3 sigma, beside when the leader's own speed was as great

examples:
  duet bench follow                          choreographed leads, two minutes
  duet bench follow --data DATA              salsa couples of the CMU database as well
  duet bench follow --latency 100 --capture 40 --display 25
"""


@dataclass(frozen=True)
class Found:
    """Of one lead; milliseconds (p50, p95)."""

    name: str
    lag_ms: tuple[float, float]
    windows: int
    couple_lag_ms: tuple[float, float]
    couple_windows: int
    known_ms: tuple[float, float]
    changed_ms: tuple[float, float]
    answered_ms: tuple[float, float]
    led_ms: tuple[float, float]
    starts: int
    late_ticks: int


def add_follow(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe ``bench follow`` to the parser."""
    follow = kinds.add_parser(
        "follow",
        help="how late the follower follows, behind what can be foreseen and behind sudden starts",
        description="Measure how late the follower follows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    follow.add_argument("--seconds", type=float, default=20.0, metavar="N", help="of each lead (default 20)")
    follow.add_argument("--starts", type=int, default=4, metavar="N", help="sudden starts of each lead (default 4)")
    for name, default, what in (
        ("--latency", 45.0, "a tick takes (default 45)"),
        ("--capture", 0.0, "until a leader frame is known (default 0)"),
        ("--display", 0.0, "until a drawn pose is seen (default 0)"),
    ):
        follow.add_argument(name, type=float, default=default, metavar="MS", help=what)
    follow.add_argument("--data", type=Path, metavar="DIR", help="recorded couples (default: the variable DUET_DATA)")
    follow.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    follow.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    follow.set_defaults(run=_follow)


def _follow(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from duet.files import check_writable

    for name, most in (("latency", 500.0), ("capture", 500.0), ("display", 500.0), ("seconds", 120.0)):
        least = 8.0 if name == "seconds" else 0.0
        if not least <= getattr(arguments, name) <= most:
            raise InputError(f"--{name}: expected {least:g} to {most:g}, got {getattr(arguments, name):g}.")
    if not 0 <= arguments.starts <= 50:
        raise InputError(f"--starts: expected 0 to 50, got {arguments.starts}.")
    if arguments.json is not None:
        check_writable(arguments.json)
    if arguments.data is None and (named := os.environ.get("DUET_DATA")):
        arguments.data = Path(named)
    console, stage = Console(), stage_of(arguments)
    found = measured(arguments, stage, console)
    console.print(_table(found))
    console.print(_verdict(found, stage), soft_wrap=True)
    if arguments.json is not None:
        _write(arguments.json, found, stage)
    return 0


def stage_of(arguments: argparse.Namespace) -> "Stage":
    """What is between leader and audience, as asked."""
    from realtime.bench.follow import Stage

    return Stage(arguments.latency / 1e3, arguments.capture / 1e3, arguments.display / 1e3)


def measured(arguments: argparse.Namespace, stage: "Stage", console: "Console") -> list[Found]:
    """What was found of every lead."""
    from rich.progress import Progress

    from realtime.inference.runner_ort import OrtRunner

    runner = OrtRunner(arguments.follower)
    with Progress(console=console, transient=True) as progress:
        return [
            _measure(runner, name, couple, stage, arguments.starts, progress)
            for name, couple in couples(arguments.data, arguments.seconds).items()
        ]


def worst(found: list[Found]) -> dict[str, float]:
    """Of AIMS_MS, the worst lead's; not a number where there was nothing to measure."""
    return {
        "lag p95": max((row.lag_ms[1] for row in found if row.windows), default=float("nan")),
        "start p95": max((row.answered_ms[1] for row in found if row.starts), default=float("nan")),
        "known p50": max(row.known_ms[0] for row in found),
    }


def couples(data: Path | None, seconds: float) -> "dict[str, tuple[Motion, Motion, Groove | None]]":
    """Name -> leader, real partner and music of a dance: choreographed ones, and of ``data`` recorded ones."""
    from duet.choreography import choreograph
    from duet.groove import render_groove
    from duet.motion import read_motion

    found: dict[str, tuple[Motion, Motion, Groove | None]] = {}
    for seed in (5, 6):
        groove = render_groove(seconds + 1.0, _TEMPO_BPM, seed=seed)
        couple = choreograph(groove.beat_times_s, seed, fps=30.0, seconds=seconds)
        found[f"choreographed {seed}"] = couple.leader.on_body(), couple.follower.on_body(), groove
    if data is None:
        return found
    folder = data / "cmu_salsa"
    if not folder.is_dir():
        raise InputError(f"--data {data}: expected a folder with cmu_salsa/, got none there. Leave it out.")
    first, count = round(_LEAD_IN_S * 30.0), round(seconds * 30.0)
    for take in TAKES:
        leader, partner = (
            read_motion(folder / f"{who}_{take}.bvh", fps_override=_FILE_FPS, scale=_FILE_SCALE)
            .resample(30.0)
            .on_body()
            .slice(first, first + count)
            for who in ("60", "61")
        )
        found[f"take {take}"] = leader, partner, None
    return found


def _measure(
    runner: "OrtRunner",
    name: str,
    couple: "tuple[Motion, Motion, Groove | None]",
    stage: "Stage",
    count: int,
    progress: "Progress",
) -> Found:
    import numpy as np

    from realtime.bench.follow import dance, lags_s, speeds, starts, sudden_start, whole

    leader, partner, groove = couple
    task = progress.add_task(name, total=1 + count)
    danced = dance(runner, whole(leader, runner.contract.fps), stage, groove=groove)
    progress.advance(task)
    lead, fps = speeds(danced.leader_m, danced.fps), danced.fps
    lags = lags_s(lead, speeds(danced.follower_m, fps), fps)
    theirs = lags_s(speeds(leader.joints_m, leader.fps), speeds(partner.joints_m, leader.fps), leader.fps)
    met: list[Start] = []
    for number, at in enumerate(starts(leader, fps, count)):
        # Anywhere between two ticks.
        met.append(sudden_start(runner, leader, at, stage, late_frames=number % runner.contract.token_frames))
        progress.advance(task)
    return Found(
        name,
        _both(lags),
        len(lags),
        _both(theirs),
        len(theirs),
        _both(danced.known_s[round(2 * fps) :]),
        _both(np.array([start.changed_s for start in met])),
        _both(np.array([start.answered_s for start in met])),
        _both(np.array([start.led_s for start in met])),
        len(met),
        danced.late_ticks,
    )


def _both(seconds: "NDArray[np.float64]") -> tuple[float, float]:
    """Milliseconds, p50 and p95; not a number where there is nothing."""
    import numpy as np

    if not len(seconds):
        return float("nan"), float("nan")
    p50, p95 = np.percentile(seconds, [50, 95], method="inverted_cdf") * 1e3
    return float(p50), float(p95)


def _table(found: list[Found]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="milliseconds, p50 / p95")
    table.add_column("lead", no_wrap=True)
    for heading in ("lag", "n", "couple's", "n", "known", "start: differs", "3 sigma", "leader's", "n", "late"):
        table.add_column(heading, justify="right")
    for row in found:
        table.add_row(
            row.name, _cell(row.lag_ms), str(row.windows), _cell(row.couple_lag_ms), str(row.couple_windows),
            _cell(row.known_ms), _cell(row.changed_ms), _cell(row.answered_ms), _cell(row.led_ms), str(row.starts),
            str(row.late_ticks),
        )  # fmt: skip
    return table


def _cell(both: tuple[float, float]) -> str:
    return " / ".join("-" if value != value else f"{value:.0f}" for value in both)


def _verdict(found: list[Found], stage: "Stage") -> str:
    """What was assumed, and how the worst lead stands beside the aims."""
    most = worst(found)
    parts = [f"{name} {most[name]:.0f} of at most {aim:.0f}" for name, aim in AIMS_MS.items()]
    assumed = (
        f"a tick {1e3 * stage.latency_s:.0f}, capture {1e3 * stage.capture_s:.0f}, display {1e3 * stage.display_s:.0f}"
    )
    return f"Assumed: {assumed} ms. The worst lead's: {', '.join(parts)} ms."


def _write(path: Path, found: list[Found], stage: "Stage") -> None:
    import json

    from duet.files import written_whole

    with written_whole(path) as part:
        values = {"stage": asdict(stage), "leads": [asdict(row) for row in found], "aims_ms": AIMS_MS}
        part.write_text(json.dumps(values, indent=1) + "\n")
