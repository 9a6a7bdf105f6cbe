"""The performer's side of a performance: the panel's window, the knobs and the show's file, all turning one table.

Threading: everything belongs to the thread that looks after the show.
"""

import logging
from contextlib import ExitStack
from dataclasses import dataclass

from duet.clock import MonotonicClock
from realtime.conductor import Conductor
from realtime.health import Health
from realtime.sound.midi_knobs import MidiKnobs
from ui.options import Output
from ui.panel.channels import KEY
from ui.panel.facts import Panel
from ui.panel.port import PanelPort
from ui.panel.process import PanelTask, missing
from ui.panel.show_keeper import ShowKeeper
from ui.panel.state import gather
from ui.sources import Sources

LOG = logging.getLogger("duet.panel")
_PICTURES_S = 2.0
"""Pictures a second are counted over so long."""


@dataclass
class Desk:
    """What turns ``panel.controls``, and is told how the dance goes. Made by ``open_desk``."""

    panel: Panel
    health: Health
    port: PanelPort | None = None
    knobs: MidiKnobs | None = None
    keeper: ShowKeeper | None = None
    _counted: tuple[float, int] = (0.0, 0)
    _pictures_s: float | None = None

    def begin(self, clock: MonotonicClock) -> None:
        """The session begins."""
        if self.port is not None:
            self.port.begin(clock.epoch_s)
        if self.knobs is not None:
            self.knobs.start()

    def take(self, clock: MonotonicClock) -> None:
        """Do what was turned, each as of its moment."""
        controls = self.panel.controls
        for turn in [] if self.port is None else self.port.take_turns():
            time_s = turn.monotonic_s - clock.epoch_s
            if turn.name == KEY:
                controls.press(str(turn.value), time_s)
            else:
                controls.touch(turn.name, turn.value, time_s)
        for struck in [] if self.knobs is None else self.knobs.take_new():
            controls.strike(struck.event, struck.share, struck.monotonic_s - clock.epoch_s)
        if self.keeper is not None:
            self.keeper.look()

    def tell(self, now: float, conductor: Conductor) -> None:
        """Show how the dance goes, where it is time to."""
        if self.port is None:
            return
        self.port.look()
        if not self.port.is_due:
            return
        since_s, before = self._counted
        if now - since_s >= _PICTURES_S:
            drawn = self.health.counter("drawn_frames")
            self._pictures_s = (drawn - before) / (now - since_s)
            self._counted = now, drawn
        source = str(conductor.playout.pose_at(now).source) if conductor.glance.ticks else ""
        show = "" if self.keeper is None else self.keeper.path.name
        glance, pictures_s = conductor.glance, self._pictures_s
        self.port.tell(gather(now, self.panel, glance, source=source, pictures_s=pictures_s, show=show))

    def close(self) -> None:
        """Make an end of everything. Safe to call again."""
        for part in (self.port, self.keeper):
            if part is not None:
                part.close()
        if self.knobs is not None:
            self.knobs.stop()


def open_desk(output: Output, sources: Sources, panel: Panel, health: Health) -> Desk:
    """The desk that was asked for. DeviceError for knobs that are not there, InputError for a broken show's file."""
    desk = Desk(panel, health)
    with ExitStack() as stack:
        stack.callback(desk.close)
        if output.show is not None:
            desk.keeper = ShowKeeper(output.show, panel.controls)
        if output.midi_controls is not None:
            desk.knobs = MidiKnobs(output.midi_controls)
        wanted = output.panel and not output.headless
        if wanted and (lacking := missing()):
            LOG.warning("%s", lacking)
        elif wanted:
            task = PanelTask(sources.sight_name, output.panel_scale, output.staging.display)
            desk.port = opened(task, health)
            panel.controls.has_panel = desk.port is not None
        stack.pop_all()
    return desk


def opened(task: PanelTask, health: Health) -> PanelPort | None:
    """The panel, beginning to start; None, which is told, where the system has no room for what it is told by."""
    try:
        port = PanelPort(task, health)
    except OSError as error:  # no shared memory, or no file for what its libraries print
        LOG.warning("Panel: expected room for it, got: %s. The dance goes on without.", error.strerror or error)
        return None
    port.open()
    return port
