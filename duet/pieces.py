"""Generated dance music whose every beat is known: what the beat tracker is judged on.

A piece is a style at a tempo with one thing that makes it hard: a ramp, a jump, a silence, a crowd.
Everything is drawn from its seed; rendered sound is kept in the user's cache.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from duet import drumkit, instruments, styles
from duet.cache import cache_directory
from duet.files import BROKEN_ARCHIVE, written_whole
from duet.groove import KEYS, LOOPS, Groove, render_groove
from duet.instruments import RATE_HZ, Floats
from duet.mixdown import Mixer
from duet.styles import Part, Style

SECONDS = 30.0
RENDERING = 1  # changes with the sound of the pieces
SILENT_S = (12.0, 17.0)
JUMP_S, JUMP = 15.0, 1.15
RAMP_S, RAMP = (5.0, 25.0), 1.10
CROWD_DB = -10.0  # against the music
SECTION_BARS = 8


class Trial(StrEnum):
    """What makes a piece hard."""

    STEADY = "steady"
    RAMP = "ramp"  # 10 % over 20 s
    JUMP = "jump"  # 15 % at once
    SILENCE = "silence"  # for 5 s; then the music begins anew
    CROWD = "crowd"  # people talk, 10 dB below the music
    BEYOND = "beyond"  # slower or faster than the style is as a rule, and steady


@dataclass(frozen=True)
class Piece:
    """One piece before it is played."""

    style: str
    bpm: float
    trial: Trial
    seed: int

    @property
    def name(self) -> str:
        return f"{self.style.replace('/', '-').replace(', ', '-')}-{self.bpm:.1f}-{self.trial}-{self.seed}"


BANDS = {
    style.name: style
    for style in (
        styles.POP_SLOW, styles.POP, styles.CHA_CHA, styles.TANGO, styles.MILONGA, styles.WALTZ, styles.SIX_EIGHT,
        styles.SWING,
    )
}  # fmt: skip
SALSA = "salsa"  # played by the built-in band
TEMPI_BPM = {SALSA: (150.0, 200.0)} | {name: style.tempo_bpm for name, style in BANDS.items()}
TRIALS = (Trial.STEADY, Trial.STEADY, Trial.RAMP, Trial.JUMP, Trial.SILENCE, Trial.CROWD)
BEYOND_SHARE = (0.78, 0.95), (1.03, 1.15)
"""Of the slowest and of the fastest usual tempo: how far beyond them pieces go."""
LIMITS_BPM = (55.0, 215.0)


def piece_set(seed: int = 0) -> list[Piece]:
    """72 pieces: 54 at usual tempi, each style in each trial; then each style slower and faster than usual."""
    return usual_pieces(seed) + beyond_pieces(seed)


def beyond_pieces(seed: int) -> list[Piece]:
    """18 steady pieces: each style once slower and once faster than ``TEMPI_BPM`` has it."""
    found = []
    for number, (style, (slow, fast)) in enumerate(TEMPI_BPM.items()):
        rng = np.random.default_rng((seed, number, 1))
        slower, faster = slow * rng.uniform(*BEYOND_SHARE[0]), fast * rng.uniform(*BEYOND_SHARE[1])
        for k, bpm in enumerate((max(slower, LIMITS_BPM[0]), min(faster, LIMITS_BPM[1]))):
            found.append(Piece(style, round(bpm, 1), Trial.BEYOND, 1000 * seed + 10 * number + len(TRIALS) + k))
    return found


def usual_pieces(seed: int) -> list[Piece]:
    """54 pieces: each style in each trial, its tempi spread over its range."""
    found = []
    for number, (style, (slow, fast)) in enumerate(TEMPI_BPM.items()):
        rng = np.random.default_rng((seed, number))
        # A ramp or jump stays within the tempi of the style.
        spread = slow + (fast / JUMP - slow) * (rng.permutation(len(TRIALS)) + rng.uniform(0, 1, len(TRIALS))) / 6.0
        for k, trial in enumerate(TRIALS):
            bpm = fast if k == 1 else float(spread[k])
            piece = Piece(style, round(bpm, 1), trial, 1000 * seed + 10 * number + k)
            falls = trial is Trial.JUMP and _sign(piece) < 0
            found.append(replace(piece, bpm=max(piece.bpm, round(slow * JUMP, 1))) if falls else piece)
    return found


def _sign(piece: Piece) -> float:
    """Whether its tempo rises or falls, if it changes: every second style's rises."""
    return 1.0 if piece.seed // 10 % 2 else -1.0


