"""A camera, a video file or a stream as a camera: the newest frame only, stamped on the session clock.

A reader thread empties the device as fast as it delivers (drivers queue frames, and a queue is delay)
and overwrites one slot. What nobody took in time is counted as dropped. When frames stop, the reader
opens the source again with growing pauses; ``state`` shows it, and the readers see an ageing frame.
"""

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock, MonotonicClock
from duet.errors import DeviceError, DuetError, InputError, MediaError, StaleFrame

CAMERA_LATENCY_S = 0.05
"""Mid-exposure to arrival, assumed for live sources: half an exposure, read-out and transport. Measure yours."""
MAX_SIDE_PX = 960
"""Larger pictures are scaled down: the pose model looks at 256 x 256 crops."""
_SIZE_PX = (640, 480)
_RATE_HZ = 30.0
_STALL_S = 1.0
_BACK_OFF_S = (0.25, 4.0)
_POLL_S = 0.05


class CameraState(StrEnum):
    """Whether frames arrive."""

    STREAMING = "streaming"
    STALLED = "stalled"  # no frame for a second; the source is being opened again
    CLOSED = "closed"


@dataclass(frozen=True)
class CameraFrame:
    """One picture."""

    index: int
    """Counts every frame that arrived, also those nobody took."""
    time_s: float
    """Mid-exposure on the session clock; for files the exact time of the frame."""
    arrival_s: float
    """When it was here, on the session clock."""
    image: NDArray[np.uint8]
    """(H, W, 3) RGB, read-only."""


