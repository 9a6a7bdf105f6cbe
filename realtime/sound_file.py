"""Sound at the rate the ear works at: files as they are loaded, streams as they come."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from duet.errors import MediaError
from duet.music import RATE_HZ

Floats = NDArray[np.float32]


def resampled(samples: Floats, *, from_hz: int, to_hz: int) -> Floats:
    """(M, ...) from (N, ...): a whole piece at another rate, without delay."""
    if from_hz == to_hz:
        return samples
    common = math.gcd(from_hz, to_hz)
    return resample_poly(samples, to_hz // common, from_hz // common, axis=0).astype(np.float32)


def load_sound(path: str | Path) -> Floats:
    """(N, 2) samples of a sound file (wav, flac, ogg, mp3, ...) at ``RATE_HZ``. Raises MediaError."""
    import soundfile

    file = Path(path)
    if not file.is_file():
        raise MediaError(f"{file}: expected a sound file, got nothing there. Check the path.")
    try:
        samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise MediaError(
            f"{file}: expected a sound file (wav, flac, ogg, mp3), got one that cannot be read ({error}). "
            "Convert it, for example with `ffmpeg -i IN out.wav`."
        ) from error
    if not len(samples):
        raise MediaError(f"{file}: expected sound, got a file without samples. Export it again.")
    if not np.isfinite(samples).all():
        raise MediaError(f"{file}: expected finite samples, got some that are not numbers. Export it again.")
    return resampled(stereo(np.asarray(samples, np.float32)), from_hz=int(rate_hz), to_hz=RATE_HZ)


def stereo(samples: Floats) -> Floats:
    """(N, 2) from (N,) or (N, channels): one channel on both sides, of more the first two."""
    if samples.ndim == 1:
        samples = samples[:, None]
    return np.ascontiguousarray(np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples[:, :2])


class StreamResampler:
    """The same for a stream in pieces: a polyphase windowed-sinc filter that remembers where it was.

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
