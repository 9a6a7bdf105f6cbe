"""What is written is there whole: within its frame, broken between words that belong apart, in plain numbers."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import imgui_bundle
import moderngl
import numpy as np
import pytest
from imgui_bundle import imgui

from duet.frames import LeaderStatus
from duet.terminal import new_console
from realtime.budget import BUDGETS
from realtime.health import Health
from ui.bindings import Bindings
from ui.drawing.hud import Hud, HudValues, SightValues
from ui.drawing.inset import inset_box
from ui.drawing.letters import UNBROKEN
from ui.kept import Kept, tell
from ui.panel.gauges import Gauges
from ui.panel.pen import Pen
from ui.panel.places import CARD_WIDTH, PAD, Place, places
from ui.panel.state import PanelState
from ui.panel.window import SIZE
from ui.words import times

_ROBOTO = Path(imgui_bundle.__file__).parent / "assets" / "fonts" / "Roboto" / "Roboto-Regular.ttf"


class _HeardPen(Pen):
    """Remembers what was written."""

    heard: list[str]

    def text(self, text: str, *where: Any, **how: Any) -> None:
        self.heard.append(text)
        super().text(text, *where, **how)


@pytest.fixture
def pen() -> Iterator[_HeardPen]:
    """One that writes into a picture that nobody sees."""
    imgui.create_context()
    io = imgui.get_io()
    io.set_ini_filename("")
    io.backend_flags |= imgui.BackendFlags_.renderer_has_textures.value
    font = io.fonts.add_font_from_file_ttf(str(_ROBOTO), 16.0)
    io.display_size, io.delta_time = imgui.ImVec2(*SIZE), 0.01
    imgui.new_frame()
    pen = _HeardPen(cast(Any, SimpleNamespace(regular=font, bold=font)))
    pen.heard = []
    yield pen
    imgui.end_frame()
    imgui.destroy_context()


@pytest.mark.parametrize("size", [(480, 270), (640, 360), (800, 450), (1280, 720)])
@pytest.mark.parametrize("trouble", ["", "no camera"])
@pytest.mark.parametrize("age_ms", [75.0, 124.0, 999.0, 12_300.0])
def test_the_line_of_a_portrait_camera_stays_in_its_picture(
    context: moderngl.Context, size: tuple[int, int], trouble: str, age_ms: float
) -> None:
    box = inset_box((144, 256), size)
    sight = SightValues(box, LeaderStatus.TRACKED, 22.0, age_ms, trouble)
    drawn = np.concatenate(Hud(context, size)._sight(sight))
    lefts, rights = drawn[:, 0], drawn[:, 0] + drawn[:, 2]
    assert lefts.min() >= box[0] - 0.5 and rights.max() <= box[0] + box[2] + 0.5


@pytest.mark.parametrize("size", [(480, 270), (800, 450), (1280, 720)])
def test_no_line_of_the_keys_begins_within_one(context: moderngl.Context, size: tuple[int, int]) -> None:
    hud, said = Hud(context, size), Bindings().told()
    lines = hud._wrapped(said, size[0] / hud._scale - 36)
    assert len(lines) > 1 and all(line.endswith((",", ";")) for line in lines[:-1]), lines
    # The usual font has no sign for the blank that holds them together.
    assert " ".join(lines) == said.replace(UNBROKEN, " ") and UNBROKEN not in HudValues(message=said).letters
    assert hud._wrapped("", 100.0) == [""]


def test_every_budget_is_named_whole_and_told_in_its_unit(pen: _HeardPen) -> None:
    budgets = [(budget.name, budget.unit, budget.most, 123.456) for budget in BUDGETS]
    narrowest = Place(0.0, 0.0, CARD_WIDTH - 2.0 * PAD, 248.0)
    Gauges(pen).lamps(PanelState(budgets=cast(Any, budgets)), narrowest)
    for name, unit, *_ in budgets:
        assert name in pen.heard and f"123 {unit}".rstrip() in pen.heard


def test_all_of_the_panel_is_seen_at_once_as_it_opens() -> None:
    layout = places(*map(float, SIZE))
    assert layout.flow_height <= layout.foot.top - layout.flow_top + 10.0


@pytest.mark.parametrize(("late", "said"), [(0, "never late"), (1, "late once"), (12, "late 12 times")])
def test_how_often_the_partner_was_late(pen: _HeardPen, late: int, said: str) -> None:
    Gauges(pen).partner(PanelState(late_ticks=late), Place(0.0, 0.0, 370.0, 112.0))
    assert said in pen.heard


@pytest.mark.parametrize(("count", "often"), [(1, "once"), (3, "3 times")])
def test_how_often_a_process_was_started_again(count: int, often: str) -> None:
    health, said = Health(), StringIO()
    for name in ("tracker_restarts", "picture_restarts"):
        health.count(name, count)
    show = SimpleNamespace(health=health, picture=SimpleNamespace(has_film=False))
    tell(cast(Any, show), Kept(), 1.0, new_console(file=said))
    told = " ".join(said.getvalue().split())
    for process in ("tracking", "drawing"):
        assert f"The {process} process stopped and was started again {often}." in told
    assert times(0) == "0 times"
