"""What the follower hears while a couple dances: the music condition on given beats."""

import numpy as np
from numpy.typing import NDArray

from duet.music import CONDITION_SIZE

_BEATS_PER_BAR = 4


def condition_from_beats(
    beats_s: NDArray[np.float64], frames: int, fps: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(T, 8) the condition a beat tracker would give for percussive music with these beats; the first is a downbeat.

    The tracker needs its first seconds to be sure, and its phase wanders a little.
    """
    time_s = np.arange(frames) / fps
    period_s = float(np.median(np.diff(beats_s)))
    before = int(np.ceil(beats_s[0] / period_s / _BEATS_PER_BAR) + 1) * _BEATS_PER_BAR
    after = int(np.ceil(max(0.0, time_s[-1] - beats_s[-1]) / period_s)) + 2
    grid = np.concatenate(
        [
            beats_s[0] + period_s * np.arange(-before, 0),
            beats_s,
            beats_s[-1] + period_s * np.arange(1, after + 1),
        ]
    )
    beat = np.interp(time_s, grid, np.arange(len(grid)) - before)
    wander = 0.03 * np.convolve(rng.normal(size=frames + 30), np.ones(30) / np.sqrt(30), "valid")[:frames]
    since = (beat % 1.0) * period_s
    phase = 2.0 * np.pi * (beat + wander)
    rise = 1.0 - np.exp(-time_s / rng.uniform(0.5, 2.5))
    accent = np.where(np.floor(beat) % _BEATS_PER_BAR == 0, 1.2, 0.8)
    condition = np.empty((frames, CONDITION_SIZE), dtype=np.float32)
    condition[:, 0], condition[:, 1] = np.sin(phase), np.cos(phase)
    condition[:, 2], condition[:, 3] = np.sin(phase / _BEATS_PER_BAR), np.cos(phase / _BEATS_PER_BAR)
    condition[:, 4] = np.log2(60.0 / period_s / 120.0)
    condition[:, 5] = rng.uniform(0.6, 1.0) * rise
    condition[:, 6] = accent * np.exp(-since / 0.05) * rng.uniform(0.4, 1.0)
    condition[:, 7] = rng.uniform(0.55, 0.85) + 0.08 * np.exp(-since / 0.1)
    return condition
