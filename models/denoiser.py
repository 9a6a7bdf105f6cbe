"""The denoiser: a transformer over one block of tokens that predicts the clean plan (blockwise local context, BLC).

The window holds W = P + F tokens: P committed ones (clean, noise level 0) and F planned ones, each with its own noise
level. The block structure and its phase-aligned positions follow ReactDance (arXiv 2505.05589); the window that moves
with the performance, its mask and the per-token levels are ours (MODELS 7.3). The same weights run offline with P = 0.

Glossary: B batch, W window, P past, F plan, L latent width, d model width, S style width, M memory width,
t noise level in [0, T), 0 clean; x0 the clean latent.
"""

from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import Layer
from models.blocks import repeated, sinusoid
from models.conditions import ConditionEncoder, Conditions, Drop, Embedded
from models.config import FollowerConfig
from models.guidance import FoldedGuidance
from models.mtmm import EVERY, TAIL, Entry, TemporalMamba

MaskKind = Literal["live", "interval", "triangle_interval"]
HIDDEN = -1e9
"""Added to the scores of what a token may not see."""


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
    entries: tuple[Entry, ...] = ()
    """Where the scans over the plan begin, per temporal module."""

    def repeated(self, many: int) -> "Context":
        """The rows once more, draw by draw: (B, ...) to (many * B, ...)."""
        parts = (self.cross, self.past, self.entries)
        pairs = (tuple((repeated(a, many), repeated(b, many)) for a, b in part) for part in parts)
        return Context(repeated(self.plan, many), repeated(self.modulation, many), *pairs)


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


