"""A performance writes what it was asked for, in its folder, and nothing else; it calls nobody and nobody can call it.

Twice over: by audit hooks in every Python process, and by strace, where there is one, for what libraries do by
themselves.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
_CALLS = "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,connect,bind,listen,sendto,sendmsg,sendmmsg"
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WRITTEN = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|^creat|^mkdir|^rename")
_NAMELESS = re.compile(r"O_TMPFILE|ENOENT|EEXIST|EISDIR")
_ADDRESS = re.compile(r"AF_INET6?|inet_(?:addr|pton)\([^)]*")


@dataclass(frozen=True)
class Seen:
    """What a command did."""

    written: frozenset[str]
    """Files and folders that were made, changed or removed."""
    calls: tuple[str, ...]
    """Addresses that were called or listened on, names that were asked for, processes that were not of Python."""
    processes: int
    said: str


def observe(folder: Path, *command: str) -> Seen:
    """Run ``duet`` with ``folder`` as its home, its temporary folder and where it is called."""
    home, notes, trace = folder / "home", folder / "notes", folder / "trace"
    home.mkdir()
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "DUET_", "ORT_", "DISPLAY"))},
        "HOME": str(home), "TMPDIR": str(home), "DUET_AUDIT": str(notes), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(REPOSITORY)]),
    }  # fmt: skip
    under = ["strace", "-f", "-qq", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(trace)] if _traces() else []
    ran = subprocess.run(
        [*under, sys.executable, "-m", "ui.cli", *command],
        cwd=home, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    lines = [line.split("\t", 1) for line in notes.read_text().splitlines()]
    written = {what for event, what in lines if event == "open" or event.startswith("os.")}
    calls = [f"{event} {what}" for event, what in lines if event.startswith(("socket.", "subprocess."))]
    if under:
        more, called = _of_trace(trace.read_text(errors="replace"), home)
        written, calls = written | more, calls + called
    return Seen(frozenset(written), tuple(calls), sum(e == "process" for e, _ in lines), ran.stdout + ran.stderr)


def _traces() -> bool:
    strace = shutil.which("strace")
    return strace is not None and subprocess.run([strace, "-qq", "true"], capture_output=True).returncode == 0


def _of_trace(text: str, home: Path) -> tuple[set[str], list[str]]:
    """What was written, and whom it called, in strace's words."""
    written, calls = set[str](), list[str]()
    for line in text.splitlines():
        _, _, call = line.partition(" ")
        call = call.strip()
        if call.startswith(("connect", "bind", "listen", "send")) and _ADDRESS.search(call):
            calls.append(call)
        elif _WRITTEN.search(call) and not _NAMELESS.search(call) and (path := _PATH.search(call)):
            written.add(os.path.normpath(os.path.join(home, path.group(1))))
    return written, calls


def _unasked(seen: Seen, asked: Sequence[Path]) -> list[str]:
    """What was written that is neither asked for nor shared memory, nor gone by now."""
    kept = tuple(str(path) for path in asked)
    return sorted(
        path
        for path in seen.written
        if not path.startswith((*kept, "/dev/", "/proc/")) and Path(path).exists() and Path(path) not in asked
    )


@pytest.mark.usefixtures("opengl")
@pytest.mark.parametrize(
    "asked",
    [
        ("--headless", "--save-motion", "asked/motion.npz", "--report", "asked/report.json"),
        ("--headless", "--size", "64x64", "--out", "asked/film.mp4", "--record", "asked/session", "--log", "asked/log"),
    ],
    ids=["without pictures", "with all that can be asked"],
)
def test_a_performance_writes_what_it_was_asked_for_and_calls_nobody(tmp_path: Path, asked: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    seen = observe(tmp_path, "play", "--leader", str(_take(tmp_path)), "--music", "none", "--seconds", "1", *asked)
    assert seen.calls == ()
    assert _unasked(seen, [home / "asked", tmp_path / "notes"]) == []
    left = sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.is_file())
    assert left and all(name.startswith("asked/") for name in left), left


def test_what_is_watched_is_seen(tmp_path: Path) -> None:
    """The very same watch, with somebody who writes and calls."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "sitecustomize.py").write_text("")
    code = (
        "import socket, pathlib; pathlib.Path('kept').write_text('x'); "
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))"
    )
    notes = tmp_path / "notes"
    env = {**os.environ, "DUET_AUDIT": str(notes), "PYTHONPATH": str(HERE)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True, timeout=60)
    assert "socket.sendto" in notes.read_text() and str(tmp_path / "kept") in notes.read_text()
    written, calls = _of_trace(
        '7 openat(AT_FDCWD, "kept", O_WRONLY|O_CREAT, 0600) = 3\n'
        '7 connect(8, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, 16) = 0\n'
        '7 openat(AT_FDCWD, "read", O_RDONLY) = 3\n'
        '7 connect(7, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT',
        tmp_path,
    )
    assert written == {str(tmp_path / "kept")} and len(calls) == 1


def _take(folder: Path) -> Path:
    """A leader's take, made here."""
    from duet.choreography import compose
    from duet.motion import write_motion

    path = folder / "leader.npz"
    write_motion(path, compose("salsa", 3.0, 180.0, 1, fps=30.0).leader)
    return path
