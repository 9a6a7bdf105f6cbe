"""Layer-decoupled classifier-free guidance (LDCFG, ReactDance, arXiv 2505.05589), asked for or learned.

A scale s per stream and residual level pushes that part of the latent away from what would be danced to nothing:
``x0 = (1 + s) * conditional - s * unconditional``. A follower that was distilled answers in one pass instead.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from duet.contract import FollowerContract
from models.config import STREAMS, FollowerConfig

if TYPE_CHECKING:
    from duet.forecast import Forecaster
    from models.rollout import Inputs, Partner


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


class Guided:
    """A partner (``models.rollout.Partner``) that is asked for ``guidance`` (3, R) in every tick."""

    def __init__(self, partner: "Partner", guidance: NDArray[np.float32]) -> None:
        self.partner, self.guidance = partner, np.asarray(guidance, np.float32)

    @property
    def config(self) -> FollowerConfig | FollowerContract:
        """Its fixed numbers."""
        return self.partner.config

    @property
    def foresight(self) -> "Forecaster | None":
        """Of the partner."""
        return self.partner.foresight

    def reset(self, batch: int) -> None:
        """Forget everything."""
        self.partner.reset(batch)

    def tick(self, inputs: "Inputs") -> NDArray[np.float32]:
        """See ``Partner``."""
        asked = np.broadcast_to(self.guidance, (len(inputs["leader"]), *self.guidance.shape))
        return self.partner.tick({**inputs, "guidance": np.ascontiguousarray(asked)})
