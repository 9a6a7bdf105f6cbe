"""Torch against ONNX Runtime: the same seeded inputs, each side carrying its own state, tick after tick.

What is asked of an export, over 60 s of carried state: every output and every state within ``TOLERANCE`` of its own
scale (the greatest number it held; 1 where that is less), and every decoded joint within ``TOLERANCE_MM``.

Both come from measurement, on the trained salsa-s over 450 ticks with two seeds. Float32 in torch and in ONNX Runtime
are each about 3e-6 from float64 in one tick of the denoiser; the committed latents carry that on from tick to tick, to
3.4e-5 in a plan of size 4.6, 1.2e-5 in a memory of size 1.7 and 8.4e-5 in the decoded yaw rate, whose size is 11 rad/s:
7.5e-6 of a tensor's scale at most, and 0.005 mm at the joints. A graph that computes something else is wrong by more
than a hundredth at once.

The inputs must be in the units of the training data. Unit noise on every raw feature lies up to 300 standard deviations
outside of it; there the same round-off is some fifty times larger, and says nothing about the export.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from duet import golden
from duet.contract import FollowerContract, GraphSpec, load_contract
from duet.errors import FollowerError, InputError
from duet.features import LEADER_SIZE
from duet.forecast import FORESEEN_FROM_FRAMES
from duet.golden import Golden, joint_distance_mm, load_golden
from models.follower import Follower
from models.onnx_tick import CPU, OnnxForecaster, OnnxTick, Tensors

GUIDANCE, UNGUIDED = "guidance", "none"
"""A contract's note on guidance, and how it begins where the graphs have no second branch."""

TOLERANCE = 1e-4
"""Greatest difference of any output or state, as a share of its own scale, over the whole run."""
TOLERANCE_MM = 0.1
"""Greatest difference of any decoded joint: a tenth of what motion capture resolves."""
HALF_TOLERANCE_MM = 5.0
"""Of a follower in float16, whose tensors are not judged: half of what its dance trembles by tracking noise."""
LEAST_SECONDS = 60.0
"""Of carried state, for an export that ships."""


@dataclass(frozen=True)
class Parity:
    """How far ONNX Runtime was from torch, and how long its graphs took."""

    seconds: float
    ticks: int
    differences: dict[str, float]
    """Greatest difference of the decoded frames and of every state, by name, in their own units."""
    scales: dict[str, float]
    """Greatest magnitude that torch gave each of them."""
    joints_mm: float
    """Greatest distance of a decoded joint of the same frame, pelvis at the decoded height."""
    milliseconds: dict[str, tuple[float, float]]
    """p50 and p99 of each role on one thread."""
    tolerance: float = TOLERANCE
    """Of tensors, as a share of their scale; 0 where they are not judged."""
    tolerance_mm: float = TOLERANCE_MM

    def relative(self, name: str) -> float:
        """Difference of tensor ``name`` as a share of its scale, or of 1 where its scale is less."""
        return self.differences[name] / max(self.scales[name], 1.0)

    @property
    def worst(self) -> str:
        """Name of the tensor that differed most, beside its scale."""
        return max(self.differences, key=self.relative)

    @property
    def max_relative(self) -> float:
        """Greatest difference of all, as a share of the tensor's scale."""
        return self.relative(self.worst)

    @property
    def max_abs(self) -> float:
        """Greatest difference of all, in the tensor's own units."""
        return max(self.differences.values())

    @property
    def holds(self) -> bool:
        """Whether tensors and joints are within their tolerances."""
        judged = not self.tolerance or self.max_relative <= self.tolerance
        return judged and self.joints_mm <= self.tolerance_mm

    @property
    def tick_ms(self) -> float:
        """Sum of the roles' p50."""
        return sum(p50 for p50, _ in self.milliseconds.values())

    def sentence(self) -> str:
        """What was measured beside what is allowed, with digits enough to tell the two apart."""
        allowed = f"allowed {self.tolerance:g}" if self.tolerance else "not judged"
        return (
            f"{self.max_relative:.3e} of a tensor's scale ({self.worst}; {allowed}) and "
            f"{self.joints_mm:.3e} mm at a joint (allowed {self.tolerance_mm:g} mm) over "
            f"{self.seconds:.0f} s of carried state"
        )

    def notes(self) -> dict[str, str]:
        """For the contract, each as a number."""
        return {
            "parity_relative": f"{self.max_relative:.9g}",
            "parity_joints_mm": f"{self.joints_mm:.9g}",
            "parity_ticks": f"{self.ticks}",
        }

    def require(self, folder: Path, next_step: str) -> None:
        """FollowerError, naming ``folder`` and what to do next, unless the parity holds."""
        if not self.holds:
            raise FollowerError(
                f"{folder}: expected torch and ONNX Runtime to agree, got {self.sentence()}. {next_step}"
            )


