"""Layer-decoupled classifier-free guidance (LDCFG, ReactDance, arXiv 2505.05589), asked for or learned.

A scale s per stream and residual level pushes that part of the latent away from what would be danced to nothing:
``x0 = (1 + s) * conditional - s * unconditional``. A follower that was distilled answers in one pass instead.

What "nothing" is: the leader's movement, the music and the memory are hidden. Where the two stand to each other, the
style and a reference stay in both branches: guidance says how strongly to answer, and is not to push the couple apart.
"""

import torch
from torch import Tensor, nn

from models.config import STREAMS, FollowerConfig


def guide(conditional: Tensor, unconditional: Tensor, guidance: Tensor) -> Tensor:
    """Latents (B, F, L) guided by scales ``guidance`` (B, 3, R). A scale of 0 gives the conditional latent exactly."""
    per_scale = conditional.shape[-1] // (guidance.shape[-2] * guidance.shape[-1])
    s = guidance.flatten(1)[:, None, :, None].expand(-1, 1, -1, per_scale).flatten(2)
    return (1.0 + s) * conditional - s * unconditional


class FoldedGuidance(nn.Module):
    """The scales as an embedding of the denoiser's width (Meng et al. 2023, arXiv 2210.03142).

    Without biases, so that scales of zero are zero for ever, whatever was learned; and zero at first, so that a
    trained follower that is given this module dances as before.
    """

    def __init__(self, config: FollowerConfig) -> None:
        super().__init__()
        d = config.denoiser.width
        self.widen = nn.Linear(len(STREAMS) * config.codec.residuals, d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, guidance: Tensor) -> Tensor:
        """Scales (B, 3, R) to (B, d)."""
        return self.out(torch.tanh(self.widen(guidance.flatten(1))))
