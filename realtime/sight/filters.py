"""Smoothing of measured positions: the One-Euro filter, in pure ``step(state, x, t)`` form.

Casiez, Roussel and Vogel 2012, "1 euro filter: a simple speed-based low-pass filter for noisy input
in interactive systems". It smooths hard at rest, where jitter shows, and lightly in motion, where
lag shows. A low-pass always lags: what is left of the lag is made up by looking a little ahead along
the filtered velocity.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from duet.rotations import Array


class OneEuroState(NamedTuple):
    """What one step hands to the next: never changed, only replaced."""

    time_s: float
    sample: Array
    """(...) the newest sample as it came: velocity from the filtered value would count the lag as speed."""
    value: Array
    """(...) the filtered value, without look-ahead."""
    velocity: Array
    """(...) its filtered rate of change, per second."""


@dataclass(frozen=True)
class OneEuro:
    """A One-Euro filter for arrays of metres (any shape, each element on its own).

    ``min_cutoff_hz`` is the cut-off at rest, ``beta`` (1/m) how fast it opens with speed,
    ``velocity_cutoff_hz`` the smoothing of the speed itself and ``lead_s`` how far ahead along the
    velocity the output looks. With 3 and 10, a sway of 1.5 Hz lags about 20 ms; ``lead_s`` of that
    size cancels it.

    Measurement noise has a speed of its own, which would hold the filter open at rest: speeds below ``still_m_s``
    count as none, neither for the cut-off nor for looking ahead. Every number may be a tuple, one for each element
    along the last axis.
    """

    min_cutoff_hz: float | tuple[float, ...] = 3.0
    beta: float | tuple[float, ...] = 10.0
    velocity_cutoff_hz: float | tuple[float, ...] = 3.0
    lead_s: float | tuple[float, ...] = 0.0
    still_m_s: float | tuple[float, ...] = 0.0

    def start(self, x: Array, time_s: float) -> OneEuroState:
        """The state of a filter that has seen ``x`` only, at rest."""
        sample = np.array(x, dtype=np.float64)
        return OneEuroState(time_s, sample, sample, np.zeros(sample.shape))

    def step(self, state: OneEuroState | None, x: Array, time_s: float) -> tuple[OneEuroState, Array]:
        """The next state and the filtered ``x``; None starts the filter.

        A sample that is not later than the state changes nothing: the state's value is returned.
        """
        if state is None:
            state = self.start(x, time_s)
            return state, state.value
        elapsed_s = time_s - state.time_s
        if elapsed_s <= 0.0:
            return state, self.predict(state, state.time_s)
        keep = _smoothing(np.asarray(self.velocity_cutoff_hz), elapsed_s)
        velocity = state.velocity + keep * ((x - state.sample) / elapsed_s - state.velocity)
        opening = np.asarray(self.beta) * np.abs(self._moving(velocity))
        gain = _smoothing(np.asarray(self.min_cutoff_hz) + opening, elapsed_s)
        value = state.value + gain * (x - state.value)
        state = OneEuroState(time_s, np.array(x, dtype=np.float64), value, velocity)
        return state, self.predict(state, time_s)

    def predict(self, state: OneEuroState, time_s: float) -> Array:
        """The value at ``time_s`` (now or a little later) by constant velocity, look-ahead included."""
        ahead_s = np.asarray(self.lead_s) + (time_s - state.time_s)
        return state.value + self._moving(state.velocity) * ahead_s

    def _moving(self, velocity: Array) -> Array:
        """What of a velocity is motion: nothing below ``still_m_s``, the rest above it."""
        return np.sign(velocity) * np.maximum(np.abs(velocity) - np.asarray(self.still_m_s), 0.0)


def _smoothing(cutoff_hz: Array, elapsed_s: float) -> Array:
    """Weight of the new sample in a first-order low-pass of ``cutoff_hz`` after ``elapsed_s``."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff_hz * elapsed_s))


@dataclass(frozen=True)
class Smoothing:
    """How hard a body is smoothed: its points relative to the hips, and where it stands (x, y, depth)."""

    points: OneEuro
    place: OneEuro


STAGE = Smoothing(
    # Small movements are movements, too: whoever swings a hand by 5 cm does so at 0.5 m/s. Noise of 8 mm is told from
    # that by a slower measured speed, not by a higher bound.
    points=OneEuro(min_cutoff_hz=1.0, beta=20.0, velocity_cutoff_hz=2.2, lead_s=0.024, still_m_s=0.12),
    # Depth is measured several times worse than the rest, and dancers change it more slowly.
    place=OneEuro(min_cutoff_hz=(1.0, 1.0, 0.4), beta=8.0, lead_s=0.03, still_m_s=(0.12, 0.12, 0.27)),
)
"""What the stage is played with: quiet at rest, no lag worth the name in motion (``duet calibrate tracking``)."""
SMOOTHINGS = {
    "none": Smoothing(OneEuro(min_cutoff_hz=1e6, beta=0.0), OneEuro(min_cutoff_hz=1e6, beta=0.0)),
    "light": Smoothing(
        OneEuro(min_cutoff_hz=3.0, beta=10.0, lead_s=0.012), OneEuro(min_cutoff_hz=2.0, beta=6.0, lead_s=0.02)
    ),
    "stage": STAGE,
    "calm": Smoothing(
        OneEuro(min_cutoff_hz=0.6, beta=8.0, lead_s=0.02, still_m_s=0.25),
        OneEuro(min_cutoff_hz=(0.6, 0.6, 0.25), beta=6.0, lead_s=0.03, still_m_s=(0.15, 0.15, 0.3)),
    ),
}
"""By name, the lightest first: what each costs in lag and saves in jitter is for a table to show."""
