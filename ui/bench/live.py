"""``duet bench live``: a whole performance on this machine, held against its budgets."""

import argparse
import json
import struct
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from duet.clock import MonotonicClock
from duet.errors import InputError
from realtime.bench.distribution import Distribution, doubts
from realtime.bench.record import Aim, BenchRecord, Figure, Series
from realtime.health import Health
from realtime.sight.leader_camera import CameraLeader
from realtime.sight.stage_shift import ShiftedLeader
from realtime.sight.tracking import TrackingTask
from ui.bench.recorded import add_data
from ui.bench.subject import follower_subject
from ui.limits import check_within

if TYPE_CHECKING:
    from rich.console import Console

_EPILOG = """\
What an evening asks of the machine, all at once: a looped film of a salsa lead is tracked as a camera is (or your own
--camera), music is heard, the follower dances, and both are drawn. Every stage's times come out, beside the budgets
(late ticks, the longest run of them, frames dropped, growth of memory and handles, ...). Run it with nothing else going
on; a claim wants --seconds 600. The exit code is 1 when a budget is exceeded.

examples:
  duet bench live                                                 a minute
  duet bench live --seconds 600 --json live.json --html live.html
  duet bench live --camera camera:0 --size 1280x720
"""
_ENTRY = struct.Struct("<Bd")
"""Of what is kept: a stage's number, and milliseconds."""
_WHAT = {
    "camera": "a picture's wait for the pose model",
    "track": "the pose model",
    "lift": "from points to a body",
    "frame": "from a picture's arrival to its leader frame",
    "music": "a frame of music, heard",
    "gather": "a tick's inputs",
    "tick": "a tick, in the follower's thread",
    "decode": "taking over a plan",
    "draw": "a picture",
}


class KeptHealth(Health):
    """Keeps every measurement, in the order they came: for a bench, which ends.

    In a file: what a bench remembers would else be taken for what the show that it measures grows by.
    """

    def __init__(self) -> None:
        super().__init__()
        with ExitStack() as stack:
            self._file = stack.enter_context(tempfile.TemporaryFile(prefix="duet-kept-"))
            self._stack = stack.pop_all()

    def __enter__(self) -> "KeptHealth":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def record(self, stage: str, milliseconds: float) -> None:
        """See ``Health``."""
        super().record(stage, milliseconds)
        self._file.write(_ENTRY.pack(self.STAGES.index(stage), milliseconds))

    def forget(self) -> None:
        """See ``Health``."""
        super().forget()
        self._file.seek(0)
        self._file.truncate()

    def kept_ms(self) -> dict[str, NDArray[np.float64]]:
        """(n,) of every stage that took part, oldest first."""
        self._file.seek(0)
        kept = np.frombuffer(self._file.read(), dtype=[("stage", "u1"), ("ms", "<f8")])
        of_stages = {name: kept["ms"][kept["stage"] == i] for i, name in enumerate(self.STAGES)}
        return {name: measured for name, measured in of_stages.items() if len(measured)}


class _CountedLeader(ShiftedLeader):
    """A leader with whose start the count begins: a camera is seen before there is a dance."""

    def __init__(self, leader: CameraLeader, health: Health) -> None:
        super().__init__(leader)
        self._health = health

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """See ``ShiftedLeader``."""
        super().start(clock, begin_s)
        self._health.forget()


