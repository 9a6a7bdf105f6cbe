"""``duet bench render``: what a picture costs on this machine."""

import argparse
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from duet.extras import how_to_install
from realtime.bench.distribution import Distribution, doubts
from realtime.bench.record import Aim, BenchRecord, Figure, Series
from ui.drawing.stages import STAGES
from ui.limits import check_within

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from ui.drawing.scene import Scene, SceneState

_EPILOG = f"""\
Two dancers with their shadow are drawn as a performance draws them, without a window, and read back. Poses and skins
are bent before the graphics begin, and are told apart; the processor's time is what a picture costs however busy the
machine is. Software OpenGL draws on one thread unless LP_NUM_THREADS says otherwise. Run it with nothing else going on.
For --against pyrender, install once:
  {how_to_install("film")}

examples:
  duet bench render                              each stage at 640x360
  duet bench render --stage club --rich          as films are drawn: soft shadows, smooth edges
  duet bench render --size 1280x720 --frames 300 --json render.json --html render.html
  duet bench render --stage studio --against pyrender    how many times faster than it, edges as smooth
"""
_TEMPO_BPM, _FPS = 180.0, 30.0
_WARM_UP = 5
PICTURE_MS = 33.3
"""A picture should take no longer than one of 30 a second stands."""
MEDIAN_MS, _AIMED_SIZE = 20.0, "640x360"
"""What is aimed at in software, on one core."""
TIMES_AS_FAST = 2.0
_PEER_FRAMES = 20


