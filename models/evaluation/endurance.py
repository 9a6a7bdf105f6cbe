"""Half an hour of live rollout: does anything drift, grow or slow down?

The leader repeats one programme of salsa, everyday acts and strange parts, ROUNDS times. Every round asks the same, so
a number's mean over a round changes from round to round only if the follower does: the slope of these means over time
has a Student interval of its own, and no drift means that the interval holds zero.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from duet.choreography import accompany_tempo, choreograph_tempo
from duet.features import Placement
from duet.kinematics import forward
from duet.motion import Motion
from duet.rotations import Array
from duet.skeleton import BODY
from models.data.music import heard_condition
from models.data.take import Take
from models.evaluation.closed_loop import LEAD_IN_S
from models.evaluation.strange import EXPLODES_M_S, TELEPORTS_M_S
from models.evaluation.strange_leads import FPS, TEMPO_BPM, joined, lying, spinning
from models.evaluation.verdicts import Verdict
from models.rollout import Inputs, OnnxPartner, dance_on

ROUNDS = 15
LEVEL = 0.95
GROWTH_MB = 8.0
"""Memory may wander by so much between the first counted and the last round."""
SLOWER = 1.25
"""A tick's processor time at the end, as a share of that at the beginning, may be no more."""
_BAR_S = 4 * 60.0 / TEMPO_BPM
_SHARES = {"salsa": 0.35, "everyday": 0.25, "other salsa": 0.25, "spin": 0.08, "lie down": 0.07}
"""Of a round."""


@dataclass(frozen=True)
class Slope:
    """How a number changes per minute."""

    name: str
    unit: str
    mean: float
    per_minute: float
    half_width: float
    """Of the interval of LEVEL; infinite with fewer than three rounds."""

    @property
    def holds_zero(self) -> bool:
        """Whether no change lies within the interval."""
        return abs(self.per_minute) <= self.half_width


@dataclass(frozen=True)
class Endurance:
    """What a long performance showed."""

    minutes: float
    ticks: int
    slopes: list[Slope]
    broken: str
    """What no dancer does, in a word; empty when nothing of it happened."""
    state_bytes: tuple[int, int]
    """Least and most that was carried from tick to tick."""
    growth_mb: float | None
    """Resident memory of the last round over that of the first counted; None where the system does not tell."""
    slower: float
    """Median processor time of a tick in the last tenth over that in the first."""

    @property
    def verdicts(self) -> list[Verdict]:
        """Against the targets."""
        found = [
            Verdict(
                f"{s.name}: slope ± {100 * LEVEL:.0f} % interval {s.half_width:.2g}, mean {s.mean:.3g} {s.unit}",
                s.per_minute,
                f"{s.unit}/min",
                "interval holds 0",
                s.holds_zero,
            )
            for s in self.slopes
        ]
        grown = float(self.state_bytes[1] - self.state_bytes[0])
        return [
            *found,
            Verdict.at_most(f"state of {self.state_bytes[1] / 1024:.0f} KiB: growth", grown, 0.0, "bytes"),
            Verdict.at_most("memory: growth", self.growth_mb, GROWTH_MB, "MB"),
            Verdict.at_most("time of a tick: last tenth / first", self.slower, SLOWER),
        ]


