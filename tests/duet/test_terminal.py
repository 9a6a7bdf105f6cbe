"""What is told comes out letter for letter, whatever a folder or a device is called; one place makes what tells it."""

import io
import re
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from duet.terminal import WIDE, new_console

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("duet", "models", "export", "realtime", "ui")
NAMES = ("[bold]x[/] [/] [red", "/tmp/[bold]/x", "Mic [2]", "[/]", "C:\\[red]\\", ":bug: 3", "[link=http://x]y[/link]")


def lines_of_packages() -> list[tuple[str, str]]:
    """``(file, line)`` of all that is shipped."""
    return [
        (path.relative_to(ROOT).as_posix(), line)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def test_one_place_makes_every_console() -> None:
    assert {file for file, line in lines_of_packages() if re.search(r"\bConsole\(", line)} == {"duet/terminal.py"}


def test_nobody_writes_markup_that_would_be_told_as_it_stands() -> None:
    closed = [(file, line) for file, line in lines_of_packages() if re.search(r"\[/\w*\]", line)]
    columns = [(file, line) for file, line in lines_of_packages() if re.search(r"TextColumn\(.*\{", line)]
    assert not closed
    assert columns and [each for each in columns if "markup=False" not in each[1]] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stderr", [False, True])
def test_a_name_is_told_letter_for_letter(name: str, stderr: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console = new_console(stderr=stderr)
    table = Table(name, "", title=f"title {name}", caption=f"caption {name}")
    table.add_row(f"cell {name}", Text(name, style="bold"))
    console.print(f"Wrote {name}", soft_wrap=True)
    console.print(f"Styled {name}", style="yellow", highlight=False)
    console.print(Text("refused", style="red"), name)
    console.print(table)
    told = capsys.readouterr()
    lines = [line.strip() for line in (told.err if stderr else told.out).splitlines()]
    assert lines[:3] == [f"Wrote {name}", f"Styled {name}", f"refused {name}"]
    title, head, row, caption = (" ".join(lines[n].replace("┃", " ").replace("│", " ").split()) for n in (3, 5, 7, 9))
    assert (title, head, row, caption) == (f"title {name}", name, f"cell {name} {name}", f"caption {name}")
    assert not (told.out if stderr else told.err)


def test_who_is_quiet_tells_nothing_and_long_lines_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    new_console(quiet=True).print("heard")
    assert "".join(capsys.readouterr()) == ""
    new_console(soft_wrap=True, highlight=False).print("a long line " * 9, end="")
    assert capsys.readouterr().out == "a long line " * 9


def test_tables_in_a_log_are_not_cut_short(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    new_console().print("x" * WIDE)
    assert capsys.readouterr().out == "x" * WIDE + "\n"
    log = io.StringIO()
    new_console(file=log).print("x" * WIDE)
    assert log.getvalue() == "x" * WIDE + "\n"
    monkeypatch.setenv("COLUMNS", "50")
    new_console(stderr=True).print("x" * 150)
    assert capsys.readouterr().err.split() == ["x" * 50] * 3
