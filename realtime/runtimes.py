"""What a follower's graphs run on: which runtimes there are, which of them this machine has, and which one is taken.

``auto`` goes down one list, TensorRT, CUDA, CPU, and says what it took and why not what stands before it. OpenVINO is
taken when it is asked for: in float32 it is hardly faster than ONNX Runtime, and it is not installed by itself.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from duet.errors import InputError
from realtime.graph_session import Opener, OrtSession
from realtime.runner_ort import OrtRunner

AUTO_ORDER = ("tensorrt", "cuda", "cpu")
RUNTIMES = ("cpu", "cuda", "tensorrt", "openvino")
CHOICES = ("auto", *RUNTIMES)
"""What ``--runtime`` takes."""
TITLES = {
    "cpu": "ONNX Runtime on the CPU",
    "cuda": "ONNX Runtime on an NVIDIA GPU",
    "tensorrt": "TensorRT for RTX by ONNX Runtime",
    "openvino": "OpenVINO on the CPU",
}
_TENSORRT_PROVIDERS = ("NvTensorRTRTXExecutionProvider", "TensorrtExecutionProvider")


@dataclass(frozen=True)
class Choice:
    """A runtime, and how it was come to."""

    name: str
    passed_over: tuple[str, ...] = ()
    """Sentences on those that would have come before it."""

    @property
    def title(self) -> str:
        """In a few words."""
        return TITLES[self.name]

    def sentence(self) -> str:
        """What runs, and why nothing else."""
        return " ".join((f"{self.title}.", *self.passed_over))


def missing(name: str) -> str:
    """Why runtime ``name`` cannot be used on this machine; "" where it can."""
    return _CHECKS[name]()


def choose(asked: str) -> Choice:
    """The runtime for ``--runtime asked``; InputError says what one lacks that was asked for by name."""
    if asked not in CHOICES:
        raise InputError(f"--runtime: expected one of {', '.join(CHOICES)}, got {asked!r}. Choose one of them.")
    if asked != "auto":
        if lacks := missing(asked):
            raise InputError(f"--runtime {asked}: expected {TITLES[asked]}, got {lacks} Or give --runtime auto.")
        return Choice(asked)
    passed = []
    for name in AUTO_ORDER:
        lacks = missing(name)
        if not lacks:
            return Choice(name, tuple(passed))
        passed.append(f"{name}: {lacks}")
    raise InputError("Runtime: expected at least the CPU's, got none. Run make demo again.")


def opener(name: str, threads: int = 1) -> Opener:
    """Opens graphs for the runtime ``name``, which is there."""
    if name == "openvino":
        from realtime.openvino_session import OpenVinoSession

        return partial(OpenVinoSession, threads=threads)
    providers = {
        "cpu": ("CPUExecutionProvider",),
        "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
        "tensorrt": (*_tensorrt_provider(), "CPUExecutionProvider"),
    }[name]
    return partial(OrtSession, threads=threads, providers=providers)


def open_runner(folder: str | Path, asked: str = "auto", *, threads: int = 1, measuring: bool = False) -> OrtRunner:
    """A follower on the runtime that ``asked`` comes to; see ``OrtRunner`` for its errors and for ``measuring``."""
    return OrtRunner(folder, opened=opener(choose(asked).name, threads), measuring=measuring)


def _no_cpu() -> str:
    return ""


def _no_cuda() -> str:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "an ONNX Runtime without CUDA. Install onnxruntime-gpu in its place."
    return _no_gpu()


def _no_tensorrt() -> str:
    if not _tensorrt_provider():
        return "an ONNX Runtime without TensorRT. Install onnxruntime-gpu, or the provider of TensorRT for RTX."
    return _no_gpu()


def _no_openvino() -> str:
    if importlib.util.find_spec("openvino") is None:
        return "no such package. Install it: pip install 'duet[openvino]'."
    return ""


def _no_gpu() -> str:
    from realtime.provenance import gpus

    return "" if gpus() else "no NVIDIA GPU that its driver tells of. Look after the driver."


def _tensorrt_provider() -> tuple[str, ...]:
    """The provider for TensorRT that ONNX Runtime was built with, if any."""
    import onnxruntime

    there = onnxruntime.get_available_providers()
    return tuple(name for name in _TENSORRT_PROVIDERS if name in there)[:1]


_CHECKS: dict[str, Callable[[], str]] = {
    "cpu": _no_cpu,
    "cuda": _no_cuda,
    "tensorrt": _no_tensorrt,
    "openvino": _no_openvino,
}
