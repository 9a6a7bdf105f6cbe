"""What can be switched on in the denoiser: no effect until it learns, causal where it must be, and it exports."""

import json
from dataclasses import replace

import onnxruntime as ort
import pytest
import torch

from duet.errors import InputError
from export.to_onnx import example_roles, export_role
from models.conditions import Conditions, Drop
from models.config import PRESETS, XS, DenoiserConfig, FollowerConfig, S, config_from_json
from models.experts import CadenceExperts, low_pass_matrix
from models.follower import Follower, grown, random_follower
from models.mtmm import STATE, TAIL, TemporalMamba

OPTIONS = ("mtmm", "experts", "music_context")
ALL = dict.fromkeys(OPTIONS, True)


def with_options(config: FollowerConfig, **options: bool) -> FollowerConfig:
    return replace(config, denoiser=replace(config.denoiser, **options))


def inputs(follower: Follower) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {name: torch.randn(shape, generator=generator) for name, shape in follower.input_shapes().items()}


def test_presets_have_none_of_them_and_files_from_before_are_read():
    assert not any(getattr(config.denoiser, name) for config in PRESETS.values() for name in OPTIONS)
    values = json.loads(S.to_json())
    for name in OPTIONS:
        del values["denoiser"][name]
    assert config_from_json(json.dumps(values)) == S
    del values["denoiser"]["heads"]
    with pytest.raises(InputError, match="DenoiserConfig: expected the fields"):
        config_from_json(json.dumps(values))


@pytest.mark.parametrize("name", OPTIONS)
def test_switched_on_it_dances_exactly_as_before_and_then_learns(name: str):
    follower = random_follower(XS)
    more = grown(follower, with_options(XS, **{name: True}))
    step = inputs(follower)
    with torch.no_grad():
        before, _ = follower.tick(step, follower.initial_state())
    after, _ = more.tick(step, more.initial_state())
    assert torch.equal(before["frames"], after["frames"])
    after["frames"].square().sum().backward()
    added = {n: p for n, p in more.named_parameters() if n not in dict(follower.named_parameters())}
    assert added and any(p.grad is not None and p.grad.abs().sum() > 0 for p in added.values())


def test_growing_into_another_size_is_refused():
    with pytest.raises(InputError, match="only adds options"):
        grown(random_follower(XS), replace(XS, denoiser=DenoiserConfig(width=64, layers=2, heads=2)))
    with pytest.raises(InputError, match="only adds options, got one that differs in denoiser.temporal"):
        grown(random_follower(with_options(XS, mtmm=True)), XS)


