"""The first stage: the codec learns to say a follower's motion in tokens and back."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from duet.errors import InputError
from duet.features import FOLLOWER_ROOT, ROOT_PLACE, ROOT_VELOCITY
from models.bounds import check_bounds
from models.codec import Codec, Masking
from models.config import FollowerConfig
from models.data.sequences import Sequence
from models.training.averaging import AveragedWeights
from models.training.checkpoint import load_checkpoint, save_checkpoint
from models.training.losses import frame_losses, position_error_mm
from models.training.precision import unrounded

CODEC_CHECKPOINT = "codec-checkpoint.safetensors"

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class CodecTraining:
    """What the first stage can be tuned by."""

    window_frames: int = 96
    batch: int = 48
    """Windows a step."""
    learning_rate: float = 1e-3
    """At its peak: it rises for the first twentieth of the steps and falls for the rest."""
    weight_decay: float = 1e-4
    ema: float = 0.998
    """Of the averaged weights, which are those kept."""
    root_weight: float = 3.0
    """Of the root stream's features: where the follower stands and goes decides about place and about feet."""
    smoothness: float = 0.3
    """Of the squared change of the first level's codes from token to token. Without it codes come out like a hash of
    the motion: as exact, but hardly to be foreseen by a denoiser, even where the motion is."""
    masking: Masking = Masking()

    def __post_init__(self) -> None:
        weight = (0.0, math.inf)
        check_bounds(
            "codec", self, window_frames=(8, math.inf), batch=(1, math.inf), learning_rate=weight, weight_decay=weight,
            ema=(0.0, 0.999999), root_weight=weight, smoothness=weight,
        )  # fmt: skip


