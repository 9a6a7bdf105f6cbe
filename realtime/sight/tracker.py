"""The leader by camera: a tracking process of its own, watched over and started again when it dies.

MediaPipe and lifting keep a core busy and hold the GIL; in a process of their own they cannot make
the music or the picture stutter. The newest frames lie in shared memory, so that reading them never
waits.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from duet.clock import MonotonicClock
from duet.errors import DeviceError
from duet.frames import LeaderFrame, LeaderStatus
from duet.skeleton import BODY
from realtime.health import Health
from realtime.kept_process import KeptProcess
from realtime.sight.camera_trouble import RESTARTING, CameraTrouble
from realtime.sight.leader_record import frame_of_record
from realtime.sight.lifting import HOLD_S
from realtime.sight.preview import Sight
from realtime.sight.tracking import HISTORY_FRAMES, STAGES, Heartbeat, TrackingChannels, TrackingTask, run
from realtime.supervisor import WardState
from realtime.topology import process

LOG = logging.getLogger("duet.tracker")
_WATCH_S = 0.1
_ROW = process("duet-tracker")
_COUNTERS = ("camera_frames", "camera_dropped")
"""Of the process's heartbeat; held and lost frames are counted by who takes the frames."""


class Tracker:
    """A leader before a camera. Made by ``start``; read from any thread, stopped once."""

    def __init__(self, task: TrackingTask, health: Health) -> None:
        self._task = task
        self._clock = MonotonicClock(task.epoch_s)
        self._health = health
        self._channels = TrackingChannels.create(preview=task.preview)
        # What happens to it is told as the camera's trouble.
        self._process = KeptProcess(
            _ROW, run, task, self._channels.names, self._channels.heartbeat, health,
            take=self._take, told=LOG.debug, error=DeviceError,
        )  # fmt: skip
        self._camera_trouble = CameraTrouble(task.source)
        self._failure: Exception | None = None
        self._beat = Heartbeat()
        self._beat_s = 0.0
        self._taken = -1
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="tracker-watch", daemon=True)

    @classmethod
    def start(cls, task: TrackingTask, health: Health | None = None) -> "Tracker":
        """Start tracking and return once the first picture is there; raises what ``open_camera`` raises.

        Stage times and counters go to ``health``. DeviceError where the system has no room for it.
        """
        try:
            tracker = cls(task, health or Health())
        except OSError as error:  # no shared memory, or no file for what its libraries print
            raise DeviceError(
                f"{_ROW.name}: expected to start, got {error.strerror or error} from the system: "
                "close other programs first. Run `duet doctor`."
            ) from error
        try:
            tracker._process.open()
        except BaseException:
            tracker.stop()
            raise
        tracker._watcher.start()
        return tracker

    @property
    def state(self) -> WardState:
        """How the tracking process is."""
        return self._process.keeper.state

    @property
    def trouble(self) -> str:
        """What is wrong with the camera or the process and what to do about it; empty while all is well."""
        return self._camera_trouble.sentence

    def latest(self) -> LeaderFrame:
        """The newest frame, at once; ``lost`` before the first and when there was none for a while.

        DeviceError when the watch over the process ended by an error of its own.
        """
        self._raise_failure()
        frames = self.history(1)
        frame = frames[-1] if frames else self._nobody()
        age_s = self._clock.now() - frame.time_s
        if age_s <= HOLD_S + self._task.latency_s + _WATCH_S:
            return frame
        return replace(frame, visibility=np.zeros(len(BODY), dtype=np.float32), status=LeaderStatus.LOST)

    def history(self, count: int) -> list[LeaderFrame]:
        """The newest ``count`` frames or fewer (at most 32), oldest first."""
        if self.state is WardState.ENDED:
            return []
        return [frame_of_record(record) for record in self._channels.frames.history(min(count, HISTORY_FRAMES))]

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """Frames stamped up to ``until_s`` that were not taken yet, oldest first. For one reader.

        DeviceError as ``latest``.
        """
        self._raise_failure()
        frames = [f for f in self.history(HISTORY_FRAMES) if f.index > self._taken and f.time_s <= until_s]
        if frames:
            self._taken = frames[-1].index
        return frames

    def sight(self) -> Sight | None:
        """What the camera saw last; None before the first picture and without ``preview``."""
        cell = self._channels.preview
        record = None if cell is None or self.state is WardState.ENDED else cell.latest()
        return None if record is None else Sight.of_record(record)

    @property
    def sight_name(self) -> str | None:
        """Of the cell with what the camera sees, for who reads it in another process; None without ``preview``."""
        cell = self._channels.preview
        return None if cell is None else cell.name

    def stop(self) -> None:
        """End the process and remove the shared memory. Safe to call again."""
        if self.state is WardState.ENDED:
            return
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join(_ROW.stop_s)
        self._process.close()
        self._collect()
        self._channels.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take(self, message: tuple[Any, ...]) -> None:
        """The process has its camera, or is ready."""
        if message[0] == "camera":
            self._task = replace(self._task, pin=message[1] or self._task.pin)
        elif message[0] == "ready":
            self._task = replace(self._task, again=True)

    def _watch(self) -> None:
        try:
            self._watch_over()
        except Exception as error:  # raised again where frames are taken
            self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise DeviceError(
                f"Tracker: expected to watch over the tracking process, got {self._failure!r}. Start again."
            ) from self._failure

    def _watch_over(self) -> None:
        """Collect times and counters; start the process again when it dies or hangs."""
        while not self._stop.wait(_WATCH_S):
            self._collect()
            if self._process.look():
                self._camera_trouble.tell(RESTARTING, self._process.keeper.problem)
                self._go_on_where_it_was()

    def _go_on_where_it_was(self) -> None:
        """The next process goes on where the old one was: same mark on the floor, same pose."""
        newest = self.history(1)
        mark_m = self._task.stage.mark_m or self._beat.mark_m
        self._task = replace(
            self._task,
            stage=replace(self._task.stage, mark_m=mark_m),
            resume=newest[0] if newest else None,
        )
        self._process.task = self._task
        # What the old process said last, after it was listened to for the last time, is not the new one's.
        self._beat, self._beat_s = Heartbeat(mark_m=mark_m), time.monotonic()

    def _collect(self) -> None:
        """Take over stage times and counters from the process."""
        for record in self._channels.times.drain():
            for stage, milliseconds in zip(STAGES, record.values, strict=True):
                self._health.record(stage, float(milliseconds))
        record = self._channels.heartbeat.latest()
        if record is None or record.stamp_s <= self._beat_s:
            return
        beat = Heartbeat.of(record.values)
        for name in _COUNTERS:
            self._health.count(name, max(0, getattr(beat, name) - getattr(self._beat, name)))
        self._beat, self._beat_s = beat, record.stamp_s
        self._camera_trouble.see(beat.camera_state)

    def _nobody(self) -> LeaderFrame:
        """Before anybody was seen: the rest pose, lost."""
        return LeaderFrame(
            index=-1,
            time_s=self._clock.now() - self._task.latency_s,
            root_m=BODY.rest_joints_m[0],
            joints_m=BODY.rest_joints_m,
            rotations_6d=np.tile(np.eye(3, dtype=np.float32)[:2].ravel(), (len(BODY), 1)),
            visibility=np.zeros(len(BODY), dtype=np.float32),
            status=LeaderStatus.LOST,
        )
