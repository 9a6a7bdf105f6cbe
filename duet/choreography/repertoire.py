"""What a couple can dance, and what may follow what."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from duet.choreography import figures, turning
from duet.choreography.figures import CLOSED, Figure, Hold


@dataclass(frozen=True)
class Entry:
    """A figure's place in the repertoire."""

    make: Callable[[np.random.Generator, Hold, str], Figure]
    weight: float
    starts: tuple[str, ...]
    """Distances it can start from."""
    ends: tuple[str, ...]
    """Distances it can end at."""
    turns: bool = False
    """Whether somebody turns in it."""
    fastest_bpm: float = float("inf")


REPERTOIRE = {
    "basic": Entry(figures.basic, 1.8, ("closed", "open", "apart"), ("closed", "open")),
    "side basic": Entry(figures.side_basic, 0.9, ("closed", "open", "apart"), ("closed", "open")),
    "open break": Entry(figures.open_break, 1.0, ("open", "closed", "apart"), ("open",)),
    "hand to hand": Entry(figures.hand_to_hand, 1.0, ("open", "closed"), ("open",)),
    "cross body lead": Entry(figures.cross_body, 3.2, ("closed", "open"), ("closed", "open", "open")),
    "inside turn": Entry(turning.inside_turn, 1.4, ("closed", "open"), ("open",), turns=True, fastest_bpm=225.0),
    "outside turn": Entry(turning.outside_turn, 1.0, ("closed", "open"), ("open",), turns=True, fastest_bpm=225.0),
    "right turn": Entry(turning.right_turn, 1.5, ("open",), ("open", "open", "closed"), turns=True, fastest_bpm=225.0),
    "double turn": Entry(turning.double_turn, 0.6, ("open",), ("open",), turns=True, fastest_bpm=188.0),
    "leader turn": Entry(turning.leader_turn, 0.8, ("open",), ("open", "apart"), turns=True, fastest_bpm=225.0),
    "both turn": Entry(turning.both_turn, 0.4, ("open", "apart"), ("open", "apart"), turns=True, fastest_bpm=225.0),
    "in and out": Entry(turning.in_and_out, 0.7, ("open",), ("open",), turns=True, fastest_bpm=225.0),
    "walks": Entry(figures.walks, 0.7, ("closed", "open"), ("closed", "open")),
    "promenade": Entry(figures.promenade, 0.6, ("closed", "open"), ("open", "closed")),
    "circle": Entry(figures.circle, 0.9, ("open", "apart"), ("open",)),
    "cuddle": Entry(turning.cuddle, 0.8, ("open",), ("open",), turns=True, fastest_bpm=225.0),
    "groove": Entry(figures.groove, 0.3, ("closed", "open", "apart"), ("open", "closed")),
    "shine": Entry(figures.shine, 0.7, ("open", "apart"), ("apart", "open")),
}


def next_figure(
    rng: np.random.Generator, last: Figure | None, *, turns: float = 1.0, tempo_bpm: float = 180.0
) -> Figure:
    """A figure that can follow ``last``."""
    start, hold = ("closed", CLOSED) if last is None else (last.end, last.last_hold)
    weights = []
    for name, entry in REPERTOIRE.items():
        fits = start in entry.starts and tempo_bpm <= entry.fastest_bpm
        again = 0.35 if last is not None and name == last.name else 1.0
        weights.append(fits * again * entry.weight * (turns if entry.turns else 1.0))
    entry = list(REPERTOIRE.values())[rng.choice(len(weights), p=np.array(weights) / sum(weights))]
    # Closed hold is worth staying in.
    stays = start == "closed" and "closed" in entry.ends and rng.random() < 0.5
    end = "closed" if stays else entry.ends[rng.integers(len(entry.ends))]
    return entry.make(rng, hold, end)
