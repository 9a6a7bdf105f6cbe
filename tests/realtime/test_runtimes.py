"""Which runtime is taken, why, and that each gives the same answer; those that are not installed are skipped."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from duet.contract import load_contract
from duet.errors import DeviceError, FollowerError, InputError
from duet.golden import joint_distance_mm, seeded_inputs
from realtime.inference import runtimes
from realtime.inference.graph_session import OrtSession
from realtime.inference.runner_ort import OrtRunner
from realtime.inference.runtimes import choose, open_runner
from ui import cli

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
