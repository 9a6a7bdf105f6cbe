"""Where a camera's pictures come from: a device, a stream or a video file, opened by OpenCV.

A source is opened, read and closed by one thread; ``Camera`` in ``realtime.sight.camera`` makes it safe to ask.
"""

import logging
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock
from duet.errors import DeviceError, InputError, MediaError
from realtime.devices import SYSTEM_CAMERAS, CameraSystem
from realtime.plugged import Pin
from realtime.sight.driver_stamps import BACKENDS, DriverStamps

LOG = logging.getLogger("duet.camera")
CAMERA_LATENCY_S = 0.05
"""Mid-exposure to arrival, assumed for live sources: half an exposure, read-out and transport. Measure yours."""
STALL_S = 1.0
"""Without a frame for so long, a camera stalls."""
GIVE_UP_S = 0.5
"""For so long a video file passes frames over to catch up; if it is late still, it plays slower than its rate."""
_PATIENT_AGAIN_S = 2.0
"""After so long without a late frame a video that played slower may pass frames over again."""
_SIZE_PX = (640, 480)
_RATE_HZ = 30.0
_POLL_S = 0.05


class Source(Protocol):
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
        self.count = 0
        """Frames that the file says it holds; 0 where it does not say."""
        self.late = 0
        """Frames passed over because their time was gone before they were decoded."""
        self.behind_s = 0.0
        """How much later it plays than at its rate, because frames passed over did not let it catch up."""
        self._told_s = 0.5

    def open(self) -> None:
        """Open it and look at its first frame; MediaError when there is none."""
        if not self._path.is_file():
            got = "a folder" if self._path.is_dir() else "nothing there"
            raise MediaError(f"{self.name}: expected a video file, got {got}. Check the path.")
        _silence()
        capture = cv2.VideoCapture(self.name, cv2.CAP_FFMPEG, (cv2.CAP_PROP_N_THREADS, 1))
        if not capture.isOpened() or not capture.grab():
            capture.release()
            raise MediaError(
                f"{self.name}: expected a video with at least one frame, got a file without. "
                "Convert it, for example with `ffmpeg -i IN out.mp4`."
            )
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = rate_hz if 1.0 <= rate_hz <= 1000.0 else _RATE_HZ
        self.count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._capture = capture

    def pictures(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """(seconds from the start, BGR picture) of every frame, once through, as fast as they decode."""
        for time_s, capture in self._grabbed():
            good, picture = capture.retrieve()
            if good:
                yield time_s, np.asarray(picture, dtype=np.uint8)

    def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, NDArray[np.uint8]]]:
        """Every frame when its time has come, over and over; one that decodes too slowly for that plays slower."""
        begin_s, patient_from_s, passing_s = self._clock.now(), -math.inf, None
        while not stop.is_set():
            end_s = 0.0
            for time_s, capture in self._grabbed():
                due_s = begin_s + time_s
                end_s = time_s + 1.0 / self.rate_hz
                now_s = self._clock.now()
                lag_s = now_s - due_s
                if lag_s <= 1.0 / self.rate_hz:
                    passing_s = None
                elif now_s < patient_from_s or (passing_s is not None and now_s - passing_s > GIVE_UP_S):
                    # Decoding is what takes the time: frames passed over do not let it catch up. Until it was in time
                    # for a while, every frame is shown and those after it come that much later.
                    begin_s, due_s, passing_s = begin_s + lag_s, now_s, None
                    patient_from_s = now_s + _PATIENT_AGAIN_S
                    self._fall_behind(lag_s)
                else:
                    passing_s = now_s if passing_s is None else passing_s
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

    def _fall_behind(self, by_s: float) -> None:
        """Count it, and tell it each time that it has doubled."""
        self.behind_s += by_s
        if self.behind_s >= 2.0 * self._told_s:
            self._told_s = self.behind_s
            LOG.warning(
                "%s: it plays %.1f s later than at its own rate, for it decodes too slowly here; make it smaller",
                self.name, self.behind_s,
            )  # fmt: skip

    def _wait(self, due_s: float, stop: threading.Event) -> bool:
        while (left_s := due_s - self._clock.now()) > 0.0:
            if stop.wait(min(left_s, _POLL_S)):
                return False
        return not stop.is_set()


