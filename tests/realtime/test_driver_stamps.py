"""Pictures stamped by their driver: what waited is older than it looks."""

import threading

import numpy as np
import pytest

from duet.clock import ManualClock
from realtime.sight.camera_source import LiveSource
from realtime.sight.driver_stamps import DriverStamps

OTHER_CLOCK_S = 1234.5


def test_a_picture_that_waited_is_as_old_as_it_is() -> None:
    stamps, rng = DriverStamps(), np.random.default_rng(0)
    true_s = 10.0 + np.arange(300) / 30.0
    waits_s = np.where(rng.uniform(size=300) < 0.3, rng.uniform(0.0, 0.1, 300), 0.0)
    waits_s[0] = 0.0
    found = [stamps.arrival_s(t + w, t - OTHER_CLOCK_S) for t, w in zip(true_s, waits_s, strict=True)]
    assert stamps.is_used
    np.testing.assert_allclose(found, true_s, atol=1e-3)


@pytest.mark.parametrize("driver_s", [None, 0.0, float("nan")])
def test_without_a_stamp_a_picture_arrives_when_it_is_read(driver_s: float | None) -> None:
    stamps = DriverStamps()
    stamps.arrival_s(0.9, driver_s)
    assert [stamps.arrival_s(t, driver_s) for t in (1.0, 1.04)] == [1.0, 1.04]
    assert not stamps.is_used


def test_a_driver_s_clock_that_was_set_is_taken_as_it_is_then() -> None:
    stamps = DriverStamps()
    for k in range(30):
        stamps.arrival_s(k / 30.0, 50.0 + k / 30.0)
    assert stamps.arrival_s(2.0, 60.0) == pytest.approx(2.0, abs=0.25)
    assert stamps.arrival_s(2.5, 60.1) == pytest.approx(2.5)


class _Capture:
    """A camera's capture of three pictures, the second of which lay in the queue for 60 ms."""

    def __init__(self, clock: ManualClock, backend: str) -> None:
        self._clock, self._backend, self._count = clock, backend, 0

    def getBackendName(self) -> str:
        return self._backend

    def grab(self) -> bool:
        self._count += 1
        self._clock.sleep_until(self._count / 30.0 + (0.06 if self._count == 2 else 0.0))
        return self._count <= 3

    def get(self, _: int) -> float:
        return 1e3 * (OTHER_CLOCK_S + self._count / 30.0)

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize(("backend", "second_s"), [("V4L2", 2 / 30.0), ("FFMPEG", 2 / 30.0 + 0.06)])
def test_only_backends_that_tell_a_driver_s_stamp_are_asked_for_it(backend: str, second_s: float) -> None:
    clock = ManualClock()
    source = LiveSource(0, clock, latency_s=0.05)
    source._capture = _Capture(clock, backend)  # pyright: ignore[reportAttributeAccessIssue]
    found = [(time_s, arrival_s) for time_s, arrival_s, _ in source.frames(threading.Event())]
    assert len(found) == 3
    assert found[1] == pytest.approx((second_s - 0.05, second_s), abs=1e-3)
