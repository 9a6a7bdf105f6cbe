"""The score of a dance: where and when each foot lands, where each body turns, which hands are joined."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from duet.choreography.figures import CLOSED, CONNECTIONS, Figure, Hold, Step
from duet.choreography.repertoire import next_figure
from duet.choreography.style import CoupleStyle, DancerStyle
from duet.rotations import Array

_SWING_M_S = 3.1
"""A foot swings no faster than this, on average."""
BALL_AHEAD_M = 0.06
"""The ball of a standing foot is this far ahead of the pelvis."""
LEFT, RIGHT = 0, 1
_FEET_LEAST_M, _FEET_MOST_M = 0.14, 0.66
"""The balls of two standing feet are at least, and at most, this far apart."""


@dataclass(frozen=True)
class Footfall:
    """One landing of one foot."""

    time_s: float
    foot: int
    """``LEFT`` or ``RIGHT``."""
    ball_m: Array
    """(2,) x and z of the ball of the foot."""
    yaw_rad: float
    """Where the foot points, unwrapped with the body's heading."""
    weight: float
    """0 for a touch, 1 for a whole step."""


@dataclass
class DancerScore:
    """One dancer's part."""

    style: DancerStyle
    falls: list[Footfall] = field(default_factory=list)
    turn_times_s: list[float] = field(default_factory=list)
    turns_rad: list[float] = field(default_factory=list)
    """Heading, unwrapped."""
    sinks: list[tuple[float, float]] = field(default_factory=list)
    """(seconds, metres): how far the pelvis is lowered, beside what the style asks for."""

    def stand(self, time_s: float, station: Array, yaw_rad: float) -> None:
        """Both feet under the body at ``station`` (2,)."""
        for foot in (LEFT, RIGHT):
            self._fall(time_s, foot, station, yaw_rad, 0.0, 0.0, 1.0)
        self.turn(time_s, yaw_rad)

    def step(self, time_s: float, foot: int, station: Array, yaw_rad: float, step: Step, *, size: float = 1.0) -> None:
        """``foot`` lands relative to a body that stands at ``station`` (2,) and faces ``yaw_rad``."""
        length = self.style.step_m * size
        self._fall(time_s, foot, station, yaw_rad, step.side * length, step.ahead * length, step.weight)
        self.turn(time_s, yaw_rad)

    def turn(self, time_s: float, yaw_rad: float) -> None:
        """The body faces ``yaw_rad`` at ``time_s``."""
        self.turn_times_s.append(time_s)
        self.turns_rad.append(yaw_rad)

    def _fall(
        self, time_s: float, foot: int, station: Array, yaw_rad: float, side_m: float, ahead_m: float, weight: float
    ) -> None:
        sign = 1.0 if foot == LEFT else -1.0
        side = sign * self.style.stance_m / 2 + side_m
        ball = station + from_body(yaw_rad, side, BALL_AHEAD_M + ahead_m)
        other = next((f for f in reversed(self.falls) if f.foot != foot), None)
        if other is not None:
            ball = self._stepped(ball, time_s, foot, other, yaw_rad)
        self.falls.append(Footfall(time_s, foot, ball, yaw_rad + sign * self.style.turnout_rad, weight))

    def _stepped(self, ball: Array, time_s: float, foot: int, other: Footfall, yaw_rad: float) -> Array:
        """(2,) ``ball`` moved to where a leg can put it: not onto the other foot, nor too far, nor too fast."""
        own = next((f for f in reversed(self.falls) if f.foot == foot), None)
        if own is not None:
            way = ball - own.ball_m
            most = _SWING_M_S * float(np.clip(time_s - max(other.time_s, own.time_s), 0.15, self.style.swing_s + 0.05))
            ball = own.ball_m + way * min(most / max(float(np.hypot(*way)), 1e-6), 1.0)
        gap = ball - other.ball_m
        away = float(np.hypot(*gap))
        ball = ball - gap * max(1.0 - _FEET_MOST_M / max(away, 1e-6), 0.0)
        return ball + from_body(yaw_rad, (1.0 if foot == LEFT else -1.0) * max(_FEET_LEAST_M - away, 0.0), 0.0)


