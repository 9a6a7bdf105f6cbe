"""The house's rules that no type checker knows: who may import whom, and what the live half must never need."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "duet": set(),
    "models": {"duet"},
    "realtime": {"duet"},
    "export": {"duet", "models"},
    "ui": {"duet", "realtime"},
}
LIVE_HALF = ("duet", "realtime", "ui")
LEARNING_ONLY = {"torch", "torchaudio", "onnx", "onnxscript", "safetensors", "librosa", "numba", "sklearn"}
GROUND = {"numpy", "scipy"}
"""All that the common ground may need."""
SHARED = {"duet/sound_file.py": {"soundfile"}, "duet/terminal.py": {"rich"}}
"""Where both halves read a kind of file, or tell on a terminal, the one place that does, and what it does it with."""
LINES = 450
VAGUE_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "core", "base", "stuff"}


def files_of(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"no {package} here"
    return found


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """``(line, module)`` of every import anywhere in a file, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def offenders(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in files_of(package)
        for line, module in imports_of(path)
        if module.partition(".")[0] in forbidden
    ]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    assert files_of(package)
    above = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    assert offenders(package, set(above)) == []


@pytest.mark.parametrize("package", LIVE_HALF)
def test_the_live_half_runs_where_nothing_of_the_learning_half_is_installed(package: str) -> None:
    assert offenders(package, LEARNING_ONLY) == []


def test_the_common_ground_stands_on_numpy_alone() -> None:
    for path in files_of("duet"):
        name = path.relative_to(ROOT).as_posix()
        needed = {module.partition(".")[0] for _, module in imports_of(path)} - sys.stdlib_module_names
        assert needed <= GROUND | {"duet"} | SHARED.get(name, set()), name


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_are_absolute_and_search_paths_left_alone(package: str) -> None:
    for path in files_of(package):
        relative = [f"{path.relative_to(ROOT)}:{line}" for line, module in imports_of(path) if module.startswith(".")]
        assert relative == []
        assert "sys.path" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_of_that_name_is_the_one_in_this_repository(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).resolve() == ROOT / package / "__init__.py"


@pytest.mark.parametrize("folder", [*MAY_IMPORT, "tests", "scripts"])
def test_a_file_is_short_enough_to_be_read(folder: str) -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in files_of(folder)}
    assert {name: lines for name, lines in lengths.items() if lines > LINES} == {}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_file_says_what_it_is_for_and_hides_no_dependency(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    taken = {re.split(r"[<>=\[ ]", name)[0].replace("-", "_") for name in required}
    stems = {path.stem for path in files_of(package)}
    assert stems & (VAGUE_NAMES | taken) == set()


def test_every_package_ships() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(MAY_IMPORT)
    assert set(project["tool"]["importlinter"]["root_packages"]) == set(MAY_IMPORT)
    for command in project["project"]["scripts"].values():
        module, _, function = command.partition(":")
        path = ROOT / Path(*module.split(".")).with_suffix(".py")
        assert path.is_file(), f"{command}: no such module"
        names = {n.name for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)}
        assert function in names


WITHOUT_LEARNING = """
import importlib, importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {forbidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None

sys.meta_path.insert(0, Absent())
for module in {modules!r}:
    importlib.import_module(module)
loaded = {{name.partition(".")[0] for name in sys.modules}}
assert not loaded & {forbidden!r}, loaded & {forbidden!r}
import ui.cli
ui.cli.main(["--help"])
"""


def test_the_command_starts_on_a_machine_without_torch() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in LIVE_HALF
        for path in files_of(package)
        if path.name != "__init__.py"
    ]
    assert "ui.cli" in modules
    forbidden = LEARNING_ONLY | {"models", "export"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LEARNING.format(forbidden=forbidden, modules=modules)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "demo" in done.stdout
    assert "play" in done.stdout
