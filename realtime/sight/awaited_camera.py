"""A camera that need not be there at the beginning: it is taken up when it comes, as a ``CameraLeader``.

Threading: a thread tries to open it; ``take_new``, ``shown`` and the rest are as those of ``CameraLeader``.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from duet.clock import MonotonicClock
from duet.errors import DeviceError, DuetError
from duet.frames import LeaderFrame
from realtime.sight.camera_trouble import CameraTrouble
from realtime.sight.leader_camera import CameraLeader
from realtime.supervisor import BackOff

LOG = logging.getLogger("duet.camera")
ABSENT = "no camera yet: switch it on or plug it in, it is taken up by itself"
_AGAIN_S = (1.0, 10.0)
"""Between two tries: each is a process that loads a pose model."""
_STOP_S = 3.0


class AwaitedCamera:
    """Nobody is seen until ``name`` can be opened."""

    def __init__(
        self,
        name: str,
        see: Callable[[], CameraLeader],
        is_there: Callable[[], bool],
        came: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Opens it at once, or begins to wait for it. Raises what ``see`` raises, but no DeviceError.

        ``is_there`` tells at no cost whether another try is worth it; ``came`` is called with the session time from
        which on one that was awaited is seen.
        """
        self._see, self._is_there, self._came = see, is_there, came
        self._trouble = CameraTrouble(name)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._clock: MonotonicClock | None = None
        self._camera: CameraLeader | None = None
        self._thread: threading.Thread | None = None
        try:
            self._camera = see()
        except DeviceError as error:
            self._trouble.tell(ABSENT, str(error))
            self._thread = threading.Thread(target=self._await, name="await-camera", daemon=True)
            self._thread.start()

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """As the camera's."""
        with self._lock:
            self._clock = clock
            if self._camera is not None:
                self._begin(self._camera, clock, begin_s)

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """As the camera's; none before it is there."""
        camera = self._camera
        return () if camera is None else camera.take_new(until_s)

    def shown(self, time_s: float) -> LeaderFrame | None:
        """As the camera's."""
        camera = self._camera
        return None if camera is None else camera.shown(time_s)

    @property
    def trouble(self) -> str:
        """What is wrong with the camera and what to do about it; empty while all is well."""
        camera = self._camera
        return self._trouble.sentence if camera is None else camera.trouble

    def stop(self) -> None:
        """Let go of the camera, or wait for it no more. Safe to call again."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
        with self._lock:
            if self._camera is not None:
                self._camera.stop()

    def _begin(self, camera: CameraLeader, clock: MonotonicClock, begin_s: float) -> None:
        camera.start(clock, begin_s)
        if self._thread is not None:
            self._came(begin_s)

    def _await(self) -> None:
        pauses = BackOff(*_AGAIN_S)
        while not self._stopping.wait(pauses.pause_s()):
            try:
                if not self._is_there():
                    pauses.settle()
                    continue
                camera = self._see()
            except (DuetError, OSError) as error:  # also a machine that has no room for it now
                LOG.info("%s", error)
                continue
            self._take_up(camera)
            return

    def _take_up(self, camera: CameraLeader) -> None:
        with self._lock:
            if self._stopping.is_set():
                camera.stop()
                return
            if self._clock is not None:
                self._begin(camera, self._clock, self._clock.now())
            self._camera = camera
        self._trouble.tell("")
