"""The picture process: draws what the dance says, in a window or into a film, at its own display's time.

Its main thread owns OpenGL, as macOS wants it. It draws from shared memory alone (``picture_channels``) and by the same
``PoseLine.pose_at`` as the dance itself: should the dance stall, it shows the plan to its end and then the way to rest.
It never holds the dance up, and ends when its pipe breaks. ``picture_port`` is the other side.

Ctrl-C and a service's stop are the dance's to hear; they end the film by a word on the pipe, so that it is whole.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.clock import MonotonicClock
from duet.errors import DuetError
from duet.frames import LeaderFrame
from realtime import child
from realtime.child_log import ChildLog
from realtime.health import Health
from realtime.pose_line import PoseLine
from realtime.process_use import GivingBack
from realtime.sight.leader_record import frame_of_record
from realtime.sight.preview import Sight, SightCell
from ui.drawing.avatar import BodyPose
from ui.drawing.canvas import Canvas, FilmCanvas
from ui.drawing.film import Soundtrack
from ui.drawing.hud import SightValues
from ui.drawing.picture_channels import LEADER_FRAMES, Drawn, PictureChannels, record_of_key
from ui.drawing.scene import SceneState
from ui.panel.facts import Facts, SightPicture, drawn_of, hud_values
from ui.staging import Staging

_WAIT_S = 0.05
"""Between two looks for a word, while nothing is to be drawn."""
_ORPHAN_S = 60.0
"""Without the dance, a film may take so long to be finished; then the process ends, whatever hangs."""


@dataclass(frozen=True)
class PictureTask:
    """What to draw and on what; plain values that travel to the process."""

    size: tuple[int, int]
    fps: float
    headless: bool
    film: Path | None = None
    sound: Soundtrack | None = None
    seconds: float | None = None
    """Session time at which the last picture has been drawn."""
    sight_name: str | None = None
    """Of the cell with what the camera sees."""
    staging: Staging = Staging()
    lead_s: float = 0.0
    """A picture is seen so long after it was drawn, and shows that later moment."""
    ends_twice: bool = False
    """Whether Escape or Q ends it only when pressed twice."""


class _LastTimes(Health):
    """The newest measurement of each stage: the dance keeps the statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.last_ms: dict[str, float] = {}

    def record(self, stage: str, milliseconds: float) -> None:
        self.last_ms[stage] = milliseconds


class Picture:
    """Draws one picture after the other; owned by the process's main thread."""

    def __init__(self, task: PictureTask, channels: PictureChannels, canvas: Canvas, clock: MonotonicClock) -> None:
        self._task, self._channels, self._canvas, self._clock = task, channels, canvas, clock
        self._sight_cell = SightCell(task.sight_name)
        self._sight_picture = SightPicture()
        self._line: tuple[int, PoseLine] | None = None
        self._facts = -1, Facts()
        self._staging = task.staging
        self._shown_s = np.nan
        self._times = _LastTimes()
        self.drawn = 0

    def close(self) -> None:
        """Let go of the camera's picture."""
        self._sight_cell.close()

    def draw(self, time_s: float) -> bool:
        """Draw what is to be seen of a picture drawn at ``time_s``; False before there is anything to draw."""
        start = time.perf_counter()
        time_s += self._task.lead_s
        line = self._newest_line()
        if line is None:
            return False
        facts, leader = self._newest_facts(), self._leader(time_s)
        pose, lag_s = line.pose_at(time_s), line.leader_age_s(time_s)
        inset = self._inset(facts, leader)
        picture, sight = inset or (None, None)
        hud = hud_values(facts, time_s, leader, pose, lag_s, sight)
        dancer = BodyPose.of_leader(leader) if leader else None
        beat = hud.beat_phase if hud.tempo_bpm else None
        self._restage(facts)
        said = drawn_of(hud, self._staging.hud)
        self._canvas.draw(SceneState(time_s, BodyPose.of_follower(pose), dancer, said, picture, beat), self._times)
        shown_s = time.perf_counter()
        gap_ms, self._shown_s = (shown_s - self._shown_s) * 1e3, shown_s
        encode_ms = self._times.last_ms.get("encode", np.nan)
        lag_ms = np.nan if hud.lag_ms is None else hud.lag_ms
        cost = Drawn((shown_s - start) * 1e3, encode_ms, lag_ms, gap_ms)
        self.drawn += 1
        self._channels.times.push(time_s, np.array(cost, np.float32))
        return True

    def beat(self) -> None:
        """A sign of life."""
        self._channels.heart.write(time.monotonic(), np.array([self.drawn], np.float32))

    def hand_over_keys(self) -> None:
        """Keys that went down go to who looks after the show."""
        for key, monotonic_s in self._canvas.take_keys():
            self._channels.keys.push(monotonic_s, record_of_key(key))

    def _restage(self, facts: Facts) -> None:
        if facts.staging is not None and facts.staging != self._staging:
            self._staging = facts.staging
            self._canvas.restage(facts.staging)

    def _newest_line(self) -> PoseLine | None:
        record = self._channels.line.latest()
        if record is not None and (self._line is None or self._line[0] != record.index):
            self._line = record.index, PoseLine.of_values(record.values)
        return self._line[1] if self._line is not None else None

    def _newest_facts(self) -> Facts:
        record = self._channels.facts.latest()
        if record is not None and record.index != self._facts[0]:
            self._facts = record.index, Facts.of_values(record.values)
        return self._facts[1]

    def _leader(self, time_s: float) -> LeaderFrame | None:
        """The frame nearest to ``time_s``, the newest of equals: one is told again when somebody is lost."""
        records = self._channels.leader.history(LEADER_FRAMES)
        if not records:
            return None
        return frame_of_record(min(reversed(records), key=lambda record: abs(record.stamp_s - time_s)))

    def _inset(self, facts: Facts, leader: LeaderFrame | None) -> tuple[NDArray[np.uint8], SightValues] | None:
        record = self._sight_cell.latest(facts.sight_name) if facts.shows_sight else None
        if record is None:
            return None
        # The camera stamps by the machine's clock.
        now_s = self._clock.epoch_s + self._clock.now()
        size, trouble = self._canvas.size, facts.camera_trouble
        return self._sight_picture.of(Sight.of_record(record), now_s, leader, size, trouble)


