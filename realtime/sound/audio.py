"""Music in: sources (named here, one file each) and the ear that listens to one, causally, and publishes.

``InlineEar`` listens when it is asked (replay, tests: equal sound gives equal frames); ``MusicThread``
listens on its own, so that the one who asks never waits. Both look alike to the conductor.

Threading: ``step`` runs in one thread. What it publishes is handed over through a queue with one writer and one reader
(``take_new``).
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from duet.beats import MusicListener
from duet.clock import Clock
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
from realtime.supervisor import SETTLED_S, BackOff
from realtime.told import Told

__all__ = [
    "AudioDevice", "DeviceMusic", "FileMusic", "GrooveMusic", "InlineEar", "MusicEar", "MusicSource", "MusicStatus",
    "MusicThread", "RecordedMusic", "Silence", "list_audio_devices",
]  # fmt: skip

LOG = logging.getLogger("duet.music")
STEP_S = 1.0 / 120.0
STEPS = 16  # of the leader that may wait to be weighed
KEPT_FRAMES = 300
"""That nobody took yet."""
GAP_S = 1.0
"""Sound that is missing for so long is no jitter of a device: what follows is heard as if it had only just begun."""


class MusicEar:
    """Listens to ``source``.

    A beat that is given to ``override`` (tapped, from MIDI clock, over OSC) replaces the one that is heard.
    ``automatic_gain``: for sources that come in at no known level.
    """

    def __init__(self, source: MusicSource, *, automatic_gain: bool = False) -> None:
        self.source = source
        self._automatic_gain = automatic_gain
        self._meter = LevelMeter(automatic=automatic_gain)
        self.override = TempoOverride()
        self._new: deque[MusicFrame] = deque(maxlen=KEPT_FRAMES)
        self._steps: deque[float] = deque(maxlen=STEPS)
        self._listener = MusicListener()
        self._next_index = 0
        self._heard_s: float | None = None
        """Session time up to which it has heard everything; None before the first sound."""
        self._ahead: LookAhead | None = None
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

    def start(self, clock: Clock, health: Health | None = None) -> None:
        """Start the source; DeviceError where its device cannot be used."""
        self._listen_anew(clock.now())
        self._meter = LevelMeter(automatic=self._automatic_gain)
        self._health = health
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
        if block is not None and self._heard_s is not None and block.time_s - self._heard_s > GAP_S:
            self._listen_anew(block.time_s)
            ahead = self._ahead = None if ahead is None else LookAhead()
        while self._steps:
            self._listener.witness(self._steps.popleft())
        heard = [] if block is None else self._hear(block)
        if ahead is not None:
            if block is not None and self._heard_s is not None:
                ahead.push(heard, self._heard_s, silent=self._meter.level.rms_db < SILENT_DB)
            heard = ahead.due(until_s)
        frames = [self.override.apply(frame) for frame in heard]
        if frames:
            self._new.extend(frames)
        if self._health is not None:
            if frames:
                self._health.record("music", (time.perf_counter() - begun) * 1e3 / len(frames))
            for name, times in (("xruns", self.source.xruns), ("sound_losses", self.source.losses)):
                if (more := times - self._counted[name]) > 0:
                    self._counted[name] += more
                    self._health.count(name, more)
        return frames

    def _hear(self, block: Block) -> Sequence[MusicFrame]:
        frames = self._listener.push(self._meter.push(block.samples), block.time_s)
        self._next_index += len(frames)
        self._heard_s = block.time_s + len(block.samples) / RATE_HZ
        return frames

    def _listen_anew(self, start_s: float) -> None:
        """Forget what was heard: of the music that sounds from ``start_s`` on nothing is known yet."""
        self._listener = MusicListener(start_s=start_s, first_index=self._next_index)
        self._heard_s = None

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """Frames stamped up to ``until_s`` that were not taken yet, oldest first."""
        taken = []
        while self._new and self._new[0].time_s <= until_s:
            taken.append(self._new.popleft())
        return taken


class InlineEar(MusicEar):
    """Listens in the caller's thread, up to the moment that is asked for."""

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """Listen up to ``until_s``, then hand out what is new."""
        self.step(until_s)
        return super().take_new(until_s)


class MusicThread(MusicEar):
    """Listens in a thread of its own, 120 times a second; to music that this application plays before it sounds.

    An error is told and counted (``music_restarts``), and listened on after a pause: the source goes on meanwhile.
    """

    def __init__(self, source: MusicSource, *, automatic_gain: bool = False) -> None:
        super().__init__(source, automatic_gain=automatic_gain)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, clock: Clock, health: Health | None = None) -> None:
        """Start the source and the thread."""
        super().start(clock, health)
        # Music that this application plays it knows beforehand.
        self._ahead = None if self.source.soundtrack is None else LookAhead()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(clock, health or Health()), name="music", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, then the source."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
            self._thread = None
        super().stop()

    def _run(self, clock: Clock, health: Health) -> None:
        back_off, failed, failed_s = BackOff(), Told(health, "music_restarts", LOG.warning), -math.inf
        while not self._stopping.wait(STEP_S):
            try:
                self.step(clock.now())
            except Exception as error:  # whatever a device, a library or who is given the sound raises
                failed.see(f"music: {type(error).__name__}: {str(error)[:200]}; it is listened to again")
                self._stopping.wait(back_off.pause_s())
                failed_s = clock.now()
                self._listen_anew(failed_s)
                continue
            failed.see("")
            if clock.now() - failed_s > SETTLED_S:
                back_off.settle()
