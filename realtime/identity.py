"""What stays the same of a device when it is unplugged, plugged in elsewhere, or numbered anew."""

import platform
import re
from pathlib import Path

CAMERAS = Path("/sys/class/video4linux")
_CARDS = Path("/sys/class/sound")
_ALSA_NUMBER = re.compile(r"\s*\(hw:\d+(,\d+)?\)")


def camera_identity(source: str, cameras: Path = CAMERAS) -> str | None:
    """The identity of what ``--leader`` names; None for a file, which is no device.

    On Linux a USB camera is known by maker, model and serial number, or, where it has none of its own, by the socket
    it is in. Elsewhere OpenCV tells only its number, and a stream is known by its address.
    """
    kind, _, number = source.partition(":")
    if kind != "camera":
        return source if "://" in source else None
    if platform.system() != "Linux" and cameras is CAMERAS:
        return source
    node = cameras / f"video{number}"
    return _usb_identity(node) or _text(node / "name") or source


def camera_name(source: str, cameras: Path = CAMERAS) -> str:
    """The same for people."""
    kind, _, number = source.partition(":")
    return (_text(cameras / f"video{number}" / "name") if kind == "camera" else "") or source


def sound_identity(name: str) -> str:
    """A sound device's name without the number that its card has until the next plugging."""
    return _ALSA_NUMBER.sub("", name).strip()


def sound_hardware(name: str, cards: Path = _CARDS) -> str:
    """The USB device behind a sound device's name as PortAudio tells it on Linux; empty where that is not known."""
    number = re.search(r"\(hw:(\d+)", name)
    return _usb_identity(cards / f"card{number[1]}") if number else ""


def _usb_identity(node: Path) -> str:
    """Maker, model and serial number (or socket) of the USB device that a node of /sys/class is part of, or ''."""
    device = (node / "device").resolve()
    for folder in (device, *device.parents):
        if (folder / "idVendor").is_file():
            maker, model = _text(folder / "idVendor"), _text(folder / "idProduct")
            return f"usb:{maker}:{model}:{_text(folder / 'serial') or 'socket ' + folder.name}"
    return ""


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