def play(piece: Piece) -> Groove:
    """Render ``piece``, or fetch it from the cache."""
    path = cache_directory() / "pieces" / f"{piece.name}-v{RENDERING}.npz"
    try:
        # Opened apart: numpy leaves a file open that only begins like an archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return Groove(kept["samples"].astype(np.float32) / 32767.0, RATE_HZ, kept["beats_s"], kept["downbeats"])
    except BROKEN_ARCHIVE:  # there is none, or one that was damaged
        groove = render(piece)
    whole = np.round(groove.samples * 32767.0).astype(np.int16)
    with written_whole(path) as part, part.open("wb") as file:
        np.savez(file, samples=whole, beats_s=groove.beat_times_s, downbeats=groove.downbeats)
    return groove


def render(piece: Piece, seconds: float = SECONDS) -> Groove:
    """Play ``piece``: (N,) mono samples, its beats and downbeats."""
    rng = np.random.default_rng(piece.seed)
    spans = [(0.0, SILENT_S[0]), (SILENT_S[1], seconds)] if piece.trial is Trial.SILENCE else [(0.0, seconds)]
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    beats, downbeats = [], []
    for begin_s, end_s in spans:
        lead_in_s = float(rng.uniform(0.1, 0.6))
        beats_s = _beats(piece, lead_in_s, end_s - begin_s)
        played, ones = _band(piece, beats_s, end_s - begin_s, rng)
        start = round(begin_s * RATE_HZ)
        samples[start : start + len(played)] = played
        beats.append(begin_s + beats_s)
        downbeats.append(ones)
    if piece.trial is Trial.CROWD:
        samples += drumkit.crowd(seconds, rng)[: len(samples)] * samples.std() * 10.0 ** (CROWD_DB / 20.0)
        samples *= np.float32(0.9 / np.abs(samples).max())
    return Groove(samples, RATE_HZ, np.concatenate(beats), np.concatenate(downbeats))


def _beats(piece: Piece, first_s: float, end_s: float) -> NDArray[np.float64]:
    """(B,) beat times from ``first_s`` to ``end_s`` at the tempi of the trial."""
    sign = _sign(piece)
    found = [first_s]
    while found[-1] < end_s:
        bpm = piece.bpm
        if piece.trial is Trial.RAMP:
            bpm *= RAMP ** (sign * np.interp(found[-1], RAMP_S, (0.0, 1.0)))
        elif piece.trial is Trial.JUMP and found[-1] >= JUMP_S:
            bpm *= JUMP**sign
        found.append(found[-1] + 60.0 / bpm)
    return np.array(found[:-1])


