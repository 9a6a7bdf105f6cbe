"""Beat, bar and tempo of what is heard, causally: sound in, phases out, 60 times a second.

``OnsetBands`` hears how much begins in bass, mid and high; ``BarPointer`` believes where in the bar
that is; a phase-locked loop makes of it one smooth phase that never stops, not even in silence, where
the confidence is 0 and the music is carried on at the last tempo.
"""

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from duet.barpointer import Array, BarPointer, Pointer
from duet.frames import MusicFrame
from duet.music import N_FFT, RATE_HZ, Floats, MusicFeatures, Windows, hann, mel_filters, mono

FPS = 60
FEATURE_FPS = 30
BAND_EDGES = (0, 2, 14, 40)  # of the 40 mel bands: up to about 250 Hz, up to about 1400 Hz, the rest
SILENCE_RMS = 1e-3  # -60 dB of full scale
BEAT_BEFORE_END_S = 0.012  # a beat lies so long before the end of the window in which its pointer phase is 0
DEFAULT_BPM = 120.0  # before any music was heard


@dataclass(frozen=True)
class BeatState:
    """Where the music is at ``time_s``."""

    time_s: float
    """Centre of the analysis window, in the time of the samples."""
    beat_phase: float
    """[0, 1): 0 on the beat."""
    bar_phase: float
    """[0, 1): 0 on the downbeat."""
    tempo_bpm: float
    confidence: float
    """[0, 1]: 0 in silence and before anything was recognised."""
    metre: int = 4
    """Beats in a bar."""

    def at(self, time_s: float) -> "BeatState":
        """The state carried on at the same tempo to ``time_s``, earlier or later."""
        beats = (time_s - self.time_s) * self.tempo_bpm / 60.0
        return replace(
            self,
            time_s=time_s,
            beat_phase=(self.beat_phase + beats) % 1.0,
            bar_phase=(self.bar_phase + beats / self.metre) % 1.0,
        )

    def next_beats_s(self, count: int) -> list[float]:
        """Times of the next ``count`` beats after ``time_s``."""
        beat_s = 60.0 / self.tempo_bpm
        return [self.time_s + (1.0 - self.beat_phase + k) * beat_s for k in range(count)]


