"""Which cameras are there: by the names that ``--leader`` takes, and by what stays the same of each."""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2

from realtime.identity import CAMERAS, camera_identity, camera_name
from realtime.plugged import Known


@dataclass(frozen=True)
class CameraDevice:
    """One camera as the system lists it now."""

    number: int
    """Good until something is plugged in or out."""
    known: Known

    @property
    def label(self) -> str:
        """``camera:N``, with its name where the system tells it."""
        return f"camera:{self.number}  ({self.known.name})" if self.known.name else f"camera:{self.number}"


class CameraSystem(Protocol):
    """Where cameras are; a value that travels to the process that opens one."""

    def listed(self) -> list[CameraDevice] | None:
        """What is there now; None where the system does not tell without opening each."""
        ...

    def capture(self, number: int) -> cv2.VideoCapture:
        """Open one, whether it succeeds or not."""
        ...


@dataclass(frozen=True)
class SystemCameras:
    """This machine's."""

    folder: Path = CAMERAS
    """Where Linux lists them."""

    def listed(self) -> list[CameraDevice] | None:
        if platform.system() != "Linux" and self.folder is CAMERAS:
            return None
        nodes = [node for node in self.folder.glob("video*") if _captures(node)]
        numbers = sorted(int(node.name.removeprefix("video")) for node in nodes)
        return [CameraDevice(number, self._known(number)) for number in numbers]

    def _known(self, number: int) -> Known:
        source = f"camera:{number}"
        name, identity = camera_name(source, self.folder), camera_identity(source, self.folder)
        return Known("" if name == source else name, identity or "")

    def capture(self, number: int) -> cv2.VideoCapture:
        # Linux: the native backend, which alone heeds what a camera is asked for; it waits ten seconds unless told.
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
        return cv2.VideoCapture(number, cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY)


SYSTEM_CAMERAS = SystemCameras()


def is_listed(source: str, cameras: CameraSystem = SYSTEM_CAMERAS) -> bool:
    """Whether ``camera:N`` may be there; True where nobody can tell without opening it."""
    kind, _, number = source.partition(":")
    listed = cameras.listed() if kind == "camera" else None
    return listed is None or any(str(camera.number) == number for camera in listed)


def list_cameras(limit: int = 6) -> list[str]:
    """``camera:N`` of every camera found, with its name where the system tells it.

    On Linux the system is asked, elsewhere each index up to ``limit`` is opened for a moment.
    """
    listed = SYSTEM_CAMERAS.listed()
    if listed is not None:
        return [camera.label for camera in listed]
    found = []
    for index in range(limit):
        capture = cv2.VideoCapture(index)
        if capture.isOpened():
            found.append(f"camera:{index}")
        capture.release()
    return found


def _captures(node: Path) -> bool:
    """Whether a video4linux node is a camera's picture: cameras show a second node with metadata only."""
    try:
        return (node / "index").read_text().strip() == "0"
    except OSError:  # without the file, or unplugged between two looks
        return node.is_dir()
