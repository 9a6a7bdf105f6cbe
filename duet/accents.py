"""How loud something begins: what a rhythm expects of each moment, weighed against what is heard.

Dense music has an onset in every band at every subdivision; only how loud they are tells the beat from what lies
between. So a rhythm does not say whether there is an onset but how strong its root is, gamma distributed around
the expected strength. The strength where nothing is expected is learnt as the music goes: in a crowd, nothing is
ever quiet.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVELS = 16  # expected onsets are rounded to so many levels, so that a likelihood is one table look-up
RESTING = np.array([0.65, 0.5, 0.5])  # (BANDS,) root strength where nothing is expected, in a quiet room
SOUNDING = 2.8  # root strength where a tab is sure of an onset
EVIDENCE_POWER = 1.2  # shape of the gamma, less because neighbouring onsets are not independent
QUIET = np.array([0.05, 0.3, 0.18])  # (BANDS,) lower quantile of the root strength of clean music
QUANTILE, QUANTILE_STEP = 0.3, 0.02
STRUCK = 0.15  # share of frames in which onsets without a rhythm begin


class Accents:
    """Likelihoods of what is heard, band by band; keeps what is usual in this music."""

    def __init__(self) -> None:
        self._steps = np.linspace(0.0, 1.0, LEVELS)
        self.reset()

    def reset(self) -> None:
        """Forget the music."""
        self._quantile = QUIET.copy()

    @staticmethod
    def classes(expected: Array) -> NDArray[np.intp]:
        """(N,) which class of likelihood ``expected`` (BANDS, N) in [0, 1] is in."""
        levels = np.round(expected * (LEVELS - 1)).astype(np.intp)
        return (levels[0] * LEVELS + levels[1]) * LEVELS + levels[2]

    def likelihoods(self, activation: Array) -> tuple[Array, float]:
        """(LEVELS ** BANDS,) likelihood of each class, and the log likelihood of onsets that come whenever they like.

        ``activation``: (BANDS,) how much begins, in units of its running mean.
        """
        root = np.sqrt(activation)
        self._quantile += QUANTILE_STEP * np.where(root > self._quantile, QUANTILE, QUANTILE - 1.0)
        np.maximum(self._quantile, QUIET, out=self._quantile)
        resting = (RESTING + self._quantile - QUIET)[:, None]
        strength = resting + (SOUNDING - resting) * self._steps
        bands = (np.exp(-root[:, None] / strength) / strength) ** EVIDENCE_POWER
        no_rhythm = float(np.log((1.0 - STRUCK) * bands[:, 0] + STRUCK * bands[:, -1]).sum())
        table = bands[0][:, None, None] * bands[1][:, None] * bands[2]
        return table.ravel(), no_rhythm
