"""Causal music features, the same whether they stream in live or are computed for training.

Every frame looks at the ``N_FFT`` newest samples and at nothing later, so what the follower was
trained on is bit for bit what it hears on stage. The definitions are those of librosa 0.11 called
causally (``center=False, top_db=None, tuning=0, lag=1``); ``tests/parity/test_librosa.py`` holds
the two against each other. Whatever normalises by a song's maximum, looks ahead or centres its
windows is left out on purpose.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from duet.errors import InputError
from duet.frames import MusicFrame

Floats = NDArray[np.float32]

RATE_HZ = 48_000
N_FFT = 2048
N_MELS = 128
N_CHROMA = 12
N_MFCC = 20
MEL_LOG_STEP = math.log(6.4) / 27.0
FLOOR_POWER = 1e-10  # -100 dB: librosa's ``amin``


@dataclass(frozen=True)
class FeatureLayout:
    """Where each feature lies in a frame, by name."""

    version: str
    """Changes whenever a slice, a unit or a definition does; part of a follower's contract."""
    onset: slice
    """Mean rise of the log-mel spectrum since the frame before, dB, >= 0."""
    loudness: slice
    """Root mean square of the window, dB of full scale, >= -100."""
    mfcc: slice
    """Mel cepstrum of the dB mel spectrum."""
    mfcc_delta: slice
    """Change of ``mfcc`` since the frame before (backward, never centred)."""
    chroma: slice
    """Energy of the 12 pitch classes from C, the largest being 1."""

    @property
    def size(self) -> int:
        """Length of a frame's feature vector."""
        return self.chroma.stop


FEATURES = FeatureLayout(
    version="music-54-a",
    onset=slice(0, 1),
    loudness=slice(1, 2),
    mfcc=slice(2, 22),
    mfcc_delta=slice(22, 42),
    chroma=slice(42, 54),
)
CONDITION_SIZE = 8  # length of ``music_condition``


def _mel_from_hz(hz: float) -> float:
    return hz / (200 / 3) if hz < 1000.0 else 15.0 + math.log(hz / 1000.0) / MEL_LOG_STEP


def mel_filters(
    *, rate_hz: float, n_fft: int = N_FFT, n_mels: int = N_MELS, range_hz: tuple[float, float] | None = None
) -> Floats:
    """(n_mels, 1 + n_fft // 2) triangular filters of unit area on Slaney's mel scale (Auditory Toolbox, 1998).

    The scale is linear (200/3 Hz per mel) up to 1 kHz and logarithmic (27 mels to a factor of 6.4)
    above. ``range_hz``: lower and upper end, the whole spectrum unless given.
    """
    lowest_hz, highest_hz = range_hz or (0.0, rate_hz / 2.0)
    mels = np.linspace(_mel_from_hz(lowest_hz), _mel_from_hz(highest_hz), n_mels + 2)
    edges_hz = np.where(mels < 15.0, mels * (200 / 3), 1000.0 * np.exp(MEL_LOG_STEP * (mels - 15.0)))
    bins_hz = np.linspace(0.0, rate_hz / 2.0, 1 + n_fft // 2)
    widths_hz = np.diff(edges_hz)
    distance_hz = edges_hz[:, None] - bins_hz[None, :]
    rising = -distance_hz[:-2] / widths_hz[:-1, None]
    falling = distance_hz[2:] / widths_hz[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]).astype(np.float32)