def _band(
    piece: Piece, beats_s: NDArray[np.float64], seconds: float, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """(N,) samples and (B,) downbeats of the piece's band on ``beats_s``."""
    if piece.style == SALSA:
        groove = render_groove(seconds, beats_s, seed=piece.seed)
        groove.samples[: round((beats_s[0] - 0.02) * RATE_HZ)] = 0.0  # the band plays before the first beat, too
        return groove.samples.mean(axis=1), np.arange(len(beats_s)) % 4 == 0
    style = BANDS[piece.style]
    mixer = Mixer(round(seconds * RATE_HZ), rng)
    players = _Players(style, beats_s, mixer, rng)
    for part in style.band:
        players.play(part)
    return mixer.mix().mean(axis=1), np.arange(len(beats_s)) % style.metre == 0


class _Players:
    """Read tabs and put strokes into the mixer."""

    def __init__(self, style: Style, beats_s: NDArray[np.float64], mixer: Mixer, rng: np.random.Generator) -> None:
        self._style, self._mixer, self._rng = style, mixer, rng
        last_s = 2 * beats_s[-1] - beats_s[-2]
        self._beats_s = np.append(beats_s, last_s)
        self._slots = (len(beats_s)) * style.division
        self._bar_slots = style.metre * style.division
        self._key = int(rng.choice(KEYS))
        self._loop = LOOPS[int(rng.integers(len(LOOPS)))]
        self._made: dict[object, list[Floats]] = {}

    def play(self, part: Part) -> None:
        """One player, from the first beat to the last."""
        tab = part.tabs[int(self._rng.integers(len(part.tabs)))].replace("|", "")
        resting = self._rng.uniform(size=1 + self._slots // self._bar_slots // SECTION_BARS) < 0.3
        for slot in range(self._slots):
            bar = slot // self._bar_slots
            if part.rests and resting[bar // SECTION_BARS]:
                continue
            loud = self._melody(slot) if part.instrument == "melody" else tab[slot % len(tab)]
            if loud != ".":
                self._strike(part, slot, int(loud) / 9.0)

    def _melody(self, slot: int) -> str:
        """A tune that likes beats, and likes the first of the bar most."""
        in_beat = slot % self._style.division
        chance = 0.65 if slot % self._bar_slots == 0 else 0.5 if in_beat == 0 else 0.22
        return str(int(self._rng.integers(6, 10))) if self._rng.uniform() < chance else "."

    def _strike(self, part: Part, slot: int, loud: float) -> None:
        at_s = float(np.interp(slot / self._style.division, np.arange(len(self._beats_s)), self._beats_s))
        for stroke, last_s in self._strokes(part.instrument, slot):
            self._mixer.add(stroke, at_s, part.gain * loud, pan=0.0, room=0.3, last_s=last_s)

    def _strokes(self, instrument: str, slot: int) -> list[tuple[Floats, float]]:
        """The waves of one stroke, and how long each sounds."""
        bar, in_bar = divmod(slot, self._bar_slots)
        root, tones = self._loop[bar % len(self._loop)]
        slot_s = float(np.diff(self._beats_s).mean()) / self._style.division
        if instrument == "bass":
            midi = self._key - 12 + root + (7 if in_bar and self._rng.uniform() < 0.4 else 0)
            return [(self._stroke(("bass", midi), partial(instruments.bass, _hz(midi))), 0.7)]
        if instrument in ("chords", "strings", "brass", "melody"):
            several = tones[:1] if instrument == "melody" else tones[:3]
            shift = int(self._rng.choice(tones)) if instrument == "melody" else 0
            high = {"melody": 24, "strings": 12, "brass": 19, "chords": 12}[instrument]
            midis = [self._key + high + (root + tone + shift) % 12 for tone in several]
            return [self._note(instrument, midi, slot_s) for midi in midis]
        return [(self._stroke(instrument, STROKES[instrument]), 9.0)]

    def _note(self, instrument: str, midi: int, slot_s: float) -> tuple[Floats, float]:
        if instrument in ("strings", "brass"):
            long_s = 1.0 if instrument == "strings" else 0.3
            return self._stroke((instrument, midi), partial(instruments.brass, _hz(midi), long_s)), long_s
        return self._stroke(("piano", midi), partial(instruments.piano, _hz(midi), 0.6)), max(2.0 * slot_s, 0.2)

    def _stroke(self, key: object, make: "partial[Floats]") -> Floats:
        """One of two renderings of a stroke, each made once."""
        made = self._made.setdefault(key, [])
        if len(made) < 2:
            made.append(make(rng=self._rng))
            return made[-1]
        return made[int(self._rng.integers(2))]


STROKES = {
    "kick": partial(drumkit.kick),
    "snare": partial(drumkit.snare),
    "hat": partial(drumkit.hat),
    "ride": partial(drumkit.ride),
    "brush": partial(drumkit.brush),
    "conga": partial(instruments.conga, "open", 200.0),
    "cowbell": partial(instruments.cowbell, "mouth"),
    "guiro": partial(instruments.guiro, 0.12),
    "timbal": partial(instruments.timbal, 240.0),
}


def _hz(midi: int) -> float:
    return 440.0 * 2.0 ** ((midi - 69) / 12.0)
