"""Engines: built apart, kept by what they were made from, never opened where they do not fit.

What needs a GPU, running them, is not tested here.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from duet.contract import load_contract, sha256_of
from duet.errors import DeviceError, FollowerError, InputError
from realtime.bench import provenance
from realtime.bench.provenance import gpus
from realtime.inference import engine_builder, engine_cache
from realtime.inference.engine_cache import EngineKey, build_engine, check_target, engine_fits, engine_key, open_engine
from ui import cli

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
HAS_TENSORRT = importlib.util.find_spec("tensorrt_rtx") is not None
needs_tensorrt = pytest.mark.skipif(
    not HAS_TENSORRT, reason="TensorRT for RTX is not installed: pip install tensorrt-rtx"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DUET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


KEY = EngineKey("decode", "a" * 64, "tensorrt_rtx 1.7.1", "SM89", "fp32")


def kept(key: EngineKey, content: bytes = b"engine") -> Path:
    """An engine in the cache, as ``build_engine`` leaves one."""
    key.path.parent.mkdir(parents=True, exist_ok=True)
    key.path.write_bytes(content)
    told = {**key.__dict__, "engine_sha256": sha256_of(key.path)}
    key.path.with_suffix(".json").write_text(json.dumps(told))
    return key.path


def _forget(path: Path, name: str) -> None:
    """Leave ``name`` out of what stands beside an engine, as before it was written there."""
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps({n: v for n, v in json.loads(beside.read_text()).items() if n != name}))


def test_what_fits_is_opened_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept(KEY)
    assert open_engine(path, KEY) == b"engine"
    monkeypatch.setattr(engine_cache, "_run_builder", lambda *_: pytest.fail("built again"))
    assert build_engine(Path("nowhere.onnx"), KEY) == path


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(KEY, target="SM86"), "one of target 'SM89', not 'SM86'"),
        (replace(KEY, tensorrt="tensorrt_rtx 2.0"), "one of tensorrt 'tensorrt_rtx 1.7.1', not 'tensorrt_rtx 2.0'"),
        (replace(KEY, onnx_sha256="b" * 64), "one of onnx sha256 'aaaa"),
        (replace(KEY, precision="fp16"), "one of precision 'fp32', not 'fp16'"),
        (replace(KEY, recipe="TF32"), "one of recipe 'strongly typed, no TF32', not 'TF32'"),
    ],
)
def test_an_engine_of_something_else_is_never_opened(other: EngineKey, reason: str) -> None:
    path = kept(KEY)
    assert other.path != KEY.path
    with pytest.raises(FollowerError, match="expected the engine of this graph, GPU and version, got") as caught:
        open_engine(path, other)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b""), "an engine that was altered or cut off"),
        (lambda path: path.write_bytes(b"engine!"), "an engine that was altered or cut off"),
        (lambda path: path.unlink(), "no engine"),
        (lambda path: path.with_suffix(".json").unlink(), "an engine that nothing says the origin of"),
        (lambda path: path.with_suffix(".json").write_text("{"), "an engine that nothing says the origin of"),
        (lambda path: path.with_suffix(".json").write_text("[]"), "an engine that nothing says the origin of"),
        (lambda path: path.with_suffix(".json").write_text("null"), "an engine that nothing says the origin of"),
        (lambda path: _forget(path, "recipe"), "one of recipe 'None', not 'strongly typed, no TF32'"),
    ],
)
def test_a_spoiled_engine_is_refused(spoil: Callable[[Path], object], reason: str) -> None:
    path = kept(KEY)
    spoil(path)
    assert reason in engine_fits(path, KEY)
    with pytest.raises(FollowerError, match="Build it again: duet engines"):
        open_engine(path, KEY)


@pytest.mark.skipif(sys.platform == "win32", reason="a crash is a signal here")
def test_a_builder_that_crashes_takes_nobody_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\necho 1 6\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(engine_cache.sys, "executable", str(crashing))
    seen: list[tuple[int, int]] = []
    with pytest.raises(FollowerError, match=r"got: a crash of the builder \(exit code -11\)"):
        build_engine(SHIPPED / "decode.onnx", KEY, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 6)]
    assert list(KEY.path.parent.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the builder")
def test_a_stopped_build_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\necho $$ > " + str(tmp_path / "pid") + "\necho 1 6\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setattr(engine_cache.sys, "executable", str(slow))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(SHIPPED / "decode.onnx", KEY, stop)
    assert list(KEY.path.parent.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the builder")
def test_a_builder_that_says_very_much_is_heard_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talking = tmp_path / "python"
    talking.write_text(
        "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x >&2\necho >&2\necho 'no such card' >&2\nexit 1\n"
    )
    talking.chmod(0o755)
    monkeypatch.setattr(engine_cache.sys, "executable", str(talking))
    with pytest.raises(FollowerError, match=r"for SM89, got: no such card\. Use --runtime cpu"):
        build_engine(SHIPPED / "decode.onnx", KEY)


def test_a_builder_computes_float32_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    flags, when_built = {"TF32", "OTHER"}, []
    config = SimpleNamespace(clear_flag=flags.discard)

    def build(network: object, config: object) -> bytes:
        when_built.append(set(flags))
        return b"engine"

    builder = SimpleNamespace(
        logger=None,
        create_network=lambda flags: None,
        create_builder_config=lambda: config,
        build_serialized_network=build,
    )
    package = SimpleNamespace(
        ILogger=type("ILogger", (), {}),
        IProgressMonitor=type("IProgressMonitor", (), {}),
        Builder=lambda log: builder,
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
        OnnxParser=lambda network, log: SimpleNamespace(parse_from_file=lambda path: True),
        BuilderFlag=SimpleNamespace(TF32="TF32"),
    )
    monkeypatch.setattr(engine_builder, "tensorrt", lambda: package)
    assert engine_builder.build(Path("decode.onnx"), "SM89") == b"engine"
    assert when_built == [{"OTHER"}]


CARDS = """\
NVIDIA A100-SXM4-40GB, 550.54.15, 400.00 W, 1410 MHz, 8.0
Tesla T4, 550.54.15, 70.00 W, 1590 MHz, 7.5"""


def test_an_engine_outlives_another_driver_and_power_limit_but_not_another_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contract = load_contract(SHIPPED)
    monkeypatch.setattr(engine_cache, "tensorrt_version", lambda: "tensorrt 10.9")
    monkeypatch.setattr(provenance.shutil, "which", lambda name: name)

    def key(printed: str) -> EngineKey:
        monkeypatch.setattr(provenance, "_output", lambda command: printed)
        return engine_key(contract.graphs[0], contract, "SM80")

    there = key(CARDS)
    assert there.target == "SM80, NVIDIA A100-SXM4-40GB"
    for word, other in (("550.54.15", "570.1"), ("400.00 W", "250.00 W"), ("1410", "1200"), ("Tesla T4", "NVIDIA L4")):
        assert word in CARDS and key(CARDS.replace(word, other)).path == there.path
    assert key(CARDS.splitlines()[0]).path == there.path
    assert key(CARDS.replace("A100-SXM4-40GB", "A30")).path != there.path


@pytest.mark.skipif(HAS_TENSORRT, reason="TensorRT for RTX is installed")
def test_without_tensorrt_one_is_told(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(FollowerError, match="got: No module named"):
        build_engine(SHIPPED / "decode.onnx", KEY)
    assert cli.main(["engines", "--target", "SM89"]) == 2
    said = capsys.readouterr().err
    assert "-m pip install -e" in said and "[tensorrt]'" in said


def test_a_card_that_is_none_of_rtx_is_refused() -> None:
    check_target("SM120")
    with pytest.raises(InputError, match="--target: expected SM75, .*, got 'SM90'"):
        check_target("SM90")


@needs_tensorrt
def test_engines_of_every_graph_are_built_without_a_gpu(cache: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["engines", "--follower", str(SHIPPED), "--target", "SM89"]) == 0
    said = capsys.readouterr().out
    contract = load_contract(SHIPPED)
    for graph in contract.graphs:
        key = engine_key(graph, contract, "SM89")
        assert len(open_engine(key.path, key)) > 10_000
        assert graph.role in said
    assert len(list((cache / "engines").iterdir())) == 2 * len(contract.graphs)


@needs_tensorrt
def test_an_engine_of_a_float16_graph_is_built(tmp_path: Path) -> None:
    import onnx

    from export.precision import lowered

    half = lowered(onnx.load(SHIPPED / "decode.onnx"), "decode", "fp16")
    (tmp_path / "decode.onnx").write_bytes(half.SerializeToString())
    key = replace(KEY, onnx_sha256=sha256_of(tmp_path / "decode.onnx"), precision="fp16")
    built = build_engine(tmp_path / "decode.onnx", key)
    assert built.stat().st_size > 10_000


@needs_tensorrt
def test_what_is_no_graph_is_refused_by_the_parser(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(FollowerError, match=r"broken\.onnx: expected an engine of .* for SM89, got: "):
        build_engine(tmp_path / "broken.onnx", KEY)


@needs_tensorrt
@pytest.mark.skipif(bool(gpus()), reason="there is a GPU")
def test_without_a_gpu_an_engine_is_not_opened_and_the_reason_told() -> None:
    from realtime.inference.runtimes import choose
    from realtime.inference.tensorrt_session import TensorRtSession

    contract = load_contract(SHIPPED)
    graph = contract.graphs[-1]
    build_engine(SHIPPED / graph.file, engine_key(graph, contract, "SM89"))
    with pytest.raises((DeviceError, FollowerError), match="CUDA: expected"):
        TensorRtSession(SHIPPED / graph.file, graph, contract, "SM89")
    with pytest.raises(InputError, match="--runtime tensorrt: expected TensorRT, got no NVIDIA GPU"):
        choose("tensorrt", SHIPPED)
