"""The score of a dance: where and when each foot lands, where each body turns, which hands are joined."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from duet.choreography.figures import CLOSED, CONNECTIONS, Figure, Hold, Step, next_figure
from duet.choreography.style import CoupleStyle, DancerStyle
from duet.rotations import Array

BALL_AHEAD_M = 0.06
"""The ball of a standing foot is this far ahead of the pelvis."""
LEFT, RIGHT = 0, 1


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

    def stand(self, time_s: float, station: Array, yaw_rad: float) -> None:
        """Both feet under the body at ``station`` (2,)."""
        for foot in (LEFT, RIGHT):
            self._fall(time_s, foot, station, yaw_rad, 0.0, 0.0, 1.0)
        self.turn(time_s, yaw_rad)

    def step(self, time_s: float, foot: int, station: Array, yaw_rad: float, step: Step) -> None:
        """``foot`` lands relative to a body that stands at ``station`` (2,) and faces ``yaw_rad``."""
        self._fall(
            time_s, foot, station, yaw_rad, step.side * self.style.step_m, step.ahead * self.style.step_m, step.weight
        )
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
        self.falls.append(Footfall(time_s, foot, ball, yaw_rad + sign * self.style.turnout_rad, weight))


@dataclass
class CoupleScore:
    """Both parts, the hands, and the names of the figures."""

    leader: DancerScore
    follower: DancerScore
    hold_times_s: list[float] = field(default_factory=list)
    holds: list[Array] = field(default_factory=list)
    """(len(CONNECTIONS),) weights each."""
    figures: list[tuple[str, float]] = field(default_factory=list)

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


class Staging:
    """Puts one figure after the other into the world."""

    def __init__(self, grid: BeatGrid, style: CoupleStyle, rng: np.random.Generator, start_s: float) -> None:
        self.grid, self.style, self.rng = grid, style, rng
        self.score = CoupleScore(DancerScore(style.leader), DancerScore(style.follower))
        slot = rng.uniform(-np.pi, np.pi)
        half = from_body(slot, 0.0, style.closed_m / 2)
        self.stations = [-half, half]
        self.yaws = [slot, slot + np.pi]
        for part, station, yaw in zip(self._parts(), self.stations, self.yaws, strict=True):
            part.stand(start_s, station, yaw)
        self.score.hold(start_s, CLOSED)

    def _parts(self) -> tuple[DancerScore, DancerScore]:
        return self.score.leader, self.score.follower

    def run(self) -> CoupleScore:
        """Figures until the beats are used up."""
        beat, last = 0, None
        while len(self.grid) - beat >= 8:
            last = next_figure(self.rng, last, variety=self.style.variety, room=len(self.grid) - beat)
            self._place(last, beat)
            beat += last.counts
        return self.score

    def _place(self, figure: Figure, beat: int) -> None:
        """Write one figure that begins on ``beat``."""
        way = self.stations[1] - self.stations[0]
        slot, centre = float(np.arctan2(way[0], way[1])), (self.stations[0] + self.stations[1]) / 2
        start_m, end_m = float(np.hypot(*way)), getattr(self.style, f"{figure.end}_m") * self.rng.uniform(0.93, 1.07)
        turning = (
            self.style.turning_rad + self.rng.normal(0.0, 0.3) + (figure.name == "basic") * self.rng.normal(0.0, 0.4)
        )
        # The couple wanders, and comes back to the middle of the floor.
        travel = self.rng.normal(size=2) * self.style.travel_m - 0.12 * centre
        ends = []
        for who, (part, steps) in enumerate(zip(self._parts(), (figure.leader, figure.follower), strict=True)):
            facing = slot + np.pi * who
            facing += 2 * np.pi * np.round((self.yaws[who] - facing) / (2 * np.pi))
            foot = LEFT if who == 0 else RIGHT
            station, yaw = self.stations[who], self.yaws[who]
            for step in steps:
                done = step.count / figure.counts
                turned = slot + turning * done
                distance = start_m + (end_m - start_m) * min(step.count / 6.0, 1.0)
                station = centre + travel * done + from_body(turned, step.x, step.z * distance)
                yaw = facing + turning * done + np.radians(step.turn_deg)
                part.step(self._landing(beat + step.count - 1, part.style), foot, station, yaw, step)
                foot = foot if step.weight == 0 else 1 - foot
                if part.style.taps and step.count % 4 == 3 and figure.name != "groove":
                    tap = Step(step.count + 1, 0.0, side=0.25 * (2 * foot - 1), ahead=0.1, weight=0.0)
                    part.step(self._landing(beat + tap.count - 1, part.style), foot, station, yaw, tap)
            ends.append((station, yaw))
        self.stations, self.yaws = [e[0] for e in ends], [e[1] for e in ends]
        for count, hold in figure.holds:
            self.score.hold(self.grid.seconds(beat + count - 1), hold)
        self.score.figures.append((figure.name, self.grid.seconds(beat)))

    def _landing(self, beat: float, style: DancerStyle) -> float:
        jitter = float(np.clip(self.rng.normal(0.0, style.jitter_s), -0.02, 0.02))
        return self.grid.seconds(beat) + style.delay_s + jitter
