"""``duet bench e2e``: from an event to the pose that answers it, and with a camera before the screen, to its light."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duet.errors import InputError
from realtime.bench.distribution import Distribution, doubts
from realtime.bench.record import Aim, BenchRecord, Figure, Series
from ui.bench.subject import follower_subject
from ui.limits import check_within

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from realtime.bench.photons import Flashes
    from realtime.bench.reaction import Reactions, SteppingLeader
    from realtime.health import Health
    from ui.sources import Sources

_EPILOG = """\
A whole performance, drawn and all, before a made-up leader who steps 30 cm aside from one moment to the next. It is
recorded, and danced again from the recording: as it was (every pose must be equal to the bit), and for each step as if
that had not been done. The first pose that differs by a millimetre is the answer. No camera is in it; what a camera and
the pose model take, duet bench perception says.

With --camera the screen flashes, too, and the camera looks at it: from asking for light until the picture of it is
here. That and the software together are what lies between an event and the light of its answer.

examples:
  duet bench e2e                                    a minute's dance, and a minute to reckon
  duet bench e2e --seconds 600 --json e2e.json --html e2e.html
  duet bench e2e --camera camera:0                  with a camera that looks at the screen
"""
EVENT_TO_POSE_MS = 250.0
"""What p95 should be at most: a quarter of a second is how late a partner may follow what they could not foresee."""
_ACT_S, _TEMPO_BPM, _MUSIC_S = 30.0, 180.0, 64.0
_LEAST_ACT_S = 10.0
_PARTS = (
    ("framed", "until the next frame of the leader"),
    ("known", "until that frame is taken up"),
    ("answered", "until the first pose that differs is due"),
)


def add_e2e(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe ``bench e2e`` to the parser."""
    from ui.bench.output import add_output

    e2e = kinds.add_parser(
        "e2e",
        help="from an event to the pose that answers it, and to its light",
        description="Measure how long it takes from an event to its answer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    e2e.add_argument("--seconds", type=float, default=60.0, metavar="N", help="danced (default 60)")
    e2e.add_argument("--size", default="640x360", metavar="WxH", help="of the picture meanwhile (default 640x360)")
    e2e.add_argument("--camera", metavar="SOURCE", help="looks at the screen: camera:0 or a stream's address")
    e2e.add_argument("--display", type=int, default=0, metavar="N", help="that flashes (default 0)")
    e2e.add_argument("--flashes", type=int, default=30, metavar="N", help="how many (default 30)")
    e2e.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    add_output(e2e)
    e2e.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ui.bench.output import told

    check_within("--seconds", arguments.seconds, _LEAST_ACT_S, 7200.0)
    check_within("--flashes", arguments.flashes, 4, 10_000)
    return told(arguments, lambda console: measure_e2e(arguments, console))


def measure_e2e(arguments: argparse.Namespace, console: "Console") -> BenchRecord:
    """Everything ``bench e2e`` measures; InputError where a camera does not see the screen."""
    from duet.contract import load_contract
    from realtime.bench.provenance import doubts_of_machine, provenance
    from realtime.inference.runtimes import open_together
    from ui.bench.live import KeptHealth

    where = provenance()
    flashes = None if arguments.camera is None else _flashes(arguments, console)
    acts, count = [], max(1, round(arguments.seconds / _ACT_S))
    with KeptHealth() as health:
        for number in range(count):
            acts.append(_act(arguments, arguments.seconds / count, number, health, console))
        drawn_ms = health.kept_ms().get("draw", ())
    series, figures = _series(acts, drawn_ms, flashes), _figures(acts, health, flashes)
    equal = all(act.equal_bits for act in acts)
    total = series["event_to_pose"].measured
    whose = follower_subject(load_contract(arguments.follower), open_together([arguments.follower])[1])
    return BenchRecord(
        kind="e2e",
        command=f"duet bench e2e --seconds {arguments.seconds:g} --size {arguments.size}"
        + ("" if arguments.camera is None else f" --camera {arguments.camera} --flashes {arguments.flashes}"),
        provenance=where,
        subject={
            **whose,
            "leader": "made up, 30 cm aside between two frames, known as soon as it is due: no camera, no pose model",
            "answer": "a joint 1 mm from where it would have been; due when its frame of the 30 Hz grid is",
            "beside it": f"music is heard, two dancers are drawn at {arguments.size}",
            "not counted": "the first 4 s of every half minute",
        },
        verdict=_verdict(total, figures, equal),
        series=series,
        figures=figures,
        parity={
            "against": "the same performance, danced again from its recording",
            "equal_bits": equal,
            "holds": equal,
        },  # fmt: skip
        warnings=(*doubts("event to pose", total, spread=True), *doubts_of_machine(where)),
        aims=(
            Aim("event to pose, p95", "ms", total.p95, EVENT_TO_POSE_MS),
            Aim("steps that nobody answered", "", figures["unanswered"].value, 0.0),
        ),
    )


def _act(
    arguments: argparse.Namespace, seconds: float, number: int, health: "Health", console: "Console"
) -> "Reactions":
    """One performance, and what its steps were answered by."""
    from duet.choreography import compose
    from realtime.bench.reaction import SteppingLeader, reactions, step_times
    from realtime.inference.runtimes import open_runner
    from realtime.sight.leader_take import TakeLeader

    stance = TakeLeader(compose("salsa", 2.0, _TEMPO_BPM, 0, fps=30.0).leader, 30.0).frame(0)
    leader = SteppingLeader(stance, step_times(seconds - 1.0, number), 30.0)
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as folder:
        _perform(arguments, seconds, leader, health, Path(folder))
        runner = open_runner(arguments.follower)
        with console.status("") as status:

            def progress(done: int, total: int) -> None:
                status.update(f"performance {number + 1}: danced again without step {done + 1} of {total}")

            return reactions(Path(folder) / "session", runner, leader, progress)


def _perform(
    arguments: argparse.Namespace, seconds: float, leader: "SteppingLeader", health: "Health", folder: Path
) -> None:
    from ui.app import perform
    from ui.options import Output, size_of

    output = Output(
        arguments.follower, True, None, seconds, 0, size_of(arguments.size), 30.0,
        report=folder / "report.json", record=folder / "session",
    )  # fmt: skip
    if perform(_sources(leader), output, health) != 0:
        raise KeyboardInterrupt


def _sources(leader: "SteppingLeader") -> "Callable[[Health], Sources]":
    from duet.groove import render_groove
    from realtime.sight.stage_shift import ShiftedLeader
    from realtime.sound.audio import MusicThread
    from realtime.sound.music_player import RecordedMusic
    from ui.sources import Sources

    def make(health: "Health") -> Sources:
        music = RecordedMusic(render_groove(_MUSIC_S, _TEMPO_BPM, seed=0).samples, loop=True)
        return Sources(ShiftedLeader(leader), MusicThread(music), None, {"leader": "steps", "music": "built-in groove"})

    return make


def _flashes(arguments: argparse.Namespace, console: "Console") -> "Flashes":
    """The screen seen by the camera; PictureError without a display, DeviceError without a camera."""
    from duet.clock import MonotonicClock
    from duet.errors import PictureError
    from realtime.bench.photons import flash
    from realtime.sight.camera import open_camera
    from ui.asked import has_display
    from ui.camera_options import camera_source

    if not has_display():
        raise PictureError("--camera: expected a display that can flash, got none. Start from a desktop.")
    from ui.bench.flash_screen import FlashScreen

    clock = MonotonicClock()
    with (
        open_camera(camera_source(arguments.camera), clock=clock) as camera,
        FlashScreen(arguments.display) as screen,
        console.status("") as status,
    ):
        return flash(
            screen, camera, clock, arguments.flashes,
            progress=lambda done, total: status.update(f"flash {done + 1} of {total}: the camera looks at the screen"),
        )  # fmt: skip


def _series(
    acts: "list[Reactions]", drawn_ms: "Sequence[float] | NDArray[np.float64]", flashes: "Flashes | None"
) -> dict[str, Series]:
    parts = [parts for act in acts for one in act.found if (parts := one.parts_ms) is not None]
    if not parts:
        raise InputError("Steps: expected answers, got none. Is this follower one that follows? Try duet bench follow.")
    found = {"event_to_pose": Series("from a step to the first pose that answers", "ms", Distribution.of(_sums(parts)))}
    for column, (name, what) in enumerate(_PARTS):
        found[name] = Series(what, "ms", Distribution.of([row[column] for row in parts]))
    if len(drawn_ms):
        found["draw"] = Series("a picture, drawn meanwhile", "ms", Distribution.of(drawn_ms))
    if flashes is not None:
        found["flash"] = Series("from asking for light to its picture", "ms", Distribution.of(flashes.delays_ms))
    return found


def _sums(parts: list[tuple[float, float, float]]) -> list[float]:
    return [sum(row) for row in parts]


def _figures(acts: "list[Reactions]", health: Any, flashes: "Flashes | None") -> dict[str, Figure]:
    import numpy as np

    steps = [one for act in acts for one in act.found]
    parts = np.array([one.parts_ms for one in steps if one.parts_ms is not None])
    totals = np.array([1e3 * (one.shown_s - one.event_s) for one in steps if one.shown_s is not None])
    found = {
        "steps": Figure("steps of the leader", "", len(steps)),
        "unanswered": Figure("of them without an answer in 1.5 s", "", len(steps) - len(totals)),
        "stages": Figure("of the time, what its parts make up", "%", 100.0 * float(parts.sum() / totals.sum())),
        "ticks": Figure("ticks", "", health.counter("ticks")),
        "late": Figure("of them late", "", health.counter("late_ticks")),
        "longest_run": Figure("most late ticks in a row", "", health.counter("longest_late_ticks")),
    }
    if flashes is not None:
        both = float(np.median(flashes.delays_ms) + np.median(parts[:, 1:].sum(axis=1)))
        found["flashes"] = Figure("flashes of the screen", "", flashes.shown)
        found["unseen"] = Figure("of them not seen", "", flashes.shown - len(flashes.delays_ms))
        found["contrast"] = Figure("a lit picture is lighter by", "of 255", flashes.contrast)
        found["event_to_photon"] = Figure(
            "event to photon: screen, camera and software together, medians; the pose model comes on top", "ms", both
        )
    return found


def _verdict(total: Distribution, figures: dict[str, Figure], equal: bool) -> str:
    said = (
        f"From an event to the pose that answers: {total.p50:.0f} ms (p95 {total.p95:.0f}, p99 {total.p99:.0f}, "
        f"{total.n} of {figures['steps'].value:.0f} steps answered), {figures['late'].value:.0f} of "
        f"{figures['ticks'].value:.0f} ticks late"
    )
    if "event_to_photon" in figures:
        said += f"; to its light {figures['event_to_photon'].value:.0f} ms"
    return said + ("." if equal else "; NOT PROVEN: danced again, the performance came out otherwise.")
