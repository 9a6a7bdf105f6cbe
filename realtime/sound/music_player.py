"""Music that Duet plays itself: files and the built-in groove, through a device or followed unheard.

It knows its future, the ear does not: a sample is handed out only once it has sounded, by the sample
count of the device that plays it, or by the session clock where none does.

Threading: the thread of ``SoundPort`` feeds the device; one thread reads. ``_Feed`` is one opening's, replaced whole;
the first is made by the one of the two that comes first.
"""

import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from duet.clock import Clock
from duet.errors import DeviceError, InputError
from duet.groove import Groove
from duet.music import RATE_HZ
from duet.sound_file import load_sound
from realtime.rings import SpscRing
from realtime.sound.music_source import Block, Floats, MusicStatus, first_heard
from realtime.sound.portaudio import PORTAUDIO, AudioDevice, SoundSystem
from realtime.sound.sound_file import StreamResampler, stereo
from realtime.sound.sound_host import BLOCK_S, FRAMES, LATENCY_S
from realtime.sound.sound_port import Opening, SoundPort

AHEAD_RECORDS = 30
"""How much the device is given beforehand: 0.3 s in which nobody needs to be in time."""


class _Feed:
    """One opening of a device: which sample of the music it is given next, and when each sounds."""

    def __init__(self, opening: Opening, first: int, offset_s: float) -> None:
        self.opening = opening
        self.first = self._next = first
        self._offset_s = offset_s
        self._zero_s: float | None = None
        self._ready = np.zeros((0, 2), np.float32)  # at the device's rate
        other_rate = opening.rate_hz != RATE_HZ
        make = [StreamResampler(from_hz=RATE_HZ, to_hz=opening.rate_hz) for _ in range(2)] if other_rate else []
        self._resamplers = make
        self._delay_s = make[0].delay_s if make else 0.0

    def give(self, music: "PlayedMusic") -> None:
        """Fill what the device holds beforehand, and learn when it sounds."""
        ring = self.opening.channels.sound
        assert isinstance(ring, SpscRing)
        while len(ring) < AHEAD_RECORDS and ring.push(0.0, self._record(music)):
            pass
        zero_s = self.opening.zero_s
        self._zero_s = None if zero_s is None else zero_s + self._offset_s

    def _record(self, music: "PlayedMusic") -> Floats:
        """(FRAMES * 2,) the next sound at the device's rate."""
        while len(self._ready) < FRAMES:
            sound = np.clip(music.piece(self._next, FRAMES), -1.0, 1.0)
            self._next += FRAMES
            if self._resamplers:
                sides = [r.push(np.ascontiguousarray(sound[:, i])) for i, r in enumerate(self._resamplers)]
                sound = np.stack(sides, axis=1)
            self._ready = np.concatenate((self._ready, sound))
        record, self._ready = self._ready[:FRAMES], self._ready[FRAMES:]
        return record.reshape(-1)

    @property
    def running(self) -> bool:
        """Whether the device has begun to play what it was given."""
        return self._zero_s is not None

    def time_of(self, sample: int) -> float:
        """Session time at which ``sample`` of the music sounds."""
        return (self._zero_s or 0.0) + self._delay_s + (sample - self.first) / RATE_HZ


