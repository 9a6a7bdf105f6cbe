"""A graph in less than float32: float16 throughout, or int8 weights per channel. Inputs and outputs stay float32.

Memory and forecast stay float32 in every case: the one carries a state for ever, and both are a small part of a tick.
"""

import logging
import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort

LOWERED = {"fp32": (), "fp16": ("denoise", "decode"), "int8": ("denoise",)}
"""Which roles are in the precision of that name."""


def lowered(model: onnx.ModelProto, role: str, precision: str) -> onnx.ModelProto:
    """``model`` in ``precision``, where ``role`` is one that it is for; equal models give equal bytes."""
    if role not in LOWERED[precision]:
        return model
    return _half(model) if precision == "fp16" else _int8(model)


def _half(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    half = convert_float_to_float16(copied, keep_io_types=True, disable_shape_infer=True)
    _put_in_order(half.graph)
    onnx.checker.check_model(half)
    return half


def _put_in_order(graph: onnx.GraphProto) -> None:
    """Every node after those it reads from, else as before: the converter puts its casts of inputs at the end."""
    made_here = {name for node in graph.node for name in node.output}
    waiting, there, ordered = list(graph.node), set(), []
    while waiting:
        later = []
        for node in waiting:
            if all(name in there or name not in made_here for name in node.input):
                ordered.append(node)
                there.update(node.output)
            else:
                later.append(node)
        waiting = later
    copied = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copied)


def _int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Dynamic: activations are quantised as they come. Weights lie behind constant transposes, and the quantiser sees
    none of them: ONNX Runtime folds those first. What shapes were noted contradict the quantiser's, and are dropped."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(prefix="duet-int8-") as folder:
        whole, folded, small = (Path(folder) / f"{name}.onnx" for name in ("whole", "folded", "small"))
        whole.write_bytes(model.SerializeToString())
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        options.log_severity_level = 3
        ort.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])
        basic = onnx.load(folded)
        del basic.graph.value_info[:]
        onnx.save(basic, folded)
        level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)
        try:
            quantize_dynamic(
                folded, small, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
            )
        finally:
            logging.getLogger().setLevel(level)
        return onnx.load(small)
