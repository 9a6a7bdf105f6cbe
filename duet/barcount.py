"""Which beat is the "1", and how many beats make a bar.

Rhythm alone often cannot tell (a backbeat sounds the same on 1 and on 3), harmony can: chords change
with the bar, and the bass says so. Each count is a hypothesis; the rhythm model's belief and what is
heard beat by beat are weighed for all of them.
"""

import numpy as np

from duet.barpointer import COUNTS, Array

METRE = np.array([metre for metre, _ in COUNTS])
BEAT = np.array([beat for _, beat in COUNTS])


class BarCount:
    """Counts beats numbered by somebody else: ``number`` is any integer that grows by one with each beat."""

    KEPT = 0.97  # share of the evidence kept per beat: about eight bars
    LONGEST = 30.0  # of the evidence against a count
    CHANGE_WEIGHT, ACCENT_WEIGHT = 1.0, 0.4
    BELIEF_SHARE, LEAST_BELIEF = 0.03, 2e-3
    MARGIN = 1.5  # a new count has to be so much likelier, in nats
    SPREAD_BEATS = 12.0  # over which mean and spread of the evidence are taken

    def __init__(self) -> None:
        self.metre, self._one = 4, 0
        # Hypothesis (metre, beat): the beat with number 0 is that beat of the bar.
        self._heard = np.zeros(len(COUNTS))
        self._believed = np.full(len(COUNTS), 1.0 / len(COUNTS))
        self._pushed = 0.0
        self._mean, self._square, self._seen = np.zeros(2), np.ones(2), 0.0

    def beat(self, beats: float) -> float:
        """[0, metre) place in the bar of the moment ``beats``."""
        return (beats - self._one) % self.metre

    def restart(self, number: int, beat: int, metre: int) -> None:
        """A new lock: the beat ``number`` is ``beat`` of ``metre``; what was heard of another pulse says nothing."""
        self.metre, self._one = metre, number - beat
        self._heard[:] = 0.0
        self._believed = np.zeros(len(COUNTS))
        self._believed[COUNTS.index((metre, -self._one % metre))] = 1.0

    def believe(self, number: int, bars: Array, pushed: float) -> None:
        """The rhythm model holds ``number`` to be each of ``COUNTS`` with probability ``bars``.

        ``pushed``: its belief in a rhythm whose harmony does not tell.
        """
        self._pushed += self.BELIEF_SHARE * (pushed - self._pushed)
        shifted = np.zeros(len(COUNTS))
        first = {2: 0, 3: 2, 4: 5}
        for metre, start in first.items():
            shifted[start : start + metre] = np.roll(bars[start : start + metre], -number % metre)
        self._believed += self.BELIEF_SHARE * (shifted - self._believed)

    def hear(self, number: int, change: float, accent: float) -> None:
        """Beat ``number`` is over: how much the harmony differed from the beat before, and how loud the bass was."""
        value = np.array([change, accent])
        self._seen += 1.0
        share = 1.0 / min(self._seen, self.SPREAD_BEATS)
        self._mean += share * (value - self._mean)
        self._square += share * ((value - self._mean) ** 2 - self._square)
        spread = np.sqrt(np.maximum(self._square, 1e-6))
        change_z, accent_z = np.clip((value - self._mean) / spread, -2.5, 2.5)
        z = self.CHANGE_WEIGHT * change_z + self.ACCENT_WEIGHT * accent_z
        # On a "1" the evidence is one spread above its mean, elsewhere as much below as makes the mean.
        expected = np.where((BEAT + number) % METRE == 0, 1.0, -1.0 / (METRE - 1))
        self._heard = self.KEPT * self._heard + z * expected - 0.5 * expected**2
        self._heard = np.maximum(self._heard - self._heard.max(), -self.LONGEST)
        self._choose()

    def _choose(self) -> None:
        total = (1.0 - self._pushed) * self._heard + np.log(self._believed + self.LEAST_BELIEF)
        best = int(total.argmax())
        current = COUNTS.index((self.metre, -self._one % self.metre))
        if total[best] > total[current] + self.MARGIN:
            self.metre, self._one = int(METRE[best]), -int(BEAT[best])
