"""The panel's window under a virtual display: every control is clicked by a pointer, and changes what it says.

Screenshots lie in the test's folder (``pytest --basetemp``): one at the beginning, one after each click.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.x_display import XDisplay, made_up, needs_display
from ui.control_table import CONTROLS, Kind
from ui.panel.places import GAP, LABEL, Place, places

pytestmark = needs_display
_PATIENCE_S = 120.0
_ENTRY_PT, _GAP_PT = 34.0, 4.0

# Everything but the dance: the controls, the port, the panel's own process.
_DESK = """
import json, os, sys, time
from pathlib import Path
from duet.choreography import compose
from duet.contract import load_contract
from duet.features import Placement
from duet.tempo_override import TempoOverride
from realtime.glance import Glance
from realtime.devices import SystemCameras
from realtime.health import Health
from realtime.sight.leader_take import TakeLeader
from realtime.sight.stage_shift import ShiftedLeader
from ui.cli import DEFAULT_FOLLOWER
from ui.controls import Controls
from ui.panel.channels import KEY
from ui.panel.facts import Panel
from ui.panel.port import PanelPort
from ui.panel.process import PanelTask
from ui.panel.state import gather

class Plug:
    "What is plugged in, as far as a picker knows."

    def __init__(self, name):
        self.name = name

    def change(self, name):
        self.name = name
        return f"to {name}"


contract = load_contract(Path(DEFAULT_FOLLOWER))
leader = ShiftedLeader(TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0))
styles = {"own": (), **{name: contract.style_named(name) for name in contract.styles}}
controls = Controls(
    leader, TempoOverride(), Placement(0.85), has_preview=True, has_panel=True, styles=styles,
    keep=lambda shift, placement: "kept",
    devices={"camera_device": Plug("camera:0"), "sound_device": Plug("device:room")},
)
panel = Panel(contract, controls, "", lambda: ())
port = PanelPort(PanelTask(scale=float(sys.argv[1]), cameras=SystemCameras(Path(sys.argv[3]))), Health())
port.open()
epoch_s, told, parent = time.monotonic(), None, os.getppid()
port.begin(epoch_s)
while os.getppid() == parent:
    now = time.monotonic() - epoch_s
    for turn in port.take_turns():
        if turn.name == KEY:
            controls.press(str(turn.value), now)
        else:
            controls.touch(turn.name, turn.value, now)
    if "q" in sys.argv[2:] or Path(sys.argv[2]).exists():
        break
    port.look()
    if port.is_due:
        port.tell(gather(now, panel, Glance(), source="", pictures_s=None, show=""))
    shift = leader.shift
    state = {
        "values": controls.values(), "stopped": controls.stopped, "asked": len(controls.asked), "said": controls._said,
        "learning": controls.learning, "refused": controls.refused,
        "ready": port.process.is_ready, "pid": port.process.pid,
        "shift": [shift.x_m, shift.z_m, shift.turn_rad], "midi": dict(controls.bindings.keys),
    }
    if state != told:
        told = state
        print(json.dumps(state), flush=True)
    time.sleep(0.01)
