"""The causal motion codec: follower features to latent tokens and back (HFSQ, hierarchical finite scalar quantisation).

Three streams (upper body, lower body, root), each with its own encoder, grouped residual quantiser and decoder, after
ReactDance (arXiv 2505.05589). Unlike there every convolution is causal, so that a committed frame never changes when
later tokens arrive. A token is ``token_frames = 4`` frames.

Glossary: B batch, T frames, N tokens (T = 4 N), C = 145 frame features (duet.features.FOLLOWER_*), L latent width,
R residual levels, D code dimensions of one stream at one level; L = 3 R D, laid out [stream][level][dimension].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks import CausalConv1d, Normaliser
from models.config import CodecConfig
from models.quantizer import GroupedResidualFSQ

RATES = (1, 2, 4)
"""Samples per token at each stage of the decoder; frames per token at the last."""
TOKEN_FRAMES = RATES[-1]
LEAD_IN = 8
"""Tokens of a past that are decoded before what follows it. The decoder looks back over 16: after 8 its frames are .7 %
of their spread off, after 4 they were 5 % (a salsa of the validation takes)."""


@dataclass(frozen=True)
class Masking:
    """Progressive masking for training: teaches the decoder to live with coarse, incomplete or noisy latents."""

    level_drop: float = 0.2
    """Probability that a stream of a sample loses its residual levels above the first."""
    code_drop: float = 0.03
    """Probability that one code dimension of one token is zeroed."""
    noise: float = 0.1
    """Standard deviation of the noise on the codes, which lie in [-1, 1]."""


class ResidualBlock(nn.Module):
    """x + conv1(silu(conv3(silu(x)))), causal."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.wide = CausalConv1d(channels, channels, 3, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, time) to the same shape."""
        return x + self.mix(F.silu(self.wide(F.silu(x))))

    def step(self, x: Tensor, cache: Tensor, commit: int) -> tuple[Tensor, Tensor]:
        """As ``CausalConv1d.step``."""
        wide, cache = self.wide.step(F.silu(x), cache, commit)
        return x + self.mix(F.silu(wide)), cache


class StreamEncoder(nn.Sequential):
    """(B, features, T) to (B, D, N): two strided stages, each with residual blocks."""

    def __init__(self, features: int, channels: int, codes: int, dilations: tuple[int, ...]) -> None:
        stages: list[nn.Module] = [CausalConv1d(features, channels, 3)]
        for _ in RATES[1:]:
            stages.append(CausalConv1d(channels, channels, 4, stride=2))
            stages += [ResidualBlock(channels, dilation) for dilation in dilations]
        super().__init__(*stages, nn.SiLU(), nn.Conv1d(channels, codes, 1))


