"""The codec: shapes, causality by gradients, masking, normalisation."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from duet.features import FOLLOWER_ROOT, ROOT_PLACE, ROOT_VELOCITY, follower_rotations
from duet.kinematics import forward
from duet.skeleton import BODY
from models.codec import TOKEN_FRAMES, Codec, Masking, mask_codes
from models.config import CodecConfig
from models.training.codec_stage import measure_codec

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


def test_bones_are_exact_whatever_is_decoded(codec: Codec):
    """What is decoded are rotations: no latent, however wild, stretches a bone."""
    with torch.no_grad():
        frames = codec.decode(5.0 * torch.randn(1, 6, TINY.latent_width))[0].numpy()
    root = np.zeros((len(frames), 3), np.float32)
    joints, _ = forward(BODY, root, follower_rotations(frames, np.linspace(0.0, 3.0, len(frames))))
    lengths = np.linalg.norm(joints[:, 1:] - joints[:, list(BODY.parents[1:])], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(BODY.bone_lengths_m[1:], lengths.shape), atol=1e-5)


def test_error_of_place_and_of_velocity_are_told_apart(codec: Codec, monkeypatch: pytest.MonkeyPatch):
    """A codec that is 1 cm off in place and 0.3 m/s in speed says so."""
    frames = torch.randn(40, 145)
    off = torch.zeros(145)
    off[FOLLOWER_ROOT][ROOT_PLACE] = 0.01 / 2**0.5
    off[FOLLOWER_ROOT][ROOT_VELOCITY] = 0.3 / 3**0.5
    monkeypatch.setattr(Codec, "forward", lambda self, real: (real + off, self.codes(real)))
    found = measure_codec(codec, [SimpleNamespace(frames=frames.numpy())])  # type: ignore[list-item]
    assert found["val_place_mm"] == pytest.approx(10.0, rel=1e-3)
    assert found["val_root_m_s"] == pytest.approx(0.3, rel=1e-3)
    assert found["val_mm"] == pytest.approx(0.0, abs=0.1)
