"""The sound process: one device, one opening of it, streamed from or into shared memory.

Runs by itself (see ``SoundPort`` in ``realtime.sound.sound_port`` for the other side). It ends when its device goes
away: a library whose device vanished is not to be trusted, a new process begins anew. Stamps are of the
machine's monotonic clock, which all processes share.

Threading: PortAudio calls ``callback`` from its own thread, which copies, counts and stamps, nothing else;
the main thread tells of it, and stops telling when a driver hangs it.
"""

import contextlib
import os
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from duet.clock import AudioClock, Clock, MonotonicClock
from duet.errors import DeviceError, DuetError
from duet.music import RATE_HZ
from realtime import child
from realtime.channels import Channels
from realtime.child_log import ChildLog
from realtime.plugged import Pin
from realtime.rings import HistoryCell, LatestCell, SpscRing
from realtime.sound.portaudio import PORTAUDIO, AudioDevice, SoundSystem, Way, cannot_use, find_audio_device

Floats = NDArray[np.float32]

BLOCK_S = 0.01  # sound per callback
LATENCY_S = 0.03  # asked of the device: less underruns on sound servers
GONE_S = 1.0  # without a callback for so long, a device is lost
RETRY_S = 0.4
_ROUNDS = 5
"""Times that long between two looks for a device that was never there: looking costs something, nobody misses it."""
BEAT_S = 0.05
DEFAULT_WAIT_S = 10.0
"""After so long without the device that was the default, the system's default of then will do."""
FRAMES = 480
"""The most of one record."""
HEARD_RECORDS = 400
TO_PLAY_RECORDS = 64
_ALL_CHANNELS = 8
"""Devices with more are mixers and sound servers, which give their sum on the first two."""


class Phase(IntEnum):
    """What the process is about: each may hang, and is given its own time."""

    LOOKING = 0
    OPENING = 1
    STREAMING = 2


@dataclass(frozen=True)
class SoundTask:
    """Which device to use; plain values that travel to the process."""

    way: Way
    name: str
    system: SoundSystem = PORTAUDIO
    pin: Pin | None = None
    """The device that was open before, which is waited for; None for the first opening, which does not wait."""
    waits: bool = False
    """Whether the first opening waits, too: until there is such a device."""


@dataclass(frozen=True)
class Opened:
    """What the process says once sound flows."""

    device: AudioDevice
    pin: Pin
    rate_hz: int
    channels: int


@dataclass(frozen=True)
class SoundChannels(Channels):
    """The shared memory between the process and the application."""

    sound: HistoryCell | SpscRing
    """Heard: [count, samples of one channel (FRAMES)], stamped at the first. To play: (FRAMES * 2), stereo."""
    heart: LatestCell
    """Stamped when written: [phase, xruns, whether it has begun to play what it was given]."""
    zero: LatestCell
    """Stamped with the moment at which the first frame that was given to play sounds, by the present estimate."""

    @classmethod
    def create(cls, way: Way) -> "SoundChannels":
        """New memory, owned by the caller."""
        if way == "input":
            sound: HistoryCell | SpscRing = HistoryCell.create(width=1 + FRAMES, capacity=HEARD_RECORDS)
        else:
            sound = SpscRing.create(width=2 * FRAMES, capacity=TO_PLAY_RECORDS)
        return cls(sound, LatestCell.create(width=3), LatestCell.create(width=1))


class End(Protocol):
    """This side of an open stream."""

    called_s: float
    xruns: int

    def callback(self, samples: Floats, frames: int, when: Any, flags: Any) -> None: ...

    @property
    def zero_s(self) -> float | None:
        """When the first frame that was given to play sounds; None where nothing is played yet."""
        ...


_FORGET = 0.999
"""A block: a channel that pauses still counts for some seconds, so that the level does not jump."""
_CARRIES = 0.01
"""A channel carries sound that has this share of the loudest one's power; others hold its crosstalk."""