def run(task: PictureTask, names: tuple[str, ...], control: Connection, log: ChildLog) -> None:
    """The process. Says ``("ready", name of the renderer)``, hears ``("begin", epoch_s)`` and, at last, ``("end",
    session time)`` or ``("abandon",)``: the film is whole, to its last picture, or as if it had never been begun.

    Then it says ``("done", whether the audience closed the window, pictures)``, or ``("failed", kind, sentence)``.
    """
    child.begin(log, bears_a_stop=True)
    threading.Thread(target=_end_as_an_orphan, name="duet-orphan", daemon=True).start()
    channels = PictureChannels.attach(names)
    with contextlib.suppress(BrokenPipeError, EOFError, ConnectionError):
        try:
            _perform(task, channels, control)
        except DuetError as error:
            control.send(child.failed(error))
    channels.close()


def _perform(task: PictureTask, channels: PictureChannels, control: Connection) -> None:
    canvas, drawn = _open_canvas(task), 0
    try:
        control.send(("ready", canvas.renderer))
        word, *more = _hear_begin(canvas, channels, control)
        if word == "begin":
            word, drawn = _draw_until_told(task, channels, canvas, control, MonotonicClock(*more))
    except EOFError:
        # The dance is gone: what was filmed is kept.
        canvas.close()
        raise
    except BaseException:
        canvas.abandon()
        raise
    if word == "abandon":
        canvas.abandon()
        return
    canvas.close()
    control.send(("done", word == "closed", drawn))


def _open_canvas(task: PictureTask) -> Canvas:
    """A window, or a picture without one that may be written as a film."""
    if task.headless:
        return FilmCanvas(task.size, task.fps, task.film, task.sound, task.staging)
    # glfw must not be imported where there is no display.
    from ui.drawing.window_canvas import WindowCanvas

    return WindowCanvas(task.size, task.fps, task.staging, ends_twice=task.ends_twice)


def _hear_begin(canvas: Canvas, channels: PictureChannels, control: Connection) -> tuple[Any, ...]:
    """Wait for the session's beginning, or for what is said instead."""
    while not control.poll(_WAIT_S):
        channels.heart.write(time.monotonic(), np.zeros(1, np.float32))
        if canvas.is_closed:
            return ("closed",)
    return control.recv()


def _draw_until_told(
    task: PictureTask, channels: PictureChannels, canvas: Canvas, control: Connection, clock: MonotonicClock
) -> tuple[str, int]:
    """Draw frame after frame at the asked rate; frames that come too late are left out, never queued. The word that
    ended it, and how many were drawn."""
    picture, frame_s = Picture(task, channels, canvas, clock), 1.0 / canvas.fps
    index, freed = 0, GivingBack()
    try:
        while not control.poll():
            picture.beat()
            freed.look()
            if canvas.is_closed:
                return "closed", picture.drawn
            if task.seconds is not None and index * frame_s >= task.seconds:
                control.poll(_WAIT_S)
                continue
            canvas.wait_until(clock, index * frame_s)
            picture.hand_over_keys()
            now = clock.now()
            time_s = max(index, int(now / frame_s)) * frame_s
            if (task.seconds is None or time_s < task.seconds) and not picture.draw(time_s):
                control.poll(_WAIT_S)
            index = max(index, int(now / frame_s)) + 1
        word, *more = control.recv()
        if word == "end":
            # However slow the machine is, a film ends when the dance did.
            picture.draw(max(0.0, more[0] - frame_s))
        return word, picture.drawn
    finally:
        picture.close()


def _end_as_an_orphan() -> None:
    """End the process some time after the one that started it, even where a driver hangs."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        time.sleep(_ORPHAN_S)
        os._exit(1)
