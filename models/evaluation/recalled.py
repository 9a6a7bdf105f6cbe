"""The bank by itself: a partner that dances the reference as it is, for what a follower adds to it to be seen."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from duet.features import FOLLOWER_CONTACT
from duet.retrieval import Bank, Held
from models.follower import Follower
from models.rollout import Floats, Inputs


@dataclass
class Recalled:
    """Plays what ``bank`` holds for the moment, through the codec of ``follower``; one take at a time.

    ``barred`` (R,) are rows that it may not play. The decoder joins one clip to the next.
    """

    follower: Follower
    bank: Bank
    barred: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        self.config, self.foresight = self.follower.config, self.follower.foresight
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Forget everything."""
        self._held = Held()
        self._cache = self.follower.codec.initial_cache(1)

    @torch.no_grad()
    def tick(self, inputs: Inputs) -> Floats:
        """See ``models.rollout.Partner``."""
        given, (held,) = self.bank.recall(inputs, [self._held], self.config.past, [self.barred])
        frames, self._cache = self.follower.codec.decode_step(
            torch.from_numpy(given["reference"]), self._cache, commit=1
        )
        frames[..., FOLLOWER_CONTACT].sigmoid_()
        self._held = held.after(frames[0].numpy(), self.config.token_frames)
        return frames.numpy()
