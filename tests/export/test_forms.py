"""What an export may be besides float32 and trained: lowered, in other calls, random; and how it is proven."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from duet.contract import graph_metadata, load_contract, sha256_of
from duet.errors import FollowerError, InputError
from duet.golden import load_golden
from duet.onnx_file import read_onnx
from export.arithmetic import gflop
from export.cli import main
from export.precision import lowered
from export.to_onnx import _judged
from export.untrained import untrained
from export.verify import HALF_TOLERANCE_MM, Parity, verify_golden
from models.follower import load_follower, with_calls
from realtime.bench.model import golden_distance
from realtime.inference.runner_ort import OrtRunner
from ui import cli


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, one call, one pass, int8: by the command."""
    folder = tmp_path_factory.mktemp("forms") / "random"
    words = ["export", "--preset", "XS", "--random-weights", "3", "--calls", "1", "--no-guidance"]
    assert main([*words, "--precision", "int8", "--out", str(folder), "--seconds", "1"]) == 0
    return folder


def test_what_torch_danced_travels_with_the_follower(exported: Path, capsys: pytest.CaptureFixture[str]):
    contract = load_contract(exported)
    answer = load_golden(exported / contract.golden)
    assert answer.ticks == (0, 4, 7) and answer.frames.shape == (3, contract.plan_frames, 145)
    assert (contract.tolerance, contract.tolerance_mm, contract.precision) == (1e-4, 0.1, "fp32")
    assert main(["verify", str(exported)]) == 0
    assert "allowed 0.1 mm" in " ".join(capsys.readouterr().out.split())
    relative, mm = golden_distance(OrtRunner(exported), answer)
    assert relative <= contract.tolerance and mm <= contract.tolerance_mm


def test_one_weight_changed_is_found_even_where_every_hash_was_made_to_fit(exported: Path, tmp_path: Path):
    folder = Path(shutil.copytree(exported, tmp_path / "altered"))
    model = onnx.load(folder / "decode.onnx")
    weight = max(model.graph.initializer, key=lambda w: len(w.raw_data) if w.data_type == 1 else 0)
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] += 1.0
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, folder / "decode.onnx")
    text = json.loads((folder / "contract.json").read_text())
    graph = next(graph for graph in text["graphs"] if graph["role"] == "decode")
    graph["sha256"] = sha256_of(folder / "decode.onnx")
    (folder / "contract.json").write_text(json.dumps(text))
    with pytest.raises(FollowerError, match="expected torch and ONNX Runtime to agree, got .*The graphs are not what"):
        verify_golden(folder)
    assert main(["verify", str(folder)]) == 2


def test_arithmetic_is_counted_where_it_is_done_every_time():
    """x (2, 8, 32) times weights, a convolution over its 8 columns, and a product of weights alone, which is free."""

    def held(name: str, *shape: int) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(np.ones(shape, np.float32), name)

    def value(name: str, *shape: int) -> onnx.ValueInfoProto:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    nodes = [
        onnx.helper.make_node("MatMul", ["table", "table"], ["free"]),
        onnx.helper.make_node("Relu", ["free"], ["free_too"]),
        onnx.helper.make_node("MatMul", ["x", "w"], ["h"]),
        onnx.helper.make_node("Conv", ["h", "kernel"], ["y"]),
        onnx.helper.make_node("Gemm", ["g", "free_too"], ["z"], transA=1),
    ]
    graph = onnx.helper.make_graph(
        nodes, "g", [value("x", 2, 8, 32), value("g", 5, 3)], [value("y", 2, 16, 62), value("z", 3, 5)],
        [held("w", 32, 64), held("kernel", 16, 4, 3), held("table", 5, 5)], value_info=[value("h", 2, 8, 64)],
    )  # fmt: skip
    expected = 2 * (2 * 8 * 64 * 32 + 2 * 16 * 62 * 4 * 3 + 3 * 5 * 5)
    assert gflop(onnx.helper.make_model(graph)) * 1e9 == pytest.approx(expected)


def test_every_graph_says_of_itself_what_the_contract_says(exported: Path):
    contract = load_contract(exported)
    assert contract.forecast is not None
    for graph in (*contract.graphs, contract.forecast):
        told, mirrored = read_onnx(exported / graph.file).metadata, graph_metadata(contract, graph.role)
        assert told | mirrored == told and len(mirrored) > 10
        assert told["precision"] == contract.precision
        assert told["sampler"].split(" x") == contract.notes["sampler"].removesuffix(" calls a tick").split(", ")


def test_a_graph_in_float32_says_so_beside_lowered_ones(random: Path):
    contract = load_contract(random)
    told = {graph.role: read_onnx(random / graph.file).metadata["precision"] for graph in contract.graphs}
    assert contract.precision == "int8" and told == {"memory": "fp32", "denoise": "int8", "decode": "fp32"}


