"""A graph in OpenVINO on the CPU (the extra ``openvino``)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.contract import GraphSpec
from duet.errors import FollowerError
from realtime.inference.graph_session import Feeds, check_tensors


class OpenVinoSession:
    """See ``graph_session.GraphSession``. In float32: what is faster in bfloat16 is another answer."""

    def __init__(self, path: Path, graph: GraphSpec, *, threads: int = 1) -> None:
        """FollowerError when it cannot be run or its tensors are not those of ``graph``."""
        import openvino  # pyright: ignore[reportMissingImports]

        core = openvino.Core()
        options: Mapping[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        try:
            compiled = core.compile_model(core.read_model(str(path)), "CPU", dict(options))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise FollowerError(
                f"{path}: expected a graph OpenVINO can run, got: {reason}. Use --runtime cpu."
            ) from error
        inputs, outputs = (
            {port.get_any_name(): tuple(int(n) for n in port.get_shape()) for port in side}
            for side in (compiled.inputs, compiled.outputs)
        )
        check_tensors(path, graph, inputs, outputs)
        self._request = compiled.create_infer_request()
        self._inputs = [spec.name for spec in graph.inputs]
        self._outputs = [compiled.output(spec.name) for spec in graph.outputs]

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """See ``GraphSession``."""
        results = self._request.infer({name: np.ascontiguousarray(feeds[name]) for name in self._inputs})
        # The request owns its outputs and overwrites them the next time.
        return [np.array(results[output]) for output in self._outputs]
