"""Cameras that are not there, give nothing, stall or go away: one clear sentence, or a visible state and a return."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from duet.clock import MonotonicClock
from duet.errors import DeviceError, InputError, MediaError, StaleFrame
from realtime.sight.camera import Camera, CameraState, open_camera
from realtime.sight.virtual_camera import VirtualCamera
from tests.faults.newest import take_newest
from tests.waiting import wait_for


@pytest.fixture
def fake_camera() -> Iterator[VirtualCamera]:
    with VirtualCamera() as fake:
        yield fake


def test_no_such_camera() -> None:
    with pytest.raises(DeviceError, match=r"camera:93: expected a camera, got no answer\. Run `duet devices`"):
        open_camera("camera:93")


def test_camera_number_that_is_none() -> None:
    with pytest.raises(InputError, match="expected camera:NUMBER, got 'front'"):
        open_camera("camera:front")


def test_no_such_stream() -> None:
    with pytest.raises(DeviceError, match="expected a camera, got no answer"):
        open_camera("http://127.0.0.1:9/nothing.mjpg")


def test_missing_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="expected a video file, got nothing there"):
        open_camera(str(tmp_path / "none.mp4"))


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100])
def test_unreadable_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="expected a video with at least one frame"):
        open_camera(str(path))


def test_camera_without_frames_names_the_wait(fake_camera: VirtualCamera) -> None:
    fake_camera.silent.set()
    start = time.monotonic()
    with pytest.raises(DeviceError):
        open_camera(fake_camera.url, patience_s=1.0)
    assert time.monotonic() - start < 8.0


def test_camera_that_opens_but_gives_nothing() -> None:
    class Dark:
        name = "camera:0"

        def open(self) -> None:
            pass

        def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, np.ndarray]]:
            stop.wait(30.0)
            yield from ()

        def close(self) -> None:
            pass

    with Camera(Dark(), MonotonicClock()) as camera:
        with pytest.raises(DeviceError, match=r"camera:0: expected a frame within 0\.3 s, got none\. Check"):
            camera.read(0.3)
        assert camera.state is CameraState.STALLED
        with pytest.raises(StaleFrame):
            camera.latest(1.0)


class Faulty:
    """A camera that gives pictures until the errors it was given come, one an opening."""

    name = "camera:0"

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    def open(self) -> None:
        pass

    def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, np.ndarray]]:
        clock = MonotonicClock()
        yield 0.0, clock.now(), np.zeros((4, 4, 3), np.uint8)
        if self._errors:
            raise self._errors.pop(0)
        while not stop.wait(0.01):
            yield 0.0, clock.now(), np.zeros((4, 4, 3), np.uint8)

    def close(self) -> None:
        pass


def test_torn_picture_is_a_lost_camera_that_comes_back() -> None:
    with Camera(Faulty(cv2.error("torn"), cv2.error("torn")), MonotonicClock()) as camera:
        assert wait_for(lambda: camera.reconnects == 2 and camera.frames > 5)
        assert camera.failure is None and "torn" in camera.problem


def test_error_that_ends_the_reader_is_raised_at_once() -> None:
    with Camera(Faulty(RuntimeError("no such thing")), MonotonicClock()) as camera:
        assert wait_for(lambda: camera.failure is not None)
        start = time.monotonic()
        for ask in (camera.read, camera.next, camera.latest):
            with pytest.raises(DeviceError, match=r"camera:0: expected to go on reading, got RuntimeError\('no such"):
                ask(30.0)
        assert time.monotonic() - start < 5.0
        assert camera.state is CameraState.STALLED


def test_stream_is_a_camera(fake_camera: VirtualCamera) -> None:
    clock = MonotonicClock()
    with open_camera(fake_camera.url, clock=clock, latency_s=0.02) as camera:
        frames = take_newest(camera, clock, lambda taken: len(taken) < 10)
        assert camera.state is CameraState.STREAMING
        assert frames[0].image.shape == (96, 128, 3)
        indices = [frame.index for frame in frames]
        assert indices == sorted(set(indices))
        assert all(frame.arrival_s - frame.time_s == pytest.approx(0.02) for frame in frames)
    assert camera.state is CameraState.CLOSED


@pytest.mark.parametrize("fault", ["silent", "hung_up"])
def test_lost_frames_show_and_come_back(fake_camera: VirtualCamera, fault: str) -> None:
    with open_camera(fake_camera.url) as camera:
        camera.next(2.0)
        getattr(fake_camera, fault).set()
        assert wait_for(lambda: camera.state is CameraState.STALLED)
        with pytest.raises(StaleFrame, match="expected a frame not older than 0.50 s"):
            camera.latest(0.5)
        before = camera.frames
        getattr(fake_camera, fault).clear()
        assert wait_for(lambda: camera.state is CameraState.STREAMING and camera.frames > before)
        assert camera.reconnects >= 1
        assert camera.latest(1.0).index >= before


def test_close_returns_soon_while_the_camera_stalls(fake_camera: VirtualCamera) -> None:
    camera = open_camera(fake_camera.url)
    fake_camera.silent.set()
    time.sleep(0.2)
    start = time.monotonic()
    camera.close()
    camera.close()
    assert time.monotonic() - start < 3.0
    assert camera.state is CameraState.CLOSED
