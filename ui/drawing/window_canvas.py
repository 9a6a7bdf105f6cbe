"""A performance drawn in a window. Import this only where there is a display: it brings glfw."""

import logging

from duet.clock import MonotonicClock
from duet.errors import PictureError
from realtime.health import Health
from ui.drawing.scene import SMOOTHING_SAMPLES, Scene, SceneState, draws_in_software
from ui.drawing.stages import STAGES
from ui.drawing.window import Window
from ui.staging import Staging

LOG = logging.getLogger("duet.picture")


class WindowCanvas:
    """Draws in a window; keys are handed out by ``take_keys``."""

    def __init__(
        self, size: tuple[int, int], fps: float, staging: Staging | None = None, *, ends_twice: bool = False
    ) -> None:
        self.fps = fps
        staging = staging or Staging()
        # The performance paces itself by the session clock; waiting for the display as well would beat against it.
        clear = STAGES[staging.stage].is_clear
        self._window = Window(
            size, wait_for_display=False, display=staging.display, is_clear=clear, ends_twice=ends_twice
        )
        self.renderer = str(self._window.context.info["GL_RENDERER"])
        quick = not draws_in_software(self._window.context)
        samples = SMOOTHING_SAMPLES if quick else 0
        self._scene = Scene(self._window.context, size, samples=samples, staging=staging, rich=quick)
        self._scene.warm()
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
        """Draw and show one picture."""
        self._window.keep_display()
        self._window.fit(self._scene)
        self._scene.draw(state)
        self._window.show(self._scene)

    def restage(self, staging: Staging) -> None:
        """Show everything as ``staging`` says from now on; what is not there, a display or the file of a body, leaves
        the window or the dancer as they are. It is warned of."""
        before = self._scene.staging
        if staging.display != before.display:
            try:
                self._window.take_display(staging.display)
            except PictureError as error:
                LOG.warning("%s", error)
        self._scene.restage_watched(staging)

    def close(self) -> None:
        """Close the window."""
        if self._is_open:
            self._is_open = False
            self._window.close()

    def abandon(self) -> None:
        """Close the window; it leaves nothing behind."""
        self.close()