class _Source(Protocol):
    """Where pictures come from. ``frames`` may be called again after ``open``."""

    name: str

    def open(self) -> None:
        """Open it; DuetError when that fails."""
        ...

    def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, NDArray[np.uint8]]]:
        """(time_s, arrival_s, BGR picture) until the source fails or ``stop`` is set."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class VideoFile:
    """A video file, played in a loop at its own rate on the session clock."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.name = str(path)
        self._path = path
        self._clock = clock
        self._capture: cv2.VideoCapture | None = None
        self.rate_hz = 0.0
        self.late = 0
        """Frames passed over because their time was gone before they were decoded."""

    def open(self) -> None:
        """Open it and look at its first frame; MediaError when there is none."""
        if not self._path.is_file():
            raise MediaError(f"{self.name}: expected a video file, got nothing there. Check the path.")
        capture = _capture(self.name, cv2.CAP_FFMPEG, {cv2.CAP_PROP_N_THREADS: 1})
        if not capture.isOpened() or not capture.grab():
            capture.release()
            raise MediaError(
                f"{self.name}: expected a video with at least one frame, got a file without. "
                "Convert it, for example with `ffmpeg -i IN out.mp4`."
            )
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = rate_hz if 1.0 <= rate_hz <= 1000.0 else _RATE_HZ
        self._capture = capture

    def pictures(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """(seconds from the start, BGR picture) of every frame, once through, as fast as they decode."""
        for time_s, capture in self._grabbed():
            good, picture = capture.retrieve()
            if good:
                yield time_s, np.asarray(picture, dtype=np.uint8)

    def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, NDArray[np.uint8]]]:
        """Every frame when its time has come, over and over."""
        begin_s = self._clock.now()
        while not stop.is_set():
            end_s = 0.0
            for time_s, capture in self._grabbed():
                due_s = begin_s + time_s
                end_s = time_s + 1.0 / self.rate_hz
                if self._clock.now() > due_s + 1.0 / self.rate_hz:
                    self.late += 1
                    continue
                good, picture = capture.retrieve()
                if not good:
                    continue
                if not self._wait(due_s, stop):
                    return
                yield due_s, due_s, np.asarray(picture, dtype=np.uint8)
            begin_s += end_s
            self.close()
            self.open()

    def close(self) -> None:
        """Let go of the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _grabbed(self) -> Iterator[tuple[float, cv2.VideoCapture]]:
        """(seconds from the start, capture ready to be retrieved from); ``open`` grabbed the first frame."""
        capture = self._capture
        if capture is None:
            return
        index, good = 0, True
        while good:
            time_s = capture.get(cv2.CAP_PROP_POS_MSEC) * 1e-3
            # Some containers carry no time stamps; then the rate has to do.
            yield (time_s if time_s > 0.0 else index / self.rate_hz), capture
            index += 1
            good = capture.grab()

    def _wait(self, due_s: float, stop: threading.Event) -> bool:
        while (left_s := due_s - self._clock.now()) > 0.0:
            if stop.wait(min(left_s, _POLL_S)):
                return False
        return not stop.is_set()


class LiveSource:
    """A camera by its number, or a stream by its address."""

    def __init__(self, source: int | str, clock: Clock, *, latency_s: float) -> None:
        self.name = f"camera:{source}" if isinstance(source, int) else source
        self._source = source
        self._clock = clock
        self._latency_s = latency_s
        self._capture: cv2.VideoCapture | None = None

    def open(self) -> None:
        """Open it; DeviceError when it is not there."""
        timeouts = {
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: 3000,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC: int(_STALL_S * 1000),
        }
        if isinstance(self._source, int):
            # Linux: the native backend, which alone heeds the settings below.
            backend = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
            capture = _capture(self._source, backend, {})
            hint = "Run `duet devices` to see which cameras there are, and close what else may be using this one."
        else:
            capture = _capture(self._source, cv2.CAP_FFMPEG, timeouts)
            hint = "Check that the address shows a picture in a browser."
        if not capture.isOpened():
            capture.release()
            raise DeviceError(f"{self.name}: expected a camera, got no answer. {hint}")
        if isinstance(self._source, int):
            # Compressed frames: raw ones do not fit through USB 2 at 30 fps on many cameras.
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, _SIZE_PX[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _SIZE_PX[1])
            capture.set(cv2.CAP_PROP_FPS, _RATE_HZ)
            capture.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(_STALL_S * 1000))
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._capture = capture

    def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, NDArray[np.uint8]]]:
        """Every frame as it arrives."""
        capture = self._capture
        while capture is not None and not stop.is_set() and capture.grab():
            arrival_s = self._clock.now()
            good, picture = capture.retrieve()
            if not good:
                return
            yield arrival_s - self._latency_s, arrival_s, np.asarray(picture, dtype=np.uint8)

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


class Camera:
    """The newest frame of a source. Made by ``open_camera``; safe to read from one thread."""

    def __init__(self, source: _Source, clock: Clock, *, max_side_px: int = MAX_SIDE_PX) -> None:
        self._source = source
        self._clock = clock
        self._max_side_px = max_side_px
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._slot: CameraFrame | None = None
        self._taken = -1
        self._frames = 0
        self._unread = 0
        self._reconnects = 0
        self._problem = ""
        source.open()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What was opened."""
        return self._source.name

    @property
    def state(self) -> CameraState:
        """Whether frames arrive now."""
        if self._stop.is_set():
            return CameraState.CLOSED
        slot = self._slot
        fresh = slot is not None and self._clock.now() - slot.arrival_s <= _STALL_S
        return CameraState.STREAMING if fresh else CameraState.STALLED

    @property
    def frames(self) -> int:
        """Frames that arrived, the late ones of a file included."""
        return self._frames + self._late

    @property
    def dropped(self) -> int:
        """Frames that arrived and were never handed out."""
        return self._unread + self._late

    @property
    def reconnects(self) -> int:
        """How often the source was opened again."""
        return self._reconnects

    @property
    def problem(self) -> str:
        """Why the source could not be opened again, last time; empty when it never failed."""
        return self._problem

    def read(self, timeout_s: float) -> CameraFrame:
        """The newest frame, waiting for the first one; DeviceError when none comes in time."""
        return self._take(-1, timeout_s)

    def next(self, timeout_s: float) -> CameraFrame:
        """The newest frame not handed out before, waiting for it; DeviceError when none comes in time."""
        return self._take(self._taken, timeout_s)

    def latest(self, max_age_s: float) -> CameraFrame:
        """The newest frame, at once; StaleFrame when there is none or it arrived longer ago than that."""
        frame = self._slot
        age_s = float("inf") if frame is None else self._clock.now() - frame.arrival_s
        if frame is None or age_s > max_age_s:
            raise StaleFrame(
                f"{self.name}: expected a frame not older than {max_age_s:.2f} s, got one {age_s:.2f} s old. "
                "Check the camera's cable; it is being opened again."
            )
        self._taken = frame.index
        return frame

    def close(self) -> None:
        """Stop the reader and let go of the device. Safe to call again."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(_STALL_S + 2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _late(self) -> int:
        return self._source.late if isinstance(self._source, VideoFile) else 0

    def _take(self, after: int, timeout_s: float) -> CameraFrame:
        with self._changed:
            self._changed.wait_for(
                lambda: self._stop.is_set() or (self._slot is not None and self._slot.index > after), timeout_s
            )
            frame = self._slot
            if frame is None or frame.index <= after:
                raise DeviceError(
                    f"{self.name}: expected a frame within {timeout_s:.1f} s, got none. "
                    "Check that the camera is not covered, unplugged or used by another program."
                )
            self._taken = frame.index
            return frame

    def _run(self) -> None:
        pause_s = _BACK_OFF_S[0]
        while not self._stop.is_set():
            if self._deliver():
                pause_s = _BACK_OFF_S[0]
            self._source.close()
            if self._stop.wait(pause_s):
                break
            self._reconnects += 1
            pause_s = min(2.0 * pause_s, _BACK_OFF_S[1])
            try:
                self._source.open()
            except DuetError as error:
                self._problem = str(error)
        self._source.close()

    def _deliver(self) -> bool:
        """Publish frames until the source fails; whether there were any."""
        before = self._frames
        try:
            for time_s, arrival_s, picture in self._source.frames(self._stop):
                self._publish(time_s, arrival_s, picture)
        except DuetError as error:  # a file that went away between two rounds
            self._problem = str(error)
        return self._frames > before

    def _publish(self, time_s: float, arrival_s: float, picture: NDArray[np.uint8]) -> None:
        frame = CameraFrame(self._frames, time_s, arrival_s, _fit(picture, self._max_side_px))
        with self._changed:
            if self._slot is not None and self._slot.index > self._taken:
                self._unread += 1
            self._slot = frame
            self._frames += 1
            self._changed.notify_all()


def open_camera(
    source: str,
    *,
    clock: Clock | None = None,
    latency_s: float = CAMERA_LATENCY_S,
    patience_s: float = 5.0,
    max_side_px: int = MAX_SIDE_PX,
) -> Camera:
    """Open ``camera:0``, a video file or an ``http://`` (or ``rtsp://``) stream, and wait for its first frame.

    Raises InputError for a source of another form, MediaError for a file that is no readable video,
    DeviceError for a camera that is not there or gives no frame within ``patience_s``.
    """
    clock = clock or MonotonicClock()
    camera = Camera(parse_source(source, clock, latency_s=latency_s), clock, max_side_px=max_side_px)
    try:
        camera.read(patience_s)
    except DeviceError:
        camera.close()
        raise
    return camera


def parse_source(source: str, clock: Clock, *, latency_s: float = CAMERA_LATENCY_S) -> _Source:
    """The source that a text names; nothing is opened yet. InputError for a text of no known form."""
    kind, _, number = source.partition(":")
    if kind == "camera":
        if not number.isdecimal():
            raise InputError(f"{source}: expected camera:NUMBER, got {number!r}. Use camera:0 for the first camera.")
        return LiveSource(int(number), clock, latency_s=latency_s)
    if "://" in source:
        return LiveSource(source, clock, latency_s=latency_s)
    return VideoFile(Path(source).expanduser(), clock)


def _capture(source: int | str, backend: int, properties: dict[int, int]) -> cv2.VideoCapture:
    """A capture, opened or not, without the libraries' own words on the terminal."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    options = [value for item in properties.items() for value in item]
    if isinstance(source, int):
        return cv2.VideoCapture(source, backend)
    return cv2.VideoCapture(source, backend, options)


def _fit(picture: NDArray[np.uint8], max_side_px: int) -> NDArray[np.uint8]:
    """BGR (or grey) to RGB, the longer side at most ``max_side_px``."""
    height, width = picture.shape[:2]
    scale = max_side_px / max(height, width)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB
    image = np.asarray(cv2.cvtColor(picture, code), dtype=np.uint8)
    image.setflags(write=False)
    return image
