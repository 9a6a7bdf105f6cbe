"""A leader before a camera, as the conductor takes one: on the session clock, on the canonical body."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from duet.clock import MonotonicClock
from duet.frames import LeaderFrame, LeaderStatus
from duet.kinematics import forward
from duet.rotations import matrix_from_6d
from duet.skeleton import BODY
from realtime.health import Health
from realtime.sight.preview import Sight
from realtime.sight.tracker import Tracker
from realtime.sight.tracking import TrackingTask

_LEGS = tuple((BODY.index(f"{s}_hip"), BODY.index(f"{s}_knee"), BODY.index(f"{s}_ankle")) for s in ("left", "right"))


class CameraLeader:
    """Tracks from construction on; ``start`` sets the clock that frames are stamped by.

    Opening a camera and a pose model takes seconds, so it is done before the session clock exists:
    the tracker stamps by the machine's monotonic clock (the task's ``epoch_s`` is 0), and the session's beginning is
    taken off.
    """

    def __init__(self, task: TrackingTask, health: Health) -> None:
        self._tracker = Tracker.start(task, health)
        self._epoch_s = 0.0
        self._was_seen = False

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """Frames are on ``clock`` from now on; somebody alive waits for no beginning."""
        self._epoch_s = clock.epoch_s

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """Frames stamped from the session's beginning up to ``until_s`` that were not taken yet."""
        frames = self._tracker.take_new(until_s + self._epoch_s)
        return [self._ours(f) for f in frames if f.time_s >= self._epoch_s]

    def shown(self, time_s: float) -> LeaderFrame | None:
        """The leader to draw: the newest there is; who is lost, where they were last. None before anybody was seen.

        Until then an empty picture's frames are a body at rest that nobody has.
        """
        frame = self._tracker.latest()
        self._was_seen |= frame.status is not LeaderStatus.LOST
        return self._ours(frame) if self._was_seen and frame.index >= 0 else None

    def sight(self) -> Sight | None:
        """What the camera saw last, on the session clock; None without ``preview``."""
        sight = self._tracker.sight()
        return None if sight is None else replace(sight, time_s=sight.time_s - self._epoch_s)

    @property
    def sight_name(self) -> str | None:
        """As the tracker's: there, sights are stamped by the machine's clock."""
        return self._tracker.sight_name

    @property
    def trouble(self) -> str:
        """What is wrong with the camera and what to do about it; empty while all is well."""
        return self._tracker.trouble

    def stop(self) -> None:
        """Let go of the camera."""
        self._tracker.stop()

    def _ours(self, frame: LeaderFrame) -> LeaderFrame:
        return replace(on_canonical_body(frame), time_s=frame.time_s - self._epoch_s)


def on_canonical_body(frame: LeaderFrame) -> LeaderFrame:
    """The same pose on BODY: path as tracked, height by leg length, as ``Motion.on_body`` does for takes."""
    joints = frame.joints_m.astype(np.float64)
    legs = [np.linalg.norm(joints[h] - joints[k]) + np.linalg.norm(joints[k] - joints[a]) for h, k, a in _LEGS]
    root = frame.root_m.astype(np.float64)
    root[1] *= BODY.leg_length_m / max(float(np.mean(legs)), 1e-3)
    there, _ = forward(BODY, root, matrix_from_6d(frame.rotations_6d.astype(np.float64)))
    return replace(frame, root_m=root, joints_m=there)
