"""Layer-decoupled guidance: its formula per stream and level, zero as if not there, folded into a network."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from models.conditions import Conditions, Drop
from models.config import STREAMS, XS, SamplerConfig
from models.follower import DenoiseRole, Follower, grown, random_follower
from models.guidance import guide

FOLDED = replace(XS, denoiser=replace(XS.denoiser, folded_guidance=True))
PARTS = list(product(range(len(STREAMS)), range(XS.codec.residuals)))


def one_call(seed: int = 0) -> Follower:
    return random_follower(replace(XS, sampler=SamplerConfig("ddim", 1)), seed)


def tensors(follower: Follower, batch: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = follower.input_shapes() | {name: tuple(v.shape) for name, v in follower.initial_state().items()}
    made = {name: torch.randn((batch, *shape[1:]), generator=generator) for name, shape in shapes.items()}
    return made | {"memory": torch.randn(batch, follower.config.memory.width, generator=generator)}


def part_of(stream: int, level: int) -> torch.Tensor:
    """(L,) whether a latent's dimension belongs to this stream and level."""
    mask = torch.zeros(len(STREAMS), XS.codec.residuals, XS.codec.code_width, dtype=torch.bool)
    mask[stream, level] = True
    return mask.flatten()


@torch.no_grad()
def plan(follower: Follower, given: dict[str, torch.Tensor], guidance: torch.Tensor, *, guided: bool = True):
    role = DenoiseRole(follower.denoiser, follower.config, guided=guided)
    return role(*(guidance if name == "guidance" else given[name] for name in role.inputs))[1]


@pytest.mark.parametrize(("stream", "level"), PARTS)
def test_each_stream_and_level_follows_its_own_scale(stream: int, level: int):
    conditional, unconditional = torch.randn(2, 4, XS.latent_width), torch.randn(2, 4, XS.latent_width)
    scales = torch.rand(2, len(STREAMS), XS.codec.residuals)
    part = part_of(stream, level)
    s = scales[:, stream, level, None, None]
    expected = (1 + s) * conditional[..., part] - s * unconditional[..., part]
    assert torch.equal(guide(conditional, unconditional, scales)[..., part], expected)


@pytest.mark.parametrize("kind", ["ddim", "dpm", "pipelined"])
def test_zero_guidance_is_the_conditional_dance_to_the_last_bit(kind: str):
    """Whatever the unconditional branch says: its weights are those of another network here."""
    follower = random_follower(replace(XS, sampler=SamplerConfig(kind, 3)))  # type: ignore[arg-type]
    given, zero = tensors(follower), torch.zeros(1, 3, 2)
    before = plan(follower, given, zero)
    with torch.no_grad():
        for null in (follower.denoiser.conditions.no_leader, follower.denoiser.conditions.no_music):
            null.normal_(std=5.0)
    assert torch.equal(plan(follower, given, zero), before)
    assert not torch.equal(plan(follower, given, zero + 0.5), before)
    torch.testing.assert_close(plan(follower, given, zero, guided=False), before, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("stream", "level"), PARTS)
def test_a_scale_changes_only_its_part_of_a_plan_of_one_call(stream: int, level: int):
    """With more calls it reaches the rest, through the network, as it should."""
    follower = one_call()
    given, scales = tensors(follower), torch.zeros(1, 3, 2)
    before = plan(follower, given, scales)
    scales[0, stream, level] = 1.0
    after, part = plan(follower, given, scales), part_of(stream, level)
    assert torch.equal(after[..., ~part], before[..., ~part])
    assert (after[..., part] - before[..., part]).abs().max() > 1e-3


def test_guiding_the_root_moves_the_root_stream_alone():
    follower = one_call()
    given, scales = tensors(follower), torch.zeros(1, 3, 2)
    before = plan(follower, given, scales)
    scales[0, STREAMS.index("root")] = 1.0
    changed = (plan(follower, given, scales) != before)[0].any(dim=0).view(len(STREAMS), -1)
    assert changed.any(dim=1).tolist() == [name == "root" for name in STREAMS]


def test_hidden_parts_of_a_plan_are_hidden_from_a_tick_too():
    """``step`` with a drop == ``forward`` with the same: training's way to the loss hides what training's drop says."""
    follower = random_follower(XS)
    denoiser, given = follower.denoiser, tensors(follower)
    conditions = Conditions(*(given[name] for name in Conditions._fields))
    kept = Drop(*(torch.zeros(1) for _ in range(3)))
    hidden = torch.tensor([[[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]])
    t = torch.full((1, XS.plan), 400.0)
    with torch.no_grad():
        context = denoiser.prepare(given["past"], conditions, kept)
        made = denoiser.step(given["noise"], t, context, conditions, hidden)
        window, levels = torch.cat([given["past"], given["noise"]], 1), torch.cat([torch.zeros(1, XS.past), t], 1)
        expected = denoiser(window, levels, conditions, kept._replace(latent=hidden), past=XS.past)
        plain = denoiser.step(given["noise"], t, context, conditions)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(made, plain, atol=1e-3)


def test_a_follower_that_folds_guidance_begins_as_the_one_it_came_from():
    follower = random_follower(XS)
    student = grown(follower, FOLDED)
    given = tensors(follower)
    asked = torch.rand(1, 3, 2)
    assert torch.equal(plan(student, given, asked), plan(follower, given, 0 * asked, guided=False))


def test_folded_guidance_of_zero_is_the_conditional_dance_whatever_was_learned():
    follower = random_follower(FOLDED)
    given, asked = tensors(follower), torch.rand(1, 3, 2)
    zero = plan(follower, given, 0 * asked)
    assert not torch.equal(plan(follower, given, asked), zero)
    with torch.no_grad():
        assert follower.denoiser.folded is not None
        follower.denoiser.folded.out.weight.normal_()
    assert torch.equal(plan(follower, given, 0 * asked), zero)
