"""One part of ``duet bench all``, in a process of its own: ``python -m ui.bench.part NAME SECONDS FOLLOWER OUT.json``.

A process each, so that a part that crashes takes no other along, and none inherits what another left behind.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duet.errors import DuetError
from duet.terminal import new_console
from ui.bench.recorded import usual_data

if TYPE_CHECKING:
    from rich.console import Console

    from realtime.bench.record import BenchRecord, Figure
    from realtime.histogram import StageStats

LONG_S = 300.0
"""From so long on, follow and perception look at as much as they do by themselves."""
SIZE = "640x360"


def _model(seconds: float, follower: Path, console: "Console") -> "BenchRecord":
    from ui.bench.model import Asked, measure_model

    ticks = int(min(max(5.0 * seconds, 20.0), 10_000.0))
    return measure_model(Asked(follower, ticks=ticks, seconds=max(0.25 * seconds, 1.0)))


def _live(seconds: float, follower: Path, console: "Console") -> "BenchRecord":
    from ui.bench.live import measure_live

    return measure_live(
        argparse.Namespace(
            seconds=max(0.25 * seconds, 5.0), camera=None, size=SIZE, data=usual_data(), follower=follower
        ),
        console,
    )  # fmt: skip


def _e2e(seconds: float, follower: Path, console: "Console") -> "BenchRecord":
    from ui.bench.e2e import measure_e2e

    asked = argparse.Namespace(
        seconds=max(0.2 * seconds, 10.0), size=SIZE, camera=None, display=0, flashes=30, follower=follower
    )
    return measure_e2e(asked, console)


def _render(seconds: float, follower: Path, console: "Console") -> "BenchRecord":
    from ui.bench.render import measure_render

    frames = int(min(max(0.5 * seconds, 10.0), 300.0))
    return measure_render(argparse.Namespace(size=SIZE, frames=frames, stage=None, rich=False, against=None), console)


def _perception(seconds: float, follower: Path, console: "Console") -> "BenchRecord":
    from realtime.bench.provenance import doubts_of_machine, provenance
    from realtime.bench.record import Aim, BenchRecord
    from ui.bench.command import PARTS as PERCEPTION_PARTS
    from ui.bench.perception import FILMED, measured

    where, live_s, film_s = provenance(), max(0.1 * seconds, 5.0), 20.0 if seconds >= LONG_S else 4.0
    asked = argparse.Namespace(seconds=live_s, film_seconds=film_s, camera=None, data=usual_data(), follower=follower)
    found = measured(asked, PERCEPTION_PARTS, console)
    # As it judges them itself: a lag may be early, too, and counts to the last digit that is printed.
    aims = tuple(
        Aim(a.name, a.unit, round(a.measured if a.at_least else abs(a.measured), 1), a.goal, a.at_least)
        for a in found.aims
    )
    missed = [aim.what for aim in aims if not aim.holds]
    return BenchRecord(
        kind="perception",
        command=f"duet bench perception --seconds {live_s:g} --film-seconds {film_s:g}",
        provenance=where,
        subject={
            "follower": follower.name,
            "runtime": "the pose model, lifting and smoothing",
            "camera": FILMED,
            "leads": ", ".join(found.dances),
        },
        verdict="Every aim is met." if not missed else f"Missed: {', '.join(missed)}.",
        figures={} if found.live is None else _of_live(asdict(found.live) | {"stats": found.live}),
        warnings=tuple(doubts_of_machine(where)),
        aims=aims,
    )


def _of_live(live: dict[str, Any]) -> "dict[str, Figure]":
    from realtime.bench.record import Figure

    stats = live["stats"]
    rows: tuple[tuple[str, StageStats], ...] = (
        ("from a picture's arrival to its leader", stats.frame_ms),
        ("a picture's age when it is taken up", stats.taken_ms),
        ("the leader's age when the conductor asks", stats.asked_ms),
    )
    found = {}
    for number, (what, one) in enumerate(rows):
        for name, value in (("p50", one.p50_ms), ("p95", one.p95_ms), ("p99", one.p99_ms), ("max", one.max_ms)):
            found[f"stage{number}_{name}"] = Figure(f"{what}, {name} of {one.n}", "ms", value)
    found["dropped"] = Figure("pictures that nobody took", "%", 100.0 * stats.dropped)
    found["ticks"] = Figure("ticks", "", stats.ticks)
    found["late"] = Figure("of them late", "", stats.late_ticks)
    return found


def _follow(seconds: float, follower: Path, console: "Console") -> "BenchRecord":
    import math

    from realtime.bench.follow import STARTED_S
    from realtime.bench.provenance import provenance
    from realtime.bench.record import Aim, BenchRecord, Figure
    from ui.bench.follow import AIMS_MS, both, kinds, measured, stage_of, worst

    where, each, starts = provenance(), *((40.0, 2) if seconds >= LONG_S else (8.0, 1))
    asked = argparse.Namespace(
        seconds=each, starts=starts, latency=45.0, capture=0.0, display=0.0, data=usual_data(), follower=follower
    )
    found = measured(asked, stage_of(asked), console)
    # What never came is as late as one watched for it.
    most = {name: min(value, 1e3 * STARTED_S) for name, value in worst(found).items() if not math.isnan(value)}
    figures = {
        f"{row.name} {name} {rank}": Figure(f"{row.name}: {what} ({rank} of {len(values)})", "ms", value)
        for row in kinds(found)
        for name, what, values in (
            ("lag", "behind the leader", row.lags_ms),
            ("couple", "the couple's own partner", row.couple_lags_ms),
            ("known", "age of what a pose knows", row.known_ms),
            ("answered", "until a start is answered", row.answered_ms),
        )
        for rank, value in zip(("p50", "p95"), both(values), strict=True)
        if math.isfinite(value)
    }
    aims = tuple(Aim(f"the worse kind of lead's {name}", "ms", value, AIMS_MS[name]) for name, value in most.items())
    return BenchRecord(
        kind="follow",
        command=f"duet bench follow --seconds {each:g} --starts {starts}",
        provenance=where,
        subject={
            "follower": follower.name,
            "runtime": "a clock that moves when told: the same on every machine",
            "leads": ", ".join(row.name for row in found),
            "assumed": "a tick takes 45 ms; camera and display take nothing",
        },
        verdict=", ".join(f"{aim.what} {aim.got:.0f} ms of {aim.wanted}" for aim in aims) + ".",
        figures=figures,
        aims=aims,
    )


PARTS: dict[str, "Callable[[float, Path, Console], BenchRecord]"] = {
    "model": _model,
    "live": _live,
    "perception": _perception,
    "render": _render,
    "e2e": _e2e,
    "follow": _follow,
}
"""By name, in the order they run."""


def main(name: str, seconds: str, follower: str, out: str) -> int:
    """Measure and write; the exit code."""
    try:
        PARTS[name](float(seconds), Path(follower), new_console(stderr=True)).write(Path(out))
    except KeyboardInterrupt:
        return 130
    except DuetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
