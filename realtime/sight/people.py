"""Several people in view, one leader: chosen once, then followed.

Who is chosen first is the nearest, the middle of the picture counting too. From then on that person is recognised by
where the trunk is and how large, as it moved last; others do not take over, however near they come, until the leader
has been gone for a while, or has stood aside for as long while somebody stood where one dances: who waits for their
turn, or looks after the room, keeps nobody from dancing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from duet.rotations import Array
from realtime.sight.landmarks import HIPS, SHOULDERS, Landmarks

GONE_S = 1.5
"""The leader not seen for so long: somebody else may lead."""
_MIDDLE_SHARE = 0.6
# How far a trunk may be from where it is expected, in trunk lengths, and how much it may change in size.
_REACH, _REACH_PER_S, _SIZE = 0.6, 2.5, 0.5
_EASE = 0.5
_MAX_PER_S = 4.0
_TRUNK = list(SHOULDERS + HIPS)


@dataclass(frozen=True)
class _Trunk:
    """Where somebody is in the picture, in pixels."""

    centre_px: Array
    length_px: float

    @classmethod
    def of(cls, person: Landmarks) -> "_Trunk":
        points = person.image * np.array(person.size_px)
        up = points[list(SHOULDERS)].mean(axis=0) - points[list(HIPS)].mean(axis=0)
        # Somebody who turns sideways has narrow shoulders, but no shorter trunk.
        across = np.ptp(points[_TRUNK], axis=0).max()
        return cls(points[_TRUNK].mean(axis=0), max(float(np.linalg.norm(up)), 0.5 * float(across), 1.0))


class Chooser:
    """Picks the leader among those in view, picture by picture. Owned by one thread."""

    def __init__(self) -> None:
        self.is_aside: Callable[[Landmarks], bool] = lambda _: False
        """Whether somebody stands where nobody dances."""
        self.is_another = False
        """Whether the leader of the last picture is another one than that of the picture before."""
        self._leader: _Trunk | None = None
        self._velocity = np.zeros(2)
        self._seen_s = -np.inf
        self._aside_s: float | None = None
        """Since when the leader has stood aside; None while they do not."""

    def step(self, people: Sequence[Landmarks], time_s: float) -> Landmarks | None:
        """The leader among ``people`` (any order); None while the leader is not among them."""
        people = [p for p in people if np.isfinite(p.image).all() and np.isfinite(p.world_m).all()]
        self.is_another = False
        elapsed_s = time_s - self._seen_s
        if self._leader is None or elapsed_s > GONE_S:
            return self._choose([p for p in people if not self.is_aside(p)] or people, time_s) if people else None
        found = [(self._strangeness(_Trunk.of(p), elapsed_s), i) for i, p in enumerate(people)]
        strangeness, index = min(found, default=(np.inf, -1))
        if strangeness > 1.0:
            return None
        if others := self._others(people, index, time_s):
            self.is_another = True
            return self._choose(others, time_s)
        trunk = _Trunk.of(people[index])
        if elapsed_s > 0.0:
            speed = (trunk.centre_px - self._leader.centre_px) / elapsed_s
            self._velocity = self._velocity + _EASE * (speed - self._velocity)
        length = self._leader.length_px + _EASE * (trunk.length_px - self._leader.length_px)
        self._leader, self._seen_s = _Trunk(trunk.centre_px, length), time_s
        return people[index]

    def _others(self, people: Sequence[Landmarks], leader: int, time_s: float) -> list[Landmarks]:
        """Who may lead in the place of a leader who has stood aside for long; nobody while they have not."""
        if not self.is_aside(people[leader]):
            self._aside_s = None
            return []
        self._aside_s = time_s if self._aside_s is None else self._aside_s
        if time_s - self._aside_s <= GONE_S:
            return []
        return [p for i, p in enumerate(people) if i != leader and not self.is_aside(p)]

    def _choose(self, people: Sequence[Landmarks], time_s: float) -> Landmarks:
        chosen = max(people, key=_prominence)
        self._leader, self._velocity = _Trunk.of(chosen), np.zeros(2)
        self._seen_s, self._aside_s = time_s, None
        return chosen

    def _strangeness(self, trunk: _Trunk, elapsed_s: float) -> float:
        """How unlike the leader somebody is: up to 1 it may be the leader."""
        assert self._leader is not None
        length = self._leader.length_px
        ahead_s = min(elapsed_s, 0.3)  # nobody keeps a course for longer
        limit = _MAX_PER_S * length
        expected = self._leader.centre_px + np.clip(self._velocity, -limit, limit) * ahead_s
        far = float(np.linalg.norm(trunk.centre_px - expected)) / length
        grown = abs(float(np.log(trunk.length_px / length)))
        reach = _REACH + _REACH_PER_S * elapsed_s
        return max(far / reach, grown / (_SIZE + elapsed_s)) + 0.2 * grown


def _prominence(person: Landmarks) -> float:
    """How much somebody looks like the one who came to dance: near, and in the middle."""
    trunk = _Trunk.of(person)
    off = abs(float(trunk.centre_px[0]) / person.size_px[0] - 0.5) * 2.0
    return trunk.length_px * (1.0 - _MIDDLE_SHARE * min(off, 1.0))
