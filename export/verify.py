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
from dataclasses import dataclass, field, replace
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
    apart = _Apart(folder)
    for tick, inputs in enumerate(seeded_inputs(follower, ticks, seed)):
        with torch.no_grad():
            asked = {n: torch.from_numpy(v) for n, v in inputs.items()}
            expected, torch_state = follower.tick(asked, torch_state, guided=guided)
        got, ort_state = runtime.tick(inputs, ort_state)
        frames = expected["frames"].numpy()
        apart.compare("frames", frames, got["frames"])
        apart.joints(frames[0], got["frames"][0])
        for name in torch_state:
            apart.compare(name, torch_state[name].numpy(), ort_state[name])
        if foresee is not None:
            seen = inputs["leader"].reshape(-1, LEADER_SIZE)[-FORESEEN_FROM_FRAMES:]
            apart.compare("foreseen", foresee[0](seen), foresee[1](seen))
        if kept is not None and tick in (0, ticks // 2, ticks - 1):
            kept[tick] = frames[0].copy()
    seconds = ticks * config.token_frames / config.fps
    return Parity(seconds, ticks, apart.differences, apart.scales, apart.joints_mm, _times(runtime))


@dataclass
class _Apart:
    """The greatest differences so far between what torch gave and what the graphs in ``folder`` did."""

    folder: Path
    differences: dict[str, float] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    joints_mm: float = 0.0

    def compare(self, name: str, expected: NDArray[np.float32], got: NDArray[np.float32]) -> None:
        """Take in tensor ``name`` of a tick; FollowerError where it is not finite, or of another shape."""
        if expected.shape != got.shape:
            raise FollowerError(
                f"{self.folder}: expected {name} of shape {expected.shape}, got {got.shape}. Export it again."
            )
        difference = float(np.abs(expected - got).max())
        # Before any comparison: a NaN is neither greater nor smaller than what is allowed.
        if not math.isfinite(difference):
            raise FollowerError(f"{self.folder}: expected finite {name}, got {difference}. Train or export it again.")
        self.differences[name] = max(self.differences.get(name, 0.0), difference)
        self.scales[name] = max(self.scales.get(name, 0.0), float(np.abs(expected).max()))

    def joints(self, expected: NDArray[np.float32], got: NDArray[np.float32]) -> None:
        """Take in decoded frames (plan frames, 145)."""
        self.joints_mm = max(self.joints_mm, joint_distance_mm(expected, got))


def verify_folder(
    follower: Follower, folder: Path, *, seconds: float = LEAST_SECONDS, seed: int = 0, provider: str = CPU
) -> Parity:
    """Hold the exported ``folder`` against the weights it came from; FollowerError when it is not their export."""
    contract, asked = load_contract(folder), follower.input_shapes()
    for spec in contract.inputs:
        if spec.shape != asked.get(spec.name):
            raise FollowerError(
                f"{folder}: expected the export of this run, whose {spec.name} is {asked.get(spec.name)}, got one of "
                f"{spec.shape}. Give the run it came from, or export it again."
            )
    parity = measure(
        follower, folder, contract.graphs, seconds=seconds, seed=seed, forecast=contract.forecast,
        guided=contract.guided, provider=provider,
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
    wanted, apart = dict(zip(answer.ticks, answer.frames, strict=True)), _Apart(folder)
    inputs = golden.seeded_inputs(shapes, contract.past_tokens, answer.units, ticks, answer.seed)
    for tick, asked in enumerate(inputs):
        got, state = runtime.tick(asked, state)
        if tick in wanted:
            apart.compare("frames", wanted[tick], got["frames"][0])
            apart.joints(wanted[tick], got["frames"][0])
    seconds = ticks * contract.token_frames / contract.fps
    return Parity(
        seconds, ticks, apart.differences, apart.scales, apart.joints_mm, _times(runtime),
        contract.tolerance, contract.tolerance_mm,
    )  # fmt: skip


def _times(runtime: OnnxTick) -> dict[str, tuple[float, float]]:
    """p50 and p99 in milliseconds of each role, the first five ticks left out."""
    times = {role: np.array(spent[min(5, len(spent) - 1) :]) * 1e3 for role, spent in runtime.seconds.items()}
    return {role: (float(np.median(ms)), float(np.percentile(ms, 99))) for role, ms in times.items()}
