"""What works on this machine, one line each, with the next step where something is missing."""

import contextlib
import importlib.metadata
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from duet.errors import DeviceError, DuetError, ModelError
from duet.terminal import new_console


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report."""

    name: str
    works: bool
    finding: str


def run_checks(follower: Path) -> list[Check]:
    """Every check, in the order a performance needs them."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        ("follower", lambda: _follower(follower)),
        ("runtime", lambda: _runtime(follower)),
        ("picture", _picture),
        ("window", _window),
        ("film", _film),
        ("sound", _sound),
        ("camera", _camera),
        ("pose model", _pose_model),
        ("calibration", _calibration),
        ("priority", _priority),
    ]
    return [_checked(name, check) for name, check in checks]


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except DuetError as error:
        return Check(name, False, str(error))
    except ImportError as error:
        return Check(name, False, f"{error.name or error}: expected to be installed, got nothing. Run make demo again.")


def print_checks(follower: Path) -> int:
    """Print every check; 0 when a film can be made here (what the demo needs), else 2."""
    console = new_console()
    checks = run_checks(follower)
    table = Table.grid(padding=(0, 2))
    for check in checks:
        mark = Text("ok", style="green") if check.works else Text("--", style="yellow")
        table.add_row(mark, check.name, check.finding)
    console.print(table)
    needed = {"python", "follower", "picture", "film"}
    return 0 if all(c.works for c in checks if c.name in needed) else 2


def print_processes() -> int:
    """Print every process and thread of a performance."""
    from realtime.topology import PROCESSES, threads_of

    console = new_console()
    table = Table(box=None, pad_edge=False)
    for heading in ("thread", "rate", "does", "writes", "reads"):
        table.add_column(heading, no_wrap=heading in ("thread", "rate"))
    for row in PROCESSES:
        silent = f", started again when silent for {row.silent_s:g} s" if math.isfinite(row.silent_s) else ""
        does = Text.assemble((row.does, "bold"), f" ({row.when}; {row.rank.says}{silent})")
        table.add_row(Text(row.name, style="bold"), "", does, "", "")
        for thread in threads_of(row.name):
            name = thread.name if thread.when == "always" else f"{thread.name} ({thread.when})"
            table.add_row(f"  {name}", thread.rate, thread.does, ", ".join(thread.writes), ", ".join(thread.reads))
    console.print(table)
    return 0


def _python() -> str:
    versions = (f"{p} {importlib.metadata.version(p)}" for p in ("numpy", "onnxruntime", "moderngl", "mediapipe"))
    return f"Python {sys.version.split()[0]}, {', '.join(versions)}"


def _follower(folder: Path) -> str:
    from realtime.inference.runner_ort import OrtRunner
    from realtime.tick import time_ticks

    runner = OrtRunner(folder)
    c = runner.contract
    tick_ms = 1e3 * float(np.median(time_ticks(runner, c, runs=20)))
    budget_ms = 1e3 * c.token_frames / c.fps
    return f"{c.name}: {tick_ms:.0f} ms a tick (median of 20) of {budget_ms:.0f} ms, ONNX Runtime on one CPU thread"


def _runtime(folder: Path) -> str:
    from realtime.inference.runtimes import open_together

    _, choice = open_together([folder])
    return choice.sentence()


def _picture() -> str:
    from ui.drawing.scene import create_headless_context

    context = create_headless_context()
    try:
        return f"{context.info['GL_RENDERER']}, without a window"
    finally:
        context.release()


def _window() -> str:
    from ui.asked import has_display

    if not has_display():
        raise DeviceError("Window: expected a display, got none. Use --headless, or start from a desktop.")
    return "a display is there"


def _film() -> str:
    from ui.drawing.film import best_video_codec

    return f"mp4, {best_video_codec()}"


def _sound() -> str:
    from realtime.sound.audio import list_audio_devices

    devices = list_audio_devices()
    inputs = [d for d in devices if d.inputs]
    if not devices:
        raise DeviceError("Sound: expected a sound device, got none. Plug one in; without one, music plays unheard.")
    return f"{len(devices)} devices, {len(inputs)} to listen with"


def _camera() -> str:
    from realtime.devices import list_cameras

    cameras = list_cameras()
    if not cameras:
        raise DeviceError("Camera: expected a camera, got none. Plug one in, or use a video: --leader FILE.mp4.")
    return ", ".join(cameras)


def _pose_model() -> str:
    from realtime.sight.pose_model import find_pose_model, how_to_fetch
    from realtime.sight.tracking import PoseModel

    path = find_pose_model()
    if path is None:
        raise ModelError(f"Pose model: expected it in the cache, got none. Fetch it: {how_to_fetch()}")
    with native_output_hidden():
        PoseModel(path).close()
    return f"{path.name}, loaded by MediaPipe"


def _calibration() -> str:
    from realtime.calibration import calibration_told, load_calibration

    return calibration_told(load_calibration())


def _priority() -> str:
    from realtime.priority import Rank, take_rank

    told = take_rank(Rank.DANCE)
    take_rank(Rank.ORDINARY)
    return f"the dance runs at {told}"


@contextlib.contextmanager
def native_output_hidden() -> Iterator[None]:
    """What MediaPipe's own library writes to standard error would tear the report apart."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def print_devices() -> int:
    """Print cameras and sound devices by the names the options take."""
    from realtime.devices import list_cameras
    from realtime.sound.audio import list_audio_devices

    console = new_console()
    console.print(Text("cameras", style="bold"), "(--leader)")
    for name in list_cameras() or ["none found"]:
        console.print(f"  {name}")
    console.print(Text("sound", style="bold"), "(--music device:NAME for inputs)")
    try:
        devices = list_audio_devices()
    except DeviceError as error:
        console.print(f"  {error}")
        devices = []
    for device in devices:
        ways = " and ".join(w for w, n in (("input", device.inputs), ("output", device.outputs)) if n)
        console.print(f"  {device.name}  ({ways})")
    if not devices:
        console.print("  none found")
    return 0
