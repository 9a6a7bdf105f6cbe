"""The same plan three ways, in turns: as code of papers makes it, as ours does in torch, and as the exported graph.

Naive is what published samplers of this kind do: a Python loop over the network's calls, and in every call everything
anew: conditions encoded, the committed tokens' keys and values, the modulation of every level. Torch runs it eagerly.
Both branches of the guidance are one batch in all three, which flatters the naive way. Rounds take turns, so that a
machine that slows down slows all three; only ratios are told.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from duet.contract import GraphSpec, load_contract
from duet.errors import FollowerError, InputError
from export.to_onnx import weights_sha256
from export.verify import seeded_inputs
from models.conditions import Conditions, Drop
from models.follower import DenoiseRole, Follower
from models.guidance import guide
from models.onnx_tick import OnnxTick
from models.samplers import carry_noise, ladder, sample, start

AGREE = 1e-3
"""Greatest difference of two plans that are called the same, as a share of their scale."""
LEAST_RATIO = 3.0
"""How many times as fast as the naive way an exported graph should be."""
_WARM_UP = 3


@dataclass(frozen=True)
class Peers:
    """Median milliseconds of one plan, the three taking turns, and how far their plans are apart."""

    naive_ms: float
    hoisted_ms: float
    exported_ms: float
    apart: float
    """Greatest difference of any plan from the naive one, as a share of its scale."""
    rounds: int
    calls: int

    def ratios(self) -> dict[str, float]:
        """How many times as long the naive way takes."""
        return {
            "torch, conditions once": self.naive_ms / self.hoisted_ms,
            "exported, ONNX Runtime": self.naive_ms / self.exported_ms,
        }


def naive_plan(role: DenoiseRole, tensors: dict[str, Tensor]) -> Tensor:
    """The role's new plan with nothing taken out of the loop."""
    *values, noise, guidance, past, plan, ring = (tensors[name] for name in role.inputs)
    config, denoiser, batch = role.config, role.denoiser, len(past)
    x = start(config.sampler, plan, carry_noise(ring, noise) if config.sampler.keep_noise else noise, config.steps)
    conditions = Conditions(*values)
    if role.guided:
        conditions = Conditions(*(torch.cat([value, value]) for value in conditions))
        past = torch.cat([past, past])
    hidden = torch.cat([past.new_zeros(batch), past.new_ones(len(past) - batch)])

    def predict(x: Tensor, t: Tensor) -> Tensor:
        context = denoiser.prepare(past, conditions, Drop(hidden, hidden, hidden), guidance)
        if not role.guided:
            return denoiser.step(x, t, context, conditions)
        both = denoiser.step(torch.cat([x, x]), t, context, conditions)
        return guide(both[:batch], both[batch:], guidance)

    return sample(predict, x, ladder(config.sampler, config.plan, config.steps))


def compare(
    follower: Follower, folder: Path, rounds: int, progress: Callable[[int], None] = lambda done: None
) -> Peers:
    """Time ``follower`` against its export in ``folder``; FollowerError when it is another's, or plans differ."""
    contract = load_contract(folder)
    if contract.weights_sha256 != weights_sha256(follower):
        raise FollowerError(
            f"{folder}: expected the export of these weights, got {contract.weights_sha256[:12]}…. Export them."
        )
    if contract.precision != "fp32":
        raise InputError(f"{folder}: expected a float32 export, got {contract.precision}. Export one.")
    graph = next(graph for graph in contract.graphs if graph.role == DenoiseRole.name)
    role = next(role for role in follower.roles(guided=contract.guided) if isinstance(role, DenoiseRole))
    runtime = OnnxTick(folder, [graph])
    asked = _asked(follower, graph)
    tensors = {name: torch.from_numpy(value) for name, value in asked.items()}
    ways: dict[str, Callable[[], np.ndarray]] = {
        "naive": lambda: naive_plan(role, tensors).numpy(),
        "hoisted": lambda: role(*(tensors[name] for name in role.inputs))[1].numpy(),
        "exported": lambda: _exported(runtime, asked),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    plans: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for number in range(_WARM_UP + rounds):
            for name, way in ways.items():
                begin_s = time.perf_counter()
                plans[name] = way()
                if number >= _WARM_UP:
                    seconds[name].append(time.perf_counter() - begin_s)
            progress(max(0, number + 1 - _WARM_UP))
    scale = float(np.abs(plans["naive"]).max())
    apart = max(float(np.abs(plan - plans["naive"]).max()) for plan in plans.values()) / scale
    if not apart <= AGREE:
        raise FollowerError(f"{folder}: expected one plan from all three ways, got {apart:.2g} apart. Export it again.")
    naive, hoisted, exported = (1e3 * float(np.median(s)) for s in seconds.values())
    return Peers(naive, hoisted, exported, apart, rounds, follower.config.sampler.calls)


def _asked(follower: Follower, graph: GraphSpec) -> dict[str, np.ndarray]:
    """One tick's inputs of the denoiser, guidance asked for, with something remembered and planned."""
    rng = np.random.Generator(np.random.PCG64(0))
    inputs = next(iter(seeded_inputs(follower, 1)))
    asked = {
        spec.name: inputs.get(spec.name, 0.5 * rng.standard_normal(spec.shape, dtype=np.float32))
        for spec in graph.inputs
    }
    asked["guidance"] = np.full_like(asked["guidance"], 0.7)
    return asked


def _exported(runtime: OnnxTick, asked: dict[str, np.ndarray]) -> np.ndarray:
    return runtime.run_alone(asked)["new_plan"]
