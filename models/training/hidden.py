"""Hides a condition from a follower for good, in training and in dancing alike: for ablations.

It is done by hooks on modules that the condition passes, so no other code knows of it. They are not part of the
weights: such a follower is judged, and not kept. Some of the forecast is left: tokens that were measured in part, and
the newest committed token where the memory hears of it, which is wholly forecast from delays of 5 frames on.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.conditions import Conditions
from models.follower import Follower

Hidden = Literal["memory", "beat", "forecast"]

_PHASES = 4
"""Sine and cosine of the beat and of the bar: the first columns of the music condition."""
_FORECAST = 2
"""The flag of a leader token of which nothing was measured."""


def hide(follower: Follower, what: tuple[Hidden, ...]) -> None:
    """Hide each of ``what``: the memory says nothing, the music has no phase, the leader's tokens ahead of now are mean
    ones to the denoiser.

    Copies of the follower hide it, too.
    """
    if "beat" in what:
        for module in (follower.memory.music_norm, follower.denoiser.conditions.music_norm):
            module.register_forward_hook(_without_phases)
    for name, rule in (("memory", _without_memory), ("forecast", _without_forecast)):
        if name in what:
            follower.denoiser.conditions.register_forward_pre_hook(rule)


def _without_phases(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    """Normalised music (..., 8) whose phases are the mean ones."""
    return torch.cat([torch.zeros_like(output[..., :_PHASES]), output[..., _PHASES:]], dim=-1)


def _without_memory(module: nn.Module, inputs: tuple[Conditions, Any]) -> tuple[Any, ...]:
    conditions, *others = inputs
    return (conditions._replace(memory=torch.zeros_like(conditions.memory)), *others)


def _without_forecast(module: nn.Module, inputs: tuple[Conditions, Any]) -> tuple[Any, ...]:
    conditions, *others = inputs
    mean = module.leader_norm.mean  # type: ignore[union-attr]
    ahead = conditions.leader_flag[..., _FORECAST, None]
    repeats = conditions.leader.shape[-1] // len(mean)  # type: ignore[arg-type]
    leader = torch.where(ahead > 0, mean.repeat(repeats), conditions.leader)  # type: ignore[operator]
    return (conditions._replace(leader=leader), *others)
