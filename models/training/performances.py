"""Performances that training follows from step to step, so that the memory learns to live with an old state.

A stretch drawn at random begins with an empty memory; on stage it is empty once. Here a few performances run on: each
step learns from the next stretch of every one of them, and its memory goes on from where the stretch before left it
(truncated back-propagation through time). A performance whose take ends goes on with another take, as dances follow
one another on stage; now and then one forgets all and begins anew.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from duet.errors import InputError
from models.config import FollowerConfig
from models.follower import Follower
from models.training.denoiser_stage import remembered_after
from models.training.windows import Batch, Item, Stretch, cut_batch


class Performances:
    """``count`` performances of ``items``, cut into stretches of ``length`` tokens."""

    def __init__(
        self,
        items: list[Item],
        follower: Follower,
        rng: np.random.Generator,
        *,
        count: int,
        length: int,
        forget: float,
    ) -> None:
        self.config: FollowerConfig = follower.config
        self.rng, self.length, self.forget = rng, length, forget
        # Shorter items have no stretch that another one could follow.
        self.items = [item for item in items if item.tokens - self.config.plan >= length]
        if not self.items:
            raise InputError(
                f"Carried memory: expected a take of at least {length + self.config.plan} tokens, got none. "
                "Choose fewer stretch tokens, or do not carry."
            )
        self._at = np.array([self._enter() for _ in range(count)])
        """(count, 2) index of an item and the token where its next stretch begins."""
        state = follower.memory.initial_state(count)
        self._conv, self._ssm = state.conv.cpu(), state.ssm.cpu()

    def draw(self, count: int, *, windows: int) -> Batch:
        """The next stretches of the first ``count`` performances, with what was danced and remembered before them."""
        fresh = torch.from_numpy(self.rng.uniform(size=count) < self.forget)
        for state in (self._conv, self._ssm):
            state[:count][fresh] = 0.0
        stretches = [Stretch(self.items[index], int(begin), self.length) for index, begin in self._at[:count]]
        batch = cut_batch(stretches, self.config, self.rng, length=self.length, windows=windows)
        lead_in = torch.stack([_before(item.history, begin, self.config.past) for item, begin, _ in stretches])
        return replace(
            batch, lead_in=lead_in, memory_conv=self._conv[:count].clone(), memory_ssm=self._ssm[:count].clone()
        )

    def advance(self, follower: Follower, drawn: Batch) -> None:
        """Go on to the stretches after those of ``drawn``, with what ``follower`` remembers of them."""
        count = len(drawn.history)
        state = remembered_after(follower, drawn)
        self._conv[:count], self._ssm[:count] = state.conv.cpu(), state.ssm.cpu()
        for i in range(count):
            index, begin = self._at[i]
            further = begin + self.length
            ended = further + self.length > self.items[index].tokens - self.config.plan
            self._at[i] = self._enter() if ended else (index, further)

    def tensors(self) -> dict[str, Tensor]:
        """All of its state, for a checkpoint."""
        return {"at": torch.from_numpy(self._at.copy()), "conv": self._conv, "ssm": self._ssm}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what ``tensors`` gave."""
        self._at, self._conv, self._ssm = tensors["at"].numpy().copy(), tensors["conv"].clone(), tensors["ssm"].clone()

    def _enter(self) -> tuple[int, int]:
        """Where a performance goes on with another take: long ones more often, and not always at their beginning."""
        lengths = np.array([item.tokens for item in self.items], dtype=float)
        index = int(self.rng.choice(len(self.items), p=lengths / lengths.sum()))
        spare = (self.items[index].tokens - self.config.plan) % self.length
        return index, int(self.rng.integers(0, spare + 1))


def _before(history: Tensor, begin: int, past: int) -> Tensor:
    """(P, L) the tokens before ``begin``; zeros before the take."""
    there = history[max(0, begin - past) : begin]
    return torch.cat([history.new_zeros(past - len(there), history.shape[1]), there])
