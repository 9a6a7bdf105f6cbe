"""The sound of a drum kit, a crowd and a voice: what the generated pieces need beside a salsa band.

Every stroke is one mono wave (N,) float32 with a peak of about 1, as in ``duet.instruments``.
"""

import numpy as np

from duet.instruments import RATE_HZ, Floats

VOICES = 10  # that make a crowd
SYLLABLES_PER_S = 4.5


def _decay(wave: np.ndarray, attack_s: float = 0.0008) -> Floats:
    """Without a click at either end, peak 1."""
    attack, release = max(int(attack_s * RATE_HZ), 1), min(480, len(wave))
    wave[:attack] *= np.linspace(0.0, 1.0, attack)
    wave[-release:] *= np.linspace(1.0, 0.0, release)
    return (wave / np.abs(wave).max()).astype(np.float32)


def band_noise(samples: int, low_hz: float, high_hz: float, rng: np.random.Generator) -> np.ndarray:
    """(samples,) noise between two frequencies with soft edges, standard deviation 1."""
    hz = np.fft.rfftfreq(samples, 1.0 / RATE_HZ)
    shape = 1.0 / (1.0 + (low_hz / np.maximum(hz, 1.0)) ** 6) / (1.0 + (hz / high_hz) ** 6)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * shape, samples)
    return noise / noise.std()


def kick(rng: np.random.Generator) -> Floats:
    """A bass drum: a tone that falls from 150 Hz to 50 Hz, and a beater."""
    time = np.arange(int(0.28 * RATE_HZ)) / RATE_HZ
    hz = 50.0 + 100.0 * np.exp(-time / 0.025)
    wave = np.sin(2.0 * np.pi * np.cumsum(hz) / RATE_HZ) * np.exp(-time / 0.09)
    wave += 0.08 * band_noise(len(time), 1000.0, 6000.0, rng) * np.exp(-time / 0.004)
    return _decay(wave)


def snare(rng: np.random.Generator) -> Floats:
    """A snare drum: two modes of the skin under the rattle of the wires."""
    time = np.arange(int(0.2 * RATE_HZ)) / RATE_HZ
    wave = sum(np.sin(2.0 * np.pi * hz * time) * np.exp(-time / 0.04) for hz in (185.0, 330.0))
    wave = np.asarray(wave) + 0.6 * band_noise(len(time), 900.0, 9000.0, rng) * np.exp(-time / 0.06)
    return _decay(wave)


def brush(rng: np.random.Generator) -> Floats:
    """A brush on a snare, or a soft clap: a short dull noise."""
    time = np.arange(int(0.09 * RATE_HZ)) / RATE_HZ
    return _decay(band_noise(len(time), 500.0, 4500.0, rng) * np.exp(-time / 0.025), attack_s=0.004)


def hat(rng: np.random.Generator) -> Floats:
    """A closed hi-hat."""
    time = np.arange(int(0.06 * RATE_HZ)) / RATE_HZ
    return _decay(band_noise(len(time), 6500.0, 14_000.0, rng) * np.exp(-time / 0.014))


def ride(rng: np.random.Generator) -> Floats:
    """A ride cymbal: a ping in a long wash."""
    time = np.arange(int(0.35 * RATE_HZ)) / RATE_HZ
    wave = 0.5 * band_noise(len(time), 4000.0, 13_000.0, rng) * np.exp(-time / 0.11)
    for hz in (3420.0, 4710.0, 6150.0):
        wave += np.sin(2.0 * np.pi * hz * rng.uniform(0.995, 1.005) * time) * np.exp(-time / 0.05)
    return _decay(wave)


def voice(seconds: float, rng: np.random.Generator) -> Floats:
    """Speech-like noise (N,): voiced and hissed syllables of uneven length and loudness, with pauses for breath.

    The glottal pulse and two formants per syllable follow Klatt 1980 in outline; no word is meant.
    """
    out = np.zeros(int(seconds * RATE_HZ), np.float32)
    at_s, pitch_hz = float(rng.uniform(0.0, 0.4)), float(rng.uniform(95.0, 230.0))
    while at_s < seconds:
        length_s = float(rng.gamma(6.0, 1.0 / 6.0 / SYLLABLES_PER_S))
        start, count = int(at_s * RATE_HZ), int(length_s * RATE_HZ)
        time = np.arange(count) / RATE_HZ
        if count > 400:
            syllable = _syllable(time, pitch_hz * float(rng.uniform(0.85, 1.2)), rng)
            rise = np.sin(np.pi * np.minimum(time / length_s, 1.0)) ** 0.7
            part = (syllable * rise * rng.uniform(0.4, 1.0)).astype(np.float32)
            room = out[start : start + count]
            room += part[: len(room)]
        at_s += length_s + (float(rng.uniform(0.25, 0.9)) if rng.uniform() < 0.13 else 0.0)
    return out


def _syllable(time: np.ndarray, pitch_hz: float, rng: np.random.Generator) -> np.ndarray:
    """One vowel or hiss, peak 1."""
    if rng.uniform() < 0.25:
        wave = band_noise(len(time), 2500.0, 8000.0, rng) * 0.5
    else:
        formants_hz = (rng.uniform(300.0, 800.0), rng.uniform(900.0, 2300.0))
        n = np.arange(1, int(4000.0 / pitch_hz))[:, None]
        gain = sum(np.exp(-0.5 * ((n * pitch_hz - f) / 150.0) ** 2) + 0.03 for f in formants_hz) / n**0.5
        glide = pitch_hz * np.cumsum(1.0 - 0.1 * time / max(time[-1], 1e-3)) / RATE_HZ
        wave = (gain * np.sin(2.0 * np.pi * n * glide)).sum(axis=0)
    return wave / np.abs(wave).max()


def crowd(seconds: float, rng: np.random.Generator) -> Floats:
    """(N,) people who talk all at once in a hall, root mean square 1."""
    talk = np.sum([voice(seconds, rng) for _ in range(VOICES)], axis=0)
    talk = talk / talk.std() + 0.4 * band_noise(len(talk), 120.0, 2500.0, rng)
    return (talk / talk.std()).astype(np.float32)
