"""``duet bench recovery``: each process of an exhibit killed, stopped and hung, and how soon the show is whole again.

The show runs as the service of ``scripts/duet.service`` does, with its watchdog and its pauses; a stand-in for systemd
hears what the show says of itself, and begins it anew. Camera and sound card are virtual; the picture has no display
unless it is asked for.
"""

import argparse
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from duet.errors import DuetError
from duet.files import written_whole
from duet.terminal import new_console
from realtime.law import Pace, SteadyPace
from ui.limits import check_within

if TYPE_CHECKING:
    from realtime.conductor import Conductor
    from realtime.tick import FollowerState, Runner, Tensors

_EPILOG = """\
Killed (SIGKILL) and stopped (SIGSTOP, as one that hangs) in turn: the dance itself, its picture, its tracker, its sound
and, with --window, its panel. The dance hangs in two more ways: its process goes on, and its conductor does not, or its
follower does not answer any more.
Measured is the time until that process does its work again: ticks, pictures, camera frames, sound that is heard, a
panel that can be turned. Linux and macOS.

examples:
  duet bench recovery                                    all of them once, some minutes
  duet bench recovery --rounds 5                         five times
  xvfb-run -a duet bench recovery --window --rounds 3    with a window and the panel, on a display that is made up
"""
GOAL_S = 10.0
_GIVE_UP_S = 90.0
_LOOK_S = 0.1
UNIT = Path(__file__).resolve().parents[2] / "scripts" / "duet.service"
LIVE, PANEL = "duet", "duet-panel"
SIGNS = {LIVE: "ticks", "duet-picture": "drawn", "duet-tracker": "camera", "duet-sound": "heard", PANEL: "panels"}
"""What each process does, by which it is known to be back."""
KILLED, STOPPED, HUNG, SILENT = "killed", "stopped", "its conductor hangs", "its follower hangs"
_SIGNALS = {KILLED: "SIGKILL", STOPPED: "SIGSTOP", HUNG: "SIGUSR1", SILENT: "SIGUSR2"}