class Microphone:
    """From a device into a HistoryCell, one channel."""

    zero_s = None

    def __init__(self, cell: HistoryCell, rate_hz: int, clock: Clock) -> None:
        self._cell = cell
        self._rate_hz = rate_hz
        self._clock = clock
        self._sample_clock = AudioClock(clock, rate_hz=rate_hz)
        self._count = 0
        self._powers: Floats | None = None  # of each channel, its loudest of late
        self._record = np.zeros(1 + FRAMES, np.float32)
        self.called_s = clock.now()
        self.xruns = 0

    def callback(self, samples: Floats, frames: int, when: Any, flags: Any) -> None:
        """PortAudio has (frames, channels) for us; what is no finite number becomes silence."""
        now_s = self._clock.now()
        # One infinite power would hold a channel the loudest for ever.
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        # Of many channels music comes in on one or two: their sum, as loud as if there were no others. Where more of
        # them carry sound it is their mean: eight of the same would be four times as loud, and clip.
        # Beyond full scale a channel is no louder than at it: what one odd sample weighs is soon forgotten.
        power = np.mean(np.square(np.clip(samples, -1.0, 1.0)), axis=0)
        before = power if self._powers is None else _FORGET * self._powers
        self._powers = np.maximum(power, before)
        carrying = np.count_nonzero(self._powers > _CARRIES * self._powers.max())
        mono = samples.sum(axis=1) / max(min(samples.shape[1], 2), carrying)
        # PortAudio stamps a block's first sample, the clock wants to know of its last.
        age_s = _span_s(when.inputBufferAdcTime, when.currentTime)
        if flags.input_overflow:
            self._sample_clock.lose()
        self._sample_clock.tick(frames, now_s - age_s + frames / self._rate_hz)
        for at in range(0, frames, FRAMES):
            piece = mono[at : at + FRAMES]
            self._record[0] = len(piece)
            self._record[1 : 1 + len(piece)] = piece
            self._cell.write(self._sample_clock.time_of_sample(self._count + at), self._record)
        self._count += frames
        self.called_s = now_s
        self.xruns += bool(flags.input_overflow)


class Speaker:
    """From an SpscRing to a device; silence where the ring is empty."""

    def __init__(self, ring: SpscRing, rate_hz: int, clock: Clock) -> None:
        self._ring = ring
        self._rate_hz = rate_hz
        self._clock = clock
        self._sample_clock = AudioClock(clock, rate_hz=rate_hz)
        self._rest = np.zeros((0, 2), np.float32)
        self._silent = 0  # frames played that were not given: what was given sounds later by them
        self._begun = False
        self.called_s = clock.now()
        self.xruns = 0

    @property
    def zero_s(self) -> float | None:
        return self._sample_clock.time_of_sample(self._silent) if self._begun else None

    def callback(self, samples: Floats, frames: int, when: Any, flags: Any) -> None:
        """PortAudio wants ``samples`` (frames, channels) from us."""
        now_s = self._clock.now()
        sound = self._take(frames)
        samples[:] = 0.0
        if samples.shape[1] == 1:
            samples[: len(sound), 0] = sound.mean(axis=1)
        else:
            samples[: len(sound), :2] = sound
        ahead_s = _span_s(when.currentTime, when.outputBufferDacTime)
        if flags.output_underflow:
            self._sample_clock.lose()
        self._sample_clock.tick(frames, now_s + ahead_s + frames / self._rate_hz)
        self.xruns += bool(flags.output_underflow) or (self._begun and len(sound) < frames)
        self._silent += frames - len(sound)
        self._begun = self._begun or len(sound) > 0
        self.called_s = now_s

    def _take(self, frames: int) -> Floats:
        """(frames, 2) or fewer."""
        parts = [self._rest]
        count = len(self._rest)
        while count < frames and (record := self._ring.pop()) is not None:
            parts.append(record.values.reshape(-1, 2))
            count += FRAMES
        sound = np.concatenate(parts)
        self._rest = sound[frames:]
        return sound[:frames]


def _span_s(earlier_s: float, later_s: float) -> float:
    """Between two of PortAudio's times; 0 where a sound system tells nonsense."""
    span_s = later_s - earlier_s
    return span_s if 0.0 <= span_s <= 1.0 else 0.0