class Timed(OnnxPartner):
    """An exported follower that notes what every tick takes."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder)
        self.cpu_s: list[float] = []
        self.state_bytes: list[int] = []

    def tick(self, inputs: Inputs) -> NDArray[np.float32]:
        """See ``models.rollout.Partner``."""
        began = time.thread_time()
        frames = super().tick(inputs)
        self.cpu_s.append(time.thread_time() - began)
        self.state_bytes.append(sum(value.nbytes for value in self._state.values()))
        return frames


def measure_endurance(
    folder: str | Path,
    *,
    leak: float,
    minutes: float = 30.0,
    wish: Placement | None = None,
    delay_frames: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Endurance:
    """Dance for ``minutes``, rounded to whole bars a round. ``progress`` is told the ticks done, and of how many."""
    take, per_round = endless_take(minutes, wish or Placement(), seed)
    partner = Timed(folder)
    ticks = take.frames // partner.config.token_frames
    watch = _Watch(take, per_round)
    for done, danced in enumerate(dance_on(partner, take, leak=leak, delay_frames=delay_frames, seed=seed), 1):
        watch.add(danced.root_m, danced.rotations)
        if done % 50 == 0 or done == ticks:
            progress(done, ticks)
    tenth = max(1, len(partner.cpu_s) // 10)
    slower = float(np.median(partner.cpu_s[-tenth:]) / max(float(np.median(partner.cpu_s[:tenth])), 1e-9))
    return Endurance(
        minutes=take.frames / take.fps / 60.0,
        ticks=ticks,
        slopes=watch.slopes(),
        broken=watch.broken,
        state_bytes=(min(partner.state_bytes), max(partner.state_bytes)),
        growth_mb=watch.growth_mb,
        slower=slower,
    )


def endless_take(minutes: float, wish: Placement, seed: int) -> tuple[Take, int]:
    """The leader and the music of a long performance, and the frames of a round."""
    round_s = max(1.0, round(minutes * 60.0 / ROUNDS / _BAR_S)) * _BAR_S
    frames = round(round_s * FPS)
    programme = _programme(round_s, seed).slice(0, frames)
    leader = joined([programme] * ROUNDS)
    beats = np.arange(0.0, round_s + 2.0, 60.0 / TEMPO_BPM)
    heard = heard_condition(beats, frames, FPS, seed=seed, lead_in_s=LEAD_IN_S)
    # A round is whole bars: the beat goes on from one to the next.
    return Take("endless", leader.joints_m, np.tile(heard, (ROUNDS, 1)), FPS, wish=wish), frames


def _programme(seconds: float, seed: int) -> Motion:
    spans = {name: max(0.5, share * seconds) for name, share in _SHARES.items()}
    return joined(
        [
            choreograph_tempo(spans["salsa"], TEMPO_BPM, seed, fps=FPS).leader,
            accompany_tempo(spans["everyday"], TEMPO_BPM, seed, fps=FPS).leader,
            choreograph_tempo(spans["other salsa"] + 1.0, TEMPO_BPM, seed + 1, fps=FPS).leader,
            spinning(spans["spin"], 2.0),
            lying(spans["lie down"]),
        ]
    )


class _Watch:
    """Sums over rounds, of constant size."""

    NAMES = (("jerk", "m/s³"), ("pelvis height", "m"), ("distance", "m"), ("joint speed", "m/s"))

    def __init__(self, take: Take, per_round: int) -> None:
        self._leader = take.joints_m[:, 0]
        self._fps, self._per_round = take.fps, per_round
        rounds = take.frames // per_round
        self._sums, self._counts = np.zeros((rounds, len(self.NAMES))), np.zeros(rounds)
        self._rss_mb: list[float] = []
        self._last = np.zeros((0, len(BODY), 3))
        self._frame = 0
        self.broken = ""

    def add(self, root_m: NDArray[np.float32], rotations: NDArray[np.float32]) -> None:
        """The next frames (T, 3), (T, 22, 3, 3)."""
        joints = forward(BODY, root_m.astype(np.float64), rotations.astype(np.float64))[0]
        known = np.concatenate([self._last, joints])
        self._last = known[-3:]
        if len(known) >= len(joints) + 3:
            self._judge(known)
            steps = np.diff(known, axis=0)
            jerk = np.linalg.norm(np.diff(steps, n=2, axis=0), axis=-1).mean(axis=-1) * self._fps**3
            speed = np.linalg.norm(steps[2:], axis=-1).mean(axis=-1) * self._fps
            way = joints[:, 0] - self._leader[self._frame : self._frame + len(joints)]
            rows = np.stack([jerk, joints[:, 0, 1], np.hypot(way[:, 0], way[:, 2]), speed], axis=-1)
            at = min(self._frame // self._per_round, len(self._sums) - 1)
            self._sums[at] += rows.sum(axis=0)
            self._counts[at] += len(rows)
        self._frame += len(joints)
        if self._frame // self._per_round > len(self._rss_mb):
            self._rss_mb.append(_resident_mb())

    def _judge(self, known: Array) -> None:
        if self.broken:
            return
        step = np.linalg.norm(np.diff(known, axis=0), axis=-1) * self._fps
        if not np.isfinite(known).all():
            self.broken = "NaN"
        elif step[:, 0].max() > TELEPORTS_M_S:
            self.broken = "teleport"
        elif step.max() > EXPLODES_M_S:
            self.broken = "explosion"

    @property
    def growth_mb(self) -> float | None:
        """Of resident memory, after the first two rounds, in which buffers are made."""
        settled = [mb for mb in self._rss_mb[1:] if np.isfinite(mb)]
        return settled[-1] - settled[0] if len(settled) > 1 else None

    def slopes(self) -> list[Slope]:
        """Without the first round, in which the follower enters."""
        counted = self._counts > 0
        counted[0] = False
        means = self._sums[counted] / self._counts[counted, None]
        minutes = np.flatnonzero(counted) * self._per_round / self._fps / 60.0
        return [Slope(name, unit, *slope_of(minutes, means[:, k])) for k, (name, unit) in enumerate(self.NAMES)]


def slope_of(minutes: Array, values: Array) -> tuple[float, float, float]:
    """Mean, least-squares slope per minute and half its interval (Student, N - 2 degrees) of values (N,)."""
    mean, free = float(values.mean()), len(values) - 2
    if free < 1:
        return mean, 0.0, float("inf")
    centred = minutes - minutes.mean()
    slope = float(centred @ values / (centred @ centred))
    left = values - mean - slope * centred
    error = np.sqrt(left @ left / free / (centred @ centred))
    return mean, slope, float(student.ppf(0.5 + LEVEL / 2, free) * error)


def _resident_mb() -> float:
    """Resident memory of this process; NaN where the system does not tell it this way."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