def add_recovery(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe ``bench recovery`` to the parser."""
    recovery = kinds.add_parser(
        "recovery",
        help="how soon an exhibit is back when one of its processes is killed, stopped or hangs",
        description="Kill, stop and hang each process of an exhibit, and measure how soon it is back.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    recovery.add_argument("--rounds", type=int, default=1, metavar="N", help="how often (default 1)")
    recovery.add_argument("--window", action="store_true", help="show it in a window, with the performer's panel")
    recovery.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    recovery.set_defaults(run=_run)


def unit_value(name: str) -> float:
    """Seconds that ``scripts/duet.service`` sets for ``name``."""
    line = next(line for line in UNIT.read_text().splitlines() if line.startswith(f"{name}="))
    return float(line.partition("=")[2])


@dataclass
class Manager:
    """As much of systemd as a service of ``Type=notify`` with a watchdog meets."""

    command: list[str]
    folder: Path
    watchdog_s: float = field(default_factory=lambda: unit_value("WatchdogSec"))
    restart_s: float = field(default_factory=lambda: unit_value("RestartSec"))

    def __enter__(self) -> "Manager":
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.folder / "notify"))
        self._socket.settimeout(_LOOK_S)
        self._stopping = threading.Event()
        self._begin()
        self._thread = threading.Thread(target=self._manage, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self.process.terminate()
        try:
            self.process.wait(20.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._socket.close()

    def _begin(self) -> None:
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "WATCHDOG_USEC": str(round(self.watchdog_s * 1e6)),
        }
        self.is_ready, self._alive_s = False, time.monotonic()
        with (self.folder / "console").open("ab") as console:
            self.process = subprocess.Popen(self.command, env=environment, stdout=console, stderr=console)

    def _manage(self) -> None:
        while not self._stopping.is_set():
            try:
                said = self._socket.recv(4096).decode(errors="replace").splitlines()
            except TimeoutError:
                said = []
            self.is_ready |= "READY=1" in said
            if {"READY=1", "WATCHDOG=1"} & set(said):
                self._alive_s = time.monotonic()
            is_silent = self.is_ready and time.monotonic() - self._alive_s > self.watchdog_s
            if is_silent or "WATCHDOG=trigger" in said:
                self.process.kill()
            if self.process.poll() is not None and not self._stopping.wait(self.restart_s):
                self._begin()


@dataclass(frozen=True)
class Recovery:
    """One process, ended in one way."""

    process: str
    way: str
    back_s: float
    """Until it did its work again; infinite when it never did."""


def ways(*, window: bool) -> list[tuple[str, str]]:
    """Every process and how it is ended, in the order of a round."""
    found = [(process, how) for process in reversed(SIGNS) for how in (KILLED, STOPPED) if window or process != PANEL]
    return [*found, (LIVE, HUNG), (LIVE, SILENT)]


def measure(
    folder: Path, follower: Path, ended: list[tuple[str, str]], told: Callable[[Recovery], None], *, window: bool
) -> None:
    """Run a show in ``folder`` and end its processes as ``ended`` says (process, way), one after the other."""
    from realtime.sight.virtual_camera import VirtualCamera, noisy
    from realtime.sound.virtual_sound import VirtualDevice, VirtualSound

    with ExitStack() as stack:
        VirtualSound(folder).plug([VirtualDevice("Room", "R", inputs=1, tone_hz=440.0)])
        camera = stack.enter_context(VirtualCamera(noisy(128, (320, 240)), rate_hz=15.0))
        task = {"leader": camera.url, "follower": str(follower), "window": window}
        (folder / "task.json").write_text(json.dumps(task))
        show = [
            sys.executable,
            "-c",
            "import sys; from ui.bench.recovery import stage; stage(sys.argv[1])",
            str(folder),
        ]
        manager = stack.enter_context(Manager(show, folder))
        signs = {process: sign for process, sign in SIGNS.items() if window or process != PANEL}

        def is_whole(now: dict[str, Any]) -> bool:
            return set(signs) <= set(now["pids"]) and all(now[sign] for sign in signs.values())

        for process, way in ended:
            # Whole again before the next one goes.
            if not _await(folder, is_whole):
                raise DuetError(f"Show: expected all of it to begin, got {_console(manager)}. Please report this.")
            before = _now(folder)
            begun_s = time.monotonic()
            os.kill(before["pids"][process], signal.Signals[_SIGNALS[way]])
            good = _await(folder, _Return(process, before))
            told(Recovery(process, way, time.monotonic() - begun_s if good else float("inf")))
            if not good:
                raise DuetError(f"{process}: expected to be back, got {_console(manager)}. Please report this.")


class _Return:
    """Whether another process has come for one that was there ``before``, and does its work."""

    def __init__(self, process: str, before: dict[str, Any]) -> None:
        self._process, self._sign = process, SIGNS[process]
        self._was: int = before["pids"][process]
        self._counted: int | None = None
        """When the other one was first seen: what was counted by then is not its work."""

    def __call__(self, now: dict[str, Any]) -> bool:
        if now["pids"].get(self._process) in (None, self._was):
            return False
        done: int = now[self._sign]
        self._counted = done if self._counted is None else self._counted
        return done > self._counted + (0 if self._process == PANEL else 2)


def _console(manager: Manager) -> str:
    lines = (manager.folder / "console").read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "nothing"


def _now(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "now.json").read_text())
    except (OSError, ValueError):
        return {"pids": {}, **dict.fromkeys(SIGNS.values(), 0)}


def _await(folder: Path, condition: Callable[[dict[str, Any]], bool]) -> bool:
    end_s = time.monotonic() + _GIVE_UP_S
    while time.monotonic() < end_s:
        if condition(_now(folder)):
            return True
        time.sleep(_LOOK_S)
    return False


def stage(folder_name: str) -> None:
    """The show, in a process of its own: an exhibit before a virtual camera, hearing a virtual sound card."""
    from realtime.health import Health
    from realtime.sound.audio import MusicThread
    from realtime.sound.music_input import DeviceMusic
    from realtime.sound.virtual_sound import VirtualSound
    from ui.app import perform
    from ui.kiosk.command import output_of
    from ui.kiosk.exhibit import kiosk_sources
    from ui.kiosk.settings import KioskSettings, read_settings
    from ui.sources import Sources

    folder = Path(folder_name)
    task = json.loads((folder / "task.json").read_text())
    (folder / "show.toml").write_text("")
    quick = {"kiosk.leader": task["leader"], "kiosk.music": "none", "kiosk.picture.headless": not task["window"],
             "kiosk.picture.size": "160x90", "kiosk.picture.fps": 10.0, "kiosk.visit.attract": 20.0,
             "kiosk.picture.window": True}  # fmt: skip
    settings = KioskSettings(MappingProxyType({**read_settings(folder / "show.toml").values, **quick}))
    sound = VirtualSound(folder)
    heard = DeviceMusic(next(iter(sound.listed())), sound)
    health = Health()
    make_kiosk = kiosk_sources(settings)

    def make(health: Health) -> Sources:
        music = MusicThread(heard)
        # While the device is away there is silence.
        music.tap = lambda block: health.count(_COUNTERS["heard"], int(block.samples.any()))
        return replace(make_kiosk(health), music=music)

    def write() -> None:
        while True:
            pids = {child.name: child.pid for child in multiprocessing.active_children()}
            # Another process of its kind stands by.
            pids |= {LIVE: os.getpid(), "duet-sound": heard.pid}
            now = {"pids": pids, **{sign: health.counter(name) for sign, name in _COUNTERS.items()}}
            with written_whole(folder / "now.json") as part:
                part.write_text(json.dumps(now))
            time.sleep(_LOOK_S)

    threading.Thread(target=write, daemon=True).start()
    output = output_of(settings, Path(task["follower"]), None)
    output = replace(output, report=folder / "report.json", panel=task["window"])
    perform(make, output, health, begun=_hang_when_told)


def _hang_when_told(conductor: "Conductor") -> None:
    """On SIGUSR1 the conductor's thread does not come back from asking for its pace, on SIGUSR2 the engine's not from
    the follower's graphs."""
    from realtime.engine import ThreadedEngine

    told = {number: threading.Event() for number in (signal.SIGUSR1, signal.SIGUSR2)}
    pace, engine = conductor.law.pace, conductor.engine
    assert isinstance(engine, ThreadedEngine)

    class Hanging(SteadyPace):
        def pace(self, tick: int, now: Pace) -> Pace:
            """See ``PaceSource``."""
            _hang_while(told[signal.SIGUSR1])
            return pace(tick, now)

    conductor.law = Hanging()
    engine.runner = _HangingRunner(engine.runner, told[signal.SIGUSR2])
    for number, event in told.items():
        signal.signal(number, lambda *_, event=event: event.set())


def _hang_while(told: threading.Event) -> None:
    while told.is_set():
        time.sleep(1.0)


class _HangingRunner:
    def __init__(self, runner: "Runner", told: threading.Event) -> None:
        self._runner, self._told = runner, told

    def tick(self, inputs: "Tensors", state: "FollowerState") -> "tuple[Tensors, FollowerState]":
        """See ``Runner``."""
        _hang_while(self._told)
        return self._runner.tick(inputs, state)


_COUNTERS = {
    "ticks": "ticks", "drawn": "drawn_frames", "camera": "camera_frames", "heard": "heard_blocks",
    "panels": "panel_starts",
}  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
    from rich.progress import Progress
    from rich.table import Table

    from duet.errors import InputError
    from realtime.sight.pose_model import ensure_pose_model
    from ui.asked import has_display

    check_within("--rounds", arguments.rounds, 1, 1000)
    if sys.platform == "win32":
        raise DuetError("Recovery: expected Linux or macOS, got Windows, which knows no SIGSTOP. Measure it there.")
    if arguments.window and not has_display():
        raise InputError("--window: expected a display, got none. Leave it out, or begin with `xvfb-run -a`.")
    ended = ways(window=arguments.window) * arguments.rounds
    found: list[Recovery] = []
    console = new_console()
    ensure_pose_model(progress=console.print)
    with (
        tempfile.TemporaryDirectory(prefix="duet-recovery-") as folder,
        Progress(console=console, transient=True) as bar,
    ):
        task = bar.add_task("ending processes", total=len(ended))

        def told(recovery: Recovery) -> None:
            found.append(recovery)
            bar.advance(task)

        measure(Path(folder), arguments.follower, ended, told, window=arguments.window)
    table = Table(box=None, pad_edge=False)
    for heading in ("process", "", "n", "back s, median", "max", ""):
        table.add_column(heading, justify="right" if heading in ("n", "back s, median", "max") else "left")
    for process, way in dict.fromkeys(ended):
        back_s = sorted(r.back_s for r in found if (r.process, r.way) == (process, way))
        good = "in time" if back_s[-1] <= GOAL_S else "TOO LATE"
        table.add_row(process, way, str(len(back_s)), f"{back_s[len(back_s) // 2]:.1f}", f"{back_s[-1]:.1f}", good)
    console.print(table)
    longest = max(r.back_s for r in found)
    console.print(
        f"{len(found)} processes ended; the show was whole again after {longest:.1f} s at most (aim {GOAL_S:g})."
    )
    return 0 if longest <= GOAL_S else 1
