"""The second stage: denoiser and memory learn to plan, first after the real follower's past, then after their own."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from duet.features import LEADER_CONFIDENCE, Standing
from duet.retrieval import Bank
from models.blocks import repeated
from models.bounds import check_bounds
from models.conditions import Conditions, Drop
from models.config import STREAMS, SamplerConfig
from models.data.references import barred_of
from models.data.sequences import Sequence, measured_leader, tail_tokens
from models.data.take import Take
from models.diffusion import add_noise, alpha_bar, draw_levels, latent_loss, loss_weights
from models.follower import Follower
from models.mamba import MemoryState
from models.rollout import TorchPartner, dance
from models.training.losses import frame_losses, standing_losses
from models.training.precision import exact
from models.training.windows import Batch, Item, make_item


@dataclass(frozen=True)
class DenoiserTraining:
    """What the second stage can be tuned by."""

    stretches: int = 8
    stretch_tokens: int = 80
    windows: int = 6
    """Windows per stretch."""
    draws: int = 2
    """Noise draws per window: they share the window's past, which is most of the work."""
    learning_rate: float = 5e-4
    last_learning_rate: float = 5e-5
    warmup_steps: int = 100
    weight_decay: float = 0.02
    dropout: float = 0.1
    history_noise: float = 0.5
    """Greatest standard deviation of the noise on committed latents; drawn anew for every stretch."""
    leader_noise: float = 0.25
    """Greatest strength of the noise on leader features, in standard deviations: half of it steady over a window, so
    that it does not average out. The few takes would otherwise be learned by heart."""
    drop: tuple[float, float, float] = (0.05, 0.1, 0.15)
    """Probability that leader, music, memory are hidden."""
    blind: float = 0.08
    """Probability that all three are hidden at once: the unconditional branch that guidance leans against."""
    latent_drop: float = 0.1
    """Probability that a stream at one residual level is hidden in the whole noisy plan: what guidance may push apart
    must be danced from the other parts, too."""
    block_share: float = 0.0
    """Share of the loss that is of whole blocks without a past (``models.training.whole_blocks``), which the offline
    mode dances; 0 leaves them out, 0.25 is worth a try where a song shall be danced at once."""
    past_drop: float = 0.1
    """Probability that the whole past is hidden: what to dance must come from the leader, too."""
    decode_tokens: int = 4
    """Planned tokens whose frames are compared in metres."""
    decode_weight: float = 1.0
    level_weights: tuple[float, ...] = (2.0, 1.0)
    token_weights: tuple[float, ...] = (2.0, 1.6, 1.3, 1.1, 1.0, 0.8, 0.7, 0.6)
    """The first planned token is the one that is danced; tokens of longer plans weigh as the last one here."""
    least_weight: float = 0.4
    """Of the noisiest levels: a sampler of few calls starts, and nearly ends, there."""
    own_share: float = 0.5
    """Share of stretches whose history is the follower's own, once there are any."""
    carried: bool = False
    """Follow a few performances from step to step, their memory carried on, instead of drawing every stretch anew."""
    forget: float = 0.05
    """Probability that a carried memory begins anew."""
    references: float = 0.0
    """Probability that a window is shown what the bank holds for its moment; 0 trains without a bank."""
    reference_noise: float = 0.3
    """Greatest standard deviation of the noise on references; drawn anew for every window."""
    leak: float = 0.05
    """Of the root integration that the standing losses walk with."""
    ema: float = 0.999

    def __post_init__(self) -> None:
        share, some, weight = (0.0, 1.0), (1, math.inf), (0.0, math.inf)
        check_bounds(
            "how", self, stretches=some, stretch_tokens=some, windows=some, draws=some, decode_tokens=some,
            learning_rate=weight, last_learning_rate=weight, warmup_steps=some, weight_decay=weight,
            dropout=(0.0, 0.99), history_noise=weight, leader_noise=weight, reference_noise=weight, drop=share,
            blind=share, latent_drop=share, block_share=share, past_drop=share, decode_weight=weight,
            level_weights=weight, token_weights=weight, least_weight=weight, own_share=share, forget=share,
            references=share, leak=share, ema=(0.0, 0.999999),
        )  # fmt: skip


