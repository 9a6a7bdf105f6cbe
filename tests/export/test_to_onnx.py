"""The exported folder: complete, loadable, stable in its bytes, silent about the machine it was made on."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from torch import Tensor

from duet.choreography import choreograph_tempo
from duet.contract import load_contract
from duet.errors import FollowerError, InputError
from duet.features import LEADER_SIZE
from duet.forecast import FORESEEN_FROM_FRAMES
from export.card import CARD_FILE
from export.to_onnx import FORMAT, OPSET, Graph, _published, export_follower, export_role, weights_sha256
from export.verify import TOLERANCE, Parity
from models.config import XS
from models.data.take import Take
from models.follower import load_follower, random_follower
from models.onnx_tick import OnnxForecaster
from models.release import RELEASE_FILE, Release, read_release
from models.rollout import TorchPartner, dance
from realtime.inference.runner_ort import OrtForecaster


def test_the_live_half_can_load_it(exported: Path, release: Release):
    contract = load_contract(exported)
    assert [graph.role for graph in contract.graphs] == ["memory", "denoise", "decode"]
    assert contract.window_tokens == XS.window and contract.latent_size == XS.latent_width
    assert contract.forecast is not None and contract.forecast.file == "forecast.onnx"
    assert contract.bank == "bank.npz" and contract.root_leak == release.root_leak
    assert contract.parity_max_abs < 1e-4
    assert float(contract.notes["parity_relative"]) <= TOLERANCE
    wired = {spec.name for spec in (*contract.inputs, *contract.states)}
    for graph in contract.graphs:
        assert {spec.name for spec in graph.inputs} <= wired
        wired |= {spec.name for spec in graph.outputs}
    assert {f"new_{spec.name}" for spec in contract.states} <= wired


def test_graphs_are_of_the_stated_opset_and_carry_their_contract(exported: Path):
    graphs = load_contract(exported).graphs
    assert len({graph.role for graph in graphs}) == len(graphs) >= 2
    for graph in graphs:
        model = onnx.load(exported / graph.file)
        assert [entry.version for entry in model.opset_import if entry.domain == ""] == [OPSET]
        session = ort.InferenceSession(str(exported / graph.file), providers=["CPUExecutionProvider"])
        notes = session.get_modelmeta().custom_metadata_map
        assert notes["format"] == FORMAT and notes["role"] == graph.role
        assert notes["weights_sha256"] == load_contract(exported).weights_sha256


def test_nothing_in_it_tells_where_it_was_made(exported: Path):
    here = str(Path(__file__).resolve().parents[2]).encode()
    paths = list(exported.iterdir())
    assert {"contract.json", CARD_FILE} < {path.name for path in paths}
    for path in paths:
        content = path.read_bytes()
        assert here not in content and b"site-packages" not in content, path.name


def test_equal_weights_give_equal_bytes(exported: Path, run: Path, release: Release, tmp_path: Path):
    again = random_follower(load_follower(run / "best").config)
    contract, _ = export_follower(again, release, tmp_path, seconds=0.1)
    former = load_contract(exported)
    before = {graph.file: graph.sha256 for graph in former.graphs}
    assert contract.forecast == former.forecast
    assert {graph.file: graph.sha256 for graph in contract.graphs} == before
    assert weights_sha256(random_follower(XS, seed=0)) != weights_sha256(random_follower(XS, seed=1))


def test_the_card_states_what_was_given_and_measured(exported: Path, release: Release):
    card = (exported / CARD_FILE).read_text()
    contract = load_contract(exported)
    for text in (release.training_data, release.command, contract.weights_sha256, "Seeds: 0, 1."):
        assert text in card
    assert f"{contract.parity_max_abs:.3e}" in card


def bytes_in(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("error", [RuntimeError("power cut"), KeyboardInterrupt()])
def test_an_interrupted_export_leaves_what_was_there(
    error: BaseException, exported: Path, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    former = Path(shutil.copytree(exported, tmp_path / "former"))
    before, real, roles = bytes_in(former), export_role, []

    def broken(role: Graph, tensors: dict[str, Tensor]) -> onnx.ModelProto:
        roles.append(role.name)
        if len(roles) % 2 == 0:
            raise error
        return real(role, tensors)

    monkeypatch.setattr("export.to_onnx.export_role", broken)
    for out in (former, tmp_path / "new" / "one"):
        with pytest.raises(type(error)):
            export_follower(random_follower(XS), release, out)
    assert roles == ["memory", "denoise"] * 2 and bytes_in(former) == before
    assert load_contract(former).name == release.name and not (tmp_path / "new" / "one").exists()


def test_a_full_disk_names_the_folder_and_leaves_none(
    tmp_path: Path, room_for: Callable[[int], AbstractContextManager[None]]
):
    out = tmp_path / "out"
    with room_for(1000), pytest.raises(OSError, match="File too large") as caught, _published(out) as part:
        (part / "denoise.onnx").write_bytes(bytes(5000))
    assert caught.value.filename == str(out) and not out.exists()


def test_an_export_that_does_not_hold_is_no_follower(
    exported: Path, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The shipped follower once missed by four parts in a hundred, and was published."""
    former = Path(shutil.copytree(exported, tmp_path / "former"))
    before, missed = bytes_in(former), Parity(60.0, 450, {"past": 1.04e-4}, {"past": 1.0}, 0.01, {"memory": (1.0, 1.0)})
    monkeypatch.setattr("export.to_onnx.write_graphs", lambda *_: load_contract(exported).graphs)
    monkeypatch.setattr("export.to_onnx.measure", lambda *_, **__: missed)
    for out in (former, tmp_path / "new"):
        with pytest.raises(FollowerError, match=r"expected torch and ONNX Runtime to agree, got 1\.040e-04 .*past"):
            export_follower(random_follower(XS), release, out)
    assert bytes_in(former) == before and not (tmp_path / "new").exists()


