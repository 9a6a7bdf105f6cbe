"""Sound of any rate and any number of channels as the ear and the loudspeakers take it, piece by piece."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def stereo(samples: Floats) -> Floats:
    """(N, 2) from (N,) or (N, channels): one channel on both sides, of more the first two."""
    if samples.ndim == 1:
        samples = samples[:, None]
    return np.ascontiguousarray(np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples[:, :2])


class StreamResampler:
    """What ``duet.sound_file.resampled`` does, for a stream in pieces: a polyphase windowed-sinc filter that remembers.

    Output sample ``m`` is the input at ``m * from_hz / to_hz - delay``, ``delay`` input samples being
    half the filter.
    """

    TAPS = 48

    def __init__(self, *, from_hz: int, to_hz: int) -> None:
        common = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        cutoff = 0.92 * min(1.0, to_hz / from_hz) / self._up
        away = np.arange(self.TAPS * self._up) - (self.TAPS * self._up - 1) / 2.0
        taps = cutoff * np.sinc(cutoff * away) * np.kaiser(len(away), 8.0) * self._up
        # Row p: the taps that make an output lying p / up after an input sample, oldest input first.
        self._phases = np.ascontiguousarray(taps.reshape(self.TAPS, self._up).T[:, ::-1], dtype=np.float32)
        self._held = np.zeros(self.TAPS - 1, np.float32)
        self._next = 0  # position of the next output in input samples times ``up``, from the first held one
        self.delay_s = (self.TAPS - 1.0 / self._up) / 2.0 / from_hz

    def push(self, samples: Floats) -> Floats:
        """(M,) what (N,) more samples complete."""
        held = np.concatenate((self._held, samples))
        whole = len(held) - self.TAPS + 1  # positions at which the filter has all it needs
        count = max(0, -(-(whole * self._up - self._next) // self._down))
        positions = self._next + self._down * np.arange(count)
        first = positions // self._up
        windows = held[first[:, None] + np.arange(self.TAPS)[None, :]]
        out = (windows * self._phases[positions % self._up]).sum(axis=1, dtype=np.float32)
        self._next += self._down * count - whole * self._up
        self._held = held[whole:]
        return out