class PlayedMusic(ABC):
    """Stereo music on a time line of its own, played through a device, or unheard against the session clock.

    ``output``: None plays unheard (headless, replay); ``default`` plays where there is a device and
    unheard where there is none (``unheard_because`` tells why) until there is one; any other name must be there.
    ``device`` tells which it became. While a device is ``LOST`` the music goes on against the session clock, and is
    heard again when that very device is back.
    """

    soundtrack: tuple[Floats, int] | None = None

    def __init__(self, *, output: str | None, system: SoundSystem = PORTAUDIO) -> None:
        self._output = output
        self._system = system
        self._read = 0
        self._clock: Clock | None = None
        self._start_s = 0.0  # session time of the first sample while no device says better
        self._offset_s = 0.0  # session time less the machine's monotonic time
        self._feed: _Feed | None = None
        self._making = threading.Lock()  # of the first feed
        self._port: SoundPort | None = None
        self._no_device = ""  # why there was none at the start

    @abstractmethod
    def piece(self, first: int, count: int) -> Floats:
        """(count, 2) of the music from sample ``first``; silence where there is none."""

    @property
    @abstractmethod
    def frames(self) -> int | None:
        """How long it is, in samples; None while no end is known."""

    @property
    def status(self) -> MusicStatus:
        if self._clock is None:
            return MusicStatus.STOPPED
        if self._port is not None and self._port.lost:
            return MusicStatus.LOST
        frames = self.frames
        ended = frames is not None and self._sample_at(self._clock.now()) >= frames
        return MusicStatus.ENDED if ended else MusicStatus.PLAYING

    @property
    def device(self) -> AudioDevice | None:
        """The one that plays, or did before it went away; None where the music is unheard."""
        return self._port.device if self._port is not None else None

    @property
    def unheard_because(self) -> str:
        """Why the music that was to be played never was, in one sentence; empty when it was, or was not to be."""
        return self._no_device if self.device is None else ""

    @property
    def problem(self) -> str:
        """Why the device is away; empty while it is not."""
        return self._port.problem if self._port is not None and self._port.lost else ""

    @property
    def position_s(self) -> float:
        return 0.0 if self._clock is None else self._sample_at(self._clock.now()) / RATE_HZ

    @property
    def xruns(self) -> int:
        return self._port.xruns if self._port is not None else 0

    @property
    def losses(self) -> int:
        return self._port.losses if self._port is not None else 0

    @property
    def started_s(self) -> float:
        """Session time at which the first sample sounded."""
        return self._time_of(0)

    def start(self, clock: Clock) -> None:
        self.stop()
        self._read = 0
        self._feed = None
        self._start_s = clock.now()
        self._offset_s = clock.now() - time.monotonic()
        self._no_device = ""
        self._clock = clock
        if self._output is not None:
            self._play(self._output, clock)

    def stop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.stop()
        self._clock = None

    def read(self, until_s: float) -> Block | None:
        first, stop = self._read, self._sample_at(until_s)
        if self._clock is None or stop <= first:
            return None
        self._read, first = stop, first_heard(first, stop)
        return Block(self.piece(first, stop - first).mean(axis=1), self._time_of(first))

    def _play(self, output: str, clock: Clock) -> None:
        port = SoundPort(output, "output", self._system, feed=self._give)
        try:
            opening = port.start()
        except DeviceError as error:
            self._start_s = clock.now()
            if output != "default":
                self._clock = None
                raise
            self._no_device = str(error)
            self._port = SoundPort(output, "output", self._system, feed=self._give, waits=True)
            return
        self._start_s = clock.now()
        self._begun(opening)
        self._port = port

    def _give(self, opening: Opening) -> None:
        """Called again and again by the port's thread while the device is there."""
        clock = self._clock
        if clock is None:
            return
        feed = self._feed if self._no_device else self._begun(opening)
        if feed is None or feed.opening is not opening:
            # The device was away: the music is where it would have been, by the device before if that ever played.
            self._start_s, self._feed = self._time_of(0), None
            feed = _Feed(opening, self._sample_at(clock.now() + LATENCY_S + 2 * BLOCK_S), self._offset_s)
        feed.give(self)
        self._feed = feed

    def _begun(self, opening: Opening) -> _Feed:
        """The feed there is, else the first one, from the music's beginning. The port's thread and who starts both ask
        for it: were each to make one, the beginning would be given twice.
        """
        with self._making:
            if self._feed is None:
                self._feed = _Feed(opening, 0, self._offset_s)
            return self._feed

    def _sample_at(self, time_s: float) -> int:
        """The sample that sounds at ``time_s``; a device that is there and has not begun yet holds the music back."""
        feed, is_lost = self._feed, self._port is not None and self._port.lost
        if feed is not None and not feed.running and not is_lost:
            return feed.first
        return max(0, int((time_s - self._time_of(0)) * RATE_HZ + 1e-6))

    def _time_of(self, sample: int) -> float:
        feed = self._feed
        if feed is not None and feed.running:
            return feed.time_of(sample)
        return self._start_s + sample / RATE_HZ


class RecordedMusic(PlayedMusic):
    """Samples that are known beforehand, once or over and over."""

    def __init__(
        self, samples: ArrayLike, *, output: str | None = None, loop: bool = False, system: SoundSystem = PORTAUDIO
    ) -> None:
        array = np.asarray(samples, dtype=np.float32)
        if array.ndim not in (1, 2) or array.size == 0 or not np.isfinite(array).all():
            raise InputError(
                f"Music: expected finite samples (N,) or (N, channels), got shape {array.shape}. Pass some sound."
            )
        super().__init__(output=output, system=system)
        self._samples = stereo(array)
        self._loop = loop
        self.soundtrack = self._samples, RATE_HZ

    @property
    def frames(self) -> int | None:
        return None if self._loop else len(self._samples)

    def piece(self, first: int, count: int) -> Floats:
        if self._loop:
            return self._samples[np.arange(first, first + count) % len(self._samples)]
        there = self._samples[first : first + count]
        missing = count - len(there)
        return np.pad(there, [(0, missing), (0, 0)]) if missing else there


class FileMusic(RecordedMusic):
    """A sound file. Raises MediaError for one that cannot be read."""

    def __init__(self, path: str | Path, *, output: str | None = None, loop: bool = False) -> None:
        super().__init__(stereo(load_sound(path)), output=output, loop=loop)
        self.path = Path(path)


class GrooveMusic(RecordedMusic):
    """The built-in music, whose beats are known."""

    def __init__(self, groove: Groove, *, output: str | None = None, system: SoundSystem = PORTAUDIO) -> None:
        super().__init__(groove.samples, output=output, system=system)
        self.groove = groove
