"""Milliseconds as counts in a fixed number of bins: hours cost as much memory as a minute, and a percentile no sorting.

Bins grow by RATIO, so a percentile is off by at most half of that; the maximum is exact.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_MS, MOST_MS = 1e-3, 1e6
RATIO = 1.04
_STEP = math.log(RATIO)
BINS = math.ceil(math.log(MOST_MS / LEAST_MS) / _STEP) + 2


@dataclass(frozen=True)
class StageStats:
    """Percentiles of one stage."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    n: int

    @classmethod
    def of(cls, samples_ms: list[float]) -> "StageStats":
        """Statistics of samples; zeros when there are none."""
        if not samples_ms:
            return cls(0.0, 0.0, 0.0, 0.0, 0)
        p50, p95, p99 = np.percentile(samples_ms, [50, 95, 99])
        return cls(float(p50), float(p95), float(p99), float(max(samples_ms)), len(samples_ms))


class Histogram:
    """One writer; anybody may read."""

    def __init__(self, samples_ms: Iterable[float] = ()) -> None:
        self._counts = [0] * BINS
        self.max_ms = 0.0
        """The longest of all."""
        for milliseconds in samples_ms:
            self.add(milliseconds)

    def add(self, milliseconds: float) -> None:
        """Count one measurement."""
        self._counts[_bin_of(milliseconds)] += 1
        if milliseconds > self.max_ms:
            self.max_ms = milliseconds

    def counts(self) -> NDArray[np.int64]:
        """(BINS,) by now."""
        return np.array(self._counts, dtype=np.int64)

    def clear(self) -> None:
        """Begin anew."""
        self._counts, self.max_ms = [0] * BINS, 0.0

    def stats(self, since: NDArray[np.int64] | None = None, by: NDArray[np.int64] | None = None) -> StageStats:
        """Statistics of everything, or of what came after ``counts`` was ``since`` and until it was ``by``; zeros when
        there is nothing."""
        counts = (self.counts() if by is None else by) - (0 if since is None else since)
        total = int(counts.sum())
        if total <= 0:
            return StageStats(0.0, 0.0, 0.0, 0.0, 0)
        reached = np.cumsum(counts)
        ranks = (math.ceil(share * total) for share in (0.50, 0.95, 0.99))
        most = self.max_ms if since is None else min(_middle(int(np.flatnonzero(counts)[-1])), self.max_ms)
        at = [min(_middle(int(np.searchsorted(reached, rank))), most) for rank in ranks]
        return StageStats(at[0], at[1], at[2], most, total)


def _bin_of(milliseconds: float) -> int:
    if not milliseconds > LEAST_MS:
        return 0
    return min(1 + int(math.log(milliseconds / LEAST_MS) / _STEP), BINS - 1)


def _middle(number: int) -> float:
    return LEAST_MS * RATIO ** (number - 0.5) if number else LEAST_MS
