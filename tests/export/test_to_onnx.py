"""The exported folder: complete, loadable, stable in its bytes, silent about the machine it was made on."""

from pathlib import Path

import onnx
import onnxruntime as ort
import pytest

from duet.contract import load_contract
from duet.errors import FollowerError, InputError
from export.card import CARD_FILE
from export.to_onnx import FORMAT, OPSET, export_follower, weights_sha256
from export.verify import verify_folder
from models.config import XS
from models.follower import random_follower
from models.release import RELEASE_FILE, Release, read_release

RELEASE = Release(
    name="trial",
    style=(1.0,) + (0.0,) * (XS.style_width - 1),
    observed_delay_frames=5,
    root_leak=0.05,
    distance_m=0.85,
    training_data="Nothing: random weights.",
    licence="Apache-2.0",
    command="duet-lab train --preset XS",
    seeds=(0, 1),
    bank="bank.npz",
    results="| take | MPJPE mm |\n|---|---|\n| 12 | 151 |",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("followers")
    (base / "bank.npz").write_bytes(b"made by this project")
    export_follower(random_follower(XS), RELEASE, base / "trial", bank=base / "bank.npz", seconds=1.0)
    return base / "trial"


def test_the_live_half_can_load_it(folder: Path):
    contract = load_contract(folder)
    assert [graph.role for graph in contract.graphs] == ["memory", "denoise", "decode"]
    assert contract.window_tokens == XS.window and contract.latent_size == XS.latent_width
    assert contract.bank == "bank.npz" and contract.root_leak == RELEASE.root_leak
    assert contract.parity_max_abs < 1e-4
    wired = {spec.name for spec in (*contract.inputs, *contract.states)}
    for graph in contract.graphs:
        assert {spec.name for spec in graph.inputs} <= wired
        wired |= {spec.name for spec in graph.outputs}
    assert {f"new_{spec.name}" for spec in contract.states} <= wired


def test_graphs_are_of_the_stated_opset_and_carry_their_contract(folder: Path):
    for graph in load_contract(folder).graphs:
        model = onnx.load(folder / graph.file)
        assert [entry.version for entry in model.opset_import if entry.domain == ""] == [OPSET]
        session = ort.InferenceSession(str(folder / graph.file), providers=["CPUExecutionProvider"])
        notes = session.get_modelmeta().custom_metadata_map
        assert notes["format"] == FORMAT and notes["role"] == graph.role
        assert notes["weights_sha256"] == load_contract(folder).weights_sha256


def test_nothing_in_it_tells_where_it_was_made(folder: Path):
    here = str(Path(__file__).resolve().parents[2]).encode()
    for path in folder.iterdir():
        content = path.read_bytes()
        assert here not in content and b"site-packages" not in content, path.name


def test_equal_weights_give_equal_bytes(folder: Path, tmp_path: Path):
    export_follower(random_follower(XS), RELEASE, tmp_path, seconds=0.2)
    for name in ("memory.onnx", "denoise.onnx", "decode.onnx"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    assert weights_sha256(random_follower(XS, seed=0)) != weights_sha256(random_follower(XS, seed=1))


def test_the_card_states_what_was_given_and_measured(folder: Path):
    card = (folder / CARD_FILE).read_text()
    contract = load_contract(folder)
    for text in (RELEASE.training_data, RELEASE.command, "| 12 | 151 |", contract.weights_sha256, "Seeds: 0, 1."):
        assert text in card
    assert f"{contract.parity_max_abs:.1e}" in card


def test_verify_holds_for_its_own_weights_and_for_no_others(folder: Path):
    assert verify_folder(random_follower(XS), folder, seconds=2.0).holds
    with pytest.raises(FollowerError, match="expected torch and ONNX Runtime within 0.0001"):
        verify_folder(random_follower(XS, seed=1), folder, seconds=0.5)


def test_an_interrupted_export_is_no_follower(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The contract comes last: until then the folder is refused, even where an older follower lay."""
    (tmp_path / "contract.json").write_text((folder / "contract.json").read_text())

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("export.to_onnx.export_role", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        export_follower(random_follower(XS), RELEASE, tmp_path)
    with pytest.raises(FollowerError, match="expected contract.json"):
        load_contract(tmp_path)


def test_a_release_is_read_back_as_written(tmp_path: Path):
    RELEASE.write(tmp_path)
    assert read_release(tmp_path) == RELEASE


@pytest.mark.parametrize("text", ["[]", "{", '{"name": "x"}'])
def test_a_broken_release_is_refused(tmp_path: Path, text: str):
    with pytest.raises(InputError, match="expected release.json in it, got none"):
        read_release(tmp_path)
    (tmp_path / RELEASE_FILE).write_text(text)
    with pytest.raises(InputError, match="expected the fields of a release"):
        read_release(tmp_path)
