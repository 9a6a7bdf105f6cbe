"""The picture from the dance's side: a process that is fed, heard, watched over and started again.

The dance is the parent. It holds what cannot be replaced while people watch (the follower's memory, devices, tracking
and sound processes, the console with its Ctrl-C), and the picture holds nothing but pixels: so the picture is the one
that may die, with its driver, its display or its window, and be started anew. The parent's main thread has nothing
else to do than look after the show (``look``), and the child's main thread owns OpenGL, as macOS wants it.

Threading: ``tell_line`` belongs to the conductor's thread; everything else to the one that looks after the show.
"""

import logging
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from duet.errors import DuetError, PictureError
from duet.frames import LeaderFrame, LeaderStatus
from realtime import child
from realtime.health import Health
from realtime.pose_line import PoseLine
from realtime.sight.leader_record import values_of_frame
from realtime.supervisor import Keeper, WardState
from realtime.topology import FILM_SILENT_S, process
from ui.drawing.picture import PictureTask, run
from ui.drawing.picture_channels import Drawn, PictureChannels, key_of_record
from ui.panel.facts import Facts

LOG = logging.getLogger("duet.picture")

_ROW = process("duet-picture")
_FINISH_S = 600.0
"""For a film's end: hours of it are moved within the file."""
_HEAR_S = 0.1


