"""An exponential moving average of weights: what is measured and shipped."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Averaged = TypeVar("Averaged", bound=nn.Module)


class AveragedWeights(Generic[Averaged]):
    """Keeps ``model``, a copy whose parameters follow the trained ones slowly; buffers are copied."""

    def __init__(self, model: Averaged, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, trained: nn.Module) -> None:
        """Move toward ``trained``; early on faster, so that the first weights are soon forgotten."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mine, theirs in zip(self.model.parameters(), trained.parameters(), strict=True):
            mine.lerp_(theirs, 1.0 - decay)
        for mine, theirs in zip(self.model.buffers(), trained.buffers(), strict=True):
            mine.copy_(theirs)
