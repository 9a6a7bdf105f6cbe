"""What the process that dances and the one that draws have in common: cells and rings of plain numbers.

One writer each. From the dance: the follower's line (the conductor's thread), the leader and the panel's facts (the
thread that looks after the show). From the picture: keys, a sign of life, and what each picture cost.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime.channels import Channels
from realtime.pose_line import LINE_WIDTH
from realtime.rings import HistoryCell, LatestCell, SpscRing, VaryingCell
from realtime.sight.leader_record import FRAME_WIDTH
from ui.panel.facts import FACTS_WIDTH

LEADER_FRAMES = 8
_KEYS_KEPT, _TIMES_KEPT = 256, 4096
_KEY = np.dtype("S32")


class Drawn(NamedTuple):
    """What one picture cost, and how old its leader was."""

    draw_ms: float
    encode_ms: float
    """NaN where no film is written."""
    lag_ms: float
    """NaN before the first tick."""
    gap_ms: float
    """Since the picture before it was there; NaN for the first."""


@dataclass(frozen=True)
class PictureChannels(Channels):
    """The shared memory. The dance creates it and keeps it for every picture process that follows."""

    line: VaryingCell
    """``PoseLine.values``, stamped with session time 0: it holds its own times."""
    leader: HistoryCell
    """``values_of_frame``, stamped with the frame's session time."""
    facts: LatestCell
    """``Facts.values``, stamped with session time."""
    keys: SpscRing
    """``record_of_key``, stamped with the machine's clock."""
    heart: LatestCell
    """Pictures drawn so far, stamped with the machine's clock."""
    times: SpscRing
    """``Drawn``, stamped with session time."""

    @classmethod
    def create(cls) -> "PictureChannels":
        """New memory, owned by the caller."""
        return cls(
            VaryingCell.create(width=LINE_WIDTH),
            HistoryCell.create(width=FRAME_WIDTH, capacity=LEADER_FRAMES),
            LatestCell.create(width=FACTS_WIDTH),
            SpscRing.create(width=_KEY.itemsize // 4, capacity=_KEYS_KEPT),
            LatestCell.create(width=1),
            SpscRing.create(width=len(Drawn._fields), capacity=_TIMES_KEPT),
        )


def record_of_key(name: str) -> NDArray[np.float32]:
    """A key's plain name, which is short."""
    return np.array([name.encode()], _KEY).view(np.float32)


def key_of_record(values: NDArray[np.float32]) -> str:
    """From a record."""
    return bytes(values.view(_KEY)[0]).decode(errors="replace")
