"""What there is to choose from, with a look and a listen: cameras with live pictures, sound inputs with levels.

Devices are opened only while their list is open, and never the one that the dance uses, whose picture and level are
known anyway. It happens on threads of their own, in the panel's process: a driver that hangs holds up nothing else.

Threading: ``Surveyor`` belongs to the window's thread; each ``_Scout`` has one of its own, and replaces what it found.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import glfw
import numpy as np
from imgui_bundle import imgui
from numpy.typing import NDArray

from duet.errors import DeviceError
from duet.frames import LeaderStatus
from duet.motion import TAKE_SUFFIXES
from realtime.devices import CameraSystem
from realtime.sight.preview import Sight, SightCell
from realtime.sound.level import SILENT_DB
from realtime.sound.portaudio import AudioDevice, SoundSystem, look
from ui.devices import ONCE
from ui.drawing.preview import with_skeleton
from ui.panel.imgui_canvas import ImguiCanvas
from ui.panel.state import PanelState
from ui.panel.view import Surroundings
from ui.panel.widgets import Entry

LOG = logging.getLogger("duet.panel")
_THUMBNAIL = 206, 116
_LOOK_S = 0.1
_PATIENCE_S = 2.0
CAMERA, SOUND = "camera_device", "sound_device"


@dataclass(frozen=True)
class Found:
    """A device by the name that options take, and what it shows or hears now."""

    value: str
    label: str
    picture: NDArray[np.uint8] | None = None
    """(116, 206, 3) RGB."""
    loudness: float | None = None
    """0 for silence, 1 for full scale."""


class _Scout(ABC):
    """Looks round while it is wanted."""

    def __init__(self, name: str) -> None:
        self.found: tuple[Found, ...] = ()
        self._name = name
        self._wanted = threading.Event()
        self._used = ""
        self._thread: threading.Thread | None = None

    def want(self, wanted: bool, used: str) -> None:
        """Look from now on, or no more; ``used`` is what the dance uses."""
        self._used = used
        if wanted and not (self._thread is not None and self._thread.is_alive()):
            self._wanted.set()
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        elif not wanted:
            self.rest()

    def rest(self) -> None:
        """Look no more."""
        self._wanted.clear()

    def close(self) -> None:
        """Look no more; a driver that hangs is left to the process's end."""
        self.rest()
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                self._scout(stack)
        except (DeviceError, OSError, cv2.error) as error:
            LOG.warning("%s: %s", self._name, error)
        finally:
            self._wanted.clear()

    @abstractmethod
    def _scout(self, stack: ExitStack) -> None:
        """Look until ``_goes_on`` says no; what ``stack`` holds is let go of then."""

    def _goes_on(self) -> bool:
        threading.Event().wait(_LOOK_S)
        return self._wanted.is_set()


class CameraScout(_Scout):
    """Opens every camera that is not in use."""

    def __init__(self, system: CameraSystem) -> None:
        super().__init__("panel-cameras")
        self._system = system

    def _scout(self, stack: ExitStack) -> None:
        listed = self._system.listed() or []
        self.found = tuple(Found(f"camera:{camera.number}", camera.label) for camera in listed)
        captures: dict[int, cv2.VideoCapture] = {}
        for number, found in enumerate(self.found):
            if found.value != self._used:
                captures[number] = self._system.capture(listed[number].number)
                stack.callback(captures[number].release)
        while self._goes_on():
            for number, capture in captures.items():
                ok, picture = capture.read() if capture.isOpened() else (False, None)
                if ok and picture is not None:
                    self._see(number, np.asarray(picture, dtype=np.uint8))

    def _see(self, number: int, picture: NDArray[np.uint8]) -> None:
        small = cv2.resize(np.ascontiguousarray(picture[..., ::-1]), _THUMBNAIL, interpolation=cv2.INTER_AREA)
        seen = replace(self.found[number], picture=np.asarray(small, dtype=np.uint8))
        self.found = (*self.found[:number], seen, *self.found[number + 1 :])


