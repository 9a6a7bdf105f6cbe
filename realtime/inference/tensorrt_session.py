"""A graph as a TensorRT engine on an NVIDIA RTX GPU (the extra ``tensorrt``), or one of the whole TensorRT.

Not tried on a GPU yet. What is tested is that engines are built, found again and refused where they do not fit, that a
machine without a GPU is told so, and, on a device made up of main memory, which bytes are where when.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract, GraphSpec
from duet.errors import DeviceError, FollowerError
from duet.extras import how_to_install
from realtime.inference.engine_builder import tensorrt
from realtime.inference.engine_cache import engine_key, open_engine
from realtime.inference.graph_session import Feeds, check_tensors

LOG = logging.getLogger("duet.tensorrt")
_NEW = "new_"


class TensorRtSession:
    """See ``realtime.inference.graph_session.GraphSession``.

    Buffers on the device and pinned ones on the host are made once, and everything runs on one stream. A state ``x``
    that comes out as ``new_x`` has two buffers that change places with every run: handed back as it was given, it is
    on the device already. From the third run on each of the two ways is a CUDA graph.
    """

    def __init__(self, path: Path, graph: GraphSpec, contract: FollowerContract, target: str) -> None:
        """The engine of the graph file ``path`` from the cache. FollowerError when it is missing, does not fit or is of
        other tensors; DeviceError without a GPU that runs it."""
        try:
            trt = tensorrt()
        except (ImportError, OSError) as error:
            raise DeviceError(
                f"TensorRT: expected its package to load, got: {error}. Install it again: {how_to_install('tensorrt')}"
            ) from error
        key = engine_key(graph, contract, target)
        plan = open_engine(key.path, key)
        self._cuda = _Cuda()
        # TensorRT keeps the logger by reference: it must live as long as what it made.
        self._logger = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise FollowerError(f"{key.path}: expected an engine that this GPU runs, got none. Build it: duet engines.")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise DeviceError(
                "TensorRT: expected memory for a context, got none. Close what else uses the GPU, or use --runtime cpu."
            )
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        shapes = {name: tuple(self._engine.get_tensor_shape(name)) for name in names}
        given = {name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}
        check_tensors(
            path, graph, {n: shapes[n] for n in names if n in given}, {n: shapes[n] for n in names if n not in given}
        )
        self._inputs = [spec.name for spec in graph.inputs]
        self._outputs = [spec.name for spec in graph.outputs]
        self._states = [name for name in self._inputs if _NEW + name in self._outputs]
        self._host = {name: self._cuda.pinned(shapes[name]) for name in names}
        self._sides = self._placed(names)
        self._side, self._runs = 0, [0, 0]
        self._captured: list[Any] = [None, None]
        self._handed: dict[str, NDArray[Any]] = {}
        """The states that the newest run gave, as they were handed out."""

    def _placed(self, names: list[str]) -> tuple[dict[str, int], dict[str, int]]:
        """Where each tensor is on the device, in every other run."""
        here = {name: self._cuda.device(self._host[name].nbytes) for name in names}
        there = dict(here)
        for state in self._states:
            there[state], there[_NEW + state] = here[_NEW + state], here[state]
        return here, there

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """See ``GraphSession``; DeviceError when the GPU fails."""
        side = self._side
        for name in self._inputs:
            if name in self._handed and feeds[name] is self._handed[name]:
                continue
            np.copyto(self._host[name], feeds[name])
            self._cuda.to_device(self._sides[side][name], self._host[name])
        self._launch(side)
        self._cuda.wait()
        results = {name: self._host[name].copy() for name in self._outputs}
        for state in self._states:
            # Whoever changed it would find it unchanged on the device.
            results[_NEW + state].flags.writeable = False
            self._handed[state] = results[_NEW + state]
        self._side = 1 - side
        return list(results.values())

    def _launch(self, side: int) -> None:
        """Compute and copy out: as it comes the first time, then as a graph of CUDA's."""
        self._runs[side] += 1
        # Whatever a first run still sets up has no place in a graph.
        if self._runs[side] == 2:
            self._captured[side] = self._cuda.captured(lambda: self._enqueue(side))
        if self._captured[side] is None:
            self._enqueue(side)
        else:
            self._cuda.launch(self._captured[side])

    def _enqueue(self, side: int) -> None:
        for name, address in self._sides[side].items():
            self._context.set_tensor_address(name, address)
        if not self._context.execute_async_v3(self._cuda.stream):
            raise DeviceError("TensorRT: expected a tick, got a refusal of the GPU. Use --runtime cpu.")
        for name in self._outputs:
            self._cuda.to_host(self._host[name], self._sides[side][name])


class _Cuda:
    """The few calls of CUDA's runtime that a session needs, on one stream of its own."""

    def __init__(self) -> None:
        try:
            from cuda.bindings import runtime  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
        except ImportError as error:
            raise DeviceError(
                f"CUDA: expected the package cuda-bindings, got none. Install it: {how_to_install('tensorrt')}"
            ) from error
        self._runtime = runtime
        (count,) = self._called("cudaGetDeviceCount")
        if not count:
            raise DeviceError("CUDA: expected a GPU, got none. Use --runtime cpu.")
        (self.stream,) = self._called("cudaStreamCreate")

    def device(self, size: int) -> int:
        """Address of ``size`` bytes on the device."""
        (address,) = self._called("cudaMalloc", size)
        return int(address)

    def pinned(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An array on the host that the device copies from and to directly."""
        import ctypes

        count = int(np.prod(shape))
        (address,) = self._called("cudaHostAlloc", 4 * count, self._runtime.cudaHostAllocDefault)
        memory = (ctypes.c_float * count).from_address(int(address))
        return np.frombuffer(memoryview(memory), dtype=np.float32).reshape(shape)

    def to_device(self, device: int, host: NDArray[np.float32]) -> None:
        """Begin a copy."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._called("cudaMemcpyAsync", device, host.ctypes.data, host.nbytes, kind, self.stream)

    def to_host(self, host: NDArray[np.float32], device: int) -> None:
        """Begin a copy."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._called("cudaMemcpyAsync", host.ctypes.data, device, host.nbytes, kind, self.stream)

    def captured(self, work: Callable[[], None]) -> Any:
        """What ``work`` begins, as one graph to be launched; None, with a word in the log, where that cannot be."""
        try:
            self._called(
                "cudaStreamBeginCapture",
                self.stream,
                self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal,
            )
            failure: DeviceError | None = None
            try:
                work()
            except DeviceError as error:
                failure = error
            # Begun is begun: only its end makes the stream usable again.
            (graph,) = self._called("cudaStreamEndCapture", self.stream)
            if failure is not None:
                raise failure
            (launchable,) = self._called("cudaGraphInstantiate", graph, 0)
        except DeviceError as error:
            LOG.warning("no CUDA graph, every kernel is launched by itself: %s", error)
            return None
        return launchable

    def launch(self, graph: Any) -> None:
        """Begin what was captured."""
        self._called("cudaGraphLaunch", graph, self.stream)

    def wait(self) -> None:
        """Until everything begun is done."""
        self._called("cudaStreamSynchronize", self.stream)

    def _called(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """What a call gives besides its code; DeviceError, with what to do, for a code that is none of success."""
        code, *results = getattr(self._runtime, name)(*arguments)
        if int(code) == 0:
            return tuple(results)
        what = {2: "too little memory on the GPU", 35: "no driver, or one that is too old", 100: "no GPU"}
        raise DeviceError(
            f"CUDA: expected {name} to succeed, got {what.get(int(code), getattr(code, 'name', code))}. "
            "Use --runtime cpu, or look after the driver."
        )
