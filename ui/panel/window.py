"""The panel's window: glfw, ImGui in it, and its keys. Import this only where there is a display."""

import time
from collections.abc import Callable
from typing import Any

import glfw
import moderngl

from duet.errors import PictureError
from ui.control_table import REPEATING_KEYS
from ui.drawing.keys import KEYS
from ui.drawing.scene import draws_in_software, limit_software_threads
from ui.panel.channels import Value
from ui.panel.imgui_canvas import ImguiCanvas
from ui.panel.pen import Pen
from ui.panel.state import PanelState
from ui.panel.view import Surroundings, View

TITLE = "Duet panel"
SIZE = 1180, 880
"""In points."""
_LEAST = 480, 360
_MOST_SCALE = 4.0


class PanelWindow:
    """A window with the panel in it. Raises ``PictureError`` when there is no display or no OpenGL.

    ``scale`` is pixels a point, None for the display's own; ``avoid`` the number of a display to stay off.
    """

    def __init__(self, turn: Callable[[str, Value], None], *, scale: float | None, avoid: int | None) -> None:
        limit_software_threads()
        if not glfw.init():
            raise PictureError("Panel: expected a display, got none. Start from a desktop, or use --no-panel.")
        self._window = self._make()
        self._scale = scale
        try:
            self._context = moderngl.create_context(require=330)
        except Exception as error:  # the binding raises nothing narrower
            glfw.terminate()
            raise PictureError(f"Panel: expected OpenGL 3.3, got: {error}. Use --no-panel.") from error
        self.draws_in_software = draws_in_software(self._context)
        self.canvas = ImguiCanvas(self._window, self._context)
        self.view = View(Pen(self.canvas, self.scale), turn)
        self._keys: list[tuple[str, float]] = []
        self._touched = False
        self.is_hidden = True
        glfw.set_key_callback(self._window, self._on_key)
        self._place(avoid)

    def _make(self) -> Any:
        for hint, value in (
            (glfw.CONTEXT_VERSION_MAJOR, 3),
            (glfw.CONTEXT_VERSION_MINOR, 3),
            (glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE),
            (glfw.OPENGL_FORWARD_COMPAT, 1),
            (glfw.VISIBLE, 0),
            (glfw.FOCUS_ON_SHOW, 0),
        ):
            glfw.window_hint(hint, value)
        window = glfw.create_window(*SIZE, TITLE, None, None)
        if not window:
            glfw.terminate()
            raise PictureError("Panel: expected OpenGL 3.3, got none. Update the graphics driver, or use --no-panel.")
        glfw.make_context_current(window)
        # The display is not waited for: the window paces itself, and the stage's comes first.
        glfw.swap_interval(0)
        return window

    def _place(self, avoid: int | None) -> None:
        """As large as its points are, on a display that is not the stage's where there is another."""
        monitors = glfw.get_monitors()
        free = [monitor for number, monitor in enumerate(monitors) if number != avoid] or monitors
        dense = self.size[0] / max(glfw.get_window_size(self._window)[0], 1)
        wanted = [round(points * self.scale / dense) for points in SIZE]
        if free:
            left, top, wide, high = glfw.get_monitor_workarea(free[0])
            wanted = [min(wanted[0], wide), min(wanted[1], high)]
            if len(monitors) > 1:
                glfw.set_window_pos(self._window, left + (wide - wanted[0]) // 2, top + (high - wanted[1]) // 2)
        glfw.set_window_size_limits(self._window, *_LEAST, glfw.DONT_CARE, glfw.DONT_CARE)
        glfw.set_window_size(self._window, *wanted)

    @property
    def size(self) -> tuple[int, int]:
        """In pixels."""
        width, height = glfw.get_framebuffer_size(self._window)
        return max(width, 1), max(height, 1)

    @property
    def scale(self) -> float:
        """Pixels a point."""
        own = self._scale if self._scale is not None else glfw.get_window_content_scale(self._window)[0]
        return min(max(own, 0.5), _MOST_SCALE)

    def show(self, is_shown: bool) -> None:
        """Be there, or not."""
        if is_shown == self.is_hidden:
            (glfw.show_window if is_shown else glfw.hide_window)(self._window)
            self.is_hidden = not is_shown

    def draw(self, state: PanelState, around: Surroundings, now_s: float) -> None:
        """One picture."""
        self.view.pen.scale = self.scale
        size = self.size
        self.canvas.begin(size)
        self.view.draw(state, around, size, now_s)
        self.canvas.end()
        glfw.swap_buffers(self._window)

    def wait(self, seconds: float, least_s: float) -> None:
        """Wait, taking in what is done meanwhile; who points at it ends it, after ``least_s``."""
        begun_s = time.monotonic()
        glfw.poll_events()
        while (left_s := begun_s + (least_s if self._touched else seconds) - time.monotonic()) > 0.0:
            glfw.wait_events_timeout(left_s)
            self._touched = self._touched or self.canvas.take_touched()

    def take_keys(self) -> list[tuple[str, float]]:
        """Keys that went down since the last call, and when (``time.monotonic``)."""
        keys, self._keys = self._keys, []
        return keys

    def was_touched(self) -> bool:
        """Whether somebody pointed at it since the last call."""
        touched, self._touched = self._touched or self.canvas.take_touched(), False
        return touched

    def was_closed(self) -> bool:
        """Whether somebody asked to close it since the last call: it is hidden then, the dance goes on."""
        closed = bool(glfw.window_should_close(self._window))
        glfw.set_window_should_close(self._window, False)
        return closed

    def close(self) -> None:
        """Close the window."""
        self.canvas.close()
        glfw.terminate()

    def _on_key(self, _: Any, key: int, scancode: int, action: int, mods: int) -> None:
        name = KEYS.get(key)
        if name is not None and (action == glfw.PRESS or (action == glfw.REPEAT and name in REPEATING_KEYS)):
            self._keys.append((name, time.monotonic()))
            self._touched = True
