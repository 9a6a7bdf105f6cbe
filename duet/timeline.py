"""Frames, tokens and seconds, and the arithmetic of commit, plan and delay."""

import math
from dataclasses import dataclass

from duet.errors import InputError


@dataclass(frozen=True)
class Timeline:
    """A grid of frames at ``fps``, grouped into tokens of ``token_frames``.

    Frame ``i`` is shown at ``i / fps`` seconds; token ``k`` covers frames ``k * token_frames``
    up to (not including) ``(k + 1) * token_frames``.
    """

    fps: float
    token_frames: int

    @property
    def frame_s(self) -> float:
        """Seconds from one frame to the next."""
        return 1.0 / self.fps

    @property
    def token_s(self) -> float:
        """Seconds from one token to the next."""
        return self.token_frames / self.fps

    def frame_at(self, time_s: float) -> int:
        """Index of the newest frame that is not later than ``time_s``."""
        return math.floor(time_s * self.fps + 1e-6)

    def time_of_frame(self, frame: int) -> float:
        """Seconds at which ``frame`` is shown."""
        return frame / self.fps

    def token_of_frame(self, frame: int) -> int:
        """Index of the token that covers ``frame``."""
        return frame // self.token_frames

    def first_frame(self, token: int) -> int:
        """First frame of ``token``."""
        return token * self.token_frames

    def delay_frames(self, latency_s: float) -> int:
        """``d = ceil(latency * fps)``: frames that pass while a tick is computed."""
        return math.ceil(latency_s * self.fps - 1e-9)


def check_law(*, plan_frames: int, commit_frames: int, delay_frames: int) -> None:
    """Raise InputError unless ``d <= s <= H - d`` (real-time chunking, arXiv 2506.07339).

    With plan length H, commit s and delay d in frames: a tick must be done before its commit is
    used up, and the plan must outlast the next tick.
    """
    if not delay_frames <= commit_frames <= plan_frames - delay_frames:
        raise InputError(
            f"Timeline: expected d <= s <= H - d, got delay d={delay_frames}, commit s={commit_frames}, "
            f"plan H={plan_frames} frames. Use a smaller follower or a faster machine, "
            "or close what else runs on this one."
        )
