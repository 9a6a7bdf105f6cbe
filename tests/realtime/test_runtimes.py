"""Which runtime is taken, why, and that each gives the same answer; those that are not installed are skipped."""

import importlib.util
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from duet.contract import GraphSpec, load_contract
from duet.errors import DeviceError, FollowerError, InputError
from duet.golden import joint_distance_mm, seeded_inputs
from duet.terminal import new_console
from realtime.bench import provenance
from realtime.inference import engine_cache, graph_session, runtimes
from realtime.inference.graph_session import Opener, OrtSession
from realtime.inference.runner_ort import OrtRunner
from realtime.inference.runtimes import choose, open_runner, open_together
from ui import cli
from ui.options import Output
from ui.partners import open_partners

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"


def lacking(monkeypatch: pytest.MonkeyPatch, **what: str) -> None:
    """Each of TensorRT, CUDA, OpenVINO is missing what is said here, or there."""
    monkeypatch.setattr(runtimes, "_no_tensorrt", lambda folder: what.get("tensorrt", ""))
    monkeypatch.setattr(runtimes, "_no_cuda", lambda: what.get("cuda", ""))


def test_auto_goes_down_the_list_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch)
    assert choose("auto").name == "tensorrt" and choose("auto").sentence() == "TensorRT."
    lacking(monkeypatch, tensorrt="no engines.")
    assert choose("auto").name == "cuda"
    assert choose("auto").sentence() == "ONNX Runtime on an NVIDIA GPU. Not tensorrt: no engines."
    lacking(monkeypatch, tensorrt="no engines.", cuda="no GPU.")
    assert choose("auto").name == "cpu"
    assert choose("auto").sentence() == "ONNX Runtime on the CPU. Not tensorrt: no engines. Not cuda: no GPU."


def test_one_that_is_asked_for_is_taken_or_refused_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, cuda="no GPU.")
    assert choose("cpu").name == "cpu" and choose("cpu").passed_over == ()
    with pytest.raises(InputError, match="--runtime cuda: expected ONNX Runtime on an NVIDIA GPU, got no GPU"):
        choose("cuda")
    with pytest.raises(InputError, match="--runtime: expected one of auto, cpu, cuda, tensorrt, openvino, got 'npu'"):
        choose("npu")


def refusing(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """These runtimes seem to be there, and open no graph."""
    there = runtimes.opener

    def opener(name: str, folder: Path, threads: int = 1) -> Opener:
        def refuse(path: Path, graph: GraphSpec) -> OrtSession:
            raise FollowerError(f"{path}: expected {name} to take the graph, got a library that is missing. Look.")

        return refuse if name in names else there(name, folder, threads)

    monkeypatch.setattr(runtimes, "opener", opener)


def test_auto_passes_over_what_is_there_and_does_not_open_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.doctor import _runtime

    lacking(monkeypatch, tensorrt="no engines.")
    refusing(monkeypatch, "cuda")
    (runner,), choice = open_together([SHIPPED])
    assert choice.name == "cpu" and choice.unexpected
    said = choice.sentence()
    assert said.startswith("ONNX Runtime on the CPU. Not tensorrt: no engines. Not cuda: ")
    assert said.endswith("expected cuda to take the graph, got a library that is missing. Look.")
    assert isinstance(runner._graphs[0][1], OrtSession)
    assert _runtime(SHIPPED) == said
    with pytest.raises(FollowerError, match="expected cuda to take the graph"):
        open_runner(SHIPPED, "cuda")


def test_a_follower_that_nothing_opens_is_told_by_the_last_that_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch)
    refusing(monkeypatch, *runtimes.AUTO_ORDER)
    with pytest.raises(FollowerError, match="expected cpu to take the graph"):
        open_runner(SHIPPED)


def test_two_followers_dance_on_one_runtime_that_takes_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtimes, "OrtRunner", lambda path, *, opened, measuring: path)
    for lacking_one in (SHIPPED, tmp_path):
        lacks = [("tensorrt", SHIPPED), ("cuda", lacking_one)]
        monkeypatch.setattr(
            runtimes, "missing", lambda name, folder, lacks=lacks: "none." if (name, folder) in lacks else ""
        )
        runners, choice = open_together([SHIPPED, tmp_path])
        assert runners == [SHIPPED, tmp_path] and choice.name == "cpu" and not choice.unexpected


def test_a_show_says_so_where_a_gpu_is_there_and_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output(SHIPPED, True, None, 1.0, 0, (64, 64), 30.0)
    monkeypatch.setenv("COLUMNS", "2000")

    def said() -> str:
        written = io.StringIO()
        assert open_partners(output, new_console(file=written))[0].runtime == "cpu"
        return written.getvalue()

    lacking(monkeypatch, tensorrt="no package. pip install -e '.[tensorrt]'.", cuda="no GPU.")
    assert "Not" not in said()
    lacking(monkeypatch, tensorrt="no package. pip install -e '.[tensorrt]'.")
    refusing(monkeypatch, "cuda")
    told = said()
    assert "pip install -e '.[tensorrt]'. Not cuda: " in told and "got a library that is missing" in told