port.close()
print("closed", flush=True)
"""


@dataclass
class Desk:
    """The desk's process, what it says, and the display that its window is on."""

    process: "subprocess.Popen[str]"
    display: XDisplay
    scale: float
    folder: Path
    state: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    window: str = ""
    scrolled: float = 0.0
    lines: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Take what it says, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("{"):
                self.state = json.loads(line)

    def xdotool(self, *arguments: object) -> None:
        self.display.xdotool(*arguments)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, f"{what}; {self.state}"
            assert self.process.poll() is None, "the desk ended"
            time.sleep(0.02)

    def take_up(self) -> None:
        """Wait for the window, and for its first picture."""
        self.until(lambda: bool(self.state.get("ready")), "the panel starts")
        self.until(lambda: bool(self.display.window("Duet panel")), "the window shows")
        self.window = self.display.window("Duet panel")
        self.measure()
        self.until(lambda: self.shot().std() > 10.0, "something is drawn")

    def measure(self) -> None:
        self.size = self.display.size(self.window)

    def place(self, name: str) -> Place:
        """In points, on the screen."""
        laid = places(self.size[0] / self.scale, self.size[1] / self.scale)
        if name in laid.band:
            return laid.band[name]
        flowing = laid.flow[name]
        return replace(flowing, top=flowing.top + laid.flow_top - self.scrolled)

    def shot(self, place: Place | None = None) -> np.ndarray:
        """(H, W, 3) what is seen, of a place or of all."""
        image = self.display.shot((0, 0, *self.size))
        if place is not None:
            edges = place.left, place.top, place.left + place.width, place.bottom
            left, top, right, bottom = (round(edge * self.scale) for edge in edges)
            image = image.crop((left, top, right, bottom))
        return np.asarray(image).astype(int)

    def keep(self, name: str) -> None:
        Image.fromarray(self.shot().astype(np.uint8)).save(self.folder / f"{name}.png")

    def point(self, x: float, y: float) -> None:
        self.xdotool("mousemove", round(x * self.scale), round(y * self.scale))

    def click(self, x: float, y: float) -> None:
        self.point(x, y)
        # Two pictures of a window that a driver draws in software, so that press and release are told apart.
        self.xdotool("mousedown", 1, "sleep", 0.05, "mouseup", 1)

    def changes(self, name: str, x: float, y: float, what: Callable[[], object]) -> None:
        """Click there: ``what`` is another by then, and so is what is seen of the control, or along the foot."""
        layout = places(self.size[0] / self.scale, self.size[1] / self.scale)
        seen = layout.foot if CONTROLS[name].kind is Kind.PUSH else self.place(name)
        self.point(x, y)
        before, looked = what(), self.shot(seen)
        self.click(x, y)
        self.until(lambda: what() != before, f"{name} does something")
        self.until(lambda: bool(np.abs(self.shot(seen) - looked).max() > 40), f"{name} is seen to change")


def _plug_in(folder: Path) -> None:
    """Two cameras that the system lists, two sound inputs that hear nothing."""
    for number, name in enumerate(("stage left", "stage right")):
        node = folder / "cameras" / f"video{number}"
        node.mkdir(parents=True)
        (node / "index").write_text("0\n")
        (node / "name").write_text(f"{name}\n")
    (folder / ".asoundrc").write_text("pcm.room { type null }\npcm.stage { type null }\n")


def _hears(folder: Path) -> bool:
    """Whether there is a sound system that lists those inputs."""
    code = "import sounddevice; print(*(d['name'] for d in sounddevice.query_devices() if d['max_input_channels']))"
    asked = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=_PATIENCE_S,
        env=os.environ | {"HOME": str(folder)},
    )  # fmt: skip
    return asked.stdout.split()[:2] == ["room", "stage"]


@contextmanager
def _desk(folder: Path, scale: float, screen: tuple[int, int]) -> Iterator[Desk]:
    folder.mkdir(exist_ok=True)
    _plug_in(folder)
    with made_up(*screen) as display:
        environment = os.environ | {
            "DISPLAY": display.name, "LP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path),
            "DUET_SETTINGS": str(folder / "settings"), "HOME": str(folder),
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", _DESK, str(scale), str(folder / "end"), str(folder / "cameras")],
            stdout=subprocess.PIPE, text=True,
            env=environment,
        )  # fmt: skip
        desk = Desk(process, display, scale, folder)
        listener = threading.Thread(target=desk.listen, daemon=True)
        listener.start()
        try:
            desk.take_up()
            yield desk
            pid = desk.state["pid"]
            (folder / "end").touch()
            process.wait(_PATIENCE_S)
            listener.join(5.0)
            assert desk.lines[-1].strip() == "closed" and not Path(f"/proc/{pid}").exists(), "something stays"
        finally:
            process.kill()
            process.wait()
            listener.join(5.0)
            if process.stdout is not None:
                process.stdout.close()


