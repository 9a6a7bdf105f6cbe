"""What an ONNX file holds, read without the ``onnx`` package and without believing it: opset, operators, metadata.

Only as much of the format (protocol buffers, onnx.proto3) as is needed to refuse a graph before a runtime opens it:
external data could name any file, operators of other domains could be anybody's code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from duet.errors import FollowerError

OPSETS = range(18, 23)
"""18 to 22. From 23 on the exporter writes an operator that TensorRT-RTX cannot build; below 18 it writes none."""
OURS = ("", "ai.onnx")
_EXTERNAL = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Field numbers of onnx.proto3.
_MODEL_GRAPH, _MODEL_OPSET, _MODEL_PROPS, _MODEL_FUNCTION = 7, 8, 14, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OP, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE = 22, 23
_TENSOR_NAME, _TENSOR_OUTSIDE, _TENSOR_LOCATION = 8, 13, 14


@dataclass
class OnnxFile:
    """What was found."""

    opsets: dict[str, int] = field(default_factory=dict)
    """Version by domain, "" for ONNX's own."""
    operators: set[tuple[str, str]] = field(default_factory=set)
    """(domain, name) of every operator used."""
    external: list[str] = field(default_factory=list)
    """Names of tensors whose numbers lie in another file."""
    sparse: bool = False
    """Whether there are sparse tensors: they claim any size, and may lie in other files too."""
    metadata: dict[str, str] = field(default_factory=dict)
    nodes: int = 0


def read_onnx(path: Path) -> OnnxFile:
    """Look through ``path``; FollowerError where it is empty or no ONNX."""
    data = path.read_bytes()
    if not data:
        raise FollowerError(f"{path}: expected an ONNX graph, got an empty file. Fetch or export the follower again.")
    found = OnnxFile()
    try:
        _model(memoryview(data), found)
    except (ValueError, IndexError, RecursionError) as error:
        raise FollowerError(
            f"{path}: expected an ONNX graph, got a file that is none or was cut off ({error}). "
            "Fetch or export the follower again."
        ) from error
    if not found.nodes:
        raise FollowerError(f"{path}: expected an ONNX graph, got one without operators. Export the follower again.")
    return found


def check_onnx(path: Path) -> OnnxFile:
    """``read_onnx``, and FollowerError where the graph is not one that the export writes."""
    found = read_onnx(path)
    if found.external:
        raise FollowerError(
            f"{path}: expected every tensor inside the file, got {found.external[0]!r} as external data. "
            "Do not use this follower; a graph may not name other files."
        )
    if found.sparse:
        raise FollowerError(
            f"{path}: expected every tensor in full, got a sparse one, as no export writes. Do not use this follower."
        )
    if foreign := sorted(f"{domain}.{name}" for domain, name in found.operators if domain not in OURS):
        raise FollowerError(
            f"{path}: expected ONNX's own operators, got the custom operator {foreign[0]!r}. Do not use this follower."
        )
    version = found.opsets.get("", found.opsets.get("ai.onnx", 0))
    if version not in OPSETS:
        raise FollowerError(
            f"{path}: expected opset {OPSETS.start} to {OPSETS.stop - 1}, got {version}. "
            "Export the follower with this version."
        )
    return found


def check_metadata(path: Path, found: OnnxFile, expected: Mapping[str, str]) -> None:
    """FollowerError where the graph says of itself something else than ``expected``: a file of another follower."""
    for name, value in expected.items():
        got = found.metadata.get(name, "")
        if got != value:
            raise FollowerError(
                f"{path}: expected a graph of {name} {_short(value)!r}, got {_short(got) or 'none'!r}. "
                "Is it a file of another follower? Fetch or export the follower again."
            )


def _short(value: str) -> str:
    return f"{value[:12]}…" if len(value) > 40 else value


def _model(data: memoryview, found: OnnxFile) -> None:
    for number, value in _fields(data):
        if number == _MODEL_GRAPH:
            _graph(_inside(value), found)
        elif number == _MODEL_OPSET:
            entry = dict(_fields(_inside(value)))
            found.opsets[_text(entry.get(1))] = int(entry.get(2, 0))  # type: ignore[arg-type]
        elif number == _MODEL_PROPS:
            entry = dict(_fields(_inside(value)))
            found.metadata[_text(entry.get(1))] = _text(entry.get(2))
        elif number == _MODEL_FUNCTION:
            # A function of the file's own: its operators count, and so does its domain where it is called.
            for inner, node in _fields(_inside(value)):
                if inner == 7:
                    _node(_inside(node), found)


def _graph(data: memoryview, found: OnnxFile) -> None:
    for number, value in _fields(data):
        if number == _GRAPH_NODE:
            _node(_inside(value), found)
        elif number == _GRAPH_INITIALIZER:
            _tensor(_inside(value), found)
        elif number == _GRAPH_SPARSE:
            found.sparse = True


def _node(data: memoryview, found: OnnxFile) -> None:
    name, domain = "", ""
    for number, value in _fields(data):
        if number == _NODE_OP:
            name = _text(value)
        elif number == _NODE_DOMAIN:
            domain = _text(value)
        elif number == _NODE_ATTRIBUTE:
            _attribute(_inside(value), found)
    found.nodes += 1
    found.operators.add((domain, name))


def _attribute(data: memoryview, found: OnnxFile) -> None:
    for number, value in _fields(data):
        if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _tensor(_inside(value), found)
        elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            _graph(_inside(value), found)
        elif number in _ATTRIBUTE_SPARSE:
            found.sparse = True


def _tensor(data: memoryview, found: OnnxFile) -> None:
    name, outside = "", False
    for number, value in _fields(data):
        if number == _TENSOR_NAME:
            name = _text(value)
        elif number == _TENSOR_OUTSIDE or (number == _TENSOR_LOCATION and _enum(value) == _EXTERNAL):
            outside = True
    if outside:
        found.external.append(name)


def _fields(data: memoryview) -> "Iterator[tuple[int, int | memoryview]]":
    """(field number, value) of one message; ValueError where it is cut off or no message."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        # Whoever opens the graph reads 32 bits of it: a longer one would be another field there than here.
        if not 0 < number < 1 << 29:
            raise ValueError(f"field {number}")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            size, at = _varint(data, at)
        if size is None:
            raise ValueError(f"wire type {kind}")
        if at + size > end:
            raise ValueError(f"{at + size - end} bytes are missing")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _inside(value: "int | memoryview") -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _enum(value: "int | memoryview") -> int:
    """As whoever opens the graph takes it: of 32 bits."""
    return value & 0xFFFFFFFF if isinstance(value, int) else 0


def _text(value: "int | memoryview | None") -> str:
    return "" if value is None or isinstance(value, int) else bytes(value).decode("utf-8", "replace")
