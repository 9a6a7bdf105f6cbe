"""``duet bench follow``: how late the follower follows, printed."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from duet.terminal import new_console
from ui.bench.recorded import add_data, salsa_folder
from ui.limits import check_within

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from duet.groove import Groove
    from duet.motion import Motion
    from realtime.bench.follow import Stage
    from realtime.inference.runner_ort import OrtRunner

TAKES = ("12", "13")
"""Salsa couples that the shipped follower did not learn from."""
# The files state twice the true rate, and another unit; the dancers step up to each other first.
_FILE_FPS, _FILE_SCALE, _LEAD_IN_S = 60.0, 1.2989, 2.0
_TEMPI_BPM = {5: 180.0, 6: 180.0, 7: 150.0, 8: 165.0, 9: 195.0, 10: 210.0}
"""Of the choreographed leads, by their seeds."""
_RECORDED_DANCES = 3
"""So often, each time with other noise, the follower dances beside a recorded lead: there are few of these."""
LEAST_WINDOWS = 30
"""The 95th percentile of fewer says nothing."""
AIMS_MS = {"lag p95": 100.0, "start p95": 300.0, "known p50": 60.0}
"""What a stage needs: at most so late behind what can be foreseen, behind a start, and so old what a pose knows."""
_EPILOG = """\
The exported follower dances live-causally beside recorded or choreographed leads, on a clock that moves only when told:
a tick takes --latency, so the figures are the same on every machine.

lag     how late its speed comes after the leader's (greatest correlation in windows of 4 s, within a quarter of a
        second; negative: before it), beside the real partner's of the same take; n windows are alike enough to tell
known   how old the newest leader frame is that a shown pose knew: what the software adds
feet    how fast the slowest joint of both feet moves, in mm/s: a foot that is stood on rests, or glides
start   a leader who stood still starts all of a sudden: the first pose that differs at all from those beside a leader
        who stands on, and the first change of speed by 3 sigma, beside when the leader's own speed was as great

examples:
  duet bench follow                          choreographed leads, two minutes
  duet bench follow --data DATA              salsa couples of the CMU database as well, and mirrored: five minutes
  duet bench follow --latency 100 --capture 40 --display 25
"""


_LISTS = (
    "lags_ms", "couple_lags_ms", "known_ms", "changed_ms", "answered_ms", "led_ms", "glides_mm_s", "couple_glides_mm_s",
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Of one lead, or of several; milliseconds."""

    name: str
    lags_ms: tuple[float, ...]
    """One a window, as are the real partner's."""
    couple_lags_ms: tuple[float, ...]
    known_ms: tuple[float, ...]
    """One a shown pose."""
    changed_ms: tuple[float, ...]
    """One a sudden start, as are the two below."""
    answered_ms: tuple[float, ...]
    led_ms: tuple[float, ...]
    late_ticks: int
    glides_mm_s: tuple[float, ...] = ()
    """One a shown pose, as are the real partner's."""
    couple_glides_mm_s: tuple[float, ...] = ()

    @classmethod
    def of(cls, name: str, rows: "list[Found]") -> "Found":
        """Several leads as one."""
        values = {field: tuple(value for row in rows for value in getattr(row, field)) for field in _LISTS}
        return cls(name, **values, late_ticks=sum(row.late_ticks for row in rows))


