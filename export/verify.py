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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from duet.contract import GraphSpec, load_contract
from duet.errors import FollowerError, InputError
from duet.features import FOLLOWER_ROOT, LEADER_SIZE, ROOT_HEIGHT, follower_rotations
from duet.forecast import FORESEEN_FROM_FRAMES
from duet.kinematics import forward
from duet.skeleton import BODY
from models.blocks import Normaliser
from models.follower import Follower
from models.onnx_tick import OnnxForecaster, OnnxTick, Tensors

TOLERANCE = 1e-4
"""Greatest difference of any output or state, as a share of its own scale, over the whole run."""
TOLERANCE_MM = 0.1
"""Greatest difference of any decoded joint: a tenth of what motion capture resolves."""
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
        return self.max_relative <= TOLERANCE and self.joints_mm <= TOLERANCE_MM

    @property
    def tick_ms(self) -> float:
        """Sum of the roles' p50."""
        return sum(p50 for p50, _ in self.milliseconds.values())

    def sentence(self) -> str:
        """What was measured beside what is allowed, with digits enough to tell the two apart."""
        return (
            f"{self.max_relative:.3e} of a tensor's scale ({self.worst}; allowed {TOLERANCE:g}) and "
            f"{self.joints_mm:.3e} mm at a joint (allowed {TOLERANCE_MM:g} mm) over "
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
    """Inputs of ``ticks`` ticks: leader and music slide by one token a tick, guidance and reference come and go.

    Leader, music and place are as far from the mean as in the data that the follower's normalisers were set from.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    shapes, window = follower.input_shapes(), follower.config.window
    normal = follower.denoiser.conditions
    tracks: Tensors = {}
    for name, units in (("leader", normal.leader_norm), ("music", normal.music_norm)):
        track = rng.standard_normal((ticks + window, shapes[name][-1]), dtype=np.float32)
        for t in range(1, len(track)):
            track[t] = 0.9 * track[t - 1] + 0.43 * track[t]
        tracks[name] = _in_units(track, units)
    flags = np.zeros(shapes["leader_flag"], dtype=np.float32)
    flags[:, : follower.config.past, 0] = 1.0
    flags[:, follower.config.past :, 2] = 1.0
    style = np.zeros(shapes["style"], dtype=np.float32)
    style[0, 0] = 1.0
    for tick in range(ticks):
        inputs = {
            name: 0.5 * rng.standard_normal(shape, dtype=np.float32)
            for name, shape in shapes.items()
            if name not in ("leader", "music", "leader_flag", "style")
        }
        inputs |= {name: track[None, tick : tick + window] for name, track in tracks.items()}
        inputs |= {"leader_flag": flags, "style": style, "place": _in_units(inputs["place"], normal.place_norm)}
        inputs["noise"] = rng.standard_normal(shapes["noise"], dtype=np.float32)
        inputs["guidance"] = np.abs(inputs["guidance"]) * float(tick % 60 >= 30)
        inputs["reference_flag"] = np.full(shapes["reference_flag"], float(tick % 40 >= 20), dtype=np.float32)
        yield inputs


def _in_units(scores: NDArray[np.float32], normaliser: Normaliser) -> NDArray[np.float32]:
    """z-scores (..., n * width), one or more frames in a row, to data units."""
    width = normaliser.mean.shape[0]
    rows = torch.from_numpy(scores.reshape(-1, width))
    return normaliser.inverse(rows).numpy().reshape(scores.shape)


def measure(
    follower: Follower,
    folder: Path,
    graphs: Sequence[GraphSpec],
    *,
    seconds: float = LEAST_SECONDS,
    seed: int = 0,
    forecast: GraphSpec | None = None,
) -> Parity:
    """Run ``follower`` and its exported ``graphs`` in ``folder`` side by side for ``seconds`` of performance.

    ``forecast`` is the graph that foresees leaders; it is asked in every tick, too.
    """
    config = follower.config
    if not (math.isfinite(seconds) and seconds > 0):
        raise InputError(
            f"Parity: expected a number of seconds above 0, got {seconds}. Compare over {LEAST_SECONDS:g}."
        )
    ticks = max(1, round(seconds * config.fps / config.token_frames))
    runtime = OnnxTick(folder, graphs)
    foresight = follower.foresight
    foresee = (foresight, OnnxForecaster(folder, forecast)) if forecast and foresight else None
    torch_state = follower.initial_state()
    ort_state = {name: value.numpy() for name, value in torch_state.items()}
    compared = ("frames", *torch_state, *(("foreseen",) if foresee else ()))
    differences, worst_mm = dict.fromkeys(compared, 0.0), 0.0
    scales = dict(differences)
    for inputs in seeded_inputs(follower, ticks, seed):
        with torch.no_grad():
            expected, torch_state = follower.tick({n: torch.from_numpy(v) for n, v in inputs.items()}, torch_state)
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
        worst_mm = max(worst_mm, joint_distance_mm(*pairs["frames"]))
    times = {role: np.array(spent[min(5, len(spent) - 1) :]) * 1e3 for role, spent in runtime.seconds.items()}
    summary = {role: (float(np.median(ms)), float(np.percentile(ms, 99))) for role, ms in times.items()}
    return Parity(ticks * config.token_frames / config.fps, ticks, differences, scales, worst_mm, summary)


def joint_distance_mm(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Greatest distance in millimetres between the joints of decoded frames (1, T, 145)."""
    joints = []
    for frames in (one[0], other[0]):
        height = frames[:, FOLLOWER_ROOT][:, ROOT_HEIGHT]
        root = np.concatenate([0 * height, height, 0 * height], axis=1)
        joints.append(forward(BODY, root, follower_rotations(frames, np.zeros(len(frames))))[0])
    return float(np.linalg.norm(joints[0] - joints[1], axis=-1).max() * 1e3)


def verify_folder(follower: Follower, folder: Path, *, seconds: float = LEAST_SECONDS, seed: int = 0) -> Parity:
    """Hold the exported ``folder`` against the weights it came from; FollowerError when it is not their export."""
    contract = load_contract(folder)
    parity = measure(follower, folder, contract.graphs, seconds=seconds, seed=seed, forecast=contract.forecast)
    parity.require(folder, "Is it the export of this run? Export it again.")
    return parity
