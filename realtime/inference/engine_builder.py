"""Builds one TensorRT engine and ends: ``python -m realtime.inference.engine_builder GRAPH.onnx ENGINE TARGET``.

A process of its own, because the builder is native code that may crash. It says on standard output how far it is
(``done total`` a line) and on standard error what went wrong. Needs no GPU for a named target such as SM89.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("tensorrt_rtx", "tensorrt")
"""TensorRT for RTX, from the public index; the whole TensorRT, from NVIDIA's. The names we use are the same."""
RECIPE = "strongly typed, no TF32"
"""How the builder is set: an engine that was built otherwise is another one."""


def tensorrt() -> Any:
    """The package, the first there is; ImportError where there is none."""
    for name in PACKAGES[:-1]:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return importlib.import_module(PACKAGES[-1])


def build(graph: Path, target: str) -> bytes:
    """The serialised engine of an ONNX file for ``target``; RuntimeError says what the parser or the builder said."""
    trt = tensorrt()
    said: list[str] = []

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                said.append(message)

    builder = trt.Builder(Log())
    # The graph's own types decide, and no flag that allows lesser ones.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, builder.logger)
    if not parser.parse_from_file(str(graph)):
        said += [str(parser.get_error(i)) for i in range(parser.num_errors)]
        raise RuntimeError(_last(said, "the parser refused it"))
    config = builder.create_builder_config()
    # On by default, and float32 would have the ten bits of TF32 in every product.
    config.clear_flag(trt.BuilderFlag.TF32)
    # The whole TensorRT builds for the GPU of this machine only, and has no such setting.
    if hasattr(config, "num_compute_capabilities"):
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
    monitor = _monitor(trt)
    config.progress_monitor = monitor
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise RuntimeError(_last(said, "the builder gave nothing"))
    return bytes(engine)


def _monitor(trt: Any) -> Any:
    """Prints how far the outermost phase is."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.outermost, self.steps = "", 0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not self.outermost:
                self.outermost, self.steps = phase_name, num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name == self.outermost:
                sys.stdout.write(f"{step + 1} {self.steps}\n")
                sys.stdout.flush()
            return True

        def phase_finish(self, phase_name: str) -> None:
            if phase_name == self.outermost:
                self.outermost = ""

    return Monitor()


def _last(said: list[str], otherwise: str) -> str:
    return " ".join((said[-1] if said else otherwise).split())


def main(graph: str, engine: str, target: str) -> int:
    """Build and write; the exit code."""
    try:
        Path(engine).write_bytes(build(Path(graph), target))
    except (RuntimeError, ImportError, AttributeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
