"""What a follower's graphs run on: which runtimes there are, which of them this machine has, and which one is taken.

``auto`` goes down one list, TensorRT, CUDA, CPU, and says what it took and why not what stands before it: it is not
there, or it is there and does not open the follower, as CUDA without its libraries. TensorRT is taken where the
follower's engines are built (``duet engines``): nobody waits for a builder when a dance begins. OpenVINO is taken when
it is asked for: in float32 it is hardly faster than ONNX Runtime.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from duet.contract import GraphSpec, load_contract
from duet.errors import DeviceError, FollowerError, InputError
from duet.extras import how_to_install
from realtime.bench.provenance import compute_capability, gpus
from realtime.inference.engine_cache import engine_fits, engine_keys, tensorrt_version
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
_T = TypeVar("_T")


@dataclass(frozen=True)
class Choice:
    """A runtime, and how it was come to."""

    name: str
    passed_over: tuple[str, ...] = ()
    """Sentences on those that would have come before it."""
    unexpected: bool = False
    """Whether one of those is there, and does not open the follower: worth a word before a show."""

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
    """The runtime for ``--runtime asked`` by what is there, unopened; InputError says what one lacks that was asked for
    by name."""
    return _chosen(asked, () if folder is None else (folder,), lambda name: None)[0]


def _chosen(asked: str, folders: Sequence[Path], opened: Callable[[str], _T]) -> tuple[Choice, _T]:
    """The runtime for ``--runtime asked`` and the followers in ``folders``, and what ``opened`` makes of its name.

    Under auto one whose ``opened`` fails is passed over, but for the last: what the CPU cannot open is broken.
    """
    if asked not in CHOICES:
        raise InputError(f"--runtime: expected one of {', '.join(CHOICES)}, got {asked!r}. Choose one of them.")
    if asked != "auto":
        if lacks := _missing(asked, folders):
            raise InputError(f"--runtime {asked}: expected {TITLES[asked]}, got {lacks} Or give --runtime auto.")
        return Choice(asked), opened(asked)
    passed, unexpected = [], False
    for name in AUTO_ORDER[:-1]:
        lacks = _missing(name, folders)
        if not lacks:
            try:
                return Choice(name, tuple(passed), unexpected), opened(name)
            except (DeviceError, FollowerError) as error:
                lacks, unexpected = str(error), True
        passed.append(f"Not {name}: {lacks}")
    return Choice(AUTO_ORDER[-1], tuple(passed), unexpected), opened(AUTO_ORDER[-1])


def _missing(name: str, folders: Sequence[Path]) -> str:
    """``missing`` for all of ``folders``."""
    return next((lacks for folder in folders or (None,) if (lacks := missing(name, folder))), "")


def opener(name: str, folder: Path, threads: int = 1) -> Opener:
    """Opens graphs of the follower in ``folder`` for the runtime ``name``, which is there."""
    if name == "openvino":
        from realtime.inference.openvino_session import OpenVinoSession

        return partial(OpenVinoSession, threads=threads)
    if name == "tensorrt":
        return _tensorrt_opener(folder)
    # Without a word CUDA would round the factors of float32 to the ten bits of TF32.
    cuda = (("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider")
    return partial(OrtSession, threads=threads, providers=cuda if name == "cuda" else cuda[1:])


def open_runner(folder: str | Path, asked: str = "auto", *, threads: int = 1, measuring: bool = False) -> OrtRunner:
    """A follower on the runtime that ``asked`` comes to; see ``OrtRunner`` for its errors and for ``measuring``."""
    return open_together([folder], asked, threads=threads, measuring=measuring)[0][0]


def open_together(
    folders: Sequence[str | Path], asked: str = "auto", *, threads: int = 1, measuring: bool = False
) -> tuple[list[OrtRunner], Choice]:
    """Followers on the one runtime that ``asked`` comes to for all of them, and how it was come to.

    Under auto a runtime that is there and does not open one of them is passed over, and the choice says why. Errors as
    in ``open_runner``.
    """
    paths = [Path(folder) for folder in folders]

    def opened(name: str) -> list[OrtRunner]:
        return [OrtRunner(path, opened=opener(name, path, threads), measuring=measuring) for path in paths]

    choice, runners = _chosen(asked, paths, opened)
    return runners, choice


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
    target = this_target()
    if not target:
        return _NO_GPU
    if folder is None:
        return ""
    contract = load_contract(folder)
    keys = engine_keys(contract.graphs, contract, target)
    if any(engine_fits(key.path, key) for key in keys):
        return f"no engines of this follower. Build them: duet engines --follower {folder}."
    return ""


def _no_openvino() -> str:
    if importlib.util.find_spec("openvino") is None:
        return f"no such package. Install it: {how_to_install('openvino')}"
    return ""


_NO_GPU = "no NVIDIA GPU that its driver tells of. Look after the driver."
