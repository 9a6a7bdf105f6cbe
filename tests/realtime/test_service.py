"""What a service manager hears of a show."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime import service
from realtime.service import Service

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10.0)
        yield listening


def test_it_is_told_that_a_show_begins_lives_and_ends(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(service.time, "monotonic", lambda: now[0])
    show = Service({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "10000000"})
    show.ready()
    for _ in range(600):  # ten seconds of looks
        show.alive("Dancing 3 s")
        now[0] += 1 / 60
    show.stopping()
    heard = [manager.recv(200).decode() for _ in range(6)]
    assert heard[0] == "READY=1" and heard[-1] == "STOPPING=1"
    assert heard[1:-1] == ["WATCHDOG=1\nSTATUS=Dancing 3 s"] * 4


def test_a_watchdog_is_asked_to_end_what_hangs(manager: socket.socket) -> None:
    show = Service({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "4000000"})
    for _ in range(10):
        show.hung()
    Service({"NOTIFY_SOCKET": manager.getsockname()}).hung()  # nobody would begin it anew
    Service({"NOTIFY_SOCKET": manager.getsockname()}).stopping()
    assert [manager.recv(200) for _ in range(2)] == [b"WATCHDOG=trigger", b"STOPPING=1"]


@pytest.mark.parametrize("named", [False, True])
def test_where_nobody_listens_nothing_is_said_again(named: bool, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    show = Service({"NOTIFY_SOCKET": str(gone), "WATCHDOG_USEC": "1000"} if named else {})
    show.ready()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as late:
        late.bind(str(gone))
        late.setblocking(False)
        show.alive("")
        show.stopping()
        with pytest.raises(BlockingIOError):
            late.recv(200)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's")
def test_an_abstract_address(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"duet-{tmp_path.name}-{id(listening)}"
        listening.bind("\0" + name)
        listening.settimeout(10.0)
        Service({"NOTIFY_SOCKET": "@" + name}).ready()
        assert listening.recv(100) == b"READY=1"