class PicturePort:
    """One picture, opened by ``open``, kept going, ended by ``finish`` or ``close``."""

    name = _ROW.name

    def __init__(self, task: PictureTask, health: Health) -> None:
        self._task, self._health = task, health
        self._channels = PictureChannels.create()
        self._log = child.new_log(self.name)
        self._process: BaseProcess | None = None
        self._control: Connection | None = None
        self._begun_s = 0.0
        self._epoch_s: float | None = None
        self._told_leader: tuple[float, LeaderStatus, bytes] | None = None
        self._told_facts: Facts | None = None
        self._is_done = False
        self.keeper = Keeper(self, LOG.warning)
        self.renderer = ""
        """Name of the OpenGL renderer."""
        self.is_ready = False
        self.is_closed = False
        """Whether the audience has gone: the window was closed."""
        self.lost_until_s = 0.0
        """Session time before which a film has no pictures, because its process went away and took them with it."""

    def open(self) -> None:
        """Start it and wait until it can draw; the error that it reports."""
        self.start()
        while not self.is_ready and not self.is_closed:
            if (trouble := self._heard(_HEAR_S) or self._silence(time.monotonic())) is not None:
                raise trouble if isinstance(trouble, DuetError) else PictureError(_gone(trouble))
        self.keeper.look(time.monotonic())

    def begin(self, epoch_s: float) -> None:
        """The session begins: it is drawn from now on. ``epoch_s`` is its clock's."""
        self._epoch_s = epoch_s
        self._say("begin", epoch_s)

    def tell_line(self, line: PoseLine) -> None:
        """What the follower will do, whenever that has changed."""
        self._channels.line.write(0.0, line.values())

    def tell_leader(self, leader: LeaderFrame) -> None:
        """The leader as of now; the same one twice is told once."""
        known = leader.time_s, leader.status, leader.root_m.tobytes()
        if known != self._told_leader:
            self._told_leader = known
            self._channels.leader.write(leader.time_s, values_of_frame(leader))

    def tell_facts(self, time_s: float, facts: Facts) -> None:
        """What the panel says, whenever that has changed."""
        if facts != self._told_facts:
            self._told_facts = facts
            self._channels.facts.write(time_s, facts.values())

    def take_keys(self) -> list[tuple[str, float]]:
        """Keys that went down since the last call, and when (``time.monotonic``)."""
        return [(key_of_record(record.values), record.stamp_s) for record in self._channels.keys.drain()]

    def look(self) -> None:
        """Hear what it says, take over what it measured, and start it again where it is gone. Raises PictureError
        where its film cannot be written: another process could not either."""
        self._collect()
        restarts = self.keeper.restarts
        self.keeper.look(time.monotonic())
        if self.keeper.restarts > restarts:
            self._health.count("picture_restarts")
            if self._epoch_s is not None:
                self.lost_until_s = time.monotonic() - self._epoch_s

    def finish(self, end_s: float) -> None:
        """The dance ended at ``end_s``: complete the film; PictureError where that fails or the process is gone."""
        if self.keeper.state is WardState.ENDED:
            return
        if self.keeper.state is WardState.RUNNING and not self.is_closed:
            self._say("end", end_s)
            end_s = time.monotonic() + _FINISH_S
            while not self._is_done and not self.is_closed and time.monotonic() < end_s:
                if (trouble := self._heard(_HEAR_S)) is not None:
                    self.close()
                    raise trouble if isinstance(trouble, DuetError) else PictureError(_gone(trouble))
        self._collect()
        self.close()

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
        if not self._is_done:
            self._say("abandon")
        ended, control, self._process, self._control = self._process, self._control, None, None
        if ended is None or control is None:
            return
        child.end(ended, control, 1.0 if self._is_done or self.is_closed else 0.0)
        film = self._task.film
        part = None if film is None else film.with_name(f".{film.name}.{ended.pid}.part")
        if part is not None and part.is_file():
            part.unlink()

    def trouble(self, now_s: float) -> str | None:
        """See ``Ward``."""
        trouble = self._heard(0.0) or self._silence(now_s)
        if isinstance(trouble, DuetError) and self._task.film is not None:
            raise trouble
        return None if trouble is None or self.is_closed else str(trouble)

    def _silence(self, now_s: float) -> str | None:
        if not self.is_ready:
            return f"no start within {_ROW.start_s:.0f} s" if now_s - self._begun_s > _ROW.start_s else None
        record = self._channels.heart.latest()
        beat_s = self._begun_s if record is None else max(record.stamp_s, self._begun_s)
        patience_s = _ROW.silent_s if self._task.film is None else FILM_SILENT_S
        return f"no sign of life for {patience_s:.0f} s" if now_s - beat_s > patience_s else None

    def _heard(self, wait_s: float) -> DuetError | str | None:
        """Take what it says; what is wrong with it, in its own words or ours."""
        control, child_process = self._control, self._process
        if control is None or child_process is None:
            return "not started"
        try:
            while control.poll(wait_s):
                message = control.recv()
                wait_s = 0.0
                if message[0] == "ready":
                    self._take_up(message[1])
                elif message[0] in ("done", "closed"):
                    self._is_done, self.is_closed = True, message[0] == "closed"
                    return None
                else:
                    return child.raised(message)
        except (EOFError, OSError):  # its end of the pipe is closed
            return None if self._is_done else child.last_words(child_process, self._log)
        return None

    def _take_up(self, renderer: str) -> None:
        self.renderer, self.is_ready, self._begun_s = renderer, True, time.monotonic()
        if self._epoch_s is not None:
            self._say("begin", self._epoch_s)

    def _say(self, *message: object) -> None:
        if self._control is not None:
            try:
                self._control.send(message)
            except OSError as error:
                LOG.debug("picture: %r could not be said: %s", message[0], error)  # it is missed by ``look``

    def _collect(self) -> None:
        """Take over stage times and counters."""
        for record in self._channels.times.drain():
            cost = Drawn(*map(float, record.values))
            self._health.record("draw", cost.draw_ms)
            self._health.count("drawn_frames")
            if not np.isnan(cost.encode_ms):
                self._health.record("encode", cost.encode_ms)
            if not np.isnan(cost.gap_ms):
                self._health.record("gap", cost.gap_ms)
            if not np.isnan(cost.lag_ms):
                self._health.record("lag", cost.lag_ms)


def _gone(trouble: str) -> str:
    return f"Picture: expected its process to go on, got {trouble}. Run `duet doctor`."
