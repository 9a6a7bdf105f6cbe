"""The panel's process: a window beside the stage's, for who dances or looks after them.

Its main thread owns OpenGL. It shows what it is told through shared memory and says what is turned through a ring; it
never holds the dance up, and ends when its pipe breaks. Hidden, it draws nothing. ``ui.panel.port`` is the other side.
"""

import contextlib
import importlib.util
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from duet.errors import DuetError
from duet.extras import how_to_run
from realtime import child
from realtime.child_log import ChildLog
from realtime.devices import SYSTEM_CAMERAS, CameraSystem
from realtime.sound.portaudio import PORTAUDIO, SoundSystem
from ui.panel.channels import KEY, PanelChannels, Value, record_of_turn
from ui.panel.state import PanelState

_SOFTWARE_FPS, _FPS = 10.0, 30.0
_BUSY_FPS = 25.0
"""While somebody points at it."""
_BUSY_S = 1.5
_HIDDEN_S = 0.1


@dataclass(frozen=True)
class PanelTask:
    """What the window needs to begin; plain values that travel to the process."""

    sight_name: str | None = None
    """Of the cell with what the camera sees."""
    scale: float | None = None
    """Pixels a point; None: as the display is set."""
    avoid: int | None = None
    """Number of the display that the stage fills: another one is taken where there is one."""
    cameras: CameraSystem = SYSTEM_CAMERAS
    sounds: SoundSystem = PORTAUDIO


def run(task: PanelTask, names: tuple[str, ...], control: Connection, log: ChildLog) -> None:
    """The process. Says ``("ready",)`` or ``("failed", kind, sentence)``; hears ``("begin", epoch_s)``."""
    child.begin(log)
    channels = PanelChannels.attach(names)
    with contextlib.suppress(BrokenPipeError, EOFError, ConnectionError):
        try:
            panel = _Panel(task, channels)
            control.send(("ready",))
            panel.show_until_told(control)
        except DuetError as error:
            control.send(child.failed(error))
    channels.close()


def missing() -> str:
    """What keeps a panel from being opened on this machine, as a sentence; empty for nothing."""
    if importlib.util.find_spec("imgui_bundle") is not None:
        return ""
    install = how_to_run("pip", "install", "imgui-bundle")
    return f"Panel: expected imgui-bundle, got none. Install it ({install}), or use --no-panel."


class _Panel:
    """The window, and what goes in and out."""

    def __init__(self, task: PanelTask, channels: PanelChannels) -> None:
        # Neither glfw nor ImGui is imported where there is no display.
        from imgui_bundle import imgui

        from ui.panel.surroundings import Surveyor
        from ui.panel.window import PanelWindow

        self._channels = channels
        self._window = PanelWindow(self._turn, scale=task.scale, avoid=task.avoid)
        self._surveyor = Surveyor(task.sight_name, self._window.canvas, task.cameras, task.sounds)
        self._state, self._index = PanelState(), -1
        self._close_lists = imgui.internal.close_popups_except_modals
        self._epoch_s = time.monotonic()
        self._drawn, self._busy_until_s = 0, 0.0

    def show_until_told(self, control: Connection) -> None:
        """Draw until the dance is gone."""
        try:
            while True:
                while control.poll():
                    word, *more = control.recv()
                    if word == "begin":
                        (self._epoch_s,) = more
                self._step()
        finally:
            self._surveyor.close()
            self._window.close()

    def _step(self) -> None:
        begun_s = time.monotonic()
        self._take_state()
        self._window.show(bool(self._state.values.get("panel", True)))
        for key, at_s in self._window.take_keys():
            self._push(KEY, key, at_s)
        if self._window.was_closed():
            self._turn("panel", False)
        if self._window.is_hidden:
            self._rest()
            self._beat(0.0)
            self._window.wait(_HIDDEN_S, _HIDDEN_S)
            return
        around = self._surveyor.look(self._window.view.open_lists, self._state)
        self._window.draw(self._state, around, time.monotonic() - self._epoch_s)
        self._drawn += 1
        self._beat(1e3 * (time.monotonic() - begun_s))
        self._wait(begun_s)

    def _rest(self) -> None:
        """Nobody looks: no list stays open, and no device for it."""
        self._close_lists()
        self._window.view.open_lists.clear()
        self._surveyor.rest()

    def _wait(self, begun_s: float) -> None:
        """Until the next picture: sooner while somebody points at it, later where the processor draws."""
        usual = 1.0 / (_SOFTWARE_FPS if self._window.draws_in_software else _FPS)
        now_s = time.monotonic()
        if self._window.was_touched():
            self._busy_until_s = now_s + _BUSY_S
        every = min(usual, 1.0 / _BUSY_FPS) if now_s < self._busy_until_s else usual
        # Never more than half of a processor, however slow it is.
        drawing_s = now_s - begun_s
        self._window.wait(max(begun_s + every - now_s, drawing_s), drawing_s)

    def _take_state(self) -> None:
        record = self._channels.state.latest()
        if record is not None and record.index != self._index:
            self._state, self._index = PanelState.of_record(record.values), record.index

    def _turn(self, name: str, value: Value) -> None:
        self._push(name, value, time.monotonic())
        self._busy_until_s = time.monotonic() + _BUSY_S

    def _push(self, name: str, value: Any, at_s: float) -> None:
        self._channels.turns.push(at_s, record_of_turn(name, value))

    def _beat(self, milliseconds: float) -> None:
        self._channels.heart.write(time.monotonic(), np.array([self._drawn, milliseconds], np.float32))
