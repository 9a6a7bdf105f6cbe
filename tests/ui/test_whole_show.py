"""A whole show under a virtual display, by pointer and keys: its windows grow, fill the display, change, and go.

Screenshots of the display lie in the test's folder (``pytest --basetemp``), one after each thing done.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageGrab, features

from ui.panel.places import LABEL, places

_MISSING = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.skipif(bool(_MISSING), reason=f"no {', '.join(_MISSING)}: nobody to click, or nowhere"),
    pytest.mark.skipif(not features.check("xcb"), reason="this Pillow takes no screenshots of X displays"),
]
_PATIENCE_S = 300.0
_SCREEN, _STAGE, _AT = (1500, 900), (320, 180), (1180, 0)
_GROWN = 300, 220


@dataclass
class _Hands:
    """Whoever sits before the display."""

    display: str
    show: "subprocess.Popen[bytes]"
    folder: Path
    kept: int = 0

    def xdotool(self, *arguments: object) -> str:
        done = subprocess.run(
            ["xdotool", *map(str, arguments)], capture_output=True, text=True, timeout=_PATIENCE_S,
            env=os.environ | {"DISPLAY": self.display},
        )  # fmt: skip
        return done.stdout.strip()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, what
            assert self.show.poll() is None, f"the show ended before this: {what}"
            time.sleep(0.05)

    def window(self, name: str) -> str:
        search = "search", "--onlyvisible", "--name", name
        self.until(lambda: bool(self.xdotool(*search)), f"{name} opens")
        return self.xdotool(*search).split()[0]

    def stage(self) -> str:
        """Found anew each time: a picture that a busy machine kept from drawing is replaced, window and all."""
        return self.window("^Duet$")

    def size(self, window: str) -> tuple[int, int]:
        lines = self.xdotool("getwindowgeometry", "--shell", window).splitlines()
        values = dict(line.split("=") for line in lines)
        return int(values.get("WIDTH", 0)), int(values.get("HEIGHT", 0))

    def seen(self) -> np.ndarray:
        """(H, W, 3) what is seen of the stage, where it stands as a window."""
        left, top = _AT
        return self._grab((left, top, left + _STAGE[0], top + _STAGE[1])).astype(int)

    def keep(self, name: str) -> None:
        Image.fromarray(self._grab((0, 0, *_SCREEN))).save(self.folder / f"{self.kept}-{name}.png")
        self.kept += 1

    def _grab(self, box: tuple[int, int, int, int]) -> np.ndarray:
        return np.asarray(ImageGrab.grab(box, xdisplay=self.display).convert("RGB"))


@contextmanager
def _showing(folder: Path) -> Iterator[_Hands]:
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{_SCREEN[0]}x{_SCREEN[1]}x24", "-noreset"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        display = f":{server.stdout.readline().strip()}"
        environment = os.environ | {
            "DISPLAY": display, "LP_NUM_THREADS": "1", "DUET_SETTINGS": str(folder),
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
            while left := _those_on(display, server.pid):
                assert time.monotonic() < end_s, f"processes stay: {left}"
                time.sleep(0.1)
        finally:
            show.kill()
            show.wait()
            server.kill()


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


def _those_on(display: str, server: int) -> list[int]:
    """Processes that know the display, but for the server and who asks."""
    known = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if f"DISPLAY={display}".encode() in environment and int(folder.name) not in (server, os.getpid()):
            known.append(int(folder.name))
    return known
