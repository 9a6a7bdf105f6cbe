"""The denoiser: masks against their formulas, both paths equal, drops, guidance, what sees what."""

from dataclasses import replace

import pytest
import torch

from models.conditions import Conditions, Drop
from models.config import XS, FollowerConfig
from models.denoiser import HIDDEN, Denoiser, MaskKind, attention_mask, condition_mask
from models.follower import random_follower
from models.guidance import guide

ALL = replace(XS, denoiser=replace(XS.denoiser, mtmm=True, experts=True, music_context=True))
"""Everything that can be switched on."""


def conditions(config: FollowerConfig, batch: int = 2, plan: int | None = None) -> Conditions:
    c, frames = config, config.token_frames
    plan = c.plan if plan is None else plan
    return Conditions(
        leader=torch.randn(batch, c.window, frames * c.leader_width),
        leader_flag=torch.eye(3)[torch.randint(0, 3, (batch, c.window))],
        music=torch.randn(batch, c.window, frames * c.music_width),
        place=torch.randn(batch, c.place_width),
        style=torch.eye(c.style_width)[torch.zeros(batch, dtype=torch.long)],
        memory=torch.randn(batch, c.memory.width),
        reference=torch.randn(batch, plan, c.latent_width),
        reference_flag=torch.ones(batch, 1),
    )


def kept(batch: int = 2) -> Drop:
    return Drop(torch.zeros(batch), torch.zeros(batch), torch.zeros(batch))


def seen(mask: torch.Tensor) -> list[str]:
    assert set(mask.unique().tolist()) <= {0.0, HIDDEN}
    return ["".join("x" if value == 0 else "." for value in row) for row in mask]


def test_masks_are_their_formulas():
    assert seen(attention_mask("interval", 4, 0, block=2)) == ["xx..", "xx..", "..xx", "..xx"]
    assert seen(attention_mask("triangle_interval", 4, 0, block=2)) == ["x...", "xx..", "..x.", "..xx"]
    assert seen(attention_mask("live", 5, 3)) == ["x....", "xx...", "xxx..", "xxxxx", "xxxxx"]
    assert seen(condition_mask(4, 2, reach=1, extra=1)) == ["xx..x", "xxx.x", "xxxxx", "xxxxx"]
    assert seen(condition_mask(4, 0, 4, 1, 4, block=2)) == ["xx..xxx..", "xx..xxx..", "..xxx..xx", "..xxx..xx"]


def test_masks_of_sixty_tokens_against_the_formulas_token_by_token():
    """ReactDance: same block, j <= i where causal, else hidden; a block is 60 tokens."""
    length, block, past = 130, 60, 44
    interval, triangle = (attention_mask(kind, length, 0, block) for kind in ("interval", "triangle_interval"))
    live = attention_mask("live", block, past)
    for i in range(length):
        for j in range(length):
            same = i // block == j // block
            assert (interval[i, j] == 0) == same
            assert (triangle[i, j] == 0) == (same and j <= i)
            if max(i, j) < block:
                assert (live[i, j] == 0) == (j <= i if i < past else True)


def test_positions_restart_with_every_block():
    """Phase-aligned: the same phase in every block has the same encoding, and no two phases of a block share one."""
    denoiser = Denoiser(XS)
    window, x = XS.window, torch.zeros(1, 2 * XS.window, XS.latent_width)
    nothing = Conditions(*(torch.zeros_like(v) for v in conditions(XS, 1, 2 * window)))
    still = nothing._replace(
        leader=x.new_zeros(1, 2 * window, 4 * XS.leader_width), leader_flag=x.new_zeros(1, 2 * window, 3),
        music=x.new_zeros(1, 2 * window, 4 * XS.music_width),
    )  # fmt: skip
    torch.nn.init.normal_(denoiser.head.weight)
    with torch.no_grad():
        x0 = denoiser(x, torch.zeros(1, 2 * window), still, kept(1), past=0, mask="interval", block=window)[0]
    torch.testing.assert_close(x0[:window], x0[window:], atol=1e-5, rtol=0)
    assert (torch.cdist(x0[:window], x0[:window]) + 9 * torch.eye(window)).min() > 1e-3


