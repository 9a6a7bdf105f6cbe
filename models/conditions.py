"""What the plan answers to: leader, music, place, style, memory, reference; raw, then embedded for the denoiser."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.blocks import Normaliser, repeated
from models.config import FollowerConfig
from models.experts import CadenceExperts
from models.music_context import MusicContext


class Conditions(NamedTuple):
    """What the plan answers to, in the units the live half delivers."""

    leader: Tensor
    """(B, W, 4 * 72)."""
    leader_flag: Tensor
    """(B, W, 3) one-hot observed, partial, forecast."""
    music: Tensor
    """(B, W, 4 * 8)."""
    place: Tensor
    """(B, 8)."""
    style: Tensor
    """(B, S)."""
    memory: Tensor
    """(B, M) what the memory says before this plan."""
    reference: Tensor
    """(B, F, L) retrieved latents for the plan, zeros when there are none."""
    reference_flag: Tensor
    """(B, 1) 1 when there is a reference."""

    def repeated(self, many: int) -> "Conditions":
        """The rows once more, draw by draw: (B, ...) to (many * B, ...)."""
        return Conditions(*(repeated(value, many) for value in self))


class Embedded(NamedTuple):
    """The conditions in the denoiser's width."""

    leader: Tensor
    """(B, W, d)."""
    modulation: Tensor
    """(B, W, d) by music, place and style."""
    memory: Tensor
    """(B, m, d)."""
    reference: Tensor
    """(B, F, d) zeros when there is none."""
    remembered: Tensor
    """(B, M) what the memory says, as it is; zeros where it is dropped."""


class Drop(NamedTuple):
    """Which conditions are replaced by their learned null: 1 dropped, 0 kept."""

    leader: Tensor
    """(B,)."""
    music: Tensor
    """(B,)."""
    memory: Tensor
    """(B,)."""
    latent: Tensor | None = None
    """(B, 3, R): streams and residual levels of the noisy plan that are hidden, in training."""


class ConditionEncoder(nn.Module):
    """Raw conditions to embeddings, with learned nulls for what is dropped."""

    def __init__(self, config: FollowerConfig) -> None:
        super().__init__()
        self.config = config
        d, frames = config.denoiser.width, config.token_frames
        self.leader_norm = Normaliser(config.leader_width)
        self.music_norm = Normaliser(config.music_width)
        self.place_norm = Normaliser(config.place_width)
        self.leader = nn.Sequential(
            nn.Linear(frames * config.leader_width + config.leader_flags, d), nn.SiLU(), nn.Linear(d, d)
        )
        self.music = nn.Sequential(nn.Linear(frames * config.music_width, d), nn.SiLU(), nn.Linear(d, d))
        self.place = nn.Sequential(nn.Linear(config.place_width, d), nn.SiLU(), nn.Linear(d, d))
        self.style = nn.Linear(config.style_width, d, bias=False)
        self.memory = nn.Linear(config.memory.width, config.denoiser.memory_tokens * d)
        self.reference = nn.Linear(config.latent_width, d, bias=False)
        self.no_leader, self.no_music, self.no_memory, self.has_reference = (
            nn.Parameter(0.02 * torch.randn(d)) for _ in range(4)
        )
        self.experts = CadenceExperts(config) if config.denoiser.experts else None
        self.music_context = MusicContext(config) if config.denoiser.music_context else None

    def forward(self, c: Conditions, drop: Drop, mask: Tensor, block: int | None = None) -> Embedded:
        """``mask`` (W, W) is the self-attention's; with ``block`` every block of tokens stands for itself."""
        frames = self.config.token_frames
        leader = self.leader_norm(c.leader.unflatten(-1, (frames, -1))).flatten(2)
        leader = _choose(self.leader(torch.cat([leader, c.leader_flag], dim=-1)), self.no_leader, drop.leader)
        heard = self.music_norm(c.music.unflatten(-1, (frames, -1)))
        music = self.music(heard.flatten(2))
        if self.music_context is not None:
            music = self.music_context(music, mask, block)
        music = _choose(music, self.no_music, drop.music)
        whole = self.place(self.place_norm(c.place)) + self.style(c.style)
        memory = self.memory(c.memory).unflatten(-1, (self.config.denoiser.memory_tokens, -1))
        memory = _choose(memory, self.no_memory, drop.memory)
        reference = self.reference(c.reference) + self.has_reference
        if self.experts is not None:
            audible = heard * (1.0 - drop.music)[:, None, None, None]
            reference = reference + self.experts(c.reference, audible, c.style, block)
        reference = reference * c.reference_flag[:, None]
        return Embedded(leader, music + whole[:, None], memory, reference, c.memory * (1.0 - drop.memory)[:, None])


def _choose(kept: Tensor, null: Tensor, drop: Tensor) -> Tensor:
    """``kept`` (B, n, d) where drop (B,) is 0, ``null`` (d,) where it is 1."""
    dropped = drop[:, None, None]
    return kept * (1.0 - dropped) + null * dropped
