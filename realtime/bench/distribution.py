"""What repeated measurements say: percentiles, the interval of the tail, spread, and when not to believe them.

p99 comes with a bootstrap interval (95 %); p99.9 only where 100 000 measurements carry it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError

ENOUGH_FOR_P99 = 10_000
"""Fewer measurements make a p99 that the next run may contradict."""
ENOUGH_FOR_P999 = 100_000
UNSTEADY = 0.10
"""Standard deviation by mean above which a machine is called unsteady."""
DRIFT = 0.05
"""Change of the median from the first fifth to the last above which a machine is called drifting."""
_RESAMPLES = 400
_BINS, _STRETCHES, _STRETCH = 60, 120, 5


@dataclass(frozen=True)
class Distribution:
    """Measurements of one thing in one unit."""

    n: int
    mean: float
    std: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float
    p99_low: float
    p99_high: float
    """``p99_low`` to ``p99_high``: the bootstrap interval of p99, 95 %."""
    p999: float | None
    """None below ``ENOUGH_FOR_P999`` measurements."""
    max: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    """The histogram: ``counts[i]`` from ``edges[i]`` to ``edges[i + 1]``, everything in it."""
    course_p50: tuple[float, ...]
    course_max: tuple[float, ...]
    """Median and greatest of stretches of equal length, in the order of time."""

    @property
    def cov(self) -> float:
        """Standard deviation by mean."""
        return self.std / self.mean if self.mean else 0.0

    @property
    def drift(self) -> float:
        """Change of the median from the first fifth of the time to the last, as a share of the first."""
        fifth = max(1, len(self.course_p50) // 5)
        first, last = (float(np.median(part)) for part in (self.course_p50[:fifth], self.course_p50[-fifth:]))
        return last / first - 1.0 if first else 0.0

    @classmethod
    def of(cls, values: "Sequence[float] | NDArray[np.floating]") -> "Distribution":
        """Of one measurement or more, in the order they were made; InputError where there is none, or no number."""
        x = np.asarray(values, dtype=np.float64)
        if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
            raise InputError(f"Measurements: expected finite numbers in a row, got {x.shape}. Measure again.")
        p50, p90, p95, p99 = (float(v) for v in np.percentile(x, [50, 90, 95, 99]))
        low, high = p99_interval(x)
        counts, edges = np.histogram(x, bins=_BINS)
        stretches = np.array_split(x, min(_STRETCHES, max(1, len(x) // _STRETCH)))
        return cls(
            n=len(x), mean=float(x.mean()), std=float(x.std()), min=float(x.min()), p50=p50, p90=p90, p95=p95, p99=p99,
            p99_low=low, p99_high=high, p999=float(np.percentile(x, 99.9)) if len(x) >= ENOUGH_FOR_P999 else None,
            max=float(x.max()), edges=tuple(float(e) for e in edges), counts=tuple(int(c) for c in counts),
            course_p50=tuple(float(np.median(s)) for s in stretches),
            course_max=tuple(float(s.max()) for s in stretches),
        )  # fmt: skip


def p99_interval(values: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the p99 of ``values`` (n,); the same for the same values."""
    rng = np.random.Generator(np.random.PCG64(seed))
    ranked = np.sort(values)
    rank = math.ceil(0.99 * len(ranked)) - 1
    # The rank-th smallest of a resample stands where a sorted draw of n positions says: no need to resample values.
    found = [ranked[np.partition(rng.integers(0, len(ranked), len(ranked)), rank)[rank]] for _ in range(_RESAMPLES)]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def doubts(name: str, measured: Distribution, *, spread: bool = False) -> list[str]:
    """Sentences on why the numbers of ``name`` may not be repeatable; none where they are as they should be.

    ``spread``: they differ by their nature, on the steadiest machine, too.
    """
    said = []
    if measured.cov > UNSTEADY and not spread:
        said.append(
            f"Unsteady: {name} varies by {measured.cov:.0%} of its mean (more than {UNSTEADY:.0%}). "
            "Close what else runs, fix the clock rate, and measure again."
        )
    if measured.n >= 50 and abs(measured.drift) > DRIFT:
        said.append(
            f"Drifting: {name} changed by {measured.drift:+.0%} from the first fifth of the run to the last. "
            "The machine warms up, throttles, or something else began or ended."
        )
    if measured.n < ENOUGH_FOR_P99:
        said.append(
            f"Few: p99 of {name} rests on {measured.n} measurements; a claim wants {ENOUGH_FOR_P99} "
            f"(its interval here: {measured.p99_low:.2f} to {measured.p99_high:.2f})."
        )
    return said
