"""The TensorRT session on a device made up of main memory: which bytes are where when, and what is captured.

No GPU and no TensorRT take part. ONNX Runtime computes what an engine would, from the addresses it is given.
"""

import ctypes
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from duet.contract import GraphSpec, load_contract
from duet.errors import DeviceError
from realtime.inference import tensorrt_session
from realtime.inference.graph_session import OrtSession
from realtime.inference.tensorrt_session import TensorRtSession, _Cuda

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
CONTRACT = load_contract(SHIPPED)
MEMORY = next(graph for graph in CONTRACT.graphs if graph.role == "memory")


class Device:
    """CUDA's runtime, as far as a session asks: memory, copies on one stream, and graphs of what was begun."""

    cudaHostAllocDefault = 0
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self, *, captures: bool = True) -> None:
        self.captures = captures
        self.memory: list[Any] = []
        self.copied_in: list[int] = []
        self.launches = 0
        self._begun: list[Callable[[], object]] | None = None

    def begin(self, work: Callable[[], object]) -> None:
        work() if self._begun is None else self._begun.append(work)

    def cudaMalloc(self, size: int) -> tuple[int, int]:
        self.memory.append(ctypes.create_string_buffer(size))
        return 0, ctypes.addressof(self.memory[-1])

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[int, int]:
        return self.cudaMalloc(size)

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: int) -> tuple[int]:
        if kind == 1:
            self.copied_in.append(size)
        self.begin(lambda: ctypes.memmove(to, source, size))
        return (0,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:
        assert self._begun is None, "nobody waits for what is only being captured"
        return (0,)

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[int]:
        self._begun = []
        return (0,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[int, Any]:
        graph, self._begun = self._begun, None
        return (0, graph) if self.captures else (900, None)

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[int, Any]:
        return 0, graph

    def cudaGraphLaunch(self, graph: list[Callable[[], object]], stream: int) -> tuple[int]:
        self.launches += 1
        for work in graph:
            work()
        return (0,)


class Engine:
    """An engine and its context in one."""

    def __init__(self, graph: GraphSpec, device: Device) -> None:
        self._graph, self._device = graph, device
        self._runs = OrtSession(SHIPPED / graph.file, graph)
        self._shapes = {spec.name: spec.shape for spec in (*graph.inputs, *graph.outputs)}
        self._names = list(self._shapes)
        self.num_io_tensors = len(self._names)
        self._addresses: dict[str, int] = {}
        self.refuses = False

    def create_execution_context(self) -> "Engine":
        return self

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name in {spec.name for spec in self._graph.inputs} else "out"

    def set_tensor_address(self, name: str, address: int) -> None:
        self._addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        at = dict(self._addresses)
        self._device.begin(lambda: self._compute(at))
        return not self.refuses

    def _compute(self, at: dict[str, int]) -> None:
        feeds = {spec.name: self._array(at, spec.name) for spec in self._graph.inputs}
        for spec, result in zip(self._graph.outputs, self._runs.run(feeds), strict=True):
            self._array(at, spec.name)[:] = result

    def _array(self, at: dict[str, int], name: str) -> np.ndarray:
        count = int(np.prod(self._shapes[name]))
        memory = (ctypes.c_float * count).from_address(at[name])
        return np.frombuffer(memoryview(memory), dtype=np.float32).reshape(self._shapes[name])


def opened(monkeypatch: pytest.MonkeyPatch, device: Device) -> tuple[TensorRtSession, Engine]:
    engine = Engine(MEMORY, device)
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda plan: engine)
    package = SimpleNamespace(
        Logger=type("Logger", (), {"ERROR": 1, "__init__": lambda self, level: None}),
        Runtime=lambda logger: runtime,
        TensorIOMode=SimpleNamespace(INPUT="in"),
    )

    def begin(self: _Cuda) -> None:
        self._runtime, self.stream = device, 0

    monkeypatch.setattr(tensorrt_session, "tensorrt", lambda: package)
    monkeypatch.setattr(tensorrt_session, "open_engine", lambda path, key: b"engine")
    monkeypatch.setattr(_Cuda, "__init__", begin)
    return TensorRtSession(SHIPPED / MEMORY.file, MEMORY, CONTRACT, "SM89"), engine


def danced(session: Any, ticks: int, *, swap_at: int = -1) -> list[np.ndarray]:
    """Everything that a memory says while its state is carried; in tick ``swap_at`` the state is another array."""
    rng = np.random.Generator(np.random.PCG64(0))
    states = [spec.name for spec in MEMORY.inputs if f"new_{spec.name}" in {out.name for out in MEMORY.outputs}]
    tensors = {spec.name: np.zeros(spec.shape, dtype=np.float32) for spec in MEMORY.inputs}
    said = []
    for tick in range(ticks):
        for spec in MEMORY.inputs:
            if spec.name not in states:
                tensors[spec.name] = rng.standard_normal(spec.shape, dtype=np.float32)
            elif tick == swap_at:
                tensors[spec.name] = 0.5 * tensors[spec.name]
        results = session.run(tensors)
        said += results
        given = dict(zip((spec.name for spec in MEMORY.outputs), results, strict=True))
        tensors |= {state: given[f"new_{state}"] for state in states}
    return said


@pytest.mark.parametrize("swap_at", [-1, 3])
@pytest.mark.parametrize("captures", [True, False])
def test_a_state_is_carried_on_the_device_and_exchanged_where_it_is_another(
    captures: bool, swap_at: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    device = Device(captures=captures)
    session, _ = opened(monkeypatch, device)
    expected = danced(OrtSession(SHIPPED / MEMORY.file, MEMORY), 7, swap_at=swap_at)
    with caplog.at_level(logging.WARNING, "duet.tensorrt"):
        for ours, theirs in zip(danced(session, 7, swap_at=swap_at), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    states = {spec.name: 4 * int(np.prod(spec.shape)) for spec in MEMORY.inputs if spec.name in session._states}
    assert sorted(states) == ["memory_conv", "memory_ssm"]
    # The first tick brings every state, and so does one whose state comes from elsewhere; no other does.
    for size in states.values():
        assert device.copied_in.count(size) == (1 if swap_at < 0 else 2)
    # Of each of the two ways the first run is as it comes; after that they are graphs, where the device takes them.
    assert device.launches == (5 if captures else 0)
    assert ("no CUDA graph" in caplog.text) == (not captures)


def test_what_was_handed_out_cannot_be_changed_behind_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = opened(monkeypatch, Device())
    results = dict(zip((spec.name for spec in MEMORY.outputs), session.run(
        {spec.name: np.zeros(spec.shape, dtype=np.float32) for spec in MEMORY.inputs}), strict=True))  # fmt: skip
    with pytest.raises(ValueError, match="read-only"):
        results["new_memory_ssm"][:] = 0.0


def test_a_refusal_of_the_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    session, engine = opened(monkeypatch, Device())
    engine.refuses = True
    with pytest.raises(DeviceError, match="TensorRT: expected a tick, got a refusal of the GPU. Use --runtime cpu"):
        session.run({spec.name: np.zeros(spec.shape, dtype=np.float32) for spec in MEMORY.inputs})


def test_a_gpu_without_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "create_execution_context", lambda self: None)
    with pytest.raises(DeviceError, match="TensorRT: expected memory for a context, got none. Close what else uses"):
        opened(monkeypatch, Device())
    monkeypatch.undo()
    device = Device()
    monkeypatch.setattr(device, "cudaMalloc", lambda size: (2, None))
    with pytest.raises(DeviceError, match="got too little memory on the GPU. Use --runtime cpu"):
        opened(monkeypatch, device)


def test_a_package_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise ImportError("libnvinfer.so.10: cannot open shared object file")

    monkeypatch.setattr(tensorrt_session, "tensorrt", load)
    with pytest.raises(
        DeviceError, match=r"TensorRT: expected its package to load, got: libnvinfer.* Install it again: "
    ):
        TensorRtSession(SHIPPED / MEMORY.file, MEMORY, CONTRACT, "SM89")
