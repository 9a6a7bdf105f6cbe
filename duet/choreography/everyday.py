"""Leads that are not salsa: standing, walking, waving, turning away, leaving and returning, crouching, swaying."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from duet.choreography.curves import keyed, smooth
from duet.choreography.score import Gesture
from duet.choreography.style import DancerStyle
from duet.errors import InputError
from duet.rotations import Array, wrap_angle

STROLL_M_S = (0.45, 1.05)
_FLOOR_M = 1.5
"""The leader stays this near the middle of the floor, but for leaving."""


@dataclass
class Lead:
    """What the leader does, as wishes over time; the feet follow."""

    keys_s: list[float]
    places_m: list[Array]
    """(2,) where the body is at each key."""
    yaws_rad: list[float]
    """Where it faces, unwrapped."""
    sinks: list[tuple[float, float]] = field(default_factory=list)
    """(seconds, metres): how deep it crouches."""
    gestures: list[Gesture] = field(default_factory=list)
    offers_s: list[tuple[float, float]] = field(default_factory=list)
    """When the left hand is held out to be taken."""
    sways_s: list[tuple[float, float]] = field(default_factory=list)
    """When it steps from side to side with the beat."""
    away_s: list[tuple[float, float]] = field(default_factory=list)
    """When it has begun to leave, and a partner does not know yet."""
    acts: list[tuple[str, float]] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        """The end of what has been planned."""
        return self.keys_s[-1]

    def go(self, seconds: float, place: Array | None = None, yaw_rad: float | None = None) -> None:
        """During ``seconds`` move on to ``place`` (2,) and turn to ``yaw_rad``, by the short way."""
        last = self.yaws_rad[-1]
        self.keys_s.append(self.now_s + seconds)
        self.places_m.append(self.places_m[-1] if place is None else place)
        self.yaws_rad.append(last if yaw_rad is None else last + float(wrap_angle(yaw_rad - last)))

    def path(self, times_s: Array, fps: float) -> tuple[Array, Array]:
        """Place (T, 2) and heading (T,), smooth."""
        sigma = 0.22 * fps
        return smooth(keyed(self.keys_s, self.places_m, times_s), sigma), smooth(
            keyed(self.keys_s, self.yaws_rad, times_s), sigma
        )

    def within(self, spans_s: list[tuple[float, float]], times_s: Array) -> Array:
        """(T,) bool: whether each time lies in one of the spans."""
        inside = np.zeros(len(times_s), dtype=bool)
        for start, stop in spans_s:
            inside |= (times_s >= start) & (times_s < stop)
        return inside


def draw_everyday_style(rng: np.random.Generator) -> DancerStyle:
    """Somebody who walks and stands: arms hang, hips are quiet."""
    return DancerStyle(
        step_m=float(rng.uniform(0.2, 0.35)), stance_m=float(rng.uniform(0.16, 0.26)),
        turnout_rad=float(rng.uniform(0.05, 0.25)), crouch_m=float(rng.uniform(0.0, 0.03)), bounce_m=0.0,
        hip_roll_rad=float(rng.uniform(0.02, 0.07)), hip_yaw_rad=float(rng.uniform(0.0, 0.08)),
        counter=float(rng.uniform(0.8, 1.2)), lean_rad=float(rng.normal(0.03, 0.03)),
        commit=float(rng.uniform(0.62, 0.75)), lift_m=float(rng.uniform(0.03, 0.06)),
        heel_rad=float(rng.uniform(0.4, 0.8)), swing_s=float(rng.uniform(0.36, 0.5)),
        arm_height_m=float(rng.uniform(-0.46, -0.34)), arm_reach_m=float(rng.uniform(0.03, 0.12)),
        arm_spread_m=float(rng.uniform(0.05, 0.12)), arm_swing_m=float(rng.uniform(0.05, 0.16)),
        elbow_out=float(rng.uniform(0.1, 0.4)), gaze=float(rng.uniform(0.2, 0.9)), noise=float(rng.uniform(0.7, 1.8)),
    )  # fmt: skip


def draw_lead(seconds: float, rng: np.random.Generator, acts: Sequence[str] = ()) -> Lead:
    """Acts at random until ``seconds`` are full; with ``acts`` (names of ``ACTS``), these in turn, again and again.

    The leader begins in the middle, facing the front. Raises InputError for an act nobody knows.
    """
    lead = Lead([-2.0, 0.0], [np.zeros(2)] * 2, [0.0, 0.0])
    if unknown := [name for name in acts if name not in _MAKERS]:
        raise InputError(f"accompany: expected acts out of {', '.join(ACTS)}, got {unknown[0]!r}. Choose among them.")
    weights = np.array([weight for _, weight in _MAKERS.values()])
    while lead.now_s < seconds:
        # Asked for or drawn: only a draw uses up chance.
        name = acts[len(lead.acts) % len(acts)] if acts else ACTS[rng.choice(len(ACTS), p=weights / weights.sum())]
        lead.acts.append((name, lead.now_s))
        _MAKERS[name][0](lead, rng)
    return lead


def _stand(lead: Lead, rng: np.random.Generator) -> None:
    lead.go(rng.uniform(1.5, 4.0), yaw_rad=lead.yaws_rad[-1] + rng.normal(0.0, 0.15))


def _stroll(lead: Lead, place: Array, rng: np.random.Generator, *, backwards: bool = False) -> None:
    """Turn to where the way leads and walk there, or go there without turning."""
    way = place - lead.places_m[-1]
    far, speed = float(np.hypot(*way)), rng.uniform(*STROLL_M_S)
    if not backwards:
        ahead = float(np.arctan2(way[0], way[1]))
        turn_s = 0.25 + abs(float(wrap_angle(ahead - lead.yaws_rad[-1]))) / 2.5
        lead.go(turn_s, place=lead.places_m[-1] + 0.15 * way, yaw_rad=ahead)
    lead.go(max(0.6, far / (speed * (0.6 if backwards else 1.0))), place=place)


def _walk(lead: Lead, rng: np.random.Generator) -> None:
    place = lead.places_m[-1]
    while np.hypot(*(place - lead.places_m[-1])) < 0.5:
        place = rng.uniform(-_FLOOR_M, _FLOOR_M, size=2)
    near = place if rng.random() < 0.6 else lead.places_m[-1] + 0.45 * (place - lead.places_m[-1])
    _stroll(lead, near, rng, backwards=rng.random() < 0.4)
    if rng.random() < 0.5:
        lead.go(rng.uniform(0.7, 1.2), yaw_rad=rng.normal(0.0, 0.4))
    lead.go(rng.uniform(0.2, 1.0))


def _turn_away(lead: Lead, rng: np.random.Generator) -> None:
    back, turn = lead.yaws_rad[-1], rng.choice([-1.0, 1.0]) * rng.uniform(1.4, 3.0)
    lead.go(abs(turn) / rng.uniform(1.5, 3.0), yaw_rad=back + turn)
    lead.go(rng.uniform(1.0, 3.5))
    lead.go(abs(turn) / rng.uniform(1.5, 3.0), yaw_rad=back)


def _wave(lead: Lead, rng: np.random.Generator) -> None:
    _gesture(lead, "wave", rng, seconds=rng.uniform(1.5, 3.0))


def _raise(lead: Lead, rng: np.random.Generator) -> None:
    _gesture(lead, "raise", rng, seconds=rng.uniform(1.5, 2.5))


def _gesture(lead: Lead, kind: str, rng: np.random.Generator, *, seconds: float) -> None:
    """A hand of the leader's, answered by the partner's on the same side of the picture a little later."""
    side = ("left", "right")[rng.integers(2)]
    other = "right" if side == "left" else "left"
    start, wait = lead.now_s, rng.uniform(0.3, 0.6)
    lead.gestures.append(Gesture(0, side, kind, start, start + seconds))
    lead.gestures.append(Gesture(1, other, kind, start + wait, start + seconds + wait))
    lead.go(seconds + 0.3)


def _offer(lead: Lead, rng: np.random.Generator) -> None:
    seconds = rng.uniform(2.0, 4.0)
    lead.gestures.append(Gesture(0, "left", "offer", lead.now_s, lead.now_s + seconds))
    lead.offers_s.append((lead.now_s + 0.5, lead.now_s + seconds - 0.3))
    lead.go(seconds)


def _crouch(lead: Lead, rng: np.random.Generator) -> None:
    start, depth, hold = lead.now_s, rng.uniform(0.10, 0.34), rng.uniform(0.5, 2.0)
    lead.sinks += [(start, 0.0), (start + 0.9, depth), (start + 0.9 + hold, depth), (start + 1.8 + hold, 0.0)]
    lead.go(2.1 + hold)


def _leave(lead: Lead, rng: np.random.Generator) -> None:
    home, angle = lead.places_m[-1], lead.yaws_rad[-1] + np.pi + rng.uniform(-1.2, 1.2)
    far = home + rng.uniform(1.8, 3.0) * np.array([np.sin(angle), np.cos(angle)])
    lead.away_s.append((lead.now_s + 0.2, lead.now_s + rng.uniform(0.7, 1.4)))
    _stroll(lead, far, rng)
    lead.go(rng.uniform(0.5, 2.0))
    _stroll(lead, home + rng.normal(0.0, 0.15, size=2), rng)


def _sway(lead: Lead, rng: np.random.Generator) -> None:
    start = lead.now_s
    lead.go(rng.uniform(3.0, 6.0), yaw_rad=lead.yaws_rad[-1] + rng.normal(0.0, 0.2))
    lead.sways_s.append((start, lead.now_s))


_MAKERS = {
    "stand": (_stand, 1.6), "walk": (_walk, 3.0), "turn away": (_turn_away, 1.0), "wave": (_wave, 1.0),
    "raise a hand": (_raise, 1.0), "offer a hand": (_offer, 1.0), "crouch": (_crouch, 0.8),
    "leave and return": (_leave, 0.8), "sway": (_sway, 1.6),
}  # fmt: skip
"""What makes each act, and how often it is drawn."""
ACTS = tuple(_MAKERS)
"""What a leader can do beside dancing."""
