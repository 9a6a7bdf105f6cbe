"""Where in the bar the music is: a hidden Markov model filtered forward, one frame at a time.

The state is a pointer that moves through a rhythm at one of many tempi (Whiteley 2006; state space
and tempo transitions of Krebs, Boeck and Widmer 2015, "An efficient state-space model for joint
tempo and meter tracking"; rhythm patterns as observation model after Krebs 2013). Only the forward
pass is used, so nothing waits for the future.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.accents import Accents, Array
from duet.rhythms import FASTEST_BPM, RHYTHMS, SLOWEST_BPM, Rhythm

Array32 = NDArray[np.float32]  # half the memory to go through, and precise enough

TEMPO_STEP_OCTAVES = 0.028  # 2 %: in time, the same drift at any tempo
TEMPO_STIFFNESS = 100.0  # Krebs' lambda: larger is steadier
NEAR = 3  # tempi on either side of the most believed one that are read with it
LEAST_SHARE = 1e-5  # of the most believed state: what is believed less is not read
LEAST_CHANGE = 1e-9  # of tempo that is reckoned with, against keeping it
RHYTHM_CHANGE = 2e-3  # chance per cycle that another rhythm begins
SURPRISE = 1e-5  # chance per frame that any beat begins: a lost pointer finds back
FORGET = 1.0 / 60.0  # share of the belief lost per silent frame: what begins after a pause may begin anywhere
WITNESS = 0.5  # how much likelier a step is on the beat, and less so between beats, than at any time
REMEMBER = 0.5  # chance that what begins after a pause goes on in the tempo and rhythm of before
TEMPO_PRIOR_POWER = 2.0  # how much is known of usual tempi
TEMPO_PULL_POWER = 0.03  # the same, per beat that comes
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
        self._rhythm = np.repeat(np.arange(len(rhythms)), [rhythm.beats for rhythm in rhythms])  # of each column
        bpm = FASTEST_BPM * 2.0 ** -np.arange(0.0, np.log2(FASTEST_BPM / SLOWEST_BPM), TEMPO_STEP_OCTAVES)
        self._frames = 60.0 * fps / bpm
        weight = np.array([[rhythm.tempo_weight(b) for rhythm, _ in self._columns] for b in bpm])
        danced = weight.any(axis=1)
        self._frames, self._weight = self._frames[danced], weight[danced]
        self._accents = Accents()
        self._lay_out(rhythms)
        self._lay_columns(rhythms)
        ratio = np.log(self._frames[None, :] / self._frames[:, None])
        stiff = np.exp(-TEMPO_STIFFNESS * np.abs(ratio))
        stiff[stiff < LEAST_CHANGE] = 0.0  # numbers too small for 32 bits are slow
        self._tempo_change = np.ascontiguousarray((stiff / stiff.sum(axis=1, keepdims=True)).T, dtype=np.float32)
        self.reset()

    def _lay_out(self, rhythms: tuple[Rhythm, ...]) -> None:
        """Number the states and note of each its phase, column and class of likelihood."""
        danced = self._weight > 0
        tempo_of, column_of = np.nonzero(danced)
        self._used = np.flatnonzero(danced)
        self._ending = np.zeros(danced.shape, np.float32)
        cycle = np.array([rhythm.beats for rhythm, _ in self._columns])[column_of]
        beat = np.array([beat for _, beat in self._columns])[column_of]
        # A cycle lasts whole frames, its beats need not: each begins with the first frame in it.
        period = np.round(cycle * self._frames[tempo_of]) / cycle
        begin = np.ceil(beat * period - 1e-9)
        lengths = (np.ceil((beat + 1) * period - 1e-9) - begin).astype(np.intp)
        late = begin - beat * period
        self._first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        self._last = self._first + lengths - 1
        self._tempo_starts = self._first[np.searchsorted(tempo_of, np.arange(len(self._frames)))]
        self._tempo_stops = np.append(self._tempo_starts[1:], lengths.sum())
        self._column = np.repeat(column_of, lengths)
        frame = np.arange(lengths.sum()) - np.repeat(self._first - late, lengths)
        self._phase = frame / np.repeat(period, lengths)
        self._turn = np.exp(2j * np.pi * self._phase)
        # A rhythm is as likely as it is usual, however long it is and however many tempi it is danced at.
        usual = self._weight**TEMPO_PRIOR_POWER
        share = np.array([rhythm.share for rhythm in rhythms]) / np.bincount(self._rhythm, usual.sum(axis=0))
        usual = (usual * share[self._rhythm]).take(self._used)
        self._birth = (usual / usual.sum()).astype(np.float32)
        self._start = np.repeat(self._birth / lengths, lengths).astype(np.float32)
        self._class = np.concatenate(
            [
                self._classes(*self._columns[c], late + np.arange(n), p)
                for c, late, n, p in zip(column_of, late, lengths, period, strict=True)
            ]
        )

    def _lay_columns(self, rhythms: tuple[Rhythm, ...]) -> None:
        """Which beat follows which, and into which others a rhythm may change at its end."""
        beats = np.array([beat for _, beat in self._columns])
        cycle = np.array([rhythm.beats for rhythm, _ in self._columns])
        here = np.arange(len(beats))
        begins = beats == 0
        self._before = np.where(begins, here + cycle - 1, here - 1)
        self._changing = np.where(beats == cycle - 1, RHYTHM_CHANGE, 0.0).astype(np.float32)
        pull = self._weight**TEMPO_PULL_POWER * (self._weight > 0)
        self._kept = (pull * np.where(begins, 1.0 - RHYTHM_CHANGE, 1.0)).astype(np.float32)
        self._taken = (pull * begins / begins.sum()).astype(np.float32)
        metre = np.array([rhythm.metre for rhythm, _ in self._columns])
        self._pushes = np.array([rhythm.pushes for rhythm, _ in self._columns], dtype=np.float64)
        self._bar_class = np.array([COUNTS.index(count) for count in zip(metre, beats % metre, strict=True)])

    @staticmethod
    def _classes(rhythm: Rhythm, beat: int, position: Array, period: float) -> NDArray[np.intp]:
        """(N,) likelihood class of each ``position`` (N,), in frames, in one beat lasting ``period`` frames."""
        onsets = rhythm.onsets()
        steps = np.arange(-1, rhythm.division + 2)
        away = position[:, None] - steps[None, :] * period / rhythm.division - PEAK_FRAME
        shape = np.exp(-0.5 * (away / np.where(away < 0, RISE_FRAMES, FALL_FRAMES)) ** 2)
        expected = onsets[:, (beat * rhythm.division + steps) % onsets.shape[1]]
        return Accents.classes((shape[None] * expected[:, None, :]).max(axis=2))

    def reset(self) -> None:
        """Believe in every rhythm and tempo as much as it is usual."""
        self._belief = self._start.copy()
        self._other, self._likelihood = np.empty_like(self._belief), np.empty_like(self._belief)
        self._sum = 1.0
        self._resting: Array32 | None = None
        self._accents.reset()

    def step(self, activation: Array | None) -> Pointer:
        """One frame on: ``activation`` (BANDS,) in units of its running mean, or None where nothing was heard."""
        entering = self._entering()
        if activation is None:
            self._rest(entering)
            return self._read(0.0)
        self._resting = None
        table, no_rhythm = self._accents.likelihoods(activation)
        self._weigh(entering, table)
        return self._read(float(np.log(self._sum)) - no_rhythm)

    def witness(self, ago_frames: float) -> None:
        """Somebody stepped ``ago_frames`` before the newest frame: what has a beat there is a little likelier."""
        turned = np.exp(-2j * np.pi * ago_frames / self._frames)
        on_beat = (self._turn * np.repeat(turned, self._tempo_stops - self._tempo_starts)).real
        self._keep(self._belief * (1.0 + WITNESS * on_beat).astype(np.float32))

    def _entering(self) -> Array32:
        """(used,) belief that reaches the first frame of each beat of each rhythm and tempo."""
        self._ending.put(self._used, self._belief.take(self._last))
        arriving = self._tempo_change @ self._ending
        changing = arriving @ self._changing
        entering = arriving.take(self._before, axis=1)
        entering *= self._kept
        entering += changing[:, None] * self._taken
        return entering.take(self._used)

    def _weigh(self, entering: Array32, table: Array) -> None:
        """Move the belief on by a frame and weigh it by the likelihoods of what is heard, class by class."""
        moved, self._other = self._other, self._belief
        scaled = (table / self._sum).astype(np.float32)
        likelihood = scaled.take(self._class, out=self._likelihood, mode="clip")
        np.multiply(self._belief[:-1], likelihood[1:], out=moved[1:])
        entering += np.float32(SURPRISE * self._sum) * self._birth
        moved.put(self._first, entering * likelihood.take(self._first))
        self._keep(moved)

    def _after_rest(self) -> Array32:
        """What to believe after a silence: the music goes on in its tempo and rhythm, anywhere in it, or it is new."""
        lengths = np.diff(np.append(self._first, len(self._belief)))
        danced = np.zeros(self._ending.shape, np.float32)
        danced.put(self._used, np.add.reduceat(self._belief, self._first))
        begins = np.flatnonzero(np.diff(self._rhythm, prepend=-1))
        of_rhythm = np.add.reduceat(danced, begins, axis=1) / np.bincount(self._rhythm)
        anywhere = of_rhythm[:, self._rhythm].take(self._used) / lengths / self._sum
        return (REMEMBER * np.repeat(anywhere, lengths) + (1.0 - REMEMBER) * self._start).astype(np.float32)

    def _rest(self, entering: Array32) -> None:
        """Move the belief on by a frame in which nothing is heard."""
        if self._resting is None:
            self._resting = self._after_rest()
        moved, self._other = self._other, self._belief
        moved[1:] = self._belief[:-1]
        moved.put(self._first, entering)
        moved *= np.float32((1.0 - FORGET) / self._sum)
        moved += np.float32(FORGET) * self._resting
        self._keep(moved)

    def _keep(self, moved: Array32) -> None:
        self._belief, self._sum, self._best = moved, float(moved.sum()), int(moved.argmax())

    def _read(self, surprise: float) -> Pointer:
        """The most believed phase, with what lies close to it in tempo and phase."""
        best = self._best
        tempo = int(np.searchsorted(self._tempo_starts, best, side="right")) - 1
        low, high = max(tempo - NEAR, 0), min(tempo + NEAR, len(self._frames) - 1)
        near = slice(self._tempo_starts[low], self._tempo_stops[high])
        belief = self._belief[near]
        some = np.flatnonzero(belief > LEAST_SHARE * self._belief[best])
        turn = self._turn[near][some]
        weight = belief[some] * ((turn * self._turn[best].conj()).real > 0.6) / self._sum
        share = float(weight.sum())
        mean_turn = complex((weight * turn).sum())
        tempi = np.searchsorted(self._tempo_starts[low : high + 1], some + near.start, side="right") - 1 + low
        columns = np.bincount(self._column[near][some], weight, len(self._columns))
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
            frames_per_beat=float((weight * self._frames[tempi]).sum() / share),
            share=share,
            bars=bars / share,
            pushed=float(columns @ self._pushes) / share,
            surprise=surprise,
        )
