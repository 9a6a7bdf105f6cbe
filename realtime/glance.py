"""What the window may see of the dance at any moment."""

from dataclasses import dataclass

from duet.frames import LeaderFrame, MusicFrame
from realtime.law import Pace


@dataclass
class Glance:
    """The newest values for the drawing thread; every field is replaced whole, by the conductor's thread."""

    leader: LeaderFrame | None = None
    music: MusicFrame | None = None
    tick_ms: float = 0.0
    ticks: int = 0
    late_ticks: int = 0
    pace: Pace = Pace()
    follower: str = ""
    """Name of the one who dances."""
    begins: int = 0
    """How often the follower was asked to begin anew, with all that is wished as at first."""
