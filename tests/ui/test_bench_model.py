"""``duet bench model`` from the command to the page: small counts, real measurements, no bound on any time."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duet.contract import load_contract
from duet.golden import GOLDEN_FILE, Golden, save_golden, seeded_inputs
from realtime.bench.model import golden_distance, golden_of
from realtime.bench.record import read_record
from realtime.inference.runner_ort import OrtRunner
from ui import cli

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "followers" / "salsa-s"
SMALL = ["bench", "model", "--ticks", "6", "--seconds", "0.3", "--runtime", "cpu"]


def fits(value: Any, schema: dict[str, Any], whole: dict[str, Any], where: str = "record") -> None:
    """Assert that ``value`` is as the part of JSON Schema says that ours uses."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "const" in schema:
        assert value == schema["const"], where
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "null": type(None),
        "boolean": bool,
    }
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(isinstance(value, kinds[name]) for name in names), f"{where}: {value!r} is no {names}"
    if "minimum" in schema:
        assert value >= schema["minimum"], where
    if isinstance(value, list):
        for item in value:
            fits(item, schema.get("items", {}), whole, f"{where}[]")
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= value.keys(), where
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name, item in value.items():
            assert others is not False or name in known, f"{where}.{name} is not in the schema"
            fits(item, known.get(name, others or {}), whole, f"{where}.{name}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the record and the page of one small run, fresh processes and all."""
    folder = tmp_path_factory.mktemp("bench")
    assert cli.main([*SMALL, "--json", str(folder / "a.json"), "--html", str(folder / "a.html")]) == 0
    return folder


def test_the_record_is_as_the_schema_says(made: Path) -> None:
    schema = json.loads((ROOT / "docs" / "bench.schema.json").read_text())
    raw = json.loads((made / "a.json").read_text())
    fits(raw, schema, schema)
    with pytest.raises(AssertionError, match="is not in the schema"):
        fits({**raw, "more": 1}, schema, schema)
    with pytest.raises(AssertionError):
        fits({**raw, "warnings": "none"}, schema, schema)
    assert json.loads(read_record(made / "a.json").to_json()) == raw


def test_it_measures_what_it_says(made: Path) -> None:
    record = read_record(made / "a.json")
    assert {"tick", "memory", "denoise", "decode", "rest", "response", "age"} <= record.series.keys()
    tick = record.series["tick"].measured
    assert tick.n == 6 and tick.min > 0 and tick.p999 is None
    stages = sum(record.series[role].measured.mean for role in ("memory", "denoise", "decode", "rest"))
    assert stages == pytest.approx(tick.mean, rel=0.02)
    assert record.figures["asked"].value == 2
    assert 0 < record.figures["cold_cached_loaded"].value <= record.figures["cold_cached"].value
    assert record.figures["peak"].value > 0
    aims = {aim.what: aim for aim in record.aims}
    assert aims["the tick, median"].bound == 15.0 and aims["of the matrix product's rate"].at_least
    assert {"p99 by p50 of the tick", "the memory's step, median", "whole tick by denoiser alone"} <= aims.keys()
    assert record.parity["equal_bits"] is True
    shipped_golden = bool(load_contract(SHIPPED).golden)
    assert ("of torch" in record.verdict) == shipped_golden, "without a golden answer nothing is called right"
    assert any(warning.startswith("Few: p99 of the tick rests on 6") for warning in record.warnings)
    contract = load_contract(SHIPPED)
    assert record.subject["weights_sha256"] == contract.weights_sha256
    assert record.subject["graphs_sha256"].keys() == {graph.role for graph in contract.graphs}
    assert record.provenance["machine"]["cpu"] and record.provenance["versions"]["onnxruntime"]


def test_the_page_needs_nothing_but_itself(made: Path) -> None:
    text = (made / "a.html").read_text()
    record = read_record(made / "a.json")
    assert text.count("<svg") == 2 * len(record.series)
    addresses = set(re.findall(r"https?://[^\"'\s<]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}, "names a namespace, fetches nothing"
    assert "<script" not in text and "src=" not in text
    assert record.verdict.split("(")[0] in text
    for warning in record.warnings:
        assert warning.split("'")[0] in text
    assert not re.search(r"\b(nan|inf)\b", text)


def test_two_runs_are_compared_as_ratios(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    raw = json.loads((made / "a.json").read_text())
    raw["series"]["tick"]["measured"]["p50"] *= 2
    raw["provenance"]["machine"]["cpu"] = "Another"
    raw["subject"]["threads"] = 2
    (tmp_path / "b.json").write_text(json.dumps(raw))
    assert cli.main(["bench", "compare", str(made / "a.json"), str(tmp_path / "b.json")]) == 0
    said = capsys.readouterr().out
    assert "Not the same machine: cpu" in said and "Another" in said
    assert "threads: 1 and 2" in said
    (row,) = [line for line in said.splitlines() if line.startswith("tick, ms")]
    assert "2.00" in row and "1.00" in row


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected a bench record in JSON"),
        ("[]", "expected a bench record of schema 'duet-bench/1'"),
        ('{"schema": "duet-bench/1"}', "expected a complete bench record"),
    ],
)
def test_what_is_no_record_is_not_compared(
    made: Path, tmp_path: Path, text: str, reason: str, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "b.json").write_text(text)
    assert cli.main(["bench", "compare", str(made / "a.json"), str(tmp_path / "b.json")]) == 2
    assert reason in capsys.readouterr().err
    assert cli.main(["bench", "compare", str(made / "a.json"), str(tmp_path / "none.json")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_records_of_two_kinds_are_not_compared(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    raw = json.loads((made / "a.json").read_text()) | {"kind": "render"}
    (tmp_path / "b.json").write_text(json.dumps(raw))
    assert cli.main(["bench", "compare", str(made / "a.json"), str(tmp_path / "b.json")]) == 2
    assert "expected a record of bench model, got one of bench render" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--ticks", "0"], "--ticks: expected 1 to"),
        (["--seconds", "nan"], "--seconds: expected 0.1 to"),
        (["--threads", "0"], "--threads: expected 1 to"),
        (["--runtime", "abacus"], "--runtime: expected one of auto, cpu"),
        (["--follower", "nowhere"], "expected a follower folder"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], reason: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*SMALL, *words]) == 2
    assert reason in capsys.readouterr().err


def test_a_runtime_that_is_not_there_is_refused_and_auto_says_what_it_took(capsys: pytest.CaptureFixture) -> None:
    from realtime.inference.runtimes import choose, missing

    absent = [name for name in ("cuda", "tensorrt", "openvino") if missing(name)]
    if not absent:
        pytest.skip("every runtime is installed here, with a GPU")
    assert cli.main([*SMALL, "--runtime", absent[0]]) == 2
    assert f"--runtime {absent[0]}: expected" in capsys.readouterr().err
    if missing("tensorrt") and missing("cuda"):
        choice = choose("auto")
        assert choice.name == "cpu"
        assert [s.split(":")[0] for s in choice.passed_over] == ["Not tensorrt", "Not cuda"]
        assert choice.sentence().startswith("ONNX Runtime on the CPU. Not tensorrt: ")


def test_a_process_that_comes_to_no_pose_says_why(tmp_path: Path) -> None:
    from duet.errors import FollowerError
    from realtime.bench.cold_start import cold_start

    folder = Path(shutil.copytree(SHIPPED, tmp_path / "follower"))
    (folder / "decode.onnx").write_bytes(b"")
    with pytest.raises(FollowerError, match=r"expected a first pose, got: .*decode\.onnx: expected sha256"):
        cold_start(folder, "cpu", 1, forget=True)


def test_what_a_follower_may_leave_out_is_not_asked_for() -> None:
    specs = OrtRunner(SHIPPED).contract.inputs
    whole = {spec.name: spec.shape for spec in specs}
    few = {name: shape for name, shape in whole.items() if name not in ("guidance", "reference", "reference_flag")}
    asked = next(iter(seeded_inputs(few, 24, {}, 1)))
    assert asked.keys() == few.keys() and all(asked[name].shape == shape for name, shape in few.items())


@pytest.fixture
def with_golden(tmp_path: Path) -> Path:
    """The shipped follower with a golden answer of its own making."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "follower"))
    runner = OrtRunner(folder).without_bank()
    shapes = {spec.name: spec.shape for spec in runner.contract.inputs}
    state, frames = runner.initial_state(), []
    for inputs in seeded_inputs(shapes, runner.contract.past_tokens, {}, 3, seed=5):
        outputs, state = runner.tick(inputs, state)
        frames.append(outputs["frames"][0])
    save_golden(Golden(5, {}, (0, 2), np.stack([frames[0], frames[2]])), folder / GOLDEN_FILE)
    from duet.contract import sha256_of

    text = json.loads((folder / "contract.json").read_text())
    text |= {"golden": GOLDEN_FILE, "golden_sha256": sha256_of(folder / GOLDEN_FILE)}
    (folder / "contract.json").write_text(json.dumps(text))
    return folder


def test_the_golden_answer_is_found_again_and_another_is_not(with_golden: Path) -> None:
    runner = OrtRunner(with_golden)
    golden = golden_of(with_golden, runner.contract)
    assert golden is not None
    assert golden_distance(runner, golden) == (0.0, 0.0)
    frames = golden.frames.copy()
    # A foot's rotation of the last kept tick, turned.
    frames[1, :, 6:12] = frames[1, :, 12:18] + 0.3
    relative, mm = golden_distance(runner, Golden(golden.seed, golden.units, golden.ticks, frames))
    assert relative > 1e-3 and mm > 1.0


def test_a_wrong_answer_is_an_exit_code(with_golden: Path, capsys: pytest.CaptureFixture) -> None:
    from duet.contract import sha256_of
    from duet.golden import load_golden

    golden = load_golden(with_golden / GOLDEN_FILE)
    save_golden(Golden(golden.seed, {}, golden.ticks, golden.frames + 0.2), with_golden / GOLDEN_FILE)
    text = json.loads((with_golden / "contract.json").read_text())
    text["golden_sha256"] = sha256_of(with_golden / GOLDEN_FILE)
    (with_golden / "contract.json").write_text(json.dumps(text))
    assert cli.main([*SMALL, "--no-cold-start", "--follower", str(with_golden)]) == 1
    assert "NOT RIGHT" in capsys.readouterr().out
