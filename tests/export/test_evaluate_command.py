"""``duet-lab evaluate``, and the same after an export: whose takes are danced, and whose numbers a card holds."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from duet.contract import load_contract
from export.card import CARD_FILE
from export.cli import main
from export.commands.evaluate import measure
from models.config import XS
from models.data.couples import Couples
from models.data.sources import SOURCES
from models.evaluation.evaluate import CHOSEN_BY, OTHERS, _role
from models.release import Release
from models.training.settings import SETTINGS_FILE, Settings, write_settings

NUMBERS = "| follower | 0.28 |"


@pytest.fixture
def of_dd100(run: Path, release: Release, tmp_path: Path) -> Path:
    """A run that learned from DD100."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    replace(release, training_data=f"{SOURCES['dd100'].licence} Mirrored.").write(folder / "best")
    write_settings(folder, Settings(), {"datasets": ["dd100"]})
    return folder


def test_a_card_holds_no_numbers_of_couples_that_were_not_learned_from(
    of_dd100: Path, several: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    report = SimpleNamespace(markdown=lambda: NUMBERS)
    monkeypatch.setattr("export.commands.evaluate._dance", lambda *_: SimpleNamespace(report=report))
    out = tmp_path / "duets"
    export = ["export", str(of_dd100), "--out", str(out), "--seconds", "0.5", "--data", str(several)]
    assert main([*export, "--dataset", "cmu"]) == 0
    said, card = capsys.readouterr().out, (out / CARD_FILE).read_text()
    assert NUMBERS in said and "says nothing of learning from cmu" in said
    assert NUMBERS not in card and "Not measured yet" in card
    assert main(["evaluate", str(out), "--data", str(several)]) == 0, "of the salsa takes, unless others are named"
    assert "Not measured yet" in (out / CARD_FILE).read_text()
    measure(out, Couples(several, ("dd100",)), Console())
    assert NUMBERS in (out / CARD_FILE).read_text()

    contract, salsa = load_contract(out), ("12", "13")
    assert _role(Couples(several), salsa, contract) == OTHERS
    assert _role(Couples(several), salsa, replace(contract, training_data=SOURCES["cmu"].licence)) == CHOSEN_BY
    assert _role(Couples(several), salsa, XS) == CHOSEN_BY
    both = _role(Couples(several, ("cmu", "dd100")), ("cmu-01", "dd100-Salsa_1_0"), contract)
    assert both == f"{CHOSEN_BY}; cmu-01 are {OTHERS}"


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Of every export that is asked for and not made: files that lie beside it, then couples it is measured with."""
    seen: list[object] = []
    made = SimpleNamespace(name="trial"), SimpleNamespace(milliseconds={}, sentence=lambda: "nothing")

    def export(*_: object, beside: tuple[Path, ...], **__: object) -> object:
        seen.append(beside)
        return made

    monkeypatch.setattr("export.to_onnx.export_follower", export)
    monkeypatch.setattr("export.commands.export.measure", lambda _, couples, __: seen.append(couples))
    return seen


@pytest.mark.parametrize("given", ["", "best"])
def test_an_export_is_measured_with_the_couples_of_its_run(
    of_dd100: Path, several: Path, exports: list[object], tmp_path: Path, given: str
):
    words = ["export", str(of_dd100 / given), "--out", str(tmp_path / "out"), "--weights", "--data", str(several)]
    assert main(words) == 0
    (beside, couples) = exports
    assert couples == Couples(several, ("dd100",))
    assert isinstance(beside, tuple) and of_dd100 / SETTINGS_FILE in beside
    assert main([*words, "--out", str(of_dd100)]) == 2, "the run's own folder, however it is named"


def test_an_export_goes_on_where_the_couples_of_its_run_are_not(
    of_dd100: Path, exports: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "others" / "cmu_salsa").mkdir(parents=True)
    words = ["export", str(of_dd100), "--out", str(tmp_path / "out"), "--data", str(tmp_path / "others")]
    assert main(words) == 0 and exports == [()]
    said = capsys.readouterr().out
    assert "Nothing will be measured in closed loop." in said and "expected a data set (dd100:" in said
    assert main([*words, "--dataset", "dd100"]) == 2, "where it is asked for by name"
    assert "expected a data set (dd100:" in capsys.readouterr().err and exports == [()]
    assert main([*words[:-1], str(tmp_path / "absent")]) == 2, "where there is no such folder"
    assert str(tmp_path / "absent") in capsys.readouterr().err and exports == [()]


def test_an_export_finds_out_before_the_work_that_there_is_nothing_to_measure_with(
    of_dd100: Path, exports: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (of_dd100 / SETTINGS_FILE).unlink()
    (tmp_path / "empty").mkdir()
    words = ["export", str(of_dd100), "--out", str(tmp_path / "out"), "--data", str(tmp_path / "empty")]
    assert main(words) == 0 and exports == [()]
    assert "Nothing will be measured in closed loop." in capsys.readouterr().out