def condition_mask(
    length: int, past: int, reach: int, extra: int, reference: int = 0, block: int | None = None
) -> Tensor:
    """(length, length + extra + reference) to add to cross-attention scores.

    Committed token i sees leader tokens j <= i + reach; planned ones see them all. The ``extra`` tokens behind the
    leader's (memory) are seen by all, and so are the ``reference`` tokens behind those, which belong to the last rows.
    With ``block`` no token sees leader or reference of another block.
    """
    i, j = torch.arange(length)[:, None], torch.arange(length)[None, :]
    near = torch.ones(length, length, dtype=torch.bool) if block is None else i // block == j // block
    leader = near & ((j <= i + reach) | (i >= past))
    seen = [leader, torch.ones(length, extra, dtype=torch.bool), near[:, length - reference :]]
    return torch.where(torch.cat(seen, dim=1), 0.0, HIDDEN)


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
        self.temporal = nn.ModuleList(TemporalMamba(config) for _ in range(size.layers // EVERY if size.mtmm else 0))
        self.folded = FoldedGuidance(config) if size.folded_guidance else None
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

    def begin_references(self) -> None:
        """Let a reference change nothing yet: for weights that danced without any. From there it is learned."""
        with torch.no_grad():
            for unused in (self.reference_gain, self.conditions.reference.weight, self.conditions.has_reference):
                unused.zero_()

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
        guidance: Tensor | None = None,
    ) -> Tensor:
        """Window x (B, W, L) with levels t (B, W) to x0 of the plan (B, W - past, L).

        The first ``past`` rows are the committed tokens. ``conditions.reference`` belongs to the last rows. With
        ``block`` the positions restart every block (offline, many blocks in one sequence). ``guidance`` as ``prepare``.
        """
        length, plan = x.shape[1], x.shape[1] - past
        positions = self.positions[torch.arange(length) % (self.config.window if block is None else block)]
        seen = attention_mask(mask, length, past, block).to(x.device)
        embedded, added, context = self._embed_conditions(conditions, drop, positions, seen, block)
        planned = x if drop.latent is None else self._hide(x, drop.latent, past)
        hidden = self.embed(planned) + added
        asked = embedded.modulation[:, :past], self._asked(embedded.modulation[:, past:], guidance)
        modulation = self._modulation(torch.cat(asked, dim=1), t)
        masks = seen, self._condition_mask(conditions, length, past, block).to(x.device)
        for i, layer in enumerate(self.layers):
            hidden, _ = layer(hidden, modulation, layer.cross.keys(context), masks)  # type: ignore[union-attr]
            if (temporal := self._temporal(i)) is not None:
                entry = self._enter(temporal, embedded, hidden[:, :past])
                blocks = hidden[:, past:].split(block or plan, dim=1)
                planned = [temporal(tokens, entry, back=mask != "triangle_interval") for tokens in blocks]
                hidden = torch.cat([hidden[:, :past], *planned], dim=1)
        return self._finish(hidden[:, past:], conditions, plan)

    def prepare(self, past: Tensor, conditions: Conditions, drop: Drop, guidance: Tensor | None = None) -> Context:
        """Committed tokens (B, P, L) and conditions, under the live mask, to what ``step`` needs.

        With P = 0 the plan is the whole window. ``guidance`` (B, 3, R): scales for a follower that folded them.
        """
        count, window = past.shape[1], self.config.window
        seen = attention_mask("live", window, count).to(past.device)
        embedded, added, context = self._embed_conditions(conditions, drop, self.positions, seen)
        hidden = self.embed(past) + added[:, :count]
        clean = self._modulation(embedded.modulation[:, :count], hidden.new_zeros(1, count))
        shown = self._condition_mask(conditions, window, count).to(past.device)
        masks = seen[:count, :count], shown[:count]
        cross, kept, entries = [], [], []
        for i, layer in enumerate(self.layers):
            cross.append(layer.cross.keys(context))  # type: ignore[union-attr]
            hidden, keys = layer(hidden, clean, cross[-1], masks)
            kept.append(keys)
            if (temporal := self._temporal(i)) is not None:
                entries.append(self._enter(temporal, embedded, hidden))
        asked = self._asked(embedded.modulation[:, count:], guidance)
        return Context(added[:, count:], asked, tuple(cross), tuple(kept), tuple(entries))

    def step(
        self, x: Tensor, t: Tensor, context: Context, conditions: Conditions, latent_drop: Tensor | None = None
    ) -> Tensor:
        """Noisy plan (B, F, L) with levels t (B or 1, F) to x0 (B, F, L). ``latent_drop`` as ``Drop.latent``."""
        hidden = self.embed(x if latent_drop is None else self._hide(x, latent_drop, 0)) + context.plan
        modulation = self._modulation(context.modulation, t)
        for i, (layer, cross, past) in enumerate(zip(self.layers, context.cross, context.past, strict=True)):
            hidden, _ = layer(hidden, modulation, cross, (None, None), past)
            if (temporal := self._temporal(i)) is not None:
                hidden = temporal(hidden, context.entries[i // EVERY])
        return self._finish(hidden, conditions, x.shape[1])

    def _temporal(self, layer: int) -> TemporalMamba | None:
        """The module behind layer number ``layer``, if there is one."""
        behind = len(self.temporal) > 0 and layer % EVERY == EVERY - 1
        return cast(TemporalMamba, self.temporal[layer // EVERY]) if behind else None

    def _enter(self, temporal: TemporalMamba, embedded: Embedded, committed: Tensor) -> Entry:
        tail = committed[:, max(0, committed.shape[1] - TAIL) :]
        return temporal.enter(embedded.memory, tail, embedded.remembered)

    def _embed_conditions(
        self, c: Conditions, drop: Drop, positions: Tensor, mask: Tensor, block: int | None = None
    ) -> tuple[Embedded, Tensor, Tensor]:
        """The conditions, what of them is added to the tokens (B, W, d), what the tokens attend to (B, n, d)."""
        embedded = self.conditions(c, drop, mask, block)
        leader, reference = embedded.leader + positions, embedded.reference
        planned = positions[-reference.shape[1] :]
        aligned = F.pad(reference, (0, 0, leader.shape[1] - reference.shape[1], 0))
        return embedded, leader + aligned, torch.cat([leader, embedded.memory, reference + planned], dim=1)

    def _asked(self, modulation: Tensor, guidance: Tensor | None) -> Tensor:
        """What modulates the plan (B, F, d) with the scales (B, 3, R) that a follower folded."""
        if self.folded is None or guidance is None:
            return modulation
        return modulation + self.folded(guidance)[:, None]

    def _modulation(self, conditions: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        """What the layers share of their modulation: 9 x (B, n, d)."""
        level = self.level(sinusoid(t, self.config.denoiser.width))
        return self.modulate(F.silu(conditions + level)).chunk(9, dim=-1)

    def _finish(self, hidden: Tensor, c: Conditions, plan: int) -> Tensor:
        reference = c.reference * c.reference_flag[:, None] * self.reference_gain
        padding = plan - reference.shape[1]
        return self.head(self.norm(hidden)) + F.pad(reference, (0, 0, padding, 0))

    def _hide(self, x: Tensor, latent: Tensor, past: int) -> Tensor:
        """Window x (B, n, L) with the streams and levels (B, 3, R) of its tokens from ``past`` on replaced by null."""
        per = x.shape[-1] // (latent.shape[-2] * latent.shape[-1])
        hidden = latent.flatten(1).repeat_interleave(per, dim=1)[:, None]
        planned = (torch.arange(x.shape[1], device=x.device) >= past)[None, :, None]
        return torch.where(planned & (hidden > 0.5), self.no_latent, x)

    def _condition_mask(self, c: Conditions, length: int, past: int, block: int | None = None) -> Tensor:
        memory, reference = self.config.denoiser.memory_tokens, c.reference.shape[1]
        return condition_mask(length, past, self.config.plan, memory, reference, block)
