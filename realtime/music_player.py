"""Music that is known beforehand: files and the built-in groove, played or followed unheard.

It knows its future, the ear does not: a sample is handed out only once it has sounded, by the sample
count of the device that plays it, or by the session clock where none does.

Threading: PortAudio calls ``_Playback.callback`` from its own thread, which copies, counts and stamps,
nothing else. One thread reads. A ``DeviceWatch`` opens and closes the device; every opening has a
``_Playback`` of its own, replaced whole.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from duet.clock import AudioClock, Clock
from duet.errors import DeviceError, InputError
from duet.groove import Groove
from duet.music import RATE_HZ
from realtime.music_source import Block, Floats, MusicStatus
from realtime.portaudio import (
    BLOCK_S,
    LATENCY_S,
    AudioDevice,
    DeviceWatch,
    cannot_use,
    close_stream,
    find_audio_device,
    portaudio,
)
from realtime.sound_file import load_sound, stereo


class _Playback:
    """One opening of a device: which sample of the music it takes next, and when each sounds."""

    def __init__(self, take: Callable[[int, int], Floats], first: int, clock: Clock) -> None:
        self._take = take
        self._clock = clock
        self._sample_clock = AudioClock(clock, rate_hz=RATE_HZ)
        self.first = self.next = first
        self.called_s = clock.now()
        self.xruns = 0

    def callback(self, out: Floats, frames: int, when: Any, flags: Any) -> None:
        """PortAudio wants (frames, 2) from us."""
        now_s = self._clock.now()
        out[:] = self._take(self.next, frames)
        ahead_s = min(max(when.outputBufferDacTime - when.currentTime, 0.0), 1.0)
        self._sample_clock.tick(frames, now_s + ahead_s + frames / RATE_HZ)
        self.called_s = now_s
        self.xruns += bool(flags.output_underflow)
        self.next += frames  # last: a reader asks for times only once there are some

    @property
    def running(self) -> bool:
        return self.next > self.first

    def time_of(self, sample: int) -> float:
        """Session time at which ``sample`` of the music sounds."""
        return self._sample_clock.time_of_sample(sample - self.first)


class RecordedMusic:
    """Samples that are known beforehand, played through a device, or unheard against the session clock.

    ``output``: None plays unheard (headless, replay); ``default`` plays where there is a device and
    unheard where there is none (``unheard_because`` tells why); any other name must be there. ``device``
    tells which it became. While a device is ``LOST`` the music goes on against the session clock, and is
    heard again when it is back.
    """

    def __init__(self, samples: ArrayLike, *, output: str | None = None, loop: bool = False) -> None:
        array = np.asarray(samples, dtype=np.float32)
        if array.ndim not in (1, 2) or array.size == 0 or not np.isfinite(array).all():
            raise InputError(
                f"Music: expected finite samples (N,) or (N, channels), got shape {array.shape}. Pass some sound."
            )
        self._samples = stereo(array)
        self._mono = self._samples.mean(axis=1)
        self._output = output
        self._loop = loop
        self._read = 0
        self._past_xruns = 0  # of the openings before this one
        self._clock: Clock | None = None
        self._start_s = 0.0  # session time of the first sample while no device says better
        self._playback: _Playback | None = None
        self._stream: Any = None
        self._watch: DeviceWatch | None = None
        self.device: AudioDevice | None = None
        self.unheard_because = ""
        """Why the music that was to be played is not, in one sentence; empty when it is, or was not to be."""

    @property
    def status(self) -> MusicStatus:
        if self._clock is None:
            return MusicStatus.STOPPED
        if self._watch is not None and self._watch.lost:
            return MusicStatus.LOST
        ended = not self._loop and self._sample_at(self._clock.now()) >= len(self._mono)
        return MusicStatus.ENDED if ended else MusicStatus.PLAYING

    @property
    def position_s(self) -> float:
        return 0.0 if self._clock is None else self._sample_at(self._clock.now()) / RATE_HZ

    @property
    def xruns(self) -> int:
        playback = self._playback
        return self._past_xruns + (playback.xruns if playback is not None else 0)

    @property
    def soundtrack(self) -> tuple[Floats, int]:
        return self._samples, RATE_HZ

    @property
    def started_s(self) -> float:
        """Session time at which the first sample sounded."""
        return self._time_of(0)

    def start(self, clock: Clock) -> None:
        self.stop()
        self._read = 0
        self._start_s = clock.now()
        self.unheard_because = ""
        if self._output is not None:
            try:
                self._open(self._output, clock, refresh=False)
            except DeviceError as error:
                if self._output != "default":
                    raise
                self.unheard_because = str(error)
            self._start_s = clock.now()
        self._clock = clock
        if self._stream is not None:
            self._watch = DeviceWatch(
                silent_s=self._silent_s, close=self._close, open_again=lambda: self._open_again(clock)
            )
            self._watch.start()

    def stop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        self._close()
        self._clock = None

    def read(self, until_s: float) -> Block | None:
        first, stop = self._read, self._sample_at(until_s)
        if self._clock is None or stop <= first:
            return None
        self._read = stop
        return Block(self._take(self._mono, first, stop - first), self._time_of(first))

    def _take(self, source: Floats, first: int, count: int) -> Floats:
        """(count, ...) of ``source`` from ``first``, repeated or followed by silence."""
        if self._loop:
            return source[np.arange(first, first + count) % len(source)]
        piece = source[first : first + count]
        missing = count - len(piece)
        return np.pad(piece, [(0, missing)] + [(0, 0)] * (source.ndim - 1)) if missing else piece

    def _to_play(self, first: int, count: int) -> Floats:
        """(count, 2) for the device."""
        return np.clip(self._take(self._samples, first, count), -1.0, 1.0)

    def _sample_at(self, time_s: float) -> int:
        """The sample that sounds at ``time_s``; a device that has not begun yet holds the music back."""
        playback = self._playback
        if playback is not None and not playback.running:
            return playback.first
        return max(0, int((time_s - self._time_of(0)) * RATE_HZ + 1e-6))

    def _time_of(self, sample: int) -> float:
        playback = self._playback
        if playback is not None and playback.running:
            return playback.time_of(sample)
        return self._start_s + sample / RATE_HZ

    def _open(self, name: str, clock: Clock, *, refresh: bool, first: int = 0) -> None:
        """Play from sample ``first`` on."""
        device = find_audio_device(name, "output", refresh=refresh)
        sounddevice = portaudio()
        playback = _Playback(self._to_play, first, clock)
        try:
            self._stream = sounddevice.OutputStream(
                device=device.index, samplerate=RATE_HZ, channels=2, dtype="float32",
                blocksize=round(BLOCK_S * RATE_HZ), latency=LATENCY_S, callback=playback.callback,
            )  # fmt: skip
            self._stream.start()
        except (sounddevice.PortAudioError, OSError, ValueError) as error:
            self._close()
            raise cannot_use(name, "output", error) from error
        self._playback, self.device = playback, device

    def _open_again(self, clock: Clock) -> None:
        self._open(self._output or "default", clock, refresh=True, first=self._sample_at(clock.now()))

    def _close(self) -> None:
        """Let go of the device; the music goes on from where it was by the session clock."""
        stream, self._stream = self._stream, None
        close_stream(stream)
        playback = self._playback
        if playback is not None:
            self._start_s = self._time_of(0)
            self._past_xruns += playback.xruns
            self._playback = None

    def _silent_s(self) -> float:
        clock, playback = self._clock, self._playback
        return 0.0 if clock is None or playback is None else clock.now() - playback.called_s


class FileMusic(RecordedMusic):
    """A sound file. Raises MediaError for one that cannot be read."""

    def __init__(self, path: str | Path, *, output: str | None = None, loop: bool = False) -> None:
        super().__init__(load_sound(path), output=output, loop=loop)
        self.path = Path(path)


class GrooveMusic(RecordedMusic):
    """The built-in music, whose beats are known."""

    def __init__(self, groove: Groove, *, output: str | None = None) -> None:
        super().__init__(groove.samples, output=output)
        self.groove = groove
