"""A whole show under a virtual display, by pointer and keys: its windows grow, fill the display, change, and go.

Screenshots of the display lie in the test's folder (``pytest --basetemp``), one after each thing done.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.x_display import XDisplay, made_up, needs_display
from ui.panel.places import LABEL, places

pytestmark = needs_display
_PATIENCE_S = 300.0
_SCREEN, _STAGE, _AT = (1500, 900), (320, 180), (1180, 0)
_GROWN = 300, 220


@dataclass
class _Hands:
    """Whoever sits before the display."""

    display: XDisplay
    show: "subprocess.Popen[bytes]"
    folder: Path
    kept: int = 0

    def xdotool(self, *arguments: object) -> None:
        self.display.xdotool(*arguments)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, what
            assert self.show.poll() is None, f"the show ended before this: {what}"
            time.sleep(0.05)

    def window(self, name: str) -> str:
        self.until(lambda: bool(self.display.window(name)), f"{name} opens")
        return self.display.window(name)

    def stage(self) -> str:
        """Found anew each time: a picture that a busy machine kept from drawing is replaced, window and all."""
        return self.window("^Duet$")

    def size(self, window: str) -> tuple[int, int]:
        return self.display.size(window)

    def seen(self) -> np.ndarray:
        """(H, W, 3) what is seen of the stage, where it stands as a window."""
        left, top = _AT
        return self.display.seen((left, top, left + _STAGE[0], top + _STAGE[1]))

    def keep(self, name: str) -> None:
        self.display.shot((0, 0, *_SCREEN)).save(self.folder / f"{self.kept}-{name}.png")
        self.kept += 1


@contextmanager
def _showing(folder: Path) -> Iterator[_Hands]:
    with made_up(*_SCREEN) as display:
        environment = os.environ | {
            "DISPLAY": display.name, "LP_NUM_THREADS": "1", "DUET_SETTINGS": str(folder),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        code = "import sys; from ui.cli import main; sys.exit(main())"
        size = f"{_STAGE[0]}x{_STAGE[1]}"
        arguments = ["demo", "--seconds", "900", "--size", size, "--fps", "5", "--show", str(folder / "s.toml")]
        with (folder / "said").open("wb") as said:
            show = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=said, stderr=said, env=environment)
        try:
            yield _Hands(display, show, folder)
            assert show.wait(_PATIENCE_S) == 0, (folder / "said").read_text()[-2000:]
            end_s = time.monotonic() + _PATIENCE_S
            while left := _those_on(display):
                assert time.monotonic() < end_s, f"processes stay: {left}"
                time.sleep(0.1)
        finally:
            show.kill()
            show.wait()


def test_a_show_is_resized_filled_changed_and_left_without_a_trace(tmp_path: Path) -> None:
    with _showing(tmp_path) as hands:
        panel = hands.window("Duet panel")
        hands.xdotool("windowmove", hands.stage(), *_AT)
        hands.until(lambda: hands.seen().std() > 5.0, "something is drawn")
        hands.keep("at-first")
        hands.xdotool("windowsize", hands.stage(), *_GROWN)
        hands.until(lambda: hands.size(hands.stage()) == _GROWN, "it grows")
        hands.until(lambda: hands.seen().std() > 5.0, "it is drawn larger")
        hands.keep("resized")
        hands.xdotool("key", "--window", hands.stage(), "f")
        hands.until(lambda: hands.size(hands.stage()) == _SCREEN, "it fills the display")
        hands.keep("full")
        hands.xdotool("key", "--window", hands.stage(), "f")
        hands.until(lambda: hands.size(hands.stage()) != _SCREEN, "it is a window again")
        hands.xdotool("windowmove", hands.stage(), *_AT)
        hands.until(lambda: hands.seen().std() > 5.0, "it is drawn again")
        before = hands.seen()
        laid = places(*map(float, hands.size(panel)))
        place = laid.flow["stage"]
        x, y = round(place.left + 1.5 * place.width / 4.0), round(place.top + laid.flow_top + LABEL + 19.0)
        hands.xdotool("mousemove", x, y, "mousedown", 1, "sleep", 0.3, "mouseup", 1)
        hands.until(lambda: bool(np.abs(hands.seen() - before).mean() > 15.0), "the stage becomes a club")
        hands.keep("club")
        hands.xdotool("key", "--window", hands.stage(), "q")
    assert 'stage = "club"' in (tmp_path / "s.toml").read_text(), "what was clicked is kept"


def _those_on(display: XDisplay) -> list[int]:
    """Processes that know the display, but for the server and who asks."""
    known = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if f"DISPLAY={display.name}".encode() in environment and int(folder.name) not in (display.server, os.getpid()):
            known.append(int(folder.name))
    return known
