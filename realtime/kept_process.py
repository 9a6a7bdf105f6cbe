"""A process that is kept going: begun, heard, watched, and begun anew where it dies or hangs.

What flows to and from it lies in shared memory, which outlives it; here is what is said on the pipe (``child``). It
says ``ready`` once it works, ``done`` once it has nothing more to do, ``failed`` with its error, and what its owner
understands besides. A sound device keeps its processes by itself (``sound.sound_port``): one of them stands by, and
each has memory of its own.

Threading: everything belongs to one thread at a time, the one that looks after it.
"""

import logging
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from duet.errors import DuetError
from realtime import child
from realtime.child_log import ChildLog
from realtime.health import Health
from realtime.rings import LatestCell
from realtime.supervisor import Keeper, WardState
from realtime.topology import Process

LOG = logging.getLogger("duet.processes")
_HEAR_S = 0.1

Take = Callable[[tuple[Any, ...]], None]


class KeptProcess:
    """A row of ``topology.PROCESSES``, as often as it has to be begun.

    ``target`` is given ``task`` as it is when a process is begun, and ``names`` of shared memory, in which it beats its
    ``heart``. ``take`` is given whatever it says but ``failed``. ``error`` is raised where its end is one; with
    ``gives_up``, what it says when it fails ends the watch, because another process would fail as well.
    """

    def __init__(
        self,
        row: Process,
        target: Callable[[Any, Any, Connection, ChildLog], None],
        task: object,
        names: tuple[str, ...],
        heart: LatestCell,
        health: Health,
        *,
        take: Take = lambda _: None,
        told: Callable[[str], None] = LOG.warning,
        error: type[DuetError] = DuetError,
        gives_up: bool = False,
    ) -> None:
        self._row, self._target, self._names, self._heart, self._health = row, target, names, heart, health
        self._take, self._error, self._gives_up = take, error, gives_up
        self._running: tuple[BaseProcess, Connection] | None = None
        self._begun_s = 0.0
        """When it was begun; once it is ready, since when it is: a start may take longer than a hang may."""
        self._greeting: tuple[object, ...] | None = None
        self.task = task
        self.silent_s = row.silent_s
        self.keeper = Keeper(self, told)
        self.log = ChildLog.new(row.name)
        """What its libraries print."""
        self.pid: int | None = None
        """Of the newest one."""
        self.is_ready = False
        self.is_done = False
        """Whether it has said that it has nothing more to do."""

    @property
    def name(self) -> str:
        """See ``Ward``."""
        return self._row.name

    def open(self) -> None:
        """Begin it and wait until it is ready; raises the error that it reports."""
        try:
            self.start()
        except OSError as error:
            self._raise(f"{error.strerror or error} from the system: close other programs first")
        while not self.is_ready and not self.is_done:
            self._raise(self._heard(_HEAR_S) or self._silence(time.monotonic()))
        self.keeper.look(time.monotonic())

    def begin(self) -> None:
        """Begin it without waiting. One that cannot start is told of and tried again, as one is that goes later."""
        self.keeper.begin(time.monotonic())

    def hear(self, wait_s: float) -> None:
        """Take what it says; raises what it failed by, or how it ended. For one that may be silent for long."""
        self._raise(self._heard(wait_s))

    def _raise(self, trouble: DuetError | str | None) -> None:
        if isinstance(trouble, DuetError):
            raise trouble
        if trouble is not None:
            expected = "to go on" if self.is_ready else "to start"
            raise self._error(f"{self.name}: expected {expected}, got {trouble}. Run `duet doctor`.")

    def look(self) -> bool:
        """Take what it says, and begin it anew where it is gone; whether it has just gone."""
        before = self.keeper.restarts
        self.log.bound()
        self.keeper.look(time.monotonic())
        gone = self.keeper.restarts - before
        self._health.count(f"{self.name.removeprefix('duet-')}_restarts", gone)
        return gone > 0

    def greet(self, *message: object) -> None:
        """Say it now, and to each one that is begun later."""
        self._greeting = message
        if self.is_ready:
            self.say(*message)

    def say(self, *message: object) -> None:
        """Say it to the one that runs, if one does."""
        if self._running is not None:
            try:
                self._running[1].send(message)
            except OSError as error:
                LOG.debug("%s: %r could not be said: %s", self.name, message[0], error)  # it is missed by ``look``

    def close(self) -> None:
        """Make an end of it, for good. Safe to call again."""
        self.keeper.end()
        self.log.close()

    def start(self) -> None:
        """See ``Ward``."""
        self.is_ready, self._begun_s = False, time.monotonic()
        process, control = child.spawn(self.name, self._target, self.task, self._names, self.log)
        self._running, self.pid = (process, control), process.pid

    def end(self) -> None:
        """See ``Ward``; at once where another one is to take its place."""
        if self._running is not None:
            child.end(*self._running, self._row.stop_s if self.keeper.state is WardState.ENDED else 0.0)
            self._running = None

    def trouble(self, now_s: float) -> str | None:
        """See ``Ward``."""
        trouble = self._heard(0.0) or self._silence(now_s)
        if self._gives_up and isinstance(trouble, DuetError):
            raise trouble
        return None if trouble is None else str(trouble)

    def _heard(self, wait_s: float) -> DuetError | str | None:
        """Take what it says; what is wrong with it, in its own words or ours."""
        if self._running is None:
            return "not started"
        process, control = self._running
        try:
            while control.poll(wait_s):
                message = control.recv()
                if message[0] == "failed":
                    return child.raised(message)
                self._take(message)
                self.is_done |= message[0] == "done"
                if message[0] == "ready":
                    self._greet_back()
                    return None  # an error that it tells of next is not one of its start
                wait_s = 0.0
        except (EOFError, OSError):  # its end of the pipe is closed
            return None if self.is_done else child.last_words(process, self.log)
        return None

    def _greet_back(self) -> None:
        self.is_ready, self._begun_s = True, time.monotonic()
        self._health.count(f"{self.name.removeprefix('duet-')}_starts")
        if self._greeting is not None:
            self.say(*self._greeting)

    def _silence(self, now_s: float) -> str | None:
        if self.is_done:
            return None
        if not self.is_ready:
            return f"no start within {self._row.start_s:.0f} s" if now_s - self._begun_s > self._row.start_s else None
        heart = self._heart.latest()
        beat_s = self._begun_s if heart is None else max(heart.stamp_s, self._begun_s)
        return f"no sign of life for {self.silent_s:.0f} s" if now_s - beat_s > self.silent_s else None
