"""The window under a virtual display, in a process of its own."""

import os
import shutil
import subprocess
import sys

import pytest

from duet.errors import PictureError
from tests.x_display import made_up
from ui.drawing import scene

SCRIPT = """
import time
from dataclasses import replace
import glfw
import numpy as np
from duet.skeleton import BODY
from ui.drawing.avatar import BodyPose
from ui.drawing.hud import HudValues
from ui.drawing.scene import Scene, SceneState
from duet.errors import PictureError
from ui.drawing.window import Window
from ui.staging import NEAREST_DISPLAY

quaternions = np.zeros((22, 4))
quaternions[:, 0] = 1
pose = BodyPose(BODY.offsets_m[0], quaternions)
with Window((320, 180), wait_for_display=False) as window:
    scene = Scene(window.context, window.size)
    state = SceneState(0.0, pose, None, HudValues())
    scene.draw(state)
    window.show(scene)
    front = np.frombuffer(window.context.screen.read(components=3, viewport=(0, 0, 320, 180)), np.uint8)
    assert front.max() > 100, "an empty window"
    press = lambda key: window._on_key(None, key, 0, glfw.PRESS, 0)
    before = time.monotonic()
    press(glfw.KEY_T), press(glfw.KEY_LEFT), window._on_key(None, glfw.KEY_LEFT, 0, glfw.REPEAT, 0)
    window._on_key(None, glfw.KEY_T, 0, glfw.REPEAT, 0)
    for key in (glfw.KEY_SPACE, glfw.KEY_O, glfw.KEY_X, glfw.KEY_R, glfw.KEY_H, glfw.KEY_F, glfw.KEY_V, glfw.KEY_TAB):
        press(key)
    names = ["t", "left", "left", "space", "o", "x", "r", "h", "f", "v", "tab"]
    assert [name for name, _ in window.input.keys] == names and window.open
    assert all(before <= at <= time.monotonic() for _, at in window.input.keys)
    window.wait_until(before + 0.1)
    assert time.monotonic() >= before + 0.1
    assert not glfw.get_window_attrib(window._window, glfw.AUTO_ICONIFY), "a click elsewhere takes it from the stage"
    window.take_display(NEAREST_DISPLAY)
    window.show(scene)
    assert glfw.get_input_mode(window._window, glfw.CURSOR) == glfw.CURSOR_HIDDEN
    # What GLFW does when a screen is switched off, and what is done once it is there again.
    glfw.set_window_monitor(window._window, None, 0, 0, 400, 300, glfw.DONT_CARE)
    window.show(scene)
    window.keep_display()
    window.show(scene)
    assert glfw.get_window_monitor(window._window) and window.size == (800, 600), window.size
    window.fit(scene)
    assert scene.size == window.size == (800, 600), window.size
    scene.draw(state)
    window.show(scene)
    # Asked for while it was away, and lost once more: the window is to be as it was before all that.
    for wanted in (NEAREST_DISPLAY, None):
        glfw.set_window_monitor(window._window, None, 0, 0, 400, 300, glfw.DONT_CARE)
        window.take_display(wanted)
    window.keep_display()
    window.show(scene)
    assert window.size == (320, 180), window.size
    assert glfw.get_input_mode(window._window, glfw.CURSOR) == glfw.CURSOR_NORMAL
    press(glfw.KEY_Q)
    assert not window.open
with Window((320, 180), wait_for_display=False, ends_twice=True) as window:
    press = lambda key: window._on_key(None, key, 0, glfw.PRESS, 0)
    press(glfw.KEY_ESCAPE)
    assert window.open and [name for name, _ in window.input.keys] == ["escape"], "a visitor's key ends nothing"
    window._ending_s -= 2.1
    press(glfw.KEY_Q)
    assert window.open and [name for name, _ in window.input.keys] == ["escape", "q"], "two that are far apart"
    press(glfw.KEY_ESCAPE)
    assert not window.open, "two at once"
from duet.errors import PictureError
with Window((320, 180), wait_for_display=False, display=0, is_clear=True) as window:
    assert window.size == (800, 600), window.size
    window.take_display(None)
    assert window.size == (320, 180), window.size
    try:
        window.take_display(7)
    except PictureError as error:
        assert window.open and "got 7" in str(error), error
    else:
        raise AssertionError("a display that is not there")
    window.keep_display()
    assert window.size == (320, 180), window.size
    found = glfw.get_monitors
    glfw.get_monitors = lambda: found() * 8
    window.keep_display()
    glfw.get_monitors = found
    assert window.size == (800, 600), "a display that came later"
try:
    Window((320, 180), display=7)
except PictureError as error:
    assert "--display: expected one of 0: screen, got 7" in str(error), error
else:
    raise AssertionError("a display that is not there")
from realtime.health import Health
from ui.staging import Staging
from ui.drawing.window_canvas import WindowCanvas
canvas, shown = WindowCanvas((320, 180), 30.0, Staging(stage="black")), []
front = Staging("studio", "side")
beside = BodyPose(BODY.offsets_m[0] + np.array([0.9, 0.0, 0.0]), quaternions)
for staging in (None, Staging("studio"), front, replace(front, leader_as="ghost"), replace(front, display=0)):
    if staging is not None:
        canvas.restage(staging)
    canvas.draw(SceneState(0.1 * len(shown), pose, beside, HudValues()), Health())
    if staging is not None and staging.display is not None:
        assert canvas.size == canvas._scene.size == (800, 600), canvas.size
        break
    shown.append(canvas._scene.read().astype(int))
canvas.restage(replace(front, display=9))
assert canvas.size == (800, 600) and not canvas.is_closed, "a display that is not there ends nothing"
changes = [np.abs(a - b).max() for a, b in zip(shown, shown[1:])]
assert min(changes) > 60, f"what is seen does not change: {changes}"
assert canvas.take_keys() == []
canvas.close()
print("danced")
"""


