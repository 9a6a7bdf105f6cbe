"""What was counted in the last minutes, in fixed memory: one bad moment is not told all day, nor drowned in good hours.

Threading: everything belongs to the one thread that takes snapshots.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.histogram import BINS

LATELY_S = 300.0
"""So far it reaches back, and up to ``PART_S`` further."""
PART_S = 30.0
"""It moves on by so much at a time."""
_MARKS = round(LATELY_S / PART_S) + 1


@dataclass(frozen=True)
class Before:
    """What had been counted when the last minutes began."""

    time_s: float
    stages: Mapping[str, NDArray[np.int64]]
    """Histograms (BINS,)."""
    counters: Mapping[str, int]
    longest: Mapping[str, int]
    """The longest runs since then."""


class Lately:
    """Marks what was counted every ``PART_S``, and forgets the oldest mark."""

    def __init__(self, stages: tuple[str, ...]) -> None:
        self._names = stages
        # Held from the beginning: what fills up in the first minutes would be taken for a leak.
        self._histograms = np.full((_MARKS, len(stages), BINS), 0, np.int64)
        self._marks: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=_MARKS)
        self._longest: deque[dict[str, int]] = deque(maxlen=_MARKS)
        """Between each mark and the next, and since the newest."""
        self._newest = 0
        self.begin(0.0)

    def begin(self, time_s: float) -> None:
        """Nothing has been counted by ``time_s``."""
        self._marks.clear()
        self._longest.clear()
        self._mark(time_s, dict.fromkeys(self._names, 0), {})

    def before(
        self,
        time_s: float,
        stages: Mapping[str, NDArray[np.int64]],
        counters: Mapping[str, int],
        longest: Mapping[str, int],
    ) -> Before:
        """What had been counted when they began, at ``time_s``; ``longest``: the longest runs since the last call."""
        part = self._longest[-1]
        for name, run in longest.items():
            part[name] = max(part.get(name, 0), run)
        if time_s - self._marks[-1][0] >= PART_S:
            self._mark(time_s, stages, counters)
        begin_s, counted = self._marks[0]
        oldest = self._histograms[(self._newest - len(self._marks) + 1) % _MARKS]
        runs = {name: max(part.get(name, 0) for part in self._longest) for part in self._longest for name in part}
        return Before(begin_s, dict(zip(self._names, oldest, strict=True)), counted, runs)

    def _mark(
        self, time_s: float, stages: Mapping[str, NDArray[np.int64]] | Mapping[str, int], counters: Mapping[str, int]
    ) -> None:
        self._newest = (self._newest + 1) % _MARKS
        for row, name in zip(self._histograms[self._newest], self._names, strict=True):
            row[:] = stages[name]
        self._marks.append((time_s, counters))
        self._longest.append({})
