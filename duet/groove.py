"""The built-in music: a salsa band played by the program, with beats that are known exactly.

Clave (son, 2-3), tumbao bass that pushes the chord of the next bar, piano montuno, congas, bell or
cascara, guiro, maracas and a horn riff over a chord loop. Everything is drawn from one seed. The
band follows a steady tempo, or any given beat times: so a take recorded without music gets a
groove that lies on its steps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from duet import instruments
from duet.errors import InputError
from duet.instruments import RATE_HZ, Floats
from duet.mixdown import Mixer

BEATS_PER_BAR = 4
SECTION_BARS = 8
TEMPO_RANGE_BPM = (40.0, 400.0)

# Chord loops, one chord a bar: semitones of the root above the key, and the tones above that root.
MINOR, MAJOR, SEVENTH = (0, 3, 7), (0, 4, 7), (0, 4, 7, 10)
LOOPS = (
    ((0, MINOR), (5, MINOR), (7, SEVENTH), (7, SEVENTH)),
    ((0, MINOR), (5, MINOR), (7, SEVENTH), (0, MINOR)),
    ((0, MINOR), (10, MAJOR), (8, MAJOR), (7, SEVENTH)),
    ((0, MAJOR), (9, MINOR), (2, MINOR), (7, SEVENTH)),
    ((0, MAJOR), (5, MAJOR), (7, SEVENTH), (5, MAJOR)),
)
KEYS = (45, 48, 50, 43, 52)  # MIDI: A, C, D, G, E

# Tabs over two bars of eighths, the clave being 2-3. Digits are strengths, letters strokes.
CLAVE = "..9.9...|9..9..9."
MONTUNO = "8.97.7.8|.8.8.7.9"
BELL = "M.nnM.nn|M.nnM.nn"
CASCARA = "9.5.95.9|.59.595."
CONGAS = "ttStttOo|ttStttOo", "ttStttOo|ttSlttOo"
GUIRO = "L.ssL.ss|L.ssL.ss"
MARACAS = "96969696|96969696"
RIFFS = ("9......8|..8..9..", "..9..8.8|9.......", "...9..9.|8.8...9.")
FILL = "....7788|....8899"


@dataclass(frozen=True)
class Groove:
    """Rendered music and where its beats are."""

    samples: Floats
    """(N, 2) at ``rate_hz``, peak below 0.9."""
    rate_hz: int
    beat_times_s: NDArray[np.float64]
    """(B,) every beat from 0 to the end, those before and after a given tempo map included."""
    downbeats: NDArray[np.bool_]
    """(B,) which of them are the "1" of a bar."""


class _Score:
    """When the beats are: beat number (whole on the beats, 0 a downbeat) to seconds."""

    def __init__(self, beats_s: NDArray[np.float64], first_beat: int, seconds: float) -> None:
        period_s = float(np.median(np.diff(beats_s)))
        before = int(np.ceil(max(beats_s[0], 0.0) / period_s)) + 1
        after = int(np.ceil(max(seconds - beats_s[-1], 0.0) / period_s)) + 1
        self.beats_s = np.concatenate(
            (
                beats_s[0] - period_s * np.arange(before, 0, -1),
                beats_s,
                beats_s[-1] + period_s * np.arange(1, after + 1),
            )
        )
        self.first_number = first_beat - before
        self.numbers = np.arange(len(self.beats_s)) + self.first_number

    def seconds(self, beat: float) -> float:
        return float(np.interp(beat, self.numbers, self.beats_s))

    @property
    def bars(self) -> range:
        """Two-bar phrases are counted from here: the first bar starts on an even bar number."""
        return range(self.first_number // BEATS_PER_BAR, int(self.numbers[-1]) // BEATS_PER_BAR + 1)


class _Band:
    """The players: each reads its tab for a bar and puts strokes into the mixer."""

    def __init__(self, score: _Score, mixer: Mixer, rng: np.random.Generator) -> None:
        self._score, self._mixer, self._rng = score, mixer, rng
        self._key = int(rng.choice(KEYS))
        self._loop = LOOPS[int(rng.integers(len(LOOPS)))]
        self._riff = RIFFS[int(rng.integers(len(RIFFS)))]
        self._conga_hz = 196.0 * float(rng.uniform(0.94, 1.06))
        self._made: dict[tuple[object, ...], list[Floats]] = {}

    def play(self, bar: int) -> None:
        """Everybody plays one bar."""
        self._clave_and_shakers(bar)
        self._bass(bar)
        self._montuno(bar)
        self._congas(bar)
        if bar // SECTION_BARS % 2:
            self._bell(bar)
            self._horns(bar)
        else:
            self._cascara(bar)
        if bar % SECTION_BARS == SECTION_BARS - 1:
            self._fill(bar)

    def _tab(self, tab: str, bar: int) -> list[tuple[int, float, str]]:
        """(eighth, its time, character) of each stroke that ``tab`` has in ``bar``."""
        half = enumerate(tab.split("|")[bar % 2])
        return [(eighth, self._time(bar, eighth), char) for eighth, char in half if char != "."]

    def _time(self, bar: int, eighth: float) -> float:
        return self._score.seconds(bar * BEATS_PER_BAR + eighth / 2.0)

    def _chord(self, bar: int) -> tuple[int, tuple[int, ...]]:
        """MIDI number of the root and the tones above it."""
        degree, tones = self._loop[bar % len(self._loop)]
        return self._key + degree, tones

    def _stroke(self, make: Callable[..., Floats], *what: object) -> Floats:
        """One of three renderings of a stroke, each made once."""
        made = self._made.setdefault((make, *what), [])
        if len(made) < 3:
            made.append(make(*what, rng=self._rng))
            return made[-1]
        return made[int(self._rng.integers(3))]

    def _clave_and_shakers(self, bar: int) -> None:
        for _, at_s, char in self._tab(CLAVE, bar):
            self._mixer.add(self._stroke(instruments.clave), at_s, 0.032 * int(char), pan=0.35, room=0.5)
        for _, at_s, char in self._tab(MARACAS, bar):
            self._mixer.add(self._stroke(instruments.maracas), at_s, 0.014 * int(char), pan=-0.55, room=0.15)
        for _, at_s, char in self._tab(GUIRO, bar):
            seconds = 0.16 if char == "L" else 0.06
            self._mixer.add(self._stroke(instruments.guiro, seconds), at_s, 0.1, pan=0.6, room=0.2)

    def _bass(self, bar: int) -> None:
        """Tumbao: the fifth on 2&, the root of the next bar's chord on 4."""
        root, tones = self._chord(bar)
        notes = [(3, root + (tones[2] if self._rng.random() < 0.75 else 12)), (6, self._chord(bar + 1)[0])]
        if bar % SECTION_BARS == 0:
            notes.insert(0, (0, root))
        for eighth, pitch in notes:
            midi = 28 + (pitch - 28) % 19  # E1 to B2
            last_s = self._time(bar, eighth + 2.8) - self._time(bar, eighth)
            stroke = self._stroke(instruments.bass, _hz(midi))
            self._mixer.add(stroke, self._time(bar, eighth), 0.5, pan=0.0, room=0.05, last_s=last_s)

    def _montuno(self, bar: int) -> None:
        """Octaves walk through the chord, thirds answer; the last stroke already has the next chord."""
        for count, (eighth, at_s, char) in enumerate(self._tab(MONTUNO, bar)):
            root, tones = self._chord(bar + 1 if eighth == 7 else bar)
            ladder = sorted(60 + (root + tone - 60) % 12 for tone in tones)
            step = ladder[(0, 2, 1, 2, 1)[count % 5] % len(ladder)]
            notes = (step, step + 12) if char != "7" else (ladder[0] + 12, ladder[1])
            last_s = 1.3 * (self._time(bar, eighth + 1) - at_s)
            for note in notes:
                stroke = self._stroke(instruments.piano, _hz(note), int(char) / 10)
                self._mixer.add(stroke, at_s, 0.032 * int(char), pan=-0.3, room=0.3, last_s=last_s)

    def _congas(self, bar: int) -> None:
        tab = CONGAS[int(self._rng.random() < 0.4)]
        low_hz = self._conga_hz * 0.75
        for eighth, at_s, char in self._tab(tab, bar):
            kind = {"t": "touch", "S": "slap"}.get(char, "open")
            gain = {"t": 0.06 + 0.03 * (eighth % 4 == 0), "S": 0.26, "O": 0.34, "o": 0.28, "l": 0.3}[char]
            stroke = self._stroke(instruments.conga, kind, low_hz if char == "l" else self._conga_hz)
            self._mixer.add(stroke, at_s, gain, pan=0.25, room=0.2)

    def _bell(self, bar: int) -> None:
        for _, at_s, char in self._tab(BELL, bar):
            kind, gain = ("mouth", 0.24) if char == "M" else ("neck", 0.11)
            self._mixer.add(self._stroke(instruments.cowbell, kind), at_s, gain, pan=-0.2, room=0.25)

    def _cascara(self, bar: int) -> None:
        for _, at_s, char in self._tab(CASCARA, bar):
            stroke = self._stroke(instruments.shell, char == "9")
            self._mixer.add(stroke, at_s, 0.016 * int(char), pan=-0.2, room=0.25)

    def _horns(self, bar: int) -> None:
        """A riff in two voices, the upper one on the chord's third or fifth."""
        root, tones = self._chord(bar)
        for eighth, at_s, char in self._tab(self._riff, bar):
            last_s = (1.6 if char == "9" else 0.8) * (self._time(bar, eighth + 1) - at_s)
            for tone in tones[1:3]:
                stroke = self._stroke(instruments.brass, _hz(67 + (root + tone - 67) % 12), 0.5)
                self._mixer.add(stroke, at_s, 0.017 * int(char), pan=0.1, room=0.5, last_s=last_s)

    def _fill(self, bar: int) -> None:
        """Timbales lead into the next section."""
        for eighth, at_s, char in self._tab(FILL, bar):
            stroke = self._stroke(instruments.timbal, 262.0 if eighth < 6 else 208.0)
            self._mixer.add(stroke, at_s, 0.035 * int(char), pan=-0.15, room=0.4)