def test_every_parameter_learns():
    """Nothing that is switched on is left out of the plan."""
    follower = random_follower(with_options(XS, **ALL))
    _, state = follower.tick(inputs(follower), follower.initial_state())
    outputs, _ = follower.tick(inputs(follower), state)
    outputs["frames"].square().sum().backward()
    for name, parameter in follower.denoiser.named_parameters():
        if name != "no_latent" and not name.startswith("conditions.no_"):
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def scan_as_written(module: TemporalMamba, x: torch.Tensor, entry: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Equations 15-16 and 19-24, one token at a time."""
    u, (conv, H) = module.norm_in(x), entry
    ahead = []
    for token in u.unbind(1):
        y, conv, H = module.ahead.step(token, conv, H)
        ahead.append(y)
    conv = torch.zeros_like(conv)
    H = torch.zeros_like(H)
    back = []
    for token in reversed(u.unbind(1)):
        y, conv, H = module.back.step(token, conv, H)
        back.insert(0, y)
    mixed = module.norm_mixed(torch.stack(ahead, 1) + torch.stack(back, 1))
    feature, gate = module.expand(module.norm_sum(x + mixed)).chunk(2, -1)
    return x + module.out(feature.tanh() * gate.sigmoid())


@pytest.fixture
def temporal() -> TemporalMamba:
    torch.manual_seed(1)
    module = TemporalMamba(S).double()
    for parameter in module.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return module


def test_the_module_is_its_equations(temporal: TemporalMamba):
    width = S.denoiser.width
    memory, tail = torch.randn(2, 4, width).double(), torch.randn(2, TAIL, width).double()
    said, x = torch.randn(2, S.memory.width).double(), torch.randn(2, S.plan, width).double()
    with torch.no_grad():
        conv, H = temporal._nothing(2)
        H = (temporal.recall.weight @ said.T).T.reshape(2, temporal.scan.heads, temporal.scan.head, STATE)
        for token in temporal.norm_in(temporal.before(torch.cat([memory, tail], 1))).unbind(1):
            _, conv, H = temporal.ahead.step(token, conv, H)
        entry = temporal.enter(memory, tail, said)
        torch.testing.assert_close(entry, (conv, H), atol=1e-12, rtol=0)
        torch.testing.assert_close(temporal(x, entry), scan_as_written(temporal, x, entry), atol=1e-12, rtol=0)


@pytest.mark.parametrize("what", ["memory", "past", "drop"])
def test_what_was_remembered_and_danced_reaches_the_scan(what: str):
    denoiser = random_follower(with_options(XS, mtmm=True)).denoiser
    torch.manual_seed(0)
    c = tuple(torch.randn(shape) for shape in _condition_shapes(XS))
    past, kept = torch.randn(1, XS.past, XS.latent_width), Drop(*(torch.zeros(1) for _ in range(3)))
    conditions = Conditions(*c)
    with torch.no_grad():
        before = denoiser.prepare(past, conditions, kept).entries
        if what == "memory":
            conditions = conditions._replace(memory=conditions.memory + 1.0)
        if what == "past":
            past = torch.cat([past[:, :-1], past[:, -1:] + 1.0], dim=1)
        if what == "drop":
            hidden = kept._replace(memory=torch.ones(1))
            before = denoiser.prepare(past, conditions, hidden).entries
            conditions = conditions._replace(memory=conditions.memory + 1.0)
            assert torch.equal(before[0][1], denoiser.prepare(past, conditions, hidden).entries[0][1])
            return
        after = denoiser.prepare(past, conditions, kept).entries
    assert (before[0][1] - after[0][1]).abs().max() > 1e-4


def _condition_shapes(c: FollowerConfig) -> list[tuple[int, ...]]:
    f = c.token_frames
    return [
        (1, c.window, f * c.leader_width), (1, c.window, 3), (1, c.window, f * c.music_width), (1, c.place_width),
        (1, c.style_width), (1, c.memory.width), (1, c.plan, c.latent_width), (1, 1),
    ]  # fmt: skip


def test_low_pass_against_the_recurrence():
    matrix, token_s = low_pass_matrix(20, 4 / 30), 4 / 30
    x = torch.randn(20)
    y, a = x[0], 1 - torch.exp(torch.tensor(-token_s / 0.5))
    for i in range(20):
        y = (1 - a) * y + a * x[i]
        torch.testing.assert_close((matrix @ x)[i], y, atol=1e-6, rtol=0)
    assert torch.count_nonzero(matrix.triu(1)) == 0
    torch.testing.assert_close(matrix.sum(1), torch.ones(20))


def test_experts_are_causal_and_a_gate_of_tempo_energy_and_style_weighs_them():
    torch.manual_seed(0)
    experts = CadenceExperts(XS)
    for parameter in experts.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    reference = torch.randn(1, 6, XS.latent_width, requires_grad=True)
    music, style = torch.randn(1, 11, 4, 8), torch.eye(8)[:1]
    made = experts(reference, music, style)
    (gradient,) = torch.autograd.grad(made[0, 3].sum(), reference, retain_graph=True)
    assert torch.count_nonzero(gradient[0, 4:]) == 0 and torch.count_nonzero(gradient[0, 0]) > 0
    for column, matters in ((0, False), (4, True), (5, False), (6, True), (7, True)):
        other = music.clone()
        other[..., column] += 1.0
        assert torch.equal(experts(reference, other, style), made) != matters
    assert not torch.equal(experts(reference, music, torch.eye(8)[1:2]), made)
    # A reference that stands still has no fast part: the fast expert hears zeros, whatever stands.
    still = reference[:, :1].expand(-1, 6, -1)
    slow = low_pass_matrix(6, experts.token_s) @ still
    torch.testing.assert_close(slow, still, atol=1e-6, rtol=0)


def test_all_options_export_without_loops_and_agree():
    """Measured here: 6e-7 of a tensor's scale (tolerance 1e-4)."""
    follower = random_follower(with_options(XS, **ALL))
    role, tensors = next((r, t) for r, t in example_roles(follower) if r.name == "denoise")
    model = export_role(role, tensors)
    assert not {node.op_type for node in model.graph.node} & {"CumSum", "Loop", "Scan", "If", "SequenceAt"}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert all(isinstance(size, int) for node in session.get_inputs() for size in node.shape), "static shapes"
    for scale in (0.3, 1.0, 2.0):
        given = [scale * tensors[name] for name in role.inputs]
        with torch.no_grad():
            expected = role(*given)
        got = session.run(None, {name: value.numpy() for name, value in zip(role.inputs, given, strict=True)})
        for one, other in zip(expected, got, strict=True):
            assert (one - torch.from_numpy(other)).abs().max() <= 1e-4 * max(1.0, float(one.abs().max()))
