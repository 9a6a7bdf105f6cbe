"""The command: export and verify on a real folder, and one clear sentence for everything that does not fit."""

from pathlib import Path

import pytest

from duet.contract import load_contract
from export.card import CARD_FILE, put_results
from export.cli import main
from models.config import XS
from models.follower import random_follower, save_follower


def test_export_says_what_it_did(exported: Path):
    assert load_contract(exported).name == "trial"
    assert "Not measured yet" in (exported / CARD_FILE).read_text()


def test_verify_holds_for_the_run_it_came_from(run: Path, exported: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(run), "--follower", str(exported), "--seconds", "0.5"]) == 0
    assert "agree within" in capsys.readouterr().out


def test_verify_refuses_the_export_of_another_run(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    save_follower(random_follower(XS, seed=5), tmp_path)
    assert main(["verify", str(tmp_path), "--follower", str(exported), "--seconds", "0.5"]) == 2
    assert "expected torch and ONNX Runtime within" in capsys.readouterr().err


def test_results_replace_those_before(exported: Path, tmp_path: Path):
    (tmp_path / CARD_FILE).write_text((exported / CARD_FILE).read_text())
    put_results(tmp_path, "| follower | MPJPE |")
    put_results(tmp_path, "| follower | MPJPE mm |")
    card = (tmp_path / CARD_FILE).read_text()
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
