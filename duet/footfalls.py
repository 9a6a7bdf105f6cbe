"""When the leader puts a foot down, as it happens: frames in, moments out.

A foot is in contact while any part of it rests, so its speed is that of the slower of ankle and toe. It has landed
when, after a swing, it is slower than a share of the swing's peak: great and small steps land at the same point of
theirs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.frames import LeaderFrame, LeaderStatus
from duet.skeleton import BODY

SWING_SPEED_M_S = 0.6
"""A foot faster than this has left the floor."""
REST_SPEED_M_S = 0.35
"""A foot that has swung and is slower than this has landed: recorded feet at rest still creep at 0.1 to 0.3 m/s."""
REST_SHARE = 0.2
"""Or slower than this share of the swing's peak."""
LONGEST_GAP_S = 0.1
"""Between two frames whose difference is a speed."""

_FEET = np.array([[BODY.index(f"{side}_{part}") for part in ("ankle", "foot")] for side in ("left", "right")])


@dataclass(frozen=True)
class _Seen:
    """Both feet (side, part, 3) at one moment, and how fast they came there: (side,) m/s, None before two frames."""

    time_s: float
    feet_m: NDArray[np.float64]
    speeds: NDArray[np.float64] | None = None


class Footfalls:
    """Finds each landing of either foot one frame after it."""

    def __init__(self) -> None:
        self._last: _Seen | None = None
        self._peaks = np.zeros(2)

    def push(self, frame: LeaderFrame) -> list[float]:
        """Times in s, on the frame's clock and before it, of the landings that ``frame`` tells of.

        What was not seen but made up while the leader was away tells of none.
        """
        if frame.status is not LeaderStatus.TRACKED or not np.isfinite(frame.joints_m).all():
            self._last, self._peaks = None, np.zeros(2)
            return []
        last, feet_m = self._last, frame.joints_m.astype(np.float64)[_FEET]
        gap_s = frame.time_s - last.time_s if last is not None else 0.0
        if last is None or not 0.0 < gap_s <= LONGEST_GAP_S:
            self._last, self._peaks = _Seen(frame.time_s, feet_m), np.zeros(2)
            return []
        speeds = np.linalg.norm(feet_m - last.feet_m, axis=-1).min(axis=1) / gap_s
        self._last = _Seen(frame.time_s, feet_m, speeds)
        if last.speeds is None:
            return []
        # A speed is that of the middle between two frames.
        middle_s = frame.time_s - gap_s / 2.0
        landed = [self._landed(side, last.speeds[side], speeds[side]) for side in range(2)]
        return [middle_s - share * gap_s for share in landed if share is not None]

    def _landed(self, side: int, before: float, now: float) -> float | None:
        """[0, 1] how far back towards the frame before a foot came to rest; None where it did not."""
        peak = float(self._peaks[side])
        if peak == 0.0:
            self._peaks[side] = now if now > SWING_SPEED_M_S else 0.0
            return None
        self._peaks[side] = peak = max(peak, now)
        rest = max(REST_SPEED_M_S, REST_SHARE * peak)
        if now >= rest:
            return None
        self._peaks[side] = 0.0
        return min((rest - now) / max(before - now, 1e-9), 1.0)
