"""Making a bank of reference dances (``duet.retrieval``) from couples."""

import re
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.features import (
    FOLLOWER_ROOT,
    PLACE_SIZE,
    ROOT_FACING,
    ROOT_PLACE,
    follower_features,
    leader_features,
)
from duet.forecast import BEATS_PER_BAR
from duet.music import CONDITION_SIZE
from duet.retrieval import KEY_TOKENS, PLACE, Bank, Holding, Question
from models.config import FollowerConfig
from models.data.in_code import couple_in_code
from models.data.pairs import Pair

Floats = NDArray[np.float32]

CHOREOGRAPHED = "choreographed in code"
"""Origin of a bank that may ship with a follower."""
SPLICED_OF = " <- "
"""In a name, between a spliced dance and the takes it is made of, which `` + `` joins."""
_VARIED = re.compile(r"-(mirrored|swapped|bent|x[0-9.]+)(?=-|$)")


@dataclass(frozen=True)
class KeyDesign:
    """How much every part of a question weighs, and in how many numbers it is told.

    Tuned by playing the reference itself beside each recorded training take, that take's couple barred: whatever the
    follower's own state weighs above this, it holds on to a wrong clip.
    """

    leader: float = 1.0
    place: float = 0.03
    own: float = 0.15
    beat: float = 0.02
    leader_numbers: int = 64
    own_numbers: int = 16
    least_spread: float = 0.01
    """Numbers that vary less than this are not blown up."""


@dataclass(frozen=True)
class Remembered:
    """A couple as a bank keeps it, N whole tokens."""

    name: str
    known: Question
    """What was true before every token (N, ...)."""
    frames: Floats
    """(N * f, 145) the follower's features."""
    begins: NDArray[np.bool_]
    """(N,) where a reference may begin."""


def remember(pair: Pair, config: FollowerConfig) -> Remembered:
    """``pair``, whose beats are known."""
    f, fps = config.token_frames, config.fps
    tokens = pair.frames // f
    pair = pair.slice(0, tokens * f)
    heading = pair.headings()
    frames = follower_features(
        pair.follower.root_m, pair.follower.rotations, pair.contacts(), pair.leader.root_m, heading, fps
    )
    leader = leader_features(pair.leader.joints_m, heading, fps, confidence=np.ones(pair.frames))
    rows = np.maximum(np.arange(tokens)[:, None] + np.arange(-KEY_TOKENS, 0), 0)
    before = frames[np.maximum(np.arange(tokens) * f - 1, 0)]
    place, root = np.zeros((tokens, PLACE_SIZE), dtype=np.float32), before[:, FOLLOWER_ROOT]
    place[:, PLACE] = np.concatenate([root[:, ROOT_PLACE], root[:, ROOT_FACING]], axis=1)
    known = Question(leader.reshape(tokens, -1)[rows], place, _beat(pair, np.arange(tokens) * f / fps), before)
    begins = (np.arange(tokens) >= KEY_TOKENS) & (np.arange(tokens) <= tokens - config.plan)
    return Remembered(pair.name, known, frames, begins)


def _beat(pair: Pair, times_s: NDArray[np.float64]) -> Floats:
    """(T, 8) the music condition of the true beats at ``times_s`` (T,): phases and tempo, no sound."""
    beats_s = pair.beats_s
    if beats_s is None or len(beats_s) < 2:
        raise InputError(f"{pair.name}: expected a couple whose beats are known, got none. Find them first.")
    period_s = float(np.median(np.diff(beats_s)))
    beat = np.interp(times_s, beats_s, np.arange(len(beats_s)))
    beat += np.minimum(times_s - beats_s[0], 0.0) / period_s + np.maximum(times_s - beats_s[-1], 0.0) / period_s
    turn, bar = 2.0 * np.pi * beat, 2.0 * np.pi * beat / BEATS_PER_BAR
    condition = np.zeros((len(times_s), CONDITION_SIZE), dtype=np.float32)
    condition[:, :4] = np.stack([np.sin(turn), np.cos(turn), np.sin(bar), np.cos(bar)], axis=1)
    condition[:, 4] = np.log2(60.0 / period_s / 120.0)
    return condition


