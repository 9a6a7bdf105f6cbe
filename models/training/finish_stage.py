"""The last touches to a trained follower that leave what it learned as it is: a sharper decoder under the same codes.

The denoiser speaks in the latents of the encoder. With that frozen, the decoder alone may go on learning: how bodies
move between two tokens and how feet stand, which the first stage, in a hurry to find good codes, leaves blurred.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from duet.errors import InputError
from models.codec import Codec
from models.data.sequences import Sequence
from models.training.averaging import AveragedWeights
from models.training.codec_stage import measure_codec
from models.training.losses import frame_losses

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Sharpening:
    """How the decoder goes on learning."""

    steps: int = 1200
    window_tokens: int = 24
    batch: int = 48
    """Windows a step."""
    learning_rate: float = 6e-4
    """At the first step; it falls to nothing along a half cosine."""
    ema: float = 0.995
    """Of the averaged weights, which are those kept."""
    noise: float = 0.06
    """Standard deviation of the noise on the codes, which lie in [-1, 1]: a denoiser's are never exact."""
    root_weight: float = 3.0
    acceleration_weight: float = 12.0
    """Per metre and frame squared: what is blurred most is what changes fastest."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.window_tokens < 2:
            raise InputError(
                f"Sharpening: expected at least 1 step, 1 window and 2 tokens, got {self.steps}, {self.batch} and "
                f"{self.window_tokens}. Raise them."
            )


def sharpen(
    codec: Codec,
    train: list[Sequence],
    validation: list[Sequence],
    how: Sharpening,
    *,
    seed: int = 0,
    report: Report = lambda _: None,
    report_every: int = 100,
) -> Codec:
    """``codec`` with a decoder that learned on; its encoder, its codes and its latents are the same to the bit."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    averaged = AveragedWeights(codec, how.ema)
    learning = [p for part in (codec.decoders, codec.heads, codec.contact_head) for p in part.parameters()]
    known = [known for s in train if len((known := _known(codec, s)).codes) > how.window_tokens]
    if not known:
        raise InputError(
            f"Sharpening: expected dances longer than {how.window_tokens} tokens, got none. Give longer ones."
        )
    optimiser = torch.optim.AdamW(learning, how.learning_rate, weight_decay=1e-4)
    codec.requires_grad_(False)
    for parameter in learning:
        parameter.requires_grad_(True)
    report({"step": 0, **measure_codec(averaged.model, validation)})
    for step in range(1, how.steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = how.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - 1) / how.steps))
        codes, real = _draw(known, how, rng)
        loss = _loss(codec, codes + how.noise * torch.randn_like(codes), real, how)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        averaged.update(codec)
        if step % report_every == 0 or step == how.steps:
            report({"step": step, "loss": float(loss.detach()), **measure_codec(averaged.model, validation)})
    return averaged.model


@dataclass(frozen=True)
class _Known:
    """A dance as the encoder says it."""

    codes: Tensor
    """(N, 3, R, D)."""
    frames: Tensor
    """(N, 4, 145)."""


@torch.no_grad()
def _known(codec: Codec, sequence: Sequence) -> _Known:
    frames = torch.from_numpy(sequence.frames)
    codes = codec.codes(frames[None])[0]
    return _Known(codes, frames.unflatten(0, (len(codes), -1)))


def _draw(known: list[_Known], how: Sharpening, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Codes (B, n, 3, R, D) and frames (B, 4 n, 145) of random stretches, long dances more often."""
    room = np.array([len(k.codes) - how.window_tokens for k in known], dtype=float)
    chosen = [known[i] for i in rng.choice(len(known), how.batch, p=room / room.sum())]
    begins = [int(rng.integers(0, len(k.codes) - how.window_tokens + 1)) for k in chosen]
    cuts = [(k, slice(b, b + how.window_tokens)) for k, b in zip(chosen, begins, strict=True)]
    return torch.stack([k.codes[c] for k, c in cuts]), torch.stack([k.frames[c].flatten(0, 1) for k, c in cuts])


def _loss(codec: Codec, codes: Tensor, real: Tensor, how: Sharpening) -> Tensor:
    made = codec.decode(codec.latent_norm(codes.flatten(2)))
    terms = frame_losses(made, real, codec.frame_norm, acceleration=how.acceleration_weight)
    terms["root"] = how.root_weight * terms["root"]
    return torch.stack(list(terms.values())).sum()
