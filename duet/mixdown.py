"""From strokes to a stereo mix: placing, panning, a room, a ceiling."""

import numpy as np

from duet.instruments import RATE_HZ, Floats

PEAK = 0.85


class Mixer:
    """Adds strokes to a stereo mix and to what goes into the room."""

    def __init__(self, samples: int, rng: np.random.Generator) -> None:
        self.dry = np.zeros((samples, 2), np.float32)
        self.room = np.zeros(samples, np.float32)
        self._rng = rng

    def add(self, stroke: Floats, at_s: float, gain: float, pan: float, room: float, last_s: float = 9.0) -> None:
        """One stroke; ``pan`` -1 (left) to 1; ``room`` share sent to the reverb; damped after ``last_s``."""
        late_s = float(np.clip(self._rng.normal(0.0, 0.0025), -0.005, 0.005))
        gain *= float(np.clip(self._rng.normal(1.0, 0.08), 0.8, 1.2))
        kept = int(last_s * RATE_HZ)
        if kept < len(stroke):
            stroke = stroke[:kept].copy()
            damp = min(len(stroke), RATE_HZ // 40)
            stroke[len(stroke) - damp :] *= np.linspace(1.0, 0.0, damp, dtype=np.float32)
        start = round((at_s + late_s) * RATE_HZ)
        stroke = stroke[max(-start, 0) : max(len(self.dry) - start, 0)]
        start = max(start, 0)
        stop = start + len(stroke)
        angle = (pan + 1.0) * np.pi / 4.0
        self.dry[start:stop, 0] += np.float32(gain * np.cos(angle)) * stroke
        self.dry[start:stop, 1] += np.float32(gain * np.sin(angle)) * stroke
        self.room[start:stop] += np.float32(gain * room) * stroke

    def mix(self) -> Floats:
        """(N, 2) dry sound and room together, gently saturated, peak ``PEAK``."""
        mixed = self.dry + reverb(self.room, self._rng)
        loud = float(np.quantile(np.abs(mixed), 0.999)) or 1.0
        mixed = np.tanh(mixed * np.float32(0.9 / loud))
        return (mixed * np.float32(PEAK / max(float(np.abs(mixed).max()), 1e-9))).astype(np.float32)


def reverb(send: Floats, rng: np.random.Generator) -> Floats:
    """(N, 2) a small bright room: decaying noise, darker with time, different on each side."""
    length, block = int(0.9 * RATE_HZ), 1 << 17
    time = np.arange(length) / RATE_HZ
    size = 1 << int(np.ceil(np.log2(block + length)))
    out = np.zeros((len(send) + size, 2), np.float32)
    hz = np.fft.rfftfreq(length, 1.0 / RATE_HZ)
    for side in range(2):
        echo = np.zeros(length)
        for low_hz, high_hz, decay_s in ((250.0, 2000.0, 0.22), (2000.0, 7000.0, 0.12)):
            band = (hz > low_hz) & (hz < high_hz)
            echo += np.fft.irfft(np.fft.rfft(rng.standard_normal(length)) * band, length) * np.exp(-time / decay_s)
        echo[: int(0.012 * RATE_HZ)] = 0.0  # the first wall is four metres away
        answer = np.fft.rfft((echo / np.linalg.norm(echo)).astype(np.float32), size)
        for start in range(0, len(send), block):
            wet = np.fft.irfft(np.fft.rfft(send[start : start + block], size) * answer, size)
            out[start : start + size, side] += wet
    return out[: len(send)]