class SoundScout(_Scout):
    """Listens to every sound input that is not in use."""

    def __init__(self, system: SoundSystem) -> None:
        super().__init__("panel-sounds")
        self._system = system
        self._loud: dict[int, float] = {}

    def _scout(self, stack: ExitStack) -> None:
        inputs = [device for device in look(self._system, refresh=True) if device.inputs]
        listed = tuple(Found(f"device:{device.name}", device.name) for device in inputs)
        self.found, self._loud = listed, {}
        for number, device in enumerate(inputs):
            if listed[number].value != self._used:
                self._listen(stack, number, device)
        while self._goes_on():
            loud = dict(self._loud)
            self.found = tuple(replace(found, loudness=loud.get(n)) for n, found in enumerate(listed))

    def _listen(self, stack: ExitStack, number: int, device: AudioDevice) -> None:
        library = self._system.load()

        def hear(block: Any, *_: Any) -> None:
            level = float(np.sqrt(np.mean(np.square(block, dtype=np.float64))))
            decibels = 20.0 * np.log10(level) if level > 0.0 else SILENT_DB
            self._loud[number] = float(np.clip(1.0 - decibels / SILENT_DB, 0.0, 1.0))

        # Any that does not open is listed without a level.
        with suppress(library.PortAudioError):
            stream = library.InputStream(
                device=device.index, channels=device.inputs, samplerate=device.rate_hz, blocksize=1024, callback=hear
            )
            stream.start()
            stack.callback(stream.close)


class Surveyor:
    """Gathers ``Surroundings``."""

    def __init__(self, sight_name: str | None, canvas: ImguiCanvas, cameras: CameraSystem, sounds: SoundSystem) -> None:
        self._canvas = canvas
        self._sight_cell = SightCell(sight_name)
        self._sight: tuple[float, imgui.ImTextureRef, float] | None = None
        self._scouts = {CAMERA: CameraScout(cameras), SOUND: SoundScout(sounds)}
        self._textures: dict[str, imgui.ImTextureRef] = {}
        self._first: dict[str, str] = {}
        """What the dance began with."""

    def look(self, open_lists: AbstractSet[str], state: PanelState) -> Surroundings:
        """What there is by now; only devices whose list is open are looked at."""
        lists, seen = {}, self._seen(state.sight_name)
        for name, scout in self._scouts.items():
            used = str(state.values.get(name, "none"))
            scout.want(name in open_lists, used)
            found = scout.found
            # What is no device that is listed: a song, a stream, a take. There is a way back to what it began with, but
            # for a recorded leader, who is no camera that could be opened again.
            first = self._first.setdefault(name, used) if name in state.values else used
            back = () if first == ONCE or Path(first).suffix.lower() in TAKE_SUFFIXES else (first,)
            there = {f.value for f in found}
            found = (*(Found(v, v) for v in dict.fromkeys((*back, used)) if v not in there), *found)
            lists[name] = tuple(self._entry(f, used, state) for f in found)
        displays = tuple(_name(monitor) for monitor in glfw.get_monitors())
        return Surroundings(lists[CAMERA], lists[SOUND], displays, seen)

    def rest(self) -> None:
        """Nobody looks at any list: let go of every device, without waiting."""
        for scout in self._scouts.values():
            scout.rest()

    def close(self) -> None:
        """Let go of everything."""
        for scout in self._scouts.values():
            scout.close()
        self._sight_cell.close()

    def _entry(self, found: Found, used: str, state: PanelState) -> Entry:
        loudness = found.loudness
        if found.value == used and found.value.startswith("device:") and state.sound is not None:
            loudness = float(np.clip(1.0 - state.sound.rms_db / SILENT_DB, 0.0, 1.0))
        picture = found.picture
        texture = None
        if picture is not None:
            texture = self._textures[found.value] = self._canvas.texture_of(picture, self._textures.get(found.value))
        elif found.value == used and self._sight is not None:
            texture = self._sight[1]
        return Entry(found.value, found.label, texture, loudness)

    def _seen(self, sight_name: str) -> "tuple[imgui.ImTextureRef, float] | None":
        """What the leader's camera sees, with the skeleton."""
        record = self._sight_cell.latest(sight_name)
        if record is None:
            return None
        if self._sight is None or self._sight[0] != record.stamp_s:
            sight = Sight.of_record(record)
            picture = with_skeleton(replace(sight, status=LeaderStatus(sight.status)))
            texture = self._canvas.texture_of(picture, self._sight[1] if self._sight else None)
            self._sight = record.stamp_s, texture, picture.shape[1] / picture.shape[0]
        return self._sight[1:]


def _name(monitor: Any) -> str:
    name: Any = glfw.get_monitor_name(monitor)
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
