"""One thing changed in a follower's folder, and the live half refuses it in a sentence that names it.

Where a file is changed its hash in the contract is made to fit, so that what is tested is what lies behind the hash.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from duet.contract import sha256_of
from duet.errors import FollowerError
from models.onnx_tick import OnnxTick
from realtime.inference.runner_ort import OrtRunner

Contract = dict[str, Any]
Mutation = Callable[[Path, Contract], None]


def graph_of(contract: Contract, role: str) -> dict[str, Any]:
    return next(graph for graph in contract["graphs"] if graph["role"] == role)


def renamed(folder: Path, contract: Contract) -> None:
    graph_of(contract, "denoise")["inputs"][0]["name"] = "ledaer"


def reshaped(folder: Path, contract: Contract) -> None:
    spec = next(s for s in graph_of(contract, "memory")["inputs"] if s["name"] == "memory_ssm")
    spec["shape"][1] += 1


def reshaped_input(folder: Path, contract: Contract) -> None:
    next(s for s in contract["inputs"] if s["name"] == "music")["shape"][1] += 1


def another_body(folder: Path, contract: Contract) -> None:
    contract["skeleton_fingerprint"] = "f" * 64


def another_joint(folder: Path, contract: Contract) -> None:
    contract["joint_names"][3] = "tail"


def another_precision(folder: Path, contract: Contract) -> None:
    contract["precision"] = "fp4"


def another_weights(folder: Path, contract: Contract) -> None:
    contract["weights_sha256"] = "0" * 64


def swapped(folder: Path, contract: Contract) -> None:
    memory, decode = folder / "memory.onnx", folder / "decode.onnx"
    one, other = memory.read_bytes(), decode.read_bytes()
    memory.write_bytes(other)
    decode.write_bytes(one)


def empty(folder: Path, contract: Contract) -> None:
    (folder / "denoise.onnx").write_bytes(b"")


def cut_off(folder: Path, contract: Contract) -> None:
    whole = (folder / "denoise.onnx").read_bytes()
    (folder / "denoise.onnx").write_bytes(whole[: len(whole) // 2])


def edited(change: Callable[[onnx.ModelProto], None]) -> Mutation:
    """A change of decode.onnx."""

    def mutate(folder: Path, contract: Contract) -> None:
        model = onnx.load(folder / "decode.onnx")
        change(model)
        (folder / "decode.onnx").write_bytes(model.SerializeToString())

    return mutate


def other_name(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for i, name in enumerate(node.output):
            if name == "frames":
                node.output[i] = "pictures"
    next(value for value in model.graph.output if value.name == "frames").name = "pictures"


def other_opset(model: onnx.ModelProto) -> None:
    next(entry for entry in model.opset_import if entry.domain == "").version = 23


def custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "acme"


def external_data(model: onnx.ModelProto) -> None:
    weight = model.graph.initializer[0]
    weight.data_location = onnx.TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../secret"


def other_skeleton(model: onnx.ModelProto) -> None:
    next(entry for entry in model.metadata_props if entry.key == "skeleton_sha256").value = "e" * 64


def other_rate(model: onnx.ModelProto) -> None:
    next(entry for entry in model.metadata_props if entry.key == "fps").value = "25.0"


@pytest.mark.parametrize(
    ("mutate", "reason"),
    [
        (renamed, "expected a source for tensor 'ledaer' of graph 'denoise'"),
        (reshaped, r"memory\.onnx: expected tensor 'memory_ssm' of shape"),
        (reshaped_input, "expected tensor 'music' of shape"),
        (another_body, "expected skeleton .*, got ffffffffffff…"),
        (another_joint, "joints of this version, got other ones, such as '(spine1|tail)'"),
        (another_precision, "expected precision fp32, fp16, int8, got 'fp4'"),
        (another_weights, r"memory\.onnx: expected a graph of weights_sha256 '000000000000…', got"),
        (swapped, r"memory\.onnx: expected a graph of role 'memory', got 'decode'"),
        (empty, r"denoise\.onnx: expected an ONNX graph, got an empty file"),
        (cut_off, r"denoise\.onnx: expected an ONNX graph, got a file that is none or was cut off"),
        (edited(other_name), r"decode\.onnx: expected tensor 'frames' of shape .*, got None"),
        (edited(other_opset), r"decode\.onnx: expected opset 18 to 22, got 23"),
        (edited(custom_operator), r"decode\.onnx: expected ONNX's own operators, got the custom operator 'acme\."),
        (edited(external_data), r"decode\.onnx: expected every tensor inside the file, got '.*' as external data"),
        (edited(other_skeleton), r"decode\.onnx: expected a graph of skeleton_sha256 '.*…', got 'eeeeeeeeeeee…'"),
        (edited(other_rate), r"decode\.onnx: expected a graph of fps '30\.0', got '25\.0'"),
    ],
)
def test_one_change_is_refused_and_named(exported: Path, tmp_path: Path, mutate: Mutation, reason: str):
    folder = Path(shutil.copytree(exported, tmp_path / "mutated"))
    contract = json.loads((folder / "contract.json").read_text())
    mutate(folder, contract)
    for graph in contract["graphs"]:
        graph["sha256"] = sha256_of(folder / graph["file"])
    (folder / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(FollowerError, match=reason) as caught:
        OrtRunner(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["memory.onnx", "decode.onnx", "denoise.onnx", "golden.npz", "forecast.onnx"])
def test_a_changed_byte_is_refused_and_its_file_named(exported: Path, tmp_path: Path, name: str):
    folder = Path(shutil.copytree(exported, tmp_path / "mutated"))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(FollowerError, match=f"{name}: expected sha256 .*, got"):
        OrtRunner(folder)


def test_the_learning_half_opens_no_foreign_graph_either(exported: Path, tmp_path: Path):
    folder = Path(shutil.copytree(exported, tmp_path / "mutated"))
    graphs = OrtRunner(folder).contract.graphs
    edited(external_data)(folder, {})
    with pytest.raises(FollowerError, match="as external data"):
        OnnxTick(folder, graphs)
