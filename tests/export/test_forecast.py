"""``duet-lab forecast``: a table of errors, and weights that give the same table again."""

from pathlib import Path

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from export.cli import main
from models.data.couples import PLAIN_FOLDER
from models.data.music import condition_from_beats
from models.forecaster import forecaster_datasets
from models.training import forecaster_stage
from models.training.forecaster_stage import CARRIED, HEARING, LEARNED, Leads, lead_of


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """One leader in code, in place of everybody in the data."""
    music = condition_from_beats(np.arange(0.0, 6.0, 1.0 / 3.0), 180, 30.0, np.random.default_rng(0))
    lead = lead_of("lead", choreograph_tempo(6.0, 180.0, 4).leader, music)
    group = Leads([lead], [], [lead], {"somebody": [lead]})
    monkeypatch.setattr(forecaster_stage, "build_leads", lambda *_, **__: group)


def test_it_trains_keeps_and_measures_again(leads: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "forecaster.safetensors"
    given = ["forecast", "--data", str(tmp_path), "--threads", "1"]
    (tmp_path / PLAIN_FOLDER).mkdir()
    assert main([*given, "--steps", "2", "--out", str(path)]) == 0
    first = capsys.readouterr().out
    assert all(name in first for name in ("damped", LEARNED, CARRIED, HEARING, "somebody", "32 frames"))
    assert forecaster_datasets(path) == ("cmu",)
    kept = tmp_path / "kept.safetensors"
    assert main([*given, "--weights", str(path), "--out", str(kept)]) == 0
    assert forecaster_datasets(kept) == ("cmu",)
    again = capsys.readouterr().out
    rows = [line for line in first.splitlines() if "│" in line]
    assert rows and rows == [line for line in again.splitlines() if "│" in line]


def test_weights_that_are_none_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["forecast", "--data", str(tmp_path), "--weights", str(tmp_path / "none")]) == 2
    assert "expected weights in safetensors, got no such file" in capsys.readouterr().err
