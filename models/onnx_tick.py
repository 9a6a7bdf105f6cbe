"""A tick by ONNX Runtime: the exported graphs of a follower, run in order, tensors wired by name."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from duet.contract import GraphSpec, TensorSpec
from duet.errors import FollowerError
from duet.onnx_file import check_onnx

CPU = "CPUExecutionProvider"
Tensors = dict[str, NDArray[np.float32]]


class OnnxTick:
    """The graphs of a follower folder as one pure function of inputs and state; times every graph.

    One thread and no spinning, as on stage, so that what is measured here is what is played there.
    """

    def __init__(self, folder: str | Path, graphs: Sequence[GraphSpec], provider: str = CPU) -> None:
        """``provider`` is ONNX Runtime's name of who runs them. FollowerError when a graph cannot be run or its tensors
        are not those that its ``GraphSpec`` states."""
        options = _one_thread()
        self._sessions = [(graph, _open(Path(folder) / graph.file, graph, options, provider)) for graph in graphs]
        self.seconds: dict[str, list[float]] = {graph.role: [] for graph in graphs}
        """How long each role took, tick by tick."""

    def tick(self, inputs: Mapping[str, NDArray[np.float32]], state: Tensors) -> tuple[Tensors, Tensors]:
        """``{"frames": ...}`` and the new state, as ``models.follower.Follower.tick``."""
        tensors: Tensors = {**inputs, **state}
        for graph, session in self._sessions:
            names = [spec.name for spec in graph.outputs]
            feeds = {spec.name: tensors[spec.name] for spec in graph.inputs}
            began = time.perf_counter()
            results = session.run(names, feeds)
            self.seconds[graph.role].append(time.perf_counter() - began)
            tensors.update(zip(names, (np.asarray(result) for result in results), strict=True))
        return {"frames": tensors["frames"]}, {name: tensors[f"new_{name}"] for name in state}

    def run_alone(self, asked: Mapping[str, NDArray[np.float32]]) -> Tensors:
        """The outputs of every graph by name, ``asked`` what none of them gives."""
        tensors: Tensors = dict(asked)
        for graph, session in self._sessions:
            names = [spec.name for spec in graph.outputs]
            results = session.run(names, {spec.name: tensors[spec.name] for spec in graph.inputs})
            tensors.update(zip(names, (np.asarray(result) for result in results), strict=True))
        return {name: tensors[name] for graph, _ in self._sessions for name in (s.name for s in graph.outputs)}


class OnnxForecaster:
    """The forecast graph of a follower folder (``duet.forecast.Forecaster``), one thread and no spinning."""

    def __init__(self, folder: str | Path, graph: GraphSpec) -> None:
        """FollowerError as ``OnnxTick``."""
        self._session = _open(Path(folder) / graph.file, graph, _one_thread())
        self._name = graph.inputs[0].name

    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``duet.forecast.Forecaster``."""
        (foreseen,) = self._session.run(None, {self._name: leader[None]})
        return np.asarray(foreseen)[0]


def _one_thread() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # What is wrong with a graph is said once, by the error.
    options.log_severity_level = 4
    return options


def _open(path: Path, graph: GraphSpec, options: ort.SessionOptions, provider: str = CPU) -> ort.InferenceSession:
    check_onnx(path)
    try:
        session = ort.InferenceSession(str(path), options, providers=[*_asked(provider), CPU])
    except Exception as error:  # ONNX Runtime raises classes of its own that share no base
        reason = str(error).splitlines()[0]
        raise FollowerError(f"{path}: expected a graph for ONNX Runtime, got: {reason}. Export it again.") from error
    if provider not in session.get_providers():
        raise FollowerError(f"{path}: expected {provider} to run it, got only the CPU's. Look after the driver.")
    for side, specs in ((session.get_inputs(), graph.inputs), (session.get_outputs(), graph.outputs)):
        there = {node.name: tuple(node.shape) for node in side}
        stated = {spec.name: spec.shape for spec in specs}
        if there != stated:
            raise FollowerError(
                f"{path}: expected the tensors {_sentence(specs)}, got {there}. Export the follower again."
            )
    return session


def _asked(provider: str) -> list[str | tuple[str, dict[str, str]]]:
    """What stands before the CPU's. CUDA's would round the factors of float32 to the ten bits of TF32, unasked."""
    return [] if provider == CPU else [(provider, {"use_tf32": "0"} if provider == "CUDAExecutionProvider" else {})]


def _sentence(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.shape}" for spec in specs)
