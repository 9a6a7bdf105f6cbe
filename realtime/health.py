"""What the loop knows of itself: milliseconds per stage and counters of everything that went wrong.

Threading: each stage and each counter has one writing thread; readers take snapshots.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

_KEEP = 200_000
"""Samples kept per stage: an hour at 50 Hz; older ones leave, so that memory stays bounded."""


@dataclass(frozen=True)
class StageStats:
    """Percentiles of one stage over the session."""

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


class Health:
    """Collects stage times in milliseconds and counts events."""

    STAGES = ("camera", "track", "lift", "frame", "music", "gather", "tick", "decode", "draw", "encode")

    def __init__(self) -> None:
        self._samples: dict[str, deque[float]] = {s: deque(maxlen=_KEEP) for s in self.STAGES}
        self._counters: dict[str, int] = {}
        self._lock = threading.Lock()

    def record(self, stage: str, milliseconds: float) -> None:
        """Add one measurement of ``stage``."""
        self._samples[stage].append(milliseconds)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time a block as one measurement of ``stage``."""
        start = time.perf_counter()
        yield
        self.record(stage, (time.perf_counter() - start) * 1e3)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counters[name] = self._counters.get(name, 0) + by

    def counter(self, name: str) -> int:
        """A counter's value, 0 when it never counted."""
        return self._counters.get(name, 0)

    def forget(self) -> None:
        """Begin anew: what went before is no part of what is to be measured."""
        for samples in self._samples.values():
            samples.clear()
        with self._lock:
            self._counters.clear()

    def stages(self) -> dict[str, StageStats]:
        """Statistics of every stage."""
        return {name: StageStats.of(list(samples)) for name, samples in self._samples.items()}
