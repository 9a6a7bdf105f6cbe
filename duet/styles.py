"""Styles of dance music for the generated pieces, as drum tabs.

One character per subdivision: a digit is a loudness, a dot is a rest, ``|`` separates bars. They are
written from the definitions of the styles and their usual arrangements, not from what the beat
tracker knows (``duet.rhythms``): the tracker is judged on them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One player's choice of tabs; a piece draws one of them."""

    instrument: str
    gain: float
    tabs: tuple[str, ...]
    rests: bool = False
    """Whether the player sits out some sections."""


@dataclass(frozen=True)
class Style:
    """A style: its metre, how a beat is divided, and its band."""

    name: str
    metre: int
    """Beats in a bar; 6/8 is danced as two."""
    division: int
    """Characters of a tab per beat."""
    tempo_bpm: tuple[float, float]
    band: tuple[Part, ...]


POP_SLOW = Style(
    "pop, slow",
    4,
    4,
    (60, 92),
    (
        Part("kick", 0.55, ("9.....5.9.......", "9......69.8.....", "9.....9...9.....")),
        Part("snare", 0.4, ("....9.......9...", "....9.......9..4")),
        Part("hat", 0.12, ("8686868686868686", "9.6.9.6.9.6.9.67", "95839583958395839583"[:16])),
        Part("bass", 0.42, ("9.....6.8.....6.", "9.......9.6.....", "9..7....9..7....")),
        Part("chords", 0.11, ("9.......8.......", "9...7...8...7...", "9.6.7.6.8.6.7.6."), rests=True),
        Part("melody", 0.15, ("",)),
    ),
)
POP = Style(
    "pop",
    4,
    2,
    (96, 200),
    (
        Part("kick", 0.55, ("9...9...", "9...98..", "9.9.9.9.", "9..89...")),
        Part("snare", 0.4, ("..9...9.", "..9...9.|..9...95")),
        Part("hat", 0.12, ("96969696", "69696969", "9.9.9.9.")),
        Part("bass", 0.42, ("96869686", "9..69.6.", ".9.9.9.9", "9...9...")),
        Part("chords", 0.11, ("9...8...", "9..9..9.", ".9.9.9.9", "9.8.9.8."), rests=True),
        Part("melody", 0.15, ("",), rests=True),
    ),
)
CHA_CHA = Style(
    "cha-cha",
    4,
    2,
    (104, 128),
    (
        Part("conga", 0.26, ("44944488|44944488", "44949488|44949488")),
        Part("cowbell", 0.2, ("9.9.9.9.", "9.7.9.7.")),
        Part("guiro", 0.14, ("9.879.87", "9.889.88")),
        Part("bass", 0.42, ("9..8.8..|9..8..8.", "9..9..9.", "9...9.9.")),
        Part("chords", 0.12, ("..8..8.9|..8..8..", "9.8..8.8|.8.8..8.")),
        Part("timbal", 0.2, ("......88|........", "........|......89"), rests=True),
        Part("melody", 0.14, ("",), rests=True),
    ),
)
TANGO = Style(
    "tango",
    4,
    2,
    (112, 136),
    (
        Part("bass", 0.45, ("9.7.8.7.", "9.7.9.7.|9.7.9.7.|9.7.9.7.|9..97.7.", "9...8...")),
        Part("chords", 0.17, ("9.8.9.8.", "9.8.9.8.|9..98.8.", "9.7.8.7.|9.7.8.79")),
        Part("brush", 0.1, ("....6...", "..5...5."), rests=True),
        Part("melody", 0.2, ("",)),
        Part("strings", 0.09, ("9.......|....8...", "9.......")),
    ),
)
MILONGA = Style(
    "milonga",
    2,
    4,
    (84, 112),
    (
        Part("bass", 0.45, ("9..87.8.", "9..8..8.")),
        Part("chords", 0.16, ("9..88.8.", "..8.9.8.", "9..87.7.")),
        Part("brush", 0.12, ("9.6.8.6.", "9...8.7.")),
        Part("melody", 0.18, ("",), rests=True),
    ),
)
WALTZ = Style(
    "waltz",
    3,
    2,
    (84, 180),
    (
        Part("bass", 0.46, ("9.....", "9.....|8.....", "9...5.")),
        Part("chords", 0.16, ("..8.7.", "..8.8.")),
        Part("brush", 0.16, ("4.8.7.", "..8.8.", "9.6.6."), rests=True),
        Part("kick", 0.3, ("9.....",), rests=True),
        Part("strings", 0.08, ("9.....", "9.....|....8.")),
        Part("melody", 0.2, ("",)),
    ),
)
SIX_EIGHT = Style(
    "6/8",
    2,
    3,
    (56, 104),
    (
        Part("kick", 0.5, ("9.....", "9....6", "9..5..")),
        Part("snare", 0.36, ("...9..", "...9..|...9.5")),
        Part("hat", 0.13, ("968867"[:6], "866866", "9.69.6")),
        Part("bass", 0.42, ("9..8..", "9.69.6", "9.....")),
        Part("chords", 0.12, ("968868", "9..8..", "9.89.8")),
        Part("melody", 0.16, ("",), rests=True),
    ),
)
SWING = Style(
    "swing",
    4,
    3,
    (112, 200),
    (
        Part("ride", 0.15, ("9..9.79..9.7", "9..8.69..8.6|9..8.69..8..")),
        Part("hat", 0.14, ("...9.....9..",)),
        Part("bass", 0.44, ("9..8..9..8..", "9..8..9..8.6")),
        Part("kick", 0.18, ("5..4..5..4..", "9.....6....."), rests=True),
        Part("snare", 0.2, ("............|...........8", ".....6......|........7..."), rests=True),
        Part("chords", 0.13, ("9....8......|...........8", "........9...|.....8......", "..8.....8...")),
        Part("brass", 0.12, ("9....8......|............|.....9..9...|............",), rests=True),
        Part("melody", 0.15, ("",), rests=True),
    ),
)
