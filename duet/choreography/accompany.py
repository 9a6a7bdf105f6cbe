"""A good partner for a lead who does not dance salsa: keeps distance and facing, steps on the beat, answers hands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from duet.choreography.couple import Couple, checked_beats, frame_times, perform, steady_beats
from duet.choreography.curves import smooth
from duet.choreography.everyday import Lead, draw_everyday_style, draw_lead
from duet.choreography.figures import FREE, LEFT_HAND, Step
from duet.choreography.score import BALL_AHEAD_M, LEFT, RIGHT, BeatGrid, CoupleScore, DancerScore, from_body
from duet.choreography.style import draw_style
from duet.rotations import Array, wrap_angle

_REACTION_S = 0.25
_PARTNER_M_S, _HURRY_M_S = 1.15, 1.6
"""How fast a partner walks, and hurries to a leader who has got away."""
_FAR_M = 1.5
_NEAREST_M = 0.58
_SLOW_BEAT_S = 0.52
_STEP_WORTH_M = 0.07
"""A standing foot is only moved when it is this far from where it should be."""
_WALKS = 0.4
"""Stillness, from 1 to 0, below which a partner walks, one step a beat, instead of resting on 4 and 8."""


def accompany(
    beat_times_s: ArrayLike, seed: int, *, fps: float = 30.0, seconds: float | None = None, acts: Sequence[str] = ()
) -> Couple:
    """Any lead but salsa, and a partner who steps on ``beat_times_s`` (N,), the first of which is a count 1.

    ``figures`` names what the leader does: any of ``everyday.ACTS``, or only ``acts``, in turn. The same arguments give
    the same takes. Raises InputError for beats nobody can step on.
    """
    grid = BeatGrid(checked_beats(beat_times_s))
    if grid.beat_s > _SLOW_BEAT_S:
        # One step a beat would be too slow to stay with somebody who walks: twice as many.
        grid = BeatGrid(np.interp(np.arange(2 * len(grid) - 1) / 2, np.arange(len(grid)), grid.times_s))
    rng = np.random.default_rng(seed)
    style = draw_style(rng, tempo_bpm=60.0 / grid.beat_s)
    style = replace(style, leader=draw_everyday_style(rng))
    times_s = frame_times(grid, fps, seconds)
    lead = draw_lead(float(times_s[-1]), rng, acts)
    score = CoupleScore(DancerScore(style.leader), DancerScore(style.follower), gestures=lead.gestures)
    walk = _Walk(times_s, *lead.path(times_s, fps))
    partner = _partner_walk(walk, lead, times_s, fps, rng, distance_m=rng.uniform(0.7, 0.98))
    _step_along(score.leader, walk, lead, grid, rng)
    _step_on_beats(score.follower, partner, grid, rng)
    score.leader.sinks = lead.sinks
    score.follower.sinks = [(at + 0.3, 0.3 * depth) for at, depth in lead.sinks]
    score.hold(times_s[0] - 1.0, FREE)
    for start, stop in lead.offers_s:
        score.hold(start, LEFT_HAND)
        score.hold(stop, FREE)
    score.figures = [(name, float(start)) for name, start in lead.acts if start < times_s[-1]]
    return perform(score, style, grid, times_s, fps, rng)


def accompany_tempo(
    seconds: float, tempo_bpm: float, seed: int, *, fps: float = 30.0, acts: Sequence[str] = ()
) -> Couple:
    """The same at a steady tempo, with the first count 1 at time 0."""
    return accompany(steady_beats(seconds, tempo_bpm), seed, fps=fps, seconds=seconds, acts=acts)


@dataclass(frozen=True)
class _Walk:
    """Where a body wants to be, frame by frame."""

    times_s: Array
    places_m: Array
    """(T, 2)."""
    yaws_rad: Array
    """(T,) unwrapped."""

    def place(self, time_s: float) -> Array:
        """(2,)."""
        return np.array([np.interp(time_s, self.times_s, self.places_m[:, k]) for k in (0, 1)])

    def yaw(self, time_s: float) -> float:
        """Heading at one time."""
        return float(np.interp(time_s, self.times_s, self.yaws_rad))

    def speed_m_s(self, time_s: float) -> float:
        """How fast the body goes."""
        return float(np.hypot(*(self.place(time_s + 0.1) - self.place(time_s - 0.1)))) / 0.2


def _partner_walk(
    lead: _Walk, plan: Lead, times_s: Array, fps: float, rng: np.random.Generator, *, distance_m: float
) -> _Walk:
    """The partner's wish: in front of the leader at a distance, facing him; goes round him rather than through him,
    and comes after him when he leaves, once it is clear that he does."""
    eager, late = rng.uniform(0.75, 1.1), int(_REACTION_S * fps)
    away = plan.within(plan.away_s, times_s)
    # A hand held out is worth coming nearer for.
    apart = smooth(np.where(plan.within(plan.offers_s, times_s), min(distance_m, 0.72), distance_m), 0.3 * fps)
    bearing = lead.yaws_rad[0]
    place = lead.places_m[0] + distance_m * np.array([np.sin(bearing), np.cos(bearing)])
    yaw, velocity = bearing + np.pi, np.zeros(2)
    places, yaws = np.empty((len(times_s), 2)), np.empty(len(times_s))
    for i in range(len(times_s)):
        seen = max(i - late, 0)
        leader, pace = lead.places_m[seen], np.hypot(*(lead.places_m[seen] - lead.places_m[max(seen - 1, 0)])) * fps
        will = eager * (0.35 if pace > 0.3 else 1.0)
        wish = np.clip(wrap_angle(lead.yaws_rad[seen] - bearing) / 0.9, -1.3, 1.3) * will
        bearing += float(wish) / fps
        goal = leader + apart[i] * np.array([np.sin(bearing), np.cos(bearing)])
        if away[i]:
            goal, bearing = place, float(np.arctan2(*(place - leader)))
        velocity = velocity + ((goal - place) * 9.0 - velocity * 6.0) / fps
        limit = np.interp(np.hypot(*(leader - place)), (apart[i], _FAR_M), (_PARTNER_M_S, _HURRY_M_S))
        velocity *= min(1.0, float(limit) / max(float(np.hypot(*velocity)), 1e-6))
        place = place + velocity / fps
        gap = place - lead.places_m[i]
        place = place + gap * max(_NEAREST_M / max(float(np.hypot(*gap)), 1e-6) - 1.0, 0.0)
        toward = lead.places_m[seen] - place
        yaw += float(np.clip(wrap_angle(np.arctan2(*toward) - yaw) / 0.3, -3.5, 3.5)) / fps
        places[i], yaws[i] = place, yaw
    return _Walk(times_s, places, yaws)


def _step_along(part: DancerScore, walk: _Walk, plan: Lead, grid: BeatGrid, rng: np.random.Generator) -> None:
    """Everyday steps: whichever foot is furthest from its place moves, in one's own rhythm; swaying is on the beat."""
    start = walk.times_s[0] - 1.0
    part.stand(start, walk.place(start), walk.yaw(start))
    gap_s, time_s, foot = rng.uniform(0.42, 0.6), float(walk.times_s[0]) + 0.3, LEFT
    sway, last_turn = rng.uniform(0.3, 0.8), start
    while time_s < walk.times_s[-1]:
        if plan.within(plan.sways_s, np.array([time_s]))[0]:
            time_s = grid.seconds(np.ceil(float(grid.beat_of(np.array([time_s]))[0]) / 2 - 1e-6) * 2)
            side = (1.0 if foot == LEFT else -1.0) * sway
            part.step(time_s, foot, walk.place(time_s), walk.yaw(time_s), Step(1, 0.0, side=side))
            foot, time_s = 1 - foot, time_s + 1.6 * grid.beat_s
            continue
        place, yaw = walk.place(time_s + 0.5 * gap_s), walk.yaw(time_s + 0.2 * gap_s)
        off = [_misplaced(part, which, place, yaw) for which in (LEFT, RIGHT)]
        if max(off) > _STEP_WORTH_M:
            # Feet alternate, unless the other one already stands where it should.
            foot = foot if off[foot] > 0.5 * _STEP_WORTH_M else 1 - foot
            part.step(time_s, foot, place, yaw, Step(1, 0.0))
            foot = 1 - foot
        elif time_s - last_turn > 0.4:
            part.turn(time_s, walk.yaw(time_s))
        last_turn = part.turn_times_s[-1]
        time_s += gap_s * float(np.clip(1.25 - 0.4 * walk.speed_m_s(time_s), 0.8, 1.2))