def add_render(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``bench render`` to the parser."""
    from ui.bench.output import add_output

    render = kinds.add_parser(
        "render",
        help="what a picture costs",
        description="Measure what a picture of two dancers costs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    render.add_argument("--size", default="640x360", metavar="WxH", help="of the pictures (default 640x360)")
    render.add_argument("--frames", type=int, default=120, metavar="N", help="of each stage (default 120)")
    render.add_argument("--stage", choices=STAGES, help="one stage (default: each)")
    render.add_argument("--rich", action="store_true", help="with what films and graphics cards get")
    render.add_argument("--against", choices=("pyrender",), help="measure that, too, with as many samples a pixel")
    add_output(render)
    render.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ui.bench.output import told

    check_within("--frames", arguments.frames, 10, 100_000)
    return told(arguments, lambda console: measure_render(arguments, console))


def measure_render(arguments: argparse.Namespace, console: "Console") -> BenchRecord:
    """The cost of a picture of every stage; PictureError where nothing can be drawn."""
    import numpy as np
    from rich.progress import Progress

    from realtime.bench.provenance import doubts_of_machine, provenance
    from ui.drawing.scene import SMOOTHING_SAMPLES, Scene, create_headless_context
    from ui.options import size_of
    from ui.staging import Staging

    where, size = provenance(), size_of(arguments.size)
    states = _couple(arguments.frames + _WARM_UP)
    series, figures, context = dict[str, Series](), dict[str, Figure](), create_headless_context()
    try:
        with Progress(console=console, transient=True) as progress:
            for stage in [arguments.stage] if arguments.stage else list(STAGES):
                samples = SMOOTHING_SAMPLES if arguments.rich else 0
                scene = Scene(context, size, samples=samples, staging=Staging(stage=stage), rich=arguments.rich)
                times_ms = _timed(scene, progress.track(states, description=stage))
                series[stage] = Series(f"a picture of stage {stage}", "ms", Distribution.of(times_ms[:, 0]))
                processor, bend = np.median(times_ms[:, 1:], axis=0)
                figures[f"{stage}_processor"] = Figure(f"{stage}: the processor's time, median", "ms", float(processor))
                figures[f"{stage}_bend"] = Figure(f"{stage}: poses and skins, median", "ms", float(bend))
        renderer = str(context.info["GL_RENDERER"])
    finally:
        context.release()
    if arguments.against:
        _add_peer(arguments, size, states, series, console)
    slowest = max(STAGES.keys() & series.keys(), key=lambda stage: series[stage].measured.p95)
    most = series[slowest].measured
    few = next(text for text in doubts("a picture", most) or [""])
    return BenchRecord(
        kind="render",
        command=_command(arguments),
        provenance=where,
        subject={
            "runtime": f"{renderer}, {arguments.size}{', rich' if arguments.rich else ''}",
            "drawn": "two dancers and their shadow, without a window, read back",
            "warm_up_pictures": _WARM_UP,
        },
        verdict=f"The slowest stage, {slowest}: {most.p50:.1f} ms a picture (p95 {most.p95:.1f}), "
        f"{1e3 / most.p50:.0f} a second.",
        series=series,
        figures=figures,
        warnings=tuple(text for text in (few, *doubts_of_machine(where)) if text),
        aims=_aims(arguments, series),
    )


def _aims(arguments: argparse.Namespace, series: "dict[str, Series]") -> tuple[Aim, ...]:
    stages = {name: one.measured for name, one in series.items() if name in STAGES}
    aims = [Aim(f"a picture of {name}, p95", "ms", one.p95, PICTURE_MS) for name, one in stages.items()]
    if arguments.size == _AIMED_SIZE and not arguments.rich:
        aims += [Aim(f"a picture of {name}, median", "ms", one.p50, MEDIAN_MS) for name, one in stages.items()]
    if _PEER in series:
        times = series[_PEER].measured.p50 / series[_OURS].measured.p50
        aims.append(
            Aim("as fast as pyrender with as smooth edges, median", "times", times, TIMES_AS_FAST, at_least=True)
        )
    return tuple(aims)


_OURS, _PEER = "smooth", "pyrender"


def _add_peer(
    arguments: argparse.Namespace,
    size: tuple[int, int],
    states: "list[SceneState]",
    series: "dict[str, Series]",
    console: "Console",
) -> None:
    """Time the same couple by pyrender and by ours, each with pyrender's samples a pixel; one context at a time."""
    from rich.progress import track

    from ui.drawing.pbr import SAMPLES, PbrScene
    from ui.drawing.scene import Scene, create_headless_context
    from ui.staging import Staging

    staging = Staging(stage=arguments.stage or "studio")
    few = states[: _PEER_FRAMES + _WARM_UP]
    context = create_headless_context()
    try:
        scene = Scene(context, size, samples=SAMPLES, staging=staging)
        ours = _timed(scene, track(few, _OURS, console=console, transient=True))
    finally:
        context.release()
    peer = PbrScene(size, staging)
    try:
        theirs = []
        for state in track(few, _PEER, console=console, transient=True):
            start = time.perf_counter()
            peer.draw(state)
            peer.read()
            theirs.append(1e3 * (time.perf_counter() - start))
    finally:
        peer.release()
    what = f"a picture of stage {staging.stage}, {SAMPLES} samples a pixel"
    series[_OURS] = Series(what, "ms", Distribution.of(ours[:, 0]))
    series[_PEER] = Series(f"{what}, by pyrender", "ms", Distribution.of(theirs[_WARM_UP:]))


def _command(arguments: argparse.Namespace) -> str:
    words = ["duet bench render", f"--size {arguments.size}", f"--frames {arguments.frames}"]
    words += [f"--stage {arguments.stage}"] if arguments.stage else []
    words += [f"--against {arguments.against}"] if arguments.against else []
    return " ".join(words + (["--rich"] if arguments.rich else []))


def _couple(frames: int) -> "list[SceneState]":
    """A choreographed salsa."""
    from duet.choreography import compose
    from ui.drawing.dance import couple_dance

    dance = couple_dance(compose("salsa", frames / _FPS + 1.0, _TEMPO_BPM, 0, fps=_FPS))
    return [dance.state(k / _FPS, k * _TEMPO_BPM / 60.0 / _FPS % 1.0) for k in range(frames)]


def _timed(scene: "Scene", states: "Iterable[SceneState]") -> "NDArray[np.float64]":
    """(N, 3) milliseconds of each picture, of the processor for it, and of its bending, after some to warm up."""
    import numpy as np

    rows = []
    for state in states:
        start = time.perf_counter()
        scene.place(state)
        bent, used = time.perf_counter(), time.process_time()
        scene.draw(state)
        scene.read()
        rows.append((time.perf_counter() - bent, time.process_time() - used, bent - start))
    return 1e3 * np.array(rows[_WARM_UP:])
