"""A leader frame as a record of plain numbers, on its way from one process to another."""

import numpy as np
from numpy.typing import NDArray

from duet.frames import LeaderFrame, LeaderStatus
from duet.skeleton import BODY
from realtime.rings import Record

_STATUSES = tuple(LeaderStatus)
_J = len(BODY)
FRAME_WIDTH = 1 + 3 + _J * (3 + 6 + 1)


def values_of_frame(frame: LeaderFrame) -> NDArray[np.float32]:
    """A frame as a record (FRAME_WIDTH,); its index and stamp are the record's."""
    return np.concatenate(
        [
            np.array([_STATUSES.index(frame.status)], dtype=np.float32),
            frame.root_m,
            frame.joints_m.ravel(),
            frame.rotations_6d.ravel(),
            frame.visibility,
        ]
    )


def frame_of_record(record: Record) -> LeaderFrame:
    """The frame that ``values_of_frame`` wrote."""
    values = record.values
    joints_end, rotations_end = 4 + 3 * _J, 4 + 9 * _J
    return LeaderFrame(
        index=record.index,
        time_s=record.stamp_s,
        root_m=values[1:4],
        joints_m=values[4:joints_end].reshape(_J, 3),
        rotations_6d=values[joints_end:rotations_end].reshape(_J, 6),
        visibility=values[rotations_end:],
        status=_STATUSES[int(values[0])],
    )
