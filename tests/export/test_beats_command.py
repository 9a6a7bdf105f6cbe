"""The live tracker beside others: librosa where it hears, anybody else from a file."""

import json
from pathlib import Path

import numpy as np
import pytest

from duet.pieces import Piece, Trial, play
from export.cli import main

PIECE = Piece("waltz", 120.0, Trial.STEADY, 4)


@pytest.fixture(autouse=True)
def _one_short_piece(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("duet.pieces.SECONDS", 9.0)
    monkeypatch.setattr("duet.pieces.render.__defaults__", (9.0,))
    monkeypatch.setattr("export.commands.beats.piece_set", lambda seed: [PIECE])


def test_who_knows_the_beats_scores_fully(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = tmp_path / "known.json"
    known.write_text(json.dumps({PIECE.name: play(PIECE).beat_times_s.tolist()}))
    assert main(["beats", "--also", f"known={known}"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("waltz", "all"))]
    assert [row[0] for row in rows] == ["waltz", "all"]
    assert rows[0][-2:] == rows[1][-2:] == ["1.000", "1.000"]


def test_pieces_are_written_for_trackers_elsewhere(tmp_path: Path) -> None:
    from scipy.io import wavfile

    assert main(["beats", "--write", str(tmp_path / "pieces")]) == 0
    (path,) = (tmp_path / "pieces").iterdir()
    rate, samples = wavfile.read(path)
    assert (path.name, rate, samples.dtype) == (f"{PIECE.name}.wav", 48_000, np.int16)
    assert len(samples) == 9 * rate


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--style", "polka"], "expected one of waltz"),
        (["--seed", "-1"], "0 or more"),
        (["--aubio", "/nowhere/python"], "expected a Python interpreter"),
        (["--aubio", "{without}"], "expected an interpreter that imports aubio"),
        (["--also", "aubio"], "expected NAME=FILE"),
        (["--also", "aubio={empty}"], "expected beats of every piece"),
        (["--also", "aubio={list}"], "expected a JSON file"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"empty": tmp_path / "empty.json", "list": tmp_path / "list.json"}
    files["without"] = tmp_path / "without"
    files["without"].write_text('#!/bin/sh\necho "ModuleNotFoundError: aubio" >&2\nexit 1\n')
    files["without"].chmod(0o755)
    files["empty"].write_text("{}")
    files["list"].write_text("[1]")
    assert main(["beats", *(text.format(**files) for text in arguments)]) == 2
    assert said in capsys.readouterr().err
