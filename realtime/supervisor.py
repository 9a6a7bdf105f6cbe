"""Keeping a process going: it is heard, its heart is watched, and it is started again when it dies or hangs.

Threading: everything here runs on the thread that looks after the show; no call waits for a process that answers not.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

LOG = logging.getLogger("duet.processes")

BACK_OFF_S = (0.25, 8.0)
"""First and longest pause before another start (``BackOff``)."""
SETTLED_S = 10.0

_LOOK_S = 0.1
"""Between two looks no more than this counts as silence."""


class Pulse:
    """Whether a thread of this process still goes round: it beats, and who looks after the show looks.

    Only time in which somebody looked counts: a machine that stalls or sleeps takes both threads with it, and which of
    the two wakes first says nothing of the other. A thread that ``rests``, because it was given nothing to do, is not
    silent.
    """

    def __init__(self, rests: Callable[[], bool] = lambda: False) -> None:
        self._rests = rests
        self.silent_s = 0.0
        """Since the last beat, as far as it was looked for."""
        self._beats = self._seen = 0
        self._looked_s: float | None = None

    def beat(self) -> None:
        """On the thread that is looked after, or by who gives it something to do."""
        self._beats += 1

    def look(self, now_s: float) -> float:
        """``silent_s`` by now, on the machine's clock."""
        since_s, self._looked_s = (0.0 if self._looked_s is None else now_s - self._looked_s), now_s
        is_heard = self._beats != self._seen or self._rests()
        self.silent_s = 0.0 if is_heard else self.silent_s + min(since_s, _LOOK_S)
        self._seen = self._beats
        return self.silent_s


class Ward(Protocol):
    """A process that is to be kept going."""

    @property
    def name(self) -> str:
        """As operating systems list it."""
        ...

    def start(self) -> None:
        """Begin to start it, without waiting until it is ready; OSError where the system has no room for it."""
        ...

    def end(self) -> None:
        """Make an end of it, whatever it does, and of all that it left."""
        ...

    def trouble(self, now_s: float) -> str | None:
        """Why it must be replaced; None while it starts or all is well. ``now_s`` on the machine's clock."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether it has started and does its work."""
        ...


class BackOff:
    """Pauses between attempts: each twice the one before, until one has gone well for ``SETTLED_S``."""

    def __init__(self, first_s: float = BACK_OFF_S[0], longest_s: float = BACK_OFF_S[1]) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s

    def pause_s(self) -> float:
        """Before the next attempt, after one that failed."""
        pause_s, self._next_s = self._next_s, min(2.0 * self._next_s, self._longest_s)
        return pause_s

    def settle(self) -> None:
        """It goes well: the next pause is the first again."""
        self._next_s = self._first_s


class WardState(StrEnum):
    """How a process is."""

    STARTING = "starting"
    RUNNING = "running"
    AWAY = "away"  # it died, hung or had no room; it is started again after a pause
    ENDED = "ended"


@dataclass
class Keeper:
    """Keeps one process going. ``told`` is given a sentence each time that something changes, never twice the same."""

    ward: Ward
    told: Callable[[str], None] = LOG.warning
    state: WardState = WardState.STARTING
    restarts: int = 0
    problem: str = ""
    """Why it went away last; empty when it never did."""
    _back_off: BackOff = field(default_factory=BackOff)
    _again_s: float = 0.0
    _away_s: float = 0.0
    _ready_s: float = 0.0

    def begin(self, now_s: float) -> None:
        """Begin to start it, at ``now_s`` of the machine's clock, without waiting: a first start that fails is one more
        that is tried again."""
        self._away_s = now_s
        self._start(now_s)

    def look(self, now_s: float) -> None:
        """Look after it, at ``now_s`` of the machine's clock; often enough."""
        if self.state is WardState.ENDED:
            return
        if self.state is WardState.AWAY:
            if now_s >= self._again_s:
                self._start(now_s)
            return
        trouble = self.ward.trouble(now_s)
        if trouble is not None:
            self._lose(trouble, now_s)
        elif self.state is WardState.STARTING and self.ward.is_ready:
            self._gain(now_s)
        elif self.state is WardState.RUNNING and now_s - self._ready_s > SETTLED_S:
            self._back_off.settle()

    def end(self) -> None:
        """Make an end of the process. Safe to call again."""
        if self.state is not WardState.ENDED:
            self.state = WardState.ENDED
            self.ward.end()

    def _lose(self, trouble: str, now_s: float) -> None:
        if self.state is WardState.RUNNING:
            self._away_s = now_s
        if trouble != self.problem or self.state is WardState.RUNNING:
            self.told(f"{self.ward.name}: {trouble}; it is started again")
        self.problem, self.state = trouble, WardState.AWAY
        self.restarts += 1
        self.ward.end()
        self._again_s = now_s + self._back_off.pause_s()

    def _start(self, now_s: float) -> None:
        """Where the system has no room for another process it may have later: that ends nothing."""
        try:
            self.ward.start()
        except OSError as error:
            trouble = f"no room to start it ({error.strerror or error})"
            if trouble != self.problem:
                self.told(f"{self.ward.name}: {trouble}; it is tried again")
            self.problem, self.state = trouble, WardState.AWAY
            self._again_s = now_s + self._back_off.pause_s()
            return
        self.state = WardState.STARTING

    def _gain(self, now_s: float) -> None:
        self.state, self._ready_s = WardState.RUNNING, now_s
        if self.problem:
            self.told(f"{self.ward.name}: back after {now_s - self._away_s:.1f} s")