class StreamDecoder(nn.Module):
    """(B, D, N) to hidden features (B, channels, 4 N): residual blocks at the token rate, then twice repeat and mix."""

    def __init__(self, codes: int, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for rate in RATES:
            # The last stage runs four times a token: one block is enough there.
            blocks = [ResidualBlock(channels, d) for d in (dilations if rate < TOKEN_FRAMES else dilations[:1])]
            self.stages.append(nn.ModuleList([CausalConv1d(codes if rate == 1 else channels, channels, 3), *blocks]))

    def cache_shapes(self) -> list[tuple[int, int]]:
        """(channels, samples) of every cache, in the order ``step`` uses them."""
        convolutions = [module for module in self.modules() if isinstance(module, CausalConv1d)]
        return [(conv.inputs, conv.history) for conv in convolutions]

    def step(self, z: Tensor, caches: Iterator[Tensor], commit: int) -> tuple[Tensor, list[Tensor]]:
        """Decode the tokens ``z`` that follow ``caches``; the new caches stand after ``commit`` tokens."""
        hidden, kept = z, []
        for rate, stage in zip(RATES, self.stages, strict=True):
            if rate > 1:
                hidden = hidden.repeat_interleave(2, dim=-1)
            for layer in stage:  # type: ignore[attr-defined]  # a ModuleList of layers with a step
                hidden, cache = layer.step(hidden, next(caches), commit * rate)
                kept.append(cache)
        return F.silu(hidden), kept


class Codec(nn.Module):
    """Encoder, quantiser and decoder of the three streams, with normalisation of frames and latents inside."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.frame_norm = Normaliser(sum(config.stream_widths))
        self.latent_norm = Normaliser(config.latent_width)
        self.quantizer = GroupedResidualFSQ(config.groups, config.levels, config.residuals)
        parts = list(zip(config.stream_widths, config.channels, strict=True))
        codes = config.code_width
        self.encoders = nn.ModuleList(StreamEncoder(w, c, codes, config.dilations) for w, c in parts)
        self.decoders = nn.ModuleList(StreamDecoder(codes, c, config.dilations) for _, c in parts)
        self.heads = nn.ModuleList(nn.Conv1d(c, w, 1) for w, c in parts)
        self.contact_head = nn.Conv1d(config.channels[1], config.contacts, 1)
        self.cache_shapes = [shape for decoder in self.decoders for shape in decoder.cache_shapes()]  # type: ignore[operator]
        self.cache_size = sum(channels * samples for channels, samples in self.cache_shapes)

    def codes(self, frames: Tensor) -> Tensor:
        """Frames (B, T, >= 141) to codes (B, N, 3, R, D) on the grid. T must be a multiple of 4."""
        if frames.shape[1] % TOKEN_FRAMES:
            got = frames.shape[1]
            raise ValueError(f"Codec: expected a multiple of {TOKEN_FRAMES} frames, got {got}. Cut the take.")
        widths = self.config.stream_widths
        streams = self.frame_norm(frames[..., : sum(widths)]).split(widths, dim=-1)
        coded = [
            self.quantizer(encoder(stream.transpose(1, 2)).transpose(1, 2))
            for encoder, stream in zip(self.encoders, streams, strict=True)
        ]
        return torch.stack(coded, dim=2)

    def encode(self, frames: Tensor) -> Tensor:
        """Frames (B, T, >= 141) to latents (B, N, L), unit variance over the training data. Causal."""
        return self.latent_norm(self.codes(frames).flatten(2))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, N, L) of a whole sequence to frames (B, 4 N, C); contacts are logits. Causal."""
        frames, _ = self.decode_step(latents, self.initial_cache(latents.shape[0]))
        return frames

    def decode_after(self, before: Tensor, latents: Tensor) -> Tensor:
        """Latents (B, n, L) that follow ``before`` (B, P, L) to frames (B, 4 n, C), in training: of what came before
        only the last ``LEAD_IN`` tokens are decoded with them."""
        lead = before[:, max(0, before.shape[1] - LEAD_IN) :]
        frames, _ = self.decode_step(torch.cat([lead, latents], dim=1), self.initial_cache(len(latents)))
        return frames[:, lead.shape[1] * TOKEN_FRAMES :]

    def forward(self, frames: Tensor, masking: Masking | None = None) -> tuple[Tensor, Tensor]:
        """For training: reconstructed frames (B, T, C) and the codes (B, N, 3, R, D) they came from."""
        codes = self.codes(frames)
        shown = codes if masking is None else mask_codes(codes, masking)
        reconstructed, _ = self._decode_codes(shown, self.initial_cache(frames.shape[0]), codes.shape[1])
        return reconstructed, codes

    def initial_cache(self, batch: int) -> Tensor:
        """The cache (B, cache_size) before the first token: zeros."""
        return self.frame_norm.mean.new_zeros(batch, self.cache_size)

    def decode_step(self, latents: Tensor, cache: Tensor, commit: int | None = None) -> tuple[Tensor, Tensor]:
        """Decode the next tokens (B, n, L) after ``cache`` (B, cache_size) to frames (B, 4 n, C).

        The new cache stands after the first ``commit`` tokens (all, unless given), so that a plan can be decoded
        whole while only its head is committed. Contacts are logits.
        """
        latents = self.latent_norm.inverse(latents)
        codes = latents.unflatten(-1, (len(self.config.stream_widths), self.config.residuals, -1))
        return self._decode_codes(codes, cache, latents.shape[1] if commit is None else commit)

    def _decode_codes(self, codes: Tensor, cache: Tensor, commit: int) -> tuple[Tensor, Tensor]:
        caches = iter(self._split_cache(cache))
        streams, kept = [], []
        contacts = None
        values = self.quantizer.combine(codes)
        for index, (decoder, head) in enumerate(zip(self.decoders, self.heads, strict=True)):
            hidden, after = decoder.step(values[:, :, index].transpose(1, 2), caches, commit)  # type: ignore[operator]
            streams.append(head(hidden))
            kept += after
            if index == 1:
                contacts = self.contact_head(hidden)
        assert contacts is not None
        frames = self.frame_norm.inverse(torch.cat(streams, dim=1).transpose(1, 2))
        return torch.cat([frames, contacts.transpose(1, 2)], dim=-1), torch.cat([c.flatten(1) for c in kept], dim=1)

    def _split_cache(self, cache: Tensor) -> list[Tensor]:
        sizes = [channels * samples for channels, samples in self.cache_shapes]
        return [
            part.unflatten(-1, shape) for part, shape in zip(cache.split(sizes, dim=-1), self.cache_shapes, strict=True)
        ]


def mask_codes(codes: Tensor, masking: Masking) -> Tensor:
    """Progressive masking of codes (B, N, 3, R, D): noise, dropped dimensions, dropped residual levels."""
    batch, _, streams, residuals, _ = codes.shape
    noisy = codes + masking.noise * torch.randn_like(codes)
    noisy = noisy * (torch.rand_like(codes) >= masking.code_drop)
    keep = torch.rand(batch, 1, streams, 1, 1, device=codes.device) >= masking.level_drop
    base = torch.arange(residuals, device=codes.device).view(1, 1, 1, -1, 1) == 0
    return noisy * (keep | base)
