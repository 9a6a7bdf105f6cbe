"""Who leads while nobody is there: a built-in leader who dances a piece, again and again."""

from collections.abc import Sequence
from dataclasses import replace

from duet.choreography import compose
from duet.frames import LeaderFrame
from realtime.sight.leader_take import LEADER_FPS, TakeLeader


class Ghost:
    """Leads from ``begin`` on, for ``seconds``, and then stands still.

    Owned by the conductor's thread, save ``shown``.
    """

    def __init__(self, seconds: float, tempo_bpm: float, seed: int = 0) -> None:
        self._take = TakeLeader(compose("salsa", seconds, tempo_bpm, seed, fps=LEADER_FPS).leader, LEADER_FPS)
        self._last = round(self._take.seconds * LEADER_FPS) - 1
        self._begin_s, self._next = 0.0, 0

    def begin(self, begin_s: float) -> None:
        """Dance the piece, from session time ``begin_s`` on."""
        self._begin_s, self._next = begin_s, 0

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """Frames stamped up to ``until_s`` that were not taken yet, oldest first."""
        last = int((until_s - self._begin_s) * LEADER_FPS + 1e-6)
        frames = [self._frame(index) for index in range(self._next, last + 1)]
        self._next = max(self._next, last + 1)
        return frames

    def shown(self, time_s: float) -> LeaderFrame:
        """The frame nearest to ``time_s``."""
        return self._frame(max(round((time_s - self._begin_s) * LEADER_FPS), 0))

    def _frame(self, index: int) -> LeaderFrame:
        frame = self._take.frame(min(index, self._last))
        return replace(frame, index=index, time_s=self._begin_s + index / LEADER_FPS)
