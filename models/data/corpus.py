"""All sequences of a training run: the recorded couples, multiplied honestly, and choreographed ones."""

import math
from dataclasses import dataclass

import numpy as np

from duet.errors import InputError
from duet.features import Placement
from duet.forecast import Forecaster
from models.bounds import ABOVE, check_bounds
from models.config import FollowerConfig
from models.data.beats import with_beats
from models.data.couples import CMU, Data, couples_in, digest_of, recorded_couples
from models.data.in_code import couple_in_code
from models.data.motion_graph import splice_couples
from models.data.music import condition_of, heard_condition
from models.data.pairs import Pair
from models.data.sequences import CLEAN, Corruption, Floats, Sequence, build_sequence
from models.data.warps import bent
from models.evaluation.closed_loop import Example, example_of

STYLES = (
    "recorded",
    "recorded mirrored",
    "choreographed",
    "choreographed mirrored",
    "recorded swapped",
    "recorded swapped mirrored",
)
"""What the style token tells apart: whose dance it is, and which of two sides or roles."""


PLENTY_S = 1800.0
"""Recordings of so long have enough ways to go on in them, and too many frames to hold against each other."""


@dataclass(frozen=True)
class Multiplication:
    """How recorded couples are multiplied, and how many couples dance in code beside them."""

    copies: int = 6
    """Versions of every take and its mirror image; the first at the recorded tempo and distance."""
    swapped: int = 3
    """Versions in which the recorded follower leads, under style tokens of their own."""
    heard: int = 1
    """Of these copies, how many dance to music that was rendered and listened to; the rest to a drawn likeness."""
    tempo: tuple[float, float] = (0.9, 1.1)
    distance_m: tuple[float, float] = (-0.05, 0.25)
    bent: float = 0.4
    """Share of the varied versions whose path over the floor is bent."""
    spliced: int = 10
    """Dances, and as many mirrored ones, spliced from recorded takes where both dancers' states agree; none where
    the takes are plenty."""
    spliced_s: float = 40.0
    choreographed: int = 180
    """Couples that dance salsa in code, half of them mirrored."""
    everyday: int = 120
    """Couples in code whose leader walks, stands, waves, turns away, leaves, crouches."""
    choreographed_s: float = 40.0
    everyday_s: float = 30.0
    choreographed_heard: float = 0.15
    """Share of the couples in code whose music is rendered and listened to."""
    salsa_bpm: tuple[float, float] = (150.0, 205.0)
    any_bpm: tuple[float, float] = (85.0, 205.0)
    """Tempi of a third of the salsas, and of all that is not salsa."""

    def __post_init__(self) -> None:
        some, share, tempo = (0, math.inf), (0.0, 1.0), (40.0, 300.0)
        check_bounds(
            "multiply", self, copies=some, swapped=some, heard=some, spliced=some, choreographed=some, everyday=some,
            bent=share, choreographed_heard=share, tempo=(0.25, 4.0), distance_m=(-0.5, 5.0), salsa_bpm=tempo,
            any_bpm=tempo, spliced_s=(ABOVE, math.inf), choreographed_s=(ABOVE, math.inf), everyday_s=(ABOVE, math.inf),
        )  # fmt: skip
        for name in ("tempo", "distance_m", "salsa_bpm", "any_bpm"):
            low, high = getattr(self, name)
            if low > high:
                raise InputError(f"multiply.{name}: expected the lower number first, got {low:g}, {high:g}. Swap them.")


def vary(pair: Pair, rng: np.random.Generator, how: Multiplication) -> tuple[Pair, Placement]:
    """A version of ``pair`` at another tempo and distance, and the place the stage would have asked for."""
    offset_m = float(rng.uniform(*how.distance_m))
    wish = Placement(distance_m=Placement().distance_m + offset_m)
    if rng.uniform() < how.bent:
        pair = bent(pair, rng)
    return pair.at_tempo(float(rng.uniform(*how.tempo))).at_distance(offset_m), wish


def recorded_sequences(
    pairs: list[Pair],
    config: FollowerConfig,
    rng: np.random.Generator,
    how: Multiplication,
    forecaster: Forecaster | None = None,
) -> list[Sequence]:
    """Sequences of recorded couples: each take and its mirror image ``how.copies`` times, and with roles swapped."""
    sequences = []
    for pair in pairs:
        known = with_beats(pair)
        for style, couple, copies in (
            (0, known, how.copies),
            (1, known.mirrored(), how.copies),
            (4, known.swapped(), how.swapped),
            (5, known.swapped().mirrored(), how.swapped),
        ):
            for copy in range(copies):
                varied, wish = (couple, Placement()) if copy == 0 else vary(couple, rng, how)
                conditions = _music(varied, config, rng, heard=copy < how.heard)
                sequences.append(_sequence(varied, conditions, config, rng, style, wish, forecaster))
    return sequences


