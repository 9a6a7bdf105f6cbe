"""The codec: shapes, causality by gradients, masking, normalisation."""

import pytest
import torch

from models.codec import TOKEN_FRAMES, Codec, Masking, mask_codes
from models.config import CodecConfig

TINY = CodecConfig(channels=(16, 12, 8), dilations=(1, 2), groups=1)


@pytest.fixture
def codec() -> Codec:
    torch.manual_seed(0)
    codec = Codec(TINY)
    codec.frame_norm.set(torch.randn(141) * 0.3, torch.rand(141) + 0.2)
    codec.latent_norm.set(torch.randn(TINY.latent_width) * 0.1, torch.rand(TINY.latent_width) + 0.3)
    return codec


def test_shapes(codec: Codec):
    latents = codec.encode(torch.randn(2, 24, 145))
    assert latents.shape == (2, 6, TINY.latent_width)
    assert codec.decode(latents).shape == (2, 24, 145)
    frames, codes = codec(torch.randn(2, 24, 145))
    assert frames.shape == (2, 24, 145) and codes.shape == (2, 6, 3, 2, 4)


def test_a_take_of_odd_length_is_refused(codec: Codec):
    with pytest.raises(ValueError, match="multiple of 4 frames, got 23"):
        codec.encode(torch.randn(1, 23, 145))


@pytest.mark.parametrize("token", [0, 3, 7])
def test_encoder_is_causal_by_gradient(codec: Codec, token: int):
    frames = torch.randn(1, 32, 145, requires_grad=True)
    (gradient,) = torch.autograd.grad(codec.encode(frames)[0, token].sum(), frames)
    after = gradient[0, (token + 1) * TOKEN_FRAMES :]
    assert torch.count_nonzero(after) == 0
    assert torch.count_nonzero(gradient[0, (token + 1) * TOKEN_FRAMES - 1]) > 0


@pytest.mark.parametrize("frame", [0, 3, 4, 18])
def test_decoder_is_causal_by_gradient(codec: Codec, frame: int):
    latents = torch.randn(1, 8, TINY.latent_width, requires_grad=True)
    (gradient,) = torch.autograd.grad(codec.decode(latents)[0, frame].sum(), latents)
    own = frame // TOKEN_FRAMES
    assert torch.count_nonzero(gradient[0, own + 1 :]) == 0
    assert torch.count_nonzero(gradient[0, own]) > 0


def test_every_stream_decodes_from_its_own_latents_only(codec: Codec):
    latents = torch.randn(1, 4, TINY.latent_width, requires_grad=True)
    (gradient,) = torch.autograd.grad(codec.decode(latents)[..., :78].sum(), latents)
    third = TINY.latent_width // 3
    assert torch.count_nonzero(gradient[..., :third]) > 0
    assert torch.count_nonzero(gradient[..., third:]) == 0


def test_frames_come_back_in_data_units(codec: Codec):
    """A decoder that says nothing (zero heads) gives the data's mean."""
    for head in codec.heads:
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    frames = codec.decode(torch.randn(1, 3, TINY.latent_width))
    torch.testing.assert_close(frames[0, :, :141], codec.frame_norm.mean.expand(12, -1))


def test_masking_drops_levels_but_never_the_base():
    torch.manual_seed(1)
    codes = torch.ones(400, 2, 3, 2, 4)
    masked = mask_codes(codes, Masking(level_drop=0.5, code_drop=0.0, noise=0.0))
    assert torch.equal(masked[:, :, :, 0], codes[:, :, :, 0])
    kept = masked[:, :, :, 1].mean()
    assert 0.4 < kept < 0.6
    # A level is lost for a whole stream of a sample, not token by token.
    assert torch.equal(masked[:, 0], masked[:, 1])


def test_masking_drops_single_codes():
    torch.manual_seed(1)
    masked = mask_codes(torch.ones(50, 8, 3, 2, 4), Masking(level_drop=0.0, code_drop=0.25, noise=0.0))
    assert 0.7 < masked.mean() < 0.8


def test_codec_learns_a_little():
    """A few steps on one smooth signal at least halve its error: encoder, quantiser and decoder pass gradients."""
    torch.manual_seed(2)
    codec = Codec(TINY)
    time = torch.linspace(0, 6.28, 32)[None, :, None]
    frames = torch.sin(time + torch.rand(8, 1, 1) * 6.28 + torch.linspace(0, 1, 145))
    optimiser = torch.optim.Adam(codec.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = (codec(frames)[0][..., :141] - frames[..., :141]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
