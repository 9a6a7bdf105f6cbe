"""Cameras with bad pictures or odd rates, and cameras that are plugged in again: the same one, or none."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from duet.clock import MonotonicClock
from duet.errors import DeviceError
from duet.frames import LeaderStatus
from duet.poses import relaxed_rotations
from duet.skeleton import BODY
from realtime.plugged import Known, Pin
from realtime.sight import camera as camera_module
from realtime.sight import picture_watch, tracking
from realtime.sight.camera import Camera, CameraFrame, CameraState, open_camera
from realtime.sight.leader_record import frame_of_record
from realtime.sight.picture_watch import PictureWatch
from realtime.sight.synthetic import Filmed
from realtime.sight.tracking import PoseModel, TrackingChannels, TrackingTask, _Work
from realtime.sight.virtual_camera import PluggedCamera, VirtualCamera, VirtualCameras, noisy
from tests.faults.newest import take_newest
from tests.waiting import wait_for

# Plugged in again


@pytest.fixture
def room(tmp_path: Path) -> Iterator[tuple[VirtualCameras, list[PluggedCamera], list[VirtualCamera]]]:
    """Three cameras of one model: the first two with serial numbers, the third without."""
    servers = [VirtualCamera(noisy(level)) for level in (60, 120, 180)]
    plugged = [PluggedCamera("Webcam", s.url, serial, socket) for s, serial, socket in zip(
        servers, ("A", "B", ""), ("1-1", "1-2", "1-3"), strict=True)]  # fmt: skip
    yield VirtualCameras(tmp_path), plugged, servers
    for server in servers:
        server.close()


def _level(camera: Camera) -> float:
    return float(camera.next(10.0).image.mean())


def test_a_camera_that_comes_back_under_another_number_is_the_same_camera(room) -> None:
    cameras, (first, second, third), (server, *_) = room
    cameras.plug([(0, first), (2, second)])
    with open_camera("camera:0", cameras=cameras) as camera:
        assert abs(_level(camera) - 60.0) < 10.0
        server.hung_up.set()
        cameras.plug([(0, second), (2, third)])
        assert wait_for(lambda: "got camera:0  (Webcam), camera:2" in camera.problem)
        assert "Webcam to be plugged in again" in camera.problem
        assert wait_for(lambda: camera.state is CameraState.STALLED)
        server.hung_up.clear()
        frames = camera.frames
        cameras.plug([(0, third), (2, second), (4, first)])
        assert wait_for(lambda: camera.frames > frames)
        assert abs(_level(camera) - 60.0) < 10.0


def test_a_later_process_waits_for_the_camera_of_the_one_before(room) -> None:
    cameras, (first, second, _), _ = room
    cameras.plug([(0, first), (2, second)])
    with open_camera("camera:2", cameras=cameras) as camera:
        pin = camera.pin
    cameras.plug([(2, first)])
    with open_camera("camera:2", cameras=cameras, pin=pin, wait=True) as camera:
        assert wait_for(lambda: "expected Webcam to be plugged in again" in camera.problem)
        cameras.plug([(2, first), (6, second)])
        assert abs(_level(camera) - 120.0) < 10.0


def test_cameras_that_change_while_one_is_opened_are_looked_at_again(room, monkeypatch) -> None:
    cameras, (first, second, _), _ = room
    cameras.plug([(0, first)])
    capture = VirtualCameras.capture

    def late(self: VirtualCameras, number: int) -> cv2.VideoCapture:
        cameras.plug([(0, second)])
        return capture(self, number)

    monkeypatch.setattr(VirtualCameras, "capture", late)
    with pytest.raises(DeviceError, match="got other ones while it was opened"):
        open_camera("camera:0", cameras=cameras)


A, B = Known("mic", "usb:1:1:socket 1-1"), Known("mic", "usb:1:1:socket 1-2")
ELSEWHERE, OTHER = Known("mic", "usb:1:1:socket 2-4"), Known("cam", "usb:2:2:socket 1-1")
BARE, UNIT = Known("mic"), Known("mic", "usb:1:1:0815")


@pytest.mark.parametrize(
    ("before", "index", "now", "found"),
    [
        ([A, B], 0, [B, A], 1),
        ([A, B], 0, [B], None),  # its twin is not it
        ([A], 0, [OTHER, ELSEWHERE], 1),  # another socket
        ([A, B], 0, [B, ELSEWHERE], 1),
        ([A, B], 0, [ELSEWHERE], None),  # might be the twin, through another socket
        ([A], 0, [ELSEWHERE, Known("mic", "usb:1:1:socket 2-5")], None),  # which of the two?
        ([BARE, OTHER, BARE], 2, [BARE, BARE], 1),  # nothing tells them apart but their order
        ([BARE, BARE], 1, [BARE], None),
        ([A], 0, [], None),
        ([UNIT], 0, [A], None),
        ([UNIT, A], 0, [A, UNIT], 1),
    ],
)
def test_a_pinned_device_is_found_or_waited_for(before, index, now, found) -> None:
    assert Pin.of(index, before).find(now) == found


# Bad pictures


def test_black_pictures_are_told(monkeypatch) -> None:
    monkeypatch.setattr(picture_watch, "DARK_S", 0.2)
    with VirtualCamera(noisy(4)) as server, open_camera(server.url) as camera:
        assert wait_for(lambda: camera.state is CameraState.DARK)
        server.pictures = noisy(70)
        assert wait_for(lambda: camera.state is CameraState.STREAMING)
        assert camera.reconnects == 0


def test_a_frozen_camera_is_told_and_opened_again_once(monkeypatch) -> None:
    monkeypatch.setattr(picture_watch, "FROZEN_S", 0.3)
    with VirtualCamera() as server, open_camera(server.url) as camera:
        assert wait_for(lambda: camera.frames > 5) and camera.state is CameraState.STREAMING
        server.frozen.set()
        assert wait_for(lambda: camera.reconnects == 1 and camera.problem == "the same picture again and again")
        assert wait_for(lambda: camera.state is CameraState.FROZEN)
        assert camera.reconnects == 1
        server.frozen.clear()
        assert wait_for(lambda: camera.state is CameraState.STREAMING)


def test_a_dark_stage_is_not_black_and_noise_is_no_standstill() -> None:
    watch, rng = PictureWatch(), np.random.default_rng(1)
    for i in range(300):
        picture = np.full((96, 128, 3), 12, np.uint8)
        picture[40:56, 60:76] = 60 + rng.integers(0, 2)  # one dim lamp
        watch.see(picture, i / 30)
    assert not watch.is_dark
    assert not watch.is_frozen
    for i in range(300, 400):
        watch.see(np.zeros((96, 128, 3), np.uint8), i / 30)
    assert watch.is_dark and watch.is_frozen
    watch.again()
    assert not watch.is_dark and not watch.is_frozen


# Odd rates


@pytest.mark.parametrize("rate_hz", [5.0, 120.0])
def test_slow_and_fast_cameras_give_the_newest_picture_only(rate_hz: float) -> None:
    clock = MonotonicClock()
    with VirtualCamera(rate_hz=rate_hz) as server, open_camera(server.url, clock=clock) as camera:
        before, begin_s = camera.frames, clock.now()

        def goes_on(taken: list[CameraFrame]) -> bool:
            time.sleep(1 / 60 if taken else 0.0)  # what the pose model takes
            return clock.now() < begin_s + 2.0

        stamps = [frame.arrival_s for frame in take_newest(camera, clock, goes_on)]
        delivered = (camera.frames - before) / (clock.now() - begin_s)
        assert camera.state is CameraState.STREAMING
    # Not assumed of the machine: that it keeps up with 120 pictures a second.
    assert delivered <= 1.3 * rate_hz and delivered > 0.5 * min(rate_hz, 30.0)
    assert np.all(np.diff(stamps) > 0.0)
    if rate_hz < 10.0:
        assert np.median(np.diff(stamps)) == pytest.approx(1.0 / rate_hz, rel=0.25)


class _Standing:
    """A pose model that always sees somebody stand."""

    chooser = None

    def __init__(self) -> None:
        turns = relaxed_rotations().astype(np.float64)
        self.seen = Filmed().landmarks(BODY, np.array([0.0, 0.95, 0.0]), turns)

    def landmarks(self, _: object) -> object:
        return self.seen


def test_between_the_pictures_of_a_slow_camera_nobody_is_lost() -> None:
    channels = TrackingChannels.create()
    with VirtualCamera(rate_hz=5.0) as server, open_camera(server.url, clock=MonotonicClock(0.0)) as camera:
        work = _Work(TrackingTask(server.url, 0.0, Path("any.task")), channels, cast(PoseModel, _Standing()), camera)
        counted, told_s = Counter[LeaderStatus](), -np.inf
        assert wait_for(lambda: camera.frames > 0)
        for _ in range(25):
            work.step()
            newest = channels.frames.latest()
            if newest is not None and newest.stamp_s > told_s:
                counted[frame_of_record(newest).status] += 1
                told_s = newest.stamp_s
    channels.close()
    # The first few pauses are bridged, until the camera is known to be slow.
    assert counted[LeaderStatus.TRACKED] >= 15
    assert counted[LeaderStatus.LOST] <= 1  # before the first picture
    assert counted[LeaderStatus.HELD] <= 8


def test_a_driver_that_hangs_ends_tracking_so_that_it_begins_anew(monkeypatch) -> None:
    class Hangs:
        name = "camera:0"
        going_on = threading.Event()

        def open(self) -> None: ...

        def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, np.ndarray]]:
            yield 0.0, time.monotonic(), np.zeros((4, 4, 3), np.uint8)
            self.going_on.wait(30.0)

        def close(self) -> None: ...

    monkeypatch.setattr(tracking, "_HUNG_S", 0.3)
    monkeypatch.setattr(camera_module, "STALL_S", 0.1)
    channels = TrackingChannels.create()
    with Camera(Hangs(), MonotonicClock(0.0)) as camera:
        work = _Work(TrackingTask("camera:0", 0.0, Path("any.task")), channels, cast(PoseModel, _Standing()), camera)
        begin_s = time.monotonic()
        with pytest.raises(DeviceError, match="got a driver that hangs"):
            while time.monotonic() < begin_s + 10.0:
                work.step()
        Hangs.going_on.set()
    channels.close()
