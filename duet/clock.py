"""One session clock: seconds since the session began."""

import math
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Gives session time and waits for it."""

    def now(self) -> float:
        """Seconds on the session clock; never goes back."""
        ...

    def sleep_until(self, time_s: float) -> None:
        """Return once ``now() >= time_s``; at once if that is past."""
        ...


class MonotonicClock:
    """The machine's monotonic clock, 0 at construction. Shareable between processes by ``epoch_s``."""

    def __init__(self, epoch_s: float | None = None) -> None:
        self.epoch_s = time.monotonic() if epoch_s is None else epoch_s

    def now(self) -> float:
        return time.monotonic() - self.epoch_s

    def sleep_until(self, time_s: float) -> None:
        while (left := time_s - self.now()) > 0:
            time.sleep(left)


class ManualClock:
    """A clock that moves only when told: replay and tests."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now = start_s

    def now(self) -> float:
        return self._now

    def sleep_until(self, time_s: float) -> None:
        self._now = max(self._now, time_s)

    def advance(self, seconds: float) -> None:
        """Move the clock on; ValueError for a step back."""
        if seconds < 0:
            raise ValueError(f"ManualClock: expected a step forward, got {seconds} s.")
        self._now += seconds


_RELOCK_S = 0.25
"""An error larger than this is lost sound, not jitter: the loop starts again from the measurement."""

_GAP_S = 0.03
"""The same where the device tells that it lost some: more than usual jitter."""


class AudioClock:
    """Session time of an audio device's samples.

    A second-order delay-locked loop (Adriaensen 2005, "Using a DLL to filter time") smooths the
    jittered moments at which blocks of known length are delivered. ``tick`` is called by the audio
    thread, once per block; ``time_of_sample`` by anyone.
    """

    def __init__(self, base: Clock, *, rate_hz: float, bandwidth_hz: float = 0.5) -> None:
        self._base = base
        self._rate_hz = rate_hz
        self._bandwidth_hz = bandwidth_hz
        self._lock = threading.Lock()
        self._samples = 0
        self._offset_s: float | None = None  # session time of sample 0 by the loop's present estimate
        self._drift = 0.0
        self._gap = False

    def lose(self) -> None:
        """The device says that sound was lost: the next block, if it is late, starts the loop again."""
        with self._lock:
            self._gap = True

    def tick(self, samples: int, at_s: float) -> None:
        """``samples`` more were delivered, the last of them at ``at_s`` on the base clock."""
        block_s = samples / self._rate_hz
        with self._lock:
            self._samples += samples
            measured = at_s - self._samples / self._rate_hz
            most_s, self._gap = _GAP_S if self._gap else _RELOCK_S, False
            if self._offset_s is None or abs(measured - self._offset_s) > most_s:
                self._offset_s, self._drift = measured, 0.0
                return
            omega = 2.0 * math.pi * self._bandwidth_hz * block_s
            error = measured - self._offset_s
            self._offset_s += math.sqrt(2.0) * omega * error + self._drift
            self._drift += omega * omega * error

    def time_of_sample(self, sample: int) -> float:
        """Session time of one sample by the present estimate; the base clock before the first block."""
        with self._lock:
            offset = self._offset_s
        return self._base.now() if offset is None else offset + sample / self._rate_hz
