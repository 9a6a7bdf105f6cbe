"""What a graph file may not be: empty, cut off, of another opset, with tensors elsewhere, with somebody's operators."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from duet.contract import load_contract
from duet.errors import FollowerError
from duet.onnx_file import check_metadata, check_onnx, read_onnx

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"


def model(opset: int = 20, domain: str = "", operator: str = "Relu") -> onnx.ModelProto:
    """y = relu(x + w)."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    weight = numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")
    nodes = [helper.make_node("Add", ["x", "w"], ["h"]), helper.make_node(operator, ["h"], ["y"], domain=domain)]
    graph = helper.make_graph(nodes, "g", [x], [y], [weight])
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    made = helper.make_model(graph, opset_imports=opsets)
    helper.set_model_props(made, {"role": "memory", "weights_sha256": "a" * 64})
    return made


def refused(path: Path) -> str:
    with pytest.raises(FollowerError) as caught:
        check_onnx(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: expected ") and ", got " in said and said.endswith(".") and "\n" not in said
    return said


def test_what_ships_is_read_as_the_onnx_package_reads_it() -> None:
    for graph in load_contract(SHIPPED).graphs:
        found, truth = check_onnx(SHIPPED / graph.file), onnx.load(SHIPPED / graph.file)
        assert found.opsets == {entry.domain: entry.version for entry in truth.opset_import}
        assert found.nodes == len(truth.graph.node)
        assert found.operators == {(node.domain, node.op_type) for node in truth.graph.node}
        assert found.metadata == {entry.key: entry.value for entry in truth.metadata_props}
        assert found.external == []


def with_external(folder: Path) -> Path:
    made = model()
    onnx.save_model(made, folder / "g.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (folder / "w.bin").is_file()
    return folder / "g.onnx"


def with_secret(folder: Path) -> Path:
    """A graph that names a file outside of its folder, inside a constant's attribute."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "secret")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    made = model()
    made.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))
    (folder / "g.onnx").write_bytes(made.SerializeToString())
    return folder / "g.onnx"


def sparse() -> TensorProto:
    """Numbers that claim to be few of very many, and to lie in another file."""
    values = numpy_helper.from_array(np.zeros(1, np.float32), "few")
    values.data_location = TensorProto.EXTERNAL
    where = numpy_helper.from_array(np.zeros(1, np.int64), "where")
    return helper.make_sparse_tensor(values, where, [1 << 30])


def with_sparse(folder: Path) -> Path:
    made = model()
    made.graph.sparse_initializer.append(sparse())
    (folder / "g.onnx").write_bytes(made.SerializeToString())
    return folder / "g.onnx"


def with_sparse_inside(folder: Path) -> Path:
    made = model()
    made.graph.node.insert(0, helper.make_node("Constant", [], ["c"], sparse_value=sparse()))
    (folder / "g.onnx").write_bytes(made.SerializeToString())
    return folder / "g.onnx"


def with_custom_inside(folder: Path) -> Path:
    """A custom operator in the branch of an If."""
    y = helper.make_tensor_value_info("b", TensorProto.FLOAT, [4])
    branch = helper.make_graph([helper.make_node("Sneak", [], ["b"], domain="evil")], "branch", [], [y])
    made = model()
    made.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))
    (folder / "g.onnx").write_bytes(made.SerializeToString())
    return folder / "g.onnx"


def message(tag: bytes, content: bytes) -> bytes:
    """A message within another, as it is written: its tag, its length, itself."""
    length, size = b"", len(content)
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return tag + length + bytes([size]) + content


def with_tensor(*beside: bytes) -> Callable[[Path], Path]:
    """A graph with one more tensor, to which ``beside`` is written that the onnx package would not write."""

    def write(folder: Path) -> Path:
        made = model()
        tensor = numpy_helper.from_array(np.zeros(4, np.float32), "secret")
        tensor.ClearField("raw_data")
        graph = made.graph.SerializeToString() + message(b"\x2a", tensor.SerializeToString() + b"".join(beside))
        made.ClearField("graph")
        (folder / "g.onnx").write_bytes(made.SerializeToString() + message(b"\x3a", graph))
        return folder / "g.onnx"

    return write


# Elsewhere a tag is read into 32 bits, and so is a choice: what is above them is lost, and these mean 13, 14 and 1.
ENTRY = onnx.StringStringEntryProto(key="location", value="../../etc/passwd").SerializeToString()
LONG_TAG_13, LONG_TAG_14, LONG_1 = b"\xea\x80\x80\x80\x10", b"\xf0\x80\x80\x80\x10", b"\x81\x80\x80\x80\x10"


def written(made: onnx.ModelProto) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "g.onnx").write_bytes(made.SerializeToString())
        return folder / "g.onnx"

    return write


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (with_external, "expected every tensor inside the file, got 'w' as external data"),
        (with_secret, "got 'secret' as external data"),
        (with_tensor(b"\x70\x01", message(b"\x6a", ENTRY)), "got 'secret' as external data"),
        (with_tensor(message(LONG_TAG_13, ENTRY)), "got a file that is none or was cut off (field 536870925)"),
        (with_tensor(LONG_TAG_14 + b"\x01"), "got a file that is none or was cut off (field 536870926)"),
        (with_tensor(b"\x70" + LONG_1), "got 'secret' as external data"),
        (with_sparse, "expected every tensor in full, got a sparse one"),
        (with_sparse_inside, "expected every tensor in full, got a sparse one"),
        (with_custom_inside, "got the custom operator 'evil.Sneak'"),
        (written(model(domain="com.acme", operator="Magic")), "got the custom operator 'com.acme.Magic'"),
        (written(model(opset=17)), "expected opset 18 to 22, got 17"),
        (written(model(opset=23)), "expected opset 18 to 22, got 23"),
        (written(onnx.ModelProto()), "got an empty file"),
        (written(onnx.ModelProto(ir_version=8)), "got one without operators"),
    ],
    ids=[
        "external", "secret", "written out", "overlong entry", "overlong place", "overlong choice", "sparse",
        "sparse inside", "branch", "custom", "old", "new", "empty", "bare",
    ],
)  # fmt: skip
def test_a_graph_that_may_not_be_opened_is_refused(tmp_path: Path, make: Callable[[Path], Path], reason: str) -> None:
    assert reason in refused(make(tmp_path))


def test_a_cut_off_file_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    whole, path = model().SerializeToString(), tmp_path / "g.onnx"
    path.write_bytes(whole)
    check_onnx(path)
    for length in range(1, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FollowerError, match="g.onnx: expected "):
            if read_onnx(path).metadata == read_onnx(path).metadata:
                check_onnx(path)
                check_metadata(path, read_onnx(path), {"weights_sha256": "a" * 64})


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.onnx"
        path.write_bytes(data)
        with pytest.raises(FollowerError):
            check_onnx(path)


def test_a_graph_of_another_follower_is_named(tmp_path: Path) -> None:
    path = written(model())(tmp_path)
    check_metadata(path, check_onnx(path), {"role": "memory"})
    with pytest.raises(FollowerError, match="expected a graph of role 'decode', got 'memory'"):
        check_metadata(path, check_onnx(path), {"role": "decode"})
    with pytest.raises(FollowerError, match="expected a graph of weights_sha256 'b{12}…', got 'a{12}…'"):
        check_metadata(path, check_onnx(path), {"weights_sha256": "b" * 64})
