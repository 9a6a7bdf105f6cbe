"""Music in the light of the music before it: a small conformer block over the music tokens of a window.

The audio conformer of LRCM (arXiv 2601.03323, eq. 13) convolves and then attends over music and noisy motion together,
in every layer of every call. Here it reads the music alone, once per tick, and its convolution looks back only.

The last projection starts at zero: switched on in a trained follower, the block changes nothing until it learns.
"""

import torch
from torch import Tensor, nn

from models.attention import Attention
from models.blocks import CausalConv1d
from models.config import FollowerConfig

KERNEL = 5
"""Tokens: two thirds of a second, more than a beat of salsa."""


class MusicContext(nn.Module):
    """x + W attend(LN(conv(x))), W zero at first."""

    def __init__(self, config: FollowerConfig) -> None:
        super().__init__()
        d = config.denoiser.width
        self.convolve = CausalConv1d(d, d, KERNEL)
        self.norm = nn.LayerNorm(d)
        self.attend = Attention(d, config.denoiser.heads)
        nn.init.zeros_(self.attend.out.weight)
        nn.init.zeros_(self.attend.out.bias)

    def forward(self, music: Tensor, mask: Tensor, block: int | None = None) -> Tensor:
        """Music tokens (B, W, d) under the self-attention ``mask`` (W, W); the convolution restarts every ``block``."""
        pieces = music.transpose(1, 2).split(block or music.shape[1], dim=-1)
        heard = self.norm(torch.cat([self.convolve(piece) for piece in pieces], dim=-1).transpose(1, 2))
        return music + self.attend(heard, self.attend.keys(heard), mask)
