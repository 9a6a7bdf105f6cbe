"""Flashes of a virtual screen, seen by a virtual camera through the code that opens real ones."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import pytest

from duet.clock import MonotonicClock
from duet.errors import DeviceError, InputError
from realtime.bench.photons import LONGEST_S, _matched, flash
from realtime.sight.camera import open_camera
from realtime.sight.virtual_camera import VirtualCamera, noisy

LATE_S = 0.08


class Screen:
    """Remembers when it was lit."""

    def __init__(self) -> None:
        self.changes: list[tuple[float, float]] = [(0.0, 0.0)]

    def show(self, light: float) -> None:
        self.changes.append((time.monotonic(), light))

    def light_at(self, time_s: float) -> float:
        return next(light for at, light in reversed(self.changes) if at <= time_s)


class Seen(Sequence[bytes]):
    """What a camera sends that looks at a screen which shows everything LATE_S late."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._dark, self._lit = screen, noisy(40), noisy(200)

    def __len__(self) -> int:
        return len(self._dark)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        return (self._lit if self._screen.light_at(time.monotonic() - LATE_S) > 0.5 else self._dark)[index]


@pytest.fixture
def camera() -> Iterator[VirtualCamera]:
    with VirtualCamera(rate_hz=60.0) as virtual:
        yield virtual


def test_a_screen_s_delay_is_found_through_a_camera(camera: VirtualCamera) -> None:
    screen, clock, told = Screen(), MonotonicClock(), []
    camera.pictures = Seen(screen)  # type: ignore[assignment]
    with open_camera(camera.url, clock=clock) as opened:
        found = flash(screen, opened, clock, 4, progress=lambda done, total: told.append((done, total)))
    assert found.shown == 4 and len(found.delays_ms) >= 2 and found.contrast > 80.0
    assert 1e3 * LATE_S <= np.median(found.delays_ms) < 1e3 * LONGEST_S
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_a_camera_that_looks_elsewhere_is_told(camera: VirtualCamera) -> None:
    with open_camera(camera.url) as opened, pytest.raises(InputError, match="got 0 of 2 seen.*Point the camera at"):
        flash(Screen(), opened, MonotonicClock(), 2)


def test_a_camera_that_dies_is_told() -> None:
    class Dead:
        def next(self, timeout_s: float) -> None:
            raise DeviceError("camera:0: expected a frame within 2.0 s, got none. Check it.")

    with pytest.raises(DeviceError, match="got none"):
        flash(Screen(), Dead(), MonotonicClock(), 1)  # type: ignore[arg-type]
    assert not any(thread.name == "duet-flashes" for thread in threading.enumerate())


def test_each_flash_is_matched_with_the_first_light_picture_after_it() -> None:
    arrivals = np.arange(0.0, 3.0, 0.02)
    lit = ((arrivals >= 1.1) & (arrivals < 1.25)) | ((arrivals >= 2.1) & (arrivals < 2.25))
    found = _matched(np.array([1.0, 2.0]), arrivals, np.where(lit, 200.0, 30.0))
    np.testing.assert_allclose(found.delays_ms, [100.0, 100.0], atol=1e-6)
    with pytest.raises(InputError, match="got 1 of 3 seen"):
        _matched(np.array([0.0, 0.5, 1.0]), arrivals, np.where(lit, 200.0, 30.0))
