"""What the camera sees, small, with what the pose model found in it: for somebody who sets the stage up.

A sight travels from the tracking process through the same lock-free cells as everything else, its picture's bytes as
they are; nothing is written to a disk.
"""

import contextlib
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from duet.frames import LeaderStatus
from realtime.rings import Floats, LatestCell, Record
from realtime.sight.landmarks import COUNT, Landmarks

SIDE_PX = 256
"""Of the picture's longer side."""
INTERVAL_S = 1.0 / 16.0
_HEAD = 5
_POINTS = 3 * COUNT
_WIDTH = _HEAD + _POINTS + SIDE_PX * SIDE_PX * 3 // 4
_STATUSES = tuple(LeaderStatus)
_FPS_EASE = 0.1


@dataclass(frozen=True)
class Sight:
    """One picture and what was found in it."""

    time_s: float
    """Of the picture, as the leader's frames."""
    picture: NDArray[np.uint8]
    """(H, W, 3) RGB, upright, the longer side ``SIDE_PX``."""
    points: NDArray[np.float32] | None
    """(33, 3) of the leader: x to the right and y down, both 0..1, and visibility; None when nobody was found."""
    status: LeaderStatus
    fps: float
    """Pictures a second that were looked at."""

    @classmethod
    def of(
        cls, upright: NDArray[np.uint8], landmarks: Landmarks | None, status: LeaderStatus, time_s: float, fps: float
    ) -> Self:
        """Of a whole upright picture (H, W, 3) of any size."""
        height, width = upright.shape[:2]
        scale = SIDE_PX / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = np.asarray(cv2.resize(upright, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        points = None
        if landmarks is not None:
            points = np.column_stack([landmarks.image, landmarks.visibility]).astype(np.float32)
        return cls(time_s, small, points, status, fps)

    def values(self) -> Floats:
        """As a record; its stamp is the record's."""
        height, width = self.picture.shape[:2]
        out = np.zeros(_WIDTH, dtype=np.float32)
        out[:_HEAD] = width, height, _STATUSES.index(self.status), self.fps, self.points is not None
        if self.points is not None:
            out[_HEAD : _HEAD + _POINTS] = self.points.ravel()
        out[_HEAD + _POINTS :].view(np.uint8)[: self.picture.size] = self.picture.ravel()
        return out

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """From a record."""
        width, height, status, fps, found = (float(v) for v in record.values[:_HEAD])
        points = record.values[_HEAD : _HEAD + _POINTS].reshape(COUNT, 3) if found else None
        size = int(width) * int(height) * 3
        pixels = record.values[_HEAD + _POINTS :].view(np.uint8)[:size].reshape(int(height), int(width), 3)
        return cls(record.stamp_s, pixels, points, _STATUSES[int(status)], fps)


def preview_cell() -> LatestCell:
    """New shared memory for sights, owned by the caller."""
    return LatestCell.create(width=_WIDTH)


class SightCell:
    """Reads sights in another process, from a cell that may be exchanged for another one's, by name."""

    def __init__(self, name: str | None) -> None:
        self._name = ""
        self._cell: LatestCell | None = None
        self._take_up(name or "")

    def latest(self, name: str) -> Record | None:
        """The newest sight of the cell that is called so, empty: of the one before. None where there is none."""
        self._take_up(name)
        return None if self._cell is None else self._cell.latest()

    def _take_up(self, name: str) -> None:
        if name and name != self._name:
            self.close()
            self._name = name
            with contextlib.suppress(FileNotFoundError):  # gone already: another one's name is on its way
                self._cell = LatestCell.attach(name)

    def close(self) -> None:
        """Let go of it. Safe to call again."""
        if self._cell is not None:
            self._cell.close()
        self._cell = None


class PreviewWriter:
    """The tracking process's side: a sight now and then, so that showing it costs tracking little."""

    def __init__(self, cell: LatestCell) -> None:
        self._cell = cell
        self._last_s = -np.inf
        self._written_s = -np.inf
        self._interval_s = 0.0

    def show(
        self, upright: NDArray[np.uint8], landmarks: Landmarks | None, status: LeaderStatus, time_s: float
    ) -> None:
        """A picture (H, W, 3) that was looked at; passed over when the last one shown is fresh."""
        elapsed_s = time_s - self._last_s
        if np.isfinite(elapsed_s) and elapsed_s > 0.0:
            self._interval_s += (_FPS_EASE if self._interval_s else 1.0) * (elapsed_s - self._interval_s)
        self._last_s = time_s
        if time_s - self._written_s < INTERVAL_S:
            return
        self._written_s = time_s
        fps = 1.0 / self._interval_s if self._interval_s > 0.0 else 0.0
        self._cell.write(time_s, Sight.of(upright, landmarks, status, time_s, fps).values())
