"""Runs a follower folder with ONNX Runtime on the CPU."""

from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from duet.bank_file import bank_of
from duet.contract import FollowerContract, GraphSpec, TensorSpec, load_contract
from duet.errors import FollowerError
from realtime.tick import FollowerState, Tensors

_NEW = "new_"


class OrtRunner:
    """A follower's graphs as ONNX Runtime sessions, run in the contract's order, tensors wired by name.

    One intra-op thread and no spinning: the loop shares its cores with tracking and drawing, and two
    spinning sessions cost more than they gain. ``tick`` releases the GIL while a graph runs. A follower with a bank
    looks its references up here, as a part of the tick: ``reference`` and its flag among the inputs do not count then.
    """

    def __init__(self, folder: str | Path, *, threads: int = 1) -> None:
        self.contract: FollowerContract = load_contract(folder)
        self._bank = bank_of(Path(folder), self.contract)
        options = _options(threads)
        self._graphs = [(g, _open(Path(folder) / g.file, g, options)) for g in self.contract.graphs]
        foresees = self.contract.forecast
        self.forecaster = None if foresees is None else OrtForecaster(Path(folder) / foresees.file, foresees)
        """Foresees the leader for the conductor, where the follower learned with it."""

    def initial_state(self) -> FollowerState:
        """The state a performance starts from."""
        return FollowerState.initial(self.contract)

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        """Run every graph once. Pure: neither argument is changed."""
        held, contract = state.held, self.contract
        if self._bank is not None:
            inputs, (held,) = self._bank.recall(inputs, [held], contract.past_tokens)
        tensors: dict[str, np.ndarray] = {**inputs, **state.tensors}
        for graph, session in self._graphs:
            names = [t.name for t in graph.outputs]
            results = session.run(names, {t.name: tensors[t.name] for t in graph.inputs})
            for name, result in zip(names, results, strict=True):
                tensors[name] = np.asarray(result)
        if self._bank is not None:
            held = held.after(tensors["frames"][0], contract.token_frames)
        outputs = MappingProxyType({t.name: tensors[t.name] for t in contract.outputs})
        new = MappingProxyType({t.name: tensors[_NEW + t.name] for t in contract.states})
        return outputs, FollowerState(new, held)


class OrtForecaster:
    """The forecast graph of a follower folder (``duet.forecast.Forecaster``); runs on the caller's thread."""

    def __init__(self, path: Path, graph: GraphSpec) -> None:
        self._session = _open(path, graph, _options(1))
        self._name = graph.inputs[0].name

    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``duet.forecast.Forecaster``."""
        (foreseen,) = self._session.run(None, {self._name: leader[None]})
        return np.asarray(foreseen)[0]


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _open(path: Path, graph: GraphSpec, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own unrelated classes
        raise FollowerError(f"{path}: expected a graph ONNX Runtime can run, got: {error}. Export it again.") from error
    for side, wanted in ((session.get_inputs(), graph.inputs), (session.get_outputs(), graph.outputs)):
        there = {node.name: tuple(node.shape) for node in side}
        for spec in wanted:
            _check(path, spec, there.get(spec.name))
    return session


def _check(path: Path, spec: TensorSpec, shape: tuple[int, ...] | None) -> None:
    if shape != spec.shape:
        raise FollowerError(
            f"{path}: expected tensor {spec.name!r} of shape {spec.shape}, got {shape}. Export it again."
        )
