"""How loud something begins: what a rhythm expects of each moment, weighed against what is heard.

Dense music has an onset in every band at every subdivision; only how loud they are tells the beat from what lies
between. So a rhythm does not say whether there is an onset but how strong its root is, gamma distributed around
the expected strength. The strength where nothing is expected is learnt as the music goes: in a crowd, nothing is
ever quiet. What is heard without any rhythm is learnt, too, so that only what a rhythm adds to it speaks for a beat.
"""

import numpy as np
from numpy.typing import NDArray

from duet.rhythms import BANDS

Array = NDArray[np.float64]

LEVELS = 16  # expected onsets are rounded to so many levels, so that a likelihood is one table look-up
RESTING = np.array([0.65, 0.5, 0.5])  # (BANDS,) root strength where nothing is expected, in a quiet room
SOUNDING = 2.8  # root strength where a tab is sure of an onset
EVIDENCE_POWER = 1.2  # shape of the gamma, less because neighbouring onsets are not independent
QUIET = np.array([0.05, 0.3, 0.18])  # (BANDS,) lower quantile of the root strength of clean music
QUANTILE, QUANTILE_STEP = 0.3, 0.02


class WithoutRhythm:
    """Explains what is heard by all but its place in a bar: how strong it is, and what follows it in the next frame.

    A hidden Markov chain in each band over four of the ``LEVELS``, filtered forward; its transitions are learnt by
    expectation and maximisation, frame by frame. A syllable swells over many frames, a crowd always murmurs: the
    chain soon expects both, and a rhythm that seems to fit them explains nothing more.
    """

    USED = np.array([0, 5, 10, 15])  # of the levels
    USUAL = np.array([0.7, 0.1, 0.1, 0.1])  # at first
    STAYING = 0.3  # chance of the same level in the next frame, at first
    LEARNING = 0.01  # share of what a frame teaches
    LEAST = 1e-4  # chance of any transition

    def __init__(self) -> None:
        chances = (1.0 - self.STAYING) * self.USUAL + self.STAYING * np.eye(len(self.USED))
        self._change = np.tile(chances, (BANDS, 1, 1))
        self._belief = np.tile(self.USUAL, (BANDS, 1))

    def explain(self, bands: Array) -> float:
        """Log likelihood of a frame whose ``bands`` (BANDS, LEVELS) are the likelihoods of each level."""
        likely = bands[:, self.USED]
        before = self._belief[:, :, None] * self._change
        both = before * likely[:, None, :]
        reached = both.sum(axis=1)
        total = reached.sum(axis=1)
        self._change += self.LEARNING * (both / total[:, None, None] - before)
        np.maximum(self._change, self.LEAST, out=self._change)
        self._change /= self._change.sum(axis=2, keepdims=True)
        self._belief = reached / total[:, None]
        return float(np.log(total).sum())


class Accents:
    """Likelihoods of what is heard, band by band; keeps what is usual in this music."""

    def __init__(self) -> None:
        self._steps = np.linspace(0.0, 1.0, LEVELS)
        self.reset()

    def reset(self) -> None:
        """Forget the music."""
        self._quantile = QUIET.copy()
        self._without_rhythm = WithoutRhythm()

    @staticmethod
    def classes(expected: Array) -> NDArray[np.intp]:
        """(N,) which class of likelihood ``expected`` (BANDS, N) in [0, 1] is in."""
        levels = np.round(expected * (LEVELS - 1)).astype(np.intp)
        return (levels[0] * LEVELS + levels[1]) * LEVELS + levels[2]

    def likelihoods(self, activation: Array) -> tuple[Array, float]:
        """(LEVELS ** BANDS,) likelihood of each class, and the log likelihood ``WithoutRhythm``.

        ``activation``: (BANDS,) how much begins, in units of its running mean.
        """
        root = np.sqrt(activation)
        self._quantile += QUANTILE_STEP * np.where(root > self._quantile, QUANTILE, QUANTILE - 1.0)
        np.maximum(self._quantile, QUIET, out=self._quantile)
        resting = (RESTING + self._quantile - QUIET)[:, None]
        strength = resting + (SOUNDING - resting) * self._steps
        bands = (np.exp(-root[:, None] / strength) / strength) ** EVIDENCE_POWER
        table = bands[0][:, None, None] * bands[1][:, None] * bands[2]
        return table.ravel(), self._without_rhythm.explain(bands)
