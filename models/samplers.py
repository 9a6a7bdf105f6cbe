"""From noise to a plan: few-step samplers as plain functions. Noise is an argument; nothing here is random.

A sampler is a ladder of levels (calls, F), one row per call of the network, and the update between rungs. All are
linear, ``x' = a x + b x0 + c x0_before``, with numbers fixed at export: unrolled, they leave no loop in the graph.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from duet.errors import InputError
from models.config import STREAMS, SamplerConfig
from models.diffusion import alpha_bar

Predict = Callable[[Tensor, Tensor], Tensor]
"""(x (B, F, L), t (1, F)) -> x0 (B, F, L)."""


class Rung(NamedTuple):
    """One call of the network and the update that follows it; each (F,)."""

    level: Tensor
    keep: Tensor
    """a: how much of the noisy latent stays."""
    clean: Tensor
    """b: how much of the predicted clean latent comes in."""
    before: Tensor
    """c: how much of the call before's prediction comes in (second order only)."""


def levels(config: SamplerConfig, plan: int, steps: int) -> Tensor:
    """(calls, F) integer noise levels, first call first, falling for every token: strictly, unless calls are too many
    (``check_calls``).

    ``ddim``: trailing spacing from T - 1 (Lin et al. 2023, arXiv 2305.08891). ``dpm``: evenly in log signal-to-noise
    from 0.98 T, below which a step would be too long. ``pipelined``: each token trails down from its own level.
    """
    calls = torch.arange(config.calls, dtype=torch.float64)[:, None]
    if config.kind == "dpm":
        power = alpha_bar(steps)
        log_snr = 0.5 * (power / (1 - power).clamp(min=1e-12)).log()
        first = round(0.98 * steps) - 1
        wanted = torch.linspace(float(log_snr[first]), float(log_snr[steps // 50]), config.calls, dtype=torch.float64)
        nearest = (log_snr[None] - wanted[:, None]).abs().argmin(dim=1)
        return nearest[:, None].expand(-1, plan)
    top = torch.full((plan,), steps - 1, dtype=torch.float64)
    if config.kind == "pipelined":
        top = warm_levels(config, plan, steps).double()
    return ((top + 1) * (1 - calls / config.calls) - 1).round().long().clamp(min=0)


def check_calls(config: SamplerConfig, steps: int) -> None:
    """InputError where a sampler has more calls than there are levels for: ``dpm`` divides by what lies between two."""
    if (levels(config, 1, steps).diff(dim=0) >= 0).any():
        raise InputError(
            f"Sampler {config.kind}: expected so few calls that each has a noise level of its own, got {config.calls}. "
            "Give fewer, such as 50."
        )


def warm_levels(config: SamplerConfig, plan: int, steps: int) -> Tensor:
    """(F,) level to which the last plan is re-noised: ``min(t0 + slope * i, T - 1)``, the newest token all noise."""
    rising = (config.t0 + config.slope * torch.arange(plan)).clamp(max=steps - 1)
    rising[-1] = steps - 1
    return rising


def ladder(config: SamplerConfig, plan: int, steps: int) -> list[Rung]:
    """The rungs of a sampler. The last one takes the prediction as it is."""
    power = alpha_bar(steps)
    rows = levels(config, plan, steps)
    rungs = []
    for n, row in enumerate(rows):
        here = power[row]
        # Beyond the last rung there is no noise left.
        there = power[rows[n + 1]] if n + 1 < len(rows) else torch.ones_like(here)
        keep = ((1 - there) / (1 - here)).sqrt()
        clean = there.sqrt() - keep * here.sqrt()
        before = torch.zeros_like(clean)
        if config.kind == "dpm" and 0 < n < len(rows) - 1:
            # DPM-Solver++(2M), arXiv 2211.01095: D = (1 + 1/(2r)) x0 - 1/(2r) x0_before; first-order last step.
            ratio = _half_log_snr(power[rows[n]]) - _half_log_snr(power[rows[n - 1]])
            ratio = ratio / (_half_log_snr(there) - _half_log_snr(here))
            before = -clean / (2 * ratio)
            clean = clean - before
        rungs.append(Rung(row, keep.float(), clean.float(), before.float()))
    return rungs


def _half_log_snr(power: Tensor) -> Tensor:
    return 0.5 * (power / (1 - power)).log()


def start(config: SamplerConfig, last_plan: Tensor, noise: Tensor, steps: int) -> Tensor:
    """The noisy plan (B, F, L) a tick starts from, given the last tick's plan (B, F, L), not yet shifted."""
    plan = noise.shape[1]
    if any(t != 1.0 for t in config.temperature):
        noise = noise * temperature(config, noise.shape[2]).to(noise)
    if config.kind != "pipelined":
        power = alpha_bar(steps)[levels(config, plan, steps)[0]]
        # Nothing is known of the plan: the little signal left at the top level is taken as the mean, zero.
        return (1 - power).sqrt().float()[:, None] * noise
    power = alpha_bar(steps)[warm_levels(config, plan, steps)]
    shifted = torch.cat([last_plan[:, 1:], last_plan[:, -1:]], dim=1)
    return power.sqrt().float()[:, None] * shifted + (1 - power).sqrt().float()[:, None] * noise


def temperature(config: SamplerConfig, width: int) -> Tensor:
    """(L,) what the noise of every number of a latent is multiplied by; a latent is laid out [stream][level][dim]."""
    return torch.tensor(config.temperature).repeat_interleave(width // len(STREAMS))


def sample(predict: Predict, x: Tensor, rungs: list[Rung]) -> Tensor:
    """Descend the ladder from the noisy plan x (B, F, L) to a clean one."""
    before = torch.zeros_like(x)
    for rung in rungs:
        x0 = predict(x, rung.level[None].to(x.dtype))
        x = rung.keep[:, None] * x + rung.clean[:, None] * x0 + rung.before[:, None] * before
        before = x0
    return x


def carry_noise(ring: Tensor, fresh: Tensor) -> Tensor:
    """The noise of this tick's plan (B, F, L): last tick's shifted by one, the newest from ``fresh``.

    A token whose carried noise is all zero (the first tick) takes its fresh noise too.
    """
    carried = torch.cat([ring[:, 1:], fresh[:, -1:]], dim=1)
    empty = carried.abs().amax(dim=-1, keepdim=True) == 0
    return torch.where(empty, fresh, carried)
