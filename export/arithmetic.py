"""How much arithmetic a graph is: what its matrix products and convolutions multiply and add, counted from shapes.

What depends on nothing but weights is not counted: a runtime computes it once, when it opens the graph.
"""

import math

import onnx


def gflop(model: onnx.ModelProto) -> float:
    """10^9 multiplications and additions of one run of a graph of static shapes."""
    graph = model.graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    fixed = {tensor.name for tensor in graph.initializer} | {""}
    total = 0
    for node in graph.node:
        if all(name in fixed for name in node.input):
            fixed.update(node.output)
            continue
        total += _of_node(node, shapes)
    return total / 1e9


def _of_node(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    given = shapes.get(node.output[0], ())
    if node.op_type == "MatMul":
        return 2 * math.prod(given) * shapes[node.input[0]][-1]
    if node.op_type == "Gemm":
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return 2 * math.prod(given) * shapes[node.input[0]][0 if transposed else -1]
    if node.op_type == "Conv":
        # Weights (outputs, inputs by groups, kernel ...).
        return 2 * math.prod(given) * math.prod(shapes[node.input[1]][1:])
    return 0
