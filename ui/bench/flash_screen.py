"""A screen that flashes: the whole of a display, black or white. Import this only where there is a display."""

from types import TracebackType
from typing import Self

from ui.drawing.window import Window


class FlashScreen:
    """See ``realtime.bench.photons.Screen``; ``PictureError`` where there is no display."""

    def __init__(self, display: int = 0) -> None:
        self._window = Window((640, 360), "Duet: flashes", display=display)

    def show(self, light: float) -> None:
        """See ``Screen``."""
        self._window.fill(light)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.close()
