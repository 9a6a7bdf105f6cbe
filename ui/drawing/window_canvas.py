"""A performance drawn in a window. Import this only where there is a display: it brings glfw."""

from dataclasses import replace

from duet.clock import MonotonicClock
from realtime.health import Health
from ui.drawing.scene import SMOOTHING_SAMPLES, Scene, SceneState, draws_in_software
from ui.drawing.stages import STAGES
from ui.drawing.window import Window
from ui.staging import Staging

_TELL_S = 3.0


class WindowCanvas:
    """Draws in a window; keys that are not the window's own are handed out by ``take_keys``."""

    def __init__(self, size: tuple[int, int], fps: float, staging: Staging | None = None) -> None:
        self.fps = fps
        staging = staging or Staging()
        # The performance paces itself by the session clock; waiting for the display as well would beat against it.
        clear = STAGES[staging.stage].is_clear
        self._window = Window(size, wait_for_display=False, display=staging.display, is_clear=clear)
        self.renderer = str(self._window.context.info["GL_RENDERER"])
        quick = not draws_in_software(self._window.context)
        samples = SMOOTHING_SAMPLES if quick else 0
        self._scene = Scene(self._window.context, size, samples=samples, staging=staging, rich=quick)
        self._is_open = True
        self._said, self._until_s = "", 0.0

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
        turns, keys.turns = keys.turns, []
        for what in turns:
            self._take_next(what, state.time_s)
        hud = state.hud if keys.show_hud else None
        if hud is not None and state.time_s < self._until_s:
            hud = replace(hud, message=self._said)
        self._scene.draw(replace(state, hud=hud))
        self._window.show(self._scene)

    def _take_next(self, what: str, time_s: float) -> None:
        """Show the next stage or camera, or the leader in the next way, and say which."""
        staging = self._scene.staging.with_next(what)
        self._scene.restage(staging)
        self._said, self._until_s = staging.told(what), time_s + _TELL_S

    def close(self) -> None:
        """Close the window."""
        if self._is_open:
            self._is_open = False
            self._window.close()

    def abandon(self) -> None:
        """Close the window; it leaves nothing behind."""
        self.close()
