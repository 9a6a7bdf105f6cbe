"""What is told to install something is a command that pip takes, and names no package of somebody else's."""

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


def test_every_extra_that_is_told_of_exists() -> None:
    known = tomllib.loads((SOURCES / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    told = {
        extra
        for folder in ("duet", "realtime", "ui", "export", "models", "scripts")
        for path in (SOURCES / folder).rglob("*.py")
        for extra in re.findall(r"how_to_install\(['\"](\w+)['\"]\)", path.read_text(encoding="utf-8"))
    }
    assert {"film", "smplx", "lab", "tensorrt", "openvino"} <= told <= known.keys()
