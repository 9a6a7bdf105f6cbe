"""Films: H.264 (or MPEG-4) and AAC into an mp4, every picture stamped with the moment it showed.

A film whose pictures are partly clear, to be laid over another, is ProRes 4444 in a mov: mp4 knows no transparency.

Pictures come when they come; each carries its own time, so a slow machine makes a film with fewer pictures and the
right speed, in step with its sound.
"""

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, cast

import av
import av.container
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from duet.errors import PictureError
from duet.files import part_beside

_TICKS_PER_S = 90_000
_TIME_BASE = Fraction(1, _TICKS_PER_S)
_AUDIO_BLOCK = 1024
_AUDIO_BITS_PER_S = 128_000
_CODECS = {
    "libx264": {"preset": "superfast", "crf": "21"},
    "libopenh264": {},
    "mpeg4": {"qscale": "3"},
}
_CLEAR_CODEC, _CLEAR_OPTIONS = "prores_ks", {"profile": "4", "alpha_bits": "8"}
CLEAR_SUFFIX = ".mov"
"""Of a film that is to keep its transparency."""
_WRITE_ERRORS = OSError, ValueError, av.error.FFmpegError
"""What PyAV raises when it encodes, writes or sets an encoder up."""


def best_video_codec() -> str:
    """The first of H.264's encoders and MPEG-4's that this machine's PyAV has. Raises ``PictureError`` if none."""
    for name in _CODECS:
        if name in av.codecs_available:
            return name
    raise PictureError(
        f"Film: expected a video encoder ({', '.join(_CODECS)}), got none in PyAV. Reinstall it: pip install av."
    )


class Soundtrack(NamedTuple):
    """What a film carries: a piece once, however long the film is."""

    samples: NDArray[np.float32]
    """(N,) or (N, channels) in [-1, 1], the first of which sounds at session time 0."""
    rate_hz: int
    repeats: bool = False
    """Whether it begins again where it is over; else silence follows."""


