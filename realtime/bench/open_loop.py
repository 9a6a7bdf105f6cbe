"""Work that is asked for at a fixed rate, done or not: as a camera and a clock ask, and not as a loop does.

Closed loops flatter: who is late is asked later. Here arrival k is due at ``k * period_s`` after the start; what is
still busy when the next one comes has missed it, and is asked for the newest only (MLPerf's multi-stream rule).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class OpenLoop:
    """How arrivals fared."""

    period_s: float
    response_ms: NDArray[np.float64]
    """From each served arrival to its answer."""
    age_ms: NDArray[np.float64]
    """How old the input of each served arrival was when work on it began."""
    missed: NDArray[np.bool_]
    """Of every arrival, whether its answer came after the next arrival, or never."""
    dropped: int
    """Arrivals that were never worked on: a newer one had come."""

    @property
    def arrivals(self) -> int:
        """How many there were."""
        return len(self.missed)

    @property
    def miss_rate(self) -> float:
        """[0, 1]."""
        return float(self.missed.mean()) if len(self.missed) else 0.0

    @property
    def longest_run(self) -> int:
        """The most misses in a row."""
        longest = run = 0
        for late in self.missed:
            run = run + 1 if late else 0
            longest = max(longest, run)
        return longest


def sleep_until(when_s: float) -> None:
    """Return at ``when_s`` of ``time.perf_counter``, or at once when it is past."""
    while (left := when_s - time.perf_counter()) > 0:
        time.sleep(left)


def open_loop(
    work: Callable[[int], object],
    period_s: float,
    arrivals: int,
    *,
    now: Callable[[], float] = time.perf_counter,
    wait_until: Callable[[float], None] = sleep_until,
) -> OpenLoop:
    """Ask ``work`` (given the arrival's number) at every arrival it is free for."""
    begin_s = now()
    missed, response, age = np.zeros(arrivals, dtype=np.bool_), [], []
    dropped, k = 0, 0
    while k < arrivals:
        due_s = begin_s + k * period_s
        wait_until(due_s)
        start_s = now()
        newest = min(int((start_s - begin_s) / period_s + 1e-9), arrivals - 1)
        if newest > k:
            missed[k:newest] = True
            dropped += newest - k
            k, due_s = newest, begin_s + newest * period_s
        work(k)
        end_s = now()
        age.append(1e3 * (start_s - due_s))
        response.append(1e3 * (end_s - due_s))
        missed[k] = end_s - due_s > period_s
        k += 1
    return OpenLoop(period_s, np.array(response), np.array(age), missed, dropped)
