"""Cameras without hardware: they send pictures over HTTP on this machine, and are listed like plugged-in ones.

For ``duet bench unplug`` and tests. ``VirtualCamera`` is a server that a stream's address opens; ``VirtualCameras``
lists some of them by number, name and serial number in a folder laid out like Linux's own, and opens them by number.
"""

import http.server
import socketserver
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from realtime.devices import CameraDevice, SystemCameras

_VARIANTS = 8


def noisy(level: int, size_px: tuple[int, int] = (128, 96)) -> list[bytes]:
    """JPEG pictures of one grey level as a sensor gives them: no two the same."""
    rng = np.random.default_rng(level)
    width, height = size_px
    pictures = np.clip(rng.normal(level, 3.0, (_VARIANTS, height, width, 3)), 0, 255).astype(np.uint8)
    return [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]


class VirtualCamera:
    """A camera on 127.0.0.1 that speaks MJPEG over HTTP and can be told to stall, to hang up or to freeze."""

    def __init__(self, pictures: Sequence[bytes] | None = None, *, rate_hz: float = 60.0) -> None:
        self.pictures = list(pictures or noisy(128))
        self.rate_hz = rate_hz
        self.silent = threading.Event()
        """Stays connected and sends nothing."""
        self.hung_up = threading.Event()
        """Ends connections and refuses new ones: unplugged."""
        self.frozen = threading.Event()
        """Sends one picture again and again."""

        class Handler(_Handler):
            camera = self

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/camera.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Unplug it for good."""
        self.hung_up.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    camera: VirtualCamera

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        camera = self.camera
        if camera.hung_up.is_set():
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=f")
        self.end_headers()
        try:
            self._send(camera)
        except (BrokenPipeError, ConnectionResetError):
            return

    def _send(self, camera: VirtualCamera) -> None:
        begun_s, count = time.monotonic(), 0
        while not camera.hung_up.is_set():
            if not camera.silent.is_set():
                picture = camera.pictures[0 if camera.frozen.is_set() else count % len(camera.pictures)]
                head = b"--f\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
                self.wfile.write(head + picture + b"\r\n")
            # A camera that was kept waiting leaves pictures out.
            count = max(count + 1, int((time.monotonic() - begun_s) * camera.rate_hz))
            camera.hung_up.wait(max(begun_s + count / camera.rate_hz - time.monotonic(), 0.0))


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@dataclass(frozen=True)
class PluggedCamera:
    """What a system knows of a camera that is plugged in."""

    name: str
    url: str
    serial: str = ""
    socket: str = "1-1"


@dataclass(frozen=True)
class VirtualCameras:
    """The cameras that a folder lists."""

    folder: Path

    def plug(self, cameras: Sequence[tuple[int, PluggedCamera]]) -> None:
        """From now on these are there, under these numbers."""
        for node in self.folder.glob("video*"):
            node.unlink()
        for number, camera in cameras:
            made = self.folder / "usb" / f"{time.monotonic_ns()}-{number}" / camera.socket
            (made / "interface").mkdir(parents=True)
            serial = {"serial": camera.serial} if camera.serial else {}
            for name, text in {"idVendor": "d0e7", "idProduct": "0001", **serial}.items():
                (made / name).write_text(text + "\n")
            node = made / "node"
            node.mkdir()
            for name, text in {"name": camera.name, "index": "0", "url": camera.url}.items():
                (node / name).write_text(text + "\n")
            (node / "device").symlink_to(made / "interface")
            (self.folder / f"video{number}").symlink_to(node)

    def listed(self) -> list[CameraDevice] | None:
        """As a system with its cameras in this folder lists them."""
        return SystemCameras(self.folder).listed()

    def capture(self, number: int) -> cv2.VideoCapture:
        """Open whatever has the number now."""
        timeouts = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 3000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1000)
        try:
            url = (self.folder / f"video{number}" / "url").read_text().strip()
        except OSError:
            url = ""
        return cv2.VideoCapture(url, cv2.CAP_FFMPEG, timeouts) if url else cv2.VideoCapture()
