"""A take as a follower is shown it: the leader as tracked, the music as heard."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from duet.features import Placement, Standing

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Take:
    """What a follower is shown: a leader as measured, frame by frame, and the music as heard."""

    name: str
    joints_m: Floats
    """(T, 22, 3) in the world."""
    conditions: Floats
    """(T, 8) music conditions."""
    fps: float
    confidence: Floats | None = None
    """(T,), 1 unless given."""
    style: int = 0
    wish: Placement = field(default_factory=Placement)
    entrance: Standing | None = None
    """Where the follower begins; the wished place unless given."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.joints_m)

    @property
    def sure(self) -> Floats:
        """(T,) the confidence, 1 where none was given."""
        return np.ones(self.frames, np.float32) if self.confidence is None else self.confidence

    def slice(self, start: int, stop: int, entrance: Standing | None = None) -> "Take":
        """Frames ``start`` up to, not including, ``stop``, entered at ``entrance``."""
        sure = None if self.confidence is None else self.confidence[start:stop]
        return replace(
            self,
            joints_m=self.joints_m[start:stop],
            conditions=self.conditions[start:stop],
            confidence=sure,
            entrance=entrance,
        )
