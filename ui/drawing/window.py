"""The window: glfw, its keys, and the picture in it. Import this only where there is a display.

Escape or Q ends, or, where visitors press keys, either pressed twice; the other keys are ``ui.controls``'.
"""

import math
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import glfw
import moderngl
import numpy as np

from duet.errors import PictureError
from ui.control_table import REPEATING_KEYS
from ui.drawing.keys import KEYS
from ui.drawing.scene import Scene, limit_software_threads
from ui.drawing.shaders import build_program
from ui.staging import NEAREST_DISPLAY

_LEAST_SIZE = 320, 180
TWICE_S = 2.0
"""Between two presses that end together."""
_ENDING = {glfw.KEY_ESCAPE: "escape", glfw.KEY_Q: "q"}


@dataclass
class WindowInput:
    """What the person at the keyboard wants."""

    quit: bool = False
    keys: list[tuple[str, float]] = field(default_factory=list)
    """Keys by name, and when each went down (``time.monotonic``)."""


class Window:
    """A resizable window with an OpenGL 3.3 context. Raises ``PictureError`` when there is no display or no OpenGL.

    ``display`` is the number of the one to fill at once, ``is_clear`` lets the desktop through where nothing is drawn.
    ``ends_twice``: a key that ends is one of ``input.keys`` at first, and ends when it, or the other, follows soon.
    """

    def __init__(
        self,
        size: tuple[int, int],
        title: str = "Duet",
        *,
        wait_for_display: bool = True,
        display: int | None = None,
        is_clear: bool = False,
        ends_twice: bool = False,
    ) -> None:
        self.input = WindowInput()
        self._ends_twice, self._ending_s = ends_twice, -math.inf
        self._windowed = (80, 80, *size)
        self._filled: tuple[str, tuple[int, int], int] | None = None
        """The display that is to be filled: its name, its place, and how many there were of this name."""
        self._missing: int | None = None
        """The number of a display that was asked for and is not there yet."""
        limit_software_threads()
        if not glfw.init():
            raise PictureError("Window: expected a display, got none. Start from a desktop, or use --headless.")
        for hint, value in (
            (glfw.CONTEXT_VERSION_MAJOR, 3),
            (glfw.CONTEXT_VERSION_MINOR, 3),
            (glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE),
            (glfw.OPENGL_FORWARD_COMPAT, 1),
            (glfw.TRANSPARENT_FRAMEBUFFER, int(is_clear)),
            # Who clicks in the panel on their own display leaves the stage's as it is.
            (glfw.AUTO_ICONIFY, 0),
        ):
            glfw.window_hint(hint, value)
        self._window = glfw.create_window(*size, title, None, None)
        if not self._window:
            glfw.terminate()
            raise PictureError("Window: expected OpenGL 3.3, got none. Update the graphics driver, or use --headless.")
        glfw.make_context_current(self._window)
        glfw.set_window_size_limits(self._window, *_LEAST_SIZE, glfw.DONT_CARE, glfw.DONT_CARE)
        glfw.swap_interval(1 if wait_for_display else 0)
        glfw.set_key_callback(self._window, self._on_key)
        self.context = self._make_context()
        corners = self.context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], dtype=np.float32).tobytes())
        program = build_program(self.context, "present")
        self._rectangle = self.context.vertex_array(program, [(corners, "2f", "in_corner")])
        if display is not None:
            self._begin_on(display)

    def _begin_on(self, display: int) -> None:
        try:
            self.take_display(display)
        except PictureError:
            glfw.terminate()
            raise

    def _make_context(self) -> moderngl.Context:
        try:
            return moderngl.create_context(require=330)
        except Exception as error:  # the binding raises nothing narrower
            glfw.terminate()
            raise PictureError(
                f"Window: expected OpenGL 3.3, got: {error}. Update the graphics driver, or use --headless."
            ) from error

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels (more than the window's on a dense display), at least 1."""
        width, height = glfw.get_framebuffer_size(self._window)
        return max(width, 1), max(height, 1)

    @property
    def open(self) -> bool:
        """Whether it is to stay: neither closed nor quit by key."""
        return not (self.input.quit or glfw.window_should_close(self._window))

    def fit(self, scene: Scene) -> None:
        """Makes ``scene`` draw at the window's size; call before drawing."""
        if scene.size != self.size:
            scene.resize(self.size)

    def show(self, scene: Scene) -> None:
        """Puts the scene's picture on the screen and takes in what keys were pressed."""
        # A textured rectangle and no blit: the binding's idea of the screen's size is that of its first moment.
        self.context.screen.use()
        self.context.viewport = (0, 0, *self.size)
        self.context.disable(moderngl.DEPTH_TEST | moderngl.CULL_FACE | moderngl.BLEND)
        scene.picture.use(0)
        self._rectangle.render(moderngl.TRIANGLE_STRIP)
        glfw.swap_buffers(self._window)
        glfw.poll_events()

    def fill(self, light: float) -> None:
        """The whole of it in one grey, 0 black to 1 white."""
        self.context.screen.use()
        self.context.clear(light, light, light)
        glfw.swap_buffers(self._window)
        glfw.poll_events()

    def wait_until(self, monotonic_s: float) -> None:
        """Wait, taking in keys as they are pressed: a tap is worth its milliseconds."""
        glfw.poll_events()
        while (left_s := monotonic_s - time.monotonic()) > 0.0:
            glfw.wait_events_timeout(left_s)

    def close(self) -> None:
        """Closes the window."""
        glfw.terminate()

    def __enter__(self) -> "Window":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _on_key(self, window: Any, key: int, scancode: int, action: int, mods: int) -> None:
        name = KEYS.get(key)
        if name is not None and (action == glfw.PRESS or (action == glfw.REPEAT and name in REPEATING_KEYS)):
            self.input.keys.append((name, time.monotonic()))
        if action == glfw.PRESS and key in _ENDING:
            self._press_end(_ENDING[key], time.monotonic())

    def _press_end(self, name: str, now_s: float) -> None:
        if not self._ends_twice or now_s - self._ending_s <= TWICE_S:
            self.input.quit = True
            return
        self._ending_s = now_s
        self.input.keys.append((name, now_s))

    def take_display(self, number: int | None) -> None:
        """Fill this display, or ``NEAREST_DISPLAY``; None: be a window again, where it was. PictureError for one that
        is not there: ``keep_display`` fills it once it is."""
        self._missing = number
        if number is None:
            was_filled, self._filled = self._filled, None
            glfw.set_input_mode(self._window, glfw.CURSOR, glfw.CURSOR_NORMAL)
            # Though the display may be gone: the window that it left behind is as large as it was.
            if was_filled:
                glfw.set_window_monitor(self._window, None, *self._windowed, glfw.DONT_CARE)  # pyright: ignore[reportArgumentType]
            return
        monitor = self._nearest_display() if number == NEAREST_DISPLAY else _display(number)
        if not self._filled:
            self._windowed = (*glfw.get_window_pos(self._window), *glfw.get_window_size(self._window))
        if monitor is not None:
            self._missing = None
            self._fill(monitor)

    def keep_display(self) -> None:
        """Fill it again once it is back: a screen that is switched off leaves a window behind. Fill one that was asked
        for and was not there, once it is."""
        if self._missing is not None and self._missing < len(glfw.get_monitors()):
            self.take_display(self._missing)
        if not self._filled or glfw.get_window_monitor(self._window):
            return
        name, place, count = self._filled
        alike = [monitor for monitor in glfw.get_monitors() if _name(monitor) == name]
        # Displays may be called alike: as long as one is missing it is this one.
        if alike and len(alike) >= count:
            self._fill(next((m for m in alike if glfw.get_monitor_pos(m) == place), alike[0]))

    def _fill(self, monitor: Any) -> None:
        mode = glfw.get_video_mode(monitor)
        name = _name(monitor)
        count = sum(_name(other) == name for other in glfw.get_monitors())
        self._filled = name, glfw.get_monitor_pos(monitor), count
        # No arrow lies in the picture.
        glfw.set_input_mode(self._window, glfw.CURSOR, glfw.CURSOR_HIDDEN)
        glfw.set_window_monitor(self._window, monitor, 0, 0, mode.size.width, mode.size.height, mode.refresh_rate)

    def _nearest_display(self) -> Any:
        """The display that the window's middle is on, or the first one."""
        (left, top), (width, height) = glfw.get_window_pos(self._window), glfw.get_window_size(self._window)
        for monitor in glfw.get_monitors():
            x, y, wide, high = glfw.get_monitor_workarea(monitor)
            if x <= left + width / 2 < x + wide and y <= top + height / 2 < y + high:
                return monitor
        return glfw.get_primary_monitor()


def _display(number: int) -> Any:
    monitors = glfw.get_monitors()
    if number >= len(monitors):
        names = ", ".join(f"{k}: {_name(m)}" for k, m in enumerate(monitors))
        raise PictureError(f"--display: expected one of {names or 'none'}, got {number}. Choose one of these.")
    return monitors[number]


def _name(monitor: Any) -> str:
    name: Any = glfw.get_monitor_name(monitor)
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
