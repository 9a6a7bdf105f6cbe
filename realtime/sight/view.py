"""Which part of a camera's picture is looked at, and which way up: portrait cameras, mirrored ones, a region."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.rotations import Array

TURNS_DEG = (0, 90, 180, 270)
_LEAST = 0.05
Region = tuple[float, float, float, float]


@dataclass(frozen=True)
class View:
    """What is done to a picture before the pose model sees it, in this order: turned, mirrored, cut out."""

    turn_deg: int = 0
    """Clockwise, a quarter turn at a time: for a camera that hangs on its side."""
    mirror: bool = False
    """Undoes a camera that delivers its picture as a mirror shows it."""
    region: Region | None = None
    """(x, y, width, height) as shares of the picture that is upright by then; None: all of it."""

    def __post_init__(self) -> None:
        if self.turn_deg not in TURNS_DEG:
            raise InputError(f"Turn: expected 0, 90, 180 or 270 degrees clockwise, got {self.turn_deg}.")
        if self.region is not None:
            x, y, width, height = self.region
            inside = min(x, y) >= 0.0 and x + width <= 1.0 + 1e-9 and y + height <= 1.0 + 1e-9
            if not (np.isfinite(self.region).all() and inside and min(width, height) >= _LEAST):
                raise InputError(
                    f"Region: expected x,y,width,height within 0 and 1, at least {_LEAST:g} wide and high, "
                    f"got {','.join(f'{v:g}' for v in self.region)}. Give shares of the picture: 0.25,0,0.5,1."
                )

    def upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The whole picture (H, W, 3), turned and mirrored."""
        turned = np.rot90(picture, -(self.turn_deg // 90)) if self.turn_deg else picture
        return turned[:, ::-1] if self.mirror else turned

    def looked_at(self, upright: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The region of an upright picture, contiguous, as the pose model wants it."""
        x0, y0, x1, y1 = self._pixels((upright.shape[1], upright.shape[0]))
        return np.ascontiguousarray(upright[y0:y1, x0:x1])

    def in_whole(self, image: Array, size_px: tuple[int, int]) -> Array:
        """Points (N, 2) in the region, 0..1, as points of the upright picture of ``size_px``: the lens belongs to
        the whole picture, so that a region does not move who stands in it."""
        x0, y0, x1, y1 = self._pixels(size_px)
        return (np.array([x0, y0]) + image * np.array([x1 - x0, y1 - y0])) / np.array(size_px)

    def _pixels(self, size_px: tuple[int, int]) -> tuple[int, int, int, int]:
        """The region's (left, top, right, bottom)."""
        x, y, width, height = self.region or (0.0, 0.0, 1.0, 1.0)
        across, down = size_px
        left, top = int(x * across), int(y * down)
        return left, top, max(left + 1, round((x + width) * across)), max(top + 1, round((y + height) * down))


def region_of(text: str) -> Region:
    """``x,y,w,h`` as four numbers; InputError for anything else."""
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"Region: expected x,y,width,height such as 0.25,0,0.5,1, got {text!r}.") from error
    return x, y, width, height
