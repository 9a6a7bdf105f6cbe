"""The leader on the frame grid: stamped frames of any rate, resampled by their stamps.

Owned by the conductor's thread. The ring is fixed in size; a frame of the grid, once made, never
changes.
"""

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.features import leader_headings
from duet.forecast import Forecaster, ForeseenLeader, LeaderCourse, LeaderWindow, leader_course
from duet.frames import LeaderFrame, LeaderStatus
from duet.rotations import Array
from duet.skeleton import BODY
from duet.timeline import Timeline


class LeaderTrack:
    """Turns stamped leader frames into a gapless track on the grid of ``timeline``."""

    def __init__(self, timeline: Timeline, keep_frames: int) -> None:
        self._timeline = timeline
        self._keep = keep_frames
        self._joints = np.zeros((0, len(BODY), 3), dtype=np.float32)
        self._headings = np.zeros(0)
        self._confidence = np.zeros(0, dtype=np.float32)
        self._last: LeaderFrame | None = None
        self._newest_index = -1

    @property
    def is_empty(self) -> bool:
        """Whether nobody was seen yet."""
        return self._last is None

    @property
    def newest_index(self) -> int:
        """Grid index of the newest measured frame."""
        return self._newest_index

    @property
    def newest_s(self) -> float:
        """Stamp of the newest measured frame, 0 before any."""
        return self._last.time_s if self._last else 0.0

    @property
    def confidence(self) -> float:
        """Of the newest measured frame."""
        return float(self._confidence[-1])

    def newest(self, count: int) -> NDArray[np.float32]:
        """The newest ``count`` measured joints (count, 22, 3)."""
        return self._joints[-count:]

    def push(self, frame: LeaderFrame) -> int:
        """Take a newer measured frame; returns how many frames of the grid it completed.

        Frames out of order or with numbers that are not finite are passed over, and so is a leader who is
        lost before being seen.
        """
        last = self._last
        if not (np.isfinite(frame.joints_m).all() and np.isfinite(frame.time_s)):
            return 0
        if (last is not None and frame.time_s <= last.time_s) or (last is None and frame.status is LeaderStatus.LOST):
            return 0
        until = self._timeline.frame_at(frame.time_s)
        if last is None:
            self._last, self._newest_index = frame, until
            self._append(frame.joints_m[None], frame)
            return 1
        # After hours away, no more frames are made up than are kept.
        start = max(self._newest_index + 1, until - self._keep + 1)
        self._last = frame
        if until < start:
            return 0
        at = (np.arange(start, until + 1) / self._timeline.fps - last.time_s) / (frame.time_s - last.time_s)
        weight = np.clip(at, 0.0, 1.0)[:, None, None].astype(np.float32)
        self._newest_index = until
        self._append(last.joints_m * (1 - weight) + frame.joints_m * weight, frame)
        return len(at)

    def window(self, first_frame: int, contract: FollowerContract, forecaster: Forecaster | None) -> LeaderWindow:
        """The leader as the tick sees them whose plan begins at ``first_frame``, for a follower that foresees so."""
        return self._course(first_frame, contract, forecaster).window()

    def foreseen(self, first_frame: int, contract: FollowerContract, forecaster: Forecaster | None) -> ForeseenLeader:
        """The leader as foreseen in the frames of a plan that begins at ``first_frame``."""
        return self._course(first_frame, contract, forecaster).foreseen()

    def _course(self, first_frame: int, contract: FollowerContract, forecaster: Forecaster | None) -> LeaderCourse:
        # A tick that runs late could know frames beyond its plan's beginning; no tick saw such in training.
        surplus = max(self._newest_index - (first_frame - 1), 0)
        stop = len(self._headings) - surplus if surplus < len(self._headings) else 1
        return leader_course(
            self._joints[:stop],
            self._headings[:stop],
            self._confidence[:stop],
            fps=contract.fps,
            delay_frames=max(first_frame - self._newest_index, 1),
            past_tokens=contract.past_tokens,
            plan_tokens=contract.plan_tokens,
            token_frames=contract.token_frames,
            forecaster=forecaster,
        )

    def _append(self, joints: Array, frame: LeaderFrame) -> None:
        headings = leader_headings(
            joints, self._timeline.fps, float(self._headings[-1]) if len(self._headings) else None
        )
        # As in training: a frame was seen, or it was made up while it was not.
        trust = 1.0 if frame.status is LeaderStatus.TRACKED else 0.0
        self._joints = np.concatenate([self._joints, joints.astype(np.float32)])[-self._keep :]
        self._headings = np.concatenate([self._headings, headings])[-self._keep :]
        self._confidence = np.concatenate([self._confidence, np.full(len(joints), trust, np.float32)])[-self._keep :]
