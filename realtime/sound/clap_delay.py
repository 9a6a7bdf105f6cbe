"""How much later a camera's pictures are than sound: the same claps, or flashes with a bang, seen and heard.

Pure functions: times of what is seen, times of what is heard, and the one delay that fits most of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from duet.errors import InputError
from duet.rotations import Array
from realtime.sight.landmarks import SHOULDERS, WRISTS, Landmarks

SOUND_M_S = 343.0
LEAST_PAIRS = 4
SEARCH_S = 0.6
"""Delays are looked for so far to either side; claps must be further apart than that to be told apart surely."""
_TOGETHER_S = 0.05
_BANG_BAND_HZ = 1000.0
_STEP_S = 0.001
_BANG_DB = 15.0
_BANG_SHARE = 0.2
_REST_S = 0.25
_CLOSE = 0.45
"""Hands have met when they are nearer than this share of how far apart they were."""
_REACH_S = 0.5
_FLANK, _FLANK_S = 3, 0.1
_TOUCHING = 0.12
_HALF_PICTURE = 0.65
_FLASH_SHARE = 0.35


@dataclass(frozen=True)
class Measured:
    """A delay and how far it can be trusted."""

    seconds: float
    spread_s: float
    """Standard deviation of single pairs, robustly."""
    pairs: int


def bang_times(samples: ArrayLike, rate_hz: float) -> NDArray[np.float64]:
    """Seconds from the first of ``samples`` (N,) at which claps or clicks begin, to about a millisecond."""
    # Half a second to import: not for who only asks for help.
    from scipy.signal import butter, sosfilt

    sound = np.asarray(samples, dtype=np.float64)
    step = max(1, round(_STEP_S * rate_hz))
    if len(sound) < 100 * step:
        return np.zeros(0)
    sharp = np.asarray(sosfilt(butter(2, _BANG_BAND_HZ, "highpass", fs=rate_hz, output="sos"), sound))
    power = (sharp[: len(sharp) // step * step] ** 2).reshape(-1, step).mean(axis=1)
    floor = float(np.median(power)) * 10.0 ** (_BANG_DB / 10.0) + 1e-12
    # The loudest few are claps if anything is; one slammed door must not hide them.
    loud = float(np.sort(power)[-max(3, len(power) // 1000) :].mean()) * _BANG_SHARE**2
    rest, times = round(_REST_S / _STEP_S), []
    above = np.flatnonzero(power > max(floor, loud))
    last = -rest
    for start in above:
        if start - last < rest:
            continue
        last = int(start)
        peak = power[start : start + 20].max()
        begin = start + int(np.argmax(power[start : start + 20] > 0.1 * peak))
        times.append(begin * step / rate_hz)
    return np.array(times)


def hands_apart(landmarks: Landmarks) -> float:
    """Distance of the wrists in the picture, in shoulder widths in the world: a clap makes it small."""
    points = landmarks.world_m
    width = float(np.linalg.norm(points[SHOULDERS[0]] - points[SHOULDERS[1]]))
    return float(np.linalg.norm(points[WRISTS[0]] - points[WRISTS[1]])) / max(width, 0.1)


def clap_times(times_s: ArrayLike, apart: ArrayLike) -> NDArray[np.float64]:
    """When hands meet, between pictures where need be: ``apart`` (N,) from ``hands_apart``, nan where nobody was seen.

    Hands come together at a steady speed and stop at once: the line through the last pictures before they meet, cut
    with the line after or with the rest at the bottom.
    """
    times, distance = np.asarray(times_s, dtype=np.float64), np.asarray(apart, dtype=np.float64)
    seen = np.isfinite(distance)
    times, distance = times[seen], distance[seen]
    found: list[float] = []
    for i in range(_FLANK, len(times) - _FLANK):
        near = np.abs(times - times[i]) <= _REACH_S
        if distance[i] > distance[near].min() or (found and times[i] - found[-1] < _REST_S):
            continue
        before, after = near & (times < times[i]), near & (times > times[i])
        if not before.any() or distance[i] > _CLOSE * distance[before].max():
            continue
        if not after.any():
            continue
        found.append(_meeting(times, distance, i))
    return np.array(found)


def _meeting(times: Array, distance: Array, at: int) -> float:
    """The moment of contact, ``at`` being the picture in which the hands are nearest."""
    wide, low = float(distance[max(0, at - 10) : at].max()), float(distance[at])
    together = low + _TOUCHING * (wide - low)
    first = last = at
    while first > 0 and distance[first - 1] < together:
        first -= 1
    while last + 1 < len(times) and distance[last + 1] < together:
        last += 1
    interval = float(np.median(np.diff(times[max(0, at - 4) : at + 5])))
    flank = max(_FLANK, round(_FLANK_S / interval))
    fall, rise = _line(times, distance, first - flank, first), _line(times, distance, last + 1, last + 1 + flank)
    if fall is None or fall[0] >= 0.0:
        return float(times[first])
    if rise is not None and rise[0] > 0.0:
        crossing = (rise[1] - fall[1]) / (fall[0] - rise[0])
        # Hands that rest together would have to meet far below where they are seen to: then it is no rebound.
        if low - (fall[0] * crossing + fall[1]) <= -fall[0] * _HALF_PICTURE * interval:
            return float(np.clip(crossing, times[at] - interval, times[at] + interval))
    rest = float(np.median(distance[first : last + 1]))
    return float(np.clip((rest - fall[1]) / fall[0], times[first] - interval, times[first] + interval))


def _line(times: Array, distance: Array, first: int, stop: int) -> Array | None:
    """(slope, intercept) through some pictures; None where there are too few."""
    first, stop = max(first, 0), min(stop, len(times))
    return np.polyfit(times[first:stop], distance[first:stop], 1) if stop - first >= 2 else None


def flash_times(times_s: ArrayLike, brightness: ArrayLike) -> NDArray[np.float64]:
    """When flashes begin, by the mean ``brightness`` (N,) of pictures: half a picture before the first bright one."""
    times, light = np.asarray(times_s, dtype=np.float64), np.asarray(brightness, dtype=np.float64)
    if len(times) < 4:
        return np.zeros(0)
    rise = np.diff(light)
    least = max(_FLASH_SHARE * float(np.ptp(light)), 8.0 * float(np.median(np.abs(rise))), 4.0)
    found: list[float] = []
    for i in np.flatnonzero(rise > least):
        if not found or times[i + 1] - found[-1] > _REST_S:
            found.append(0.5 * float(times[i] + times[i + 1]))
    return np.array(found)


def delay_between(later_s: ArrayLike, earlier_s: ArrayLike, what: str = "claps") -> Measured:
    """How much later the first row of moments is than the second, by the delay that most pairs share.

    Moments that only one side noticed are passed over. InputError where fewer than ``LEAST_PAIRS`` agree.
    """
    later, earlier = np.asarray(later_s, dtype=np.float64), np.asarray(earlier_s, dtype=np.float64)
    gaps = (later[:, None] - earlier[None, :]).ravel()
    gaps = np.sort(gaps[np.abs(gaps) <= SEARCH_S])
    together = np.array([np.sum(np.abs(gaps - gap) <= _TOGETHER_S) for gap in gaps], dtype=int)
    most = int(together.max(initial=0))
    if most < max(LEAST_PAIRS, 0.5 * min(len(later), len(earlier))):
        raise InputError(
            f"Delay: expected {LEAST_PAIRS} {what} or more seen and heard alike, got {most} of {len(later)} seen and "
            f"{len(earlier)} heard. Do it again: ten of them, a second apart, hands apart and in view, and in quiet."
        )
    middle = float(np.median(gaps[together == most]))
    pairs = gaps[np.abs(gaps - middle) <= _TOGETHER_S]
    delay = float(np.median(pairs))
    return Measured(delay, float(1.4826 * np.median(np.abs(pairs - delay))), len(pairs))


def click_train(rate_hz: int, seconds: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Clicks to play, (N,), and when each begins: at uneven distances, so that no other delay fits as well."""
    rng = np.random.default_rng(seed)
    times, at = [], 0.5
    while at < seconds - 0.5:
        times.append(at)
        at += float(rng.uniform(0.65, 1.05))
    sound = np.zeros(round(seconds * rate_hz), np.float32)
    length = round(0.012 * rate_hz)
    click = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.003 * rate_hz))
    for time_s in times:
        first = round(time_s * rate_hz)
        sound[first : first + length] = 0.5 * click / np.abs(click).max()
    return sound, np.array(times)


def at_source(heard_s: Sequence[float] | Array, away_m: float) -> Array:
    """When what was heard at ``heard_s`` sounded ``away_m`` from the microphone."""
    return np.asarray(heard_s, dtype=np.float64) - away_m / SOUND_M_S
