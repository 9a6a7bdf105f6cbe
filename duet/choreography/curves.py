"""Curves over frames: keyed values, smoothing, easing and slow noise."""

import numpy as np
from numpy.typing import ArrayLike

from duet.rotations import Array


def smooth(values: Array, sigma_frames: float) -> Array:
    """Gaussian smoothing over the first axis (T, ...), cut at 3 sigma; ends are held."""
    if sigma_frames <= 0.05 or len(values) < 2:
        return values
    reach = smoothing_reach(sigma_frames)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_frames) ** 2)
    kernel /= kernel.sum()
    flat = values.reshape(len(values), -1)
    padded = np.pad(flat, ((reach, reach), (0, 0)), mode="edge")
    out = sum(k * padded[i : i + len(flat)] for i, k in enumerate(kernel))
    return np.asarray(out).reshape(values.shape)


def smoothing_reach(sigma_frames: float) -> int:
    """How many frames to each side ``smooth`` looks."""
    return max(1, int(np.ceil(3 * sigma_frames)))


def lower_envelope(values: Array, sigma_frames: float) -> Array:
    """The smoothest-looking curve (T,) that stays at or below ``values``."""
    reach = smoothing_reach(sigma_frames)
    padded = np.pad(values, reach, mode="edge")
    lowest = np.min(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=-1)
    return smooth(lowest, sigma_frames)


def keyed(key_times_s: ArrayLike, key_values: ArrayLike, times_s: Array) -> Array:
    """Linear between keys, held outside: ``key_values`` (K, ...) to (T, ...)."""
    at, values = np.asarray(key_times_s, dtype=np.float64), np.asarray(key_values, dtype=np.float64)
    flat = values.reshape(len(values), -1)
    out = np.stack([np.interp(times_s, at, column) for column in flat.T], axis=-1)
    return out.reshape(len(times_s), *values.shape[1:])


def held(key_times_s: ArrayLike, key_values: ArrayLike, times_s: Array) -> Array:
    """The newest key's value: ``key_values`` (K, ...) to (T, ...)."""
    index = np.searchsorted(np.asarray(key_times_s, dtype=np.float64), times_s, side="right") - 1
    return np.asarray(key_values, dtype=np.float64)[np.maximum(index, 0)]


def ease(x: ArrayLike) -> Array:
    """Minimum-jerk rise from 0 to 1 over [0, 1] (Flash and Hogan 1985)."""
    x = np.clip(np.asarray(x, dtype=np.float64), 0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


def soft_clip(values: Array, low: float, high: float) -> Array:
    """Identity near the middle of [low, high], bending smoothly into the limits."""
    middle, half = (low + high) / 2, (high - low) / 2
    x = (values - middle) / half
    # Straight up to 70 % of the way, an exponential knee beyond.
    knee = 0.7
    over = np.maximum(np.abs(x) - knee, 0.0)
    return middle + half * np.sign(x) * (np.minimum(np.abs(x), knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee))))


def slow_noise(rng: np.random.Generator, frames: int, fps: float, *, period_s: float, columns: int = 1) -> Array:
    """(T, columns) of unit variance that wanders over about ``period_s``."""
    sigma = 0.25 * period_s * fps
    # Drawn coarse and interpolated, so that long periods cost no more than short ones.
    knots = max(8, int(frames / sigma) + 8)
    kernel = np.exp(-0.5 * (np.arange(-3, 4) / 0.8) ** 2)
    coarse = smooth(rng.normal(size=(knots, columns)), 0.8) * kernel.sum() / np.linalg.norm(kernel)
    fine = keyed(np.arange(knots) * sigma, coarse, np.arange(frames, dtype=np.float64))
    return smooth(fine, min(0.5 * sigma, 20.0))
