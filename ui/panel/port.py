"""The panel's window from the dance's side: a process that is told, heard, watched over and started again.

The dance never waits for it: what it is told lies in shared memory, what it asks comes by a ring. A panel that dies or
hangs is replaced; without one, keys and knobs do the same.

Threading: everything belongs to the thread that looks after the show.
"""

import logging
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from realtime import child
from realtime.health import Health
from realtime.supervisor import Keeper
from realtime.topology import process
from ui.panel.channels import PanelChannels, Value, turn_of_record
from ui.panel.process import PanelTask, run
from ui.panel.state import PanelState

LOG = logging.getLogger("duet.panel")
EVERY_S = 1.0 / 15.0
_ROW = process("duet-panel")


@dataclass(frozen=True)
class Turn:
    """Something was turned in the window."""

    name: str
    value: Value
    monotonic_s: float


class PanelPort:
    """One panel, from ``start`` to ``close``."""

    name = _ROW.name

    def __init__(self, task: PanelTask, health: Health) -> None:
        self._task, self._health = task, health
        self._channels = PanelChannels.create()
        self._log = child.new_log(self.name)
        self._process: BaseProcess | None = None
        self._control: Connection | None = None
        self._begun_s = 0.0
        self._epoch_s: float | None = None
        self._told_s = 0.0
        self.keeper = Keeper(self, LOG.warning)
        self.is_ready = False

    def open(self) -> None:
        """Begin to start it, without waiting."""
        self.start()

    def begin(self, epoch_s: float) -> None:
        """The session begins. ``epoch_s`` is its clock's."""
        self._epoch_s = epoch_s
        self._say("begin", epoch_s)

    @property
    def is_due(self) -> bool:
        """Whether it is time to tell it something."""
        return time.monotonic() - self._told_s >= EVERY_S

    def tell(self, state: PanelState) -> None:
        """What there is to show by now."""
        self._told_s = time.monotonic()
        self._channels.state.write(state.time_s, state.record())

    def take_turns(self) -> list[Turn]:
        """What was turned since the last call, oldest first."""
        return [Turn(*turn_of_record(record.values), record.stamp_s) for record in self._channels.turns.drain()]

    def look(self) -> None:
        """Start it again where it is gone."""
        restarts = self.keeper.restarts
        self.keeper.look(time.monotonic())
        self._health.count("panel_restarts", self.keeper.restarts - restarts)

    def close(self) -> None:
        """Make an end of the process and of the shared memory. Safe to call again."""
        self.keeper.end()
        self._channels.close()
        Path(self._log).unlink(missing_ok=True)

    def start(self) -> None:
        """See ``Ward``."""
        self.is_ready, self._begun_s = False, time.monotonic()
        self._process, self._control = child.spawn(self.name, run, self._task, self._channels.names, self._log)

    def end(self) -> None:
        """See ``Ward``."""
        ended, control, self._process, self._control = self._process, self._control, None, None
        if ended is not None and control is not None:
            child.end(ended, control, 1.0)

    def trouble(self, now_s: float) -> str | None:
        """See ``Ward``."""
        control, ward = self._control, self._process
        if control is None or ward is None:
            return "not started"
        try:
            while control.poll():
                message = control.recv()
                if message[0] != "ready":
                    return str(child.raised(message))
                self.is_ready, self._begun_s = True, time.monotonic()
                if self._epoch_s is not None:
                    self._say("begin", self._epoch_s)
        except (EOFError, OSError):  # its end of the pipe is closed
            return child.last_words(ward, self._log)
        return self._silence(now_s)

    def _silence(self, now_s: float) -> str | None:
        if not self.is_ready:
            return f"no start within {_ROW.start_s:.0f} s" if now_s - self._begun_s > _ROW.start_s else None
        record = self._channels.heart.latest()
        beat_s = self._begun_s if record is None else max(record.stamp_s, self._begun_s)
        return f"no sign of life for {_ROW.silent_s:.0f} s" if now_s - beat_s > _ROW.silent_s else None

    def _say(self, *message: object) -> None:
        if self._control is not None:
            try:
                self._control.send(message)
            except OSError as error:
                LOG.debug("panel: %r could not be said: %s", message[0], error)  # it is missed by ``look``
