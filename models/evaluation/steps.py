"""Are the steps on the beat? Landings of feet held against the beats of the music and against the leader's steps.

A dancer is not a metronome: recorded salsa couples scatter about their beats by some 60 ms and put the third step of a
bar a quarter of a beat late or more, so that they fit the bar far better than the beat. Every number is to be read
beside what the real dancers reach and what chance gives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.beats import BEATS_PER_BAR, STEPS_BEATS
from models.data.landings import Landings

Floats = NDArray[np.float64]

ON_BEAT_S = 0.06
PATTERN_BEATS = 0.25
TOGETHER_S = 0.1
"""Two dancers within this step together."""
_SHUFFLES = 200


@dataclass(frozen=True)
class OnBeat:
    """Steps against beats. NaN where there are no steps."""

    steps: int
    per_beat: float
    """Salsa has three steps in four beats."""
    signed_ms: float
    """Median time from the nearest beat to the step: positive is late."""
    absolute_ms: float
    """Median; a quarter of a beat by chance."""
    within_percent: float
    """Steps within ON_BEAT_S of a beat."""
    within_chance_percent: float
    pattern_percent: float
    """Steps within PATTERN_BEATS of where salsa's three steps of a bar land; the first beat begins a bar."""
    pattern_chance_percent: float
    concentration: float
    """Length of the mean of unit vectors at the steps' beat phases: 1 for all at one phase, whichever it is."""
    concentration_chance: float
    """Of as many steps at random."""

    def numbers(self, prefix: str = "step_") -> dict[str, float]:
        """By name."""
        return {f"{prefix}{name}": float(value) for name, value in vars(self).items()}


def beat_phases(times_s: Floats, beats_s: Floats) -> Floats:
    """(M,) beats since the first beat, for the times inside the beats (the last half beat at either end included)."""
    if len(beats_s) < 2:
        return np.zeros(0)
    first, last = beats_s[1] - beats_s[0], beats_s[-1] - beats_s[-2]
    grid = np.concatenate([[beats_s[0] - first], beats_s, [beats_s[-1] + last]])
    at = np.interp(times_s, grid, np.arange(-1.0, len(beats_s) + 1.0))
    return at[(at >= -0.5) & (at <= len(beats_s) - 0.5)]


def on_beat(steps: Landings, beats_s: Floats) -> OnBeat:
    """How the steps of one dancer lie about the beats (N,) in seconds."""
    at = beat_phases(steps.times_s, beats_s)
    if not len(at):
        nan = float("nan")
        return OnBeat(0, 0.0, nan, nan, nan, nan, nan, nan, nan, nan)
    gaps_s = np.diff(beats_s)
    nearest = np.round(at)
    period_s = gaps_s[np.clip(np.floor(at).astype(int), 0, len(gaps_s) - 1)]
    off_s = (at - nearest) * period_s
    return OnBeat(
        steps=len(at),
        per_beat=len(at) / len(beats_s),
        signed_ms=1000.0 * float(np.median(off_s)),
        absolute_ms=1000.0 * float(np.median(np.abs(off_s))),
        within_percent=100.0 * float((np.abs(off_s) <= ON_BEAT_S).mean()),
        within_chance_percent=100.0 * min(1.0, 2.0 * ON_BEAT_S / float(np.median(gaps_s))),
        pattern_percent=100.0 * float((_off_pattern(at) <= PATTERN_BEATS).mean()),
        pattern_chance_percent=100.0 * 2.0 * PATTERN_BEATS * len(STEPS_BEATS) / BEATS_PER_BAR,
        concentration=concentration(at),
        concentration_chance=chance_concentration(len(at)),
    )


def _off_pattern(at_beats: Floats) -> Floats:
    """(N,) beats from the nearest of the three steps of a bar."""
    half = BEATS_PER_BAR / 2.0
    return np.abs((at_beats[:, None] - STEPS_BEATS + half) % BEATS_PER_BAR - half).min(axis=1)


def concentration(phases: Floats) -> float:
    """Length of the mean unit vector of phases (N,) counted in turns."""
    return float(np.abs(np.exp(2j * np.pi * phases).mean()))


def chance_concentration(steps: int, seed: int = 0) -> float:
    """Mean concentration of so many phases drawn at random."""
    phases = np.random.default_rng(seed).uniform(size=(_SHUFFLES, steps))
    return float(np.abs(np.exp(2j * np.pi * phases).mean(axis=1)).mean())


@dataclass(frozen=True)
class Together:
    """Steps against those of another dancer."""

    lag_ms: float
    """Median time from the other's nearest step: positive is later."""
    percent: float
    """Of the follower's steps, how many have one of the other's within TOGETHER_S."""
    chance_percent: float
    """The same with the follower's steps moved along the take by seconds, as mean over many such moves."""

    def numbers(self, prefix: str) -> dict[str, float]:
        """By name."""
        return {f"{prefix}{name}": float(value) for name, value in vars(self).items()}


def together(steps: Landings, others: Landings, seconds: float) -> Together:
    """How ``steps`` go with the steps of another dancer, in a take of ``seconds``."""
    if not len(steps) or not len(others):
        return Together(float("nan"), 0.0, 0.0)
    lags = _nearest(steps.times_s, others.times_s)
    moves = np.linspace(0.1, 0.9, 41) * seconds
    moved = [_nearest((steps.times_s + move) % seconds, others.times_s) for move in moves]
    return Together(
        lag_ms=1000.0 * float(np.median(lags)),
        percent=100.0 * float((np.abs(lags) <= TOGETHER_S).mean()),
        chance_percent=100.0 * float((np.abs(np.stack(moved)) <= TOGETHER_S).mean()),
    )


def _nearest(times_s: Floats, others_s: Floats) -> Floats:
    """(N,) signed time since the nearest of the others."""
    gaps = times_s[:, None] - others_s
    return np.take_along_axis(gaps, np.abs(gaps).argmin(axis=1)[:, None], axis=1)[:, 0]