def chroma_filters(*, rate_hz: float, n_fft: int = N_FFT) -> Floats:
    """(12, 1 + n_fft // 2) pitch-class filters from C, A = 440 Hz (Ellis 2007, "Chroma feature analysis").

    Each bin is spread over the pitch classes by a Gaussian as wide as the bin, columns have unit
    length, and octaves are weighted by a Gaussian centred on the fifth octave.
    """
    bins_hz = np.linspace(0.0, rate_hz, n_fft, endpoint=False)[1:]
    pitch = N_CHROMA * np.log2(bins_hz / (440.0 / 16.0))
    pitch = np.concatenate(([pitch[0] - 1.5 * N_CHROMA], pitch))  # the constant bin: far below everything
    width = np.concatenate((np.maximum(np.diff(pitch), 1.0), [1.0]))
    away = pitch[None, :] - np.arange(N_CHROMA)[:, None]
    away = np.remainder(away + 10.5 * N_CHROMA, N_CHROMA) - N_CHROMA / 2
    weights = np.exp(-0.5 * (2.0 * away / width) ** 2)
    weights /= np.linalg.norm(weights, axis=0, keepdims=True)
    weights *= np.exp(-0.5 * ((pitch / N_CHROMA - 5.0) / 2.0) ** 2)
    weights = np.roll(weights, -3, axis=0)  # from A first to C first
    return np.ascontiguousarray(weights[:, : 1 + n_fft // 2], dtype=np.float32)


def cosine_basis(n_out: int, n_in: int) -> Floats:
    """(n_out, n_in) rows of the orthonormal type-2 cosine transform."""
    basis = np.cos(np.pi / n_in * (np.arange(n_in)[None, :] + 0.5) * np.arange(n_out)[:, None])
    basis *= math.sqrt(2.0 / n_in)
    basis[0] *= math.sqrt(0.5)
    return basis.astype(np.float32)


def hann(n: int) -> Floats:
    """(n,) periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)).astype(np.float32)


def mono(samples: ArrayLike) -> Floats:
    """(N,) float32 from (N,) or (N, channels) samples; what is not a finite number becomes silence.

    Raises InputError for another shape.
    """
    array = np.asarray(samples, dtype=np.float32)
    if array.ndim == 2 and array.shape[1] > 0:
        array = array.mean(axis=1)
    if array.ndim != 1:
        raise InputError(f"Music: expected samples (N,) or (N, channels), got shape {array.shape}. Pass them so.")
    finite = np.isfinite(array)
    return array if finite.all() else np.where(finite, array, np.float32(0.0))


class Windows:
    """Cuts a stream that arrives in any pieces into overlapping windows of ``N_FFT`` samples every ``hop``."""

    def __init__(self, hop: int) -> None:
        self.hop = hop
        self._pending = np.zeros(0, np.float32)

    def push(self, samples: Floats) -> list[Floats]:
        """The windows that ``samples`` (N,) complete, oldest first."""
        pending = np.concatenate((self._pending, samples)) if len(self._pending) else samples
        count = max(0, (len(pending) - N_FFT) // self.hop + 1)
        windows = [pending[k * self.hop : k * self.hop + N_FFT] for k in range(count)]
        self._pending = pending[count * self.hop :].copy()
        return windows


class MusicFeatures:
    """Streaming features of mono sound: ``push`` samples as they come, get the frames they complete.

    Frame ``i`` describes the samples ``i * hop`` to ``i * hop + N_FFT``; its moment is their centre.
    """

    def __init__(self, *, fps: int = 30, rate_hz: int = RATE_HZ) -> None:
        if rate_hz % fps:
            raise InputError(
                f"Music features: expected a sample rate divisible by {fps} fps, got {rate_hz} Hz. "
                f"Resample to {RATE_HZ} Hz."
            )
        self.fps = fps
        self.hop = rate_hz // fps
        self.rate_hz = rate_hz
        self._window = hann(N_FFT)
        self._mel = mel_filters(rate_hz=rate_hz)
        self._chroma = chroma_filters(rate_hz=rate_hz)
        self._cosines = cosine_basis(N_MFCC, N_MELS)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self._windows = Windows(self.hop)
        self._mel_db: Floats | None = None
        self._mfcc: Floats | None = None

    def push(self, samples: ArrayLike) -> Floats:
        """(n, 54) the frames that ``samples`` (N,) or (N, channels) complete, in the layout ``FEATURES``."""
        windows = self._windows.push(mono(samples))
        frames = np.zeros((len(windows), FEATURES.size), np.float32)
        for frame, window in zip(frames, windows, strict=True):
            self._describe(window, frame)
        return frames

    def _describe(self, window: Floats, frame: Floats) -> None:
        """Fill ``frame`` (54,) from ``window`` (N_FFT,)."""
        spectrum = np.fft.rfft(window * self._window)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        mel_db = (10.0 * np.log10(np.maximum(FLOOR_POWER, self._mel @ power))).astype(np.float32)
        mfcc = (self._cosines @ mel_db).astype(np.float32)
        if self._mel_db is not None and self._mfcc is not None:
            frame[FEATURES.onset] = np.maximum(0.0, mel_db - self._mel_db).mean()
            frame[FEATURES.mfcc_delta] = mfcc - self._mfcc
        frame[FEATURES.loudness] = 10.0 * math.log10(max(FLOOR_POWER, float(np.mean(window**2))))
        frame[FEATURES.mfcc] = mfcc
        chroma = self._chroma @ power
        frame[FEATURES.chroma] = chroma / max(float(chroma.max()), np.finfo(np.float32).tiny)
        self._mel_db, self._mfcc = mel_db, mfcc


MUSIC_LAYOUT = "sin_beat cos_beat sin_bar cos_bar log2_tempo confidence onset loudness"
"""What ``music_condition`` gives, in order."""


def music_condition(frame: MusicFrame) -> Floats:
    """(8,) what the follower hears of one frame, each of about unit size.

    ``[sin beat, cos beat, sin bar, cos bar, log2(bpm / 120), confidence, onset / 10 dB,
    loudness from 0 at -60 dBFS and below to 1 at full scale]``.
    """
    onset_db = float(frame.features[FEATURES.onset][0])
    loudness_db = float(frame.features[FEATURES.loudness][0])
    condition = extrapolate(frame, 0.0)
    condition[6] = min(onset_db / 10.0, 3.0)
    condition[7] = min(max(1.0 + loudness_db / 60.0, 0.0), 1.0)
    return condition


def extrapolate(frame: MusicFrame, dt_s: float) -> Floats:
    """(8,) condition ``dt_s`` seconds after ``frame``, of which only the pulse is known: the phases go on at its tempo.

    Onset and loudness are 0, in training as on stage.
    """
    beats = dt_s * frame.tempo_bpm / 60.0
    beat = 2.0 * math.pi * (frame.beat_phase + beats)
    bar = 2.0 * math.pi * (frame.bar_phase + beats / frame.metre)
    tempo = math.log2(frame.tempo_bpm / 120.0)
    pulse = [math.sin(beat), math.cos(beat), math.sin(bar), math.cos(bar), tempo, frame.confidence]
    return np.array([*pulse, 0.0, 0.0], np.float32)
