"""The denoiser: a transformer over one block of tokens that predicts the clean plan (blockwise local context, BLC).

The window holds W = P + F tokens: P committed ones (clean, noise level 0) and F planned ones, each with its own noise
level. The block structure and its phase-aligned positions follow ReactDance (arXiv 2505.05589); the window that moves
with the performance, its mask and the per-token levels are ours (MODELS 7.3). The same weights run offline with P = 0.

Glossary: B batch, W window, P past, F plan, L latent width, d model width, S style width, M memory width,
t noise level in [0, T), 0 clean; x0 the clean latent.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks import Normaliser, sinusoid
from models.config import FollowerConfig

MaskKind = Literal["live", "interval", "triangle_interval"]
HIDDEN = -1e9
"""Added to the scores of what a token may not see."""


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


class Context(NamedTuple):
    """What every call of a tick shares: computed once, however many times the sampler asks."""

    plan: Tensor
    """(B, F, d) what is added to the plan's embedding: position, leader, reference."""
    modulation: Tensor
    """(B, F, d) the plan's conditions before the noise level is added."""
    cross: tuple[tuple[Tensor, Tensor], ...]
    """Keys and values of the conditions, per layer."""
    past: tuple[tuple[Tensor, Tensor], ...]
    """Keys and values of the committed tokens, per layer."""


def attention_mask(kind: MaskKind, length: int, past: int, block: int | None = None) -> Tensor:
    """(length, length) to add to attention scores: 0 where token i may see token j, HIDDEN elsewhere.

    ``interval``: same block. ``triangle_interval``: same block and j <= i. ``live``: committed tokens i < past see
    j <= i, planned ones see the whole window. ``block`` defaults to the whole length.
    """
    i, j = torch.arange(length)[:, None], torch.arange(length)[None, :]
    block = length if block is None else block
    same = i // block == j // block
    allowed = {
        "interval": same,
        "triangle_interval": same & (j <= i),
        "live": (j <= i) | (i >= past),
    }[kind]
    return torch.where(allowed, 0.0, HIDDEN)


def condition_mask(length: int, past: int, reach: int, extra: int) -> Tensor:
    """(length, length + extra) to add to cross-attention scores.

    Committed token i sees leader tokens j <= i + reach; planned ones see them all. The ``extra`` tokens behind the
    leader's (memory, reference) are seen by all.
    """
    i, j = torch.arange(length)[:, None], torch.arange(length + extra)[None, :]
    return torch.where((j <= i + reach) | (i >= past) | (j >= length), 0.0, HIDDEN)


def guide(conditional: Tensor, unconditional: Tensor, guidance: Tensor) -> Tensor:
    """Layer-decoupled classifier-free guidance, one scale per stream and residual level.

    ``x0 = (1 + s) * conditional - s * unconditional`` (ReactDance, arXiv 2505.05589): latents (B, F, L), scales
    ``guidance`` (B, 3, R). A scale of 0 gives the conditional latent exactly.
    """
    per_scale = conditional.shape[-1] // (guidance.shape[-2] * guidance.shape[-1])
    s = guidance.flatten(1)[:, None, :, None].expand(-1, 1, -1, per_scale).flatten(2)
    return (1.0 + s) * conditional - s * unconditional


