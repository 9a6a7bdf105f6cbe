"""Cells and rings that two processes share, as one thing that travels by its names."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Self

from realtime.rings import HistoryCell, SpscRing, attach


class Channels:
    """A frozen dataclass of cells and rings, each with one writer; None, at the end, where there is none.

    Who creates them owns the memory, and keeps it for every process that follows.
    """

    @classmethod
    def attach(cls, names: tuple[str, ...]) -> Self:
        """The memory that another process created."""
        build: Callable[..., Self] = cls
        return build(*map(attach, names))

    @property
    def names(self) -> tuple[str, ...]:
        """What ``attach`` takes."""
        return tuple(cell.name for cell in self._cells)

    def close(self) -> None:
        """Let go of it; the owner also removes it. Safe to call again."""
        for cell in self._cells:
            cell.close()

    @property
    def _cells(self) -> tuple[HistoryCell | SpscRing, ...]:
        these: Any = self
        cells = (getattr(self, field.name) for field in fields(these))
        return tuple(cell for cell in cells if cell is not None)
