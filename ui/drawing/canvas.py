"""Where pictures go. Here: a film, without a window; ``ui.drawing.window_canvas`` draws the same scene in one."""

import time
from pathlib import Path
from typing import Protocol

from duet.clock import MonotonicClock
from realtime.health import Health
from ui.drawing.film import FilmWriter, Soundtrack
from ui.drawing.scene import SMOOTHING_SAMPLES, Scene, SceneState, create_headless_context, draws_in_software
from ui.staging import Staging


class Canvas(Protocol):
    """Something a performance is drawn on."""

    @property
    def fps(self) -> float:
        """Pictures a second to aim for."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in pixels."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether the audience has gone: the window was closed."""
        ...

    @property
    def renderer(self) -> str:
        """Name of the OpenGL renderer."""
        ...

    def wait_until(self, clock: MonotonicClock, time_s: float) -> None:
        """Return once the session clock says ``time_s``, noticing meanwhile what somebody does."""
        ...

    def take_keys(self) -> list[tuple[str, float]]:
        """Keys that went down since the last call, and when (``time.monotonic``)."""
        ...

    def restage(self, staging: Staging) -> None:
        """Show everything as ``staging`` says from now on, as far as it can be had; what cannot is warned of."""
        ...

    def draw(self, state: SceneState, health: Health) -> None:
        """Draw one picture; the time of writing it goes to ``health`` as "encode"."""
        ...

    def close(self) -> None:
        """Finish: a film is complete after this, if it has pictures. Safe to call again."""
        ...

    def abandon(self) -> None:
        """Close after a failure: what was begun is not left behind as if it were complete."""
        ...


class FilmCanvas:
    """Draws without a window; writes a film when given a path, else only draws (to be measured)."""

    def __init__(
        self,
        size: tuple[int, int],
        fps: float,
        film: Path | None,
        sound: Soundtrack | None,
        staging: Staging | None = None,
    ) -> None:
        self.fps = fps
        self.size = size
        self.is_closed = False
        self._context = create_headless_context()
        self.renderer = str(self._context.info["GL_RENDERER"])
        quick = not draws_in_software(self._context)
        samples = SMOOTHING_SAMPLES if quick else 0
        self._scene = Scene(self._context, size, samples=samples, staging=staging, rich=quick)
        self._scene.warm()
        self._film = FilmWriter(film, size, fps, audio=sound) if film is not None else None
        self._pictures = 0

    def wait_until(self, clock: MonotonicClock, time_s: float) -> None:
        """Return once the session clock says ``time_s``."""
        clock.sleep_until(time_s)

    def take_keys(self) -> list[tuple[str, float]]:
        """None: nobody has keys here."""
        return []

    def restage(self, staging: Staging) -> None:
        """Show everything as ``staging`` says from now on; whose body cannot be read keeps theirs, which is told."""
        self._scene.restage_watched(staging)

    def draw(self, state: SceneState, health: Health) -> None:
        """Draw, and add the picture to the film at ``state.time_s``."""
        self._scene.draw(state)
        pixels = self._scene.read()
        if self._film is not None:
            start = time.perf_counter()
            self._film.write(pixels, state.time_s)
            self._pictures += 1
            health.record("encode", (time.perf_counter() - start) * 1e3)

    def close(self) -> None:
        """Finish the film; without pictures there is none."""
        film, self._film = self._film, None
        try:
            if film is not None and self._pictures:
                film.close()
            elif film is not None:
                film.discard()
        finally:
            self._context.release()

    def abandon(self) -> None:
        """Remove the unfinished film."""
        self._pictures = 0
        self.close()
