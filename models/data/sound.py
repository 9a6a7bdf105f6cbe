"""Sound files as training hears them: one channel at the rate of the live listener."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from duet.errors import MediaError
from duet.music import RATE_HZ, mono


def read_sound(path: str | Path) -> NDArray[np.float32]:
    """(N,) samples of a sound file (wav, flac, ogg, mp3) at ``RATE_HZ``. Raises MediaError."""
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
    common = math.gcd(int(rate_hz), RATE_HZ)
    heard = mono(samples)
    if rate_hz != RATE_HZ:
        heard = resample_poly(heard, RATE_HZ // common, int(rate_hz) // common).astype(np.float32)
    return heard
