"""TensorRT engines of a follower's graphs: built once for a GPU and a version, kept in the cache, checked when opened.

An engine is code for one GPU, made by one version of TensorRT from one graph; another one is never opened. What it was
made from stands beside it, and its name is a hash of that, so that nothing is looked for but what would fit.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from duet.cache import cache_directory
from duet.contract import FollowerContract, GraphSpec, sha256_of
from duet.errors import FollowerError, InputError
from duet.files import part_beside, written_whole
from realtime.bench.provenance import gpus
from realtime.inference.engine_builder import PACKAGES, RECIPE

TARGETS = ("SM75", "SM80", "SM86", "SM89", "SM120", "SM121")
"""Generations of RTX cards: 20, A100, 30, 40, 50, GB10. TensorRT for RTX builds for no other."""
_WITH_PROGRESS = Callable[[int, int], None]


@dataclass(frozen=True)
class EngineKey:
    """What an engine is made from."""

    role: str
    onnx_sha256: str
    tensorrt: str
    """Package and version."""
    target: str
    """A generation such as SM89; with the whole TensorRT, the GPU's name besides."""
    precision: str
    recipe: str = RECIPE
    """How the builder was set."""

    @property
    def path(self) -> Path:
        """Where in the cache it is."""
        told = json.dumps(asdict(self), sort_keys=True).encode()
        return cache_directory() / "engines" / f"{self.role}-{hashlib.sha256(told).hexdigest()[:24]}.engine"


def tensorrt_version() -> str:
    """Package and version of the TensorRT that would be used; "" where there is none."""
    for name in PACKAGES:
        if importlib.util.find_spec(name) is not None:
            try:
                return f"{name} {importlib.metadata.version(name.replace('_', '-'))}"
            except importlib.metadata.PackageNotFoundError:
                return f"{name} of unknown version"
    return ""


def engine_keys(graphs: Iterable[GraphSpec], contract: FollowerContract, target: str) -> list[EngineKey]:
    """The keys of the engines of ``graphs`` for ``target``; the driver is asked once."""
    version = tensorrt_version()
    # RTX engines run on every card of a generation, those of the whole TensorRT on the kind they were built on.
    card = "" if version.startswith(PACKAGES[0]) else f", {first_gpu()}"
    return [EngineKey(graph.role, graph.sha256, version, f"{target}{card}", contract.precision) for graph in graphs]


def engine_key(graph: GraphSpec, contract: FollowerContract, target: str) -> EngineKey:
    """The key of ``graph``'s engine for ``target``."""
    return engine_keys([graph], contract, target)[0]


def first_gpu() -> str:
    """The name of this machine's first GPU; "" without one.

    Driver, power limit and clock, which ``gpus`` tells besides, may change: an engine stays what it is.
    """
    return gpus().partition(",")[0]


def check_target(target: str) -> None:
    """InputError for a generation that TensorRT for RTX does not know."""
    if target not in TARGETS:
        raise InputError(
            f"--target: expected {', '.join(TARGETS)}, got {target!r}. "
            "Cards of other kinds (data-centre cards of 2022, for one) are not RTX cards; use --runtime cuda."
        )


def build_engine(graph: Path, key: EngineKey, progress: _WITH_PROGRESS = lambda done, total: None) -> Path:
    """Build the engine of ``key`` from the file ``graph`` in a process of its own, unless it is there; its path.

    FollowerError says what the builder said, or that it crashed; nothing is left in the cache then.
    """
    path = key.path
    if path.is_file() and engine_fits(path, key) == "":
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_beside(path)
    try:
        _run_builder(graph, part, key, progress)
        told = {**asdict(key), "engine_sha256": sha256_of(part)}
        with written_whole(path.with_suffix(".json")) as beside:
            beside.write_text(json.dumps(told, indent=1) + "\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _run_builder(graph: Path, part: Path, key: EngineKey, progress: _WITH_PROGRESS) -> None:
    words = [
        sys.executable,
        "-m",
        "realtime.inference.engine_builder",
        str(graph.resolve()),
        str(part),
        key.target.partition(",")[0],
    ]
    home = Path(__file__).resolve().parents[2]
    # A file takes whatever a builder has to say; a pipe that nobody empties meanwhile would stop it.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        child = subprocess.Popen(words, cwd=home, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace")
        try:
            assert child.stdout is not None
            for line in child.stdout:
                numbers = line.split()
                if len(numbers) == 2 and all(n.isdigit() for n in numbers):
                    progress(int(numbers[0]), int(numbers[1]))
            child.communicate()
        except BaseException:
            child.kill()
            child.communicate()
            raise
        errors.seek(0)
        lines = errors.read().strip().splitlines()
    if child.returncode != 0:
        said = (lines or [""])[-1]
        said = said if child.returncode > 0 and said else f"a crash of the builder (exit code {child.returncode})"
        raise FollowerError(
            f"{graph}: expected an engine of {key.tensorrt or 'TensorRT'} for {key.target}, got: {said}. "
            "Use --runtime cpu, or another version of TensorRT."
        )


def engine_fits(path: Path, key: EngineKey) -> str:
    """Why the engine at ``path`` may not be opened for ``key``; "" where it may."""
    try:
        told: Any = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        told = None
    if not isinstance(told, dict):
        return "an engine that nothing says the origin of"
    for name, expected in asdict(key).items():
        if told.get(name) != expected:
            return f"one of {name.replace('_', ' ')} {str(told.get(name))[:40]!r}, not {expected[:40]!r}"
    if not path.is_file():
        return "no engine"
    if sha256_of(path) != told.get("engine_sha256"):
        return "an engine that was altered or cut off"
    return ""


def open_engine(path: Path, key: EngineKey) -> bytes:
    """The bytes of an engine that fits ``key``; FollowerError says why one does not."""
    if wrong := engine_fits(path, key):
        raise FollowerError(
            f"{path}: expected the engine of this graph, GPU and version, got {wrong}. Build it again: duet engines."
        )
    return path.read_bytes()
