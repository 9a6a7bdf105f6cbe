"""The first stage: the codec learns to say a follower's motion in tokens and back."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from duet.features import FOLLOWER_ROOT, ROOT_PLACE
from models.codec import Codec, Masking
from models.config import FollowerConfig
from models.data.sequences import Sequence
from models.training.averaging import AveragedWeights
from models.training.losses import frame_losses, position_error_mm

WINDOW_FRAMES = 96
BATCH = 48
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-4
EMA = 0.998

Report = Callable[[dict[str, float]], None]


def train_codec(
    config: FollowerConfig,
    train: list[Sequence],
    validation: list[Sequence],
    *,
    steps: int,
    seed: int,
    report: Report,
    report_every: int = 100,
) -> Codec:
    """A codec fitted to the followers of ``train``, with averaged weights and its latents normalised."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    frames = [torch.as_tensor(s.frames) for s in train]
    codec = Codec(config.codec)
    everything = torch.cat(frames)[:, : sum(config.codec.stream_widths)]
    codec.frame_norm.set(everything.mean(0), everything.std(0))
    averaged = AveragedWeights(codec, EMA)
    optimiser = torch.optim.AdamW(codec.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.05)
    started = time.monotonic()
    for step in range(1, steps + 1):
        real = _windows(frames, rng)
        made, _ = codec(real, Masking())
        terms = frame_losses(made, real, codec.frame_norm)
        loss = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        averaged.update(codec)
        if step % report_every == 0 or step == steps:
            numbers = {name: float(term.detach()) for name, term in terms.items()}
            numbers |= measure_codec(averaged.model, validation)
            report({"step": step, "seconds": time.monotonic() - started, **numbers})
    codec = averaged.model
    normalise_latents(codec, frames)
    return codec


@torch.no_grad()
def normalise_latents(codec: Codec, frames: list[Tensor]) -> None:
    """Give the latents of ``frames`` (T, 145) zero mean and unit variance."""
    codec.latent_norm.set(torch.zeros_like(codec.latent_norm.mean), torch.ones_like(codec.latent_norm.spread))
    latents = torch.cat([codec.encode(f[None])[0] for f in frames])
    codec.latent_norm.set(latents.mean(0), latents.std(0))


@torch.no_grad()
def measure_codec(codec: Codec, sequences: list[Sequence]) -> dict[str, float]:
    """Reconstruction error of whole sequences: joints in millimetres, place in millimetres, share of codes in use."""
    joints, places, used = [], [], []
    for sequence in sequences:
        real = torch.as_tensor(sequence.frames)[None]
        made, codes = codec(real)
        joints.append(float(position_error_mm(made, real)))
        gap = (made - real)[..., FOLLOWER_ROOT][..., ROOT_PLACE]
        places.append(1000.0 * float(gap.norm(dim=-1).mean()))
        used.append(codec.quantizer.indices(codes)[0])
    indices = torch.cat(used).flatten(1)
    points = codec.quantizer.points.long().repeat(indices.shape[1] // len(codec.quantizer.points))
    seen = sum(len(indices[:, i].unique()) for i in range(indices.shape[1]))
    in_use = seen / float((points + 1).sum())
    return {"val_mm": float(np.mean(joints)), "val_place_mm": float(np.mean(places)), "codes_used": in_use}


def _windows(frames: list[Tensor], rng: np.random.Generator) -> Tensor:
    """(BATCH, WINDOW_FRAMES, 145) random stretches, long sequences more often, at any frame."""
    lengths = np.array([max(0, len(f) - WINDOW_FRAMES) for f in frames], dtype=float)
    chosen = rng.choice(len(frames), BATCH, p=lengths / lengths.sum())
    starts = [int(rng.integers(0, len(frames[i]) - WINDOW_FRAMES)) for i in chosen]
    return torch.stack([frames[i][s : s + WINDOW_FRAMES] for i, s in zip(chosen, starts, strict=True)])
