"""Reference dances: a bank of couples, asked every tick for what a partner once danced in a moment like this one.

Retrieval after the motion database of InfiniteDance, but for a couple and with keys of what a live tick knows: the
leader's last tokens up to the plan, where the follower stands, how it moved last, where in the bar the plan begins.
The values are the follower's next tokens in the latents of one codec, so that no encoder runs on stage. The search is
exact: one product of a matrix with a vector.

What is remembered from tick to tick is a ``Held``: which clip is being followed and for how long. A clip is followed
for some tokens unless a much nearer one turns up, so that the reference does not flicker. Training, rollout and stage
ask through the same functions.

Glossary: B questions, R rows of a bank (tokens of its couples), C couples, D numbers of a question, K of a key,
V of a value, F planned tokens, f frames of a token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from duet.features import (
    FOLLOWER_LOWER,
    FOLLOWER_ROOT,
    FOLLOWER_SIZE,
    LEADER_CONFIDENCE,
    LEADER_SIZE,
    ROOT_HEIGHT,
    ROOT_VELOCITY,
)

Floats = NDArray[np.float32]
Tensors = Mapping[str, Floats]

KEY_TOKENS = 6
"""Leader tokens in a key, the last of them just before the plan."""
PLACE = slice(0, 4)
"""Of ``duet.features.place_features``: where the follower stands and faces, seen by the leader."""
BEAT = slice(0, 5)
"""Of a music condition: sine and cosine of beat and bar, and the tempo."""
MOTION = slice(ROOT_VELOCITY.start, ROOT_HEIGHT.stop)
"""Of ``duet.features.FOLLOWER_ROOT``: how the follower goes and turns, and its height."""


@dataclass(frozen=True)
class Question:
    """What B ticks know, each of its own moment."""

    leader: Floats
    """(B, KEY_TOKENS, f * 72) leader features up to the plan, the newest of them forecast."""
    place: Floats
    """(B, 8) where the follower stands before the plan."""
    music: Floats
    """(B, 8) the music condition of the plan's first frame."""
    frame: Floats
    """(B, 145) the follower's features in its last committed frame; NaN where there is none yet."""

    @classmethod
    def of_tick(cls, inputs: Tensors, frame: Floats, past: int) -> "Question":
        """From a tick's inputs, with ``past`` committed tokens in their windows, and the last frame (B, 145)."""
        music = inputs["music"][:, past].reshape(len(frame), -1)
        per_frame = inputs["leader"].shape[-1] // LEADER_SIZE
        return cls(
            leader=inputs["leader"][:, past - KEY_TOKENS : past],
            place=inputs["place"],
            music=music[:, : music.shape[1] // per_frame],
            frame=frame,
        )

    def row(self, index: int) -> "Question":
        """The question of one tick alone."""
        one = slice(index, index + 1)
        return Question(self.leader[one], self.place[one], self.music[one], self.frame[one])

    def numbers(self) -> dict[str, Floats]:
        """The numbers (B, ...) of every part: the leader at the end of each token, the follower's pose and motion."""
        leader = self.leader.reshape(len(self.leader), KEY_TOKENS, -1, LEADER_SIZE)[:, :, -1]
        own = [self.frame[:, : FOLLOWER_LOWER.stop], self.frame[:, FOLLOWER_ROOT][:, MOTION]]
        return {
            "leader": leader[..., : LEADER_CONFIDENCE.start].reshape(len(leader), -1),
            "place": self.place[:, PLACE],
            "own": np.concatenate(own, axis=1),
            "beat": self.music[:, BEAT],
        }


@dataclass(frozen=True)
class Held:
    """What a performance remembers of its references: fixed in size, and replaced every tick."""

    row: int = -1
    """Row of the bank with which the last reference began; -1 before the first."""
    age: int = 0
    """For how many ticks that clip has been followed."""
    frame: Floats = field(default_factory=lambda: np.full(FOLLOWER_SIZE, np.nan, dtype=np.float32))
    """(145,) the last committed frame; NaN before the first."""

    def after(self, frames: Floats, token_frames: int) -> "Held":
        """The same once the first token of a plan, ``frames`` (T, 145), is committed."""
        return replace(self, frame=frames[token_frames - 1].copy())


@dataclass(frozen=True)
class Holding:
    """When one clip is left for another: when another costs less than so many times as much."""

    tokens: int = 3
    young: float = 0.5
    """For a clip that has been followed for less than ``tokens`` ticks."""
    old: float = 1.0

    def next(self, held: Held, best: int, costs: Floats, begins: NDArray[np.bool_]) -> Held:
        """What is followed now, with ``best`` the row of the least cost; row -1 where all costs are infinite."""
        on = held.row + 1
        if not np.isfinite(costs[best]):
            return replace(held, row=-1, age=0)
        if held.row >= 0 and on < len(begins) and begins[on]:
            limit = self.young if held.age + 1 < self.tokens else self.old
            if costs[best] >= limit * costs[on]:
                return replace(held, row=on, age=min(held.age + 1, self.tokens))
        return replace(held, row=best, age=0)


@dataclass(frozen=True)
class Bank:
    """Couples to remember: a key and a value for each of their tokens."""

    keys: Floats
    """(R, K)."""
    values: NDArray[np.float16]
    """(R, V) the follower's tokens."""
    begins: NDArray[np.bool_]
    """(R,) whether a reference may begin there: after enough of a past, and with a whole plan to come."""
    couple: NDArray[np.int32]
    """(R,) which couple a row is of."""
    sources: tuple[str, ...]
    """(C,) whose dance each couple is."""
    mean: Floats
    """(D,) of the numbers of a question."""
    projection: Floats
    """(D, K) from numbers to key, weights included."""
    plan: int
    """F: tokens of a reference."""
    codec: str
    """What made the values: the hash of a codec."""
    origin: str
    """Where its couples come from, in words."""
    holding: Holding = field(default_factory=Holding)

    @cached_property
    def _lengths(self) -> Floats:
        """(R,) squares of the keys; infinite where no reference may begin."""
        return np.where(self.begins, np.einsum("rk,rk->r", self.keys, self.keys), np.inf).astype(np.float32)

    def key(self, question: Question) -> Floats:
        """(B, K). What is not known, such as the follower's frame before the first, is taken to be the mean."""
        numbers = np.concatenate(list(question.numbers().values()), axis=1) - self.mean
        return np.where(np.isfinite(numbers), numbers, 0.0).astype(np.float32) @ self.projection

    def costs(self, keys: Floats) -> Floats:
        """Squared distance (B, R) of keys (B, K) to all rows; infinite where no reference may begin."""
        squares = np.einsum("bk,bk->b", keys, keys)[:, None]
        # One question is a live tick's: a threaded product would wait for a core that is drawing.
        alone = len(keys) == 1
        products = np.einsum("rk,k->r", self.keys, keys[0])[None] if alone else keys @ self.keys.T
        return np.maximum(squares + self._lengths - 2.0 * products, 0.0)

    def of_source(self, name: str) -> NDArray[np.bool_]:
        """(R,) the rows of couples that dance what ``name`` does."""
        same = np.array([source == name for source in self.sources], dtype=bool)
        return same[self.couple]

    def ask(self, question: Question, held: Held, barred: NDArray[np.bool_] | None = None) -> Held:
        """What is followed now by the one performance of ``question``; rows ``barred`` (R,) are out of the question."""
        costs = self.costs(self.key(question))[0]
        if barred is not None:
            costs = np.where(barred, np.float32(np.inf), costs)
        return self.holding.next(held, int(np.argmin(costs)), costs, self.begins)

    def go_on(self, held: Held) -> Held:
        """The same clip a token later, unasked: as when a token is danced that nothing was planned anew for."""
        on = held.row + 1
        if held.row < 0 or on >= len(self.begins) or not self.begins[on]:
            return replace(held, row=-1, age=0)
        return replace(held, row=on, age=min(held.age + 1, self.holding.tokens))

    def reference(self, held: Held) -> Floats:
        """(F, V) the tokens of a clip from now on; zeros where none is followed."""
        if held.row < 0:
            return np.zeros((self.plan, self.values.shape[1]), dtype=np.float32)
        return self.values[held.row : held.row + self.plan].astype(np.float32)

    def recall(
        self, inputs: Tensors, held: Sequence[Held], past: int, barred: Sequence[NDArray[np.bool_] | None] | None = None
    ) -> tuple[dict[str, Floats], list[Held]]:
        """The inputs of a tick of B performances with their references, and what each remembers now."""
        question = Question.of_tick(inputs, np.stack([h.frame for h in held]), past)
        hidden = barred or [None] * len(held)
        now = [self.ask(question.row(i), h, hidden[i]) for i, h in enumerate(held)]
        reference = np.stack([self.reference(h) for h in now])
        flag = np.array([[h.row >= 0] for h in now], dtype=np.float32)
        return {**inputs, "reference": reference, "reference_flag": flag}, now
