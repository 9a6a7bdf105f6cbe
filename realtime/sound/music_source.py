"""What a music source is, and the one that gives silence.

A source plays or records and hands out, when asked, what has sounded since it was last asked. It
never runs dry: where there is nothing to hear it gives silence, so that the beat runs on.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock
from duet.music import RATE_HZ

Floats = NDArray[np.float32]

LONGEST_S, KEPT_S = 6.0, 3.0
"""Who asks again after longer than this (a stopped process, a machine that slept) is given the newest of it only: to
hear all of it would take minutes, in which it is later still."""


def first_heard(first: int, stop: int) -> int:
    """From which sample on of ``first`` to ``stop`` a reader is given them."""
    return first if stop - first <= LONGEST_S * RATE_HZ else stop - round(KEPT_S * RATE_HZ)


class MusicStatus(StrEnum):
    """What a source is doing."""

    STOPPED = "stopped"
    PLAYING = "playing"
    ENDED = "ended"  # the piece is over; silence from here on
    LOST = "lost"  # the device went away: nothing is heard until it is back


@dataclass(frozen=True)
class Block:
    """Consecutive samples of one channel at ``RATE_HZ``."""

    samples: Floats
    """(N,)"""
    time_s: float
    """Session time at which the first of them sounded."""


class MusicSource(Protocol):
    """Where music comes from."""

    @property
    def status(self) -> MusicStatus: ...

    @property
    def position_s(self) -> float:
        """Seconds of music heard since the start."""
        ...

    @property
    def xruns(self) -> int:
        """Times that the sound device had too much or too little."""
        ...

    @property
    def losses(self) -> int:
        """Times that the sound device went away."""
        ...

    @property
    def problem(self) -> str:
        """Why its device is away; empty while it is not, and where there is none."""
        ...

    @property
    def soundtrack(self) -> tuple[Floats, int] | None:
        """((N, 2), rate) the whole piece from its start, for a film; None where it is not known."""
        ...

    def start(self, clock: Clock) -> None:
        """Begin; DeviceError where a device that was asked for cannot be used."""
        ...

    def stop(self) -> None:
        """Let go of the device. Safe to call again."""
        ...

    def read(self, until_s: float) -> Block | None:
        """What sounded since the last call and before ``until_s`` on the session clock; None if nothing did.

        After more than ``LONGEST_S`` only what sounded last, as the block's time says.
        """
        ...


class Silence:
    """No music: the follower dances to none."""

    xruns = losses = 0
    problem = ""
    soundtrack = None

    def __init__(self) -> None:
        self._from_s: float | None = None
        self._read = 0

    @property
    def status(self) -> MusicStatus:
        return MusicStatus.STOPPED if self._from_s is None else MusicStatus.PLAYING

    @property
    def position_s(self) -> float:
        return self._read / RATE_HZ

    def start(self, clock: Clock) -> None:
        self._from_s, self._read = clock.now(), 0

    def stop(self) -> None:
        self._from_s = None

    def read(self, until_s: float) -> Block | None:
        if self._from_s is None:
            return None
        first, stop = self._read, int((until_s - self._from_s) * RATE_HZ + 1e-6)
        if stop <= first:
            return None
        self._read, first = stop, first_heard(first, stop)
        return Block(np.zeros(stop - first, np.float32), self._from_s + first / RATE_HZ)