def test_a_contract_states_the_sum_of_its_graphs(exported: Path):
    contract = load_contract(exported)
    parts = [float(read_onnx(exported / graph.file).metadata["gflop"]) for graph in contract.graphs]
    assert contract.gflop == pytest.approx(sum(parts), rel=1e-4) and min(parts) > 0


@pytest.mark.parametrize(("precision", "allowed"), [("fp16", 0.01), ("int8", 0.3)])
def test_a_lowered_graph_asks_and_answers_in_float32_and_is_near(exported: Path, precision: str, allowed: float):
    whole = onnx.load(exported / "denoise.onnx")
    small, again = (lowered(whole, "denoise", precision) for _ in range(2))
    assert small.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)
    assert len(small.SerializeToString()) < 0.75 * len(whole.SerializeToString())
    rng = np.random.default_rng(0)
    answers = []
    for model in (whole, small):
        options = ort.SessionOptions()
        options.log_severity_level = 4
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        assert all(node.type == "tensor(float)" for node in (*session.get_inputs(), *session.get_outputs()))
        if not answers:
            feeds = {node.name: rng.standard_normal(node.shape).astype(np.float32) for node in session.get_inputs()}
        answers.append(np.asarray(session.run(["new_plan"], feeds)[0]))
    assert 0 < np.abs(answers[1] - answers[0]).max() < allowed * np.abs(answers[0]).max()
    assert lowered(whole, "memory", precision) is whole, "what carries a state stays float32"


def test_what_is_allowed_depends_on_the_precision():
    measured = Parity(60.0, 450, {"past": 1e-2}, {"past": 1.0}, 4.0, {"memory": (1.0, 1.0)})
    assert not _judged(measured, "fp32").holds
    half = _judged(measured, "fp16")
    assert half.holds and half.tolerance_mm == HALF_TOLERANCE_MM and "not judged" in half.sentence()
    assert not _judged(replace(measured, joints_mm=5.1), "fp16").holds
    assert _judged(replace(measured, joints_mm=20.0), "int8").tolerance_mm == 40.0


def test_random_weights_are_for_measuring_only(
    random: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    contract = load_contract(random)
    assert contract.untrained and contract.precision == "int8" and contract.name == "untrained-xs-1"
    assert (
        not contract.guided
        and contract.notes["guidance"].startswith("none")
        and contract.notes["sampler"] == "ddim, 1 calls a tick"
    )
    assert contract.tolerance == 0.0 and contract.tolerance_mm >= HALF_TOLERANCE_MM
    assert "Untrained: random weights" in (random / "MODEL_CARD.md").read_text()
    with pytest.raises(FollowerError, match="got one of random weights. It is for measuring only"):
        OrtRunner(random)
    out = ["--headless", "--report", str(tmp_path / "r.json"), "--seconds", "1"]
    assert cli.main(["demo", "--follower", str(random), *out]) == 2
    assert "It is for measuring only: duet bench model" in capsys.readouterr().err
    words = ["--ticks", "3", "--seconds", "0.2", "--runtime", "cpu"]
    assert cli.main(["bench", "model", "--follower", str(random), *words]) == 0
    assert "mm of torch" in " ".join(capsys.readouterr().out.split())
    assert main(["verify", str(random)]) == 0


def test_the_same_weights_in_another_number_of_calls(run: Path):
    follower = load_follower(run / "best")
    other = with_calls(follower, 5)
    assert other.config.sampler.calls == 5 and not other.training
    for name, value in follower.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "expected a run or --preset with --random-weights, got neither"),
        (["runs/x", "--preset", "XS", "--random-weights", "0"], "got both"),
        (["--random-weights", "0"], "expected it together with --random-weights, got one alone"),
        (["runs/x", "--precision", "fp8"], "--precision: expected fp32, fp16, int8, got 'fp8'"),
        (["--preset", "XXL", "--random-weights", "0"], "--preset: expected XS, S, M, L, got 'XXL'"),
    ],
)
def test_what_cannot_be_exported_is_refused(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]):
    assert main(["export", *words, "--out", "nowhere-at-all"]) == 2
    assert reason in capsys.readouterr().err
    assert not Path("nowhere-at-all").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nowhere"], "expected an exported folder, or --follower beside a run, got neither"),
        (["nowhere", "--runtime", "abacus"], "--runtime: expected cpu, cuda, tensorrt, got 'abacus'"),
    ],
)
def test_what_cannot_be_verified_is_refused(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", *words]) == 2
    assert reason in capsys.readouterr().err


def test_a_preset_says_what_repeats_it():
    follower, release = untrained("XS", 4, 8)
    assert follower.config.sampler.calls == 8 and release.seeds == (4,)
    assert release.command == "duet-lab export --preset XS --random-weights 4 --calls 8"
    with pytest.raises(InputError, match="--preset: expected"):
        untrained("xs", 4)