def plan_loss(
    follower: Follower, batch: Batch, how: DenoiserTraining, values: Tensor | None = None
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one batch and its parts by name. ``values`` (R, L): the tokens of the bank, if there is one."""
    config, rows = follower.config, len(batch.at)
    past, conditions = told(follower, batch, how, values)
    blind = torch.rand(rows) < how.blind
    drop = Drop(*(((torch.rand(rows) < p) | blind).float() for p in how.drop))
    context = follower.denoiser.prepare(past, conditions, drop)

    target = repeated(batch.target, how.draws)
    schedule = alpha_bar(config.steps)
    t = _levels(len(target), config.plan, config.steps)
    noisy = add_noise(target, t, torch.randn_like(target), schedule)
    latent_drop = (torch.rand(len(target), len(STREAMS), config.codec.residuals) < how.latent_drop).float()
    many_contexts, many_conditions = context.repeated(how.draws), conditions.repeated(how.draws)
    made = follower.denoiser.step(noisy, t.float(), many_contexts, many_conditions, latent_drop).float()

    weights = loss_weights(t, schedule).clamp(min=how.least_weight)
    weighed = weights * token_importance(how, weights, config.plan)
    latent = latent_loss(made, target, weighed, how.level_weights)
    with exact(made.device):
        parts = _decoded_loss(follower, batch, past, made[:rows], weights[:rows, 0], how)
    loss = latent + how.decode_weight * torch.stack(list(parts.values())).sum()
    return loss, {"latent": float(latent.detach()), **{k: float(v.detach()) for k, v in parts.items()}}


def token_importance(how: DenoiserTraining, like: Tensor, plan: int) -> Tensor:
    """(F,) how much each of ``plan`` tokens weighs, 1 on average, of the kind and on the device of ``like``."""
    given = how.token_weights
    weights = like.new_tensor([given[min(token, len(given) - 1)] for token in range(plan)])
    return weights / weights.mean()


def told(
    follower: Follower, batch: Batch, how: DenoiserTraining, values: Tensor | None = None
) -> tuple[Tensor, Conditions]:
    """Committed tokens (B, P, L) and conditions of every window, with the noise and the gaps that training adds."""
    history = _noisy_history(batch, how)
    with exact(history.device):
        remembered = _remember(follower, batch, history)
    past = _past_of(history, batch, follower.config.past)
    past = past * (torch.rand(len(past), 1, 1) >= how.past_drop)
    leader = _noisy_leader(follower, batch.leader, how)
    return past, Conditions(
        leader, batch.flags, batch.music, batch.place, batch.style, remembered, *_references(batch, values, how)
    )


def _levels(rows: int, plan: int, steps: int) -> Tensor:
    """(rows, F): a third of general levels, the rest one level for the whole plan, half of those at the very top."""
    shared = torch.randint(0, steps, (rows, 1))
    shared = torch.where(torch.rand(rows, 1) < 0.5, steps - 1, shared).expand(-1, plan)
    return torch.where(torch.rand(rows, 1) < 0.33, draw_levels(rows, plan, steps), shared)


def _noisy_history(batch: Batch, how: DenoiserTraining) -> Tensor:
    """History (S, K, L) with noise of a random strength per stretch; a quarter of the stretches stay clean."""
    strength = how.history_noise * torch.rand(len(batch.history), 1, 1) * (torch.rand(len(batch.history), 1, 1) > 0.25)
    return batch.history + strength * torch.randn_like(batch.history)


def _noisy_leader(follower: Follower, leader: Tensor, how: DenoiserTraining) -> Tensor:
    """Leader windows (B, W, f * 72) with noise of a random strength per window; the confidence stays."""
    f, config = follower.config.token_frames, follower.config
    spread = follower.denoiser.conditions.leader_norm.spread.clone()
    spread[LEADER_CONFIDENCE] = 0.0
    rows = len(leader)
    strength = how.leader_noise * torch.rand(rows, 1, 1, 1)
    noise = torch.randn(rows, 1, 1, config.leader_width) + torch.randn(rows, config.window, f, config.leader_width)
    return leader + (strength * noise * spread).flatten(2)


def _references(batch: Batch, values: Tensor | None, how: DenoiserTraining) -> tuple[Tensor, Tensor]:
    """Reference (B, F, L) and flag (B, 1) of every window: zeros where it is shown none."""
    plan = torch.zeros_like(batch.target)
    if values is None or batch.reference is None or how.references <= 0.0:
        return plan, plan[:, 0, :1]
    rows = batch.reference
    shown = (rows >= 0) & (torch.rand(len(rows)) < how.references)
    reference = values[rows.clamp(min=0)[:, None] + torch.arange(plan.shape[1])].float()
    strength = how.reference_noise * torch.rand(len(rows), 1, 1)
    reference = (reference + strength * torch.randn_like(reference)) * shown[:, None, None]
    return reference, shown[:, None].float()


def _remember(follower: Follower, batch: Batch, history: Tensor) -> Tensor:
    """(B, M) what the memory says at each window's tick."""
    said, _ = _scan(follower, batch, history)
    return said[batch.stretch, batch.at]


@torch.no_grad()
def remembered_after(follower: Follower, batch: Batch) -> MemoryState:
    """What the memory holds after the stretches of ``batch``: where the next ones may begin."""
    return _scan(follower, batch, batch.history)[1]


def _scan(follower: Follower, batch: Batch, history: Tensor) -> tuple[Tensor, MemoryState]:
    """The memory over the stretches: what it says (S, K, M) at each tick, and its state after the last."""
    first = torch.zeros_like(history[:, :1]) if batch.lead_in is None else batch.lead_in[:, -1:]
    before = torch.cat([first, history[:, :-1]], dim=1)
    tokens = follower.memory.tokens(before, batch.leader_now, batch.flags_now, batch.music_now, batch.style_run)
    state = follower.memory.initial_state(len(history))
    if batch.memory_conv is not None and batch.memory_ssm is not None:
        state = MemoryState(batch.memory_conv, batch.memory_ssm)
    return follower.memory(tokens, state)


def _past_of(history: Tensor, batch: Batch, past: int) -> Tensor:
    """(B, P, L) the committed tokens before each window; before the stretch what led in, or zeros as on entering."""
    lead_in = history.new_zeros(len(history), past, history.shape[2]) if batch.lead_in is None else batch.lead_in
    padded = torch.cat([lead_in, history], dim=1)
    return padded[batch.stretch[:, None], batch.at[:, None] + torch.arange(past)]


def _decoded_loss(
    follower: Follower, batch: Batch, past: Tensor, made: Tensor, weight: Tensor, how: DenoiserTraining
) -> dict[str, Tensor]:
    """Frame losses of the first planned tokens, decoded after a little past."""
    codec, n = follower.codec, how.decode_tokens
    made_frames = codec.decode_after(past, made[:, :n])
    real_frames = batch.frames[:, : made_frames.shape[1]]
    terms = frame_losses(made_frames, real_frames, codec.frame_norm, weight)
    walk = {"fps": follower.config.fps, "leak": how.leak}
    return terms | standing_losses(made_frames, real_frames, batch.before, batch.place, **walk)


def own_dances(
    follower: Follower,
    sequences: list[Sequence],
    targets: list[Tensor],
    rng: np.random.Generator,
    *,
    count: int,
    ticks: int,
    leak: float,
    sampler: SamplerConfig,
    bank: Bank | None = None,
) -> list[Item]:
    """Items whose history the follower danced itself beside leaders of ``sequences``; targets stay the real ones.

    With a ``bank`` it is shown references, but never those of the couple it dances with.
    """
    config, f = follower.config, follower.config.token_frames
    long_enough = [i for i, s in enumerate(sequences) if s.tokens > ticks + config.plan]
    chosen = rng.choice(long_enough, count)
    begins = [int(rng.integers(0, sequences[i].tokens - ticks - config.plan)) for i in chosen]
    takes = []
    for i, begin in zip(chosen, begins, strict=True):
        sequence, first = sequences[i], begin * f
        # Mostly near where the real follower was; sometimes at the wished place, as on entering the stage.
        spread = rng.normal(size=3) * np.array([0.1, 0.0, 0.1])
        near = Standing(sequence.stands_m[first] + spread, float(sequence.yaw_rad[first]) + 0.2 * rng.normal())
        entrance = None if rng.uniform() < 0.25 else near
        takes.append(sequence.take.slice(first, (begin + ticks) * f, entrance))
    delays = rng.integers(2, 6, (ticks, count))
    barred = None if bank is None else [barred_of(bank, sequences[i].name) for i in chosen]
    danced = dance(
        TorchPartner(follower, sampler, bank, barred), takes, leak=leak, delay_frames=list(delays),
        seeds=[int(s) for s in rng.integers(0, 2**31, count)], keep_tail=tail_tokens(config),
    )  # fmt: skip
    items = []
    for i, begin, take, own in zip(chosen, begins, takes, danced, strict=True):
        stretch = slice(begin, begin + ticks)
        part = _stretch_of(sequences[i], take, begin, ticks, f)
        seen = {"leader": own.leader, "music": own.music, "flags": own.leader_flags, "place": own.place}
        followed = None if bank is None else own.references
        items.append(make_item(part, targets[i][stretch], config, (torch.from_numpy(own.latents), seen), followed))
    return items


def _stretch_of(s: Sequence, take: Take, begin: int, ticks: int, per_token: int) -> Sequence:
    """``ticks`` tokens of ``s`` beside the leader of ``take``, which was cut from it: as danced, they begin there."""
    tokens, frames = slice(begin, begin + ticks), slice(begin * per_token, (begin + ticks) * per_token)
    return Sequence(
        s.name, s.frames[frames], measured_leader(take, per_token), s.music[tokens], s.leader_tail[tokens],
        s.music_tail[tokens], s.flags_tail[tokens], s.place[tokens], s.stands_m[frames], s.yaw_rad[frames], take,
    )  # fmt: skip