class Attention(nn.Module):
    """Multi-head attention with keys and values apart, so that they can be kept."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n, d) to keys and values (B, heads, n, d / heads)."""
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, keys: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Queries from (B, m, d) on ``keys`` of n tokens; ``mask`` (m, n) is added to the scores."""
        attended = F.scaled_dot_product_attention(self._split(self.query(x)), *keys, attn_mask=mask)
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Self-attention, cross-attention, feed-forward; each modulated per token (adaLN).

    All layers share one modulation of nine parts and add a table of their own (PixArt-alpha, arXiv 2310.00426):
    time-resolved music then costs one projection, not one per layer.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attend = Attention(width, heads)
        self.cross = Attention(width, heads)
        self.widen = nn.Linear(width, feedforward)
        self.narrow = nn.Linear(feedforward, width)
        self.dropout = nn.Dropout(dropout)
        self.table = nn.Parameter(torch.zeros(9, width))

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        cross: tuple[Tensor, Tensor],
        masks: tuple[Tensor | None, Tensor | None],
        before: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Tokens (B, n, d), modulation (B, n, 9, d), keys of the conditions and of tokens ``before``.

        Returns the tokens and their own self-attention keys and values.
        """
        m = (modulation + self.table).unbind(dim=-2)
        normed = self._modulate(x, m[0], m[1])
        keys = self.attend.keys(normed)
        seen = keys if before is None else (torch.cat([before[0], keys[0]], 2), torch.cat([before[1], keys[1]], 2))
        x = x + (1 + m[2]) * self.dropout(self.attend(normed, seen, masks[0]))
        x = x + (1 + m[5]) * self.dropout(self.cross(self._modulate(x, m[3], m[4]), cross, masks[1]))
        hidden = F.gelu(self.widen(self._modulate(x, m[6], m[7])), approximate="tanh")
        return x + (1 + m[8]) * self.dropout(self.narrow(hidden)), keys

    def _modulate(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return self.norm(x) * (1 + scale) + shift


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

    def forward(self, c: Conditions, drop: Drop) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Leader (B, W, d), modulation by music, place and style (B, W, d), memory (B, m, d), reference (B, F, d)."""
        frames = self.config.token_frames
        leader = self.leader_norm(c.leader.unflatten(-1, (frames, -1))).flatten(2)
        leader = _choose(self.leader(torch.cat([leader, c.leader_flag], dim=-1)), self.no_leader, drop.leader)
        music = self.music_norm(c.music.unflatten(-1, (frames, -1))).flatten(2)
        music = _choose(self.music(music), self.no_music, drop.music)
        whole = self.place(self.place_norm(c.place)) + self.style(c.style)
        memory = self.memory(c.memory).unflatten(-1, (self.config.denoiser.memory_tokens, -1))
        memory = _choose(memory, self.no_memory, drop.memory)
        reference = (self.reference(c.reference) + self.has_reference) * c.reference_flag[:, None]
        return leader, music + whole[:, None], memory, reference


def _choose(kept: Tensor, null: Tensor, drop: Tensor) -> Tensor:
    """``kept`` (B, n, d) where drop (B,) is 0, ``null`` (d,) where it is 1."""
    dropped = drop[:, None, None]
    return kept * (1.0 - dropped) + null * dropped


class Denoiser(nn.Module):
    """Predicts x0 of the plan from the noisy plan, the committed past and the conditions.

    ``forward`` takes a whole window under any mask, for training; ``prepare`` and ``step`` split the live mask into
    what a tick computes once and what every sampler call computes, and give the same result.
    """

    positions: Tensor

    def __init__(self, config: FollowerConfig) -> None:
        super().__init__()
        self.config = config
        size, latent = config.denoiser, config.latent_width
        d = size.width
        self.conditions = ConditionEncoder(config)
        self.embed = nn.Linear(latent, d)
        self.level = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, d))
        self.modulate = nn.Linear(d, 9 * d)
        self.layers = nn.ModuleList(Layer(d, size.heads, size.feedforward, size.dropout) for _ in range(size.layers))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, latent)
        self.reference_gain = nn.Parameter(torch.ones(latent))
        self.no_latent = nn.Parameter(torch.zeros(latent))
        # Untrained, the plan is the reference, or the mean latent where there is none: learning adds the correction.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.modulate.weight, std=0.02)
        nn.init.zeros_(self.modulate.bias)
        self.register_buffer("positions", sinusoid(torch.arange(config.window).float(), d), persistent=False)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        conditions: Conditions,
        drop: Drop,
        *,
        past: int,
        mask: MaskKind = "live",
        block: int | None = None,
    ) -> Tensor:
        """Window x (B, W, L) with levels t (B, W) to x0 of the plan (B, W - past, L).

        The first ``past`` rows are the committed tokens. ``conditions.reference`` belongs to the last rows. With
        ``block`` the positions restart every block (offline, many blocks in one sequence).
        """
        length, cross_extra = x.shape[1], self._extra_tokens(conditions)
        plan, reach = length - past, self.config.plan
        positions = self.positions[torch.arange(length) % (self.config.window if block is None else block)]
        added, modulation, context = self._embed_conditions(conditions, drop, positions)
        hidden = self.embed(self._hide(x, drop, past)) + added
        modulation = self._modulation(modulation, t)
        masks = (
            attention_mask(mask, length, past, block).to(x.device),
            condition_mask(length, past, reach, cross_extra).to(x.device),
        )
        for layer in self.layers:
            hidden, _ = layer(hidden, modulation, layer.cross.keys(context), masks)  # type: ignore[union-attr]
        return self._finish(hidden[:, past:], conditions, plan)

    def prepare(self, past: Tensor, conditions: Conditions, drop: Drop) -> Context:
        """Committed tokens (B, P, L) and conditions, under the live mask, to what ``step`` needs."""
        count, window = past.shape[1], self.config.window
        added, modulation, context = self._embed_conditions(conditions, drop, self.positions)
        hidden = self.embed(past) + added[:, :count]
        clean = self._modulation(modulation[:, :count], hidden.new_zeros(1, count))
        masks = (
            attention_mask("live", count, count).to(past.device),
            condition_mask(window, count, self.config.plan, self._extra_tokens(conditions))[:count].to(past.device),
        )
        cross, kept = [], []
        for layer in self.layers:
            cross.append(layer.cross.keys(context))  # type: ignore[union-attr]
            hidden, keys = layer(hidden, clean, cross[-1], masks)
            kept.append(keys)
        return Context(added[:, count:], modulation[:, count:], tuple(cross), tuple(kept))

    def step(self, x: Tensor, t: Tensor, context: Context, conditions: Conditions) -> Tensor:
        """Noisy plan (B, F, L) with levels t (B or 1, F) to x0 (B, F, L)."""
        hidden = self.embed(x) + context.plan
        modulation = self._modulation(context.modulation, t)
        for layer, cross, past in zip(self.layers, context.cross, context.past, strict=True):
            hidden, _ = layer(hidden, modulation, cross, (None, None), past)
        return self._finish(hidden, conditions, x.shape[1])

    def _embed_conditions(self, c: Conditions, drop: Drop, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is added to the tokens (B, W, d), what modulates them (B, W, d), what they attend to (B, n, d)."""
        leader, modulation, memory, reference = self.conditions(c, drop)
        planned = positions[-reference.shape[1] :]
        aligned = F.pad(reference, (0, 0, leader.shape[1] - reference.shape[1], 0))
        context = torch.cat([leader + positions, memory, reference + planned], dim=1)
        return positions + leader + aligned, modulation, context

    def _modulation(self, conditions: Tensor, t: Tensor) -> Tensor:
        level = self.level(sinusoid(t, self.config.denoiser.width))
        return self.modulate(F.silu(conditions + level)).unflatten(-1, (9, -1))

    def _finish(self, hidden: Tensor, c: Conditions, plan: int) -> Tensor:
        reference = c.reference * c.reference_flag[:, None] * self.reference_gain
        padding = plan - reference.shape[1]
        return self.head(self.norm(hidden)) + F.pad(reference, (0, 0, padding, 0))

    def _hide(self, x: Tensor, drop: Drop, past: int) -> Tensor:
        if drop.latent is None:
            return x
        per = x.shape[-1] // (drop.latent.shape[-2] * drop.latent.shape[-1])
        hidden = drop.latent.flatten(1).repeat_interleave(per, dim=1)[:, None]
        planned = (torch.arange(x.shape[1], device=x.device) >= past)[None, :, None]
        return torch.where(planned & (hidden > 0.5), self.no_latent, x)

    def _extra_tokens(self, c: Conditions) -> int:
        return self.config.denoiser.memory_tokens + c.reference.shape[1]