def test_without_a_past_the_live_mask_is_one_offline_block():
    assert torch.equal(attention_mask("live", 6, 0), attention_mask("interval", 6, 0))


@pytest.mark.parametrize("config", [XS, ALL], ids=["plain", "all"])
def test_a_tick_computes_what_training_computes(config: FollowerConfig):
    """prepare + step == forward under the live mask. Measured here: 1e-6 (tolerance 1e-5)."""
    denoiser = random_follower(config).denoiser
    c = conditions(config)
    past, plan = torch.randn(2, config.past, config.latent_width), torch.randn(2, config.plan, config.latent_width)
    t = torch.randint(0, 1000, (2, config.plan)).float()
    drop = Drop(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
    with torch.no_grad():
        levels = torch.cat([torch.zeros(2, config.past), t], dim=1)
        whole = denoiser(torch.cat([past, plan], dim=1), levels, c, drop, past=config.past)
        split = denoiser.step(plan, t, denoiser.prepare(past, c, drop), c)
    assert whole.abs().max() > 0.5
    torch.testing.assert_close(split, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", [XS, ALL], ids=["plain", "all"])
@pytest.mark.parametrize("kind", ["interval", "triangle_interval"])
def test_many_offline_blocks_in_one_sequence_equal_each_block_alone(kind: MaskKind, config: FollowerConfig):
    """Phase-aligned positions and masks make blocks independent, so they run in parallel. Measured: 5e-7."""
    denoiser = random_follower(config).denoiser
    block = config.window
    one, two = conditions(config, batch=1, plan=block), conditions(config, batch=1, plan=block)
    whole = ("place", "style", "memory", "reference_flag")
    two = two._replace(**{name: getattr(one, name) for name in whole})
    both = Conditions(
        *(a if name in whole else torch.cat([a, b], 1) for name, a, b in zip(Conditions._fields, one, two, strict=True))
    )
    x, t = torch.randn(1, 2 * block, config.latent_width), torch.randint(0, 1000, (1, 2 * block)).float()
    with torch.no_grad():
        together = denoiser(x, t, both, kept(1), past=0, mask=kind, block=block)
        parts = zip(x.split(block, 1), t.split(block, 1), (one, two), strict=True)
        alone = [denoiser(x, t, c, kept(1), past=0, mask=kind) for x, t, c in parts]
    assert together.abs().max() > 0.5
    torch.testing.assert_close(together, torch.cat(alone, dim=1), atol=1e-5, rtol=0)
    if kind == "interval":
        # A live window without a past is one such block.
        live = denoiser(x[:, :block], t[:, :block], one, kept(1), past=0)
        torch.testing.assert_close(alone[0], live, atol=1e-6, rtol=0)


@pytest.mark.parametrize("config", [XS, ALL], ids=["plain", "all"])
def test_under_the_periodic_causal_mask_no_token_hears_a_later_one(config: FollowerConfig):
    denoiser = random_follower(config).denoiser
    block = config.window
    x = torch.randn(1, block, config.latent_width, requires_grad=True)
    t = torch.full((1, block), 500.0)
    x0 = denoiser(x, t, conditions(config, 1, block), kept(1), past=0, mask="triangle_interval")
    (gradient,) = torch.autograd.grad(x0[0, 4].sum(), x)
    assert torch.count_nonzero(gradient[0, 5:]) == 0
    assert (gradient[0, :5].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("row", [0, 2])
def test_committed_tokens_see_no_later_ones(row: int):
    """By gradient: keys of a committed token depend on no later committed token."""
    denoiser = random_follower(ALL).denoiser
    config = denoiser.config
    past = torch.randn(1, config.past, config.latent_width, requires_grad=True)
    context = denoiser.prepare(past, conditions(config, batch=1), kept(1))
    (gradient,) = torch.autograd.grad(context.past[-1][0][:, :, row].sum(), past)
    assert torch.count_nonzero(gradient[0, row + 1 :]) == 0
    assert torch.count_nonzero(gradient[0, : row + 1]) > 0


@pytest.mark.parametrize("config", [XS, ALL], ids=["plain", "all"])
def test_every_planned_token_sees_the_whole_window_and_every_condition(config: FollowerConfig):
    denoiser = random_follower(config).denoiser
    c = Conditions(*(value.requires_grad_() for value in conditions(config, batch=1)))
    x = torch.randn(1, config.window, config.latent_width, requires_grad=True)
    t = torch.full((1, config.window), 300.0)
    first = denoiser(x, t, c, kept(1), past=config.past)[0, 0].sum()
    gradients = torch.autograd.grad(first, [x, *c])
    assert (gradients[0][0].abs().sum(-1) > 0).all()
    for name, gradient in zip(Conditions._fields, gradients[1:], strict=True):
        assert gradient.abs().sum() > 0, name
    assert (gradients[1][0].abs().sum(-1) > 0).all(), "leader tokens"


@pytest.mark.parametrize("name", ["leader", "music", "memory"])
def test_a_dropped_condition_has_no_influence(name: str):
    denoiser = random_follower(ALL).denoiser
    config = denoiser.config
    c = conditions(config)
    other = c._replace(**{name: torch.randn_like(getattr(c, name))})
    drop = kept()._replace(**{name: torch.tensor([1.0, 0.0])})
    x = torch.randn(2, config.window, config.latent_width)
    t = torch.full((2, config.window), 500.0)
    with torch.no_grad():
        a = denoiser(x, t, c, drop, past=config.past)
        b = denoiser(x, t, other, drop, past=config.past)
    assert torch.equal(a[0], b[0])
    assert not torch.equal(a[1], b[1])


def test_a_hidden_stream_and_level_of_the_plan_has_no_influence():
    denoiser = random_follower(XS).denoiser
    config = denoiser.config
    drop = kept(1)._replace(latent=torch.tensor([[[0.0, 1.0], [0, 0], [0, 0]]]))
    x = torch.randn(1, config.window, config.latent_width)
    other = x.clone()
    per = config.codec.code_width
    other[:, config.past :, per : 2 * per] += 1.0
    c, t = conditions(config, batch=1), torch.full((1, config.window), 500.0)
    with torch.no_grad():
        assert torch.equal(denoiser(x, t, c, drop, past=config.past), denoiser(other, t, c, drop, past=config.past))
        other[:, config.past - 1, per : 2 * per] += 1.0
        assert not torch.equal(denoiser(x, t, c, drop, past=config.past), denoiser(other, t, c, drop, past=config.past))


def test_an_untrained_denoiser_dances_the_reference():
    torch.manual_seed(0)
    denoiser = Denoiser(XS)
    c = conditions(XS)._replace(reference_flag=torch.tensor([[1.0], [0.0]]))
    x, t = torch.randn(2, XS.window, XS.latent_width), torch.full((2, XS.window), 999.0)
    x0 = denoiser(x, t, c, kept(), past=XS.past)
    assert torch.equal(x0[0], c.reference[0])
    assert torch.count_nonzero(x0[1]) == 0


def test_guidance_of_zero_is_the_conditional_latent_exactly():
    conditional, unconditional = torch.randn(1, 8, 96), torch.randn(1, 8, 96) * 1e3
    assert torch.equal(guide(conditional, unconditional, torch.zeros(1, 3, 2)), conditional)


def test_guidance_scales_one_stream_and_level_only():
    conditional, unconditional = torch.randn(1, 8, 96), torch.randn(1, 8, 96)
    scales = torch.zeros(1, 3, 2)
    scales[0, 1, 0] = 1.5
    guided = guide(conditional, unconditional, scales)
    lower_coarse = slice(32, 48)
    expected = 2.5 * conditional[..., lower_coarse] - 1.5 * unconditional[..., lower_coarse]
    assert torch.equal(guided[..., lower_coarse], expected)
    elsewhere = torch.ones(96, dtype=torch.bool)
    elsewhere[lower_coarse] = False
    assert torch.equal(guided[..., elsewhere], conditional[..., elsewhere])
