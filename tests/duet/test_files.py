"""Files written whole."""

import os
from pathlib import Path

import pytest

from duet.files import written_whole


def test_two_processes_do_not_write_into_each_others_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.json"
    with written_whole(path) as mine:
        mine.write_text("mine")
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with written_whole(path) as theirs:
            theirs.write_text("theirs")
        assert path.read_text() == "theirs"
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text("former")
    with pytest.raises(ValueError, match="half"), written_whole(path) as part:
        part.write_text("half")
        raise ValueError("half")
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]