def test_every_control_that_is_clicked_changes_what_it_says(tmp_path: Path) -> None:
    with _desk(tmp_path / "100", 1.0, (1400, 1000)) as desk:
        desk.keep("00-at-first")
        hears = _hears(desk.folder)
        values = lambda name: lambda: desk.state["values"][name]  # noqa: E731
        said = lambda: (desk.state["said"], desk.state["asked"], desk.state["shift"])  # noqa: E731
        clicked = set()
        for name, control in CONTROLS.items():
            layout = places(*map(float, desk.size))
            if name not in layout.band and name not in layout.flow or name in ("learn", "panel"):
                continue
            place, row = desk.place(name), desk.place(name)
            if control.kind in (Kind.SLIDE, Kind.CHOOSE) and row.height > 38.0:
                row = Place(place.left, place.top + LABEL, place.width, place.height - LABEL)
            if control.kind is Kind.PUSH:
                desk.changes(name, *row.middle, said)
                desk.until(lambda: desk.state["refused"] == 0, "nothing is refused")
            elif control.kind is Kind.SWITCH:
                desk.changes(name, *row.middle, values(name))
            elif control.kind is Kind.SLIDE:
                desk.changes(name, row.left + 0.7 * row.width, row.middle[1], values(name))
            elif name in ("stage", "camera", "leader_as", "hud"):
                last = row.left + row.width * (1.0 - 0.5 / len(control.choices))
                desk.changes(name, last, row.middle[1], values(name))
                assert desk.state["values"][name] == control.choices[-1]
            elif name != "sound_device" or hears:
                _choose_second(desk, name, row, values(name))
            else:
                continue
            clicked.add(name)
            desk.keep(f"{len(clicked):02d}-{name}")
        keys_only = {"nearer", "further"}
        unheard = set() if hears else {"sound_device"}
        assert clicked == CONTROLS.keys() - unheard - keys_only - {"learn", "panel"}
        _learn_and_hide(desk)


def _choose_second(desk: Desk, name: str, row: Place, value: Callable[[], object]) -> None:
    """Open the list and take its last line but those that are taken already."""
    number = 2 if name in ("leader_avatar", "follower_avatar") else 1
    before = desk.shot()
    desk.click(*row.middle)
    below = row.bottom + _GAP_PT + (number + 0.5) * _ENTRY_PT
    # Devices are looked for only now: the line to be clicked may come a little after the list.
    listed = Place(row.left + 8.0, below - 0.4 * _ENTRY_PT, row.width - 16.0, 0.8 * _ENTRY_PT)
    crop = tuple(round(edge) for edge in (listed.left, listed.top, listed.left + listed.width, listed.bottom))
    old = before[crop[1] : crop[3], crop[0] : crop[2]]
    desk.until(lambda: bool(np.abs(desk.shot(listed) - old).max() > 20), f"the list of {name} opens")
    desk.changes(name, row.left + 60.0, below, value)


def _learn_and_hide(desk: Desk) -> None:
    """What has keys only does as well; a key is learned by clicks; one key hides the panel."""
    for key in ("bracketright", "bracketleft"):
        before = desk.state["values"]["distance"]
        looked = desk.shot(desk.place("distance"))
        desk.xdotool("key", "--window", desk.window, key)
        desk.until(lambda now=before: desk.state["values"]["distance"] != now, f"{key} moves the partner")
        desk.until(lambda was=looked: bool(np.abs(desk.shot(desk.place("distance")) - was).max() > 40), "it is seen")
    desk.click(*desk.place("learn").middle)
    desk.until(lambda: desk.state["learning"] == "", "it learns")
    desk.click(*desk.place("fade").middle)
    desk.until(lambda: desk.state["learning"] == "fade", "a control learns")
    desk.keep("90-learning")
    desk.xdotool("key", "--window", desk.window, "z")
    desk.until(lambda: desk.state["midi"].get("z") == "fade", "the key is learned")
    desk.click(*desk.place("learn").middle)
    desk.until(lambda: desk.state["learning"] is None, "it learns no more")
    desk.xdotool("key", "--window", desk.window, "Tab")
    desk.until(lambda: desk.state["values"]["panel"] is False, "one key hides it")
    desk.until(lambda: not desk.display.window("Duet panel"), "it is hidden")


