"""What is told to install something is a command that pip takes, and names no package of somebody else's."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from duet.extras import SOURCES, how_to_install


@pytest.mark.parametrize("folder", [SOURCES, SOURCES / "docs", Path("/")])
def test_the_command_names_this_python_and_these_sources(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    python, *words, target = how_to_install("film").split()
    assert words == ["-m", "pip", "install", "-e"]
    assert (folder / python).absolute() == Path(sys.executable).absolute()
    named, extra = target.strip("'").removesuffix("]").split("[")
    assert (folder / named).resolve() == SOURCES and extra == "film"
    assert not named.startswith("duet")


def test_the_command_is_whole_where_the_folder_one_is_in_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert how_to_install("film") == f"{sys.executable} -m pip install -e '{SOURCES}[film]'"


def test_no_help_names_a_package_of_somebody_else(capsys: pytest.CaptureFixture[str]) -> None:
    from ui.cli import main

    with pytest.raises(SystemExit):
        main(["avatar", "import", "--help"])
    assert how_to_install("smplx") in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["bench", "render", "--help"])
    assert how_to_install("film") in capsys.readouterr().out
    named = [
        path.relative_to(SOURCES)
        for folder in ("duet", "realtime", "ui", "export", "models", "scripts", "docs")
        for path in (SOURCES / folder).rglob("*")
        if path.suffix in ("", ".py", ".md") and path.is_file()
        if re.search(r"pip install (?:-\S+ )*['\"]?duet\b", path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert named == []


@pytest.mark.parametrize("folder", ["duet", "realtime", "ui", "export", "models", "scripts", "docs", "."])
def test_nobody_is_told_of_an_extra_of_that_package(folder: str) -> None:
    told = [
        f"{path.relative_to(SOURCES)}: {name}"
        for path in ((SOURCES / folder).glob("*") if folder == "." else (SOURCES / folder).rglob("*"))
        if path.suffix in (".py", ".md")
        for text in _told_in(path)
        for name in re.findall(r"\bduet\[\w+\]", text)
    ]
    assert told == []


def _told_in(path: Path) -> list[str]:
    """The texts that a file has for its users: of a program all but docstrings, which are its makers'."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md" or "duet[" not in text:
        return [text]
    tree = list(ast.walk(ast.parse(text)))
    docstrings = {id(node.value) for node in tree if isinstance(node, ast.Expr)}
    constants = [node for node in tree if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return [node.value for node in constants if isinstance(node.value, str)]


def test_every_extra_that_is_told_of_exists() -> None:
    known = tomllib.loads((SOURCES / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    told = {
        extra
        for folder in ("duet", "realtime", "ui", "export", "models", "scripts")
        for path in (SOURCES / folder).rglob("*.py")
        for extra in re.findall(r"how_to_install\(['\"](\w+)['\"]\)", path.read_text(encoding="utf-8"))
    }
    assert {"film", "smplx", "lab", "tensorrt", "openvino"} <= told <= known.keys()
