"""Rhythms the beat tracker knows: where in the bar something is likely to sound.

A dancer does not count the loudest hits; they recognise a rhythm and know where "1" is in it. In
salsa the bass and the piano avoid the beat, so a tracker that only looks for periodic accents locks
on the off-beat. Each rhythm is written like a drum tab: one character per subdivision, a digit for
the probability of an onset in tenths, a dot for none, bars separated by ``|``.

The tabs of salsa, son, mambo, cha-cha and rumba are onset counts over synthetic renderings of these
styles (no recording was used), rounded; the others are written down from their definition.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BANDS = 3  # bass, mid, high
SLOWEST_BPM, FASTEST_BPM = 50.0, 230.0
"""Of anything that is danced."""
FADE_OCTAVES = 0.15
"""How fast a rhythm becomes rare beyond its usual tempi (a Gaussian's width): a salsa of 125 is a slow one, not another
music half a beat off."""


@dataclass(frozen=True)
class Rhythm:
    """One rhythm: its metre, the tempi it is danced at, and its three tabs."""

    name: str
    metre: int
    """Beats in a bar."""
    division: int
    """Characters of a tab per beat."""
    tempo_bpm: tuple[float, float, float]
    """Slowest, usual and fastest as a rule."""
    spread_octaves: float
    """Standard deviation of log2(tempo) around the usual one."""
    bass: str
    mid: str
    high: str
    pushes: bool = False
    """Bass and chords come before the bar, as in all music on a clave: its harmony does not tell the "1"."""

    tail_octaves: float = 0.3
    """How far beyond its usual tempi it may still be met."""
    share: float = 1.0
    """How usual the rhythm is, against the others."""

    @property
    def beats(self) -> int:
        """Beats after which the rhythm repeats: one or two bars."""
        return len(self.bass.replace("|", "")) // self.division

    def onsets(self) -> NDArray[np.float64]:
        """(BANDS, beats * division) probability of an onset at each subdivision."""
        rows = [
            [0.0 if c == "." else int(c) / 10 for c in tab.replace("|", "")] for tab in (self.bass, self.mid, self.high)
        ]
        return np.array(rows)

    def tempo_weight(self, bpm: float) -> float:
        """How usual ``bpm`` is for this rhythm, in [0, 1]; it fades beyond its range, and is 0 far from it."""
        slowest, usual, fastest = self.tempo_bpm
        beyond = max(np.log2(slowest / bpm), np.log2(bpm / fastest), 0.0)
        if beyond > self.tail_octaves or not SLOWEST_BPM <= bpm <= FASTEST_BPM:
            return 0.0
        within = np.log2(bpm / usual) / self.spread_octaves
        return float(np.exp(-0.5 * (within**2 + (beyond / FADE_OCTAVES) ** 2)))


RHYTHMS = (
    Rhythm("salsa", 4, 2, (138, 184, 230), 0.35, "7.88.96.|7..9.99.", "9.9819.9|91.92929", "9.999999|93999999", True),
    Rhythm("son", 4, 2, (138, 184, 230), 0.35, ".5794.91|3749319.", "94999999|99899989", "99999999|99999999", True),
    Rhythm("mambo", 4, 2, (138, 184, 230), 0.35, "41591.94|.1492.9.", "91999899|91996999", "9.969996|92993999", True),
    # bass on 2& and 4, congas open on 4 and 4&, bell on every beat: the textbook tumbao and campana
    Rhythm("campana", 4, 2, (138, 184, 230), 0.35, "3..8..9.", "64864488", "94859485", True),
    Rhythm("cha-cha", 4, 2, (92, 120, 145), 0.20, "9.999.96|4.799.99", "96919999|99.99969", "91999499|91999399", True),
    # half a beat off it sounds like a slow salsa: only where it is danced
    Rhythm(
        "rumba", 4, 2, (85, 104, 114), 0.20, "9.29349.|9.59.992", "91959455|89695989", "99999999|99999999", True, 0.1
    ),
    Rhythm("plain", 4, 2, (55, 116, 230), 0.40, "91626162", "91819181", "91919191"),
    # kick on 1 and 3, snare on 2 and 4; the bass guitar where it likes
    Rhythm("backbeat", 4, 2, (94, 126, 210), 0.35, "94448455", "62926293", "96969696"),
    # bass and chords between the beats, the drums on them: disco, ska, polka
    Rhythm("off-beat", 4, 2, (94, 126, 200), 0.30, "97279727", "16961696", "79797979"),
    # kick on every beat, the bass guitar and chords where they like
    Rhythm("four on the floor", 4, 2, (94, 122, 160), 0.25, "94949494", "54745474", "95959595"),
    # a ballad: explains nearly everything at half its tempo, so it has to explain it much better
    Rhythm(
        "sixteenths", 4, 4, (55, 76, 105), 0.30, "9.3242328.324232", "6122912261229122", "9363936393639363", share=0.03
    ),
    # every beat alike, the first one more: tango marcato
    Rhythm("marcato", 4, 2, (100, 124, 145), 0.15, "91717171", "92828282", "91717171"),
    Rhythm("habanera", 2, 4, (58, 94, 118), 0.20, "9..86.7.", "7.468.7.", "7.386.6."),
    Rhythm("six-eight", 2, 3, (50, 74, 112), 0.30, "9.28.3", "5339.4", "966966"),
    Rhythm("swing", 4, 3, (85, 140, 230), 0.35, "9..7..9..7..", "9.28.39.28.3", "9.39.69.39.6"),
    Rhythm("plain in three", 3, 2, (70, 116, 200), 0.40, "916161", "918181", "919191"),
    Rhythm("waltz", 3, 2, (70, 108, 150), 0.40, "937382", "919382", "929291"),
    # bass on 1 alone, chords on 2 and 3
    Rhythm("oom-pah-pah", 3, 2, (70, 125, 215), 0.45, "9.1.1.", "719181", "818181"),
    Rhythm("viennese waltz", 3, 2, (140, 176, 215), 0.20, "9.4.7.", "918181", "919191"),
)
