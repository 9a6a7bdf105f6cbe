"""Whether a camera's pictures are worth anything: covered lenses and drivers that repeat one picture."""

import zlib

import numpy as np
from numpy.typing import NDArray

DARK_S = 2.0
FROZEN_S = 3.0
_DARK_LEVEL = 24
"""Of 255: black in a compressed picture is 16, the darkest stage with a body in it is brighter somewhere."""
_STEP_PX = 8


class PictureWatch:
    """Looks at every picture's sample points; one writer."""

    def __init__(self) -> None:
        self._bright_s: float | None = None
        self._changed_s: float | None = None
        self._was_frozen = False
        self._print = 0
        self._now_s = 0.0

    def see(self, picture: NDArray[np.uint8], arrival_s: float) -> None:
        """One more picture."""
        points = picture[::_STEP_PX, ::_STEP_PX]
        fingerprint = zlib.crc32(points.tobytes())
        if self._changed_s is None or fingerprint != self._print:
            self._was_frozen &= fingerprint == self._print
            self._changed_s, self._print = arrival_s, fingerprint
        if self._bright_s is None or int(points.max()) > _DARK_LEVEL:
            self._bright_s = arrival_s
        self._now_s = arrival_s

    def again(self) -> None:
        """The source was opened again: it is given the same time anew, unless it goes on with the very picture that it
        repeated before."""
        self._was_frozen = self.is_frozen
        self._bright_s = self._changed_s = None

    @property
    def is_dark(self) -> bool:
        """Whether all has been black for a while."""
        return self._bright_s is not None and self._now_s - self._bright_s > DARK_S

    @property
    def is_frozen(self) -> bool:
        """Whether the very same picture has come for a while: a sensor's noise alone makes each different."""
        if self._changed_s is None:
            return False
        return self._was_frozen or self._now_s - self._changed_s > FROZEN_S