def test_it_works_at_twice_the_scale_and_at_other_sizes(tmp_path: Path) -> None:
    with _desk(tmp_path / "200", 2.0, (1920, 1080)) as desk:
        assert desk.size == (1920, 1080), "as large as the display at most"
        desk.keep("00-at-first")
        desk.changes("panic", *desk.place("panic").middle, lambda: desk.state["stopped"])
        assert desk.state["stopped"] == "panic"
        row = desk.place("distance")
        x, y = row.left + 0.8 * row.width, row.top + LABEL + 19.0
        desk.changes("distance", x, y, lambda: desk.state["values"]["distance"])
        assert desk.state["values"]["distance"] == pytest.approx(2.5, abs=0.15)
        layout = places(960.0, 540.0)
        flow = Place(0.0, layout.flow_top, 960.0, layout.foot.top - layout.flow_top)
        desk.point(480.0, 400.0)
        desk.until(lambda: _settled(desk), "the pointer is there")
        before = desk.shot(flow)
        desk.xdotool("click", "--repeat", 40, "--delay", 15, 5)
        desk.scrolled = layout.flow_height - flow.height
        # Measured: 0.077 of it is another by then, and nothing where nobody scrolls.
        desk.until(lambda: bool((np.abs(desk.shot(flow) - before).max(axis=-1) > 60).mean() > 0.03), "it scrolls")
        desk.until(lambda: _settled(desk), "it rests")
        desk.keep("01-scrolled")
        hud = desk.place("hud")
        at = hud.left + 5.0 * hud.width / 6.0, hud.top + LABEL + 19.0
        desk.changes("hud", *at, lambda: desk.state["values"]["hud"])
        assert desk.state["values"]["hud"] == "off"
        desk.xdotool("windowsize", desk.window, 1000, 800)
        desk.until(lambda: (desk.measure(), desk.size == (1000, 800))[1], "it grows smaller")
        desk.scrolled = 0.0
        desk.changes("dance", *desk.place("dance").middle, lambda: desk.state["stopped"])
        desk.keep("02-small")


def _settled(desk: Desk) -> bool:
    first = desk.shot()
    time.sleep(0.5)
    return bool(np.abs(desk.shot() - first).max() < 60)


@pytest.mark.parametrize(("width", "height"), [(1180, 880), (960, 540), (480, 360), (2400, 1300), (700, 2000)])
def test_nothing_lies_over_anything_else(width: int, height: int) -> None:
    layout = places(float(width), float(height))
    for part in (layout.band, {n: p for n, p in layout.flow.items() if not n.startswith("card:")}):
        for name, a in part.items():
            assert a.left >= 0.0 and a.left + a.width <= max(width, 340.0) and a.width > 30.0, name
            for other, b in part.items():
                apart = (
                    a.left + a.width <= b.left or b.left + b.width <= a.left or a.bottom <= b.top or b.bottom <= a.top
                )
                assert name == other or apart, (name, other)
    cards = [p for n, p in layout.flow.items() if n.startswith("card:")]
    assert max(card.bottom for card in cards) + GAP == pytest.approx(layout.flow_height)
    turned = {name for name in CONTROLS if name not in ("nearer", "further", "panel")}
    assert turned <= layout.band.keys() | layout.flow.keys(), "a control that cannot be reached"
