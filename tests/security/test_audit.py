"""A performance writes what it was asked for, in its folder, and nothing else; it calls nobody and nobody can call it.

Twice over: by audit hooks in every Python process, and for what libraries do by themselves by strace, where there is
one, by the sockets that Linux says the processes hold, and by what lies in their folders afterwards.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import compose
from duet.motion import write_motion
from realtime.sight.pose_model import find_pose_model
from realtime.sound.virtual_sound import VirtualDevice, VirtualSound
from tests.security.sockets import sockets_of, wait_for
from tests.x_display import made_up
from ui.bench.film_truth import FPS
from ui.bench.perception import film_loop

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
_PATIENCE_S = 600.0
_HEARD = "Room"
_STRACE = ("strace", "-f", "--seccomp-bpf", "-qq")
_CALLS = "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,connect,bind,listen,sendto,sendmsg,sendmmsg"
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WRITTEN = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|^creat|^mkdir|^rename")
_NAMELESS = re.compile(r"O_TMPFILE|ENOENT|EEXIST|EISDIR")
_LISTS = ("('/sbin/ldconfig', ['/sbin/ldconfig', '-p']", "('fc-list', ['fc-list'", "('gcc', ['gcc'", "('ld', ['ld'")
"""What ctypes and matplotlib ask the system for where libraries and fonts are; traced with the rest."""
_ADDRESS = re.compile(r"AF_INET6?|inet_(?:addr|pton)\([^)]*")


@dataclass(frozen=True)
class Seen:
    """What a command did."""

    written: frozenset[str]
    """Files and folders that were made, changed or removed."""
    calls: tuple[str, ...]
    """Addresses that were called or listened on, names that were asked for, processes that were not of Python."""
    sockets: frozenset[str]
    """Of the internet, that any process held, as Linux tells."""
    loaded: Mapping[str, set[str]]
    """What tells one process from another, such as a graphics library -> those that loaded it."""
    left: tuple[str, ...]
    """Files in its home folder at the end."""


def observe(folder: Path, *command: str, **variables: str) -> Seen:
    """Run ``duet`` with ``folder`` as its home, its temporary folder and where it is called, with ``variables`` in its
    environment."""
    home, notes, trace = folder / "home", folder / "notes", folder / "trace"
    home.mkdir()
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "DUET_", "ORT_", "DISPLAY"))},
        "HOME": str(home), "TMPDIR": str(home), "DUET_AUDIT": str(notes), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(REPOSITORY)]), **variables,
    }  # fmt: skip
    under = _traced(trace) if _traces() else []
    with subprocess.Popen(
        [*under, sys.executable, str(HERE / "perform.py"), str(folder), *command],
        cwd=home, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as ran, sockets_of(ran.pid) as sockets:  # fmt: skip
        try:
            said, _ = ran.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            ran.kill()
            raise
    assert ran.returncode == 0, said[-2000:]
    lines = [line.split("\t", 1) for line in notes.read_text().splitlines()]
    written = {what for event, what in lines if event == "open" or event.startswith("os.")}
    calls = [
        f"{event} {what}"
        for event, what in lines
        if event.startswith(("socket.", "subprocess.")) and not what.startswith(_LISTS)
    ]
    if under:
        more, called = _of_trace(trace.read_text(errors="replace"), home)
        written, calls = written | more, calls + called
    written.discard(str(home))  # it is there before: to make it once more changes nothing
    loaded: dict[str, set[str]] = {}
    for event, what in lines:
        if event == "import":
            module, process = what.split()
            loaded.setdefault(module, set()).add(process)
    left = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    return Seen(frozenset(written), tuple(calls), frozenset(sockets), loaded, tuple(left))


@cache
def _traces() -> bool:
    """Whether strace is here and may watch."""
    return (
        shutil.which("strace") is not None and subprocess.run([*_STRACE, "true"], capture_output=True).returncode == 0
    )


def _traced(trace: Path) -> list[str]:
    """What is put before a command so that all it asks of the system is written to ``trace``."""
    return [*_STRACE, "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(trace)]


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
    assert seen.calls == () and not seen.sockets
    assert _unasked(seen, [home / "asked", tmp_path / "notes"]) == []
    assert seen.left and all(name.startswith("asked/") for name in seen.left), seen.left


@pytest.mark.usefixtures("opengl")
@pytest.mark.skipif(find_pose_model() is None, reason="the pose model is not here: python -m realtime.sight.pose_model")
def test_who_sees_and_who_hears_write_nothing_and_call_nobody(tmp_path: Path) -> None:
    """A camera's process, with the pose model and its libraries, and a sound device's."""
    _microphone(tmp_path)
    seen = observe(
        tmp_path, "play", "--leader", str(_film(tmp_path)), "--music", f"device:{_HEARD}", "--headless",
        "--size", "64x64", "--fps", "5", "--seconds", "2", "--report", "report.json",
        DUET_POSE_MODEL=str(find_pose_model()),
    )  # fmt: skip
    report = json.loads((tmp_path / "home" / "report.json").read_text())
    assert report["camera_frames"] > 0 and report["stages"]["music"]["n"] > 0
    _did_nothing_unasked(seen, tmp_path, "report.json")
    apart = [seen.loaded[name] for name in ("mediapipe", "moderngl", "realtime.sound.sound_host")]
    assert all(apart) and len(set.union(*apart)) > 2, "each has a process of its own, which was watched"


@pytest.mark.usefixtures("opengl")
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb: there is nowhere for a window")
def test_window_and_panel_write_nothing_and_call_nobody(tmp_path: Path) -> None:
    with made_up(900, 700) as display:
        seen = observe(
            tmp_path, "play", "--leader", str(_take(tmp_path)), "--music", "none", "--size", "160x90", "--fps", "10",
            "--seconds", "2", DISPLAY=display.name,
        )  # fmt: skip
    _did_nothing_unasked(seen, tmp_path)
    assert seen.loaded["ui.panel.process"] & seen.loaded["glfw"], "the panel had its window"
    assert len(seen.loaded["glfw"]) > 1, "and so had the picture"


def _did_nothing_unasked(seen: Seen, folder: Path, *asked: str) -> None:
    assert seen.calls == () and not seen.sockets
    assert _unasked(seen, [folder / "notes", *(folder / "home" / name for name in asked)]) == []
    assert seen.left == asked


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells of sockets in /proc")
def test_a_socket_that_a_child_holds_is_seen() -> None:
    code = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); sys.stdin.read()"
    child = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"]
    with subprocess.Popen(child, stdin=subprocess.PIPE) as ran, sockets_of(ran.pid) as held:
        assert wait_for(held)
    assert next(iter(held)).startswith("tcp 0100007F:")


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


@pytest.mark.skipif(not _traces(), reason="no strace: what libraries do is told by sockets and folders alone")
def test_what_a_library_does_by_itself_is_seen(tmp_path: Path) -> None:
    """What no hook of Python hears of, by a child of a child."""
    code = (
        "import ctypes, os, struct; library = ctypes.CDLL(None); "
        "library.open(b'kept', os.O_CREAT | os.O_WRONLY, 0o600); "
        "address = struct.pack('=HH4B8x', 2, 0x0900, 127, 0, 0, 1); "
        "library.connect(library.socket(2, 2, 0), address, len(address))"
    )
    notes, trace = tmp_path / "notes", tmp_path / "trace"
    notes.touch()
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    env = {**os.environ, "DUET_AUDIT": str(notes), "PYTHONPATH": str(HERE)}
    subprocess.run([*_traced(trace), sys.executable, "-c", child], cwd=tmp_path, env=env, check=True, timeout=60)
    assert "kept" not in notes.read_text() and "socket." not in notes.read_text()
    written, calls = _of_trace(trace.read_text(errors="replace"), tmp_path)
    assert str(tmp_path / "kept") in written and any("127.0.0.1" in call for call in calls)


def _microphone(folder: Path) -> None:
    """One that hears claps."""
    rate_hz = 48_000
    heard = np.zeros(4 * rate_hz, np.float32)
    for start in range(0, len(heard), rate_hz // 3):
        heard[start : start + 2000] = 0.2 * np.sin(np.arange(2000))
    np.save(folder / "heard.npy", heard)
    device = VirtualDevice(_HEARD, "mic", inputs=1, rate_hz=rate_hz, hears=str(folder / "heard.npy"))
    VirtualSound(folder).plug([device])


def _film(folder: Path) -> Path:
    """Half a second of a dancer, forth and back."""
    path = folder / "lead.mp4"
    film_loop(compose("salsa", 0.4, 180.0, 0, fps=FPS).leader.on_body(), path)
    return path


def _take(folder: Path) -> Path:
    """A leader's take, made here."""
    path = folder / "leader.npz"
    write_motion(path, compose("salsa", 3.0, 180.0, 1, fps=30.0).leader)
    return path