needs_xvfb = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb: no virtual display to open a window on")


def _under_display(code: str) -> subprocess.CompletedProcess[str]:
    """What a program said on a display of 800x600 that is made up."""
    with made_up(800, 600) as display:
        more = {"DISPLAY": display.name, "PYTHONPATH": os.pathsep.join(sys.path), "LP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=os.environ | more
        )


@needs_xvfb
def test_window_draws_listens_and_grows() -> None:
    run = _under_display(SCRIPT)
    assert "danced" in run.stdout, run.stderr


@needs_xvfb
def test_a_window_without_opengl_is_one_sentence() -> None:
    code = (
        "import moderngl\n"
        "from duet.errors import PictureError\n"
        "from ui.drawing.window import Window\n"
        "def none(**_): raise Exception('requested OpenGL version 330, got version 210')\n"
        "moderngl.create_context = none\n"
        "try: Window((320, 180))\n"
        "except PictureError as error: print(error)\n"
    )
    run = _under_display(code)
    assert "expected OpenGL 3.3, got: requested OpenGL version 330" in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("platform", "backends", "hint"),
    [("linux", ["egl", "egl"], "apt install libegl1"), ("darwin", [None], "desktop session")],
)
def test_without_a_window_the_systems_own_opengl_is_asked(
    monkeypatch: pytest.MonkeyPatch, platform: str, backends: list[str | None], hint: str
) -> None:
    asked: list[dict[str, object]] = []

    def none(**settings: object) -> None:
        asked.append(settings)
        raise Exception("no driver")

    monkeypatch.setattr(scene.sys, "platform", platform)
    monkeypatch.setattr(scene.moderngl, "create_context", none)
    with pytest.raises(PictureError, match=f"without a window, got 'no driver'.*{hint}"):
        scene.create_headless_context()
    assert [settings.get("backend") for settings in asked] == backends
    assert all(settings["standalone"] and settings["require"] == 330 for settings in asked)


def test_no_display_is_one_sentence() -> None:
    code = (
        "from duet.errors import PictureError\n"
        "from ui.drawing.window import Window\n"
        "try: Window((320, 180))\n"
        "except PictureError as error: print(error)\n"
    )
    hidden = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=hidden | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "expected a display" in run.stdout, run.stdout + run.stderr
