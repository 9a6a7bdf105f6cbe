"""A panel that is hidden: nobody looks at its lists, so none stays open, nor any device for one."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from realtime.devices import CameraDevice
from realtime.plugged import Known
from tests.waiting import wait_for
from ui.panel.channels import PanelChannels
from ui.panel.process import PanelTask, _Panel
from ui.panel.state import PanelState

pytest.importorskip("imgui_bundle")
pytest.importorskip("glfw")
LIST = "camera_device"


class _Camera:
    """Shows grey until it is let go of."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.release = self.released.set

    def isOpened(self) -> bool:
        return not self.released.is_set()

    def read(self) -> tuple[bool, np.ndarray]:
        return True, np.full((90, 160, 3), 128, np.uint8)


class _Cameras:
    """Two of them; the dance uses the first."""

    def __init__(self) -> None:
        self.opened: dict[int, _Camera] = {}

    def listed(self) -> list[CameraDevice]:
        return [CameraDevice(number, Known("")) for number in range(2)]

    def capture(self, number: int) -> Any:
        assert number not in self.opened, "it is opened again"
        self.opened[number] = _Camera()
        return self.opened[number]


class _Window:
    """Draws nothing but the list that is asked for, as ImGui has it."""

    draws_in_software = False

    def __init__(self) -> None:
        from imgui_bundle import imgui

        self._imgui = imgui
        self.canvas, self.view = SimpleNamespace(texture_of=lambda *_: None), SimpleNamespace(open_lists=set[str]())
        self.is_hidden, self.wants_list = True, False
        self.take_keys, self.was_closed, self.was_touched = list, bool, bool

    def show(self, is_shown: bool) -> None:
        self.is_hidden = not is_shown

    def wait(self, seconds: float, least_s: float) -> None: ...

    def draw(self, *_: object) -> None:
        imgui = self._imgui
        imgui.new_frame()
        imgui.begin("panel")
        if self.wants_list:
            imgui.open_popup(LIST)
            self.wants_list = False
        if imgui.begin_popup(LIST):
            imgui.end_popup()
        (self.view.open_lists.add if imgui.is_popup_open(LIST) else self.view.open_lists.discard)(LIST)
        imgui.end()
        imgui.render()
        for texture in imgui.get_platform_io().textures:
            texture.set_tex_id(1)
            texture.status = imgui.ImTextureStatus.ok


@pytest.fixture
def imgui_there() -> Iterator[None]:
    from imgui_bundle import imgui

    made = imgui.create_context()
    io = imgui.get_io()
    io.set_ini_filename("")
    io.backend_flags |= imgui.BackendFlags_.renderer_has_textures.value
    io.display_size = imgui.ImVec2(320, 240)
    yield
    imgui.destroy_context(made)


@pytest.mark.usefixtures("imgui_there")
def test_a_hidden_panel_lets_go_of_every_device_and_its_list_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    window, cameras, channels = _Window(), _Cameras(), PanelChannels.create()
    monkeypatch.setattr("ui.panel.window.PanelWindow", lambda *_, **__: window)
    monkeypatch.setattr("ui.panel.surroundings.glfw", SimpleNamespace(get_monitors=list))
    panel = _Panel(PanelTask(cameras=cast(Any, cameras)), channels)

    def step(*, shown: bool) -> None:
        channels.state.write(0.0, PanelState(values={"panel": shown, LIST: "camera:0"}).record())
        panel._step()

    try:
        window.wants_list = True
        step(shown=True)
        assert window.view.open_lists == {LIST}
        step(shown=True)
        assert wait_for(lambda: 1 in cameras.opened, 10.0)
        step(shown=False)
        assert wait_for(cameras.opened[1].released.is_set, 10.0), "a camera stays open"
        for _ in range(2):
            step(shown=True)
            assert not window.view.open_lists
        assert cameras.opened.keys() == {1}
    finally:
        panel._surveyor.close()
        channels.close()
