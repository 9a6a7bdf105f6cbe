"""`make` on a machine where not everything can be had: it says so in a sentence and goes on. Nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
INSTALLED = "echo 'install ok installed'"

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or shutil.which("bash") is None, reason="no make and bash: nothing to set up with"
)


def _program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout beside programs that stand in for Debian's, pip's and Duet's own."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "scripts"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    _program(tmp_path / "programs" / "apt-get", "exit 100")
    _program(tmp_path / "programs" / "dpkg-query", INSTALLED)
    _program(tmp_path / ".venv/bin/python", "true")
    _program(tmp_path / ".venv/bin/duet", "echo danced")
    (tmp_path / ".venv/.python").touch()
    return tmp_path


def _run(machine: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "ARGS"}
    environment["PATH"] = f"{machine / 'programs'}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        command, cwd=machine, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_demo_runs_and_a_second_time_does_nothing_else(machine: Path) -> None:
    first = _run(machine, "make", "demo")
    assert first.returncode == 0 and "danced" in first.stdout and "pose model" not in first.stdout
    assert _run(machine, "make", "demo").stdout.splitlines() == [".venv/bin/duet demo ", "danced"]


def test_the_demo_goes_on_without_a_pose_model(machine: Path) -> None:
    _program(machine / ".venv/bin/python", 'case "$*" in *pose_model*) echo "no network" >&2; exit 2;; esac')
    done = _run(machine, "make", "demo")
    assert done.returncode == 0 and "danced" in done.stdout
    assert "Before a camera can lead: .venv/bin/python -m realtime.sight.pose_model" in done.stdout and not done.stderr


def test_missing_system_packages_are_named_until_they_are_there(machine: Path) -> None:
    _program(machine / "programs" / "dpkg-query", 'case "$*" in *libegl1) exit 1;; esac\n' + INSTALLED)
    for _ in range(2):
        done = _run(machine, "make", "demo")
        assert done.returncode == 0 and "danced" in done.stdout
        assert "not installed here: libegl1. Install them with" in done.stdout
    assert "Installing Duet" not in done.stdout
    assert not (machine / ".venv/.system").exists()
    _program(machine / "programs" / "dpkg-query", INSTALLED)
    assert "libegl1" not in _run(machine, "make", "demo").stdout
    assert (machine / ".venv/.system").exists()


@pytest.mark.parametrize("package", ["xvfb", "xauth", "strace"])
def test_missing_test_packages_do_not_keep_the_tests_from_running(machine: Path, package: str) -> None:
    _program(machine / "programs" / "dpkg-query", f'case "$*" in *{package}) exit 1;; esac\n' + INSTALLED)
    done = _run(machine, "make", "test")
    assert done.returncode == 0 and f"not installed here: {package}. Install" in done.stdout
    assert (machine / ".venv/.lab").exists() and not (machine / ".venv/.test-system").exists()
