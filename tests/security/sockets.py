"""The internet sockets that processes hold, as Linux tells in /proc: those that libraries open by themselves, too."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TABLES = ("tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "icmp", "packet")
_INODE = {"packet": 8}
_EVERY_S = 0.1


@contextmanager
def sockets_of(root: int) -> Iterator[set[str]]:
    """While it is on, a thread adds what process ``root`` and all below it hold, as ``tcp 0100007F:0050``."""
    held, stop = set[str](), threading.Event()

    def watch() -> None:
        while not stop.wait(_EVERY_S):
            held.update(internet_sockets(root))

    watcher = threading.Thread(target=watch, name="sockets")
    watcher.start()
    try:
        yield held
    finally:
        stop.set()
        watcher.join()


def internet_sockets(root: int) -> set[str]:
    """What process ``root`` and all below it hold now."""
    inodes = {inode for process in _below(root) for inode in _inodes(process)}
    return {f"{table} {where}" for table, where, inode in _open() if inode in inodes}


def _below(root: int) -> list[int]:
    """``root`` and its children, and theirs."""
    parents = dict[int, int]()
    for folder in Path("/proc").glob("[0-9]*"):
        # Processes come and go.
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def _inodes(process: int) -> set[str]:
    inodes = set[str]()
    with contextlib.suppress(OSError):
        for handle in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(handle).removeprefix("socket:[").removesuffix("]"))
    return inodes


def _open() -> Iterator[tuple[str, str, str]]:
    """(table, local address, inode) of every socket of the machine."""
    for table in _TABLES:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                yield table, fields[1], fields[_INODE.get(table, 9)]


def wait_for(held: set[str], patience_s: float = 60.0) -> bool:
    """Whether anything was seen within so long."""
    until_s = time.monotonic() + patience_s
    while not held and time.monotonic() < until_s:
        time.sleep(_EVERY_S)
    return bool(held)
