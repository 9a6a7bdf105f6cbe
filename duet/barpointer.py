"""Where in the bar the music is: a hidden Markov model filtered forward, one frame at a time.

The state is a pointer that moves through a rhythm at one of many tempi (Whiteley 2006; state space
and tempo transitions of Krebs, Boeck and Widmer 2015, "An efficient state-space model for joint
tempo and meter tracking"; rhythm patterns as observation model after Krebs 2013). Only the forward
pass is used, so nothing waits for the future.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.rhythms import BANDS, RHYTHMS, Rhythm

Array = NDArray[np.float64]

LEVELS = 16  # onset probabilities are rounded to so many levels, so that a likelihood is one table look-up
PROBABILITY = (0.03, 0.93)  # of an onset where a tab says never, always: nobody plays without fault
ONSET_MEAN, REST_MEAN = 7.0, 0.35  # mean activation of a frame with an onset and without
EVIDENCE_POWER = 0.6  # neighbouring onsets are not independent: count each for less
TEMPO_STIFFNESS = 120.0  # Krebs' lambda: larger is steadier
RHYTHM_CHANGE = 2e-3  # chance per cycle that another rhythm begins
SURPRISE = 1e-5  # chance per frame that anything begins anywhere: a lost pointer finds back
FORGET = 1.0 / 60.0  # share of the belief lost per silent frame: what begins after a pause may begin anywhere
TEMPO_PRIOR_POWER = 0.1  # pull towards usual tempi, per beat
COUNTS = ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2), (4, 3))  # (metre, beat of the bar)
PEAK_FRAME, RISE_FRAMES, FALL_FRAMES = 0.65, 0.6, 0.8  # shape of an onset in the activation, in frames


@dataclass(frozen=True)
class Pointer:
    """What the model believes after one frame."""

    beat_phase: float
    """[0, 1) at the frame's pointer time."""
    beat: int
    """Beat of the bar, from 0."""
    metre: int
    frames_per_beat: float
    share: float
    """[0, 1] belief in this beat phase and tempo."""
    bars: Array
    """(COUNTS,) belief in each metre and beat of the bar, of ``share``."""
    pushed: float
    """[0, 1] belief in a rhythm whose harmony comes before the bar, of ``share``."""
    surprise: float
    """Log likelihood of the frame over that of onsets without rhythm."""


