"""Music in: sources (named here, one file each) and the ear that listens to one, causally, and publishes.

``InlineEar`` listens when it is asked (replay, tests: equal sound gives equal frames); ``MusicThread``
listens on its own, so that the one who asks never waits. Both look alike to the conductor.

Threading: ``step`` runs in one thread. What it publishes is replaced whole (``latest``, ``history``)
or handed over through a queue with one writer and one reader (``take_new``).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from duet.beats import MusicListener
from duet.clock import Clock
from duet.errors import DeviceError, StaleFrame
from duet.frames import MusicFrame
from duet.music import RATE_HZ
from duet.tempo_override import TempoOverride
from realtime.health import Health
from realtime.sound.level import SILENT_DB, Level, LevelMeter
from realtime.sound.look_ahead import LookAhead
from realtime.sound.music_input import DeviceMusic
from realtime.sound.music_player import FileMusic, GrooveMusic, RecordedMusic
from realtime.sound.music_source import Block, MusicSource, MusicStatus, Silence
from realtime.sound.portaudio import AudioDevice
from realtime.sound.sound_port import list_audio_devices

__all__ = [
    "AudioDevice", "DeviceMusic", "FileMusic", "GrooveMusic", "InlineEar", "MusicEar", "MusicSource", "MusicStatus",
    "MusicThread", "RecordedMusic", "Silence", "list_audio_devices",
]  # fmt: skip

STEP_S = 1.0 / 120.0
STEPS = 16  # of the leader that may wait to be weighed


class MusicEar:
    """Listens to ``source``; keeps the newest ``history_frames`` frames.

    A beat that is given to ``override`` (tapped, from MIDI clock, over OSC) replaces the one that is heard.
    ``automatic_gain``: for sources that come in at no known level.
    """

    def __init__(self, source: MusicSource, *, history_frames: int = 300, automatic_gain: bool = False) -> None:
        self.source = source
        self._automatic_gain = automatic_gain
        self._meter = LevelMeter(automatic=automatic_gain)
        self.override = TempoOverride()
        self._history_frames = history_frames
        self._history: tuple[MusicFrame, ...] = ()
        self._new: deque[MusicFrame] = deque(maxlen=history_frames)
        self._steps: deque[float] = deque(maxlen=STEPS)
        self._listener = MusicListener()
        self._ahead: LookAhead | None = None
        self._clock: Clock | None = None
        self._health: Health | None = None
        self._counted = {"xruns": 0, "sound_losses": 0}
        self.tap: Callable[[Block], None] | None = None
        """Is given whatever is heard, as it came in."""

    @property
    def status(self) -> MusicStatus:
        """What the source is doing."""
        return self.source.status

    @property
    def level(self) -> Level:
        """How loud it comes in."""
        return self._meter.level

    @property
    def soundtrack(self) -> tuple[NDArray[np.float32], int] | None:
        """((N, 2), rate) the whole piece from its start; None for a source that does not know it."""
        return self.source.soundtrack

    @property
    def history(self) -> tuple[MusicFrame, ...]:
        """The newest frames, oldest first."""
        return self._history

    def start(self, clock: Clock, health: Health | None = None) -> None:
        """Start the source; DeviceError where its device cannot be used."""
        self._listener = MusicListener(start_s=clock.now())
        self._meter = LevelMeter(automatic=self._automatic_gain)
        self._health = health
        self._clock = clock
        self.source.start(clock)

    def stop(self) -> None:
        """Stop the source. Safe to call again."""
        self.source.stop()

    def witness(self, time_s: float) -> None:
        """The leader put a foot down at ``time_s``: weighed where the music leaves the beat open. From any thread."""
        self._steps.append(time_s)

    def step(self, until_s: float) -> Sequence[MusicFrame]:
        """Listen to what sounded up to ``until_s`` and publish the frames it completed."""
        begun, ahead = time.perf_counter(), self._ahead
        block = self.source.read(until_s if ahead is None else ahead.read_until(until_s))
        if block is not None and self.tap is not None:
            self.tap(block)
        while self._steps:
            self._listener.witness(self._steps.popleft())
        heard = [] if block is None else self._listener.push(self._meter.push(block.samples), block.time_s)
        if ahead is not None:
            if block is not None:
                heard_s = block.time_s + len(block.samples) / RATE_HZ
                ahead.push(heard, heard_s, silent=self._meter.level.rms_db < SILENT_DB)
            heard = ahead.due(until_s)
        frames = [self.override.apply(frame) for frame in heard]
        if frames:
            self._new.extend(frames)
            self._history = (*self._history, *frames)[-self._history_frames :]
        if self._health is not None:
            if frames:
                self._health.record("music", (time.perf_counter() - begun) * 1e3 / len(frames))
            for name, times in (("xruns", self.source.xruns), ("sound_losses", self.source.losses)):
                if (more := times - self._counted[name]) > 0:
                    self._counted[name] += more
                    self._health.count(name, more)
        return frames

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """Frames stamped up to ``until_s`` that were not taken yet, oldest first."""
        taken = []
        while self._new and self._new[0].time_s <= until_s:
            taken.append(self._new.popleft())
        return taken

    def latest(self, max_age_s: float) -> MusicFrame:
        """The newest frame; StaleFrame when it is older than ``max_age_s`` or there is none."""
        if self._clock is None or not self._history:
            raise StaleFrame("Music: expected a frame, got none yet. Start the source and wait a moment.")
        newest = self._history[-1]
        age_s = self._clock.now() - newest.time_s
        if age_s > max_age_s:
            raise StaleFrame(
                f"Music: expected a frame of at most {max_age_s:.2f} s, got one of {age_s:.2f} s. "
                "See whether this machine is overloaded."
            )
        return newest


class InlineEar(MusicEar):
    """Listens in the caller's thread, up to the moment that is asked for."""

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """Listen up to ``until_s``, then hand out what is new."""
        self.step(until_s)
        return super().take_new(until_s)


class MusicThread(MusicEar):
    """Listens in a thread of its own, 120 times a second; to music that this application plays before it sounds.

    An error that ends the thread is raised as DeviceError from the next ``take_new`` or ``latest``.
    """

    def __init__(self, source: MusicSource, *, history_frames: int = 300, automatic_gain: bool = False) -> None:
        super().__init__(source, history_frames=history_frames, automatic_gain=automatic_gain)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None

    def start(self, clock: Clock, health: Health | None = None) -> None:
        """Start the source and the thread."""
        super().start(clock, health)
        # Music that this application plays it knows beforehand.
        self._ahead = None if self.source.soundtrack is None else LookAhead()
        self._stopping.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, args=(clock,), name="music", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, then the source."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
            self._thread = None
        super().stop()

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """Frames stamped up to ``until_s`` that were not taken yet, oldest first."""
        self._raise_failure()
        return super().take_new(until_s)

    def latest(self, max_age_s: float) -> MusicFrame:
        """The newest frame; StaleFrame when it is older than ``max_age_s`` or there is none."""
        self._raise_failure()
        return super().latest(max_age_s)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise DeviceError(
                f"Music: expected to go on listening, got {self._failure!r}. Start again, or use other music."
            ) from self._failure

    def _run(self, clock: Clock) -> None:
        try:
            while not self._stopping.wait(STEP_S):
                self.step(clock.now())
        except Exception as error:  # raised again where frames are taken
            self._failure = error
