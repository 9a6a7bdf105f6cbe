"""When a dancer puts a foot down: the moments at which a swinging foot comes to rest.

A foot is in contact while any part of it rests, so its speed is that of the slower of ankle and toe: a heel that
lifts over a resting toe is no step yet, and a heel strike is one although the toe still falls. Hysteresis and a
shortest rest keep trembling and passing feet out. Looks at whole takes; never runs live.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.rotations import Array
from duet.skeleton import BODY

Floats = NDArray[np.float64]

SIDES = ("left", "right")
SWING_SPEED_M_S = 0.6
"""A foot faster than this has left the floor."""
REST_SPEED_M_S = 0.35
"""A foot that has swung and is slower than this has landed: recorded feet at rest still creep at 0.1 to 0.3 m/s."""
REST_SHARE = 0.2
"""Or slower than this share of the swing's peak, so that great and small steps land at the same point of theirs."""
SHORTEST_REST_S = 0.1
BLUR_S = 1.0 / 30.0


@dataclass(frozen=True)
class Landings:
    """N steps of one dancer in order of time."""

    times_s: Floats
    """(N,) seconds from frame 0, between frames where need be."""
    sides: NDArray[np.int64]
    """(N,) 0 for the left foot, 1 for the right."""

    def __len__(self) -> int:
        return len(self.times_s)


def foot_speeds(joints_m: Array, fps: float) -> Floats:
    """(T, 2) speed in m/s of the slower of ankle and toe, left and right, of joints (T, 22, 3)."""
    speeds = []
    for side in SIDES:
        joints = [BODY.index(f"{side}_{part}") for part in ("ankle", "foot")]
        path = blur(np.asarray(joints_m, dtype=np.float64)[:, joints].reshape(len(joints_m), 6), BLUR_S * fps)
        moved = np.gradient(path, axis=0) if len(path) > 1 else np.zeros_like(path)
        speeds.append(np.linalg.norm(moved.reshape(-1, 2, 3), axis=-1).min(axis=1) * fps)
    return np.stack(speeds, axis=1)


def landings(joints_m: Array, fps: float) -> Landings:
    """The steps in joints (T, 22, 3)."""
    found: list[tuple[float, int]] = []
    for side, speed in enumerate(foot_speeds(joints_m, fps).T):
        found += [(frame / fps, side) for frame in _rests(speed, max(1, round(SHORTEST_REST_S * fps)))]
    found.sort()
    return Landings(np.array([t for t, _ in found]), np.array([side for _, side in found], dtype=np.int64))


def blur(values: Floats, sigma_frames: float) -> Floats:
    """Gaussian blur of (T, D) over time, the ends held."""
    reach = int(np.ceil(3 * sigma_frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_frames) ** 2)
    kernel /= kernel.sum()
    padded = np.concatenate([np.repeat(values[:1], reach, 0), values, np.repeat(values[-1:], reach, 0)])
    return np.sum([k * padded[i : i + len(values)] for i, k in enumerate(kernel)], axis=0)


def _rests(speed: Floats, shortest: int) -> list[float]:
    """Frames, to a fraction, at which ``speed`` (T,) falls to rest after a swing and stays there."""
    found, peak = [], 0.0
    for t, now in enumerate(speed):
        if peak == 0.0:
            peak = now if now > SWING_SPEED_M_S else 0.0
            continue
        peak = max(peak, now)
        rest = max(REST_SPEED_M_S, REST_SHARE * peak)
        if now < rest and (speed[t : t + shortest] < SWING_SPEED_M_S).all():
            found.append(t - (rest - now) / max(float(speed[t - 1] - now), 1e-9))
            peak = 0.0
    return found
