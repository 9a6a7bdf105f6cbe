"""A performance drawn in a window. Import this only where there is a display: it brings glfw."""

from dataclasses import replace

from duet.clock import MonotonicClock
from realtime.health import Health
from ui.scene import Scene, SceneState
from ui.window import Window

_SMOOTHING_SAMPLES = 4


class WindowCanvas:
    """Draws in a window; keys that are not the window's own are handed out by ``take_keys``."""

    def __init__(self, size: tuple[int, int], fps: float) -> None:
        self.fps = fps
        # The performance paces itself by the session clock; waiting for the display as well would beat against it.
        self._window = Window(size, wait_for_display=False)
        self.renderer = str(self._window.context.info["GL_RENDERER"])
        software = "llvmpipe" in self.renderer or "softpipe" in self.renderer
        self._scene = Scene(self._window.context, size, samples=0 if software else _SMOOTHING_SAMPLES)
        self._is_open = True

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in pixels, as the window is now."""
        return self._window.size

    @property
    def is_closed(self) -> bool:
        """Whether the window was closed or quit by key."""
        return not (self._is_open and self._window.open)

    def wait_until(self, clock: MonotonicClock, time_s: float) -> None:
        """Return once the session clock says ``time_s``; keys are taken at the moment they are pressed."""
        self._window.wait_until(clock.epoch_s + time_s)

    def take_keys(self) -> list[tuple[str, float]]:
        """Keys that went down since the last call, and when (``time.monotonic``)."""
        keys, self._window.input.keys = self._window.input.keys, []
        return keys

    def draw(self, state: SceneState, health: Health) -> None:
        """Draw and show one picture, as the keys ask for."""
        keys = self._window.input
        self._window.fit(self._scene)
        hud = state.hud if keys.show_hud else None
        self._scene.draw(replace(state, hud=hud))
        self._window.show(self._scene)

    def close(self) -> None:
        """Close the window."""
        if self._is_open:
            self._is_open = False
            self._window.close()

    def abandon(self) -> None:
        """Close the window; it leaves nothing behind."""
        self.close()
