"""How a process of its own bears the signals that reach all of a show."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pytest

from realtime import child
from realtime.child_log import ChildLog
from realtime.topology import process

STOPS = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signals to bear")


def _waits(task: object, names: tuple[str, ...], control: Connection, log: ChildLog) -> None:
    child.begin(log, bears_a_stop=bool(task))
    control.send(("ready",))
    control.poll(None)


@contextmanager
def waiting(*, bears_a_stop: bool = False) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process that waits until its pipe is closed."""
    log = ChildLog.new("duet-tracker")
    # Hang-ups are heard, wherever these tests were begun by nohup.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        one, control = child.spawn(process("duet-tracker").name, _waits, bears_a_stop, (), log)
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        assert control.recv() == ("ready",)
        yield one, control
    finally:
        child.end(one, control, 1.0)
        log.close()


@pytest.mark.parametrize("number", STOPS)
def test_a_stop_that_reaches_all_leaves_the_end_to_the_parent(number: int) -> None:
    with waiting() as (one, control):
        assert one.pid is not None
        os.kill(one.pid, number)
        one.join(0.5)
        assert one.is_alive(), "it would be told as a fault"
        control.close()
        one.join(2.0)
        assert one.exitcode == 0


def test_who_is_told_nothing_after_a_stop_ends_by_itself() -> None:
    with waiting() as (one, _), waiting(bears_a_stop=True) as (other, control):
        for each in (one, other):
            assert each.pid is not None
            os.kill(each.pid, signal.SIGTERM)
        one.join(child.STOPPED_S + 5.0)
        assert one.exitcode == 128 + signal.SIGTERM
        assert other.is_alive(), "a film is not lost by it"
        control.close()
        other.join(2.0)
        assert other.exitcode == 0