class FilmWriter:
    """Writes one film; use it as a context manager.

    ``size`` is (width, height), both even. A ``path`` that ends in .mov keeps the transparency of its pictures.
    ``audio`` is a ``Soundtrack``, or its samples and their rate; the film ends with its last picture. The file appears
    at ``path`` only when the film is complete; after an exception, also one of its own, nothing is left behind.
    ``close`` wants pictures: where there are none (see ``pictures``), ``discard`` ends it.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: float,
        audio: Soundtrack | tuple[NDArray[np.float32], int] | None = None,
    ) -> None:
        if size[0] % 2 or size[1] % 2 or min(size) < 2:
            raise PictureError(f"Film: expected an even width and height, got {size[0]}x{size[1]}. Change --size.")
        if fps <= 0:
            raise PictureError(f"Film: expected pictures per second above 0, got {fps}. Change the film's rate.")
        self.path = Path(path)
        self._partial = part_beside(self.path)
        self._size, self._fps = size, fps
        self._last_ticks = -1
        self._ended = False
        self._pictures = 0
        self._samples_sent = 0
        track = audio if audio is None or isinstance(audio, Soundtrack) else Soundtrack(audio[0], audio[1])
        self._samples = None if track is None else _prepare(track.samples)
        self._rate, self._repeats = (0, False) if track is None else (track.rate_hz, track.repeats)
        self._clear = self.path.suffix.lower() == CLEAR_SUFFIX
        codec = _CLEAR_CODEC if self._clear else best_video_codec()
        self._container = self._open()
        try:
            self._video = self._add_video(codec)
            self._audio = self._add_audio() if self._samples is not None else None
        except _WRITE_ERRORS as error:
            raise self._failed(error) from error

    @property
    def pictures(self) -> int:
        """Pictures written so far."""
        return self._pictures

    def _open(self) -> av.container.OutputContainer:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            kind = "mov" if self._clear else "mp4"
            return av.open(str(self._partial), "w", format=kind, options={"movflags": "+faststart"})
        except _WRITE_ERRORS as error:
            raise PictureError(
                f"Film: expected to write {self.path}, got {getattr(error, 'strerror', None) or error}. "
                "Choose another --out."
            ) from error

    def _add_video(self, codec: str) -> VideoStream:
        rate = Fraction(self._fps).limit_denominator(1001)
        options = _CLEAR_OPTIONS if self._clear else _CODECS[codec]
        stream = cast(VideoStream, self._container.add_stream(codec, rate=rate, options=options))
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuva444p10le" if self._clear else "yuv420p"
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        # The stage beside it needs the cores more.
        stream.codec_context.thread_count = 1
        return stream

    def _add_audio(self) -> AudioStream:
        assert self._samples is not None
        stream = cast(AudioStream, self._container.add_stream("aac", rate=self._rate))
        stream.layout = "mono" if self._samples.shape[0] == 1 else "stereo"
        stream.bit_rate = _AUDIO_BITS_PER_S
        return stream

    def write(self, picture: NDArray[np.uint8], time_s: float) -> bool:
        """Adds ``picture`` (height, width, 3) uint8 RGB, shown from session time ``time_s`` on.

        A film that keeps transparency wants (height, width, 4) with straight alpha.

        False when it was left out because it is no later than the one before. ``PictureError`` when it cannot be
        encoded or written; the film is given up then.
        """
        if self._ended:
            raise PictureError(f"Film: expected {self.path} to be open, got a film that ended. Begin another one.")
        (width, height), colours = self._size, "RGBA" if self._clear else "RGB"
        if picture.shape != (height, width, len(colours)) or picture.dtype != np.uint8:
            raise PictureError(
                f"Film: expected pictures of {width}x{height} uint8 {colours}, got {picture.dtype} {picture.shape}. "
                "Draw at the film's size."
            )
        ticks = round(time_s * _TICKS_PER_S)
        if ticks <= self._last_ticks:
            return False
        frame = av.VideoFrame.from_ndarray(picture, format="rgba" if self._clear else "rgb24")
        frame.pts, frame.time_base = ticks, _TIME_BASE
        self._encode(self._video, frame)
        self._last_ticks = ticks
        self._pictures += 1
        self._send_audio(time_s)
        return True

    def _send_audio(self, until_s: float, *, last: bool = False) -> None:
        """Encodes sound up to ``until_s`` in whole blocks (``last``: to the sample)."""
        if self._audio is None or self._samples is None:
            return
        end = round(until_s * self._rate)
        while self._samples_sent + (1 if last else _AUDIO_BLOCK) <= end:
            count = min(_AUDIO_BLOCK, end - self._samples_sent)
            block = self._block(self._samples, count)
            layout = "mono" if len(block) == 1 else "stereo"
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
            frame.sample_rate = self._rate
            frame.pts, frame.time_base = self._samples_sent, Fraction(1, self._rate)
            self._samples_sent += count
            self._encode(self._audio, frame)

    def _block(self, samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """(1 or 2, count) the next sound, silence where it has ended."""
        first, length = self._samples_sent, samples.shape[1]
        if self._repeats and length:
            return samples[:, np.arange(first, first + count) % length]
        block = samples[:, first : first + count]
        return np.pad(block, ((0, 0), (0, count - block.shape[1])))

    def _encode(self, stream: Any, frame: av.VideoFrame | av.AudioFrame | None) -> None:
        """Encode and write one frame; None for what the encoder still holds."""
        try:
            self._container.mux(stream.encode(frame))
        except _WRITE_ERRORS as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> PictureError:
        """Give the film up; the error to raise."""
        self.discard()
        return PictureError(
            f"Film: expected to write {self.path}, got: {error}. "
            "See whether the disk is full, or choose another --size, --fps or --out."
        )

    def close(self) -> None:
        """Completes the film and puts it at ``path``; again does nothing. Raises ``PictureError`` without pictures."""
        if self._ended:
            return
        if self._last_ticks < 0:
            self.discard()
            raise PictureError(f"Film: expected pictures for {self.path}, got none. Let it run for longer.")
        self._ended = True
        self._send_audio(self._last_ticks / _TICKS_PER_S + 1.0 / self._fps, last=True)
        self._encode(self._video, None)
        if self._audio is not None:
            self._encode(self._audio, None)
        try:
            self._container.close()
            os.replace(self._partial, self.path)
        except _WRITE_ERRORS as error:
            raise self._failed(error) from error

    def discard(self) -> None:
        """Gives the film up and removes what was written."""
        self._ended = True
        try:
            self._container.close()
        except _WRITE_ERRORS:
            # An encoder without pictures cannot end its file; the file is removed anyway.
            self._partial.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> "FilmWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An interrupt ends the performance, not the film of it.
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()
        else:
            self.discard()


def _prepare(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(1 or 2, N) float32 in [-1, 1]; more channels are mixed down."""
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or samples.shape[1] < 1:
        raise PictureError(f"Film: expected sound of shape (N, channels), got {samples.shape}. Transpose it.")
    if samples.shape[1] > 2:
        samples = samples.mean(1, keepdims=True)
    return np.ascontiguousarray(np.clip(np.nan_to_num(samples), -1.0, 1.0).T)
