"""The leader of an exhibit: a ghost while nobody is there, a visitor while one dances, and between them nobody.

Whoever follows next finds nothing of whoever came before: between two leaders the partner comes to rest, and is asked
to ``Begin`` anew (memory, place, style, what is drawn at random). What a hand stopped (panic) stays stopped. The
visitor's bones are the tracker's to forget, as soon as somebody has been gone for as long as ends a dance.

A camera that raises sees nobody: the ghost dances on, and the words change as they do for somebody who left.

Threading: ``take_new`` belongs to the conductor's thread; ``shown``, ``presence`` and ``stop`` to any.
"""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from duet.clock import MonotonicClock
from duet.frames import LeaderFrame, LeaderStatus
from realtime.commands import Begin, Command, Rest
from realtime.health import Health
from realtime.kiosk.ghost import Ghost
from realtime.kiosk.presence import Presence, Rules, Scene, advance
from realtime.told import Told, said_of

LOG = logging.getLogger("duet.kiosk")
BLIND_S = 0.6
"""Without a frame for so long the camera sees nobody."""
_REST_SHARE = 0.8
"""Of the time between two leaders: the way to rest. The remainder is stillness."""


class Visitor(Protocol):
    """Whoever is before the camera."""

    def start(self, clock: MonotonicClock, begin_s: float) -> None: ...
    def take_new(self, until_s: float) -> Sequence[LeaderFrame]: ...
    def shown(self, time_s: float) -> LeaderFrame | None: ...
    def stop(self) -> None: ...


class Visits:
    """A leader source that turns from ghost to visitor and back, by ``Presence``."""

    def __init__(
        self,
        visitor: Visitor,
        ghost: Ghost,
        rules: Rules,
        ask: Callable[[Command], None],
        health: Health,
        *,
        zone_m: float = math.inf,
        seed: int = 0,
        told: Callable[[Presence], None] = lambda _: None,
    ) -> None:
        """``ask`` hands commands to the follower, ``told`` is called at each change of scene; ``zone_m``: who is
        further from the middle of the stage only passes by. The n-th dance is drawn by ``seed`` + n. Looks at a
        visitor that raised are counted in ``health``."""
        self._visitor, self._ghost, self._rules, self._ask, self._told = visitor, ghost, rules, ask, told
        self._zone_m, self._seed = zone_m, seed
        self._failed = Told(health, "leader_failures", LOG.warning)
        self.presence = Presence()
        """What is the case; replaced whole."""
        self._seen_s = -math.inf
        self._leads_from_s = 0.0

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """As the visitor's; the ghost begins."""
        self._visitor.start(clock, begin_s)
        self._ghost.begin(begin_s)
        self.presence = Presence(since_s=begin_s, at_s=begin_s)

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """New frames of whoever leads now; none while nobody does."""
        was = self.presence
        frames = self._visitor_frames(until_s)
        for frame in frames:
            self._seen_s = frame.time_s
            self._look(frame.time_s, self._is_visitor(frame))
        if until_s - self._seen_s > BLIND_S:
            self._look(until_s, False)
        if self.presence.since_s != was.since_s:
            self._turn(until_s)
            return ()
        match self.presence.scene:
            case Scene.ATTRACT:
                return self._ghost.take_new(until_s)
            case Scene.DANCE:
                return [frame for frame in frames if frame.time_s >= self._leads_from_s]
        return ()

    def shown(self, time_s: float) -> LeaderFrame | None:
        """The leader to draw: the ghost, who stands still between two dances, or whoever is there."""
        if self.presence.scene in (Scene.ATTRACT, Scene.INTERLUDE):
            return self._ghost.shown(time_s)
        return self._visitor.shown(time_s)

    def stop(self) -> None:
        """As the visitor's."""
        self._visitor.stop()

    def _visitor_frames(self, until_s: float) -> Sequence[LeaderFrame]:
        """The visitor's new frames; none where the camera raises."""
        try:
            frames, wrong = self._visitor.take_new(until_s), ""
        except Exception as error:  # whatever a device raises: the show goes on, and says so
            frames, wrong = (), said_of("leader", error)
        self._failed.see(wrong)
        return frames

    def _is_visitor(self, frame: LeaderFrame) -> bool:
        away_m = math.hypot(float(frame.root_m[0]), float(frame.root_m[2]))
        return frame.status is LeaderStatus.TRACKED and away_m <= self._zone_m

    def _look(self, time_s: float, is_seen: bool) -> None:
        before = self.presence
        self.presence = advance(before, time_s, is_seen, self._rules)
        if self.presence.scene is not before.scene:
            self._told(self.presence)

    def _turn(self, now_s: float) -> None:
        """Ask the follower for what the new scene needs. Frames of its leader come with the next tick, after that."""
        rules = self._rules
        match self.presence.scene:
            case Scene.WELCOME:
                self._ask(Rest(_REST_SHARE * rules.welcome_s))
            case Scene.FAREWELL | Scene.INTERLUDE:
                self._ask(Rest(_REST_SHARE * rules.farewell_s))
            case Scene.DANCE:
                self._leads_from_s = now_s
                self._ask(Begin(self._seed + self.presence.visits))
            case Scene.ATTRACT:
                self._ghost.begin(now_s)
                self._ask(Begin(self._seed))
