"""The leader's steps as a second witness of the beat: told to whoever listens to the music, as they are seen."""

from collections.abc import Callable, Sequence
from typing import Protocol

from duet.clock import MonotonicClock
from duet.footfalls import Footfalls
from duet.frames import LeaderFrame


class _Leader(Protocol):
    def start(self, clock: MonotonicClock, begin_s: float) -> None: ...
    def take_new(self, until_s: float) -> Sequence[LeaderFrame]: ...
    def shown(self, time_s: float) -> LeaderFrame | None: ...
    def stop(self) -> None: ...


class WitnessedLeader:
    """A leader whose landings are told to ``tell`` (``MusicEar.witness``) as their frames are taken."""

    def __init__(self, leader: _Leader, tell: Callable[[float], None]) -> None:
        self._leader = leader
        self._tell = tell
        self._footfalls = Footfalls()

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """As the leader's."""
        self._leader.start(clock, begin_s)

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """The leader's new frames, unchanged."""
        frames = self._leader.take_new(until_s)
        for frame in frames:
            for landed_s in self._footfalls.push(frame):
                self._tell(landed_s)
        return frames

    def shown(self, time_s: float) -> LeaderFrame | None:
        """As the leader's."""
        return self._leader.shown(time_s)

    def stop(self) -> None:
        """As the leader's."""
        self._leader.stop()
