"""Which reference dance each tick of a training sequence is shown: the bank is asked as on stage, all ticks at once."""

from collections.abc import Callable
from collections.abc import Sequence as Many

import numpy as np
from numpy.typing import NDArray

from duet.retrieval import KEY_TOKENS, Bank, Held, Question
from models.config import FollowerConfig
from models.data.bank import sources_of
from models.data.sequences import Sequence

OWN_NOISE = 0.3
"""Standard deviations by which the follower's own last frame is off: on stage it is not the real follower's."""
_CHUNK = 256


def question_of(sequence: Sequence, config: FollowerConfig, rng: np.random.Generator) -> Question:
    """What the tick before every token (N, ...) knows: a late leader, forecast to the plan, and its own noisy past."""
    tokens, ahead = sequence.tokens, sequence.leader_tail.shape[1] - config.plan
    still = sequence.leader[0].reshape(config.token_frames, -1)[:1].repeat(config.token_frames, axis=0).reshape(1, -1)
    leader = np.concatenate([still.repeat(KEY_TOKENS, axis=0), sequence.leader])
    measured = leader[np.arange(tokens)[:, None] + np.arange(KEY_TOKENS - ahead)]
    frames = sequence.frames
    spread = OWN_NOISE * frames.std(axis=0)
    own = frames[np.maximum(np.arange(tokens) * config.token_frames - 1, 0)]
    own = (own + spread * rng.standard_normal(own.shape)).astype(np.float32)
    own[0] = np.nan
    return Question(
        leader=np.concatenate([measured, sequence.leader_tail[:, :ahead]], axis=1),
        place=sequence.place,
        music=sequence.music_tail[:, ahead].reshape(tokens, config.token_frames, -1)[:, 0],
        frame=own,
    )


def barred_of(bank: Bank, name: str) -> NDArray[np.bool_]:
    """(R,) the rows that the couple ``name`` must not be shown: what any take of its dance holds, however varied."""
    return np.logical_or.reduce([bank.of_source(source) for source in sources_of(name)])


def reference_rows(
    bank: Bank,
    sequences: Many[Sequence],
    config: FollowerConfig,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[NDArray[np.int64]]:
    """For every sequence the rows (N,) of ``bank`` with which the references of its ticks begin.

    What the same couple danced is out of the question, however it was varied; -1 where nothing else is left.
    """
    rng, found = np.random.default_rng(seed), []
    for index, sequence in enumerate(sequences):
        found.append(_rows(bank, bank.key(question_of(sequence, config, rng)), barred_of(bank, sequence.name)))
        progress(index + 1, len(sequences))
    return found


def _rows(bank: Bank, keys: NDArray[np.float32], barred: NDArray[np.bool_]) -> NDArray[np.int64]:
    """One clip after the other, as ``Bank.ask`` follows them."""
    rows, held = np.empty(len(keys), dtype=np.int64), Held()
    for start in range(0, len(keys), _CHUNK):
        costs = bank.costs(keys[start : start + _CHUNK])
        costs[:, barred] = np.inf
        for offset, best in enumerate(costs.argmin(axis=1)):
            held = bank.holding.next(held, int(best), costs[offset], bank.begins)
            rows[start + offset] = held.row
    return rows