class Host:
    """Finds the device, opens it, and tells of it."""

    def __init__(self, task: SoundTask, channels: SoundChannels, control: Connection) -> None:
        self._task = task
        self._channels = channels
        self._control = control
        self._clock = MonotonicClock(0.0)
        self._begun_s = time.monotonic()

    def serve(self) -> None:
        """Stream until told to stop or until the device is gone; DeviceError where a first opening fails."""
        found = self._open_in_time()
        if found is None:
            return
        stream, end, opened = found
        self._control.send(("opened", opened))
        while not self._control.poll(BEAT_S):
            self._beat(Phase.STREAMING, end)
            if not stream.active or self._clock.now() - end.called_s > GONE_S:
                self._control.send(("lost",))
                return
        stream.abort(ignore_errors=True)
        stream.close(ignore_errors=True)

    def _open_in_time(self) -> tuple[Any, End, Opened] | None:
        """Open the device, or wait for one that was open before; None when told to stop meanwhile."""
        told = ""
        while True:
            try:
                return self._open()
            except DeviceError as error:
                if self._task.pin is None and not self._task.waits:
                    raise
                if str(error) != told:
                    self._control.send(("away", str(error)))
                    told = str(error)
            for _ in range(_ROUNDS if self._task.pin is None else 1):
                self._beat(Phase.LOOKING)
                if self._control.poll(RETRY_S):
                    return None

    def _open(self) -> tuple[Any, End, Opened]:
        task = self._task
        self._beat(Phase.LOOKING)
        pin, refresh = task.pin, task.pin is not None or task.waits
        if pin is not None and task.name == "default" and time.monotonic() - self._begun_s > DEFAULT_WAIT_S:
            pin = None
        device, pin = find_audio_device(task.name, task.way, task.system, pin=pin, refresh=refresh)
        self._beat(Phase.OPENING)
        library = task.system.load()
        channels, rate_hz = _settings(library, device, task)
        end = self._end(rate_hz)
        make = library.InputStream if task.way == "input" else library.OutputStream
        try:
            stream = make(
                device=device.index, samplerate=rate_hz, channels=channels, dtype="float32",
                blocksize=round(BLOCK_S * rate_hz), latency=LATENCY_S, callback=end.callback,
            )  # fmt: skip
            stream.start()
        except (library.PortAudioError, OSError, ValueError) as error:
            raise cannot_use(device.name, task.way, error) from error
        if task.system.hardware(device.name) != device.known.hardware:
            stream.abort(ignore_errors=True)
            raise cannot_use(device.name, task.way, DeviceError("another device in its place by now"))
        return stream, end, Opened(device, pin, rate_hz, channels)

    def _end(self, rate_hz: int) -> End:
        sound = self._channels.sound
        if isinstance(sound, HistoryCell):
            return Microphone(sound, rate_hz, self._clock)
        return Speaker(sound, rate_hz, self._clock)

    def _beat(self, phase: Phase, end: End | None = None) -> None:
        zero_s = end.zero_s if end is not None else None
        if zero_s is not None:
            self._channels.zero.write(zero_s, np.zeros(1, np.float32))
        heart = (phase, end.xruns if end is not None else 0, zero_s is not None)
        self._channels.heart.write(time.monotonic(), np.array(heart, np.float32))


def _settings(library: Any, device: AudioDevice, task: SoundTask) -> tuple[int, int]:
    """(channels, rate in Hz) that the device takes: ours where it can, else its own; DeviceError for neither."""
    check = library.check_input_settings if task.way == "input" else library.check_output_settings
    problem: Exception = ValueError("no channels")
    for rate_hz in dict.fromkeys((RATE_HZ, device.rate_hz)):
        for channels in dict.fromkeys(_channel_counts(device.channels(task.way), task.way)):
            try:
                check(device=device.index, channels=channels, samplerate=rate_hz)
                return channels, rate_hz
            except (library.PortAudioError, ValueError) as error:
                problem = error
    raise cannot_use(device.name, task.way, problem)


def _channel_counts(most: int, way: Way) -> Iterator[int]:
    """Channel counts to try, the best first: some devices open with all of theirs or not at all."""
    if way == "input" and most <= _ALL_CHANNELS:
        yield most
    yield min(most, 2)
    yield 1
    yield most


def run(_: None, __: tuple[str, ...], control: Connection, log: ChildLog) -> None:
    """The process. Waits to be told ``(SoundTask, names)``, so that one can stand by, ready, before it is needed.

    Says ``("opened", Opened)``, ``("away", why)``, ``("lost",)`` or ``("failed", kind, sentence)``.
    """
    child.begin(log)
    try:
        with contextlib.suppress(OSError, EOFError):  # the application is gone, or has no use for it
            task, names = control.recv()
            try:
                Host(task, SoundChannels.attach(names), control).serve()
            except DuetError as error:
                control.send(child.failed(error))
        os._exit(0)  # past PortAudio's own ending, which may wait for a device that is gone
    except Exception:
        traceback.print_exc()  # into the log, of which the application quotes the last line
        os._exit(1)
