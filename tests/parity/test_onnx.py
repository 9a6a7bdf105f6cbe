"""Torch == ONNX Runtime, each carrying its own state for 60 s, at the configuration that ships and for what shipped."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from duet.contract import GraphSpec, load_contract
from duet.errors import FollowerError
from duet.features import LEADER_SIZE
from export.to_onnx import write_graphs
from export.verify import LEAST_SECONDS, TOLERANCE, TOLERANCE_MM, Parity, measure, seeded_inputs
from models.config import XS, S, SamplerConfig
from models.follower import Follower, random_follower
from models.onnx_tick import OnnxTick

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"


@dataclass(frozen=True)
class Exported:
    """A follower with random weights, and its graphs."""

    follower: Follower
    folder: Path
    graphs: tuple[GraphSpec, ...]

    def runtime(self) -> OnnxTick:
        return OnnxTick(self.folder, self.graphs)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("small")
    follower = random_follower(replace(XS, sampler=SamplerConfig("pipelined", 2)))
    return Exported(follower, folder, write_graphs(follower, folder))


@pytest.fixture(scope="module")
def measured() -> Parity:
    """Numbers that hold, to be spoiled one by one."""
    return Parity(60.0, 450, {"frames": 2e-5, "past": 9e-5}, {"frames": 9.0, "past": 3.0}, 0.01, {"memory": (1.0, 2.0)})


def test_sixty_seconds_of_carried_state(tmp_path: Path):
    """Preset S with DDIM, as the shipped follower; its contract must say so, too."""
    follower = random_follower(S)
    parity = measure(follower, tmp_path, write_graphs(follower, tmp_path), seconds=LEAST_SECONDS)
    assert parity.ticks == 450
    assert parity.holds, parity.sentence()
    assert set(parity.milliseconds) == {"memory", "denoise", "decode"}
    contract = load_contract(SHIPPED)
    states = {name: tuple(value.shape) for name, value in follower.initial_state().items()}
    assert {spec.name: spec.shape for spec in contract.states} == states
    assert contract.notes["sampler"] == f"{S.sampler.kind}, {S.sampler.calls} calls a tick"


def test_what_shipped_was_proven():
    notes = load_contract(SHIPPED).notes
    assert float(notes["parity_relative"]) <= TOLERANCE
    assert float(notes["parity_joints_mm"]) <= TOLERANCE_MM
    assert int(notes["parity_ticks"]) >= LEAST_SECONDS * S.fps / S.token_frames


def test_a_pipelined_plan_agrees_too(small: Exported):
    parity = measure(small.follower, small.folder, small.graphs, seconds=8.0)
    assert parity.holds, parity.sentence()


def test_a_tensor_is_judged_by_its_own_scale(measured: Parity):
    assert measured.holds
    assert measured.worst == "past" and measured.max_abs == 9e-5
    assert measured.max_relative == pytest.approx(3e-5)
    assert not replace(measured, scales={"frames": 0.1, "past": 0.1}, differences={"frames": 0, "past": 1.1e-4}).holds
    assert replace(measured, differences={"frames": 2e-4, "past": 0}).holds
    assert not replace(measured, joints_mm=0.11).holds


def test_a_narrow_miss_is_told_from_a_narrow_success(measured: Parity, tmp_path: Path):
    missed = replace(measured, scales={"frames": 1.0, "past": 1.0}, differences={"frames": 0.0, "past": 1.0443e-4})
    with pytest.raises(FollowerError, match=r"got 1\.044e-04 of a tensor's scale \(past; allowed 0\.0001\)"):
        missed.require(tmp_path, "Train again.")


def test_a_number_that_is_none_is_no_agreement(small: Exported):
    """NaN compares false with everything: it must be found, not passed over."""
    broken = Follower(small.follower.config).eval()
    broken.load_state_dict(small.follower.state_dict())
    with torch.no_grad():
        broken.codec.contact_head.bias.fill_(float("nan"))
    with pytest.raises(FollowerError, match="expected finite frames, got nan"):
        measure(broken, small.folder, small.graphs, seconds=0.5)


def test_inputs_are_in_the_units_of_the_data(small: Exported):
    """A feature that hardly varies in the data hardly varies here: nobody is asked what lies 300 spreads away."""
    follower = Follower(small.follower.config)
    spread = torch.full((LEADER_SIZE,), 0.01)
    unit = torch.zeros(8), torch.ones(8)
    follower.set_normalisation(leader=(torch.full((LEADER_SIZE,), 5.0), spread), music=unit, place=unit)
    leader = np.concatenate([inputs["leader"] for inputs in seeded_inputs(follower, 20)])
    assert leader.mean() == pytest.approx(5.0, abs=0.01)
    assert 0.005 < leader.std() < 0.02


def test_graphs_that_are_not_the_contracts_are_refused(small: Exported, tmp_path: Path):
    memory, *_ = small.graphs
    with pytest.raises(FollowerError, match="expected the tensors .*, got"):
        OnnxTick(small.folder, [replace(memory, inputs=memory.inputs[1:])])
    (tmp_path / memory.file).write_bytes(b"no graph")
    with pytest.raises(FollowerError, match=r"memory\.onnx: expected an ONNX graph, got a file that is none"):
        OnnxTick(tmp_path, [memory])


def test_a_graph_asked_for_no_guidance_dances_the_conditional_plan_to_the_last_bit(small: Exported):
    """The exported graph with its unconditional branch overwritten: asked for nothing, equal bits; for some, not."""
    graph = next(graph for graph in small.graphs if graph.role == "denoise")
    model = onnx.load(small.folder / graph.file)
    inputs = next(iter(seeded_inputs(small.follower, 1)))
    state = {name: value.numpy() for name, value in small.follower.initial_state().items()}
    feeds = {
        spec.name: {**inputs, **state, "memory": np.ones(spec.shape, np.float32)}[spec.name] for spec in graph.inputs
    }

    def plan(scale: float) -> np.ndarray:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        asked = {**feeds, "guidance": np.full_like(feeds["guidance"], scale)}
        return np.asarray(session.run(["new_plan"], asked)[0])

    conditional, guided = plan(0.0), plan(0.7)
    blind = next(w for w in model.graph.initializer if w.name.endswith("conditions.no_leader"))
    blind.CopyFrom(onnx.numpy_helper.from_array(5.0 * onnx.numpy_helper.to_array(blind) + 1.0, blind.name))
    assert (plan(0.0) == conditional).all()
    assert (plan(0.7) != guided).any()
    assert (guided != conditional).any()


def test_folded_guidance_is_one_pass_that_still_hears_its_scales(tmp_path: Path):
    """A student's graphs: the follower's inputs and states, no second branch, and the same answer to every scale."""
    config = replace(XS, sampler=SamplerConfig("ddim", 1))
    student = random_follower(replace(config, denoiser=replace(XS.denoiser, folded_guidance=True)))
    graphs = write_graphs(student, tmp_path)
    parity = measure(student, tmp_path, graphs, seconds=6.0)
    assert parity.holds, parity.sentence()
    graph = next(graph for graph in graphs if graph.role == "denoise")
    assert "guidance" in {spec.name for spec in graph.inputs}
    shapes = [v.type.tensor_type.shape.dim for v in onnx.load(tmp_path / graph.file).graph.value_info]
    tokens = [d[0].dim_value for d in shapes if len(d) == 3 and d[2].dim_value == XS.denoiser.width]
    assert tokens and set(tokens) == {1}
    runtime, inputs = OnnxTick(tmp_path, graphs), next(iter(seeded_inputs(student, 1)))
    state = {name: value.numpy() for name, value in student.initial_state().items()}
    frames = [
        runtime.tick({**inputs, "guidance": np.full_like(inputs["guidance"], scale)}, state)[0]["frames"]
        for scale in (0.0, 1.0)
    ]
    assert np.abs(frames[1] - frames[0]).max() > 1e-3


def test_replaying_gives_equal_bits(small: Exported):
    runs = []
    for _ in range(2):
        runtime = small.runtime()
        state = {name: value.numpy() for name, value in small.follower.initial_state().items()}
        frames = []
        for inputs in seeded_inputs(small.follower, 12, seed=3):
            outputs, state = runtime.tick(inputs, state)
            frames.append(outputs["frames"])
        runs.append(np.concatenate(frames))
    assert np.array_equal(runs[0], runs[1])
    assert runs[0].std() > 0.1


def test_memory_is_carried_through_the_graphs(small: Exported):
    """After 30 ticks, forgetting changes what the exported graphs dance next."""
    runtime = small.runtime()
    state = {name: value.numpy() for name, value in small.follower.initial_state().items()}
    steps = list(seeded_inputs(small.follower, 31))
    for inputs in steps[:-1]:
        _, state = runtime.tick(inputs, state)
    remembered, _ = runtime.tick(steps[-1], state)
    forgotten, _ = runtime.tick(steps[-1], {**state, "memory_ssm": np.zeros_like(state["memory_ssm"])})
    assert np.abs(remembered["frames"] - forgotten["frames"]).max() > 1e-4


def test_graphs_name_their_tensors_as_the_roles_do(small: Exported):
    for role, graph in zip(small.follower.roles(), small.graphs, strict=True):
        session = ort.InferenceSession(str(small.folder / graph.file), providers=["CPUExecutionProvider"])
        assert graph.role == role.name
        assert tuple(node.name for node in session.get_inputs()) == role.inputs
        assert tuple(node.name for node in session.get_outputs()) == role.outputs
        shapes = [node.shape for node in (*session.get_inputs(), *session.get_outputs())]
        assert all(isinstance(size, int) for shape in shapes for size in shape), "static shapes"
