"""What a camera saw and a room sounded like, beside a session: only where ``--record-media`` asks for it.

``sight.mp4`` holds the pictures that tracking looks at, small (256 pixels, up to 16 a second), each at its session
time; ``sound.wav`` what was heard, 16 bits, its first sample at session time 0. A wav file tells its size in 32 bits,
which many readers take for signed: after six hours ``sound-2.wav`` goes on, its first sample at 6:00:00, and so on. All
are whole at any moment: the film comes in fragments of half a second, and the sound's header is kept true. Who is
killed loses less than a second. Beyond ``MOST_BYTES`` together, or on a disk that is nearly full, nothing more is
written; that, and whatever else ends it, is said at once.

Threading: ``hear`` belongs to the ear's thread; the writer's own thread, "duet-media", does everything else.
"""

import logging
import queue
import shutil
import struct
import threading
from collections.abc import Callable
from fractions import Fraction
from io import RawIOBase
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from duet.clock import MonotonicClock
from duet.errors import InputError
from duet.music import RATE_HZ
from realtime.sight.preview import Sight
from realtime.sound.music_source import Block

LOG = logging.getLogger("duet.media")
SIGHT_FILE, SOUND_FILE = "sight.mp4", "sound.wav"
MOST_BYTES = 8 << 30
"""Of all: some twenty hours."""
SPARE_BYTES = 1 << 30
"""So much of the disk is left to others."""
WAVE_SAMPLES = 6 * 3600 * RATE_HZ
"""Of one wav file."""
_LOOK_S = 0.05
_FPS, _GOP = 16, 8
_WAITING_BLOCKS = 4096
_SILENCE_S = 60.0
"""The most of a gap that is written at once: a machine may have slept for days."""
_TICKS_PER_S = 1000
"""Of the film: a camera may be away for days without a picture that lasts longer than 31 bits can tell."""


class WaveWriter:
    """A wav file, one channel of 16 bits, whose header is true after every ``write``."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self.samples = 0
        self._header()

    def write(self, samples: NDArray[np.float32]) -> None:
        """(N,) in [-1, 1]."""
        self._file.seek(0, 2)
        self._file.write((np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
        self.samples += len(samples)
        self._header()

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    @property
    def bytes(self) -> int:
        """How long the file is."""
        return 44 + 2 * self.samples

    def _header(self) -> None:
        size = 2 * self.samples
        self._file.seek(0)
        form = struct.pack(
            "<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16
        )
        self._file.write(form + struct.pack("<4sI", b"data", size))


class SoundFiles:
    """``sound.wav`` of a folder, after ``most_samples`` a next one, and so on: one line of samples without a gap."""

    def __init__(self, folder: Path, most_samples: int = WAVE_SAMPLES) -> None:
        self._folder, self._most = folder, most_samples
        self._wave: WaveWriter | None = None
        self._full = 0
        """Files that are."""

    @property
    def samples(self) -> int:
        """How many were written, silence between them included."""
        return self._full * self._most + (0 if self._wave is None else self._wave.samples)

    @property
    def bytes(self) -> int:
        """How long all files are."""
        return self._full * (44 + 2 * self._most) + (0 if self._wave is None else self._wave.bytes)

    def write(self, samples: NDArray[np.float32]) -> None:
        """(N,) in [-1, 1], any number of them."""
        while len(samples):
            if self._wave is None:
                self._wave = WaveWriter(self._folder / sound_file(self._full))
            fit = self._most - self._wave.samples
            self._wave.write(samples[:fit])
            samples = samples[fit:]
            if self._wave.samples == self._most:
                self.close()
                self._wave, self._full = None, self._full + 1

    def close(self) -> None:
        """Let go of the newest."""
        if self._wave is not None:
            self._wave.close()


def sound_file(number: int) -> str:
    """Name of the wav file after ``number`` others."""
    stem, _, suffix = SOUND_FILE.partition(".")
    return f"{stem}-{number + 1}.{suffix}" if number else SOUND_FILE


class WholeFragments:
    """What an mp4 muxer writes into: passed on to ``file`` only by whole boxes, a fragment's head with its data in one
    write. A film that ends within a fragment's head does not open at all; one that ends anywhere else does."""

    def __init__(self, file: RawIOBase) -> None:
        self._file = file
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        """As a file's."""
        self._waiting += data
        whole = end = 0
        while end + 8 <= len(self._waiting):
            size, kind = struct.unpack_from(">I4s", self._waiting, end)
            end += size
            if size < 8 or end > len(self._waiting):
                break
            whole = whole if kind == b"moof" else end
        if whole:
            self._file.write(bytes(self._waiting[:whole]))
            del self._waiting[:whole]
        return len(data)

    def finish(self) -> None:
        """Write what is left."""
        self._file.write(bytes(self._waiting))
        self._waiting.clear()


