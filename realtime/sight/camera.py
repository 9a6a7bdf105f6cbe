"""A camera, a video file or a stream as a camera: the newest frame only, stamped on the session clock.

A reader thread empties the device as fast as it delivers (drivers queue frames, and a queue is delay)
and overwrites one slot. What nobody took in time is counted as dropped. When frames stop, the reader
opens the source again until it is back; ``state`` shows it, and the readers see an ageing frame. A camera that
repeats one picture is opened again, once a minute. An error that no camera explains ends the reader and is raised
to who asks for frames.
"""

import logging
import math
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock, MonotonicClock
from duet.errors import DeviceError, DuetError, StaleFrame
from realtime.devices import SYSTEM_CAMERAS, CameraSystem
from realtime.plugged import Pin
from realtime.sight.camera_source import CAMERA_LATENCY_S, STALL_S, LiveSource, Source, VideoFile, parse_source
from realtime.sight.picture_watch import PictureWatch

MAX_SIDE_PX = 960
"""Larger pictures are scaled down: the pose model looks at 256 x 256 crops."""
_BACK_OFF_S = (0.25, 1.0)
_THAW_S = 60.0
LOG = logging.getLogger("duet.camera")


class CameraState(StrEnum):
    """Whether frames arrive."""

    STREAMING = "streaming"
    STALLED = "stalled"  # no frame for a second; the source is being opened again
    DARK = "dark"  # nothing but black: a covered lens, a closed shutter
    FROZEN = "frozen"  # the very same picture again and again: the driver hangs
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


