"""What a difference is worth: block-bootstrap intervals over takes and, within them, over stretches of a few seconds.

Frames beside each other say the same thing twice, so whole blocks are drawn; a take is one evening of two people, so
takes are drawn first (hierarchical bootstrap). Two dancers are compared on the very same blocks. With two takes an
interval is wide at best and never says how another couple would do.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK_S = 4.0
RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def below_zero(self) -> bool:
        """The whole interval is."""
        return self.high < 0.0

    @property
    def above_zero(self) -> bool:
        """The whole interval is."""
        return self.low > 0.0


@dataclass(frozen=True)
class Track:
    """A number over the frames of a take as quotient: its value over any stretch is sum(above) / sum(below)."""

    above: Floats
    """(T,)."""
    below: Floats
    """(T,) ones for a mean."""

    @classmethod
    def mean(cls, values: NDArray) -> "Track":
        """Of values (T,), its mean."""
        above = np.asarray(values, dtype=np.float64)
        return cls(above, np.ones_like(above))

    @property
    def value(self) -> float:
        """Over the whole take; NaN where nothing was measured."""
        below = float(self.below.sum())
        return float(self.above.sum()) / below if below else float("nan")

    def blocks(self, frames: int) -> Floats:
        """(N, 2) sums over blocks of so many frames; what is left is a block if it is half of one."""
        edges = np.arange(0, len(self.above), frames)
        if len(edges) > 1 and len(self.above) - edges[-1] < frames / 2:
            edges = edges[:-1]
        return np.stack([np.add.reduceat(self.above, edges), np.add.reduceat(self.below, edges)], axis=1)


def over_seeds(tracks: list[Track]) -> Track:
    """Several goes at one take (seeds) as one: frames side by side, so that seeds are not taken for takes."""
    length = min(len(t.above) for t in tracks)
    return Track(
        np.mean([t.above[:length] for t in tracks], axis=0), np.mean([t.below[:length] for t in tracks], axis=0)
    )


def estimate(takes: list[Track], fps: float, *, seed: int = 0) -> Estimate:
    """Of one dancer over takes."""
    blocks = [t.blocks(round(BLOCK_S * fps)) for t in takes]
    return _interval(_quotients(blocks, _draws(blocks, seed)))


def difference(takes: list[Track], others: list[Track], fps: float, *, seed: int = 0) -> Estimate:
    """Of a dancer minus another on the same takes, block by block. Takes of both lists in the same order."""
    if len(takes) != len(others):
        raise ValueError(f"Takes: expected as many of both dancers, got {len(takes)} and {len(others)}. Pair them.")
    lengths = [min(len(one.above), len(other.above)) for one, other in zip(takes, others, strict=True)]

    def blocks(tracks: list[Track]) -> list[Floats]:
        cut = [Track(t.above[:n], t.below[:n]) for t, n in zip(tracks, lengths, strict=True)]
        return [t.blocks(round(BLOCK_S * fps)) for t in cut]

    ours, theirs = blocks(takes), blocks(others)
    draws = _draws(ours, seed)
    return _interval(_quotients(ours, draws) - _quotients(theirs, draws))


def _draws(takes: list[Floats], seed: int) -> Floats:
    """(1 + RESAMPLES, N) how often each of all N blocks counts: once each in row 0, as drawn in the others."""
    rng = np.random.default_rng(seed)
    picked = rng.multinomial(len(takes), np.full(len(takes), 1.0 / len(takes)), size=RESAMPLES)
    drawn = [
        rng.multinomial(times * len(take), np.full(len(take), 1.0 / len(take)))
        for times, take in zip(picked.T, takes, strict=True)
    ]
    counts = np.concatenate(drawn, axis=1).astype(np.float64)
    return np.concatenate([np.ones_like(counts[:1]), counts])


def _quotients(takes: list[Floats], draws: Floats) -> Floats:
    """(R,) the number in each draw; NaN where nothing was measured."""
    above, below = (draws @ np.concatenate(takes)).T
    return np.where(below > 0.0, above / np.where(below > 0.0, below, 1.0), np.nan)


def _interval(values: Floats) -> Estimate:
    drawn = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Estimate(float(values[0]), float(low), float(high))
