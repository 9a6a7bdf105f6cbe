"""Telling a trouble and its end, once each, however often it is seen; whoever tells counts it as well.

Threading: each ``Told`` belongs to the thread that sees its trouble.
"""

import math
import re
import time
from collections.abc import Callable

from realtime.health import Health

Tell = Callable[[str], None]

QUIET_S = 10.0
"""A kind of trouble that was told is not told again for so long, should it come and go."""
_MOST_KINDS = 64
_NUMBER = re.compile(r"[-+]?\b(\d[\d.]*(e[-+]?\d+)?|nan|inf)\b")


class Told:
    """Tells a trouble and its end; counts each time.

    What comes and goes with every frame is told again after ``QUIET_S``, with how often it came, whatever numbers it
    holds by then.
    """

    def __init__(self, health: Health, counter: str, told: Tell) -> None:
        self._health, self._counter, self._told = health, counter, told
        self._open = ""
        """The kind of trouble that was told and has not ended."""
        self._told_s: dict[str, float] = {}
        self._untold = 0

    def see(self, trouble: str) -> None:
        """What is wrong now; empty for nothing."""
        called = self._counter.replace("_", " ")
        if not trouble:
            if self._open:
                self._told(f"no more {called}")
            self._open = ""
            return
        self._health.count(self._counter)
        kind, now = _NUMBER.sub("", trouble), time.monotonic()
        if kind == self._open:
            return
        if now - self._told_s.get(kind, -math.inf) < QUIET_S:
            self._untold += 1
            return
        more = f", {self._untold} untold before" if self._untold else ""
        self._told(f"{trouble} ({called}{more})")
        self._open, self._untold = kind, 0
        self._told_s.pop(kind, None)
        self._told_s[kind] = now
        # The newest are at the end: ever new sentences do not fill the memory.
        if len(self._told_s) > _MOST_KINDS:
            del self._told_s[next(iter(self._told_s))]


def said_of(who: str, error: Exception) -> str:
    """The trouble of ``who``, in the words of what it raised."""
    return f"{who}: {type(error).__name__}: {str(error)[:200]}"
