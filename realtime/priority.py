"""Who goes first on a machine with few cores, and when garbage is looked for.

The dance goes before everything else, and sight before pictures: hardly anybody sees that a picture is a little late,
but a leader who is seen late is followed late.

Linux and macOS let only some (root, ``CAP_SYS_NICE``, a service's ``Nice=``) step forward; Windows lets anybody. Nobody
steps back: a picture that gave way to all that runs on a busy machine would hardly be drawn. macOS and Windows are by
their documentation: neither was tried.
"""

import contextlib
import ctypes
import gc
import os
import sys
from enum import Enum
from pathlib import Path


class Rank(Enum):
    """A process's place: its nice value, and Windows' class for ``SetPriorityClass``."""

    DANCE = -10, 0x8000
    SIGHT = -5, 0x8000
    ORDINARY = 0, 0x20

    @property
    def says(self) -> str:
        """For a table."""
        return f"nice {self.value[0]}"


SWITCH_S = 0.001
"""Who waits for Python's interpreter lock in the process that dances asks for it after so long; elsewhere 5 ms."""


def take_rank(rank: Rank) -> str:
    """Give this process its place, as far as the system allows; what it has now, in a few words."""
    nice, windows_class = rank.value
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        done = bool(kernel.SetPriorityClass(kernel.GetCurrentProcess(), windows_class))
        return rank.name.lower() if done else "as before: Windows did not allow another"
    try:
        for thread in _threads():
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.setpriority(os.PRIO_PROCESS, thread, nice)
    except OSError:
        pass_by = "root, CAP_SYS_NICE or a service's Nice="
        return f"nice {os.getpriority(os.PRIO_PROCESS, 0)}: to go before others needs {pass_by}"
    return f"nice {nice}"


def _threads() -> list[int]:
    """What to set: each thread on Linux, where a nice value is a thread's own, else this process."""
    tasks = Path("/proc/self/task")
    return [int(task.name) for task in tasks.iterdir()] if tasks.is_dir() else [0]


class Undisturbed:
    """While this process dances: it goes first, threads hand over quickly, and nothing searches for garbage unasked.

    Python looks for unreachable cycles whenever enough was made, over everything there is, and stops every thread
    meanwhile: 50 ms for what a performance begins with. Here what was there at the start (models, sources, modules) is
    never searched again, and all that came since is each time ``take_out`` is called: of that little is alive at any
    moment, and a search takes a millisecond. None of it is ever set aside: what is a cycle today is garbage tomorrow,
    when a device is replaced. As a context manager it leaves everything as it was.
    """

    def __enter__(self) -> "Undisturbed":
        self._was_enabled, self._switch_s = gc.isenabled(), sys.getswitchinterval()
        gc.collect()
        gc.freeze()
        gc.disable()
        sys.setswitchinterval(SWITCH_S)
        take_rank(Rank.DANCE)
        return self

    def __exit__(self, *_: object) -> None:
        take_rank(Rank.ORDINARY)
        sys.setswitchinterval(self._switch_s)
        gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def take_out(self) -> int:
        """Look for garbage among what came since the start; how many objects were unreachable."""
        return gc.collect()
