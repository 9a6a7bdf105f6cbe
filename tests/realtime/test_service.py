"""What a service manager hears of a show."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime import service
from realtime.engine import ThreadedEngine
from realtime.health import Health
from realtime.service import Service, Watchdog
from realtime.supervisor import Pulse
from realtime.tick import FollowerState, Tensors

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


class Stuck:
    """Graphs that come back from their first tick when they are let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        assert self.gate.wait(60.0)
        return {}, state


def test_a_follower_that_never_answers_is_told_and_the_show_begun_anew(manager: socket.socket) -> None:
    stuck, health, told = Stuck(), Health(), []
    engine, conductor = ThreadedEngine(stuck, FollowerState({})), Pulse()
    show = Service({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "4000000"})
    watchdog = Watchdog(conductor, engine.pulse, health, show, told.append)

    def look_after(begin_s: float, seconds: float) -> None:
        for step in range(round(seconds * 50)):
            conductor.beat()
            watchdog.look(begin_s + step / 50)
            if step % 50 == 49:
                watchdog.tell("Dancing")

    look_after(100.0, 10.0)
    assert told == [] and manager.recv(200) == b"WATCHDOG=1\nSTATUS=Dancing"
    assert engine.submit(0, {})
    look_after(110.0, 2.5)
    assert told == [], "a tick may be slow"
    look_after(112.5, 5.0)
    assert len(told) == 1 and told[0].startswith("follower: no answer for 3 s")
    assert health.counter("follower_hangs") >= 3 and health.counter("conductor_hangs") == 0
    assert manager.recv(200) == b"WATCHDOG=trigger", "and nobody said meanwhile that it lived"
    stuck.gate.set()
    assert engine.collect(60.0) is not None
    look_after(117.5, 2.0)
    assert told[1:] == ["no more follower hangs"]
    engine.close()


def test_a_conductor_that_hangs_is_told_and_the_show_begun_anew(manager: socket.socket) -> None:
    health, told = Health(), []
    show = Service({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "4000000"})
    watchdog = Watchdog(Pulse(), Pulse(rests=lambda: True), health, show, told.append)
    for step in range(200):
        watchdog.look(100.0 + step / 50)
    watchdog.tell("Dancing")
    assert told == ["conductor: no sign of life for 2 s (conductor hangs)"]
    assert manager.recv(200) == b"WATCHDOG=trigger"