class BarPointer:
    """Forward filter over (tempo, rhythm, position).

    ``fps``: frames of activation per second.

    States lie tempo by tempo, in each rhythm by rhythm, in each position by position, so that
    time passing is a shift by one and neighbouring tempi are neighbours.
    """

    def __init__(self, fps: float, rhythms: tuple[Rhythm, ...] = RHYTHMS) -> None:
        self._columns = [(rhythm, beat) for rhythm in rhythms for beat in range(rhythm.beats)]
        slowest = min(rhythm.tempo_bpm[0] for rhythm in rhythms)
        fastest = max(rhythm.tempo_bpm[2] for rhythm in rhythms)
        self._frames = np.arange(int(60 * fps / fastest), int(np.ceil(60 * fps / slowest)) + 1)
        bpm = 60.0 * fps / self._frames
        weight = np.array([[rhythm.tempo_weight(b) for rhythm, _ in self._columns] for b in bpm])
        danced = weight.any(axis=1)
        self._frames, self._weight = self._frames[danced], weight[danced]
        self._lay_out()
        self._lay_columns(rhythms)
        ratio = self._frames[None, :] / self._frames[:, None]
        stiff = np.exp(-TEMPO_STIFFNESS * np.abs(ratio - 1.0))
        self._tempo_change = (stiff / stiff.sum(axis=1, keepdims=True)).T
        self._tempo_pull = self._weight**TEMPO_PRIOR_POWER * (self._weight > 0)
        self.reset()

    def _lay_out(self) -> None:
        """Number the states and note of each its phase, column and class of likelihood."""
        self._used = self._weight > 0
        tempo_of, column_of = np.nonzero(self._used)
        lengths = self._frames[tempo_of]
        self._first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        self._last = self._first + lengths - 1
        self._tempo_starts = self._first[np.searchsorted(tempo_of, np.arange(len(self._frames)))]
        self._tempo_stops = np.append(self._tempo_starts[1:], lengths.sum())
        self._column = np.repeat(column_of, lengths)
        frames = np.repeat(lengths, lengths)
        self._phase = (np.arange(lengths.sum()) - np.repeat(self._first, lengths)) / frames
        self._turn = np.exp(2j * np.pi * self._phase)
        self._start = np.repeat(self._weight[self._used] / lengths, lengths)
        self._start /= self._start.sum()
        self._class = np.concatenate(
            [self._classes(*self._columns[c], n) for c, n in zip(column_of, lengths, strict=True)]
        )

    def _lay_columns(self, rhythms: tuple[Rhythm, ...]) -> None:
        """Which beat follows which, and into which others a rhythm may change at its end."""
        beats = np.array([beat for _, beat in self._columns])
        cycle = np.array([rhythm.beats for rhythm, _ in self._columns])
        here = np.arange(len(beats))
        self._next = np.where(beats == cycle - 1, here - beats, here + 1)
        self._ends, self._begins = beats == cycle - 1, beats == 0
        metre = np.array([rhythm.metre for rhythm, _ in self._columns])
        self._pushes = np.array([rhythm.pushes for rhythm, _ in self._columns], dtype=np.float64)
        self._bar_class = np.array([COUNTS.index(count) for count in zip(metre, beats % metre, strict=True)])

    @staticmethod
    def _classes(rhythm: Rhythm, beat: int, frames: int) -> NDArray[np.intp]:
        """(frames,) likelihood class of each position of one beat lasting ``frames``."""
        onsets = rhythm.onsets()
        position = np.arange(frames)[:, None]
        steps = np.arange(-1, rhythm.division + 2)
        away = position - steps[None, :] * frames / rhythm.division - PEAK_FRAME
        shape = np.exp(-0.5 * (away / np.where(away < 0, RISE_FRAMES, FALL_FRAMES)) ** 2)
        expected = onsets[:, (beat * rhythm.division + steps) % onsets.shape[1]]
        probability = (shape[None] * expected[:, None, :]).max(axis=2).clip(*PROBABILITY)
        low, high = PROBABILITY
        levels = np.round((probability - low) / (high - low) * (LEVELS - 1)).astype(np.intp)
        return (levels[0] * LEVELS + levels[1]) * LEVELS + levels[2]

    def reset(self) -> None:
        """Believe in every rhythm and tempo as much as it is usual."""
        self._belief = self._start.copy()

    def step(self, activation: Array | None) -> Pointer:
        """One frame on: ``activation`` (BANDS,) in units of its running mean, or None where nothing was heard."""
        belief = self._move()
        surprise = 0.0
        if activation is None:
            belief += FORGET * (self._start - belief)
        else:
            table, no_rhythm = _likelihoods(activation)
            belief *= table.take(self._class)
            surprise = float(np.log(belief.sum()) - EVIDENCE_POWER * np.log(no_rhythm))
        belief *= (1.0 - SURPRISE) / belief.sum()
        belief += SURPRISE * self._start
        self._belief = belief
        return self._read(surprise)

    def _move(self) -> Array:
        """The belief one frame later, before that frame is heard."""
        ends = np.zeros(self._used.shape)
        ends[self._used] = self._belief[self._last]
        arriving = self._tempo_change @ ends
        entering = np.empty_like(arriving)
        entering[:, self._next] = arriving
        changing = RHYTHM_CHANGE * arriving[:, self._ends].sum(axis=1, keepdims=True)
        entering[:, self._begins] *= 1.0 - RHYTHM_CHANGE
        entering[:, self._begins] += changing / self._begins.sum()
        entering *= self._tempo_pull
        moved = np.empty_like(self._belief)
        moved[1:] = self._belief[:-1]
        moved[self._first] = entering[self._used]
        return moved

    def _read(self, surprise: float) -> Pointer:
        """The most believed phase, with what lies close to it in tempo and phase."""
        best = int(self._belief.argmax())
        tempo = int(np.searchsorted(self._tempo_starts, best, side="right")) - 1
        low, high = max(tempo - 1, 0), min(tempo + 1, len(self._frames) - 1)
        near = slice(self._tempo_starts[low], self._tempo_stops[high])
        turn = self._turn[near]
        weight = self._belief[near] * ((turn * self._turn[best].conj()).real > 0.6)
        share = float(weight.sum())
        mean_turn = complex((weight * turn).sum())
        frames = np.repeat(self._frames[low : high + 1], (self._tempo_stops - self._tempo_starts)[low : high + 1])
        columns = np.bincount(self._column[near], weight, len(self._columns))
        bars = np.bincount(self._bar_class, columns, len(COUNTS))
        metre, bar = COUNTS[int(bars.argmax())]
        ahead = float(np.angle(mean_turn * self._turn[best].conj())) / (2.0 * np.pi)
        # The mean may lie in the next beat or the one before.
        position = (bar + float(self._phase[best]) + ahead) % metre
        beat = int(position) % metre
        return Pointer(
            beat_phase=position % 1.0,
            beat=beat,
            metre=metre,
            frames_per_beat=float((weight * frames).sum() / share),
            share=share,
            bars=bars / share,
            pushed=float(columns @ self._pushes) / share,
            surprise=surprise,
        )


def _likelihoods(activation: Array) -> tuple[Array, float]:
    """(LEVELS ** BANDS,) likelihood of each class, and that of onsets that come whenever they like.

    An activation is exponentially distributed, with one mean where something sounds and another
    where nothing does; a class mixes the two by the onset probabilities of its bands.
    """
    levels = np.linspace(*PROBABILITY, LEVELS)
    sounding = np.exp(-activation / ONSET_MEAN) / ONSET_MEAN
    resting = np.exp(-activation / REST_MEAN) / REST_MEAN
    bands = (resting[:, None] + levels * (sounding - resting)[:, None]) ** EVIDENCE_POWER
    table = bands[0][:, None, None] * bands[1][:, None] * bands[2]
    assert BANDS == 3
    return table.ravel(), float(np.prod(resting + 0.15 * (sounding - resting)))