class OnsetBands:
    """How much begins in each band at each frame, in units of its own running mean.

    Spectral flux of a log-compressed mel spectrum against the loudest neighbour of the frame before
    (SuperFlux, Boeck and Widmer 2013), so that vibrato is not an onset.
    """

    MEAN_S = 6.0  # of the running mean
    LARGEST = 12.0

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        self._windows = Windows(rate_hz // FPS)
        self._window = hann(N_FFT)
        filters = mel_filters(rate_hz=rate_hz, n_mels=BAND_EDGES[-1], range_hz=(27.5, 16_000.0))
        self._mel = filters / filters.max(axis=1, keepdims=True)
        self._previous: Floats | None = None
        self._mean = np.zeros(len(BAND_EDGES) - 1)
        self._heard = 0.0

    def push(self, samples: Floats) -> list[Array | None]:
        """(BANDS,) for each frame that ``samples`` (N,) complete; None where it is silent."""
        return [self._hear(window) for window in self._windows.push(samples)]

    def _hear(self, window: Floats) -> Array | None:
        level = np.log10(1.0 + 10.0 * (self._mel @ np.abs(np.fft.rfft(window * self._window))))
        previous, self._previous = self._previous, level
        if previous is None or float(np.mean(window**2)) < SILENCE_RMS**2:
            return None
        padded = np.pad(previous, 1)
        loudest = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
        flux = np.add.reduceat(np.maximum(0.0, level - loudest), BAND_EDGES[:-1]).astype(np.float64)
        share = 1.0 / (self.MEAN_S * FPS)
        self._heard += share * (1.0 - self._heard)
        self._mean += share * (flux - self._mean)
        return np.minimum(flux / np.maximum(self._mean / self._heard, 1e-2), self.LARGEST)


class PhaseLoop:
    """A phase that follows a believed one smoothly, and goes on alone where there is none."""

    FOLLOW, LEARN = 0.05, 0.0008  # share of a phase error taken into phase and tempo, per frame
    FAR_BEATS, FAR_FRAMES = 0.15, 18  # an error this large for this long is a new lock, not a wobble

    def __init__(self) -> None:
        self.beats = 0.0  # since the last downbeat
        self.beats_per_frame = DEFAULT_BPM / 60.0 / FPS
        self.metre = 4
        self.locked = False
        self._far = 0
        self._other_bar = 0

    def step(self, pointer: Pointer | None) -> None:
        """One frame on, towards ``pointer`` where there is one to trust."""
        self.beats = (self.beats + self.beats_per_frame) % self.metre
        if pointer is None:
            self._far = self._other_bar = 0
            return
        error = (pointer.beat_phase - self.beats + 0.5) % 1.0 - 0.5
        off_tempo = abs(math.log(self.beats_per_frame * pointer.frames_per_beat)) > 0.1
        self._far = self._far + 1 if off_tempo or abs(error) > self.FAR_BEATS else 0
        if not self.locked or self._far > self.FAR_FRAMES:
            self._lock(pointer)
            return
        if abs(error) <= self.FAR_BEATS:
            self.beats = (self.beats + self.FOLLOW * error) % self.metre
            self.beats_per_frame += self.LEARN * error
        self._follow_bar(pointer)

    def _lock(self, pointer: Pointer) -> None:
        self.locked = True
        self.metre = pointer.metre
        self.beats = pointer.beat + pointer.beat_phase
        self.beats_per_frame = 1.0 / pointer.frames_per_beat
        self._far = self._other_bar = 0

    def _follow_bar(self, pointer: Pointer) -> None:
        """Take over another count of the bar once it has been believed for a while."""
        ahead = round(pointer.beat + pointer.beat_phase - self.beats)
        other = pointer.metre != self.metre or ahead % self.metre != 0
        self._other_bar = self._other_bar + 1 if other and pointer.bar_share > 0.6 else 0
        if self._other_bar > self.FAR_FRAMES:
            self.metre = pointer.metre
            self.beats = (self.beats + ahead) % self.metre
            self._other_bar = 0


class BeatTracker:
    """Streaming beat tracker: ``push`` samples in any pieces, get the states they complete.

    Times are seconds from the first sample. State ``k`` is at ``(k * rate_hz / 60 + N_FFT / 2) / rate_hz``.
    """

    EVIDENCE_S = 2.0  # over which rhythm is weighed against no rhythm
    EVIDENCE_MIDDLE, EVIDENCE_WIDTH = 0.0, 0.05  # evidence per frame at which the confidence is half, and how steeply
    TRUSTED_SHARE = 0.5

    def __init__(self, *, rate_hz: int = RATE_HZ) -> None:
        self._rate_hz = rate_hz
        self._onsets = OnsetBands(rate_hz)
        self._pointer = BarPointer(FPS)
        self._loop = PhaseLoop()
        self._frame = 0
        self._evidence = 0.0
        self._confidence = 0.0

    def push(self, samples: ArrayLike) -> list[BeatState]:
        """The states that ``samples`` (N,) or (N, channels) complete, oldest first."""
        return [self._step(activation) for activation in self._onsets.push(mono(samples))]

    def _step(self, activation: Array | None) -> BeatState:
        pointer = self._pointer.step(activation)
        heard = activation is not None
        if heard:
            self._evidence += (pointer.surprise - self._evidence) / (self.EVIDENCE_S * FPS)
        else:
            self._evidence *= 1.0 - 1.0 / (self.EVIDENCE_S * FPS)
        wanted = self._belief(pointer) if heard else 0.0
        self._confidence += (wanted - self._confidence) * (0.05 if heard else 0.1)
        if self._confidence < 0.01:
            self._confidence = 0.0
        self._loop.step(pointer if heard and pointer.share > self.TRUSTED_SHARE else None)
        centre_s = (self._frame * (self._rate_hz // FPS) + N_FFT / 2) / self._rate_hz
        self._frame += 1
        return self._state_at(centre_s)

    def _belief(self, pointer: Pointer) -> float:
        """[0, 1] confidence by the share of the belief and by how well rhythm explains what was heard."""
        return pointer.share / (1.0 + math.exp(-(self._evidence - self.EVIDENCE_MIDDLE) / self.EVIDENCE_WIDTH))

    def _state_at(self, centre_s: float) -> BeatState:
        loop = self._loop
        pointer_s = centre_s + N_FFT / 2 / self._rate_hz - BEAT_BEFORE_END_S
        state = BeatState(
            time_s=pointer_s,
            beat_phase=loop.beats % 1.0,
            bar_phase=loop.beats / loop.metre,
            tempo_bpm=60.0 * FPS * loop.beats_per_frame,
            confidence=self._confidence,
            metre=loop.metre,
        )
        return state.at(centre_s)


class MusicListener:
    """Sound in, ``MusicFrame``s out: features at 30 fps with the beat tracker's phases at the same moment."""

    def __init__(self, *, start_s: float = 0.0, rate_hz: int = RATE_HZ) -> None:
        self._features = MusicFeatures(fps=FEATURE_FPS, rate_hz=rate_hz)
        self._tracker = BeatTracker(rate_hz=rate_hz)
        self._rate_hz = rate_hz
        self._start_s = start_s
        self._samples = 0
        self._index = 0
        self._states: deque[BeatState] = deque()

    def push(self, samples: ArrayLike, time_s: float | None = None) -> list[MusicFrame]:
        """The frames that ``samples`` (N,) or (N, channels) complete, oldest first.

        ``time_s``: session time of the first of these samples, where the source knows better than
        counting from ``start_s`` does; the samples must follow the last ones without a gap.
        """
        heard = mono(samples)
        if time_s is not None:
            self._start_s = time_s - self._samples / self._rate_hz
        self._samples += len(heard)
        self._states.extend(self._tracker.push(heard))
        return [self._frame(features) for features in self._features.push(heard)]

    def _frame(self, features: Floats) -> MusicFrame:
        state = self._states.popleft()
        for _ in range(min(len(self._states), FPS // FEATURE_FPS - 1)):
            self._states.popleft()
        self._index += 1
        return MusicFrame(
            index=self._index - 1,
            time_s=self._start_s + state.time_s,
            features=features,
            beat_phase=state.beat_phase,
            bar_phase=state.bar_phase,
            tempo_bpm=state.tempo_bpm,
            confidence=state.confidence,
            metre=state.metre,
        )
