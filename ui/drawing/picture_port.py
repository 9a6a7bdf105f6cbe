"""The picture from the dance's side: a process that is fed, heard, watched over and started again.

The dance is the parent. It holds what cannot be replaced while people watch (the follower's memory, devices, tracking
and sound processes, the console with its Ctrl-C), and the picture holds nothing but pixels: so the picture is the one
that may die, with its driver, its display or its window, and be started anew. The parent's main thread has nothing
else to do than look after the show (``look``), and the child's main thread owns OpenGL, as macOS wants it.

Threading: ``tell_line`` belongs to the conductor's thread; everything else to the one that looks after the show.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from duet.errors import DuetError, PictureError
from duet.files import part_beside
from duet.frames import LeaderFrame, LeaderStatus
from realtime.health import Health
from realtime.kept_process import KeptProcess
from realtime.pose_line import PoseLine
from realtime.sight.leader_record import values_of_frame
from realtime.supervisor import WardState
from realtime.topology import FILM_SILENT_S, process
from ui.drawing.picture import PictureTask
from ui.drawing.picture_channels import Drawn, PictureChannels, key_of_record
from ui.drawing.picture_process import run
from ui.panel.facts import Facts
from ui.staging import Staging

_ROW = process("duet-picture")
_FINISH_S = 600.0
"""For a film's end: hours of it are moved within the file."""
_HEAR_S = 0.1


class PicturePort:
    """One picture, opened by ``open``, kept going, ended by ``finish`` or ``close``. PictureError where the system has
    no room for it."""

    def __init__(self, task: PictureTask, health: Health) -> None:
        self._film, self._health = task.film, health
        self._task = task
        try:
            self._channels = PictureChannels.create()
            # Where its film cannot be written, another process could not either.
            self.process = KeptProcess(
                _ROW, run, task, self._channels.names, self._channels.heart, health,
                take=self._take, error=PictureError, gives_up=task.film is not None,
            )  # fmt: skip
        except OSError as error:  # no shared memory, or no file for what its libraries print
            raise PictureError(
                f"{_ROW.name}: expected to start, got {error.strerror or error} from the system: "
                "close other programs first. Run `duet doctor`."
            ) from error
        if task.film is not None:
            self.process.silent_s = FILM_SILENT_S
        self._epoch_s = 0.0
        self._leader: LeaderFrame | None = None
        self._told_leader: tuple[float, LeaderStatus, bytes] | None = None
        self._told_facts: Facts | None = None
        self._staging: Staging | None = None
        """As it was told last."""
        self._pictures = 0
        """How many the process drew that has said that it is done."""
        self.renderer = ""
        """Name of the OpenGL renderer."""
        self.is_closed = False
        """Whether the audience has gone: the window was closed."""
        self.lost_until_s = 0.0
        """Session time before which a film has no pictures, because its process went away and took them with it."""
        self.has_film = False
        """Whether a film was completed."""

    def open(self) -> None:
        """Start it and wait until it can draw; the error that it reports."""
        self.process.open()

    def begin(self, epoch_s: float) -> None:
        """The session begins: it is drawn from now on. ``epoch_s`` is its clock's."""
        self._epoch_s = epoch_s
        self.process.greet("begin", epoch_s)

    def tell_line(self, line: PoseLine) -> None:
        """What the follower will do, whenever that has changed."""
        self._channels.line.write(0.0, line.values())

    def tell_leader(self, leader: LeaderFrame | None) -> None:
        """The leader as of now; the same one twice is told once. None: nobody (any more): who was told of is lost."""
        if leader is None:
            if self._leader is None:
                return
            leader = replace(self._leader, status=LeaderStatus.LOST)
        known = leader.time_s, leader.status, leader.root_m.tobytes()
        if known != self._told_leader:
            self._leader, self._told_leader = leader, known
            self._channels.leader.write(leader.time_s, values_of_frame(leader))

    def tell_facts(self, time_s: float, facts: Facts) -> None:
        """What the panel says, whenever that has changed."""
        if facts != self._told_facts:
            self._told_facts = facts
            self._channels.facts.write(time_s, facts.values())
            if facts.staging is not None and facts.staging != self._staging:
                self._staging = facts.staging
                self._set_next(fills=True)

    def take_keys(self) -> list[tuple[str, float]]:
        """Keys that went down since the last call, and when (``time.monotonic``)."""
        return [(key_of_record(record.values), record.stamp_s) for record in self._channels.keys.drain()]

    def look(self) -> None:
        """Hear what it says, take over what it measured, and start it again where it is gone. Raises PictureError
        where its film cannot be written."""
        self._collect()
        pid = self.process.pid
        if self.process.look():
            self.lost_until_s = time.monotonic() - self._epoch_s
            self._remove_part(pid)
            self._set_next(fills=self.process.is_ready)

    def finish(self, end_s: float) -> None:
        """The dance ended at ``end_s``: complete the film, or where there is none end at once. Safe to call again.

        PictureError where a film was asked for and there is none, or where the process goes while it is waited for.
        Without a film nothing is raised: a picture that hangs, or is gone by then, takes nothing else with it.
        """
        if self.process.keeper.state is WardState.ENDED:
            return
        if self._film is not None:
            self._complete(self._film, end_s)
        self._collect()
        self.close()

    def _complete(self, film: Path, end_s: float) -> None:
        """Wait until it is whole. Nothing beats meanwhile: only its end tells that it is waited for in vain."""
        try:
            if self.process.keeper.state is WardState.RUNNING and not self.process.is_done:
                self.process.say("end", end_s)
                until_s = time.monotonic() + _FINISH_S
                while not self.process.is_done and time.monotonic() < until_s:
                    self.process.hear(_HEAR_S)
            if not self.process.is_done:
                why = self.process.keeper.problem or f"no end within {_FINISH_S:.0f} s"
                raise PictureError(f"{_ROW.name}: expected to go on, got {why}. Run `duet doctor`.")
            if not self._pictures:
                raise PictureError("it ended before its first picture. Let it run for longer.")
        except DuetError as error:
            self.close()
            raise PictureError(f"{film}: expected a whole film, got none: {error}") from error
        self.has_film = True

    def close(self) -> None:
        """Make an end of the process and of the shared memory. Safe to call again."""
        if not self.process.is_done:
            self.process.say("abandon")
        self.process.close()
        self._channels.close()
        self._remove_part(self.process.pid)

    def _set_next(self, *, fills: bool) -> None:
        """How one begins that takes this one's place: as was told last, but without what may be missing by now, or it
        would never begin. That is the user's bodies, and the display where one could not begin that ``fills`` it. It
        hears of them with the facts, and does without what is not there.
        """
        if self._staging is not None:
            staging = self._staging.in_shipped_bodies()
            self.process.task = replace(self._task, staging=staging if fills else staging.altered(display=None))

    def _take(self, message: tuple[Any, ...]) -> None:
        if message[0] == "ready":
            self.renderer = message[1]
        elif message[0] == "warned":
            self.process.keeper.told(f"{_ROW.name}: {message[1]}")
        elif message[0] == "done":
            self.is_closed, self._pictures = message[1:]

    def _remove_part(self, pid: int | None) -> None:
        """What process ``pid`` wrote of a film that it did not complete."""
        part = None if self._film is None or pid is None else part_beside(self._film, pid)
        if part is not None and part.is_file():
            part.unlink()

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
