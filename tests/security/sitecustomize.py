"""On PYTHONPATH by ``test_audit.py``: every Python process of a performance notes what it writes and whom it calls."""

import os
import sys
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
_CALLS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo", "subprocess.Popen")
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
        what = repr(arguments[1:] if event.startswith("socket") and event != "socket.getaddrinfo" else arguments)
    else:
        return
    os.write(_NOTES, f"{event}\t{what}\n".encode("utf-8", "replace"))


sys.addaudithook(_note)
os.write(_NOTES, b"process\tbegan\n")
