"""Beat, bar and tempo of what is heard, causally: sound in, phases out, 60 times a second.

``OnsetBands`` hears how much begins in bass, mid and high; ``BarPointer`` believes where in the bar
that is; a phase-locked loop makes of it one smooth phase that never stops, not even in silence, where
the confidence is 0 and the music is carried on at the last tempo; ``BarCount`` says which beat is the "1".
"""

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from duet.barcount import BarCount
from duet.barpointer import Array, BarPointer, Pointer
from duet.frames import MusicFrame
from duet.music import N_FFT, RATE_HZ, Floats, MusicFeatures, Windows, chroma_filters, hann, mel_filters, mono

FPS = 60
FEATURE_FPS = 30
BAND_EDGES = (0, 2, 14, 40)  # of the 40 mel bands: up to about 250 Hz, up to about 1400 Hz, the rest
SILENCE_RMS = 1e-3  # -60 dB of full scale
BEAT_BEFORE_END_S = 0.012  # a beat lies so long before the end of the window in which its pointer phase is 0
CHORDS_FROM_HZ = 250.0
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


@dataclass(frozen=True)
class Heard:
    """What one frame gives to the beat."""

    onsets: Array
    """(BANDS,) how much begins in each band, in units of its own running mean."""
    chroma: Array
    """(12,) log-compressed strength of each pitch class, without its mean: noise has none."""


