"""The tick: pure, causal, stateful in exactly what it says, saved and loaded whole."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from duet.errors import InputError
from models.config import XS, SamplerConfig
from models.follower import CONFIG_FILE, WEIGHTS_FILE, Follower, load_follower, random_follower, save_follower

Tensors = dict[str, Tensor]


def inputs(follower: Follower, seed: int = 0) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in follower.input_shapes().items()}


def dance(follower: Follower, steps: list[Tensors]) -> tuple[list[Tensor], Tensors]:
    state, frames = follower.initial_state(), []
    with torch.no_grad():
        for step in steps:
            outputs, state = follower.tick(step, state)
            frames.append(outputs["frames"])
    return frames, state


def test_roles_are_wired_by_name():
    follower = random_follower(XS)
    known = {*follower.input_shapes(), *follower.initial_state()}
    for role in follower.roles():
        assert set(role.inputs) <= known, role.name
        known |= set(role.outputs)
    assert {f"new_{name}" for name in follower.initial_state()} <= known
    used = {name for role in follower.roles() for name in role.inputs}
    assert {*follower.input_shapes(), *follower.initial_state()} <= used


def test_shapes_and_contacts():
    follower = random_follower(XS)
    frames, state = dance(follower, [inputs(follower, n) for n in range(3)])
    assert frames[0].shape == (1, XS.plan * XS.token_frames, 145)
    contacts = frames[-1][..., 141:]
    assert contacts.min() >= 0 and contacts.max() <= 1
    for name, value in follower.initial_state().items():
        assert state[name].shape == value.shape and state[name].dtype == torch.float32, name
        assert torch.isfinite(state[name]).all(), name


def test_a_tick_changes_neither_its_inputs_nor_its_state():
    follower = random_follower(XS)
    _, state = dance(follower, [inputs(follower, n) for n in range(4)])
    step = inputs(follower, 9)
    before = {name: value.clone() for name, value in {**state, **step}.items()}
    with torch.no_grad():
        first, _ = follower.tick(step, state)
        again, _ = follower.tick(step, state)
    assert torch.equal(first["frames"], again["frames"])
    assert all(torch.equal(before[name], value) for name, value in {**state, **step}.items())


def test_the_plans_first_token_is_committed():
    follower = random_follower(XS)
    _, state = dance(follower, [inputs(follower, n) for n in range(6)])
    with torch.no_grad():
        _, new = follower.tick(inputs(follower, 7), state)
    assert torch.equal(new["past"][:, :-1], state["past"][:, 1:])
    assert torch.equal(new["past"][:, -1], new["plan"][:, 0])


def test_committed_frames_are_those_of_one_unbroken_decode():
    """The cache advances by the committed token only: all heads together are the decode of all committed latents."""
    follower = random_follower(XS)
    state, heads, latents = follower.initial_state(), [], []
    with torch.no_grad():
        for n in range(8):
            outputs, state = follower.tick(inputs(follower, n), state)
            heads.append(outputs["frames"][:, : XS.token_frames, :141])
            latents.append(state["past"][:, -1:])
        whole = follower.codec.decode(torch.cat(latents, dim=1))
    torch.testing.assert_close(torch.cat(heads, dim=1), whole[..., :141], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["leader", "music", "place", "style", "noise", "reference"])
def test_no_input_reaches_an_earlier_tick(name: str):
    """Perturb one input at tick n: nothing before n changes, and n does."""
    follower = random_follower(XS)
    steps = [inputs(follower, n) for n in range(7)]
    other = [dict(step) for step in steps]
    other[4][name] = other[4][name] + 1.0
    frames, _ = dance(follower, steps)
    changed, _ = dance(follower, other)
    assert all(torch.equal(a, b) for a, b in zip(frames[:4], changed[:4], strict=True))
    assert not torch.equal(frames[4], changed[4])
    assert not torch.equal(frames[5], changed[5])


def test_causality_by_gradient():
    """The frames committed at tick 2 have no gradient to what arrives later, and some to what came before."""
    follower = random_follower(XS)
    steps = [{name: value.requires_grad_() for name, value in inputs(follower, n).items()} for n in range(4)]
    state, heads = follower.initial_state(), []
    for step in steps:
        outputs, state = follower.tick(step, state)
        heads.append(outputs["frames"][:, : XS.token_frames])
    leaders = [step["leader"] for step in steps]
    gradients = torch.autograd.grad(heads[2].square().sum(), leaders, allow_unused=True)
    assert gradients[3] is None or torch.count_nonzero(gradients[3]) == 0
    for gradient in gradients[:3]:
        assert gradient is not None and torch.count_nonzero(gradient) > 0


def test_the_memory_matters():
    """Zeroing what is remembered, and nothing else, changes the plan."""
    follower = random_follower(XS)
    _, state = dance(follower, [inputs(follower, n) for n in range(20)])
    step = inputs(follower, 21)
    with torch.no_grad():
        remembered, _ = follower.tick(step, state)
        for name in ("memory_ssm", "memory_conv"):
            forgotten, _ = follower.tick(step, {**state, name: torch.zeros_like(state[name])})
            assert (forgotten["frames"] - remembered["frames"]).abs().max() > 1e-4, name


def test_saved_and_restored_state_goes_on_bit_equal():
    follower = random_follower(XS)
    steps = [inputs(follower, n) for n in range(8)]
    frames, _ = dance(follower, steps)
    _, state = dance(follower, steps[:5])
    state = {name: torch.from_numpy(value.numpy().copy()) for name, value in state.items()}
    with torch.no_grad():
        for n in range(5, 8):
            outputs, state = follower.tick(steps[n], state)
            assert torch.equal(outputs["frames"], frames[n])


def test_noise_is_kept_by_its_token():
    follower = random_follower(XS)
    steps = [inputs(follower, n) for n in range(3)]
    _, one = dance(follower, steps[:2])
    _, two = dance(follower, steps)
    assert torch.equal(two["noise_ring"][:, :-1], one["noise_ring"][:, 1:])
    fresh = random_follower(replace(XS, sampler=SamplerConfig(keep_noise=False)))
    _, state = dance(fresh, steps)
    assert torch.equal(state["noise_ring"], steps[-1]["noise"])


@pytest.mark.parametrize("kind", ["ddim", "dpm", "pipelined"])
def test_only_the_pipelined_sampler_starts_from_the_last_plan(kind: str):
    follower = random_follower(replace(XS, sampler=SamplerConfig(kind, 2)))  # type: ignore[arg-type]
    _, state = dance(follower, [inputs(follower, n) for n in range(3)])
    step = inputs(follower, 5)
    with torch.no_grad():
        a, _ = follower.tick(step, state)
        b, _ = follower.tick(step, {**state, "plan": state["plan"] + 1.0})
    assert torch.equal(a["frames"], b["frames"]) == (kind != "pipelined")


def test_guidance_zero_ignores_the_unconditional_branch():
    follower = random_follower(XS)
    step = inputs(follower) | {"guidance": torch.zeros(1, 3, 2)}
    with torch.no_grad():
        before, _ = follower.tick(step, follower.initial_state())
        follower.denoiser.conditions.no_leader.add_(5.0)
        after, _ = follower.tick(step, follower.initial_state())
        guided, _ = follower.tick(step | {"guidance": torch.ones(1, 3, 2)}, follower.initial_state())
    assert torch.equal(before["frames"], after["frames"])
    assert not torch.equal(guided["frames"], after["frames"])


def test_performances_side_by_side_are_each_alone():
    """Measured here: 1e-6 (tolerance 1e-5)."""
    follower = random_follower(XS)
    many, alone = follower.initial_state(3), [follower.initial_state() for _ in range(3)]
    with torch.no_grad():
        for n in range(3):
            steps = [inputs(follower, 10 * n + i) for i in range(3)]
            together, many = follower.tick({name: torch.cat([s[name] for s in steps]) for name in steps[0]}, many)
            for i, step in enumerate(steps):
                outputs, alone[i] = follower.tick(step, alone[i])
                torch.testing.assert_close(together["frames"][i : i + 1], outputs["frames"], atol=1e-5, rtol=0)


def test_without_guidance_the_unconditional_branch_may_be_left_out():
    follower = random_follower(XS)
    step = inputs(follower) | {"guidance": torch.zeros(1, 3, 2)}
    with torch.no_grad():
        both, _ = follower.tick(step, follower.initial_state())
        one, _ = follower.tick(step, follower.initial_state(), guided=False)
    torch.testing.assert_close(one["frames"], both["frames"], atol=1e-5, rtol=0)


def test_normalisation_reaches_memory_and_denoiser():
    follower = random_follower(XS)
    mean = torch.arange(72.0)
    follower.set_normalisation(
        leader=(mean, torch.full((72,), 2.0)),
        music=(torch.zeros(8), torch.ones(8)),
        place=(torch.zeros(8), torch.zeros(8)),
    )
    for part in (follower.memory, follower.denoiser.conditions):
        assert torch.equal(part.leader_norm(mean + 2.0), torch.ones(72))
    # A feature that never varied in training is not blown up.
    assert follower.denoiser.conditions.place_norm.spread.min() > 0


def test_saved_and_loaded_it_dances_the_same(tmp_path: Path):
    follower = random_follower(XS)
    save_follower(follower, tmp_path / "run")
    loaded = load_follower(tmp_path / "run")
    assert loaded.config == follower.config
    step = inputs(follower)
    with torch.no_grad():
        a, _ = follower.tick(step, follower.initial_state())
        b, _ = loaded.tick(step, loaded.initial_state())
    assert torch.equal(a["frames"], b["frames"])


def test_a_run_that_is_incomplete_or_foreign_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="expected follower.json in it, got none"):
        load_follower(tmp_path)
    save_follower(random_follower(XS), tmp_path)
    (tmp_path / CONFIG_FILE).write_text(replace(XS, style_width=3).to_json())
    with pytest.raises(InputError, match="expected the weights of a XS follower"):
        load_follower(tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(InputError, match=f"expected {WEIGHTS_FILE}"):
        load_follower(tmp_path)