def make_bank(
    couples: Many[Remembered],
    values: Many[Floats],
    config: FollowerConfig,
    *,
    codec: str,
    origin: str,
    design: KeyDesign | None = None,
    holding: Holding | None = None,
) -> Bank:
    """A bank of ``couples`` whose followers' tokens are ``values`` (N, V) each, made by ``codec``.

    ``origin`` says in words where they come from.
    """
    begins = np.concatenate([c.begins for c in couples] or [np.zeros(0, dtype=bool)])
    if not begins.any():
        raise InputError(
            f"Bank: expected couples of at least {KEY_TOKENS + config.plan} tokens, got none. Give longer takes."
        )
    parts = [c.known.numbers() for c in couples]
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    numbers = np.concatenate(list(joined.values()), axis=1)
    mean = numbers[begins].mean(axis=0)
    projection = _projection({name: part[begins] for name, part in joined.items()}, design or KeyDesign())
    return Bank(
        # As a file keeps them, so that a bank made and a bank read are equal.
        keys=((numbers - mean) @ projection).astype(np.float16).astype(np.float32),
        values=np.concatenate(values).astype(np.float16),
        begins=begins,
        couple=np.repeat(np.arange(len(couples), dtype=np.int32), [len(c.begins) for c in couples]),
        sources=tuple(source_of(c.name) for c in couples),
        mean=mean.astype(np.float32),
        projection=projection,
        plan=config.plan,
        codec=codec,
        origin=origin,
        holding=holding or Holding(),
    )


def source_of(name: str) -> str:
    """Whose dance a couple's is: its name without what was done to it (mirrored, roles, path, tempo)."""
    return _VARIED.sub("", name)


def sources_of(name: str) -> tuple[str, ...]:
    """Whose dances a couple's is made of: those of its takes where it was spliced, else its own alone."""
    source = source_of(name)
    _, spliced, takes = source.partition(SPLICED_OF)
    return tuple(takes.split(" + ")) if spliced else (source,)


def couples_in_code(
    count: int, seconds: float, seed: int, fps: float, progress: Callable[[int, int], None] = lambda done, of: None
) -> Iterator[Pair]:
    """Couples that dance in code: every fourth beside a leader who does everyday things, every second mirrored."""
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        everyday = index % 4 == 3
        tempo_bpm = float(rng.uniform(85.0, 205.0) if everyday or index % 4 == 2 else rng.uniform(150.0, 205.0))
        name, own_seed = f"remembered-{seed}.{index}", int(rng.integers(2**31))
        pair = couple_in_code(name, seconds, tempo_bpm, own_seed, salsa=not everyday, fps=fps)
        yield pair.mirrored() if index % 8 in (1, 2, 4, 7) else pair
        progress(index + 1, count)


def _projection(parts: dict[str, Floats], design: KeyDesign) -> Floats:
    """(D, K) every part standardised, told by its principal components, and weighed by its share."""
    sizes = {"leader": design.leader_numbers, "own": design.own_numbers}
    blocks = []
    for name, rows in parts.items():
        spread = np.maximum(rows.std(axis=0), design.least_spread).astype(np.float64)
        scale = np.sqrt(getattr(design, name) / rows.shape[1]) / spread
        scaled = (rows - rows.mean(axis=0)) * scale
        _, axes = np.linalg.eigh(scaled.T @ scaled)
        blocks.append(scale[:, None] * axes[:, ::-1][:, : sizes.get(name, rows.shape[1])])
    out = np.zeros((sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)))
    row = column = 0
    for block in blocks:
        out[row : row + len(block), column : column + block.shape[1]] = block
        row, column = row + len(block), column + block.shape[1]
    return out.astype(np.float32)
