"""Music that another program sends on standard input: ``ffmpeg -i RADIO -f wav - | duet play --music - ...``.

WAV (PCM of 16, 24 or 32 bits, or floating point, any rate and channels) is told by its header; everything else is taken
for raw 16-bit samples, little end first, 48 kHz stereo. The stream is played, and heard as it is played: at most
``AHEAD_S`` beforehand is read, so that a sender that could be faster is held back, and what comes too late is
preceded by silence.

Threading: one thread reads the stream and writes the samples after ``_end``; others only read those before it.
"""

import struct
import threading
import time
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from duet.clock import Clock
from duet.errors import MediaError
from duet.music import RATE_HZ
from realtime.sound.music_player import PlayedMusic
from realtime.sound.music_source import Floats
from realtime.sound.portaudio import PORTAUDIO, SoundSystem
from realtime.sound.sound_file import StreamResampler, stereo

AHEAD_S = 1.5
_HELD_S = 8.0
_LEAD_S = 0.5
"""What comes after a pause begins so long after now: a device is given its sound beforehand."""
_FIRST_S = 10.0
_CHUNK_FRAMES = 2400
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_LONGEST_CHUNK = 1 << 20


@dataclass(frozen=True)
class StreamFormat:
    """How samples lie in a stream."""

    rate_hz: int = RATE_HZ
    channels: int = 2
    bits: int = 16
    is_float: bool = False

    @property
    def frame_bytes(self) -> int:
        """Of one sample of every channel."""
        return self.channels * self.bits // 8

    def samples(self, data: bytes) -> Floats:
        """(N, 2) of whole frames; what is no number is silence."""
        if self.is_float:
            values = np.frombuffer(data, f"<f{self.bits // 8}").astype(np.float32)
            values = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0)
        elif self.bits == 24:
            packed = np.frombuffer(data, np.uint8).reshape(-1, 3)
            shifted = np.pad(packed, ((0, 0), (1, 0))).reshape(-1).view("<i4")
            values = shifted.astype(np.float32) / 2.0**31
        else:
            values = np.frombuffer(data, f"<i{self.bits // 8}").astype(np.float32) / 2.0 ** (self.bits - 1)
        return stereo(values.reshape(-1, self.channels))


def read_format(stream: BinaryIO) -> tuple[StreamFormat, bytes]:
    """The format of a stream at its beginning, and samples that were read already. Raises MediaError."""
    head = stream.read(12)
    if not head:
        raise MediaError(
            "Standard input: expected sound, got nothing. Pipe some: ffmpeg -i SONG -f wav - | duet play --music - ..."
        )
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return StreamFormat(), head
    found = None
    while len(chunk := stream.read(8)) == 8:
        kind, size = struct.unpack("<4sI", chunk)
        if kind == b"data" and found is not None:
            return found, b""
        # A sender that does not know its length writes the largest number into the chunk of the samples only.
        if size > _LONGEST_CHUNK:
            break
        body = stream.read(size + size % 2)
        if kind == b"fmt ":
            found = _format(body)
    raise MediaError("Standard input: expected a WAV with samples, got one without. Send it with ffmpeg ... -f wav -.")


def _format(body: bytes) -> StreamFormat:
    if len(body) < 16:
        raise MediaError("Standard input: expected a WAV header, got a broken one. Send it with ffmpeg ... -f wav -.")
    code, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if code == _EXTENSIBLE and len(body) >= 26:
        code = struct.unpack("<H", body[24:26])[0]
    known = (code == _PCM and bits in (16, 24, 32)) or (code == _FLOAT and bits in (32, 64))
    if not (known and 1 <= channels <= 64 and 8_000 <= rate_hz <= 192_000):
        raise MediaError(
            f"Standard input: expected PCM of 16, 24 or 32 bits or floating point at 8 to 192 kHz, got format {code}, "
            f"{bits} bits, {channels} channels, {rate_hz} Hz. Add -c:a pcm_s16le -ar 48000 to ffmpeg."
        )
    return StreamFormat(rate_hz, channels, bits, code == _FLOAT)


class StreamMusic(PlayedMusic):
    """What comes through ``stream``, played through ``output`` as ``PlayedMusic`` says."""

    def __init__(self, stream: BinaryIO, *, output: str | None = None, system: SoundSystem = PORTAUDIO) -> None:
        super().__init__(output=output, system=system)
        self._stream = stream
        self._held = np.zeros((round(_HELD_S * RATE_HZ), 2), np.float32)
        self._end = 0  # samples of the time line that are written
        self._over = False
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="music stream", daemon=True)
        self._error: MediaError | None = None
        self._resamplers: list[StreamResampler] = []

    @property
    def frames(self) -> int | None:
        return self._end if self._over else None

    def start(self, clock: Clock) -> None:
        """Wait for its first sound; MediaError where there is none or it is of no known form."""
        if not self._thread.is_alive() and not self._first.is_set():
            self._thread.start()
        if not self._first.wait(_FIRST_S):
            raise MediaError(
                f"Standard input: expected sound within {_FIRST_S:.0f} s, got none. See whether the sender sends."
            )
        if self._error is not None:
            raise self._error
        super().start(clock)

    def piece(self, first: int, count: int) -> Floats:
        end, size = self._end, len(self._held)
        wanted = np.arange(first, first + count)
        there = (wanted < end) & (wanted >= max(end - size, 0))
        return np.where(there[:, None], self._held[wanted % size], np.float32(0.0))

    def _run(self) -> None:
        try:
            form, data = read_format(self._stream)
            if form.rate_hz != RATE_HZ:
                self._resamplers = [StreamResampler(from_hz=form.rate_hz, to_hz=RATE_HZ) for _ in range(2)]
            while True:
                more = self._stream.read(_CHUNK_FRAMES * form.frame_bytes - len(data))
                data += more
                whole = len(data) // form.frame_bytes * form.frame_bytes
                if whole:
                    self._append(self._resampled(form.samples(data[:whole])))
                data = data[whole:]
                if not more:
                    break
        except MediaError as error:
            self._error = error
        except (OSError, ValueError) as error:  # closed meanwhile
            self._error = MediaError(f"Standard input: expected sound, got: {error}. Start again.")
        self._over = True
        self._first.set()

    def _resampled(self, samples: Floats) -> Floats:
        if not self._resamplers:
            return samples
        sides = [r.push(np.ascontiguousarray(samples[:, i])) for i, r in enumerate(self._resamplers)]
        return np.stack(sides, axis=1)

    def _append(self, samples: Floats) -> None:
        """Put it on the time line, when its turn has come."""
        while self._end - self._now() > AHEAD_S * RATE_HZ:
            time.sleep(0.02)
        late = self._now() + round(_LEAD_S * RATE_HZ) - self._end
        if self._end and late > _LEAD_S * RATE_HZ:
            # It was interrupted: silence up to a little after now, so that what comes is played whole.
            self._write(np.zeros((min(late, len(self._held) // 2), 2), np.float32), self._end + late)
        self._write(samples, self._end + len(samples))
        if self._end >= _LEAD_S * RATE_HZ:
            self._first.set()

    def _write(self, samples: Floats, end: int) -> None:
        self._held[np.arange(end - len(samples), end) % len(self._held)] = samples
        self._end = end  # last: a reader sees samples only once they are there

    def _now(self) -> int:
        """The sample that sounds now."""
        clock = self._clock
        return 0 if clock is None else self._sample_at(clock.now())
