"""The Motion Temporal Mamba Module inside the denoiser, for a performance that does not end.

After LRCM (arXiv 2601.03323, eq. 15-16 and 19-24): what was danced last and the plan pass a forward scan, the plan
alone a backward one; their sum, gated, is added to the plan. There the memory is the tail of the segment before and the
scan starts from nothing. Here the committed tokens stream: the forward scan starts from a learned linear map of what
the carried memory says, then reads the memory's tokens and the last ``TAIL`` committed ones, and only then the plan.
That beginning is the same for every call of a tick (``enter``); a call scans no more than the plan.

The last projection starts at zero: switched on in a trained follower, the module changes nothing until it learns.
"""

import torch
from torch import Tensor, nn

from models.config import FollowerConfig, MemoryConfig
from models.mamba import MambaBlock

TAIL = 2
"""Committed tokens that the forward scan reads: 8 frames, where LRCM's code reads 5."""
STATE = 8
"""State width of both scans: they reach over a plan, not over a performance."""
EVERY = 2
"""Layers of the denoiser between two modules."""

Entry = tuple[Tensor, Tensor]
"""State of the forward scan before the plan: convolution (B, k-1, e+2n) and H (B, h, p, n)."""


class TemporalMamba(nn.Module):
    """One module: B batch, F plan tokens, d model width, M memory width."""

    def __init__(self, config: FollowerConfig) -> None:
        super().__init__()
        size = config.denoiser
        d = size.width
        self.scan = MemoryConfig(width=d, layers=1, expand=1, head=d // size.heads, state=STATE)
        self.before = nn.Linear(d, d)
        self.norm_in = nn.LayerNorm(d)
        self.ahead = MambaBlock(self.scan)
        self.back = MambaBlock(self.scan)
        self.recall = nn.Linear(config.memory.width, self.scan.inner * STATE, bias=False)
        self.norm_mixed = nn.LayerNorm(d)
        self.norm_sum = nn.LayerNorm(d)
        self.expand = nn.Linear(d, 2 * d)
        self.out = nn.Linear(d, d)
        for zero in (self.recall.weight, self.out.weight, self.out.bias):
            nn.init.zeros_(zero)

    def enter(self, memory_tokens: Tensor, tail: Tensor, remembered: Tensor) -> Entry:
        """Memory tokens (B, m, d), the last committed tokens (B, 0 to TAIL, d) and what is remembered (B, M)."""
        conv, _ = self._nothing(len(tail))
        H = self.recall(remembered).unflatten(-1, (self.scan.heads, self.scan.head, STATE))
        u = self.norm_in(self.before(torch.cat([memory_tokens, tail], dim=1)))
        _, conv, H = self.ahead(u, conv, H)
        return conv, H

    def forward(self, x: Tensor, entry: Entry, *, back: bool = True) -> Tensor:
        """The plan (B, F, d) with what both scans say added; without ``back`` no token hears a later one."""
        u = self.norm_in(x)
        mixed, _, _ = self.ahead(u, *entry)
        if back:
            reverse, _, _ = self.back(u.flip(1), *self._nothing(len(x)))
            mixed = mixed + reverse.flip(1)
        joined = self.norm_sum(x + self.norm_mixed(mixed))
        feature, gate = self.expand(joined).chunk(2, dim=-1)
        return x + self.out(torch.tanh(feature) * torch.sigmoid(gate))

    def _nothing(self, batch: int) -> Entry:
        c, like = self.scan, self.norm_in.weight
        return like.new_zeros(batch, c.kernel - 1, c.convolved), like.new_zeros(batch, c.heads, c.head, c.state)
