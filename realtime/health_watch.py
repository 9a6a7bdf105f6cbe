"""Looks at the loop once a second: a snapshot for the panel and the report, a line for the log where one is kept.

Threading: ``step`` runs on the watch's own thread, "duet-health"; ``latest`` is replaced whole, for any reader.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from duet.clock import Clock
from realtime.budget import exceeded
from realtime.health import Health, Snapshot
from realtime.health_log import HealthLog, LogHandler
from realtime.told import Told, said_of

LOG = logging.getLogger("duet.health")
EVERY_S = 1.0

States = Mapping[str, str]
"""What is the case, by name: the leader is tracked, the follower dances, the pace is so and so."""


class HealthWatch:
    """Watches ``health`` and ``states``, from ``start`` to ``stop``."""

    def __init__(
        self, health: Health, clock: Clock, states: Callable[[], States] = dict, log: HealthLog | None = None
    ) -> None:
        self.latest = Snapshot(0.0)
        self._health, self._clock, self._states, self._log = health, clock, states, log
        self._known: dict[str, str] = {}
        self._failed = Told(health, "health_failures", LOG.warning)
        self._handler = None if log is None else LogHandler(log)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duet-health", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        if self._handler is not None:
            logging.getLogger().addHandler(self._handler)
        self._thread.start()

    def stop(self) -> None:
        """Look once more, and end; safe to call again, and without ``start``."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._thread.ident is not None:  # it was begun, and may be over by now
            self._thread.join(timeout=5.0)
            self._look()
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
        if self._log is not None:
            self._log.close()

    def step(self) -> None:
        """One look. OSError where the system does not let it be taken (``process_use``)."""
        snapshot = self.latest = self._health.snapshot(self._clock.now())
        if self._log is None:
            return
        over = exceeded(snapshot.present)
        states = {**self._states(), "over budget": ", ".join(figure.name for figure in over)}
        for name, now in states.items():
            before = self._known.get(name)
            if now != before:
                self._log.write("state", {"name": name, "was": before, "is": now})
        self._known = dict(states)
        self._log.write("health", {**snapshot.values(), "over_budget": [str(figure) for figure in over]})

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        """One look that ends neither the watch nor the show: what the system refuses now, as it does when handles run
        out, the next look may be given."""
        try:
            self.step()
        except Exception as error:  # whatever the system, or who tells a state, raises
            self._failed.see(said_of("health", error))
        else:
            self._failed.see("")
