"""From asking a screen for light until a camera hands out the picture of it: what no software can tell of itself."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock
from duet.errors import DeviceError, InputError
from realtime.sight.camera import Camera

LONGEST_S = 0.5
"""A picture that comes later shows another flash, or none."""
_DARK_S, _LIT_S = (0.55, 0.85), 0.15
_LEAST_CONTRAST = 4.0
"""Mean of a picture's numbers, 0 to 255, between dark and light: less is noise."""
_LEAST_SHARE = 0.5


class Screen(Protocol):
    """Something that gives light."""

    def show(self, light: float) -> None:
        """Be black (0) to white (1); returns when that was handed to the display."""
        ...


@dataclass(frozen=True)
class Flashes:
    """What came of them."""

    delays_ms: NDArray[np.float64]
    """Of every flash that was seen."""
    shown: int
    contrast: float
    """By how much pictures of the lit screen are lighter, of 255."""


def flash(
    screen: Screen, camera: Camera, clock: Clock, count: int, *, seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Flashes:  # fmt: skip
    """Light ``screen`` ``count`` times at uneven distances; how long each took until ``camera`` handed it out.

    ``clock`` is the camera's. InputError where too few are seen, DeviceError where the camera gives no pictures.
    """
    rng, asked_s = np.random.Generator(np.random.PCG64(seed)), []
    with _Watching(camera) as seen:
        for number in range(count):
            progress(number, count)
            screen.show(0.0)
            time.sleep(float(rng.uniform(*_DARK_S)))
            asked_s.append(clock.now())
            screen.show(1.0)
            time.sleep(_LIT_S)
        screen.show(0.0)
        time.sleep(LONGEST_S)
    return _matched(np.array(asked_s), np.array(seen.arrivals_s), np.array(seen.light))


class _Watching:
    """Looks at every picture on a thread of its own: the screen is lit at any moment between two."""

    def __init__(self, camera: Camera) -> None:
        self.arrivals_s: list[float] = []
        self.light: list[float] = []
        self._camera, self._over = camera, threading.Event()
        self._failure: DeviceError | None = None
        self._thread = threading.Thread(target=self._watch, name="duet-flashes", daemon=True)

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                frame = self._camera.next(2.0)
            except DeviceError as error:  # raised again on the caller's thread
                self._failure = error
                return
            self.arrivals_s.append(frame.arrival_s)
            self.light.append(float(frame.image.mean()))

    def __enter__(self) -> "_Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(3.0)
        if self._failure is not None:
            raise self._failure


def _matched(asked_s: NDArray[np.float64], arrivals_s: NDArray[np.float64], light: NDArray[np.float64]) -> Flashes:
    """The first light picture after each flash."""
    dark, lit = np.percentile(light, [10, 99]) if len(light) else (0.0, 0.0)
    contrast = float(lit - dark)
    delays = []
    for at in asked_s if contrast >= _LEAST_CONTRAST else ():
        after = (arrivals_s > at) & (arrivals_s <= at + LONGEST_S) & (light > dark + 0.5 * contrast)
        if after.any():
            delays.append(1e3 * float(arrivals_s[np.argmax(after)] - at))
    if len(delays) < max(1, _LEAST_SHARE * len(asked_s)):
        raise InputError(
            f"Flashes: expected a camera that sees the screen, got {len(delays)} of {len(asked_s)} seen, and pictures "
            f"{contrast:.1f} of 255 lighter. Point the camera at the screen, nearby, and fix its exposure."
        )
    return Flashes(np.array(delays), len(asked_s), contrast)
