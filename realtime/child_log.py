"""What the libraries of a process print: the newest of it, in a file that nobody has to remove.

On Linux and macOS it has no name: the process is handed it open, and it is gone with the last who holds it, however
that one ends. On Windows it has one, and goes with the last handle. It keeps to ``MOST_BYTES``, as long as its owner
looks.

Threading: who writes only ever appends; everything else belongs to the one thread that looks after the process.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import reduction
from typing import Any

MOST_BYTES = 1 << 16
KEPT_BYTES = 1 << 12
"""More than the newest of it is never asked for."""


class ChildLog:
    """A file that processes append to and their owner quotes from; travels to a process that is being started."""

    def __init__(self, fd: int, path: str = "") -> None:
        self.fd, self._path = fd, path
        self._before = b""
        """The end of what was forgotten."""

    @classmethod
    def new(cls, name: str) -> "ChildLog":
        """An empty one."""
        if sys.platform == "win32":
            handle, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".log")
            os.close(handle)
            return _open_again(path)
        import fcntl

        with tempfile.TemporaryFile(prefix=f"{name}-", suffix=".log") as file:
            fd = os.dup(file.fileno())
        # Of the file as it is open, for all who hold it: whoever writes does so at the end.
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
        return cls(fd)

    def __reduce__(self) -> tuple[Callable[..., "ChildLog"], tuple[Any, ...]]:
        return (_open_again, (self._path,)) if self._path else (_take_over, (reduction.DupFd(self.fd),))

    def tail(self) -> str:
        """What was printed last."""
        return self._newest().decode(errors="replace")

    def bound(self) -> None:
        """Forget what is too much; called again and again by its owner."""
        if self.fd >= 0 and os.fstat(self.fd).st_size > MOST_BYTES:
            self._before = self._newest()
            os.ftruncate(self.fd, 0)

    def close(self) -> None:
        """Let go of it. Safe to call again."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _newest(self) -> bytes:
        os.lseek(self.fd, max(0, os.fstat(self.fd).st_size - KEPT_BYTES), os.SEEK_SET)
        return (self._before + os.read(self.fd, KEPT_BYTES))[-KEPT_BYTES:]


def _take_over(descriptor: Any) -> ChildLog:
    return ChildLog(descriptor.detach())


def _open_again(path: str) -> ChildLog:
    """By name, where files cannot be handed down: it is removed once nobody holds it open."""
    temporary: int = getattr(os, "O_TEMPORARY", 0)
    return ChildLog(os.open(path, os.O_RDWR | os.O_APPEND | temporary), path)
