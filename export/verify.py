"""Torch against ONNX Runtime: the same seeded inputs, each side carrying its own state, tick after tick."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from duet.contract import load_contract
from duet.errors import FollowerError
from duet.features import FOLLOWER_ROOT, ROOT_HEIGHT, follower_rotations
from duet.kinematics import forward
from duet.skeleton import BODY
from models.follower import Follower

TOLERANCE = 1e-4
"""Greatest difference of any output or state, in its own units, over the whole run."""

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Parity:
    """How far ONNX Runtime was from torch, and how long its graphs took."""

    seconds: float
    ticks: int
    max_abs: float
    """Greatest difference of decoded frames and of every state."""
    joints_mm: float
    """Greatest distance of a decoded joint of the same frame, pelvis at the decoded height."""
    milliseconds: dict[str, tuple[float, float]]
    """p50 and p99 of each role on one thread."""

    @property
    def holds(self) -> bool:
        """Whether the difference is within TOLERANCE."""
        return self.max_abs <= TOLERANCE

    @property
    def tick_ms(self) -> float:
        """Sum of the roles' p50."""
        return sum(p50 for p50, _ in self.milliseconds.values())


class OrtTick:
    """A follower's graphs run in order, tensors wired by name; times every graph."""

    def __init__(self, graphs: Sequence[tuple[str, Path]]) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions = [
            (role, ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))
            for role, path in graphs
        ]
        self.seconds: dict[str, list[float]] = {role: [] for role, _ in self._sessions}

    def tick(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Outputs and the new state, as ``Follower.tick``."""
        tensors = {**inputs, **state}
        for role, session in self._sessions:
            feeds = {node.name: tensors[node.name] for node in session.get_inputs()}
            names = [node.name for node in session.get_outputs()]
            began = time.perf_counter()
            results = session.run(names, feeds)
            self.seconds[role].append(time.perf_counter() - began)
            tensors.update(zip(names, (np.asarray(r) for r in results), strict=True))
        return {"frames": tensors["frames"]}, {name: tensors[f"new_{name}"] for name in state}


def seeded_inputs(follower: Follower, ticks: int, seed: int = 0) -> Iterator[Tensors]:
    """Inputs of ``ticks`` ticks: leader and music slide by one token a tick, guidance and reference come and go."""
    rng = np.random.Generator(np.random.PCG64(seed))
    shapes, window = follower.input_shapes(), follower.config.window
    tracks: Tensors = {}
    for name in ("leader", "music"):
        track = rng.standard_normal((ticks + window, shapes[name][-1]), dtype=np.float32)
        for t in range(1, len(track)):
            track[t] = 0.9 * track[t - 1] + 0.43 * track[t]
        tracks[name] = track
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
        inputs |= {"leader_flag": flags, "style": style}
        inputs["noise"] = rng.standard_normal(shapes["noise"], dtype=np.float32)
        inputs["guidance"] = np.abs(inputs["guidance"]) * float(tick % 60 >= 30)
        inputs["reference_flag"] = np.full(shapes["reference_flag"], float(tick % 40 >= 20), dtype=np.float32)
        yield inputs


def measure(
    follower: Follower, folder: Path, graphs: Sequence[tuple[str, Path]], *, seconds: float = 60.0, seed: int = 0
) -> Parity:
    """Run ``follower`` and its exported ``graphs`` side by side for ``seconds`` of performance."""
    config = follower.config
    ticks = max(1, round(seconds * config.fps / config.token_frames))
    runtime = OrtTick(graphs)
    torch_state = follower.initial_state()
    ort_state = {name: value.numpy() for name, value in torch_state.items()}
    worst, worst_mm = 0.0, 0.0
    for inputs in seeded_inputs(follower, ticks, seed):
        with torch.no_grad():
            expected, torch_state = follower.tick({n: torch.from_numpy(v) for n, v in inputs.items()}, torch_state)
        got, ort_state = runtime.tick(inputs, ort_state)
        pairs = [(expected["frames"].numpy(), got["frames"])]
        pairs += [(torch_state[name].numpy(), ort_state[name]) for name in torch_state]
        difference = max(float(np.abs(a - b).max()) for a, b in pairs)
        if not np.isfinite(difference):
            raise FollowerError(f"{folder}: expected finite tensors, got {difference}. Train or export it again.")
        worst = max(worst, difference)
        worst_mm = max(worst_mm, joint_distance_mm(*pairs[0]))
    times = {role: np.array(spent[min(5, len(spent) - 1) :]) * 1e3 for role, spent in runtime.seconds.items()}
    summary = {role: (float(np.median(ms)), float(np.percentile(ms, 99))) for role, ms in times.items()}
    return Parity(ticks * config.token_frames / config.fps, ticks, worst, worst_mm, summary)


def joint_distance_mm(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Greatest distance in millimetres between the joints of decoded frames (1, T, 145)."""
    joints = []
    for frames in (one[0], other[0]):
        height = frames[:, FOLLOWER_ROOT][:, ROOT_HEIGHT]
        root = np.concatenate([0 * height, height, 0 * height], axis=1)
        joints.append(forward(BODY, root, follower_rotations(frames, np.zeros(len(frames))))[0])
    return float(np.linalg.norm(joints[0] - joints[1], axis=-1).max() * 1e3)


def verify_folder(follower: Follower, folder: Path, *, seconds: float = 60.0, seed: int = 0) -> Parity:
    """Hold the exported ``folder`` against the weights it came from; FollowerError when it is not their export."""
    contract = load_contract(folder)
    graphs = [(graph.role, folder / graph.file) for graph in contract.graphs]
    parity = measure(follower, folder, graphs, seconds=seconds, seed=seed)
    if not parity.holds:
        raise FollowerError(
            f"{folder}: expected torch and ONNX Runtime within {TOLERANCE:g}, got {parity.max_abs:.2g} after "
            f"{parity.ticks} ticks. Is it the export of this run? Export it again."
        )
    return parity
