"""A whole song at once: the plan of every block denoised in parallel by the weights that dance live.

ReactDance's sampling (arXiv 2505.05589): the song is cut into blocks of W tokens, every block starts from noise of its
own, no token sees another block, the phase of the positions restarts with every block, and one causal decoding runs
over all of them. Nothing is committed before (P = 0) and the leader's future is known, so nothing is forecast.

What a block cannot know in parallel is what was danced before it. By default the memory says nothing (its learned
null) and the follower is told to stand at the wished place when a block begins. ``carried`` dances the blocks one after
the other instead: then the memory has heard all of them before, and the place is where the follower really stands.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from duet.errors import InputError
from duet.features import (
    FOLLOWER_CONTACT,
    FOLLOWER_ROOT,
    Standing,
    follower_rotations,
    integrate_root,
    leader_headings,
    partner_standing,
    place_features,
)
from duet.giving_way import Bodies
from duet.poses import RELAXED_PELVIS_HEIGHT_M
from models.conditions import Conditions, Drop
from models.config import STREAMS, SamplerConfig
from models.data.sequences import measured_leader
from models.data.take import Take
from models.follower import Follower
from models.guidance import guide
from models.rollout import Danced
from models.samplers import check_calls, ladder, sample, start

Floats = NDArray[np.float32]
BlockMask = Literal["interval", "triangle_interval"]
Tick = Callable[[int, int], None]
"""Called with the network calls made so far and all there will be."""


@dataclass(frozen=True)
class Offline:
    """How a song is danced at once."""

    mask: BlockMask = "interval"
    """``interval``: a token sees its whole block, as in ReactDance's public code; ``triangle_interval``: only what is
    earlier in it, as in the paper."""
    sampler: SamplerConfig = field(default_factory=lambda: SamplerConfig("ddim", 50))
    guidance: Floats | None = None
    """(3, R) scale per stream and residual level; none asks for the conditional dance alone."""
    carried: bool = False
    """One block after the other, with memory and place carried over."""


@dataclass(frozen=True)
class _Song:
    """A take cut to whole tokens."""

    take: Take
    leader: Tensor
    """(N, f * 72)."""
    music: Tensor
    """(N, f * 8)."""
    heading_rad: NDArray[np.float64]

    @property
    def tokens(self) -> int:
        """N."""
        return len(self.leader)


def block_starts(tokens: int, block: int) -> list[int]:
    """First token of every block. The last block reaches back to be a whole one; of it only the end is danced."""
    return sorted({min(first, max(0, tokens - block)) for first in range(0, tokens, block)})


@torch.no_grad()
def dance_offline(
    follower: Follower, take: Take, *, leak: float, how: Offline | None = None, seed: int = 0, tick: Tick | None = None
) -> Danced:
    """``take`` as ``follower`` dances it with the whole song before its eyes; equal seeds dance alike.

    ``leak`` is that of ``duet.features.integrate_root``. InputError for a take shorter than one token,
    and for more calls than the sampler has levels for.
    """
    how, config = how or Offline(), follower.config
    check_calls(how.sampler, config.steps)
    song = _song(follower, take)
    block = min(config.window, song.tokens)
    starts = block_starts(song.tokens, block)
    noise = torch.from_numpy(
        np.random.Generator(np.random.PCG64(seed)).standard_normal(
            (len(starts), block, config.latent_width), dtype=np.float32
        )
    )
    groups = [[i] for i in range(len(starts))] if how.carried else [list(range(len(starts)))]
    calls = _Calls(len(groups) * how.sampler.calls, tick)
    latents, places = torch.zeros(0, config.latent_width), []
    for group in groups:
        firsts = [starts[i] for i in group]
        memory, place = _known_before(follower, song, firsts, latents, leak) if how.carried else (None, None)
        if place is None:
            place = np.stack([_place(song, first, None, config.token_frames) for first in firsts])
        made = denoise_blocks(
            follower, _conditions(follower, song, firsts, block, place, memory), noise[group], how,
            remembers=memory is not None, count=calls,
        )  # fmt: skip
        places.append(place)
        for first, plan in zip(firsts, made, strict=True):
            latents = torch.cat([latents, plan[len(latents) - first :]])
    return _danced(follower, song, latents, np.concatenate(places), leak)


def denoise_blocks(
    follower: Follower,
    conditions: Conditions,
    noise: Tensor,
    how: Offline,
    *,
    remembers: bool,
    count: Callable[[], None] = lambda: None,
) -> Tensor:
    """Blocks of noise (B, W', L), one row each, to the latents that are danced."""
    denoiser, config, batch = follower.denoiser, follower.config, len(noise)
    scales = torch.zeros(batch, len(STREAMS), config.codec.residuals)
    if how.guidance is not None:
        scales = scales + torch.from_numpy(np.asarray(how.guidance, np.float32))
    guided = bool(scales.any()) and not config.denoiser.folded_guidance
    kept, hidden = torch.zeros(batch), torch.ones(batch)
    drop = Drop(kept, kept, kept if remembers else hidden)
    if guided:
        conditions = Conditions(*(torch.cat([value, value]) for value in conditions))
        drop = Drop(*(torch.cat([part, hidden]) for part in drop[:3]))

    def predict(x: Tensor, t: Tensor) -> Tensor:
        count()
        if not guided:
            return denoiser(x, t, conditions, drop, past=0, mask=how.mask, guidance=scales)
        both = denoiser(torch.cat([x, x]), t, conditions, drop, past=0, mask=how.mask)
        return guide(both[:batch], both[batch:], scales)

    x = start(how.sampler, torch.zeros_like(noise), noise, config.steps)
    return sample(predict, x, ladder(how.sampler, noise.shape[1], config.steps))


class _Calls:
    """Counts calls of the network and tells."""

    def __init__(self, total: int, tick: Tick | None) -> None:
        self.total, self.done, self.tick = total, 0, tick

    def __call__(self) -> None:
        self.done += 1
        if self.tick is not None:
            self.tick(self.done, self.total)


def _song(follower: Follower, take: Take) -> _Song:
    per_token = follower.config.token_frames
    tokens = take.frames // per_token
    if not tokens:
        raise InputError(
            f"{take.name}: expected at least {per_token} frames at {take.fps:g} fps to dance beside, got "
            f"{take.frames}. Give a longer take."
        )
    take = take.slice(0, tokens * per_token, take.entrance)
    heading = leader_headings(take.joints_m, take.fps)
    music = np.ascontiguousarray(take.conditions, dtype=np.float32)
    return _Song(
        take, torch.from_numpy(measured_leader(take, per_token)), torch.from_numpy(music.reshape(tokens, -1)), heading
    )


def _conditions(
    follower: Follower, song: _Song, firsts: list[int], block: int, place: Floats, memory: Tensor | None
) -> Conditions:
    """What the blocks that begin at tokens ``firsts`` answer to: a leader seen to the block's end, no reference."""
    config, rows = follower.config, len(firsts)
    at = torch.tensor(firsts)[:, None] + torch.arange(block)
    flags = torch.zeros(rows, block, config.leader_flags)
    flags[..., 0] = 1.0
    return Conditions(
        leader=song.leader[at],
        leader_flag=flags,
        music=song.music[at],
        place=torch.from_numpy(place),
        style=torch.eye(config.style_width)[song.take.style].expand(rows, -1),
        memory=torch.zeros(rows, config.memory.width) if memory is None else memory,
        reference=torch.zeros(rows, block, config.latent_width),
        reference_flag=torch.zeros(rows, 1),
    )


def _leader_at(song: _Song, frame: int) -> Standing:
    return Standing(song.take.joints_m[frame, 0], float(song.heading_rad[frame]))


def _place(song: _Song, first: int, standing: Standing | None, per_token: int) -> Floats:
    """Place features (8,) when token ``first`` begins; of the wished place where the follower's own is not known."""
    now = _leader_at(song, max(0, first * per_token - 1))
    entering = song.take.entrance if first == 0 else None
    standing = standing or entering or partner_standing(now, song.take.wish, RELAXED_PELVIS_HEIGHT_M)
    return place_features(standing, now, song.take.wish, float(song.take.sure[max(0, first * per_token - 1)]))


def _known_before(
    follower: Follower, song: _Song, firsts: list[int], latents: Tensor, leak: float
) -> tuple[Tensor, Floats]:
    """What the memory says (1, M) and where the follower stands when the one block at ``firsts`` begins."""
    first, config = firsts[0], follower.config
    before = torch.cat([torch.zeros(1, config.latent_width), latents[:first]])
    # The memory's token k stands beside the leader of token k - 1; before the song the leader stood still.
    rows = (torch.arange(first + 1) - 1).clamp(min=0)
    flags = torch.eye(config.leader_flags)[0].expand(first + 1, -1)
    music = song.music[rows] * (torch.arange(first + 1) > 0)[:, None]
    style = torch.eye(config.style_width)[song.take.style].expand(first + 1, -1)
    tokens = follower.memory.tokens(before, song.leader[rows], flags, music, style)
    said, _ = follower.memory(tokens[None], follower.memory.initial_state(1))
    walk = _walk(follower, song, latents[:first], leak)[0] if first else []
    return said[:, -1], _place(song, first, walk[-1] if walk else None, config.token_frames)[None]


def _walk(follower: Follower, song: _Song, latents: Tensor, leak: float) -> tuple[list[Standing], Floats]:
    """Where the follower stands, frame by frame, and the decoded frames (T, 145), of latents (n, L) from the start."""
    frames = follower.codec.decode(latents[None])[0].numpy().copy()
    entrance = song.take.entrance
    entrance = entrance or partner_standing(_leader_at(song, 0), song.take.wish, RELAXED_PELVIS_HEIGHT_M)
    stretch = slice(0, len(frames))
    leader_m, heading = song.take.joints_m[stretch], song.heading_rad[stretch]
    room = Bodies(frames, leader_m, heading, leak)
    walk = integrate_root(entrance, frames[:, FOLLOWER_ROOT], leader_m[:, 0], heading, song.take.fps, leak, room)
    return walk, frames


def _danced(follower: Follower, song: _Song, latents: Tensor, places: Floats, leak: float) -> Danced:
    walk, frames = _walk(follower, song, latents, leak)
    yaw = np.array([s.yaw_rad for s in walk], dtype=np.float32)
    nothing = np.zeros(0, np.float32)
    return Danced(
        root_m=np.array([s.root_m for s in walk], dtype=np.float32),
        yaw_rad=yaw,
        rotations=follower_rotations(frames, yaw),
        contacts=torch.sigmoid(torch.from_numpy(frames[:, FOLLOWER_CONTACT])).numpy(),
        place=places,
        leader=nothing,
        leader_flags=nothing,
        music=nothing,
        latents=latents.numpy(),
    )
