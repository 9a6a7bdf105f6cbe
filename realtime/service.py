"""What a service manager is told of a show: that it is ready, that it lives, that it stops (systemd's ``sd_notify``).

Where nobody listens (no ``NOTIFY_SOCKET`` in the environment) nothing is said. With ``WatchdogSec=`` in its unit,
systemd ends and restarts a show that has not said that it lives for so long: one whose conductor hangs, say.
"""

import os
import socket
import time
from collections.abc import Mapping

_SHARE = 0.3
"""Of the watchdog's time between two signs of life."""


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
