"""Which cameras are there, by the names that ``--leader`` takes."""

import platform
from pathlib import Path

import cv2


def list_cameras(limit: int = 6) -> list[str]:
    """``camera:N`` of every camera found, with its name where the system tells it.

    On Linux the system is asked, elsewhere each index up to ``limit`` is opened for a moment.
    """
    if platform.system() == "Linux":
        return [_linux_name(node) for node in sorted(Path("/sys/class/video4linux").glob("video*")) if _captures(node)]
    found = []
    for index in range(limit):
        capture = cv2.VideoCapture(index)
        if capture.isOpened():
            found.append(f"camera:{index}")
        capture.release()
    return found


def _captures(node: Path) -> bool:
    """Whether a video4linux node is a camera's picture: cameras show a second node with metadata only."""
    index = node / "index"
    return not index.is_file() or index.read_text().strip() == "0"


def _linux_name(node: Path) -> str:
    name = node / "name"
    number = node.name.removeprefix("video")
    return f"camera:{number}  ({name.read_text().strip()})" if name.is_file() else f"camera:{number}"
