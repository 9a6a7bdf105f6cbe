"""A log of a performance: JSON lines, turned over when full, written only where somebody asked for it.

A line is a snapshot of every second, a change of a state (leader, follower, pace, troubles), or a message. It cannot be
flooded: states are looked at once a second, and a message that repeats is written once in ten seconds, with how often
it came. A disk that is full ends the log, not the dance.

Threading: any thread may write.
"""

import json
import logging
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from duet.clock import Clock
from duet.errors import InputError

LOG = logging.getLogger("duet.log")
MOST_BYTES = 8 << 20
"""A file that is longer is turned over: about an hour, of a line each second that tells of every stage of a camera's
show (2.4 KB)."""
KEEP_FILES = 3
"""Older ones, ``FILE.1`` the youngest."""
QUIET_S = 10.0
"""A message that was written is not written again for so long."""
_MOST_MESSAGES = 256
_MOST_TEXT = 1000


class HealthLog:
    """Writes lines to ``path``. Raises ``InputError`` where none can be written."""

    def __init__(self, path: Path, clock: Clock, *, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self.failure = ""
        """Why nothing is written any more, as a sentence; "" while all is well."""
        self._clock, self._most_bytes = clock, most_bytes
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}
        try:
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: expected to write a log there, got: {error.strerror}. Name another.") from error

    def write(self, event: str, values: Mapping[str, Any]) -> None:
        """One line, at the session's time of now unless ``values`` say another."""
        line = json.dumps({"event": event, "time_s": round(self._clock.now(), 3), **values}) + "\n"
        with self._lock:
            if self.failure or self._file.closed:
                return
            try:
                self._file.write(line)
                self._file.flush()
                if self._file.tell() > self._most_bytes:
                    self._turn_over()
            except OSError as error:
                self.failure = f"{self.path}: expected to log to the end, got: {error.strerror}. It ends there."
                self._end()
        if self.failure:
            # Not before: what is told comes back to this log.
            LOG.warning(self.failure)

    def message(self, text: str, level: str = "info") -> None:
        """A sentence; one that repeats is written again after ``QUIET_S``, with how often it came meanwhile."""
        now, text = self._clock.now(), text[:_MOST_TEXT]
        with self._lock:
            since_s, times = self._told.pop(text, (-QUIET_S, 0))
            is_due = now - since_s >= QUIET_S
            self._told[text] = (now, 0) if is_due else (since_s, times + 1)
            # The newest are at the end: who makes up ever new messages does not fill the memory.
            while len(self._told) > _MOST_MESSAGES:
                del self._told[next(iter(self._told))]
        if is_due:
            self.write("message", {"level": level, "text": text, **({"repeated": times} if times else {})})

    def close(self) -> None:
        """End the file; safe to call again."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        # What could not be written is tried once more, in vain; the file is closed all the same.
        with suppress(OSError):
            self._file.close()

    def _turn_over(self) -> None:
        self._file.close()
        for number in range(KEEP_FILES, 0, -1):
            source = self.path if number == 1 else self._numbered(number - 1)
            if source.exists():
                os.replace(source, self._numbered(number))
        self._file = self.path.open("a", encoding="utf-8")

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


class LogHandler(logging.Handler):
    """What the libraries and devices tell, as messages of a ``HealthLog``."""

    def __init__(self, log: HealthLog) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        self._log.message(record.getMessage(), record.levelname.lower())