class Camera:
    """The newest frame of a source. Made by ``open_camera``; safe to read from one thread."""

    def __init__(self, source: Source, clock: Clock, *, max_side_px: int = MAX_SIDE_PX, wait: bool = False) -> None:
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
        self._failure: Exception | None = None
        self._pictures = PictureWatch()
        self._thawed_s = -math.inf  # when the source was last opened again because it repeated one picture
        self._lost_s: float | None = None
        self._alive_s: float | None = None
        if not wait:
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
        fresh = self._failure is None and slot is not None and self._clock.now() - slot.arrival_s <= STALL_S
        if not fresh:
            return CameraState.STALLED
        if isinstance(self._source, VideoFile):
            return CameraState.STREAMING  # a still or a dark film is meant to be so
        if self._pictures.is_dark:
            return CameraState.DARK
        return CameraState.FROZEN if self._pictures.is_frozen else CameraState.STREAMING

    @property
    def pin(self) -> Pin | None:
        """Which camera of those plugged in it is, for a later process; None where the system does not tell."""
        return self._source.pin if isinstance(self._source, LiveSource) else None

    @property
    def is_stamped_by_driver(self) -> bool:
        """Whether pictures are stamped by their driver; else when they are read."""
        return isinstance(self._source, LiveSource) and self._source.stamps.is_used

    @property
    def hung_s(self) -> float:
        """For how long a driver has not come back from handing out a picture; 0 while it does."""
        alive_s = self._alive_s
        return 0.0 if alive_s is None else time.monotonic() - alive_s

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

    @property
    def failure(self) -> Exception | None:
        """The error that ended the reader; None while it goes on."""
        return self._failure

    def read(self, timeout_s: float) -> CameraFrame:
        """The newest frame, waiting for the first one; DeviceError when none comes in time."""
        return self._take(-1, timeout_s)

    def next(self, timeout_s: float) -> CameraFrame:
        """The newest frame not handed out before, waiting for it; DeviceError when none comes in time."""
        return self._take(self._taken, timeout_s)

    def latest(self, max_age_s: float) -> CameraFrame:
        """The newest frame, at once; StaleFrame when there is none or it arrived longer ago than that."""
        self._raise_failure()
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
        self._thread.join(STALL_S + 2.0)

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
            self._changed.wait_for(lambda: self._ended or self._has_after(after), timeout_s)
            self._raise_failure()
            frame = self._slot
            if frame is None or frame.index <= after:
                raise DeviceError(
                    f"{self.name}: expected a frame within {timeout_s:.1f} s, got none. "
                    "Check that the camera is not covered, unplugged or used by another program."
                )
            self._taken = frame.index
            return frame

    @property
    def _ended(self) -> bool:
        return self._stop.is_set() or self._failure is not None

    def _has_after(self, index: int) -> bool:
        return self._slot is not None and self._slot.index > index

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise DeviceError(
                f"{self.name}: expected to go on reading, got {self._failure!r}. Start again, or use another source."
            ) from self._failure

    def _run(self) -> None:
        try:
            self._read_on()
        except Exception as error:  # raised again where frames are asked for
            with self._changed:
                self._failure = error
                self._changed.notify_all()
        finally:
            self._source.close()

    def _read_on(self) -> None:
        """Publish frames; open the source again, pausing a little longer each time, when they end."""
        pause_s = _BACK_OFF_S[0]
        while not self._stop.is_set():
            if self._deliver():
                pause_s = _BACK_OFF_S[0]
            self._alive_s = None  # opening may take long, and is another matter
            self._source.close()
            if self._lost_s is None and not self._stop.is_set():
                self._lost_s = time.monotonic()
                LOG.warning("%s: no pictures any more (%s); it is waited for", self.name, self._problem or "they ended")
            if self._stop.wait(pause_s):
                break
            self._reconnects += 1
            pause_s = min(2.0 * pause_s, _BACK_OFF_S[1])
            try:
                self._source.open()
            except (DuetError, cv2.error) as error:
                self._problem = str(error)

    def _deliver(self) -> bool:
        """Publish frames until the source fails; whether there were any."""
        before = self._frames
        self._pictures.again()
        try:
            for time_s, arrival_s, picture in self._source.frames(self._stop):
                self._pictures.see(picture, arrival_s)
                self._publish(time_s, arrival_s, picture)
                if self.state is CameraState.FROZEN and arrival_s - self._thawed_s > _THAW_S:
                    self._thawed_s, self._problem = arrival_s, "the same picture again and again"
                    break
        except (DuetError, cv2.error) as error:  # a file that went away between two rounds, a torn picture
            self._problem = str(error)
        return self._frames > before

    def _publish(self, time_s: float, arrival_s: float, picture: NDArray[np.uint8]) -> None:
        if self._frames == 0 and isinstance(self._source, LiveSource):
            LOG.info("%s: pictures are stamped %s", self.name, "by the driver" if self.is_stamped_by_driver else "here")
        frame = CameraFrame(self._frames, time_s, arrival_s, fitted(picture, self._max_side_px))
        self._alive_s = time.monotonic()
        if self._lost_s is not None:
            LOG.warning("%s: pictures again after %.1f s", self.name, time.monotonic() - self._lost_s)
            self._lost_s = None
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
    cameras: CameraSystem = SYSTEM_CAMERAS,
    pin: Pin | None = None,
    wait: bool = False,
) -> Camera:
    """Open ``camera:0``, a video file or an ``http://`` (or ``rtsp://``) stream, and wait for its first frame.

    ``wait``: a camera that was open before and may be away now is waited for by itself; return at once.
    Raises InputError for a source of another form, MediaError for a file that is no readable video,
    DeviceError for a camera that is not there or gives no frame within ``patience_s``.
    """
    clock = clock or MonotonicClock()
    its_source = parse_source(source, clock, latency_s=latency_s, cameras=cameras, pin=pin)
    camera = Camera(its_source, clock, max_side_px=max_side_px, wait=wait)
    if wait:
        return camera
    try:
        camera.read(patience_s)
    except DeviceError:
        camera.close()
        raise
    return camera


def fitted(picture: NDArray[np.uint8], max_side_px: int = MAX_SIDE_PX) -> NDArray[np.uint8]:
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