def _misplaced(part: DancerScore, foot: int, place: Array, yaw_rad: float) -> float:
    """How far a foot stands from its place under a body, metres; turning counts as well."""
    last = next(f for f in reversed(part.falls) if f.foot == foot)
    home = place + from_body(yaw_rad, (0.5 if foot == LEFT else -0.5) * part.style.stance_m, BALL_AHEAD_M)
    turned = abs(last.yaw_rad - yaw_rad - (1.0 if foot == LEFT else -1.0) * part.style.turnout_rad)
    return float(np.hypot(*(home - last.ball_m))) + 0.2 * turned


def _step_on_beats(part: DancerScore, walk: _Walk, grid: BeatGrid, rng: np.random.Generator) -> None:
    """Steps on the beat all the time: small basics in salsa's rhythm while the leader stays, walks when he goes."""
    start = walk.times_s[0] - 1.0
    part.stand(start, walk.place(start), walk.yaw(start))
    foot, pattern = RIGHT, _PATTERNS[0]
    for beat in range(len(grid)):
        count = beat % 8 + 1
        if count == 1:
            pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
        time_s = (
            grid.seconds(beat) + part.style.delay_s + float(np.clip(rng.normal(0, part.style.jitter_s), -0.02, 0.02))
        )
        still = float(np.clip(1.0 - walk.speed_m_s(time_s) / 0.45, 0.0, 1.0))
        if count in (4, 8) and still > _WALKS:
            continue
        gap = 2 if count in (3, 7) and still > _WALKS else 1
        side, ahead = pattern.get(count, (0.0, 0.0))
        # Patterns are written for the right foot on 1 and the left on 5; who has walked may be on the other one.
        side = abs(side) * np.sign(side if (foot == LEFT) == (count > 4) else -side)
        step = Step(count, 0.0, side=0.7 * side * still, ahead=0.7 * ahead * still)
        part.step(time_s, foot, walk.place(time_s + 0.5 * gap * grid.beat_s), walk.yaw(time_s + 0.2), step)
        foot = 1 - foot


_PATTERNS = (
    {1: (0.0, -1.0), 5: (0.0, 1.0)},
    {1: (-0.9, 0.0), 5: (0.9, 0.0)},
    {1: (0.0, -0.7), 5: (0.0, -0.7)},
    {1: (-0.35, 0.0), 2: (0.2, 0.0), 5: (0.35, 0.0), 6: (-0.2, 0.0)},
)
"""Where the partner steps while the leader stays: count -> (side, ahead) in step lengths."""
