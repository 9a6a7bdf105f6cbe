import pytest

from duet.pieces import Piece, Trial
from ui import cli


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--style", "polka"], "swing"), (["--seed", "-1"], "0 or more")], ids=["style", "seed"]
)
def test_what_cannot_be_measured_is_refused(arguments, message, capsys):
    assert cli.main(["bench", "beats", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_table_is_printed(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DUET_CACHE", str(tmp_path))
    monkeypatch.setattr("duet.pieces.piece_set", lambda seed: [Piece("swing", 150.0, Trial.STEADY, seed)])
    monkeypatch.setattr("duet.pieces.SECONDS", 8.0)
    monkeypatch.setattr("realtime.bench.beats.false_locks", lambda: {"silence": 0.0})
    assert cli.main(["bench", "beats"]) == 0
    printed = capsys.readouterr().out
    assert "swing" in printed
    assert "silence 0.0%" in printed
