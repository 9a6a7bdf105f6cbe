"""Music that is heard by a sound device: a microphone, a line input, a monitor of what plays.

Threading: PortAudio calls ``_Recording.callback`` from its own thread, which copies, counts and stamps,
nothing else. One thread reads. A ``DeviceWatch`` opens and closes the device, so that nobody waits for it;
every opening has a ``_Recording`` of its own, replaced whole.
"""

from typing import Any

import numpy as np

from duet.clock import AudioClock, Clock
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
from realtime.sound_file import StreamResampler

_RING_S = 4.0


class _Recording:
    """One opening of a device: the newest samples of one channel, written by one thread, read by one."""

    def __init__(self, clock: Clock, rate_hz: int) -> None:
        self._clock = clock
        self._rate_hz = rate_hz
        self._samples = np.zeros(round(_RING_S * rate_hz), np.float32)
        self._written = 0
        self._read = 0
        self._sample_clock = AudioClock(clock, rate_hz=rate_hz)
        self._resampler = None if rate_hz == RATE_HZ else StreamResampler(from_hz=rate_hz, to_hz=RATE_HZ)
        self.called_s = clock.now()
        self.xruns = 0
        self.skipped = 0

    def callback(self, samples: Floats, frames: int, when: Any, flags: Any) -> None:
        """PortAudio has (frames, channels) for us."""
        now_s = self._clock.now()
        at = (self._written + np.arange(frames)) % len(self._samples)
        self._samples[at] = samples.mean(axis=1)
        # PortAudio stamps a block's first sample, the clock wants to know of its last.
        age_s = min(max(when.currentTime - when.inputBufferAdcTime, 0.0), 1.0)
        self._sample_clock.tick(frames, now_s - age_s + frames / self._rate_hz)
        self.called_s = now_s
        self.xruns += bool(flags.input_overflow)
        self._written += frames  # last: a reader sees samples only when they are there

    def read(self) -> Block | None:
        """What came since the last call. Behind by more than half the ring, the reader skips ahead."""
        stop = self._written
        first = max(self._read, stop - len(self._samples) // 2)
        if stop <= first:
            return None
        self.skipped += first - self._read
        self._read = stop
        samples = self._samples[np.arange(first, stop) % len(self._samples)]
        time_s = self._sample_clock.time_of_sample(first)
        if self._resampler is None:
            return Block(samples, time_s)
        samples = self._resampler.push(samples)
        return Block(samples, time_s - self._resampler.delay_s) if len(samples) else None


class DeviceMusic:
    """What a sound device hears.

    ``name``: part of the device's name, or ``default``. A device that goes away is shown as ``LOST``
    and looked for again and again; meanwhile there is silence.
    """

    soundtrack = None

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self.device: AudioDevice | None = None
        self._recording: _Recording | None = None
        self._stream: Any = None
        self._clock: Clock | None = None
        self._watch: DeviceWatch | None = None
        self._past_xruns = 0  # of the openings before this one
        self._begun_s = 0.0
        self._heard_s = 0.0  # session time up to which samples were handed out

    @property
    def status(self) -> MusicStatus:
        if self._clock is None:
            return MusicStatus.STOPPED
        return MusicStatus.LOST if self._lost else MusicStatus.PLAYING

    @property
    def _lost(self) -> bool:
        return self._watch is not None and self._watch.lost

    @property
    def position_s(self) -> float:
        return self._heard_s - self._begun_s

    @property
    def xruns(self) -> int:
        recording = self._recording
        return self._past_xruns + (recording.xruns + bool(recording.skipped) if recording is not None else 0)

    def start(self, clock: Clock) -> None:
        self.stop()
        self._open(clock, refresh=False)
        self._begun_s = self._heard_s = clock.now()
        self._clock = clock
        self._watch = DeviceWatch(
            silent_s=self._silent_s, close=self._close, open_again=lambda: self._open(clock, refresh=True)
        )
        self._watch.start()

    def stop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        self._close()
        self._clock = None

    def read(self, until_s: float) -> Block | None:
        recording = self._recording
        if self._clock is None or recording is None:
            return None
        block = self._silence(until_s) if self._lost else recording.read()
        if block is not None:
            self._heard_s = block.time_s + len(block.samples) / RATE_HZ
        return block

    def _silence(self, until_s: float) -> Block | None:
        count = int((until_s - self._heard_s) * RATE_HZ)
        return Block(np.zeros(count, np.float32), self._heard_s) if count > 0 else None

    def _open(self, clock: Clock, *, refresh: bool) -> None:
        device = find_audio_device(self.name, "input", refresh=refresh)
        sounddevice = portaudio()
        channels, rate_hz = min(device.inputs, 2), RATE_HZ
        try:
            sounddevice.check_input_settings(device=device.index, channels=channels, samplerate=rate_hz)
        except sounddevice.PortAudioError:
            rate_hz = device.rate_hz
        recording = _Recording(clock, rate_hz)
        try:
            self._stream = sounddevice.InputStream(
                device=device.index, samplerate=rate_hz, channels=channels, dtype="float32",
                blocksize=round(BLOCK_S * rate_hz), latency=LATENCY_S, callback=recording.callback,
            )  # fmt: skip
            self._stream.start()
        except (sounddevice.PortAudioError, OSError, ValueError) as error:
            self._close()
            raise cannot_use(self.name, "input", error) from error
        self._past_xruns = self.xruns
        self._recording, self.device = recording, device

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        close_stream(stream)

    def _silent_s(self) -> float:
        clock, recording = self._clock, self._recording
        return 0.0 if clock is None or recording is None else clock.now() - recording.called_s
