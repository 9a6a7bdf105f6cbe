"""How tests wait for what threads and processes do: for the event, never for a time."""

import time
from collections.abc import Callable
from multiprocessing import shared_memory
from pathlib import Path

PATIENCE_S = 60.0
"""For machines that do much else."""


def wait_for(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
    """Whether it came true."""
    end_s = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True


def is_gone(name: str) -> bool:
    """Whether there is no shared memory of this name."""
    try:
        shared_memory.SharedMemory(name=name).close()
    except FileNotFoundError:
        return True
    return False


def runs(pid: int) -> bool:
    """Whether a process is there, and no zombie. On Linux."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