def add_follow(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe ``bench follow`` to the parser."""
    follow = kinds.add_parser(
        "follow",
        help="how late the follower follows, behind what can be foreseen and behind sudden starts",
        description="Measure how late the follower follows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    follow.add_argument("--seconds", type=float, default=40.0, metavar="N", help="of a lead, at most (default 40)")
    follow.add_argument("--starts", type=int, default=2, metavar="N", help="sudden starts of each lead (default 2)")
    for name, default, what in (
        ("--latency", 45.0, "a tick takes (default 45)"),
        ("--capture", 0.0, "until a leader frame is known (default 0)"),
        ("--display", 0.0, "until a drawn pose is seen (default 0)"),
    ):
        follow.add_argument(name, type=float, default=default, metavar="MS", help=what)
    add_data(follow, "recorded couples")
    follow.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    follow.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    follow.set_defaults(run=_follow)


def _follow(arguments: argparse.Namespace) -> int:
    from duet.files import check_writable

    for name, most in (("latency", 500.0), ("capture", 500.0), ("display", 500.0), ("seconds", 120.0)):
        check_within(f"--{name}", getattr(arguments, name), 8.0 if name == "seconds" else 0.0, most)
    check_within("--starts", arguments.starts, 0, 50)
    if arguments.json is not None:
        check_writable(arguments.json)
    console, stage = new_console(), stage_of(arguments)
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


def kinds(found: list[Found]) -> list[Found]:
    """All choreographed leads as one, and all recorded ones."""
    rows = {kind: [row for row in found if row.name.startswith(kind)] for kind in ("choreographed", "take")}
    return [Found.of(f"{kind}, all", some) for kind, some in rows.items() if some]


def worst(found: list[Found]) -> dict[str, float]:
    """Of AIMS_MS, the figure of the worse kind of lead; not a number where there was too little to measure."""
    rows = kinds(found)
    return {
        "lag p95": max((both(r.lags_ms)[1] for r in rows if len(r.lags_ms) >= LEAST_WINDOWS), default=float("nan")),
        "start p95": max((both(r.answered_ms)[1] for r in rows if r.answered_ms), default=float("nan")),
        "known p50": max(both(r.known_ms)[0] for r in rows),
    }


def couples(data: Path | None, seconds: float) -> "dict[str, tuple[Motion, Motion, Groove | None]]":
    """Name -> leader, real partner and music of a dance: choreographed ones, and of ``data`` recorded ones."""
    from duet.choreography import choreograph
    from duet.groove import render_groove

    # Before the work: the folder may be none.
    folder = None if data is None else salsa_folder(data)
    found: dict[str, tuple[Motion, Motion, Groove | None]] = {}
    for seed, tempo_bpm in _TEMPI_BPM.items():
        groove = render_groove(seconds + 1.0, tempo_bpm, seed=seed)
        couple = choreograph(groove.beat_times_s, seed, fps=30.0, seconds=seconds)
        found[f"choreographed {seed}"] = couple.leader.on_body(), couple.follower.on_body(), groove
    if folder is None:
        return found
    for name, leader, partner in _recorded(folder, seconds):
        found[f"take {name}"] = leader, partner, None
    return found


def _recorded(folder: Path, seconds: float) -> "Iterator[tuple[str, Motion, Motion]]":
    """Name, leader and partner of every take, as danced and mirrored."""
    from duet.motion import read_motion

    first = round(_LEAD_IN_S * 30.0)
    for take in TAKES:
        leader, partner = (
            read_motion(folder / f"{who}_{take}.bvh", fps_override=_FILE_FPS, scale=_FILE_SCALE)
            .resample(30.0)
            .slice(first, first + round(seconds * 30.0))
            for who in ("60", "61")
        )
        yield take, leader.on_body(), partner.on_body()
        yield f"{take} mirrored", leader.mirrored().on_body(), partner.mirrored().on_body()


def _measure(
    runner: "OrtRunner",
    name: str,
    couple: "tuple[Motion, Motion, Groove | None]",
    stage: "Stage",
    count: int,
    progress: "Progress",
) -> Found:
    from dataclasses import replace

    import numpy as np

    from realtime.bench.follow import dance, glides, lags_s, speeds, starts, sudden_start, whole

    leader, partner, groove = couple
    dances = 1 if groove is not None else _RECORDED_DANCES
    task, fps, danced = progress.add_task(name, total=dances + count), runner.contract.fps, []
    for seed in range(stage.seed, stage.seed + dances):
        danced.append(dance(runner, whole(leader, fps), replace(stage, seed=seed), groove=groove))
        progress.advance(task)
    lags = [lags_s(speeds(one.leader_m, fps), speeds(one.follower_m, fps), fps) for one in danced]
    met = []
    for number, at in enumerate(starts(leader, fps, count)):
        # Anywhere between two ticks.
        met.append(sudden_start(runner, leader, at, stage, late_frames=number % runner.contract.token_frames))
        progress.advance(task)
    return Found(
        name,
        _ms(np.concatenate(lags)),
        _ms(lags_s(speeds(leader.joints_m, leader.fps), speeds(partner.joints_m, leader.fps), leader.fps)),
        _ms(np.concatenate([one.known_s[round(2 * fps) :] for one in danced])),
        _ms([start.changed_s for start in met]),
        _ms([start.answered_s for start in met]),
        _ms([start.led_s for start in met]),
        sum(one.late_ticks for one in danced),
        _ms(np.concatenate([glides(one.follower_m, fps)[round(2 * fps) :] for one in danced])),
        _ms(glides(partner.joints_m, partner.fps)),
    )


def _ms(seconds: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(1e3 * float(value), 1) for value in seconds)


def both(values_ms: tuple[float, ...]) -> tuple[float, float]:
    """p50 and p95; not a number where there is nothing."""
    import numpy as np

    if not values_ms:
        return float("nan"), float("nan")
    p50, p95 = np.percentile(values_ms, [50, 95], method="inverted_cdf")
    return float(p50), float(p95)


def _table(found: list[Found]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="milliseconds, p50 / p95")
    table.add_column("lead", no_wrap=True)
    headings = (
        "lag",
        "n",
        "couple's",
        "n",
        "known",
        "start: differs",
        "3 sigma",
        "leader's",
        "n",
        "late",
        "feet",
        "couple's",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in [*found, *kinds(found)]:
        table.add_row(
            row.name, _cell(row.lags_ms), str(len(row.lags_ms)), _cell(row.couple_lags_ms),
            str(len(row.couple_lags_ms)), _cell(row.known_ms), _cell(row.changed_ms), _cell(row.answered_ms),
            _cell(row.led_ms), str(len(row.led_ms)), str(row.late_ticks),
            _cell(row.glides_mm_s), _cell(row.couple_glides_mm_s),
        )  # fmt: skip
    return table


def _cell(values_ms: tuple[float, ...]) -> str:
    return " / ".join("-" if value != value else f"{value:.0f}" for value in both(values_ms))


def _verdict(found: list[Found], stage: "Stage") -> str:
    """What was assumed, and how the worse kind of lead stands beside the aims."""
    most = worst(found)
    parts = [
        f"{name} {most[name]:.0f} of at most {aim:.0f}" if most[name] == most[name] else f"{name}: too few to tell"
        for name, aim in AIMS_MS.items()
    ]
    assumed = (
        f"a tick {1e3 * stage.latency_s:.0f}, capture {1e3 * stage.capture_s:.0f}, display {1e3 * stage.display_s:.0f}"
    )
    return f"Assumed: {assumed} ms. The worse kind of lead: {', '.join(parts)} (ms)."


def _write(path: Path, found: list[Found], stage: "Stage") -> None:
    import json

    from duet.files import saved_whole

    with saved_whole(path, "what was found") as part:
        values = {"stage": asdict(stage), "leads": [_values(row) for row in found], "aims_ms": AIMS_MS}
        part.write_text(json.dumps(values, indent=1) + "\n")


def _values(row: Found) -> dict[str, object]:
    """As written; of thousands of poses the percentiles do."""
    many = ("known_ms", "glides_mm_s", "couple_glides_mm_s")
    return {**asdict(row), **{name: both(getattr(row, name)) for name in many}}
