"""On PYTHONPATH by ``test_audit.py``: every Python process of a performance notes what it writes and whom it calls."""

import os
import socket
import sys
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
_CALLS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo", "subprocess.Popen")
_WATCHED = ("mediapipe", "moderngl", "glfw", "realtime.sound.sound_host", "ui.panel.process")
"""Who loads these is the process to be watched."""
_ON_THIS_MACHINE = (socket.AF_UNIX,)
_NOTES = os.open(os.environ["DUET_AUDIT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, int) or not isinstance(flags, int) or not flags & _WRITES:
            return
        what = os.path.abspath(os.fsdecode(path))
        # A file without a name in that folder: gone with the last who holds it (O_TMPFILE).
        if os.path.isdir(what):
            return
    elif event in _CHANGES:
        what = os.path.abspath(os.fsdecode(arguments[0])) if not isinstance(arguments[0], int) else "a file"
    elif event in _CALLS:
        if event.startswith("socket.") and getattr(arguments[0], "family", None) in _ON_THIS_MACHINE:
            return
        # A Python of our own, such as glfw asks for its library's version, is watched as this one is.
        if event == "subprocess.Popen" and arguments[0] == sys.executable:
            return
        what = repr(arguments[1:] if event.startswith("socket") and event != "socket.getaddrinfo" else arguments)
    elif event == "import" and arguments[0] in _WATCHED:
        what = f"{arguments[0]} {os.getpid()}"
    else:
        return
    os.write(_NOTES, f"{event}\t{what}\n".encode("utf-8", "replace"))


sys.addaudithook(_note)
os.write(_NOTES, b"process\tbegan\n")
