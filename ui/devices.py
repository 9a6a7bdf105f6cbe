"""The camera and the sound input of a performance, which can be changed while it goes on.

A device takes seconds to open: it is opened on a thread of its own, "change-device", while the dance goes on with the
one before, which is let go only once the other one works. One that does not work changes nothing.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from duet.clock import MonotonicClock
from duet.errors import DuetError, InputError
from realtime.sight.leader_camera import CameraLeader
from realtime.sight.stage_shift import Leader, ShiftedLeader
from realtime.sound.audio import MusicEar
from realtime.sound.music_switch import LEAVE_S, MusicSwitch

LOG = logging.getLogger("duet.devices")
ONCE = "-"
"""What another program sends, which is read once."""
_CAMERAS, _SOUNDS = ("camera:", "http://", "https://", "rtsp://"), ("device:",)


class _Choice(ABC):
    """What is in use, and another that is being opened."""

    what, kinds = "", ("",)

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble = ""
        """Why the last change was none; empty when it was one."""
        self._first = name
        self._thread: threading.Thread | None = None

    def change(self, name: str) -> str:
        """See ``ui.controls.Device``."""
        if name == self.name:
            return f"{self.what} {name} is in use"
        if self._thread is not None and self._thread.is_alive():
            return f"{self.what}: another one is being opened: wait a moment"
        if not (name.startswith(self.kinds) or (name == self._first and name != ONCE)):
            raise InputError(f"{self.what}: expected {self.kinds[0]}NAME, got {name!r}.")
        self._thread = threading.Thread(target=self._change, args=(name,), name="change-device", daemon=True)
        self._thread.start()
        return f"{self.what} {name} is being opened"

    def wait(self, patience_s: float) -> None:
        """Until nothing is being opened any more, or so long."""
        if self._thread is not None:
            self._thread.join(patience_s)

    def _change(self, name: str) -> None:
        try:
            self._open(name)
        except DuetError as error:
            self.trouble = str(error)
            LOG.warning("%s", error)
        else:
            self.name, self.trouble = name, ""

    @abstractmethod
    def _open(self, name: str) -> None:
        """Open it, and let go of the one before; DuetError where it cannot be used."""


class CameraChoice(_Choice):
    """Who sees the leader. ``see`` opens a camera, ``led`` makes a leader of it."""

    what, kinds = "Camera", _CAMERAS

    def __init__(
        self, name: str, camera: CameraLeader | None, see: Callable[[str], CameraLeader], led: Callable[[Any], Leader]
    ) -> None:
        super().__init__(name)
        self.camera = camera
        self._see, self._led = see, led
        self._shifted: ShiftedLeader | None = None
        self._clock: MonotonicClock | None = None

    def begin(self, shifted: ShiftedLeader, clock: MonotonicClock) -> None:
        """The session begins: ``shifted`` is who leads."""
        self._shifted, self._clock = shifted, clock

    @property
    def sight_name(self) -> str | None:
        """Of the cell with what it sees; None for a recorded leader, or where nobody is to see it."""
        return None if self.camera is None else self.camera.sight_name

    def _open(self, name: str) -> None:
        if self._shifted is None or self._clock is None:
            raise InputError(f"Camera {name}: expected the dance to have begun, got it before. Wait a moment.")
        camera = self._see(name)
        camera.start(self._clock, self._clock.now())
        before = self._shifted.lead_by(self._led(camera))
        self.camera = camera
        time.sleep(LEAVE_S)  # who was just asking the former one has an answer by then
        before.stop()


class SoundChoice(_Choice):
    """Where the music comes from. ``hear`` makes an ear for a name."""

    what, kinds = "Sound", _SOUNDS

    def __init__(self, name: str, music: MusicSwitch, hear: Callable[[str], MusicEar]) -> None:
        super().__init__(name)
        self._music, self._hear = music, hear

    def _open(self, name: str) -> None:
        self._music.change(self._hear(name))
