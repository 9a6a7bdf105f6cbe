"""What README and docs tell to type exists: ``sh`` blocks are held against the Makefile and the commands' help."""

import contextlib
import importlib
import io
import itertools
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = {"duet": "ui.cli", "duet-lab": "export.cli"}
ELSEWHERE = {"git", "cd", "export", "sudo", "docker", "pip", "pytest"}
"""Programs that are not ours to check."""


def fenced(text: str) -> list[str]:
    """The commands of the ``sh`` blocks: continued lines joined, chained ones apart, comments and prompts taken off."""
    lines: list[str] = []
    for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        lines += re.split(r"\n|\s&&\s", block.replace("\\\n", " "))
    return [line.strip().removeprefix("$ ") for line in lines if line.strip() and not line.lstrip().startswith("#")]


def words_of(line: str) -> list[str]:
    """A line's words; leading assignments (``NAME=value``) and ``.venv/bin/`` left out, options in [brackets] kept."""
    words = shlex.split(line.replace("[", " ").replace("]", " "), comments=True)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words.pop(0)
    return [words[0].removeprefix(".venv/bin/"), *words[1:]] if words else []


@cache
def help_of(program: str, command: str) -> str:
    """What ``program command --help`` prints; "" where there is no such command."""
    main = importlib.import_module(COMMANDS[program]).main
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            main([*command.split(), "--help"])
        except SystemExit as stop:
            if stop.code not in (0, None):
                return ""
    return out.getvalue()


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


def problems(words: list[str]) -> list[str]:
    """What is wrong with one command line."""
    program, *rest = words
    if program == "make":
        found = [
            f"make has no target {w!r}" for w in rest if "=" not in w and not w.startswith("-") and w not in targets()
        ]
        demo_options = [w.partition("=")[2] for w in rest if w.startswith("ARGS=")] if "demo" in rest else []
        return found + [p for options in demo_options for p in problems(["duet", "demo", *shlex.split(options)])]
    if program in COMMANDS:
        names = list(itertools.takewhile(lambda word: re.fullmatch(r"[a-z][a-z0-9-]*", word), rest[:2]))
        # Some commands have commands of their own; the second word of any other is somebody's file.
        known = help_of(program, " ".join(names)) or help_of(program, " ".join(names[:1]))
        if not known:
            return [f"{program} has no command {' '.join(names[:1])!r}"]
        (usage,) = re.findall(r"^usage: ([a-z0-9 -]*[a-z0-9])", known)
        flags = {w.partition("=")[0] for w in rest if w.startswith("--")}
        return [f"{usage} has no {f}" for f in sorted(flags) if not re.search(rf"{f}(?![\w-])", known)]
    if program in ELSEWHERE:
        return []
    if program in ("python", "python3") and rest and (rest[0] == "-m" or (ROOT / rest[0]).is_file()):
        return []
    return [f"{program!r} is none of ours"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_told_exists(page: Path) -> None:
    lines = fenced(page.read_text(encoding="utf-8"))
    found = {line: wrong for line in lines if (words := words_of(line)) and (wrong := problems(words))}
    assert found == {}


@pytest.mark.parametrize("needed", ["make demo", "make test", "duet play", "duet doctor"])
def test_the_readme_shows_how_to_begin(needed: str) -> None:
    lines = [" ".join(words_of(line)) for line in fenced(README.read_text(encoding="utf-8"))]
    assert any(line == needed or line.startswith(f"{needed} ") for line in lines), f"no `{needed}` in an sh block"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_file_that_is_not_there(page: Path) -> None:
    linked = [t for t in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")) if "://" not in t]
    assert [target for target in linked if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("make demo ARGS='--headless --seconds 20'", []),
        ("$ DUET_DATA=data .venv/bin/duet play --leader camera:0 --music song.mp3  # you", []),
        ("duet play --leader camera:0 \\\n    --out film.mp4", []),
        ("git clone somewhere", []),
        ("make cake", ["make has no target 'cake'"]),
        ("make demo ARGS='--sugar 2'", ["duet demo has no --sugar"]),
        ("duet waltz", ["duet has no command 'waltz'"]),
        ("duet play --lead camera:0", ["duet play has no --lead"]),
        ("duet calibrate stage --height 1.7 --sugar 2", ["duet calibrate stage has no --sugar"]),
        ("duet replay rehearsal --sugar 2", ["duet replay has no --sugar"]),
        ("tango now", ["'tango' is none of ours"]),
    ],
)
def test_a_wrong_command_would_be_found(line: str, wrong: list[str]) -> None:
    (joined,) = fenced(f"text\n```sh\n# first\n{line}\n```\n")
    assert problems(words_of(joined)) == wrong
