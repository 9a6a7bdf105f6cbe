"""An ear that can be exchanged while it is listened to: another sound input is chosen, and the dance goes on.

Threading: ``change`` may wait, on a thread of its own; everything else is as the ear's. The ear is replaced whole.
"""

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock
from duet.frames import MusicFrame
from duet.tempo_override import TempoOverride
from realtime.health import Health
from realtime.sound.audio import MusicEar
from realtime.sound.level import Level
from realtime.sound.music_source import Block, MusicSource, MusicStatus

LEAVE_S = 0.3
"""Who was just asking the former ear has an answer by then."""


class MusicSwitch:
    """Listens by ``ear``, until ``change`` gives another; a beat that is given to one is given to all."""

    def __init__(self, ear: MusicEar) -> None:
        self.ear = ear
        self.override: TempoOverride = ear.override
        self._started: tuple[Clock, Health | None] | None = None
        self._stopped = threading.Event()

    @property
    def source(self) -> MusicSource:
        """Of the ear in use."""
        return self.ear.source

    @property
    def status(self) -> MusicStatus:
        """What the source in use is doing."""
        return self.ear.status

    @property
    def level(self) -> Level:
        """How loud it comes in."""
        return self.ear.level

    @property
    def soundtrack(self) -> tuple[NDArray[np.float32], int] | None:
        """((N, 2), rate) the whole piece from its start; None for a source that does not know it."""
        return self.ear.soundtrack

    @property
    def tap(self) -> Callable[[Block], None] | None:
        """Is given whatever is heard, by whichever ear, on the ear's thread."""
        return self.ear.tap

    @tap.setter
    def tap(self, tap: Callable[[Block], None] | None) -> None:
        self.ear.tap = tap

    def start(self, clock: Clock, health: Health | None = None) -> None:
        """Start the source; DeviceError where its device cannot be used."""
        self._started = clock, health
        self.ear.start(clock, health)

    def change(self, ear: MusicEar) -> None:
        """Listen by another ear from now on; the former one is stopped. DeviceError, and all as before, where it does
        not start."""
        ear.override = self.override
        ear.tap = self.ear.tap
        if self._started is not None and not self._stopped.is_set():
            ear.start(*self._started)
        before, self.ear = self.ear, ear
        self._stopped.wait(LEAVE_S)
        before.stop()

    def stop(self) -> None:
        """Stop the source. Safe to call again."""
        self._stopped.set()
        self.ear.stop()

    def witness(self, time_s: float) -> None:
        """See ``MusicEar``."""
        self.ear.witness(time_s)

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """See ``MusicEar``."""
        return self.ear.take_new(until_s)