def seeded_inputs(follower: Follower, ticks: int, seed: int = 0) -> Iterator[Tensors]:
    """Inputs of ``ticks`` ticks in the units that the follower's normalisers were set from; see ``duet.golden``."""
    return golden.seeded_inputs(follower.input_shapes(), follower.config.past, units_of(follower), ticks, seed)


def units_of(follower: Follower) -> golden.Units:
    """(mean, spread) of what the follower learned from."""
    normal = follower.denoiser.conditions
    norms = {"leader": normal.leader_norm, "music": normal.music_norm, "place": normal.place_norm}
    return {name: (norm.mean.cpu().numpy(), norm.spread.cpu().numpy()) for name, norm in norms.items()}


def measure(
    follower: Follower,
    folder: Path,
    graphs: Sequence[GraphSpec],
    *,
    seconds: float = LEAST_SECONDS,
    seed: int = 0,
    forecast: GraphSpec | None = None,
    guided: bool = True,
    provider: str = CPU,
    kept: dict[int, NDArray[np.float32]] | None = None,
) -> Parity:
    """Run ``follower`` and its exported ``graphs`` in ``folder`` side by side for ``seconds`` of performance.

    ``forecast`` is the graph that foresees leaders; it is asked in every tick, too. ``guided`` as the graphs are.
    ``kept`` is filled with frames (plan frames, 145) of torch's first, middle and last tick, by number.
    """
    config = follower.config
    if not (math.isfinite(seconds) and seconds > 0):
        raise InputError(
            f"Parity: expected a number of seconds above 0, got {seconds}. Compare over {LEAST_SECONDS:g}."
        )
    ticks = max(1, round(seconds * config.fps / config.token_frames))
    runtime = OnnxTick(folder, graphs, provider)
    foresight = follower.foresight
    foresee = (foresight, OnnxForecaster(folder, forecast)) if forecast and foresight else None
    torch_state = follower.initial_state()
    ort_state = {name: value.numpy() for name, value in torch_state.items()}
    compared = ("frames", *torch_state, *(("foreseen",) if foresee else ()))
    differences, worst_mm = dict.fromkeys(compared, 0.0), 0.0
    scales = dict(differences)
    for tick, inputs in enumerate(seeded_inputs(follower, ticks, seed)):
        with torch.no_grad():
            asked = {n: torch.from_numpy(v) for n, v in inputs.items()}
            expected, torch_state = follower.tick(asked, torch_state, guided=guided)
        got, ort_state = runtime.tick(inputs, ort_state)
        pairs = {"frames": (expected["frames"].numpy(), got["frames"])}
        pairs |= {name: (torch_state[name].numpy(), ort_state[name]) for name in torch_state}
        if foresee is not None:
            seen = inputs["leader"].reshape(-1, LEADER_SIZE)[-FORESEEN_FROM_FRAMES:]
            pairs["foreseen"] = (foresee[0](seen), foresee[1](seen))
        for name, (one, other) in pairs.items():
            difference = float(np.abs(one - other).max())
            # Before any comparison: a NaN is neither greater nor smaller than what is allowed.
            if not math.isfinite(difference):
                raise FollowerError(f"{folder}: expected finite {name}, got {difference}. Train or export it again.")
            differences[name] = max(differences[name], difference)
            scales[name] = max(scales[name], float(np.abs(one).max()))
        worst_mm = max(worst_mm, joint_distance_mm(pairs["frames"][0][0], pairs["frames"][1][0]))
        if kept is not None and tick in (0, ticks // 2, ticks - 1):
            kept[tick] = pairs["frames"][0][0].copy()
    seconds = ticks * config.token_frames / config.fps
    return Parity(seconds, ticks, differences, scales, worst_mm, _times(runtime))


def verify_folder(
    follower: Follower, folder: Path, *, seconds: float = LEAST_SECONDS, seed: int = 0, provider: str = CPU
) -> Parity:
    """Hold the exported ``folder`` against the weights it came from; FollowerError when it is not their export."""
    contract = load_contract(folder)
    parity = measure(
        follower, folder, contract.graphs, seconds=seconds, seed=seed, forecast=contract.forecast,
        guided=not contract.notes.get(GUIDANCE, "").startswith(UNGUIDED), provider=provider,
    )  # fmt: skip
    parity = replace(parity, tolerance=contract.tolerance, tolerance_mm=contract.tolerance_mm)
    parity.require(folder, "Is it the export of this run? Export it again.")
    return parity


def verify_golden(folder: Path, *, provider: str = CPU) -> Parity:
    """Hold the exported ``folder`` against the answer of torch that it carries; FollowerError when they part."""
    contract = load_contract(folder)
    if not contract.golden:
        raise FollowerError(
            f"{folder}: expected a golden answer in it, got none. Give the run too: duet-lab verify RUN --follower DIR."
        )
    answer = load_golden(folder / contract.golden)
    parity = _against(answer, folder, contract, provider)
    parity.require(folder, "The graphs are not what torch danced; export the follower again.")
    return parity


def _against(answer: Golden, folder: Path, contract: FollowerContract, provider: str) -> Parity:
    runtime, ticks = OnnxTick(folder, contract.graphs, provider), max(answer.ticks) + 1
    shapes = {spec.name: spec.shape for spec in contract.inputs}
    state = {spec.name: np.zeros(spec.shape, dtype=np.float32) for spec in contract.states}
    wanted = dict(zip(answer.ticks, answer.frames, strict=True))
    difference = scale = worst_mm = 0.0
    inputs = golden.seeded_inputs(shapes, contract.past_tokens, answer.units, ticks, answer.seed)
    for tick, asked in enumerate(inputs):
        got, state = runtime.tick(asked, state)
        frames = got["frames"][0]
        if tick not in wanted:
            continue
        if frames.shape != wanted[tick].shape or not np.isfinite(frames).all():
            raise FollowerError(f"{folder}: expected the golden answer's frames, got others. Export it again.")
        difference = max(difference, float(np.abs(frames - wanted[tick]).max()))
        scale = max(scale, float(np.abs(wanted[tick]).max()))
        worst_mm = max(worst_mm, joint_distance_mm(frames, wanted[tick]))
    seconds = ticks * contract.token_frames / contract.fps
    return Parity(
        seconds, ticks, {"frames": difference}, {"frames": scale}, worst_mm, _times(runtime),
        contract.tolerance, contract.tolerance_mm,
    )  # fmt: skip


def _times(runtime: OnnxTick) -> dict[str, tuple[float, float]]:
    """p50 and p99 in milliseconds of each role, the first five ticks left out."""
    times = {role: np.array(spent[min(5, len(spent) - 1) :]) * 1e3 for role, spent in runtime.seconds.items()}
    return {role: (float(np.median(ms)), float(np.percentile(ms, 99))) for role, ms in times.items()}
