"""Whether a show that goes on for hours stays as it was: samples, robust slopes with their intervals, and a verdict.

What grows before WARM_UP (a tenth of the run, a minute at least) is a start. The rest is put into bins of equal
length, of which the medians count, so that neighbours that are alike do not make a slope look surer than it is;
through them goes the line of Theil and Sen (the median of all pairwise slopes) with a 95 % interval. A curve passes
where the whole interval is within its bound, fails where none of it is, and is unsure in between: then run it longer.

Where less than LEAST_SEEN_H was seen after the start, a steep slope is no proof of an hour like it: what a show fills
once looks the same. There a curve fails only by what it has grown already, if that is surely more than an hour allows,
and late ticks only if they are more than an hour may have; otherwise both are unsure.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

WARM_UP = 0.1
_LEAST_WARM_UP_H = 1.0 / 60.0
LEAST_SEEN_H = 0.5
"""A fail by slope alone tells of an hour what was seen of half an hour, no more than twice as long as it was."""
_MOST_BINS = 48
_LEAST_BINS = 8
_WHOLE = 0.98
"""Of the hours that were wanted: the last sample is a little before the end."""


@dataclass(frozen=True)
class Sample:
    """A show at one moment."""

    time_s: float
    """Of the session."""
    memory_mb: float
    """Of all its processes, as are handles and threads; NaN, all three, where the system let nobody ask."""
    handles: float
    threads: float
    lag_ms: float
    """Age of the newest leader frame that shown poses knew, median since the sample before; NaN where nobody danced."""
    jerk: float
    """m/s³ of the follower's joints, root mean square since the sample before; NaN where nobody danced."""
    late_ticks: int
    """Since the beginning."""
    ticks: int
    skipped_ticks: int = 0
    """Since the beginning: due, and not asked at all."""


@dataclass(frozen=True)
class Bound:
    """How fast a curve may rise, in an hour and over the whole run, and what it is."""

    curve: str
    what: str
    unit: str
    most_per_hour: float
    most_in_all: float


BOUNDS = (
    # A start that was slow to settle is no leak: what counts is what an exhibit's day would add up to.
    Bound("memory_mb", "memory of all processes", "MB", 6.0, 50.0),
    Bound("handles", "open handles", "", 1.0, 8.0),
    Bound("threads", "threads", "", 0.5, 2.0),
    Bound("lag_ms", "lag", "ms", 20.0, 50.0),
    Bound("jerk", "jerk", "m/s³", 30.0, 60.0),
)
MOST_LATE_SHARE = 0.005


class Judgement(StrEnum):
    """How a curve fared."""

    PASS = "pass"
    UNSURE = "unsure"
    FAIL = "fail"


@dataclass(frozen=True)
class Slope:
    """A curve's line, per hour, and what is thought of it."""

    curve: str
    what: str
    unit: str
    first: float
    """Where the line begins, after the warm-up; NaN, as is ``last``, where nothing was seen after it."""
    last: float
    per_hour: float
    least_per_hour: float
    """The interval's lower end."""
    most_per_hour: float
    allowed_per_hour: float
    judgement: Judgement


@dataclass(frozen=True)
class Verdict:
    """What a soak found."""

    hours: float
    wanted_hours: float
    slopes: tuple[Slope, ...]
    late_share: float
    """Of the ticks that were due: late, or not asked at all."""
    late_judgement: Judgement

    @property
    def judgement(self) -> Judgement:
        """The worst of all; who ended early, of whatever cause, has not shown what was to be shown."""
        ended_early = {Judgement.UNSURE} if self.hours < _WHOLE * self.wanted_hours else set[Judgement]()
        found = {slope.judgement for slope in self.slopes} | {self.late_judgement} | ended_early
        return next(worst for worst in (Judgement.FAIL, Judgement.UNSURE, Judgement.PASS) if worst in found)

    def values(self) -> dict[str, Any]:
        """As what JSON can hold."""
        return {**asdict(self), "judgement": self.judgement}


def judge(samples: Sequence[Sample], wanted_hours: float) -> Verdict:
    """What ``samples`` of a show that was to last ``wanted_hours`` tell, oldest first; unsure of everything where they
    are few."""
    hours = samples[-1].time_s / 3600.0 if samples else 0.0
    late = 0.0
    if samples:
        skipped = samples[-1].skipped_ticks
        late = (samples[-1].late_ticks + skipped) / max(samples[-1].ticks + skipped, 1)
    slopes = tuple(_slope(bound, samples, hours) for bound in BOUNDS)
    return Verdict(hours, wanted_hours, slopes, late, _judged_late(late, hours))


def warm_up_h(hours: float) -> float:
    """How much of a run of ``hours`` is its start."""
    return max(WARM_UP * hours, _LEAST_WARM_UP_H)


def _is_short(hours: float) -> bool:
    return hours - warm_up_h(hours) < LEAST_SEEN_H


def _judged_late(share: float, hours: float) -> Judgement:
    if share <= MOST_LATE_SHARE:
        return Judgement.PASS
    # All the rest of an hour would have to be in time, and would not make up for it.
    is_sure = not _is_short(hours) or share * hours > MOST_LATE_SHARE
    return Judgement.FAIL if is_sure else Judgement.UNSURE


def _slope(bound: Bound, samples: Sequence[Sample], hours: float) -> Slope:
    allowed = min(bound.most_per_hour, bound.most_in_all / max(hours, 1e-9))
    values = np.array([getattr(sample, bound.curve) for sample in samples], dtype=np.float64)
    times_h, values = binned(np.array([sample.time_s for sample in samples]) / 3600.0, values)
    if len(values) < _LEAST_BINS:
        nothing = (float(values[0]), float(values[-1])) if len(values) else (np.nan, np.nan)
        return Slope(bound.curve, bound.what, bound.unit, *nothing, 0.0, -np.inf, np.inf, allowed, Judgement.UNSURE)
    per_hour, least, most, begin = robust_line(times_h, values)
    # In so short a run what has surely grown is compared, else what would grow.
    surely = least * float(times_h[-1] - times_h[0]) if _is_short(hours) else least
    judgement = Judgement.PASS if most <= allowed else Judgement.FAIL if surely > allowed else Judgement.UNSURE
    first, last = (begin + per_hour * float(at) for at in (times_h[0], times_h[-1]))
    return Slope(bound.curve, bound.what, bound.unit, first, last, per_hour, least, most, allowed, judgement)


def binned(times: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Medians over bins of equal length, after the warm-up and without what is not a number: (n,) times, in hours, and
    values."""
    if not len(times):
        return times, values
    keep = (times >= times[0] + warm_up_h(float(times[-1] - times[0]))) & np.isfinite(values)
    times, values = times[keep], values[keep]
    count = min(_MOST_BINS, len(times) // 2)
    if count < 1 or times[-1] <= times[0]:
        return times[:0], values[:0]
    number = np.minimum(((times - times[0]) / (times[-1] - times[0]) * count).astype(int), count - 1)
    bins = [i for i in range(count) if (number == i).any()]
    return (
        np.array([times[number == i].mean() for i in bins]),
        np.array([np.median(values[number == i]) for i in bins]),
    )


def robust_line(times: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Theil and Sen's slope, the ends of its 95 % interval, and the value at time 0."""
    from scipy.stats import theilslopes

    slope, begin, least, most = np.array(tuple(theilslopes(values, times, 0.95)), dtype=np.float64)
    return float(slope), float(least), float(most), float(begin)
