"""One graph of a follower, opened by a runtime: what every runtime looks like from outside, and ONNX Runtime's.

Whoever opens a graph checks it first: own operators, no external data, the opset of the export, metadata and tensors as
the contract says them (``check_graph``).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from duet.contract import FollowerContract, GraphSpec, TensorSpec, graph_metadata
from duet.errors import DeviceError, FollowerError
from duet.onnx_file import check_metadata, check_onnx

# Windows has its own way of telling; everywhere else ``duet`` has turned it off before.
ort.disable_telemetry_events()

Feeds = Mapping[str, NDArray[Any]]


class GraphSession(Protocol):
    """A graph that is ready to run; fixed shapes, one caller at a time, the interpreter's lock released meanwhile."""

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """The outputs in the order of the graph's ``GraphSpec``; ``feeds`` by name, its inputs or more."""
        ...


ALWAYS_TOLD = ("role", "skeleton_sha256", "weights_sha256")
"""Of ``graph_metadata``: the rest came later, and counts where a graph tells it."""
Opener = Callable[[Path, GraphSpec], GraphSession]
"""Opens a graph file; FollowerError when it cannot be run or is not what its ``GraphSpec`` says."""


def check_graph(path: Path, graph: GraphSpec, contract: FollowerContract) -> None:
    """FollowerError where the file may not be opened, or says of itself that it belongs to another follower."""
    found, told = check_onnx(path), graph_metadata(contract, graph.role)
    check_metadata(path, found, {n: v for n, v in told.items() if n in ALWAYS_TOLD or n in found.metadata})


def check_tensors(
    path: Path, graph: GraphSpec, inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]
) -> None:
    """FollowerError unless the shapes that a runtime found are those of ``graph``."""
    for there, wanted in ((inputs, graph.inputs), (outputs, graph.outputs)):
        for spec in wanted:
            _check_shape(path, spec, there.get(spec.name))
        if unasked := sorted(there.keys() - {spec.name for spec in wanted}):
            raise FollowerError(
                f"{path}: expected the tensors of the contract, got {unasked[0]!r} besides. Export the follower again."
            )


def _check_shape(path: Path, spec: TensorSpec, shape: tuple[int, ...] | None) -> None:
    if shape != spec.shape:
        raise FollowerError(
            f"{path}: expected tensor {spec.name!r} of shape {spec.shape}, got {shape}. Export it again."
        )


_FLOAT = "tensor(float)"


class OrtSession:
    """A graph in ONNX Runtime, on the providers given, the first of which must take it.

    One intra-op thread and no spinning unless asked otherwise: the loop shares its cores with tracking and drawing, and
    two spinning sessions cost more than they gain.
    """

    def __init__(
        self,
        path: Path,
        graph: GraphSpec,
        *,
        threads: int = 1,
        providers: Sequence[str | tuple[str, dict[str, str]]] = ("CPUExecutionProvider",),
    ) -> None:
        """FollowerError when it cannot be run or its tensors are not those of ``graph``."""
        try:
            session = ort.InferenceSession(str(path), _options(threads), providers=list(providers))
        except Exception as error:  # ONNX Runtime raises its own unrelated classes
            reason = str(error).splitlines()[0]
            raise FollowerError(
                f"{path}: expected a graph ONNX Runtime can run, got: {reason}. Export it again."
            ) from error
        first = providers[0] if isinstance(providers[0], str) else providers[0][0]
        if first not in session.get_providers():
            raise FollowerError(
                f"{path}: expected {first} to take the graph, got {', '.join(session.get_providers())}. "
                "Use --runtime cpu, or look after the driver."
            )
        sides = (session.get_inputs(), session.get_outputs())
        inputs, outputs = ({node.name: tuple(node.shape) for node in side} for side in sides)
        check_tensors(path, graph, inputs, outputs)
        if other := next((node for side in sides for node in side if node.type != _FLOAT), None):
            raise FollowerError(
                f"{path}: expected tensors of float32, got {other.type} for {other.name!r}. Export the follower again."
            )
        self._session = session
        self._inputs = [spec.name for spec in graph.inputs]
        self._outputs = [spec.name for spec in graph.outputs]

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """See ``GraphSession``; DeviceError when the device fails or has no memory left."""
        given = {name: feeds[name] for name in self._inputs}
        try:
            results = self._session.run(self._outputs, given)
        except Exception as error:  # of classes that share no base, a GPU that is out of memory among them
            reason = str(error).splitlines()[0]
            raise DeviceError(
                f"ONNX Runtime: expected a tick, got: {reason}. Close what else uses the device, or use --runtime cpu."
            ) from error
        return [np.asarray(result) for result in results]


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # What is wrong with a graph is said once, by the error.
    options.log_severity_level = 4
    return options