def train_codec(
    config: FollowerConfig,
    train: list[Sequence],
    validation: list[Sequence],
    *,
    steps: int,
    seed: int,
    report: Report,
    report_every: int = 100,
    how: CodecTraining | None = None,
    folder: Path | None = None,
    device: torch.device | str = "cpu",
) -> Codec:
    """A codec fitted to the followers of ``train``, with averaged weights and its latents normalised; on the CPU.

    With a ``folder`` it leaves a checkpoint there at every report, and goes on from one that it finds. It computes in
    float32 on any device: a code next to a rounding tie must not hang on the precision.
    """
    how = how or CodecTraining()
    unrounded(device)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    frames = [torch.as_tensor(s.frames).to(device) for s in train]
    codec = Codec(config.codec)
    everything = torch.cat([f.cpu() for f in frames])[:, : sum(config.codec.stream_widths)]
    codec.frame_norm.set(everything.mean(0), everything.std(0))
    codec.to(device)
    averaged = AveragedWeights(codec, how.ema)
    optimiser = torch.optim.AdamW(codec.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    first, spent_s = 1, 0.0
    if folder is not None and (folder / CODEC_CHECKPOINT).is_file():
        numbers = load_checkpoint(folder, codec, averaged, optimiser, rng, file=CODEC_CHECKPOINT)
        first, spent_s = int(numbers["step"]) + 1, float(numbers["seconds"])
    started = time.monotonic() - spent_s
    for step in range(first, steps + 1):
        _pace(optimiser, step - 1, steps, how)
        terms = _learn(codec, optimiser, windows(frames, rng, how), how)
        averaged.update(codec)
        if step % report_every == 0 or step == steps:
            seconds = time.monotonic() - started
            if folder is not None:
                state = {"step": step, "seconds": seconds}
                save_checkpoint(folder, codec, averaged, optimiser, rng, state, file=CODEC_CHECKPOINT)
            numbers = {name: float(term) for name, term in terms.items()}
            report({"step": step, "seconds": seconds, **numbers, **measure_codec(averaged.model, validation)})
    codec = averaged.model
    normalise_latents(codec, frames)
    return codec.cpu()


def _learn(codec: Codec, optimiser: torch.optim.Optimizer, real: Tensor, how: CodecTraining) -> dict[str, Tensor]:
    """One step on windows (B, T, 145); the losses by name."""
    made, codes = codec(real, how.masking)
    terms = frame_losses(made, real, codec.frame_norm)
    terms["root"] = how.root_weight * terms["root"]
    terms["smoothness"] = how.smoothness * codes[..., 0, :].diff(dim=1).square().mean()
    optimiser.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
    optimiser.step()
    return {name: term.detach() for name, term in terms.items()}


def _pace(optimiser: torch.optim.Optimizer, done: int, steps: int, how: CodecTraining) -> None:
    """Learning rate and momentum after ``done`` of ``steps`` steps: one cycle (Smith 2018, arXiv 1803.09820).

    As ``torch.optim.lr_scheduler.OneCycleLR``, but a function of the step alone: nothing of it has to be kept.
    """
    top = 0.05 * steps - 1.0
    if done <= top:
        height = _eased(done / max(top, 1e-9))
        low = how.learning_rate / 25.0
    else:
        height = _eased((steps - 1 - done) / max(steps - 1 - top, 1e-9))
        low = how.learning_rate / 25.0 / 1e4
    for group in optimiser.param_groups:
        group["lr"] = low + height * (how.learning_rate - low)
        group["betas"] = (0.95 - 0.1 * height, group["betas"][1])


def _eased(share: float) -> float:
    return 0.5 * (1.0 - math.cos(math.pi * min(max(share, 0.0), 1.0)))


@torch.no_grad()
def normalise_latents(codec: Codec, frames: list[Tensor]) -> None:
    """Give the latents of ``frames`` (T, 145) zero mean, and unit variance to the first residual level.

    The levels above keep their true size beside the first: what rounding leaves is noise to a denoiser, and blown up
    to unit variance it would be sampled as such.
    """
    codec.latent_norm.set(torch.zeros_like(codec.latent_norm.mean), torch.ones_like(codec.latent_norm.spread))
    latents = torch.cat([codec.encode(f[None])[0] for f in frames])
    shape = (len(codec.config.stream_widths), codec.config.residuals, -1)
    spread = latents.std(0).unflatten(0, shape)[:, :1] / codec.quantizer.scales.to(latents)
    codec.latent_norm.set(latents.mean(0), spread.flatten())


@torch.no_grad()
def measure_codec(codec: Codec, sequences: list[Sequence]) -> dict[str, float]:
    """Error of whole sequences: joints and place in millimetres, root velocity in m/s; share of grid points in use."""
    joints, places, velocities, used = [], [], [], []
    for sequence in sequences:
        real = torch.as_tensor(sequence.frames).to(codec.frame_norm.mean)[None]
        made, codes = codec(real)
        joints.append(float(position_error_mm(made, real)))
        gap = (made - real)[..., FOLLOWER_ROOT]
        places.append(1000.0 * float(gap[..., ROOT_PLACE].norm(dim=-1).mean()))
        velocities.append(float(gap[..., ROOT_VELOCITY].norm(dim=-1).mean()))
        used.append(codec.quantizer.indices(codes)[0].cpu())
    indices = torch.cat(used).flatten(1)
    points = codec.quantizer.points.long().repeat(indices.shape[1] // len(codec.quantizer.points))
    seen = sum(len(indices[:, i].unique()) for i in range(indices.shape[1]))
    in_use = seen / float((points + 1).sum())
    return {
        "val_mm": float(np.mean(joints)),
        "val_place_mm": float(np.mean(places)),
        "val_root_m_s": float(np.mean(velocities)),
        "codes_used": in_use,
    }


def windows(frames: list[Tensor], rng: np.random.Generator, how: CodecTraining) -> Tensor:
    """(batch, window_frames, 145) random stretches, long sequences more often, at any frame."""
    length = how.window_frames
    starts = np.array([max(0, len(f) - length + 1) for f in frames], dtype=float)
    if not starts.sum():
        longest = max((len(f) for f in frames), default=0)
        raise InputError(
            f"codec.window_frames: expected no more frames than the longest dance has ({longest}), got {length}. "
            "Give longer dances, or a shorter window."
        )
    chosen = rng.choice(len(frames), how.batch, p=starts / starts.sum())
    begins = [int(rng.integers(0, len(frames[i]) - length + 1)) for i in chosen]
    return torch.stack([frames[i][s : s + length] for i, s in zip(chosen, begins, strict=True)])
