"""A show begins without its camera, and takes it up when it comes."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from duet.clock import MonotonicClock
from duet.errors import DeviceError, ModelError
from duet.frames import LeaderFrame
from realtime.devices import CameraDevice, is_listed
from realtime.plugged import Known
from realtime.sight import awaited_camera
from realtime.sight.awaited_camera import ABSENT, AwaitedCamera
from realtime.sight.leader_camera import CameraLeader
from tests.waiting import wait_for


class _Camera:
    """One that was opened."""

    trouble = "the camera sees only black"

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.stopped = 0

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        self.begun.append(begin_s)

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        return cast(Any, ("a frame",))

    def shown(self, time_s: float) -> LeaderFrame:
        return cast(Any, "a frame")

    def stop(self) -> None:
        self.stopped += 1


class _Plug:
    """What may be plugged in; away at first."""

    def __init__(self) -> None:
        self.is_in = False
        self.camera = _Camera()
        self.tries = 0

    def see(self) -> CameraLeader:
        self.tries += 1
        if not self.is_in:
            raise DeviceError("camera:0: expected a camera, got no answer.")
        return cast(CameraLeader, self.camera)

    def awaited(
        self, is_there: Callable[[], bool] = lambda: True, came: Callable[[float], None] = lambda _: None
    ) -> AwaitedCamera:
        return AwaitedCamera("camera:0", self.see, is_there, came)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaited_camera, "_AGAIN_S", (0.01, 0.02))


def test_one_that_is_there_is_simply_taken() -> None:
    plug, came = _Plug(), list[float]()
    plug.is_in = True
    camera = plug.awaited(came=came.append)
    camera.start(MonotonicClock(), 0.5)
    assert plug.camera.begun == [0.5] and not came and camera.trouble == plug.camera.trouble
    assert list(camera.take_new(1.0)) == ["a frame"] and camera.shown(1.0) is not None
    camera.stop()
    assert plug.camera.stopped == 1


@pytest.mark.parametrize("is_late", [True, False])
def test_one_that_is_away_is_told_and_taken_up_when_it_comes(caplog: pytest.LogCaptureFixture, is_late: bool) -> None:
    plug, came = _Plug(), list[float]()
    camera = plug.awaited(came=came.append)
    assert camera.trouble == ABSENT and not camera.take_new(1.0) and camera.shown(1.0) is None
    assert "no camera yet" in caplog.text and "got no answer" in caplog.text
    if is_late:
        camera.start(MonotonicClock(), 0.0)
        assert wait_for(lambda: plug.tries > 3)
    plug.is_in = True
    assert wait_for(lambda: bool(camera.take_new(1.0)))
    if not is_late:
        camera.start(MonotonicClock(), 0.0)
    assert len(plug.camera.begun) == 1 and came == plug.camera.begun
    assert wait_for(lambda: "all is well again" in caplog.text)
    assert camera.trouble == plug.camera.trouble
    camera.stop()
    assert plug.camera.stopped == 1


def test_nothing_is_tried_while_the_system_lists_none() -> None:
    plug, asked = _Plug(), threading.Semaphore(0)

    def is_there() -> bool:
        asked.release()
        return False

    camera = plug.awaited(is_there)
    for _ in range(5):
        assert asked.acquire(timeout=60.0)
    assert plug.tries == 1
    camera.stop()
    assert not any(thread.name == "await-camera" for thread in threading.enumerate())


def test_a_machine_that_has_no_room_for_it_now_goes_on_waiting() -> None:
    plug, sick = _Plug(), [OSError(28, "No space left on device"), OSError(12, "Cannot allocate memory")]

    def is_there() -> bool:
        if sick:
            raise sick.pop()
        plug.is_in = True
        return True

    camera = plug.awaited(is_there)
    assert wait_for(lambda: bool(camera.take_new(1.0))) and not sick
    camera.stop()


def test_what_no_plugging_mends_is_raised_at_once() -> None:
    def broken() -> CameraLeader:
        raise ModelError("pose.task: expected a model, got none.")

    with pytest.raises(ModelError):
        AwaitedCamera("camera:0", broken, lambda: True)


def test_a_camera_is_looked_for_among_those_that_the_system_lists() -> None:
    class System:
        def __init__(self, there: list[CameraDevice] | None) -> None:
            self.there = there

        def listed(self) -> list[CameraDevice] | None:
            return self.there

        def capture(self, number: int) -> Any:
            raise AssertionError("nothing is opened")

    two = System([CameraDevice(2, Known("a camera"))])
    assert is_listed("camera:2", two) and not is_listed("camera:0", two)
    assert is_listed("camera:0", System(None)) and is_listed("rtsp://there", two)
