"""``duet bench render``: what a picture costs on this machine."""

import argparse
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from duet.errors import InputError
from ui.drawing.stages import STAGES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ui.drawing.scene import Scene, SceneState

_EPILOG = """\
Two dancers with their shadow are drawn as a performance draws them, without a window, and read back. "draw" is
everything, "bend" of it what poses and skins take before the graphics begin; "processor" is what a picture costs
however busy the machine is. Software OpenGL draws on one thread unless LP_NUM_THREADS says otherwise. Run it with
nothing else going on.

examples:
  duet bench render                              each stage at 640x360
  duet bench render --stage club --rich          as films are drawn: soft shadows, smooth edges
  duet bench render --size 1280x720 --frames 300
"""
_TEMPO_BPM, _FPS = 180.0, 30.0
_WARM_UP = 5


def add_render(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``bench render`` to the parser."""
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
    render.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from ui.drawing.scene import SMOOTHING_SAMPLES, Scene, create_headless_context
    from ui.options import size_of
    from ui.staging import Staging

    if not 10 <= arguments.frames <= 100_000:
        raise InputError(f"--frames: expected 10 to 100000, got {arguments.frames}.")
    size = size_of(arguments.size)
    states = _couple(arguments.frames + _WARM_UP)
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "draw p50 ms", "p95", "p99", "processor p50", "bend p50", "pictures/s"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    context = create_headless_context()
    try:
        with Progress(console=console, transient=True) as progress:
            for stage in [arguments.stage] if arguments.stage else list(STAGES):
                samples = SMOOTHING_SAMPLES if arguments.rich else 0
                scene = Scene(context, size, samples=samples, staging=Staging(stage=stage), rich=arguments.rich)
                table.add_row(stage, *_cells(_timed(scene, progress.track(states, description=stage))))
        renderer = str(context.info["GL_RENDERER"])
    finally:
        context.release()
    console.print(f"{renderer}, {size[0]}x{size[1]}{', rich' if arguments.rich else ''}", highlight=False)
    console.print(table)
    return 0


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


def _cells(times_ms: "NDArray[np.float64]") -> list[str]:
    import numpy as np

    p50, p95, p99 = np.percentile(times_ms[:, 0], (50, 95, 99))
    processor, bend = np.median(times_ms[:, 1:], axis=0)
    return [f"{p50:.1f}", f"{p95:.1f}", f"{p99:.1f}", f"{processor:.1f}", f"{bend:.1f}", f"{1e3 / p50:.0f}"]
