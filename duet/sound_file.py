"""Sound files at the rate the ear works at."""

import math
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from duet.errors import MediaError
from duet.music import RATE_HZ
from duet.rotations import Array


def load_sound(path: str | Path) -> Array:
    """(N, channels) samples of a sound file (wav, flac, ogg, mp3, ...) at ``RATE_HZ``. Raises MediaError."""
    import soundfile

    file = Path(path)
    if not file.is_file():
        raise MediaError(f"{file}: expected a sound file, got nothing there. Check the path.")
    try:
        samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        # What the library says of a file of no kind it knows is that there is none.
        raise MediaError(
            f"{file}: expected a sound file (wav, flac, ogg, mp3), got one that cannot be read. "
            "Convert it, for example with `ffmpeg -i IN out.wav`."
        ) from error
    if not len(samples):
        raise MediaError(f"{file}: expected sound, got a file without samples. Export it again.")
    if not np.isfinite(samples).all():
        raise MediaError(f"{file}: expected finite samples, got some that are not numbers. Export it again.")
    return resampled(np.asarray(samples, np.float32), from_hz=int(rate_hz), to_hz=RATE_HZ)


def resampled(samples: Array, *, from_hz: int, to_hz: int) -> Array:
    """(M, ...) from (N, ...): a whole piece at another rate, without delay."""
    if from_hz == to_hz:
        return samples
    common = math.gcd(from_hz, to_hz)
    return resample_poly(samples, to_hz // common, from_hz // common, axis=0).astype(np.float32)
