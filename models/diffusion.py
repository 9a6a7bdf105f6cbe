"""The diffusion: noise levels, noising token by token, and the loss on the predicted clean latent.

Every token carries its own level (diffusion forcing, Chen et al. 2024, arXiv 2407.01392), so that one network serves
full-noise sampling, a plan whose far end is noisier than its near end, and a clean past.
"""

import math

import torch
from torch import Tensor

ALPHA_BAR_FLOOR = 1e-5
"""The noisiest level keeps this much signal power: divisions by it stay finite."""


def alpha_bar(steps: int) -> Tensor:
    """(T,) float64 signal power at each level, cosine schedule (Nichol and Dhariwal 2021, arXiv 2102.09672)."""
    t = torch.arange(1, steps + 1, dtype=torch.float64) / steps
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    return (f / math.cos(0.008 / 1.008 * math.pi / 2) ** 2).clamp(min=ALPHA_BAR_FLOOR, max=1.0)


def add_noise(x0: Tensor, t: Tensor, noise: Tensor, schedule: Tensor) -> Tensor:
    """``x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise``: latents (B, n, L), integer levels t (B, n)."""
    power = schedule.to(x0.device)[t].to(x0.dtype)[..., None]
    return power.sqrt() * x0 + (1.0 - power).sqrt() * noise


def draw_levels(batch: int, plan: int, steps: int, generator: torch.Generator | None = None) -> Tensor:
    """(B, F) integer training levels: half of the samples rise over the plan, a quarter share one, a quarter are free.

    Rising ones are those the pipelined sampler meets, one level for the whole plan is what DDIM and DPM-Solver ask for,
    and free ones keep the levels apart from each other (diffusion forcing).
    """
    start = torch.randint(0, steps, (batch, 1), generator=generator)
    slope = torch.rand(batch, 1, generator=generator) * 2.0 * steps / max(plan, 1)
    rising = (start + slope * torch.arange(plan)).long().clamp(max=steps - 1)
    free = torch.randint(0, steps, (batch, plan), generator=generator)
    kind = torch.rand(batch, 1, generator=generator)
    return torch.where(kind < 0.5, rising, torch.where(kind < 0.75, start.expand(-1, plan), free))


def loss_weights(t: Tensor, schedule: Tensor, gamma: float = 5.0) -> Tensor:
    """(B, n) min-SNR weights for predicting x0 (Hang et al. 2023, arXiv 2303.09556): ``min(snr, gamma) / gamma``.

    A floor keeps full-noise levels learning: they are where a few-step sampler starts.
    """
    power = schedule.to(t.device)[t]
    return ((power / (1.0 - power).clamp(min=1e-8)).clamp(max=gamma) / gamma).clamp(min=0.1).float()


def latent_loss(predicted: Tensor, x0: Tensor, weights: Tensor, level_weights: tuple[float, ...]) -> Tensor:
    """Weighted mean squared error of latents (B, n, L), laid out [stream][level][dimension].

    ``weights`` (B, n) per token; ``level_weights`` (R,) per residual level, coarse first (ReactDance uses 2, 1).
    """
    streams = 3
    error = (predicted - x0).square().unflatten(-1, (streams, len(level_weights), -1)).mean(dim=(-3, -1))
    per_level = error.new_tensor(level_weights) / sum(level_weights)
    return ((error * per_level).sum(-1) * weights).mean()
