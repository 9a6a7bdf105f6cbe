"""Files written whole."""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from duet.errors import InputError
from duet.files import check_could_write, check_writable, saved_whole, written_whole


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


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    path.write_text("former")
    with pytest.raises(OSError, match="No space left") as caught, written_whole(path) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as numpy says it, who knows no name
    assert caught.value.filename == str(path)
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_said_before(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "file.json")
    assert (tmp_path / "new").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--json: expected a file to write, got the folder"):
        check_writable(tmp_path, "--json")
    with pytest.raises(InputError, match=r"a.json: expected a folder to write to, got .*file: "):
        check_writable(tmp_path / "file" / "a.json")


def test_what_could_be_written_is_told_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("former")
    before = sorted(tmp_path.rglob("*"))
    for name in ("new/newer/file.json", "there/new/file.json", "there/other.json", "there/file"):
        check_could_write(tmp_path / name)
    for name in (f"{'n' * 300}/a.json", f"new/{'n' * 300}/a.json", "there/file/new/a.json", "there"):
        with pytest.raises(InputError, match="--log: expected a f"):
            check_could_write(tmp_path / name, "--log")
    assert sorted(tmp_path.rglob("*")) == before and (tmp_path / "there" / "file").read_text() == "former"


def test_what_was_asked_for_finds_no_room(
    tmp_path: Path, room_for: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "kept.json"
    path.write_text("former")
    said = r"kept\.json: expected to write the record there, got: File too large\. Make room, or name another file\."
    with room_for(10), pytest.raises(InputError, match=said), saved_whole(path, "the record") as part:
        part.write_text(100 * "x")
    assert path.read_text() == "former" and list(tmp_path.iterdir()) == [path]
    with saved_whole(path, "the record") as part:
        part.write_text("new")
    assert path.read_text() == "new"
