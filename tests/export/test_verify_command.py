"""``duet-lab verify`` says what it held against torch, and refuses what it could not heed."""

from pathlib import Path

import pytest

from duet.contract import CONTRACT_FILE
from export.cli import main


def test_a_length_is_refused_where_the_answer_has_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CONTRACT_FILE).write_text("{}")
    assert main(["verify", str(tmp_path), "--seconds", "300"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("duet-lab: --seconds: expected it beside RUN and --follower") and error.count("\n") == 1
    assert main(["verify", str(tmp_path)]) == 2
    assert "--seconds" not in capsys.readouterr().err


def test_the_graph_that_was_not_asked_is_named(run: Path, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(exported)]) == 0
    assert "The graph that foresees leaders was not asked" in capsys.readouterr().out
    assert main(["verify", str(run), "--follower", str(exported), "--seconds", "0.5"]) == 0
    assert "foresees" not in capsys.readouterr().out
