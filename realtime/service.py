"""What a service manager is told of a show: that it is ready, that it lives, that it stops (systemd's ``sd_notify``).

Where nobody listens (no ``NOTIFY_SOCKET`` in the environment) nothing is said. With ``WatchdogSec=`` in its unit,
systemd ends and restarts a show that has not said that it lives for so long: one that was stopped, say. What its
process knows to hang, its conductor or its follower, ``Watchdog`` says at once.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from realtime.health import Health
from realtime.supervisor import Pulse
from realtime.told import Told

LOG = logging.getLogger("duet.service")

_SHARE = 0.3
"""Of the watchdog's time between two signs of life."""
HUNG_S = 2.0
"""Without a tick for so long, the conductor hangs."""
UNANSWERED_S = 3.0
"""A tick that has not been answered for so long never will be: the slowest follower that is danced with takes 0.8 s,
and a machine that stalls as a whole is not taken for one."""


class Service:
    """Owned by the thread that looks after the show."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract address is written with an @ for its first byte, which is 0.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environment.get("WATCHDOG_USEC", "")
        self._every_s = _SHARE * 1e-6 * int(usec) if usec.isdecimal() else 0.0
        self._next_s, self._is_hung = 0.0, False

    def ready(self) -> None:
        """The show has begun."""
        self._say("READY=1")

    def alive(self, status: str) -> None:
        """It goes on, ``status`` in one line; may be called as often as one likes."""
        if self._every_s and (now_s := time.monotonic()) >= self._next_s:
            self._next_s, self._is_hung = now_s + self._every_s, False
            self._say(f"WATCHDOG=1\nSTATUS={status}")

    def hung(self) -> None:
        """It will not go on by itself: with a watchdog it is ended and begun anew now, and not once that has waited.

        Said once, however often it is called, until it is alive again.
        """
        if self._every_s and not self._is_hung:
            self._is_hung = True
            self._say("WATCHDOG=trigger")

    def stopping(self) -> None:
        """The show ends, and what was asked to be kept is being kept."""
        self._say("STOPPING=1")

    def _say(self, words: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            try:
                out.sendto(words.encode(), self._address)
            except OSError:
                # Who does not listen any more is not told any more.
                self._address = ""


@dataclass(frozen=True)
class _Watched:
    pulse: Pulse
    longest_s: float
    told: Told
    sentence: str

    @property
    def hangs(self) -> bool:
        return self.pulse.silent_s >= self.longest_s


class Watchdog:
    """Sees a conductor and a follower that hang, tells of them, and asks the service to begin the show anew.

    Owned by the thread that looks after the show. Nothing else can be done: a thread cannot be ended from outside.
    """

    def __init__(
        self,
        conductor: Pulse,
        engine: Pulse,
        health: Health,
        service: Service,
        told: Callable[[str], None] = LOG.warning,
    ) -> None:
        self._service = service
        self._watched = (
            _Watched(
                conductor,
                HUNG_S,
                Told(health, "conductor_hangs", told),
                f"conductor: no sign of life for {HUNG_S:g} s",
            ),
            _Watched(
                engine,
                UNANSWERED_S,
                Told(health, "follower_hangs", told),
                f"follower: no answer for {UNANSWERED_S:g} s, so it rests; where no service does, begin the show anew",
            ),
        )

    def look(self, now_s: float) -> None:
        """As often as there is time, at ``now_s`` of the machine's clock."""
        for watched in self._watched:
            watched.pulse.look(now_s)
        if any(watched.hangs for watched in self._watched):
            self._service.hung()

    def tell(self, status: str) -> None:
        """Once a second: what hangs is told and counted; that all is well, with ``status``, the service hears."""
        for watched in self._watched:
            watched.told.see(watched.sentence if watched.hangs else "")
        if not any(watched.hangs for watched in self._watched):
            self._service.alive(status)
