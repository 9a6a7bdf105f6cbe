"""Torch == ONNX Runtime, each carrying its own state for 60 s. Measured here: 3e-6 (tolerance 1e-4)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from export.to_onnx import example_roles, export_role
from export.verify import TOLERANCE, OrtTick, measure, seeded_inputs
from models.config import XS, SamplerConfig
from models.follower import Follower, random_follower


@pytest.fixture(scope="module")
def follower() -> Follower:
    return random_follower(replace(XS, sampler=SamplerConfig("pipelined", 2)))


@pytest.fixture(scope="module")
def graphs(follower: Follower, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("graphs")
    out = []
    for role, tensors in example_roles(follower):
        path = folder / f"{role.name}.onnx"
        path.write_bytes(export_role(role, tensors).SerializeToString(deterministic=True))
        out.append((role.name, path))
    return out


def test_sixty_seconds_of_carried_state(follower: Follower, graphs: list[tuple[str, Path]], tmp_path: Path):
    parity = measure(follower, tmp_path, graphs, seconds=60.0)
    assert parity.ticks == 450
    assert parity.max_abs <= TOLERANCE, f"measured {parity.max_abs:.1e}"
    assert parity.joints_mm < 0.1
    assert set(parity.milliseconds) == {"memory", "denoise", "decode"}


def test_replaying_gives_equal_bits(follower: Follower, graphs: list[tuple[str, Path]]):
    runs = []
    for _ in range(2):
        runtime = OrtTick(graphs)
        state = {name: value.numpy() for name, value in follower.initial_state().items()}
        frames = []
        for inputs in seeded_inputs(follower, 12, seed=3):
            outputs, state = runtime.tick(inputs, state)
            frames.append(outputs["frames"])
        runs.append(np.concatenate(frames))
    assert np.array_equal(runs[0], runs[1])
    assert runs[0].std() > 0.1


def test_memory_is_carried_through_the_graphs(follower: Follower, graphs: list[tuple[str, Path]]):
    """After 30 ticks, forgetting changes what the exported graphs dance next."""
    runtime = OrtTick(graphs)
    state = {name: value.numpy() for name, value in follower.initial_state().items()}
    steps = list(seeded_inputs(follower, 31))
    for inputs in steps[:-1]:
        _, state = runtime.tick(inputs, state)
    remembered, _ = runtime.tick(steps[-1], state)
    forgotten, _ = runtime.tick(steps[-1], {**state, "memory_ssm": np.zeros_like(state["memory_ssm"])})
    assert np.abs(remembered["frames"] - forgotten["frames"]).max() > 1e-4


def test_graphs_name_their_tensors_as_the_roles_do(follower: Follower, graphs: list[tuple[str, Path]]):
    for role, (name, path) in zip(follower.roles(), graphs, strict=True):
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        assert name == role.name
        assert tuple(node.name for node in session.get_inputs()) == role.inputs
        assert tuple(node.name for node in session.get_outputs()) == role.outputs
        shapes = [node.shape for node in (*session.get_inputs(), *session.get_outputs())]
        assert all(isinstance(size, int) for shape in shapes for size in shape), "static shapes"