def _hz(midi: int) -> float:
    return 440.0 * 2.0 ** ((midi - 69) / 12.0)


def _beats_from(tempo: float | ArrayLike, seconds: float) -> NDArray[np.float64]:
    """(B,) beat times of a steady tempo, or the given ones, checked."""
    given = np.asarray(tempo, dtype=np.float64)
    if given.ndim == 0:
        given = np.arange(0.0, seconds + 60.0 / max(float(given), 1.0), 60.0 / max(float(given), 1.0))
    if given.ndim != 1 or len(given) < 2 or not np.isfinite(given).all():
        raise InputError(
            f"Groove: expected a tempo or at least two finite beat times, got {given.shape}. Give one of these."
        )
    slowest, fastest = TEMPO_RANGE_BPM
    periods_s = np.diff(given)
    if periods_s.min() < 60.0 / fastest or periods_s.max() > 60.0 / slowest:
        raise InputError(
            f"Groove: expected beats of {slowest:.0f} to {fastest:.0f} per minute, got beats between "
            f"{periods_s.min():.3f} and {periods_s.max():.3f} s apart. Halve or double the beat times, or mend them."
        )
    return given


def render_groove(
    seconds: float, tempo: float | ArrayLike = 180.0, *, seed: int = 0, rate: int = RATE_HZ, first_beat: int = 0
) -> Groove:
    """Play ``seconds`` of salsa.

    ``tempo``: beats per minute, or (B,) rising beat times in seconds that the music shall have; before
    the first and after the last of them it goes on at their median tempo. ``first_beat``: which beat of
    the bar (0 to 3) the first beat is. Equal arguments give equal samples. Raises InputError for a
    length, rate or tempo that cannot be played.
    """
    if not 0.0 < seconds <= 3600.0:
        raise InputError(f"Groove: expected more than 0 and at most 3600 seconds, got {seconds}. Ask for less.")
    if rate != RATE_HZ:
        raise InputError(f"Groove: expected a rate of {RATE_HZ} Hz, got {rate}. Resample the result.")
    rng = np.random.default_rng(seed)
    score = _Score(_beats_from(tempo, seconds), first_beat, seconds)
    mixer = Mixer(round(seconds * RATE_HZ), rng)
    band = _Band(score, mixer, rng)
    for bar in score.bars:
        band.play(bar)
    inside = (score.beats_s > -1e-9) & (score.beats_s < seconds)
    return Groove(
        samples=mixer.mix(),
        rate_hz=RATE_HZ,
        beat_times_s=score.beats_s[inside],
        downbeats=score.numbers[inside] % BEATS_PER_BAR == 0,
    )