class LiveSource:
    """A camera by its number, or a stream by its address.

    The camera that was opened first is pinned: it alone is opened again, whatever its number is by then.
    """

    def __init__(
        self,
        source: int | str,
        clock: Clock,
        *,
        latency_s: float,
        cameras: CameraSystem = SYSTEM_CAMERAS,
        pin: Pin | None = None,
    ) -> None:
        self.name = f"camera:{source}" if isinstance(source, int) else source
        self._source = source
        self._clock = clock
        self._latency_s = latency_s
        self._cameras = cameras
        self._capture: cv2.VideoCapture | None = None
        self.stamps = DriverStamps()
        self.pin = pin
        """The camera that is meant; None before it was opened, and where the system tells nothing of cameras."""

    def open(self) -> None:
        """Open it; DeviceError when it is not there."""
        _silence()
        if isinstance(self._source, int):
            self._capture = self._open_camera(self._source)
        else:
            timeouts = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 3000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(STALL_S * 1000))
            capture = cv2.VideoCapture(self._source, cv2.CAP_FFMPEG, timeouts)
            self._capture = self._answering(capture, "Check that the address shows a picture in a browser.")
        # One to be filled while the other is decoded: with a single one Linux drops every second frame.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)

    def _open_camera(self, number: int) -> cv2.VideoCapture:
        """The pinned camera, or the one of this number, which is pinned then."""
        listed = self._cameras.listed()
        there = [camera.known for camera in listed or ()]
        if listed is not None and self.pin is not None:
            at = self.pin.find(there)
            if at is None:
                names = ", ".join(camera.label for camera in listed) or "none"
                raise DeviceError(
                    f"{self.name}: expected {self.pin.device.name or 'the camera that was open'} to be plugged in "
                    f"again, got {names}. Plug it in; it is waited for."
                )
            number = listed[at].number
        capture = self._answering(
            self._cameras.capture(number),
            "Run `duet devices` to see which cameras there are, and close what else may be using this one.",
        )
        if listed is not None:
            index = next((i for i, camera in enumerate(listed) if camera.number == number), None)
            if self._cameras.listed() != listed:
                capture.release()
                raise DeviceError(f"{self.name}: expected cameras to stay, got other ones while it was opened. Wait.")
            if self.pin is None and index is not None:
                self.pin = Pin.of(index, there)
        # Compressed frames: raw ones do not fit through USB 2 at 30 fps on many cameras.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, _SIZE_PX[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _SIZE_PX[1])
        capture.set(cv2.CAP_PROP_FPS, _RATE_HZ)
        capture.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(STALL_S * 1000))
        return capture

    def _answering(self, capture: cv2.VideoCapture, hint: str) -> cv2.VideoCapture:
        if not capture.isOpened():
            capture.release()
            raise DeviceError(f"{self.name}: expected a camera, got no answer. {hint}")
        return capture

    def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, NDArray[np.uint8]]]:
        """Every frame as it arrives, by the driver's stamp where it tells one."""
        capture, self.stamps = self._capture, DriverStamps()
        tells = capture is not None and capture.getBackendName() in BACKENDS
        while capture is not None and not stop.is_set() and capture.grab():
            read_s = self._clock.now()
            driver_s = 1e-3 * capture.get(cv2.CAP_PROP_POS_MSEC) if tells else None
            arrival_s = self.stamps.arrival_s(read_s, driver_s)
            good, picture = capture.retrieve()
            if not good:
                return
            yield arrival_s - self._latency_s, arrival_s, np.asarray(picture, dtype=np.uint8)

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def parse_source(
    source: str,
    clock: Clock,
    *,
    latency_s: float = CAMERA_LATENCY_S,
    cameras: CameraSystem = SYSTEM_CAMERAS,
    pin: Pin | None = None,
) -> Source:
    """The source that a text names; nothing is opened yet. InputError for a text of no known form.

    ``pin``: the camera that a number meant in an earlier process.
    """
    kind, _, number = source.partition(":")
    if kind == "camera":
        if not number.isdecimal():
            raise InputError(f"{source}: expected camera:NUMBER, got {number!r}. Use camera:0 for the first camera.")
        return LiveSource(int(number), clock, latency_s=latency_s, cameras=cameras, pin=pin)
    if "://" in source:
        return LiveSource(source, clock, latency_s=latency_s)
    return VideoFile(Path(source).expanduser(), clock)


def _silence() -> None:
    """Keep the libraries' own words off the terminal."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
