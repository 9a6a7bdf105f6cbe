"""A display that is made up, and a hand at its pointer and keys, for tests of real windows."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageGrab, features

_MISSING = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
_PATIENCE_S = 120.0

needs_display = [
    pytest.mark.skipif(bool(_MISSING), reason=f"no {', '.join(_MISSING)}: nobody to click, or nowhere"),
    pytest.mark.skipif(not features.check("xcb"), reason="this Pillow takes no screenshots of X displays"),
]
"""Marks of a test that wants one."""


@dataclass(frozen=True)
class XDisplay:
    """One display, from ``made_up`` until it is left."""

    name: str
    server: int
    """Its process."""

    def xdotool(self, *arguments: object) -> str:
        """Do something with pointer, keys or windows; what xdotool said of it."""
        done = subprocess.run(
            ["xdotool", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            env=os.environ | {"DISPLAY": self.name},
        )
        return done.stdout.strip()

    def window(self, name: str) -> str:
        """The window that is seen under a name, a regular expression; "" while there is none."""
        return next(iter(self.xdotool("search", "--onlyvisible", "--name", name).split()), "")

    def size(self, window: str) -> tuple[int, int]:
        """Width and height of a window; zeros once it is gone."""
        lines = self.xdotool("getwindowgeometry", "--shell", window).splitlines()
        values = dict(line.split("=") for line in lines)
        return int(values.get("WIDTH", 0)), int(values.get("HEIGHT", 0))

    def shot(self, box: tuple[int, int, int, int]) -> Image.Image:
        """What is seen between left, top, right and bottom."""
        return ImageGrab.grab(box, xdisplay=self.name).convert("RGB")

    def seen(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """(H, W, 3) the same as numbers."""
        return np.asarray(self.shot(box)).astype(int)


@contextmanager
def made_up(width: int, height: int) -> Iterator[XDisplay]:
    """A display without a screen."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{width}x{height}x24", "-noreset"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield XDisplay(f":{server.stdout.readline().strip()}", server.pid)
        finally:
            server.kill()
