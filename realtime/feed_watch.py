"""What stands between the guards and the conductor: frames that can be, but that a technician should hear of.

A body that leaps, trembles, comes too seldom or never moves, and music with holes. It is danced to as it is, counted,
and told once, as is its end. What a device knows of its own trouble it tells itself; this looks at what comes in.

Threading: the conductor's thread.
"""

import logging
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from duet.frames import LeaderFrame, LeaderStatus, MusicFrame
from realtime.feeds import LeaderSource, MusicSource
from realtime.health import Health
from realtime.told import Tell, Told

LOG = logging.getLogger("duet.feeds")

LEADER_COUNTERS = ("slow_leader", "still_leader", "leader_leaps", "trembling_leader")
MUSIC_COUNTER = "music_gaps"
SLOW_S, SLOW_FRAMES = 0.5, 7
"""Fewer frames in so long are too few: any camera gives 15 a second."""
STILL_S = 0.5
"""Nobody who is measured is where they were to the last bit for so long."""
LEAP_M, LEAP_M_S = 0.15, 3.0
"""A pelvis comes so far from one frame to the next, and so far more a second: of dancers none was faster than 2 m/s."""
TREMBLE_M, TREMBLE_FRAMES, TREMBLE_S = 0.033, 8, 0.1
"""By so much the joints of recorded dancers never leave the line through two frames before (the middle one of all
joints and of so many frames: by 2.6 cm at most); where each joint is off by 1 cm of its own, they do by 3.8.
Three frames within so long; who is seen less often may have turned meanwhile."""
AWAY_S = 0.3
"""Who was not seen for so long is looked at anew: that they are away is told elsewhere."""
HOLE_S, SILENT_S = 0.08, 1.0
"""Between two frames of music, and without any."""
QUIET_S = 1.0
"""What comes and goes is over when it was not seen for so long."""


class _Passing:
    """A trouble that comes and goes."""

    def __init__(self, told: Told) -> None:
        self._told, self._seen_s = told, -np.inf

    def see(self, trouble: str, at_s: float) -> None:
        """What is wrong at ``at_s``; empty for nothing."""
        if trouble:
            self._seen_s = at_s
            self._told.see(trouble)
        elif at_s - self._seen_s > QUIET_S:
            self._told.see("")


class WatchedLeader:
    """The frames of ``source``, which a guard has looked at, as they are."""

    def __init__(self, source: LeaderSource, health: Health, told: Tell = LOG.warning) -> None:
        self._source = source
        self._slow, self._still, self._leaps, self._trembles = (
            _Passing(Told(health, counter, told)) for counter in LEADER_COUNTERS
        )
        self._begin(None)

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """See ``LeaderSource``."""
        frames = self._source.take_new(until_s)
        for frame in frames:
            last = self._last[-1] if self._last else None
            if last is None or frame.time_s - last.time_s > AWAY_S:
                self._begin(frame)
            else:
                self._see(frame, last)
        return frames

    def _begin(self, frame: LeaderFrame | None) -> None:
        self._last = deque([] if frame is None else [frame], maxlen=2)
        self._stamps = deque([f.time_s for f in self._last], maxlen=SLOW_FRAMES)
        self._moved_s = self._begun_s = -np.inf if frame is None else frame.time_s
        self._off_m: deque[float] = deque(maxlen=TREMBLE_FRAMES)

    def _see(self, frame: LeaderFrame, last: LeaderFrame) -> None:
        at_s = frame.time_s
        self._stamps.append(at_s)
        among = sum(stamp_s > at_s - SLOW_S for stamp_s in self._stamps)
        is_slow = among < SLOW_FRAMES and at_s - self._begun_s >= SLOW_S
        self._slow.see(f"leader: {among / SLOW_S:.0f} frames a second" if is_slow else "", at_s)
        if {frame.status, last.status} == {LeaderStatus.TRACKED}:
            self._see_body(frame, last)
        else:
            self._moved_s = at_s
            self._off_m.clear()
        self._last.append(frame)

    def _see_body(self, frame: LeaderFrame, last: LeaderFrame) -> None:
        at_s, way_m = frame.time_s, float(np.linalg.norm(frame.root_m - last.root_m))
        leaps = way_m > LEAP_M + LEAP_M_S * (at_s - last.time_s)
        self._leaps.see(f"leader: {way_m:.1f} m away from one frame to the next" if leaps else "", at_s)
        if not np.array_equal(frame.joints_m, last.joints_m):
            self._moved_s = at_s
        still_s = at_s - self._moved_s
        self._still.see(f"leader: the very same body for {still_s:.1f} s" if still_s >= STILL_S else "", at_s)
        if len(self._last) == 2 and not leaps and at_s - self._last[0].time_s < TREMBLE_S:
            self._off_m.append(_off_m(self._last[0].joints_m, last.joints_m, frame.joints_m))
        off_m = float(np.median(self._off_m)) if len(self._off_m) == TREMBLE_FRAMES else 0.0
        self._trembles.see(f"leader: trembles by {100 * off_m:.0f} cm" if off_m > TREMBLE_M else "", at_s)


class WatchedMusic:
    """The frames of ``source``, which a guard has looked at, as they are."""

    def __init__(self, source: MusicSource, health: Health, told: Tell = LOG.warning) -> None:
        self._source, self._gaps = source, _Passing(Told(health, MUSIC_COUNTER, told))
        self._newest_s: float | None = None

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """See ``MusicSource``."""
        frames = self._source.take_new(until_s)
        missing_s = 0.0
        for frame in frames:
            if self._newest_s is not None and frame.time_s - self._newest_s > HOLE_S:
                missing_s = max(missing_s, frame.time_s - self._newest_s)
            self._newest_s = frame.time_s
        if self._newest_s is not None and until_s - self._newest_s > SILENT_S:
            missing_s = until_s - self._newest_s
        self._gaps.see(f"music: {missing_s:.2f} s of it are missing" if missing_s else "", until_s)
        return frames


def _off_m(before: NDArray[np.float32], last: NDArray[np.float32], joints: NDArray[np.float32]) -> float:
    """How far the middle one of joints (22, 3) is off the line through two frames before."""
    return float(np.median(np.linalg.norm(joints - 2.0 * last + before, axis=-1)))
