"""Beats of a dance without music: found in the dancers' steps.

The couples were recorded without their music. Dancers put a foot down on the beat, so the beat grid
is the regular one that most steps land on: an onset envelope of landings, its period by
autocorrelation, and the path of beats by dynamic programming (Ellis 2007, "Beat tracking by dynamic
programming"). This looks at whole takes; it makes training data and never runs live.
"""

import numpy as np
from numpy.typing import NDArray

from duet.skeleton import FEET
from models.data.pairs import Pair

Floats = NDArray[np.float64]

TEMPO_RANGE_BPM = (150.0, 215.0)
BEATS_PER_BAR = 4
_TIGHTNESS = 60.0


def landing_envelope(pair: Pair) -> Floats:
    """(T,) how much the feet of both dancers come to rest in each frame: braking of ankles and toes, m/s per frame."""
    envelope = np.zeros(pair.frames)
    for dancer in (pair.leader, pair.follower):
        feet = dancer.joints_m[:, list(FEET)].astype(np.float64)
        speed = np.linalg.norm(np.diff(feet, axis=0, prepend=feet[:1]), axis=-1) * dancer.fps
        speed = np.minimum(_blur(speed, 1.0), 4.0)
        envelope += np.maximum(0.0, -np.gradient(speed, axis=0)).sum(axis=1)
    return _blur(envelope[:, None], 1.0)[:, 0]


def step_beats(pair: Pair) -> Floats:
    """Beat times (N,) in seconds; the first of every four is the first step after the pause of the basic step."""
    envelope, fps = landing_envelope(pair), pair.leader.fps
    beats = _track(envelope, _beat_period(envelope, fps))
    downbeat = _first_of_bar(envelope, beats)
    return beats[downbeat:] / fps


def _beat_period(envelope: Floats, fps: float) -> float:
    """Frames per beat: the period whose multiples up to a bar are strongest in the autocorrelation."""
    centred = envelope - envelope.mean()
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    autocorrelation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(centred)] / np.arange(len(centred), 0, -1)
    periods = np.arange(60.0 * fps / TEMPO_RANGE_BPM[1], 60.0 * fps / TEMPO_RANGE_BPM[0], 0.02)
    lags = np.arange(len(autocorrelation))
    weights = {1: 0.5, 2: 0.5, 4: 1.0, 8: 1.0}
    score = sum(w * np.interp(periods * n, lags, autocorrelation) for n, w in weights.items())
    return float(periods[np.argmax(score)])


def _track(envelope: Floats, period: float) -> Floats:
    """Frames (N,), to a fraction, of the best path of beats that are about ``period`` frames apart."""
    strength = envelope / max(float(envelope.std()), 1e-9)
    score, back = strength.copy(), np.full(len(strength), -1)
    steps = np.arange(-round(2 * period), -round(period / 2) + 1)
    penalty = -_TIGHTNESS * np.log(-steps / period) ** 2
    for t in range(len(strength)):
        before = t + steps
        valid = before >= 0
        if valid.any():
            options = score[before[valid]] + penalty[valid]
            best = int(np.argmax(options))
            if options[best] > 0.0:
                score[t] += options[best]
                back[t] = before[valid][best]
    path = [int(np.argmax(score[-round(period) - 1 :])) + max(0, len(score) - round(period) - 1)]
    while back[path[-1]] >= 0:
        path.append(int(back[path[-1]]))
    beats = np.array(path[::-1], dtype=np.float64)
    return _regular(beats) if len(beats) > 2 else beats


def _regular(beats: Floats, reach: int = 4) -> Floats:
    """Beats (N,) on a locally straight grid: feet scatter about the beat, and music does not."""
    index = np.arange(len(beats))
    spans = [slice(max(0, i - reach), i + reach + 1) for i in index]
    lines = [np.polyfit(index[span], beats[span], 1) for span in spans]
    return np.array([slope * i + offset for i, (slope, offset) in zip(index, lines, strict=True)])


def _first_of_bar(envelope: Floats, beats: Floats) -> int:
    """Which of the first four beats begins a bar: the basic step rests on the fourth."""
    at = np.interp(beats, np.arange(len(envelope)), envelope)
    rest = int(np.argmin([at[i::BEATS_PER_BAR].mean() for i in range(BEATS_PER_BAR)]))
    return (rest + 1) % BEATS_PER_BAR


def _blur(values: Floats, sigma_frames: float) -> Floats:
    """Gaussian blur of (T, D) over time."""
    reach = int(np.ceil(3 * sigma_frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_frames) ** 2)
    kernel /= kernel.sum()
    padded = np.concatenate([np.repeat(values[:1], reach, 0), values, np.repeat(values[-1:], reach, 0)])
    return np.sum([k * padded[i : i + len(values)] for i, k in enumerate(kernel)], axis=0)