@dataclass(frozen=True)
class Gesture:
    """A hand that does something of its own for a while."""

    who: int
    """0 the leader, 1 the follower."""
    side: str
    kind: str
    """``wave``, ``raise`` or ``offer``."""
    start_s: float
    stop_s: float


@dataclass
class CoupleScore:
    """Both parts, the hands, and the names of the figures."""

    leader: DancerScore
    follower: DancerScore
    hold_times_s: list[float] = field(default_factory=list)
    holds: list[Array] = field(default_factory=list)
    """(len(CONNECTIONS),) weights each."""
    figures: list[tuple[str, float]] = field(default_factory=list)
    gestures: list[Gesture] = field(default_factory=list)

    def hold(self, time_s: float, hold: Hold) -> None:
        """From ``time_s`` on these hands are joined."""
        self.hold_times_s.append(time_s)
        self.holds.append(np.array([float(name in hold) for name in CONNECTIONS]))


def from_body(yaw_rad: float, left_m: float, ahead_m: float) -> Array:
    """(2,) x and z in the world of a displacement in a body's own directions."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([c * left_m + s * ahead_m, -s * left_m + c * ahead_m])


class BeatGrid:
    """Seconds of any count, carried on beyond the known beats at the last tempo."""

    def __init__(self, beat_times_s: ArrayLike) -> None:
        self.times_s = np.asarray(beat_times_s, dtype=np.float64)
        gaps = np.diff(self.times_s)
        self.first_gap_s, self.last_gap_s = float(gaps[0]), float(gaps[-1])
        self.beat_s = float(np.median(gaps))
        """A typical beat."""

    def __len__(self) -> int:
        return len(self.times_s)

    def seconds(self, beat: float) -> float:
        """Time of a beat number (0 is the first beat; fractions lie between)."""
        last = len(self.times_s) - 1
        if beat < 0:
            return float(self.times_s[0] + beat * self.first_gap_s)
        if beat > last:
            return float(self.times_s[-1] + (beat - last) * self.last_gap_s)
        return float(np.interp(beat, np.arange(last + 1), self.times_s))

    def beat_of(self, times_s: Array) -> Array:
        """Beat number (T,) of times, the inverse of ``seconds``."""
        last = len(self.times_s) - 1
        inside = np.interp(times_s, self.times_s, np.arange(last + 1))
        before = np.minimum(times_s - self.times_s[0], 0.0) / self.first_gap_s
        return inside + before + np.maximum(times_s - self.times_s[-1], 0.0) / self.last_gap_s


@dataclass(frozen=True)
class _Frame:
    """The slot of one figure in the world, which turns and drifts while the figure is danced."""

    slot_rad: float
    centre_m: Array
    start_m: float
    middle_m: float | None
    """Distance half-way through, where it is not just between the other two."""
    end_m: float
    turning_rad: float
    travel_m: Array

    def place(self, step: Step, done: float) -> Array:
        """(2,) where the body stands for ``step``, when the figure is ``done`` from 0 to 1."""
        through = min(step.count / 6.5, 1.0)
        if self.middle_m is None:
            distance = self.start_m + (self.end_m - self.start_m) * through
        else:
            distance = float(
                np.interp(through, (0.0, 0.25, 0.8, 1.0), (self.start_m, *[self.middle_m] * 2, self.end_m))
            )
        turned = self.slot_rad + self.turning_rad * done
        return self.centre_m + self.travel_m * done + from_body(turned, step.x, step.z * distance)


class Staging:
    """Puts one figure after the other into the world."""

    def __init__(self, grid: BeatGrid, style: CoupleStyle, rng: np.random.Generator, start_s: float) -> None:
        self.grid, self.style, self.rng = grid, style, rng
        self.score = CoupleScore(DancerScore(style.leader), DancerScore(style.follower))
        slot = rng.choice([-1.0, 1.0]) * np.pi / 2 + rng.normal(0.0, 0.4)
        half = from_body(slot, 0.0, style.closed_m / 2)
        self.stations = [-half, half]
        self.yaws = [slot, slot + np.pi]
        for part, station, yaw in zip(self._parts(), self.stations, self.yaws, strict=True):
            part.stand(start_s, station, yaw)
        self.score.hold(start_s, CLOSED)

    def _parts(self) -> tuple[DancerScore, DancerScore]:
        return self.score.leader, self.score.follower

    def run(self) -> CoupleScore:
        """Figures until the beats are used up; the last one may go on beyond them."""
        beat, last = 0, None
        while beat < len(self.grid):
            last = next_figure(self.rng, last, turns=self.style.turns, tempo_bpm=60.0 / self.grid.beat_s)
            self._place(last, beat)
            beat += last.counts
        return self.score

    def _place(self, figure: Figure, beat: int) -> None:
        """Write one figure that begins on ``beat``."""
        way = self.stations[1] - self.stations[0]
        slot = float(np.arctan2(way[0], way[1]))
        # The slot strays, and comes back to lie across the view of who watches from the front.
        turning = self.style.turning_rad + self.rng.normal(0.0, 0.5 if figure.name == "basic" else 0.3)
        frame = _Frame(
            slot_rad=slot,
            centre_m=(self.stations[0] + self.stations[1]) / 2,
            start_m=float(np.hypot(*way)),
            middle_m=1.08 * self.style.closed_m if figure.near else None,
            end_m=getattr(self.style, f"{figure.end}_m") * self.rng.uniform(0.93, 1.07),
            turning_rad=turning + 0.45 * np.sin(2 * slot),
            # The couple wanders, and comes back to the middle of the floor.
            travel_m=self.rng.normal(size=2) * self.style.travel_m - 0.12 * (self.stations[0] + self.stations[1]) / 2,
        )
        for who in (0, 1):
            self._dance(who, figure, frame, beat)
        for count, hold in figure.holds:
            self.score.hold(self.grid.seconds(beat + count - 1), hold)
        self.score.figures.append((figure.name, self.grid.seconds(beat)))

    def _dance(self, who: int, figure: Figure, frame: "_Frame", beat: int) -> None:
        """One dancer's steps of a figure."""
        part, steps = (self.score.leader, figure.leader) if who == 0 else (self.score.follower, figure.follower)
        station, yaw, foot = self.stations[who], self.yaws[who], LEFT if who == 0 else RIGHT
        facing = frame.slot_rad + np.pi * who
        facing += 2 * np.pi * np.round((yaw - facing) / (2 * np.pi))
        opening = self.rng.normal(0.0, self.style.opening_rad * (0.3 if figure.end == "closed" else 1.0), size=2)
        size = float(np.clip(frame.end_m / 0.7, 0.7, 1.15))
        taps = part.style.taps and all(s.weight for s in steps)
        for step in steps:
            done = step.count / figure.counts
            station = frame.place(step, done)
            yaw = facing + frame.turning_rad * done + np.radians(step.turn_deg) + opening[int(step.count > 4)]
            loose = self.rng.normal(size=2) * part.style.spread
            danced = replace(step, side=step.side + 0.6 * loose[0], ahead=step.ahead + loose[1])
            part.step(self._landing(beat + step.count - 1, part.style), foot, station, yaw, danced, size=size)
            foot = foot if step.weight == 0 else 1 - foot
            if taps and step.count % 4 == 3:
                tap = Step(step.count + 1, 0.0, side=0.25 * (2 * foot - 1), ahead=0.1, weight=0.0)
                part.step(self._landing(beat + tap.count - 1, part.style), foot, station, yaw, tap)
        self.stations[who], self.yaws[who] = station, yaw

    def _landing(self, beat: float, style: DancerStyle) -> float:
        jitter = float(np.clip(self.rng.normal(0.0, style.jitter_s), -0.02, 0.02))
        return self.grid.seconds(beat) + style.delay_s + jitter
