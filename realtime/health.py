"""What the loop knows of itself: milliseconds per stage, counters of what went wrong, what the process holds.

Threading: each stage and each counter has one writing thread; ``snapshot`` belongs to one thread (``HealthWatch``'s);
readers take snapshots.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.histogram import Histogram, StageStats
from realtime.lately import Lately
from realtime.process_use import Trend, Use, use_of_all

RECENT_SNAPSHOTS = 10
"""``Snapshot.recent`` reaches back over so many."""
LONGEST = "longest_"
"""Begins the name of a counter that holds the longest run of another."""
_RATE_S = 10.0
"""A rate is told of so long at least."""
_GONE_S = 10.0
"""A process that was not replaced within so long is missed by nobody: the others are watched from then on."""


@dataclass(frozen=True)
class Snapshot:
    """The loop at one moment."""

    time_s: float
    """On the session's clock."""
    stages: Mapping[str, StageStats] = field(default_factory=dict)
    """Since the beginning."""
    recent: Mapping[str, StageStats] = field(default_factory=dict)
    """Since ``RECENT_SNAPSHOTS`` ago."""
    counters: Mapping[str, int] = field(default_factory=dict)
    memory_mb: float = 0.0
    """Of all processes, as are the handles."""
    handles: int = 0
    memory_mb_per_10_min: float | None = None
    """None until it can be told."""
    handles_per_10_min: float | None = None
    per_s: Mapping[str, float] = field(default_factory=dict)
    """Of counters, since it was looked first; without those that cannot be told yet."""
    lately: "Snapshot | None" = None
    """The same of the last minutes (``realtime.lately``), but for what the show holds and how that grows."""

    @property
    def present(self) -> "Snapshot":
        """What is the case lately; everything, where there is no more."""
        return self.lately or self

    def values(self) -> dict[str, Any]:
        """As what JSON can hold; stages that took no part are left out."""
        told: dict[str, Any] = {"time_s": round(self.time_s, 3)}
        for name, stages in (("stages", self.stages), ("recent", self.recent)):
            told[name] = {
                stage: {key: round(number, 3) for key, number in asdict(stats).items()}
                for stage, stats in stages.items()
                if stats.n
            }
        growth = {"memory_mb_per_10_min": self.memory_mb_per_10_min, "handles_per_10_min": self.handles_per_10_min}
        return {
            **told,
            "counters": dict(self.counters),
            "memory_mb": round(self.memory_mb, 1),
            "handles": self.handles,
            **{name: None if value is None else round(value, 3) for name, value in growth.items()},
        }


class Health:
    """Collects stage times in milliseconds and counts events."""

    STAGES = ("camera", "track", "lift", "frame", "music", "gather", "tick", "decode", "draw", "gap", "encode", "lag")
    """``lag`` is no work: how old the newest leader frame was that a drawn pose knew."""

    def __init__(self) -> None:
        self._stages = {s: Histogram() for s in self.STAGES}
        self._counters: dict[str, int] = {}
        self._runs: dict[str, int] = {}
        self._longest_runs: dict[str, int] = {}
        """Since the last snapshot."""
        self._lately = Lately(self.STAGES)
        self._first: tuple[float, Mapping[str, int]] | None = None
        """When it was looked first, and what was counted by then: a camera is seen before there is a dance."""
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        """Whoever begins anew waits until a look is over."""
        self._earlier: deque[dict[str, NDArray[np.int64]]] = deque(maxlen=RECENT_SNAPSHOTS)
        self._memory, self._handles = Trend(), Trend()
        self._processes: frozenset[int] = frozenset()
        self._same_s = 0.0
        """When it was these processes last."""

    def record(self, stage: str, milliseconds: float) -> None:
        """Add one measurement of ``stage``."""
        self._stages[stage].add(milliseconds)

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

    def tally(self, name: str, happened: bool) -> None:
        """Count what may happen again and again; counter ``longest_<name>`` is its longest run."""
        with self._lock:
            run = self._runs[name] = self._runs.get(name, 0) + 1 if happened else 0
            self._counters[name] = self._counters.get(name, 0) + happened
            for longest, of in ((f"{LONGEST}{name}", self._counters), (name, self._longest_runs)):
                of[longest] = max(of.get(longest, 0), run)

    def counter(self, name: str) -> int:
        """A counter's value, 0 when it never counted."""
        return self._counters.get(name, 0)

    def forget(self) -> None:
        """Begin anew, with the session: what went before is no part of what is to be measured."""
        with self._looking:
            for stage in self._stages.values():
                stage.clear()
            self._earlier.clear()
            with self._lock:
                self._counters.clear()
                self._runs.clear()
                self._longest_runs.clear()
            self._lately.begin(0.0)
            self._first = None

    def _watch_growth(self, time_s: float, use: Use) -> None:
        """Of the same processes: one that is begun anew warms up anew, and those that end with a show are no growth."""
        self._same_s = time_s if use.processes == self._processes else self._same_s
        if use.processes - self._processes or time_s - self._same_s > _GONE_S:
            self._processes, self._same_s = use.processes, time_s
            self._memory.begin(time_s)
            self._handles.begin(time_s)
        if use.processes == self._processes:
            self._memory.add(time_s, use.memory_mb)
            self._handles.add(time_s, use.handles)

    def stages(self) -> dict[str, StageStats]:
        """Statistics of every stage since the beginning."""
        return {name: stage.stats() for name, stage in self._stages.items()}

    def _stats(
        self, now: Mapping[str, NDArray[np.int64]], before: Mapping[str, NDArray[np.int64]]
    ) -> dict[str, StageStats]:
        return {name: stage.stats(before.get(name), now[name]) for name, stage in self._stages.items()}

    def snapshot(self, time_s: float) -> Snapshot:
        """Everything at ``time_s``; taken about once a second, by one thread."""
        with self._looking:
            use = use_of_all()
            self._watch_growth(time_s, use)
            return self._snapshot(time_s, use)

    def _snapshot(self, time_s: float, use: Use) -> Snapshot:
        histograms = {name: stage.counts() for name, stage in self._stages.items()}
        earlier = self._earlier[0] if self._earlier else {}
        recent = self._stats(histograms, earlier)
        self._earlier.append(histograms)
        with self._lock:
            counters = dict(self._counters)
            longest, self._longest_runs = self._longest_runs, dict(self._runs)
        self._first = self._first or (time_s, counters)
        whole = Snapshot(
            time_s,
            self._stats(histograms, {}),
            recent,
            counters,
            use.memory_mb,
            use.handles,
            self._memory.per_10_min(),
            self._handles.per_10_min(),
            _rates(time_s, counters, *self._first),
        )
        before = self._lately.before(time_s, histograms, counters, longest)
        since = max(self._first, (before.time_s, before.counters), key=lambda first: first[0])
        lately = replace(
            whole,
            stages=self._stats(histograms, before.stages),
            counters={name: count - before.counters.get(name, 0) for name, count in counters.items()}
            | {f"{LONGEST}{name}": run for name, run in before.longest.items()},
            per_s=_rates(time_s, counters, *since),
        )
        return replace(whole, lately=lately)


def _rates(time_s: float, counters: Mapping[str, int], since_s: float, before: Mapping[str, int]) -> dict[str, float]:
    if time_s - since_s < _RATE_S:
        return {}
    return {name: (count - before.get(name, 0)) / (time_s - since_s) for name, count in counters.items()}
