"""The command: export and verify on a real folder, and one clear sentence for everything that does not fit."""

from pathlib import Path

import pytest

from duet.contract import load_contract
from export.card import CARD_FILE, put_results
from export.cli import main
from models.config import XS
from models.follower import random_follower, save_follower
from models.release import Release


def make_run(folder: Path, seed: int = 0) -> Path:
    """A run's folder as training leaves it, with random weights."""
    save_follower(random_follower(XS, seed), folder / "best")
    Release(
        name="trial",
        style=(1.0,) + (0.0,) * (XS.style_width - 1),
        observed_delay_frames=5,
        root_leak=0.1,
        distance_m=0.85,
        training_data="Nothing: random weights.",
        licence="Apache-2.0",
        command="duet-lab train",
        seeds=(0,),
    ).write(folder / "best")
    return folder


def test_export_then_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DUET_DATA", raising=False)
    run, out = make_run(tmp_path / "run"), tmp_path / "trial"
    assert main(["export", str(run), "--out", str(out), "--seconds", "0.5"]) == 0
    assert "torch and ONNX Runtime within" in capsys.readouterr().out
    assert load_contract(out).name == "trial"
    assert "Not measured yet" in (out / CARD_FILE).read_text()

    assert main(["verify", str(run), "--follower", str(out), "--seconds", "0.5"]) == 0
    assert "agree within" in capsys.readouterr().out

    other = make_run(tmp_path / "other", seed=5)
    assert main(["verify", str(other), "--follower", str(out), "--seconds", "0.5"]) == 2
    assert "expected torch and ONNX Runtime within" in capsys.readouterr().err

    put_results(out, "| follower | MPJPE |")
    put_results(out, "| follower | MPJPE mm |")
    card = (out / CARD_FILE).read_text()
    assert card.count("| follower |") == 1 and "| MPJPE mm |" in card and "What it cannot do" in card


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare"], "--data: expected the folder with the recorded couples, got none"),
        (["prepare", "--data", "nowhere"], "expected the salsa takes, got no such folder"),
        (["train", "--data", "nowhere", "--out", "run", "--preset", "XXL"], "--preset: expected one of XS, S, M, L"),
        (["export", "nowhere", "--out", "trial"], "expected release.json in it, got none"),
        (["verify", "nowhere", "--follower", "trial"], "expected follower.json in it, got none"),
        (["evaluate", "nowhere", "--data", "nowhere"], "expected a follower folder, got no such folder"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_code_two(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("DUET_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("duet-lab: ") and error.count("\n") == 1


@pytest.mark.parametrize("command", ["prepare", "train", "export", "verify", "evaluate"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"duet-lab {command}" in capsys.readouterr().out


def test_a_card_without_its_marked_place_is_refused(tmp_path: Path):
    from duet.errors import InputError

    with pytest.raises(InputError, match=f"expected {CARD_FILE}"):
        put_results(tmp_path, "numbers")
    (tmp_path / CARD_FILE).write_text("# something else\n")
    with pytest.raises(InputError, match="expected the marked place"):
        put_results(tmp_path, "numbers")
