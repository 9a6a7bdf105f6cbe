"""The sound of one stroke: the instruments of the built-in groove, synthesised.

Every function returns one mono stroke (N,) float32 with a peak of about 1. Struck and plucked things
are sums of decaying partials with a short noise where they are hit; shaken and scraped things are
shaped noise. ``rng`` makes two strokes differ as two strokes of a hand do.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE_HZ = 48_000


def _time(seconds: float) -> NDArray[np.float64]:
    return np.arange(int(seconds * RATE_HZ)) / RATE_HZ


def _noise(seconds: float, low_hz: float, high_hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise between two frequencies with soft edges, peak 1."""
    n = int(seconds * RATE_HZ)
    hz = np.fft.rfftfreq(n, 1.0 / RATE_HZ)
    band = 1.0 / (1.0 + (low_hz / np.maximum(hz, 1.0)) ** 6) / (1.0 + (hz / high_hz) ** 6)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * band, n)
    return noise / np.abs(noise).max()


def _partials(
    seconds: float,
    hz: NDArray[np.floating],
    gains: NDArray[np.floating],
    decays_s: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Sum of decaying sines; those above 16 kHz are left out.

    exp(a (t + u)) = exp(a t) exp(a u): with coarse and fine time as rows and columns, the sum over
    partials is one small matrix product.
    """
    heard = hz < 16_000.0
    rate = (2j * np.pi * hz[heard] - 1.0 / decays_s[heard]) / RATE_HZ
    n, fine = int(seconds * RATE_HZ), 256
    coarse = np.exp(rate[None, :] * np.arange(0, n, fine)[:, None]) * gains[heard]
    return np.imag(coarse @ np.exp(rate[:, None] * np.arange(fine)[None, :])).ravel()[:n]


def _finish(wave: NDArray[np.floating], attack_s: float = 0.001, release_s: float = 0.01) -> Floats:
    """Rise and fall without clicks, peak 1."""
    attack, release = int(attack_s * RATE_HZ), int(release_s * RATE_HZ)
    wave[:attack] *= np.linspace(0.0, 1.0, attack)
    wave[-release:] *= np.linspace(1.0, 0.0, release)
    return (wave / np.abs(wave).max()).astype(np.float32)


def piano(hz: float, hardness: float, rng: np.random.Generator) -> Floats:
    """A piano string pair: stiff (inharmonic) partials, bright with ``hardness`` (0 to 1), high ones dying first."""
    seconds = 0.9
    n = np.arange(1, 15)
    stiff = n * np.sqrt(1.0 + 4e-4 * n**2)
    gains = np.exp(-n * (0.42 - 0.22 * hardness)) * np.abs(np.sin(np.pi * n / 7.5))
    decays_s = 0.8 * (262.0 / hz) ** 0.5 / (1.0 + 0.28 * n)
    wave = sum(
        _partials(seconds, hz * stiff * (1.0 + detune), gains, decays_s) for detune in (-3.0e-4, rng.normal(3e-4, 5e-5))
    )
    hammer = _noise(0.03, 300.0, 3500.0, rng) * np.exp(-_time(0.03) / 0.006)
    wave = np.asarray(wave)
    wave[: len(hammer)] += 0.12 * np.abs(wave).max() * hammer
    return _finish(wave, attack_s=0.0015, release_s=0.05)


def bass(hz: float, rng: np.random.Generator) -> Floats:
    """An upright bass plucked with the finger: a strong fundamental and a woody knock."""
    n = np.arange(1, 9)
    gains = np.array([1.0, 0.62, 0.34, 0.2, 0.12, 0.07, 0.04, 0.02])
    wave = _partials(0.8, hz * n * rng.uniform(0.9995, 1.0005), gains, 1.0 / (1.6 + 1.5 * n))
    knock = _noise(0.05, 90.0, 900.0, rng) * np.exp(-_time(0.05) / 0.010)
    wave[: len(knock)] += 0.5 * knock
    return _finish(wave, attack_s=0.003, release_s=0.06)


def conga(stroke: str, hz: float, rng: np.random.Generator) -> Floats:
    """A conga: ``open`` rings, ``slap`` cracks, ``touch`` (heel or toe) is a soft thump."""
    ring_s, hit_s, hit, low_hz, high_hz = {
        "open": (0.16, 0.006, 0.35, 300.0, 3000.0),
        "slap": (0.035, 0.014, 1.5, 900.0, 6500.0),
        "touch": (0.022, 0.012, 0.7, 120.0, 900.0),
    }[stroke]
    seconds = 0.45 if stroke == "open" else 0.15
    time = _time(seconds)
    wave = np.zeros(len(time))
    for mode, gain, life in (
        (1.0, 1.0, 1.0),
        (1.59, 0.45, 0.5),
        (2.14, 0.3, 0.35),
        (2.65, 0.18, 0.25),
        (3.5, 0.1, 0.2),
    ):
        fall = 1.0 + 0.03 * np.exp(-time / 0.02)
        wave += gain * np.sin(2.0 * np.pi * mode * hz * np.cumsum(fall) / RATE_HZ) * np.exp(-time / (life * ring_s))
    hand = _noise(seconds, low_hz, high_hz, rng) * np.exp(-time / hit_s)
    return _finish(wave + hit * hand, release_s=0.02)


def cowbell(stroke: str, rng: np.random.Generator) -> Floats:
    """A hand bell (campana): ``mouth`` is low and rings, ``neck`` is high and dry."""
    hz = np.array([562.0, 845.0, 1190.0, 1688.0, 2310.0, 3120.0, 4460.0, 6100.0])
    gains = np.array([1.0, 0.85, 0.4, 0.45, 0.3, 0.25, 0.15, 0.08])
    if stroke == "neck":
        hz, gains = hz * 1.06, gains[::-1] * 0.4 + gains * 0.6
    life_s = 0.11 if stroke == "mouth" else 0.045
    decays_s = life_s * rng.uniform(0.95, 1.05) / (1.0 + np.arange(8) * 0.22)
    wave = _partials(0.4, hz, gains, decays_s)
    stick = _noise(0.01, 2500.0, 9000.0, rng) * np.exp(-_time(0.01) / 0.002)
    wave[: len(stick)] += 0.5 * stick
    return _finish(wave)


def clave(rng: np.random.Generator) -> Floats:
    """Two hardwood sticks."""
    hz = np.array([2480.0, 2530.0, 5150.0, 7300.0]) * rng.uniform(0.998, 1.002)
    wave = _partials(0.15, hz, np.array([1.0, 0.4, 0.22, 0.12]), np.array([0.020, 0.016, 0.008, 0.005]))
    return _finish(wave, attack_s=0.0004)


def shell(accent: bool, rng: np.random.Generator) -> Floats:
    """A stick on the shell of a timbal (cascara): thin metal."""
    hz = np.array([1350.0, 2270.0, 3410.0, 4780.0, 6540.0, 8900.0]) * rng.uniform(0.99, 1.01)
    wave = _partials(0.15, hz, np.array([0.5, 0.8, 1.0, 0.7, 0.5, 0.3]), np.full(6, 0.022 if accent else 0.014))
    stick = _noise(0.01, 3000.0, 11_000.0, rng) * np.exp(-_time(0.01) / 0.0015)
    wave[: len(stick)] += 1.2 * stick
    return _finish(wave, attack_s=0.0004)


def timbal(hz: float, rng: np.random.Generator) -> Floats:
    """An open timbal stroke, for fills."""
    wave = conga("open", hz, rng).astype(np.float64)
    wave += 0.5 * _noise(len(wave) / RATE_HZ, 1500.0, 8000.0, rng) * np.exp(-np.arange(len(wave)) / RATE_HZ / 0.03)
    return _finish(wave, attack_s=0.0005)


def maracas(rng: np.random.Generator) -> Floats:
    """One shake: the beads fly, then land."""
    time = _time(0.07)
    fly = 0.25 * np.exp(-(((time - 0.008) / 0.006) ** 2))
    land = np.where(time > 0.014, np.exp(-(time - 0.014) / 0.012), 0.0)
    return _finish(_noise(0.07, 4500.0, 13_000.0, rng) * (fly + land))


def guiro(seconds: float, rng: np.random.Generator) -> Floats:
    """A scrape over the notches of a gourd, faster towards its end."""
    time = _time(seconds)
    notches = np.cumsum(70.0 + 60.0 * time / seconds) / RATE_HZ
    teeth = np.exp(-((notches % 1.0) / 0.22))
    shape = np.minimum(time / 0.004, 1.0) * (0.55 + 0.45 * time / seconds)
    return _finish(_noise(seconds, 2200.0, 8500.0, rng) * teeth * shape, release_s=0.012)


def brass(hz: float, seconds: float, rng: np.random.Generator) -> Floats:
    """A small horn section in unison: three detuned players whose sound opens with the breath."""
    time = _time(seconds)
    breath = np.minimum(time / 0.035, 1.0) * (0.75 + 0.25 * np.exp(-time / 0.15))
    wave = np.zeros(len(time))
    for player in range(3):
        cents = rng.normal(0.0, 5.0)
        wobble = 1.0 + 0.0016 * np.sin(2.0 * np.pi * (5.2 + 0.4 * player) * time) * np.minimum(time / 0.3, 1.0)
        turn = np.exp(2j * np.pi * (np.cumsum(hz * 2.0 ** (cents / 1200.0) * wobble) / RATE_HZ + rng.uniform()))
        damp = np.exp(-0.1 - 0.35 * (1.0 - breath))
        partial = np.ones(len(time), complex)
        for n in range(1, min(18, int(12_000.0 / hz)) + 1):
            partial *= turn * damp
            wave += n**-0.7 * np.imag(partial)
    return _finish(wave * breath, attack_s=0.012, release_s=0.05)
