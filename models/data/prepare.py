"""Looks at every recorded couple before a training does: what there is, and whether it is what it should be."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from duet.errors import InputError
from models.data.beats import step_beats
from models.data.pairs import Pair, load_pairs

SPLITS = ("train", "validation")
SHORTEST_S = 4.0


@dataclass(frozen=True)
class Prepared:
    """One couple as training will see it."""

    name: str
    split: str
    seconds: float
    steps_per_minute: float
    """Tempo of the beats found in the dancers' steps."""
    distance_m: float
    """Mean distance of the two pelvises."""


def summarise(pair: Pair, split: str) -> Prepared:
    """Numbers of ``pair``; InputError when they cannot be those of a couple that dances."""
    seconds = pair.frames / pair.leader.fps
    if seconds < SHORTEST_S:
        raise InputError(
            f"{pair.name}: expected at least {SHORTEST_S:g} s together, got {seconds:.1f} s. Leave it out."
        )
    beats = step_beats(pair)
    return Prepared(
        name=pair.name,
        split=split,
        seconds=seconds,
        steps_per_minute=float(60.0 / np.median(np.diff(beats))),
        distance_m=float(pair.distances_m().mean()),
    )


def prepare(data_dir: str | Path) -> list[Prepared]:
    """Every couple under ``data_dir``, training ones first; InputError names the first that cannot be used."""
    return [summarise(pair, split) for split in SPLITS for pair in load_pairs(data_dir, split)]