def add_live(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe ``bench live`` to the parser."""
    from ui.bench.output import add_output

    live = kinds.add_parser(
        "live",
        help="a whole performance, held against its budgets",
        description="Measure a whole performance on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    live.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long (default 60)")
    live.add_argument("--camera", metavar="SOURCE", help="camera:0, a video or a URL (default: a film of a lead)")
    live.add_argument("--size", default="640x360", metavar="WxH", help="of the picture (default 640x360)")
    add_data(live, "recorded leads")
    live.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    add_output(live)
    live.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ui.bench.output import told

    check_within("--seconds", arguments.seconds, 5.0, 86_400.0)
    return told(arguments, lambda console: measure_live(arguments, console), strict=True)


def measure_live(arguments: argparse.Namespace, console: "Console") -> BenchRecord:
    """Dance before the camera given, or before a film of a lead; the aims are the budgets of a performance.

    InputError where nobody was seen, and so nothing danced.
    """
    from duet.contract import load_contract
    from realtime.bench.provenance import doubts_of_machine, provenance
    from realtime.inference.runtimes import open_together
    from realtime.sight.pose_model import ensure_pose_model

    where = provenance()
    model = ensure_pose_model(progress=console.print)
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as folder, KeptHealth() as health:
        film = None if arguments.camera is not None else _filmed(arguments.data, Path(folder) / "lead.mp4", console)
        report = _performed(arguments, film, model, health, Path(folder) / "report.json")
        kept = health.kept_ms()
    if "tick" not in kept:
        raise InputError(
            "Leader: expected somebody to be seen, got nobody: no tick was danced. "
            "Step in front of the camera, or leave --camera out."
        )
    series = {name: Series(_WHAT[name], "ms", Distribution.of(kept[name])) for name in _WHAT if name in kept}
    said = doubts("a tick", series["tick"].measured)
    aims = (*_aims(report), Aim("stages that took part", "", len(series), len(_WHAT), at_least=True))
    idle = [name for name in _WHAT if name not in series]
    return BenchRecord(
        kind="live",
        command=f"duet bench live --seconds {arguments.seconds:g} --size {arguments.size}",
        provenance=where,
        subject={
            **follower_subject(load_contract(arguments.follower), open_together([arguments.follower])[1]),
            **_camera(arguments, film),
            **report["machine"],
        },
        verdict=_verdict(report, [aim.what for aim in aims if not aim.holds], idle),
        series=series,
        figures=_figures(report),
        warnings=(*said, *doubts_of_machine(where)),
        aims=aims,
    )


@dataclass(frozen=True)
class _Film:
    """A lead who is the camera."""

    path: Path
    lead: str
    """Who dances."""
    height_m: float


def _filmed(data: Path | None, path: Path, console: "Console") -> _Film:
    """The first lead there is, looped."""
    from ui.bench.film_truth import leads
    from ui.bench.perception import film_loop

    with console.status("filming a lead"):
        lead, motion = next(iter(leads(data, 8.0).items()))
        return _Film(path, lead, film_loop(motion, path))


def _aims(report: dict[str, Any]) -> tuple[Aim, ...]:
    """The budgets of a performance, as far as they could be measured."""
    return tuple(
        Aim(budget["name"], budget["unit"], float(budget["got"]), float(budget["most"]))
        for budget in report["budgets"]
        if budget["got"] is not None
    )


def _camera(arguments: argparse.Namespace, film: _Film | None) -> dict[str, Any]:
    if film is None:
        return {"camera": arguments.camera, "size": arguments.size}
    return {"camera": "a film of a salsa lead, decoded on this machine", "lead": film.lead, "size": arguments.size}


def _performed(
    arguments: argparse.Namespace, film: _Film | None, model: Path, health: Health, report: Path
) -> dict[str, Any]:
    """The report of a performance of the length asked for."""
    from realtime.sound.audio import MusicThread
    from ui.app import perform
    from ui.bench.microphone import NAME, microphone
    from ui.options import Output, size_of
    from ui.sources import Sources

    source, height_m = (arguments.camera, None) if film is None else (str(film.path), film.height_m)

    def make(health: Health) -> Sources:
        music = MusicThread(microphone(report.parent), automatic_gain=True)
        leader = _CountedLeader(CameraLeader(TrackingTask(source, 0.0, model, height_m=height_m), health), health)
        return Sources(leader, music, None, {"leader": source, "music": f"device:{NAME}"})

    size = size_of(arguments.size)
    output = Output(arguments.follower, True, None, arguments.seconds, 0, size, 30.0, report=report)
    if perform(make, output, health) != 0:
        raise KeyboardInterrupt
    return json.loads(report.read_text())


def _figures(report: dict[str, Any]) -> dict[str, Figure]:
    frames, seconds = report["camera_frames"], report["seconds"]
    return {
        "seconds": Figure("danced", "s", seconds),
        "ticks": Figure("ticks", "", report["ticks"]),
        "late": Figure("of them late", "", report["late_ticks"]),
        "camera_fps": Figure("camera frames a second", "", frames / seconds if seconds else 0.0),
        "drawn_fps": Figure("pictures a second", "", report["drawn_fps"]),
        "lag": Figure("age of the newest leader frame that a shown pose knew, median", "ms", report["lag_ms"]),
        "lag_p95": Figure("the same, p95", "ms", report["lag_p95_ms"]),
    }


def _verdict(report: dict[str, Any], over: list[str], idle: list[str]) -> str:
    held = "every budget holds" if not over else f"beyond their budgets: {', '.join(over)}"
    held += f"; never measured: {', '.join(idle)}" if idle else ""
    return (
        f"{report['late_ticks']} of {report['ticks']} ticks late (longest run {report['longest_late_ticks']}), "
        f"{report['drawn_fps']:.1f} pictures a second, in {report['seconds']:.0f} s; {held}."
    )
