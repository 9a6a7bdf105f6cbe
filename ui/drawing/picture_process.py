"""The picture's process as it is begun: what it warns of is said to the dance, whose log people read.

Besides what ``ui.drawing.picture`` says it says ``("warned", sentence)``, for whatever its log is told meanwhile: it
goes on with what it has, and nobody reads the file in which its libraries print.
"""

import contextlib
import logging
import threading
from multiprocessing.connection import Connection
from typing import TextIO

from realtime.child_log import ChildLog
from ui.drawing import picture


class _Saying(logging.StreamHandler[TextIO]):
    """Says a warning on the pipe, which belongs to the main thread; what other threads warn of is printed as ever."""

    def __init__(self, control: Connection) -> None:
        super().__init__()
        self.setLevel(logging.WARNING)
        self._control = control

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        if threading.current_thread() is not threading.main_thread():
            super().emit(record)
            return
        with contextlib.suppress(OSError):  # the dance is gone: that is heard where the pipe is read
            self._control.send(("warned", record.getMessage()))


def run(task: picture.PictureTask, names: tuple[str, ...], control: Connection, log: ChildLog) -> None:
    """The process: see ``ui.drawing.picture.run``."""
    logging.getLogger("duet").addHandler(_Saying(control))
    picture.run(task, names, control, log)
