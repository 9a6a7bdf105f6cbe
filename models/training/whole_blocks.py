"""Whole blocks without a past, for the offline mode: how the second stage may learn to dance a song at once.

``plan_loss`` always shows the follower P committed tokens, at most hidden, and asks for F. ``models.offline`` asks for
a whole window of W tokens with nothing before it, a leader who is seen to its end, and a memory that says nothing. A
share of the loss (``DenoiserTraining.block_share``) is of such blocks, so that the same weights serve both.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.codec import LEAD_IN
from models.conditions import Conditions, Drop
from models.config import STREAMS, FollowerConfig
from models.denoiser import MaskKind
from models.diffusion import add_noise, alpha_bar, latent_loss, loss_weights
from models.follower import Follower
from models.training.denoiser_stage import DenoiserTraining
from models.training.losses import frame_losses, standing_losses
from models.training.precision import exact
from models.training.windows import Item

TRIANGLE_SHARE = 0.25
"""Share of batches in which a token sees only what is earlier in its block."""
DECODED = 0.5
"""Share of the blocks whose frames are compared in metres, which is most of the work."""


@dataclass(frozen=True)
class Blocks:
    """B blocks of W tokens."""

    target: Tensor
    """(B, W, L) latents of the real follower."""
    before: Tensor
    """(B, LEAD_IN, L) and those before; zeros before a sequence's beginning."""
    frames: Tensor
    """(B, W * f, 145) the real follower's features."""
    frame_before: Tensor
    """(B, 145) the real follower's frame before the block."""
    leader: Tensor
    """(B, W, f * 72) as measured to the block's end."""
    music: Tensor
    place: Tensor
    """(B, 8): half of them say where the follower stood, half the wished place, as an offline block is told."""
    style: Tensor


def draw_blocks(items: list[Item], config: FollowerConfig, rng: np.random.Generator, count: int) -> Blocks:
    """Random blocks of real followers, long sequences more often; sequences shorter than a block are passed over."""
    lengths = np.array([max(0, item.tokens - config.window + 1) for item in items], dtype=float)
    cuts = []
    for index in rng.choice(len(items), count, p=lengths / lengths.sum()):
        begin = int(rng.integers(0, items[index].tokens - config.window + 1))
        cuts.append(_cut(items[index], begin, config, wished=rng.uniform() < 0.5))
    return Blocks(*(torch.stack(part) for part in zip(*cuts, strict=True)))


def _cut(item: Item, begin: int, config: FollowerConfig, *, wished: bool) -> tuple[Tensor, ...]:
    block = slice(begin, begin + config.window)
    seen = slice(begin + config.past, begin + config.past + config.window)  # leader and music begin P tokens early
    before = item.target[max(0, begin - LEAD_IN) : begin]
    place = item.place[begin]
    return (
        item.target[block],
        torch.cat([before.new_zeros(LEAD_IN - len(before), before.shape[1]), before]),
        item.frames[block].flatten(0, 1),
        item.frames[begin - 1, -1] if begin else item.frames[0, 0],
        item.leader[seen],
        item.music[seen],
        wished_place(place) if wished else place,
        item.style,
    )


def wished_place(place: Tensor) -> Tensor:
    """Place features (8,) of who stands where these wish them to: before the leader, facing them."""
    distance, sine, cosine = place[4], place[5], place[6]
    return torch.cat([torch.stack([distance * sine, distance * cosine, -sine, -cosine]), place[4:]])


def block_loss(
    follower: Follower, blocks: Blocks, how: DenoiserTraining, rng: np.random.Generator
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch of blocks and its parts by name."""
    config, rows = follower.config, len(blocks.target)
    flags = blocks.target.new_zeros(rows, config.window, config.leader_flags)
    flags[..., 0] = 1.0
    conditions = Conditions(
        blocks.leader, flags, blocks.music, blocks.place, blocks.style,
        blocks.target.new_zeros(rows, config.memory.width),
        torch.zeros_like(blocks.target), blocks.target.new_zeros(rows, 1),
    )  # fmt: skip
    blind = torch.rand(rows) < how.blind
    leader, music = (((torch.rand(rows) < p) | blind).float() for p in how.drop[:2])
    hidden = (torch.rand(rows, len(STREAMS), config.codec.residuals) < how.latent_drop).float()
    drop = Drop(leader, music, torch.ones(rows), hidden)
    mask: MaskKind = "triangle_interval" if rng.uniform() < TRIANGLE_SHARE else "interval"
    schedule = alpha_bar(config.steps)
    # One level for the whole block, as the samplers have it; half of them where they begin.
    t = torch.where(torch.rand(rows, 1) < 0.5, config.steps - 1, torch.randint(0, config.steps, (rows, 1)))
    t = t.expand(-1, config.window)
    noisy = add_noise(blocks.target, t, torch.randn_like(blocks.target), schedule)
    made = follower.denoiser(noisy, t.float(), conditions, drop, past=0, mask=mask).float()

    weights = loss_weights(t, schedule).clamp(min=how.least_weight)
    latent = latent_loss(made, blocks.target, weights, how.level_weights)
    with exact(made.device):
        parts = _decoded_loss(follower, blocks, made, weights[:, 0], how)
    loss = latent + how.decode_weight * torch.stack(list(parts.values())).sum()
    return loss, {"latent": float(latent.detach()), **{k: float(v.detach()) for k, v in parts.items()}}


def _decoded_loss(
    follower: Follower, blocks: Blocks, made: Tensor, weight: Tensor, how: DenoiserTraining
) -> dict[str, Tensor]:
    """Frame losses of the first blocks of a batch, decoded after what came before them."""
    codec, rows = follower.codec, max(1, round(DECODED * len(made)))
    frames = codec.decode_after(blocks.before[:rows], made[:rows])
    real = blocks.frames[:rows]
    terms = frame_losses(frames, real, codec.frame_norm, weight[:rows])
    walk = {"fps": follower.config.fps, "leak": how.leak}
    return terms | standing_losses(frames, real, blocks.frame_before[:rows], blocks.place[:rows], **walk)
