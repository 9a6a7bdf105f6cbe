"""When a picture arrived by its driver's own stamp: a reader that was kept waiting does not make it younger.

Drivers stamp a picture when its transfer begins or ends, by a clock of their own. Of the time from there to the reader
the least that was seen of late is the usual way; what is more was waiting, in the driver's queue or for a busy machine,
and is taken off. So a stamp means the same as before, an arrival, and a measured camera delay stays true.
"""

import math

BACKENDS = ("V4L2", "MSMF")
"""OpenCV's that tell the driver's stamp of the picture grabbed last; others tell none, or count pictures."""
_MOST_WAIT_S = 0.25
"""More was no waiting: the driver's clock was set, or the stamp is none."""
_DRIFT = 1e-4
"""So much the two clocks may drift apart, per second."""


class DriverStamps:
    """Turns the moments at which pictures were read into those at which they arrived. For one opening of a camera."""

    def __init__(self) -> None:
        self._least_s = math.inf
        self._driver_s = -math.inf
        self._read_s = 0.0
        self.is_used = False
        """Whether the newest picture was stamped by its driver."""

    def arrival_s(self, read_s: float, driver_s: float | None) -> float:
        """Of a picture read at ``read_s``, which the driver stamped ``driver_s`` by its clock (None: it did not)."""
        self.is_used = driver_s is not None and math.isfinite(driver_s) and driver_s > self._driver_s
        if driver_s is None or not self.is_used:
            return read_s
        way_s = read_s - driver_s
        self._least_s = min(way_s, self._least_s + _DRIFT * (read_s - self._read_s))
        self._driver_s, self._read_s = driver_s, read_s
        if way_s - self._least_s > _MOST_WAIT_S:
            self._least_s = way_s
        return read_s - (way_s - self._least_s)
