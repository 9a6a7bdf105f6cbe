"""What a follower's graphs run on: which runtimes there are, which of them this machine has, and which one is taken.

``auto`` goes down one list, TensorRT, CUDA, CPU, and says what it took and why not what stands before it. TensorRT is
taken where the follower's engines are built (``duet engines``): nobody waits for a builder when a dance begins.
OpenVINO is taken when it is asked for: in float32 it is hardly faster than ONNX Runtime.
"""

import importlib.util
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from duet.contract import GraphSpec, load_contract
from duet.errors import InputError
from duet.extras import how_to_install
from realtime.bench.provenance import compute_capability, gpus
from realtime.inference.engine_cache import engine_fits, engine_key, tensorrt_version
from realtime.inference.graph_session import GraphSession, Opener, OrtSession
from realtime.inference.runner_ort import OrtRunner

AUTO_ORDER = ("tensorrt", "cuda", "cpu")
RUNTIMES = ("cpu", "cuda", "tensorrt", "openvino")
CHOICES = ("auto", *RUNTIMES)
"""What ``--runtime`` takes."""
TITLES = {
    "cpu": "ONNX Runtime on the CPU",
    "cuda": "ONNX Runtime on an NVIDIA GPU",
    "tensorrt": "TensorRT",
    "openvino": "OpenVINO on the CPU",
}


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


def missing(name: str, folder: Path | None = None) -> str:
    """Why runtime ``name`` cannot be used on this machine, for the follower in ``folder`` if one is given; "" where it
    can."""
    if name == "tensorrt":
        return _no_tensorrt(folder)
    return {"cpu": _nothing, "cuda": _no_cuda, "openvino": _no_openvino}[name]()


def choose(asked: str, folder: Path | None = None) -> Choice:
    """The runtime for ``--runtime asked``; InputError says what one lacks that was asked for by name."""
    if asked not in CHOICES:
        raise InputError(f"--runtime: expected one of {', '.join(CHOICES)}, got {asked!r}. Choose one of them.")
    if asked != "auto":
        if lacks := missing(asked, folder):
            raise InputError(f"--runtime {asked}: expected {TITLES[asked]}, got {lacks} Or give --runtime auto.")
        return Choice(asked)
    passed = []
    for name in AUTO_ORDER:
        lacks = missing(name, folder)
        if not lacks:
            return Choice(name, tuple(passed))
        passed.append(f"Not {name}: {lacks}")
    raise InputError("Runtime: expected at least the CPU's, got none. Run make demo again.")


def opener(name: str, folder: Path, threads: int = 1) -> Opener:
    """Opens graphs of the follower in ``folder`` for the runtime ``name``, which is there."""
    if name == "openvino":
        from realtime.inference.openvino_session import OpenVinoSession

        return partial(OpenVinoSession, threads=threads)
    if name == "tensorrt":
        return _tensorrt_opener(folder)
    cuda = ("CUDAExecutionProvider", "CPUExecutionProvider")
    return partial(OrtSession, threads=threads, providers=cuda if name == "cuda" else cuda[1:])


def open_runner(folder: str | Path, asked: str = "auto", *, threads: int = 1, measuring: bool = False) -> OrtRunner:
    """A follower on the runtime that ``asked`` comes to; see ``OrtRunner`` for its errors and for ``measuring``."""
    folder = Path(folder)
    return OrtRunner(folder, opened=opener(choose(asked, folder).name, folder, threads), measuring=measuring)


def this_target() -> str:
    """The generation of this machine's first GPU, such as SM89; "" without one."""
    capability = compute_capability()
    return f"SM{capability.replace('.', '')}" if capability else ""


def _tensorrt_opener(folder: Path) -> Opener:
    from realtime.inference.tensorrt_session import TensorRtSession

    contract, target = load_contract(folder), this_target()

    def opened(path: Path, graph: GraphSpec) -> GraphSession:
        return TensorRtSession(path, graph, contract, target)

    return opened


def _nothing() -> str:
    return ""


def _no_cuda() -> str:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "an ONNX Runtime without CUDA. Install onnxruntime-gpu in its place."
    return "" if gpus() else _NO_GPU


def _no_tensorrt(folder: Path | None) -> str:
    if not tensorrt_version():
        return f"no such package. Install it: {how_to_install('tensorrt')}"
    if not gpus():
        return _NO_GPU
    if folder is None:
        return ""
    contract = load_contract(folder)
    keys = [engine_key(graph, contract, this_target()) for graph in contract.graphs]
    if any(engine_fits(key.path, key) for key in keys):
        return f"no engines of this follower. Build them: duet engines --follower {folder}."
    return ""


def _no_openvino() -> str:
    if importlib.util.find_spec("openvino") is None:
        return f"no such package. Install it: {how_to_install('openvino')}"
    return ""


_NO_GPU = "no NVIDIA GPU that its driver tells of. Look after the driver."
