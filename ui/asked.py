"""Whether what was asked for can be had: said before anything is opened."""

import os
import platform

from rich.console import Console

from duet.errors import InputError
from duet.files import check_writable
from realtime.sessions.session_file import check_new
from ui.options import Output
from ui.outputs import check_apart, outputs_of
from ui.sources import Sources


def has_display() -> bool:
    """Whether a window can be opened: always on macOS and Windows, with a display server on Linux."""
    if platform.system() != "Linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def check_asked(output: Output) -> None:
    """InputError for what cannot be shown or kept, or where nothing would be."""
    if output.headless and not (output.film or output.motion or output.report or output.record or output.log):
        raise InputError(
            "--headless: expected something to keep, got neither --out, --save-motion, --record, --report nor --log. "
            "Add --out FILM.mp4."
        )
    if not output.headless and not has_display():
        raise InputError(
            "Window: expected a display, got none. Add --headless --out FILM.mp4, or start from a desktop."
        )
    check_apart(outputs_of(output), {})
    for path, suffix in ((output.film, ".mp4"), (output.motion, ".npz")):
        if path is not None and path.suffix.lower() != suffix:
            raise InputError(f"{path}: expected a name ending in {suffix}, got '{path.suffix}'. Rename it.")
    for path in (output.film if output.headless else None, output.motion, output.report, output.log):
        if path is not None:
            check_writable(path)
    if output.record is not None:
        check_new(output.record)


def check_film(output: Output, sources: Sources, seconds: float | None, console: Console) -> None:
    """A film has a length and, where it can, a sound; say so when not."""
    if output.film is None or not output.headless:
        return
    if seconds is None:
        raise InputError("--seconds: expected a length for the film of a live leader, got none. Add --seconds N.")
    if sources.soundtrack(seconds) is None:
        console.print("The film will have no sound: only music from a file is written into one.")


def shorter(asked: float | None, natural: float | None) -> float | None:
    """The length of the performance; None where it ends when it is ended."""
    given = [s for s in (asked, natural) if s is not None]
    return min(given) if given else None
