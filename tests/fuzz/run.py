"""``python -m tests.fuzz.run``: a million messages and ten thousand files that are broken or mean harm, in minutes.

Whatever raises anything but a refusal in words ends it, and so does a message or file that takes longer than
``MOST_S`` or more memory than ``MOST_BYTES``, a write outside the folder it works in, a connection, or a process that
is started.
"""

import argparse
import faulthandler
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tests.fuzz.files import read
from tests.fuzz.messages import feed

MOST_S = 60.0
"""A hang: the longest is under a second, of a graph that is opened."""
MOST_BYTES = 1 << 30
"""More than there was before the first file."""
_FORBIDDEN = ("socket.connect", "socket.sendto", "subprocess.Popen", "os.system", "os.exec", "shutil.rmtree")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")


class Watch:
    """Notes what is written elsewhere than in ``folder``, or forbidden, while it is on (``sys.addaudithook``)."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.on = str(folder.resolve()), False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in _FORBIDDEN:
            self.seen.append(f"{event} {arguments!r:.200}")
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if (writes or event in _CHANGES) and not isinstance(arguments[0], int):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith((self._folder, "/dev/null", "/dev/shm")):
                self.seen.append(f"{event} {path}")


@contextmanager
def watched(folder: Path) -> Iterator[Watch]:
    """A ``Watch`` that is on meanwhile; AssertionError where it saw something."""
    watch = Watch(folder)
    watch.on = True
    try:
        yield watch
    finally:
        watch.on = False
    assert not watch.seen, f"{len(watch.seen)} forbidden: {watch.seen[:5]}"


def patient(told: Callable[[int], None]) -> Callable[[int], None]:
    """``told``, and whoever is not told anything for ``MOST_S`` is stopped with a trace of where it hangs."""

    def tell(done: int) -> None:
        faulthandler.dump_traceback_later(MOST_S, exit=True)
        told(done)

    tell(0)
    return tell


def most_memory() -> int:
    """Bytes that this process had at once until now; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    # Kilobytes, but on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, metavar="N", help="how many (default 1000000)")
    parser.add_argument("--files", type=int, default=10_000, metavar="N", help="how many (default 10000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is broken (default 0)")
    arguments = parser.parse_args()
    faulthandler.enable()
    # Numbers that overflow are what this is about; only what raises counts.
    warnings.simplefilter("ignore")
    console = Console()
    with tempfile.TemporaryDirectory() as folder, Progress(console=console, transient=True) as progress:
        with watched(Path(folder)):
            task = progress.add_task("messages", total=arguments.messages)
            fed = feed(arguments.messages, arguments.seed, patient(lambda done: progress.advance(task, done)))
            before = most_memory()
            task = progress.add_task("files", total=arguments.files)
            found = read(
                arguments.files, arguments.seed, Path(folder), patient(lambda done: progress.advance(task, done))
            )
        faulthandler.cancel_dump_traceback_later()
        more = most_memory() - before
        assert more < MOST_BYTES, f"{more >> 20} MB more memory"
    for what, counts in (("messages", fed), ("files", found)):
        console.print(f"{what}: {', '.join(f'{count} {name}' for name, count in counts.items())}")
    console.print(f"No crash, no hang, no write outside, no connection; {more >> 20} MB more memory at most.")


if __name__ == "__main__":
    main()
