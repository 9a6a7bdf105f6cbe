"""Batches for the denoiser: stretches of sequences for the memory, and windows of the ticks within them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.config import FollowerConfig
from models.data.sequences import Sequence


@dataclass(frozen=True)
class Item:
    """A sequence in latents: what the follower did, and the history that stands before each token."""

    target: Tensor
    """(N, L) latents of the real follower."""
    history: Tensor
    """(N, L) latents committed: the real ones, or the follower's own."""
    frames: Tensor
    """(N, f, 145) the real follower's features."""
    leader: Tensor
    """(P + N, f * 72) as measured, after P tokens of a leader standing still."""
    music: Tensor
    """(P + N, f * 8)."""
    leader_tail: Tensor
    music_tail: Tensor
    flags_tail: Tensor
    place: Tensor
    style: Tensor
    """(S,) one-hot."""
    own: bool
    """Whether ``history`` is the follower's own dance."""
    reference: Tensor | None = None
    """(N,) row of the bank with which each tick's reference begins, -1 for none; nothing without a bank."""

    @property
    def tokens(self) -> int:
        """N."""
        return len(self.target)


class Stretch(NamedTuple):
    """Consecutive tokens of an item."""

    item: Item
    begin: int
    span: int


@dataclass(frozen=True)
class Batch:
    """Stretches (S of K tokens) and windows (B = S * M) cut from them."""

    history: Tensor
    """(S, K, L)."""
    leader_now: Tensor
    """(S, K, f * 72) the token before each tick's plan, as that tick sees it."""
    flags_now: Tensor
    music_now: Tensor
    style_run: Tensor
    """(S, K, S')."""
    stretch: Tensor
    """(B,) which stretch a window is from."""
    at: Tensor
    """(B,) tick within its stretch."""
    leader: Tensor
    """(B, W, f * 72)."""
    flags: Tensor
    music: Tensor
    place: Tensor
    style: Tensor
    target: Tensor
    """(B, F, L)."""
    frames: Tensor
    """(B, F * f, 145) of the plan."""
    before: Tensor
    """(B, 145) the real follower's frame before the plan."""
    lead_in: Tensor | None = None
    """(S, P, L) latents committed before the stretches; zeros, as on entering, unless given."""
    memory_conv: Tensor | None = None
    """(S, ...) what the memory holds where the stretches begin; nothing, unless given. See models.mamba.MemoryState."""
    memory_ssm: Tensor | None = None
    reference: Tensor | None = None
    """(B,) row of the bank with which a window's reference begins, -1 for none; nothing without a bank."""


def make_item(
    sequence: Sequence,
    target: Tensor,
    config: FollowerConfig,
    own: tuple[Tensor, dict[str, np.ndarray]] | None = None,
    reference: np.ndarray | None = None,
) -> Item:
    """An item of ``sequence``; ``own`` holds the latents the follower committed and the windows it saw meanwhile.

    ``reference`` (N,) as ``Item.reference``.
    """
    f = config.token_frames
    still = sequence.leader[0].reshape(f, -1)[:1].repeat(f, axis=0).reshape(1, -1)
    seen = {
        "leader": sequence.leader_tail,
        "music": sequence.music_tail,
        "flags": sequence.flags_tail,
        "place": sequence.place,
    }
    seen.update(own[1] if own else {})
    return Item(
        target=target,
        history=own[0] if own else target,
        frames=torch.from_numpy(sequence.frames).unflatten(0, (-1, f)),
        leader=torch.from_numpy(np.concatenate([still.repeat(config.past, axis=0), sequence.leader])),
        music=torch.from_numpy(
            np.concatenate([np.zeros((config.past, sequence.music.shape[1]), np.float32), sequence.music])
        ),
        leader_tail=torch.from_numpy(seen["leader"]),
        music_tail=torch.from_numpy(seen["music"]),
        flags_tail=torch.from_numpy(seen["flags"]),
        place=torch.from_numpy(seen["place"]),
        style=torch.eye(config.style_width)[sequence.style],
        own=own is not None,
        reference=None if reference is None else torch.from_numpy(reference),
    )


def draw_batch(
    items: list[Item], config: FollowerConfig, rng: np.random.Generator, *, stretches: int, length: int, windows: int
) -> Batch:
    """A random batch; long items more often. A quarter of the windows lie where the past is still short."""
    lengths = np.array([max(0, i.tokens - config.plan) for i in items], dtype=float)
    stretches_of = []
    for index in rng.choice(len(items), stretches, p=lengths / lengths.sum()):
        item = items[index]
        span = min(length, item.tokens - config.plan)
        # A dance that the follower made itself is used from its own beginning: its memory began there.
        begin = 0 if item.own else int(rng.integers(0, item.tokens - config.plan - span + 1))
        stretches_of.append(Stretch(item, begin, span))
    return cut_batch(stretches_of, config, rng, length=length, windows=windows)


def cut_batch(
    stretches: list[Stretch],
    config: FollowerConfig,
    rng: np.random.Generator,
    *,
    length: int,
    windows: int,
) -> Batch:
    """Windows at random ticks of given stretches; a quarter lie where the past is still short."""
    runs, cuts, rows = [], [], []
    for s, (item, begin, span) in enumerate(stretches):
        runs.append(_run(item, begin, span, length, config))
        early = rng.integers(0, min(config.past, span), windows)
        late = rng.integers(min(config.past, span - 1), span, windows)
        for at in np.where(rng.uniform(size=windows) < 0.25, early, late):
            cuts.append((s, int(at), *_cut(item, begin + int(at), config)))
            rows += [] if item.reference is None else [item.reference[begin + int(at)]]
    where, parts = (
        [cut[:2] for cut in cuts],
        [torch.stack(part) for part in zip(*(cut[2:] for cut in cuts), strict=True)],
    )
    stretch, at = torch.tensor(where).unbind(dim=1)
    joined = [torch.stack(part) for part in zip(*runs, strict=True)]
    tensors = [*joined, stretch, at, *parts]
    return Batch(*tensors, reference=torch.stack(rows) if rows else None)


def _run(item: Item, begin: int, span: int, length: int, config: FollowerConfig) -> tuple[Tensor, ...]:
    """Memory inputs of ``span`` tokens, filled up to ``length`` with the last ones.

    Leader and music are those beside the newest committed token, the last row before the plan, as the memory is asked
    live (``models.follower.MemoryRole``).
    """
    rows = begin + torch.arange(length).clamp(max=span - 1)
    newest = item.leader_tail.shape[1] - config.plan - 1
    return (
        item.history[rows],
        item.leader_tail[rows, newest],
        item.flags_tail[rows, newest],
        item.music_tail[rows, newest],
        item.style.expand(length, -1),
    )


def _cut(item: Item, token: int, config: FollowerConfig) -> tuple[Tensor, ...]:
    """What tick ``token`` sees, and what it should plan."""
    measured = config.window - item.leader_tail.shape[1]
    observed = torch.tensor([[1.0, 0.0, 0.0]]).expand(measured, -1)
    plan = slice(token, token + config.plan)
    before = slice(token, token + measured)  # leader and music begin P tokens early
    return (
        torch.cat([item.leader[before], item.leader_tail[token]]),
        torch.cat([observed, item.flags_tail[token]]),
        torch.cat([item.music[before], item.music_tail[token]]),
        item.place[token],
        item.style,
        item.target[plan],
        item.frames[plan].flatten(0, 1),
        item.frames[token - 1, -1] if token else item.frames[0, 0],
    )