def test_what_the_stage_could_not_guide_is_not_exported(release: Release, tmp_path: Path):
    """Three residual levels can be trained and held against two; on stage there are two of them to be guided."""
    follower = random_follower(replace(XS, codec=replace(XS.codec, residuals=3)))
    with pytest.raises(InputError, match="expected 2 residual levels, as a stage can guide them, got 3. Train it"):
        export_follower(follower, release, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    leader = choreograph_tempo(2.0, 180.0, 1).leader.joints_m
    (danced,) = dance(
        TorchPartner(follower), [Take("a", leader, np.zeros((len(leader), 8), np.float32), XS.fps)], leak=0.05
    )
    assert np.isfinite(danced.root_m).all()


def test_what_the_former_follower_had_besides_goes_with_it(exported: Path, release: Release, tmp_path: Path):
    """Neither its bank nor its forecast stays beside graphs that know nothing of them; files of others do."""
    former = Path(shutil.copytree(exported, tmp_path / "former"))
    (former / "notes.txt").write_text("mine")
    contract, _ = export_follower(random_follower(XS), release, former, seconds=0.1)
    assert contract.forecast is None and not contract.bank and load_contract(former) == contract
    assert {"notes.txt", "golden.npz"} < {path.name for path in former.iterdir()}
    assert not (former / "forecast.onnx").exists() and not (former / "bank.npz").exists()


def test_a_release_is_read_back_as_written(release: Release, tmp_path: Path):
    release.write(tmp_path)
    assert read_release(tmp_path) == release


@pytest.mark.parametrize("text", ["[]", "{", '{"name": "x"}'])
def test_a_broken_release_is_refused(tmp_path: Path, text: str):
    with pytest.raises(InputError, match="expected release.json in it, got none"):
        read_release(tmp_path)
    (tmp_path / RELEASE_FILE).write_text(text)
    with pytest.raises(InputError, match="expected the fields of a release"):
        read_release(tmp_path)


def test_both_halves_foresee_leaders_alike(exported: Path, run: Path):
    """Torch, the evaluation's ONNX Runtime and the stage's: equal to round-off."""
    graph = load_contract(exported).forecast
    assert graph is not None
    seen = np.random.default_rng(0).standard_normal((FORESEEN_FROM_FRAMES, LEADER_SIZE)).astype(np.float32)
    foresight = load_follower(run / "best").foresight
    assert foresight is not None
    expected = foresight(seen)
    assert np.abs(expected).max() > 0.01
    for foresee in (OnnxForecaster(exported, graph), OrtForecaster(exported / graph.file, graph)):
        np.testing.assert_allclose(foresee(seen), expected, atol=1e-5)


def test_a_forecast_of_another_shape_is_refused(exported: Path, tmp_path: Path):
    folder = Path(shutil.copytree(exported, tmp_path / "other"))
    text = json.loads((folder / "contract.json").read_text())
    text["forecast"]["inputs"][0]["shape"] = [1, 31, 72]
    (folder / "contract.json").write_text(json.dumps(text))
    with pytest.raises(FollowerError, match="'leader_seen' of shape"):
        load_contract(folder)


def test_an_altered_forecast_is_refused(exported: Path, tmp_path: Path):
    folder = Path(shutil.copytree(exported, tmp_path / "other"))
    with (folder / "forecast.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(FollowerError, match="forecast.onnx: expected sha256"):
        load_contract(folder)
