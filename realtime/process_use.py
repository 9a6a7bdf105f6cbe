"""What a show holds, memory and handles of all its processes, and whether it grows.

Counted is memory that a process has for itself. What it maps from files (the code of libraries, which comes in page by
page as it is first needed) is the system's to take back, and does not grow beyond the files; shared memory is counted
once, for the process that tells, which makes it.
"""

import ctypes
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

GIVE_BACK_S = 60.0
WARM_UP_S = 60.0
"""What grows before this is a start, not a leak."""
_MOST_POINTS = 720
_PARTS = 24


def children() -> tuple[int, ...]:
    """Numbers of the processes that this one started, and of theirs; () where the system does not tell."""
    found, asked = list[int](), [os.getpid()]
    while asked:
        threads = Path(f"/proc/{asked.pop()}/task")
        with suppress(OSError):  # it ended meanwhile, or the system does not tell
            for thread in threads.glob("*/children"):
                with suppress(OSError):  # this thread of it did
                    of_one = [int(number) for number in thread.read_text().split()]
                    found += of_one
                    asked += of_one
    return tuple(found)


@dataclass(frozen=True)
class Use:
    """What processes hold together."""

    memory_mb: float
    handles: int
    threads: int
    processes: frozenset[int]
    """Numbers of those that were counted."""


def use_of_all() -> Use:
    """What this process and those it started hold; of this one alone where the system does not tell of others.

    OSError where it does not let itself be asked, as when no handle is left to look with: there is no number then.
    """
    memory, opened, threads, counted = memory_mb(), handles(), threading.active_count(), {os.getpid()}
    own = Path("/proc/self/task")
    if own.is_dir():
        threads = len(os.listdir(own))
    for number in children():
        folder = Path(f"/proc/{number}")
        with suppress(OSError, KeyError):  # it ended meanwhile
            more = _held_mb(folder, "RssAnon")
            files, tasks = len(os.listdir(folder / "fd")), len(os.listdir(folder / "task"))
            memory, opened, threads = memory + more, opened + files, threads + tasks
            counted.add(number)
    return Use(memory, opened, threads, frozenset(counted))


def memory_mb() -> float:
    """Memory of this process that is not swapped out, in 10^6 bytes; 0 where the system does not tell. OSError: see
    ``use_of_all``."""
    own = Path("/proc/self")
    if (own / "status").is_file():
        return _held_mb(own, "RssAnon", "RssShmem")
    if sys.platform == "win32":
        return _windows_memory_mb()
    import resource

    # The most it ever was: the only figure that every Unix gives. In bytes on macOS, in kilobytes elsewhere.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


def _held_mb(process: Path, *kinds: str) -> float:
    """What Linux tells of a process: the sum of ``kinds``. OSError or KeyError where it ended meanwhile."""
    lines = (line.partition(":") for line in (process / "status").read_text().splitlines())
    told = {name: value for name, _, value in lines}
    return sum(int(told[kind].split()[0]) for kind in kinds) * 1024 / 1e6


def give_back() -> None:
    """Let the system have what was freed here: glibc keeps it, in many pools, and grows by what does not fit again.

    Some milliseconds, without Python's interpreter lock; elsewhere than on glibc nothing is done.
    """
    trim = _trim_call()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _trim_call() -> Callable[[int], object] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library
        return None


class GivingBack:
    """Gives back once a minute, for who looks often."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + GIVE_BACK_S

    def look(self) -> None:
        """Give back, where it is time to."""
        if (now_s := time.monotonic()) >= self._next_s:
            self._next_s = now_s + GIVE_BACK_S
            give_back()


def handles() -> int:
    """Open files, pipes, sockets and segments of this process; 0 where the system does not tell. OSError: see
    ``use_of_all``."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if os.path.isdir(folder):
            return len(os.listdir(folder))
    if sys.platform == "win32":
        return _windows_handles()
    return 0


if sys.platform == "win32":
    from ctypes import wintypes

    class _Memory(ctypes.Structure):
        _fields_ = [("cb", wintypes.DWORD), ("faults", wintypes.DWORD)] + [
            (name, ctypes.c_size_t)
            for name in ("peak", "working_set", "p1", "p2", "p3", "p4", "pagefile", "pagefile_peak")
        ]

    def _windows_memory_mb() -> float:
        told = _Memory(cb=ctypes.sizeof(_Memory))
        kernel = ctypes.windll.kernel32
        fine = kernel.K32GetProcessMemoryInfo(wintypes.HANDLE(-1), ctypes.byref(told), told.cb)
        return told.working_set / 1e6 if fine else 0.0

    def _windows_handles() -> int:
        count = wintypes.DWORD()
        fine = ctypes.windll.kernel32.GetProcessHandleCount(wintypes.HANDLE(-1), ctypes.byref(count))
        return count.value if fine else 0


class Trend:
    """How fast a value grows: the slope of a straight line through it, ``WARM_UP_S`` after it began.

    The line is Theil and Sen's (the median of all slopes) through medians of neighbours: a picture that is just being
    read, or a pool that is full for a moment, is no growth.

    Holds a fixed number of points: when they are full every second one leaves, and half as many are taken from then on.
    """

    def __init__(self, warm_up_s: float = WARM_UP_S) -> None:
        self._warm_up_s, self._begin_s = warm_up_s, 0.0
        self._points: deque[tuple[float, float]] = deque()
        self._every, self._seen = 1, 0

    def begin(self, time_s: float) -> None:
        """Forget: what grows is another thing from ``time_s`` on."""
        self._begin_s = time_s
        self._points.clear()
        self._every, self._seen = 1, 0

    def add(self, time_s: float, value: float) -> None:
        """One point."""
        if time_s < self._begin_s + self._warm_up_s:
            return
        if self._seen % self._every == 0:
            self._points.append((time_s, value))
            if len(self._points) >= _MOST_POINTS:
                self._points = deque(list(self._points)[::2])
                self._every *= 2
        self._seen += 1

    def per_10_min(self) -> float | None:
        """Growth in ten minutes; None until the points span as long as the warm-up took."""
        if len(self._points) < 3 or self._points[-1][0] - self._points[0][0] < self._warm_up_s:
            return None
        parts = np.array_split(np.array(self._points), max(3, min(_PARTS, len(self._points) // 2)))
        time_s, value = np.array([np.median(part, axis=0) for part in parts]).T
        i, j = np.triu_indices(len(parts), 1)
        return float(np.median((value[j] - value[i]) / np.maximum(time_s[j] - time_s[i], 1e-6)) * 600.0)
