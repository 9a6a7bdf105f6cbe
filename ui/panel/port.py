"""The panel's window from the dance's side: a process that is told, heard, watched over and started again.

The dance never waits for it: what it is told lies in shared memory, what it asks comes by a ring. A panel that dies or
hangs is replaced; without one, keys and knobs do the same.

Threading: everything belongs to the thread that looks after the show.
"""

import time
from dataclasses import dataclass

from realtime.health import Health
from realtime.kept_process import KeptProcess
from realtime.topology import process
from ui.panel.channels import PanelChannels, Value, turn_of_record
from ui.panel.process import PanelTask, run
from ui.panel.state import PanelState

EVERY_S = 1.0 / 15.0
_ROW = process("duet-panel")


@dataclass(frozen=True)
class Turn:
    """Something was turned in the window."""

    name: str
    value: Value
    monotonic_s: float


class PanelPort:
    """One panel, from ``open`` to ``close``."""

    def __init__(self, task: PanelTask, health: Health) -> None:
        self._channels = PanelChannels.create()
        self.process = KeptProcess(_ROW, run, task, self._channels.names, self._channels.heart, health)
        self._told_s = 0.0

    def open(self) -> None:
        """Begin to start it, without waiting."""
        self.process.begin()

    def begin(self, epoch_s: float) -> None:
        """The session begins. ``epoch_s`` is its clock's."""
        self.process.greet("begin", epoch_s)

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
        self.process.look()

    def close(self) -> None:
        """Make an end of the process and of the shared memory. Safe to call again."""
        self.process.close()
        self._channels.close()
