import pytest

from duet.pieces import Piece, Trial
from ui import cli


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--style", "polka"], "swing"), (["--seed", "-1"], "0 or more")], ids=["style", "seed"]
)
def test_what_cannot_be_measured_is_refused(arguments, message, capsys):
    assert cli.main(["bench", "beats", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("false_lock", "code", "said"), [(0.0, 0, "met"), (0.01, 1, "missed")], ids=["met", "missed"])
def test_tables_and_aims_are_printed_and_the_exit_code_says_whether_they_hold(
    false_lock, code, said, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("DUET_CACHE", str(tmp_path))
    monkeypatch.setattr("duet.pieces.piece_set", lambda seed: [Piece("swing", 150.0, Trial.STEADY, seed)])
    monkeypatch.setattr("duet.pieces.SECONDS", 8.0)
    monkeypatch.setattr("realtime.bench.beats.false_locks", lambda seed: {"silence": false_lock})
    assert cli.main(["bench", "beats"]) == code
    printed = capsys.readouterr().out
    assert "swing" in printed
    assert f"silence {false_lock:.1%}" in printed
    assert said in printed