def test_cuda_computes_float32_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def session(path: str, options: object, *, providers: list) -> None:
        asked.append(providers)
        raise RuntimeError("no GPU")

    monkeypatch.setattr(graph_session.ort, "InferenceSession", session)
    graph = load_contract(SHIPPED).graphs[0]
    for name in ("cuda", "cpu"):
        with pytest.raises(FollowerError, match="got: no GPU"):
            runtimes.opener(name, SHIPPED)(SHIPPED / graph.file, graph)
    assert asked == [[("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"], ["CPUExecutionProvider"]]


def test_the_driver_is_not_asked_again_for_every_graph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def printed(command: list[str]) -> str:
        asked.append(command)
        return "8.0" if "--query-gpu=compute_cap" in command else "NVIDIA A30, 550.54.15, 165.00 W, 1440 MHz, 8.0"

    monkeypatch.setenv("DUET_CACHE", str(tmp_path))
    for module in (runtimes, engine_cache):
        monkeypatch.setattr(module, "tensorrt_version", lambda: "tensorrt 10.9")
    monkeypatch.setattr(provenance.shutil, "which", lambda name: name)
    monkeypatch.setattr(provenance, "_output", printed)
    assert "no engines of this follower" in runtimes.missing("tensorrt", SHIPPED)
    assert len(asked) == 2 < len(load_contract(SHIPPED).graphs)


def test_a_show_refuses_an_unknown_runtime_in_words(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["demo", "--headless", "--seconds", "1", "--report", str(tmp_path / "r.json"), "--runtime", "abacus"]
    assert cli.main(words) == 2
    assert "--runtime: expected one of" in capsys.readouterr().err


def test_the_doctor_tells_what_runs_and_why() -> None:
    from ui.doctor import _checked, _runtime

    check = _checked("runtime", lambda: _runtime(SHIPPED))
    assert check.works and check.finding == choose("auto", SHIPPED).sentence()


@pytest.mark.parametrize(
    ("code", "reason"),
    [(2, "too little memory on the GPU"), (35, "no driver, or one that is too old"), (100, "no GPU")],
)
def test_what_cuda_refuses_is_told_in_words(code: int, reason: str) -> None:
    from realtime.inference.tensorrt_session import _Cuda

    cuda = object.__new__(_Cuda)
    cuda._runtime = SimpleNamespace(cudaMalloc=lambda size: (code, None))
    with pytest.raises(DeviceError, match=f"CUDA: expected cudaMalloc to succeed, got {reason}"):
        cuda.device(4)


def test_a_device_that_fails_in_a_tick_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = OrtRunner(SHIPPED)
    _, session = runner._graphs[0]
    assert isinstance(session, OrtSession)

    def fails(outputs: object, feeds: object) -> None:
        raise RuntimeError("Failed to allocate memory for requested buffer of size 1048576\nat bfc_arena.cc:376")

    monkeypatch.setattr(session, "_session", SimpleNamespace(run=fails))
    shapes = {spec.name: spec.shape for spec in runner.contract.inputs}
    asked = next(iter(seeded_inputs(shapes, runner.contract.past_tokens, {}, 1)))
    with pytest.raises(
        DeviceError, match="ONNX Runtime: expected a tick, got: Failed to allocate memory .*48576. Close"
    ):
        runner.tick(asked, runner.initial_state())


def frames_of(runner: OrtRunner) -> np.ndarray:
    """What it dances in five ticks."""
    contract = runner.contract
    shapes = {spec.name: spec.shape for spec in contract.inputs}
    state = runner.initial_state()
    for inputs in seeded_inputs(shapes, contract.past_tokens, {}, 5):
        outputs, state = runner.tick(inputs, state)
    return outputs["frames"][0]


def test_more_threads_give_the_same_answer() -> None:
    one, two = (frames_of(open_runner(SHIPPED, "cpu", threads=n)) for n in (1, 2))
    assert joint_distance_mm(one, two) < 0.1


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_openvino_gives_the_answer_of_onnx_runtime(tmp_path: Path) -> None:
    from realtime.inference.openvino_session import OpenVinoSession

    assert choose("openvino").name == "openvino"
    one, other = (frames_of(open_runner(SHIPPED, name).without_bank()) for name in ("cpu", "openvino"))
    assert np.abs(one - other).max() > 0.0, "another runtime, and not the same one again"
    assert joint_distance_mm(one, other) < 0.1
    graph = load_contract(SHIPPED).graphs[0]
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(FollowerError, match=r"broken\.onnx: expected a graph OpenVINO can run, got"):
        OpenVinoSession(tmp_path / "broken.onnx", graph)
