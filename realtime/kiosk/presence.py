"""Whether somebody came to dance, by what a camera saw so far: a pure function, so that it can be thought through.

::

    ATTRACT --somebody stays--> WELCOME --the partner has come to rest--> DANCE --nobody for a while--> FAREWELL
     ^ |  ^                       |  ^ gone again                                 or it lasted long enough    |
     | |  +-----------------------+--|------------------------------------------------------------------------+
     | v                             |
    INTERLUDE --somebody stays-------+

While nobody comes the ghost's dance ends and begins anew: in the interlude the partner rests, and nobody is thanked.

Pose models see people in coats and lose people who turn: what lasts no longer than ``BLINK_S`` is not believed, either
way. A time that nobody looked at (a machine that slept) counts for nobody's staying.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

BLINK_S = 0.4
"""What is seen, or not seen, for a shorter while changes nothing."""
UNSEEN_S = 1.0
"""Between two looks; after a longer pause, staying begins anew."""


class Scene(StrEnum):
    """What the exhibit does."""

    ATTRACT = "attract"
    WELCOME = "welcome"
    DANCE = "dance"
    FAREWELL = "farewell"
    INTERLUDE = "interlude"


@dataclass(frozen=True)
class Rules:
    """How long things last, in seconds."""

    enter_s: float = 1.5
    """Somebody stays so long before the partner turns to them."""
    leave_s: float = 4.0
    """Nobody is there for so long before the dance is over."""
    welcome_s: float = 2.0
    """The partner comes to rest in this time, and waits for the visitor."""
    farewell_s: float = 3.0
    """The partner comes to rest in this time, and everything is forgotten; so long an interlude lasts, too."""
    attract_s: float = 45.0
    """The ghost leads so long before it begins anew."""
    longest_s: float = 600.0
    """The longest dance: others wait."""


@dataclass(frozen=True)
class Presence:
    """What is the case, and since when. Never changed, only replaced."""

    scene: Scene = Scene.ATTRACT
    since_s: float = 0.0
    at_s: float = 0.0
    """Of the newest look."""
    there_s: float | None = None
    """Somebody has been there since; None while nobody is."""
    away_s: float | None = None
    """Nobody has been there since; None while somebody is."""
    visits: int = 0
    """Dances that began."""

    @property
    def is_there(self) -> bool:
        """Whether somebody is believed to be there."""
        return self.there_s is not None


def advance(was: Presence, time_s: float, is_seen: bool, rules: Rules) -> Presence:
    """What is the case after a look at ``time_s``, which showed somebody on the stage or did not."""
    now = _looked(was, max(time_s, was.at_s), is_seen)
    lasted_s = now.at_s - now.since_s
    stays_s = 0.0 if now.there_s is None else now.at_s - now.there_s
    gone_s = 0.0 if now.away_s is None else now.at_s - now.away_s
    match now.scene:
        case Scene.ATTRACT | Scene.INTERLUDE if stays_s >= rules.enter_s and is_seen:
            return _turned(now, Scene.WELCOME)
        case Scene.ATTRACT if lasted_s >= rules.attract_s:
            return _turned(now, Scene.INTERLUDE)
        case Scene.WELCOME if lasted_s >= rules.welcome_s:
            return _turned(now, Scene.DANCE if now.is_there else Scene.ATTRACT)
        case Scene.DANCE if gone_s >= rules.leave_s or lasted_s >= rules.longest_s:
            return _turned(now, Scene.FAREWELL)
        case Scene.FAREWELL | Scene.INTERLUDE if lasted_s >= rules.farewell_s:
            return _turned(now, Scene.ATTRACT)
    return now


def _looked(was: Presence, time_s: float, is_seen: bool) -> Presence:
    """The same scene, with what the look showed."""
    there_s, away_s = was.there_s, was.away_s
    if time_s - was.at_s > UNSEEN_S:
        there_s = None if there_s is None else time_s
    if is_seen:
        there_s = time_s if there_s is None else there_s
        # Who is there again for a blink may be a mistake; after it they are back.
        away_s = away_s if time_s - there_s < BLINK_S else None
    else:
        away_s = time_s if away_s is None else away_s
        there_s = None if time_s - away_s >= BLINK_S else there_s
    return replace(was, at_s=time_s, there_s=there_s, away_s=away_s)


def _turned(now: Presence, scene: Scene) -> Presence:
    visits = now.visits + (scene is Scene.DANCE)
    return replace(now, scene=scene, since_s=now.at_s, visits=visits)