def spliced_sequences(
    pairs: list[Pair],
    config: FollowerConfig,
    rng: np.random.Generator,
    how: Multiplication,
    forecaster: Forecaster | None = None,
) -> list[Sequence]:
    """Sequences of dances spliced from recorded ones, plain and mirrored."""
    known = [with_beats(pair) for pair in pairs]
    sequences = []
    for style, couples in ((0, known), (1, [pair.mirrored() for pair in known])):
        for pair in splice_couples(couples, how.spliced_s, int(rng.integers(2**31)), how.spliced):
            conditions = _music(pair, config, rng, heard=False)
            sequences.append(_sequence(pair, conditions, config, rng, style, Placement(), forecaster))
    return sequences


def _sequence(
    pair: Pair,
    conditions: Floats,
    config: FollowerConfig,
    rng: np.random.Generator,
    style: int,
    wish: Placement,
    forecaster: Forecaster | None,
) -> Sequence:
    return build_sequence(
        pair, conditions, config, style=style, wish=wish, corruption=Corruption(), rng=rng, forecaster=forecaster
    )


def _music(pair: Pair, config: FollowerConfig, rng: np.random.Generator, *, heard: bool) -> Floats:
    """The music condition (T, 8) of a couple whose beats are known: its own music, where that was recorded."""
    assert pair.beats_s is not None
    seed, lead_in_s = int(rng.integers(2**31)), float(rng.uniform(0.0, 6.0))
    if heard and pair.heard is None:
        return heard_condition(pair.beats_s, pair.frames, config.fps, seed=seed, lead_in_s=lead_in_s)
    return condition_of(pair, rng)


def choreographed_sequences(
    config: FollowerConfig, rng: np.random.Generator, how: Multiplication, forecaster: Forecaster | None = None
) -> list[Sequence]:
    """Sequences of couples that dance in code, each with its own seed, tempo and style."""
    sequences = []
    for index in range(how.choreographed + how.everyday):
        pair = _in_code(index, config.fps, rng, how)
        pair = pair.mirrored() if index % 2 else pair
        # The wish is what the couple does, so that asking for another distance is something it has learned.
        wish = Placement(distance_m=float(pair.distances_m().mean()))
        conditions = _music(pair, config, rng, heard=rng.uniform() < how.choreographed_heard)
        sequences.append(_sequence(pair, conditions, config, rng, 2 + index % 2, wish, forecaster))
    return sequences


def _in_code(index: int, fps: float, rng: np.random.Generator, how: Multiplication) -> Pair:
    """Couple ``index``: first those who dance salsa, then those whose leader does not."""
    salsa = index < how.choreographed
    seconds = how.choreographed_s if salsa else how.everyday_s
    tempo_bpm = float(rng.uniform(*(how.salsa_bpm if salsa and index % 3 else how.any_bpm)))
    name = f"{'choreographed' if salsa else 'everyday'}-{index}"
    return couple_in_code(name, seconds, tempo_bpm, int(rng.integers(2**31)), salsa=salsa, fps=fps)


def validation_sequences(
    data: Data, config: FollowerConfig, seed: int = 0, forecaster: Forecaster | None = None
) -> list[Sequence]:
    """The validation takes as recorded, cleanly tracked."""
    rng = np.random.default_rng(seed)
    sequences = []
    for pair in recorded_couples(data, "validation"):
        conditions = condition_of(pair, rng)
        sequences.append(
            build_sequence(
                pair, conditions, config, style=0, wish=Placement(), corruption=CLEAN, rng=rng, forecaster=forecaster
            )
        )
    return sequences


@dataclass(frozen=True)
class Corpus:
    """What a run learns from and is judged on."""

    train: list[Sequence]
    validation: list[Sequence]
    examples: list[Example]
    """The validation couples, to be danced with in closed loop."""
    datasets: tuple[str, ...] = (CMU,)
    """Whose couples these are."""
    couples: str = ""
    """Digest of all recorded couples in it; "" where nobody said."""


def build_corpus(
    data: Data,
    config: FollowerConfig,
    *,
    how: Multiplication | None = None,
    seed: int = 0,
    forecaster: Forecaster | None = None,
) -> Corpus:
    """The corpus of ``data``: same couples, configuration, seed and forecaster, same corpus.

    ``forecaster``: what foresees leaders for the follower that learns from it, as it will on stage.
    """
    rng = np.random.default_rng(seed)
    how = how or Multiplication()
    couples = couples_in(data)
    # Both at once: what is missing is told before anything is made.
    pairs, judged = recorded_couples(couples, "train"), recorded_couples(couples, "validation")
    train = recorded_sequences(pairs, config, rng, how, forecaster)
    if how.spliced and sum(pair.leader.seconds for pair in pairs) < PLENTY_S:
        train += spliced_sequences(pairs, config, rng, how, forecaster)
    train += choreographed_sequences(config, rng, how, forecaster)
    examples = [example_of(pair, seed) for pair in judged]
    validation = validation_sequences(couples, config, seed, forecaster)
    return Corpus(train, validation, examples, couples.datasets or (CMU,), digest_of(pairs + judged))