class SightFilm:
    """An mp4 that grows by fragments."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        """``size``: width and height, even."""
        import av
        from av.video.stream import VideoStream

        self._av = av
        self._file = path.open("xb", buffering=0)
        self._whole = WholeFragments(self._file)
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
        self._container = av.open(self._whole, "w", format="mp4", options=options)
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        fast = {"preset": "ultrafast", "tune": "zerolatency", "crf": "24"} if codec == "libx264" else {}
        stream = self._container.add_stream(codec, rate=_FPS, options=fast)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = _GOP
        stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
        self._stream, self.size, self._last = stream, size, -1
        # A film's time begins with its first picture, whatever its stamp: it is black, and of the session's beginning.
        self.write(np.zeros((size[1], size[0], 3), np.uint8), 0.0)

    @property
    def bytes(self) -> int:
        """How long the file is."""
        return self._file.tell()

    def write(self, picture: NDArray[np.uint8], time_s: float) -> None:
        """(H, W, 3) RGB at session time ``time_s``; one of another size is fitted into the film's, on black."""
        ticks = round(time_s * _TICKS_PER_S)
        if ticks <= self._last:
            return
        self._last = ticks
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(_framed(picture, self.size)), format="rgb24")
        frame.pts, frame.time_base = ticks, Fraction(1, _TICKS_PER_S)
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Write what the encoder holds, and let go of the file."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        self._whole.finish()
        self._file.close()


def _even(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height of a picture (H, W, 3) as an encoder takes them: without an odd one's last row or column."""
    height, width = picture.shape[:2]
    return width // 2 * 2, height // 2 * 2


def _framed(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(height, width, 3) of ``size``: the picture whole and as large as fits, in the middle of black."""
    width, height = size
    if _even(picture) == size:
        return picture[:height, :width]
    scale = min(width / picture.shape[1], height / picture.shape[0])
    across, down = (max(1, round(scale * side)) for side in (picture.shape[1], picture.shape[0]))
    left, top = (width - across) // 2, (height - down) // 2
    framed = np.zeros((height, width, 3), np.uint8)
    framed[top : top + down, left : left + across] = cv2.resize(picture, (across, down), interpolation=cv2.INTER_AREA)
    return framed


class MediaWriter:
    """Writes the files of ``folder``, from ``start`` to ``stop``. InputError where one of them is there already."""

    def __init__(
        self,
        folder: Path,
        clock: MonotonicClock,
        sight: Callable[[], Sight | None],
        most_bytes: int = MOST_BYTES,
        wave_samples: int = WAVE_SAMPLES,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        """``sight``: the newest of the camera, stamped by the machine's clock; None for none. ``done`` is called when
        it is not looked at any more."""
        self._done = done
        self._folder, self._clock, self._sight, self._most_bytes = folder, clock, sight, most_bytes
        stem, _, suffix = SOUND_FILE.partition(".")
        for there in (folder / SIGHT_FILE, *sorted(folder.glob(f"{stem}*.{suffix}"))):
            if there.exists():
                raise InputError(f"{there}: expected no recording, got one. Name another folder.")
        self.failure = ""
        """Why nothing is written any more, as a sentence; "" while all is well."""
        self._heard: queue.Queue[Block] = queue.Queue(_WAITING_BLOCKS)
        self._sound = SoundFiles(folder, wave_samples)
        self._film: SightFilm | None = None
        self._seen_s = -np.inf
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duet-media", daemon=True)

    def hear(self, block: Block) -> None:
        """What was heard; never waits. What a slow disk cannot take is silence."""
        if not self.failure and not self._heard.full():
            self._heard.put_nowait(block)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end; safe to call again."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        self._told_of(self._write)
        for file in (self._sound, self._film):
            if file is not None:
                self._told_of(file.close)
        self._done()

    def _write(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            self._step()
        self._step()

    def _told_of(self, what: Callable[[], None]) -> None:
        """Do it; whatever a disk or an encoder raises ends the recording, not the dance."""
        try:
            what()
        except Exception as error:
            at_s, why = self._clock.now(), str(error) or repr(error)
            self._end(f"expected to record pictures and sound to the end, got: {why} at {at_s:.0f} s")

    def _end(self, why: str) -> None:
        if not self.failure:
            self.failure = f"{self._folder}: {why}. They end there."
            LOG.warning(self.failure)

    def _step(self) -> None:
        if self.failure:
            return
        self._write_sound()
        self._write_sight()
        self._has_room()

    def _has_room(self) -> bool:
        """Whether more may be written; that it may not is said."""
        written = sum(file.bytes for file in (self._sound, self._film) if file is not None)
        if written > self._most_bytes or shutil.disk_usage(self._folder).free < SPARE_BYTES:
            self._end(f"expected room for pictures and sound, got none at {self._clock.now():.0f} s")
        return not self.failure

    def _write_sound(self) -> None:
        for _ in range(self._heard.qsize()):
            block = self._heard.get_nowait()
            first = round(block.time_s * RATE_HZ)
            while (missing := first - self._sound.samples) > 0:
                # Looked for before each piece: a long gap would fill the disk.
                if not self._has_room():
                    return
                self._sound.write(np.zeros(min(missing, int(_SILENCE_S * RATE_HZ)), np.float32))
            self._sound.write(block.samples[-missing:])

    def _write_sight(self) -> None:
        sight = self._sight()
        if sight is None or sight.time_s <= self._seen_s or self.failure:
            return
        self._seen_s = sight.time_s
        if self._film is None:
            self._film = SightFilm(self._folder / SIGHT_FILE, _even(sight.picture))
        time_s = sight.time_s - self._clock.epoch_s
        if time_s >= 0.0:
            self._film.write(sight.picture, time_s)
