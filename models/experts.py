"""Two experts for a retrieved dance: one for its slow course, one for its fast detail.

After InfiniteDance's Cadence-MoE (arXiv 2603.13375), which splits the spectrum of a whole reference into two bands. A
spectrum needs the whole piece; here a one-pole low pass splits the reference token by token, so that what comes later
changes nothing earlier. A softmax gate that hears tempo, energy and style weighs the two.

The last projection starts at zero: switched on in a trained follower, the experts change nothing until they learn.
"""

import math

import torch
from torch import Tensor, nn

from models.config import FollowerConfig

TIME_CONSTANT_S = 0.5
"""Of the low pass: a beat of slow salsa."""
_HEARD = (4, 6, 7)
"""Tempo, onset and loudness in ``duet.music.music_condition``."""


def low_pass_matrix(length: int, token_s: float) -> Tensor:
    """(length, length) lower triangular, rows summing to 1: a one-pole low pass that starts settled on the first token.

    ``y_0 = x_0``, ``y_i = (1 - a) y_{i-1} + a x_i`` with ``a = 1 - exp(-token_s / TIME_CONSTANT_S)``. As a matrix it is
    one constant in the graph and no loop.
    """
    keep = math.exp(-token_s / TIME_CONSTANT_S)
    i, j = torch.arange(length)[:, None], torch.arange(length)[None, :]
    weights = torch.where(j == 0, 1.0, 1.0 - keep) * keep ** (i - j).clamp(min=0).float()
    return weights * (j <= i)


class CadenceExperts(nn.Module):
    """What a reference adds to the plan's embedding, besides its plain projection."""

    def __init__(self, config: FollowerConfig) -> None:
        super().__init__()
        self.token_s = config.token_frames / config.fps
        latent, d = config.latent_width, config.denoiser.width
        self.slow, self.fast = (
            nn.Sequential(nn.Linear(latent, d), nn.SiLU(), nn.Linear(d, d)) for _ in ("slow", "fast")
        )
        self.gate = nn.Linear(len(_HEARD) + config.style_width, 2)
        self.out = nn.Linear(d, d)
        for zero in (self.gate.weight, self.gate.bias, self.out.weight, self.out.bias):
            nn.init.zeros_(zero)

    def forward(self, reference: Tensor, music: Tensor, style: Tensor, block: int | None = None) -> Tensor:
        """Reference latents (B, F, L), normalised music (B, W, f, 8) of its window and style (B, S) to (B, F, d).

        With ``block`` the reference spans the window, and every block of tokens is weighed and filtered for itself.
        """
        pieces = zip(
            reference.split(block or reference.shape[1], dim=1),
            music.split(block or music.shape[1], dim=1),
            strict=True,
        )
        return torch.cat([self._weigh(piece, heard, style) for piece, heard in pieces], dim=1)

    def _weigh(self, reference: Tensor, music: Tensor, style: Tensor) -> Tensor:
        slow = low_pass_matrix(reference.shape[1], self.token_s).to(reference) @ reference
        heard = music[..., list(_HEARD)].mean(dim=(1, 2))
        share = torch.softmax(self.gate(torch.cat([heard, style], dim=-1)), dim=-1)[:, None]
        return self.out(share[..., :1] * self.slow(slow) + share[..., 1:] * self.fast(reference - slow))