class OnsetBands:
    """How much begins in each band at each frame, in units of its own running mean, and which pitches sound.

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
        # Basses anticipate the next chord and walk: the count goes by what sounds above them.
        above = np.fft.rfftfreq(N_FFT, 1.0 / rate_hz) > CHORDS_FROM_HZ
        self._chroma = chroma_filters(rate_hz=rate_hz) * above
        self._previous: Floats | None = None
        self._mean = np.zeros(len(BAND_EDGES) - 1)
        self._heard = 0.0

    def push(self, samples: Floats) -> list[Heard | None]:
        """What each frame gives that ``samples`` (N,) complete; None where it is silent."""
        return [self._hear(window) for window in self._windows.push(samples)]

    def _hear(self, window: Floats) -> Heard | None:
        spectrum = np.abs(np.fft.rfft(window * self._window))
        level = np.log10(1.0 + 10.0 * (self._mel @ spectrum))
        previous, self._previous = self._previous, level
        if previous is None or float(np.mean(window**2)) < SILENCE_RMS**2:
            return None
        padded = np.pad(previous, 1)
        loudest = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
        flux = np.add.reduceat(np.maximum(0.0, level - loudest), BAND_EDGES[:-1]).astype(np.float64)
        share = 1.0 / (self.MEAN_S * FPS)
        self._heard += share * (1.0 - self._heard)
        self._mean += share * (flux - self._mean)
        chroma = (self._chroma @ np.log1p(spectrum)).astype(np.float64)
        onsets = np.minimum(flux / np.maximum(self._mean / self._heard, 1e-2), self.LARGEST)
        return Heard(onsets, chroma - chroma.mean())


class PhaseLoop:
    """A phase that follows a believed one smoothly, and goes on alone where there is none."""

    FOLLOW, LEARN = 0.05, 0.0008  # share of a phase error taken into phase and tempo, per frame
    FAR_BEATS, FAR_FRAMES = 0.15, 18  # an error this large for this long is a new lock, not a wobble

    def __init__(self) -> None:
        self.beats = 0.0  # since the loop began
        self.beats_per_frame = DEFAULT_BPM / 60.0 / FPS
        self.locked = False
        self._far = 0

    def step(self, pointer: Pointer | None) -> bool:
        """One frame on, towards ``pointer`` where there is one to trust; True where this is a new lock."""
        self.beats += self.beats_per_frame
        if pointer is None:
            self._far = 0
            return False
        error = (pointer.beat_phase - self.beats + 0.5) % 1.0 - 0.5
        off_tempo = abs(math.log(self.beats_per_frame * pointer.frames_per_beat)) > 0.1
        self._far = self._far + 1 if off_tempo or abs(error) > self.FAR_BEATS else 0
        if not self.locked or self._far > self.FAR_FRAMES:
            self.locked, self._far = True, 0
            self.beats += error
            self.beats_per_frame = 1.0 / pointer.frames_per_beat
            return True
        if abs(error) <= self.FAR_BEATS:
            self.beats += self.FOLLOW * error
            self.beats_per_frame += self.LEARN * error
        return False


class BeatSounds:
    """Gathers what is heard over each beat for the count of the bar."""

    ON_BEAT = 0.2  # beats around a beat in which a bass onset belongs to it

    def __init__(self) -> None:
        self._number = 0
        self._chroma = np.zeros(12)
        self._before = np.zeros(12)
        self._accents: dict[int, float] = {}

    def add(self, beats: float, heard: Heard) -> tuple[int, float, float] | None:
        """(number, harmonic change in [0, 2], bass accent) of a beat that has just ended."""
        ended = None
        if math.floor(beats) != self._number:
            length = float(np.linalg.norm(self._chroma) * np.linalg.norm(self._before))
            change = 1.0 - float(self._chroma @ self._before) / length if length > 0.0 else 0.0
            ended = (self._number, change, self._accents.pop(self._number, 0.0))
            self._accents = {k: v for k, v in self._accents.items() if k > self._number}
            self._before, self._chroma, self._number = self._chroma, np.zeros(12), math.floor(beats)
        self._chroma = self._chroma + heard.chroma
        nearest = round(beats)
        if abs(beats - nearest) < self.ON_BEAT:
            self._accents[nearest] = max(self._accents.get(nearest, 0.0), float(heard.onsets[0]))
        return ended


class Trust:
    """Whether there is a beat at all: how much more of what is heard a rhythm explains than all but rhythm does.

    The evidence adds up frame by frame, as in a cumulative sum test (Page 1954), the quickest for a given rate of
    false alarms: it never falls under none at all, and so forgets what lies before. Speech and crowds, too, have
    moments in which some rhythm fits, but one that is not alone counts little. Once there is a beat, less is enough to
    go on with it, but that has to be earned all the time: where music ends and people talk, the beat ends within
    seconds. In a silence little is forgotten: what begins after it is most likely the same music.
    """

    BEGIN, GO_ON, MOST = 26.0, 13.0, 34.0  # nats: half confidence before there is a beat, and after; the most kept
    WIDTH = 2.0  # nats: how steeply
    DOUBT, DOUBT_LATER = 0.03, 0.1  # evidence per frame that chance is allowed, before there is a beat and after
    SILENT_S = 15.0  # in which the evidence fades to a third

    def __init__(self) -> None:
        self.confidence = 0.0
        self._evidence = 0.0

    def step(self, pointer: Pointer | None) -> None:
        """One frame on; None where it is silent."""
        if pointer is None:
            self._evidence *= 1.0 - 1.0 / (self.SILENT_S * FPS)
            self.confidence *= 0.9
        else:
            begun = self.confidence >= 0.5
            self._evidence += self._gained(pointer, begun)
            self._evidence = min(max(self._evidence, 0.0), self.MOST)
            over = self._evidence - (self.GO_ON if begun else self.BEGIN)
            wanted = 0.5 + 0.5 * math.tanh(0.5 * over / self.WIDTH)
            self.confidence += 0.1 * (wanted - self.confidence)
        if self.confidence < 0.01:
            self.confidence = 0.0

    def _gained(self, pointer: Pointer, begun: bool) -> float:
        """Nats that a frame adds; where a rhythm explains more than chance, it counts for as much as it is alone."""
        explained = pointer.surprise * (pointer.share**2 if pointer.surprise > 0.0 else 1.0)
        return explained - (self.DOUBT_LATER if begun else self.DOUBT)


class BeatTracker:
    """Streaming beat tracker: ``push`` samples in any pieces, get the states they complete.

    Times are seconds from the first sample. State ``k`` is at ``(k * rate_hz / 60 + N_FFT / 2) / rate_hz``.
    """

    TRUSTED_SHARE = 0.7
    LOCKED_CONFIDENCE = 0.5  # from which on nobody is asked for advice

    def __init__(self, *, rate_hz: int = RATE_HZ) -> None:
        self._rate_hz = rate_hz
        self._onsets = OnsetBands(rate_hz)
        self._pointer = BarPointer(FPS)
        self._loop = PhaseLoop()
        self._sounds = BeatSounds()
        self._bar = BarCount()
        self._frame = 0
        self._is_heard = False
        self._trust = Trust()

    def push(self, samples: ArrayLike) -> list[BeatState]:
        """The states that ``samples`` (N,) or (N, channels) complete, oldest first."""
        return [self._step(heard) for heard in self._onsets.push(mono(samples))]

    def witness(self, time_s: float) -> None:
        """Somebody who dances to this music put a foot down at ``time_s``, at most a second ago.

        A beat that is locked takes no advice: steps only help to decide where the music leaves it open.
        """
        ago_frames = (self._pointer_s - time_s) * FPS
        undecided = self._trust.confidence < self.LOCKED_CONFIDENCE
        if undecided and self._is_heard and abs(ago_frames) <= FPS:
            self._pointer.witness(ago_frames)

    def _step(self, heard: Heard | None) -> BeatState:
        pointer = self._pointer.step(None if heard is None else heard.onsets)
        self._trust.step(None if heard is None else pointer)
        self._is_heard = heard is not None
        if heard is not None and pointer.share > self.TRUSTED_SHARE:
            new_lock = self._loop.step(pointer)
            self._count(pointer, heard, new_lock)
        else:
            self._loop.step(None)
        self._frame += 1
        return self._state()

    def _count(self, pointer: Pointer, heard: Heard, new_lock: bool) -> None:
        """Count the bar by what the rhythm model believes and by what each beat sounds like."""
        number = round(self._loop.beats - pointer.beat_phase)
        if new_lock:
            self._bar.restart(number, pointer.beat, pointer.metre)
        self._bar.believe(number, pointer.bars, pointer.pushed)
        ended = self._sounds.add(self._loop.beats, heard)
        if ended is not None:
            self._bar.hear(*ended)

    @property
    def _centre_s(self) -> float:
        """Middle of the newest frame's window."""
        return ((self._frame - 1) * (self._rate_hz // FPS) + N_FFT / 2) / self._rate_hz

    @property
    def _pointer_s(self) -> float:
        """The moment of which the pointer tells the phase."""
        return self._centre_s + N_FFT / 2 / self._rate_hz - BEAT_BEFORE_END_S

    def _state(self) -> BeatState:
        loop = self._loop
        state = BeatState(
            time_s=self._pointer_s,
            beat_phase=loop.beats % 1.0,
            bar_phase=self._bar.beat(loop.beats) / self._bar.metre,
            tempo_bpm=60.0 * FPS * loop.beats_per_frame,
            confidence=self._trust.confidence,
            metre=self._bar.metre,
        )
        return state.at(self._centre_s)


class MusicListener:
    """Sound in, ``MusicFrame``s out: features at 30 fps with the beat tracker's phases at the same moment."""

    def __init__(self, *, start_s: float = 0.0, rate_hz: int = RATE_HZ, first_index: int = 0) -> None:
        """``first_index``: of its first frame, where it goes on after another one."""
        self._features = MusicFeatures(fps=FEATURE_FPS, rate_hz=rate_hz)
        self._tracker = BeatTracker(rate_hz=rate_hz)
        self._rate_hz = rate_hz
        self._start_s = start_s
        self._samples = 0
        self._index = self._first_index = first_index
        self._states: deque[BeatState] = deque()
        self._gone = 0
        """States that are no more in the queue."""

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

    def witness(self, time_s: float) -> None:
        """Somebody who dances to what is heard put a foot down at session time ``time_s``."""
        self._tracker.witness(time_s - self._start_s)

    def _frame(self, features: Floats) -> MusicFrame:
        # By number: at the end of a block the state after a frame's own may not be there yet, to be passed over.
        for _ in range((self._index - self._first_index) * (FPS // FEATURE_FPS) - self._gone):
            self._states.popleft()
            self._gone += 1
        state = self._states.popleft()
        self._gone += 1
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
