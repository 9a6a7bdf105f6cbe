"""The panel's picture: what matters most at the top and large, everything that can be turned below it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imgui_bundle import imgui

from ui.control_table import ANY_DISPLAY, CONTROLS, LEVELS, STREAMS, WINDOWED, guidance_name
from ui.panel.channels import Value
from ui.panel.gauges import Gauges
from ui.panel.pen import CARD, FAINT, GROUND, INK, LARGE, QUIET, RAISED, SMALL, TEXT, WARN, Pen
from ui.panel.places import FOOT, MARGIN, Layout, Place, places
from ui.panel.state import PanelState
from ui.panel.widgets import Entry, Widgets

TurnIt = Callable[[str, Value], None]


@dataclass(frozen=True)
class Surroundings:
    """What is there besides the dance: devices to choose from, and what is seen and heard of them."""

    cameras: tuple[Entry, ...] = ()
    sounds: tuple[Entry, ...] = ()
    displays: tuple[str, ...] = ()
    sight: "tuple[imgui.ImTextureRef, float] | None" = None
    """The leader's camera's picture, and its width over its height."""


@dataclass
class View:
    """Draws ``PanelState`` and says what was turned."""

    pen: Pen
    turn: TurnIt
    gauges: Gauges = field(init=False)
    open_lists: set[str] = field(default_factory=set)
    """Choosers whose lists are open."""
    scrolled: float = 0.0

    def __post_init__(self) -> None:
        self.gauges = Gauges(self.pen)
        self.pen.canvas.ground = GROUND
        style = imgui.get_style()
        style.set_color_(imgui.Col_.popup_bg.value, imgui.ImVec4(*CARD))
        style.set_color_(imgui.Col_.border.value, imgui.ImVec4(*RAISED))
        style.set_color_(imgui.Col_.scrollbar_bg.value, imgui.ImVec4(*GROUND))
        style.set_color_(imgui.Col_.scrollbar_grab.value, imgui.ImVec4(*RAISED))

    def draw(self, state: PanelState, around: Surroundings, size: tuple[int, int], now_s: float) -> None:
        """One picture on a window of ``size`` pixels, at session time ``now_s``."""
        pen = self.pen
        layout = places(size[0] / pen.scale, size[1] / pen.scale)
        self.gauges.see(state)
        widgets = Widgets(pen)
        widgets.bound, widgets.learning = state.bound, state.learning
        imgui.set_next_window_pos(imgui.ImVec2(0.0, 0.0))
        imgui.set_next_window_size(imgui.ImVec2(*size))
        flags = imgui.WindowFlags_
        imgui.push_style_var(imgui.StyleVar_.window_padding.value, imgui.ImVec2(0.0, 0.0))
        imgui.push_style_var(imgui.StyleVar_.window_border_size.value, 0.0)
        still = flags.no_decoration.value | flags.no_move.value | flags.no_saved_settings.value
        imgui.begin("panel", None, still | flags.no_background.value | flags.no_bring_to_front_on_focus.value)
        pen.origin = (0.0, 0.0)
        self._band(state, layout, widgets, now_s)
        self._flow(state, around, layout, widgets)
        self._foot(state, layout, widgets)
        imgui.end()
        imgui.pop_style_var(2)

    def _band(self, state: PanelState, layout: Layout, widgets: Widgets, now_s: float) -> None:
        band = layout.band
        self.gauges.leader(state, band["tile:leader"])
        self.gauges.beat(state, band["tile:beat"], now_s)
        self.gauges.partner(state, band["tile:partner"])
        for name in ("freeze", "fade", "panic", "dance"):
            if widgets.button(name, band[name], is_on=state.stopped == name, size=LARGE):
                self.turn(name, None)
        if widgets.button("learn", band["learn"], is_on=state.learning is not None, size=TEXT):
            self.turn("learn", None)
        if widgets.button("keep", band["keep"], size=TEXT):
            self.turn("keep", None)

    def _flow(self, state: PanelState, around: Surroundings, layout: Layout, widgets: Widgets) -> None:
        """Cards, in a part of the window that scrolls where it must."""
        pen, high = self.pen, layout.foot.top - layout.flow_top
        imgui.set_cursor_screen_pos(pen.at(0.0, layout.flow_top))
        flags = imgui.WindowFlags_.no_background.value
        imgui.begin_child("flow", imgui.ImVec2(0.0, high * pen.scale), 0, flags)
        self.scrolled = imgui.get_scroll_y() / pen.scale
        pen.origin = (0.0, round((layout.flow_top - self.scrolled) * pen.scale))
        for name, place in layout.flow.items():
            if name.startswith("card:"):
                pen.box(place, CARD, 9.0)
                pen.text(name.removeprefix("card:"), place.left + 13.0, place.top + 6.0, FAINT, 15.0, bold=True)
        if state.pictures_s is not None:
            health, told = layout.flow["card:Health"], f"{state.pictures_s:.0f} pictures a second"
            wide = pen.width(told, SMALL)
            pen.text(told, health.left + health.width - 12.0 - wide, health.top + 8.0, FAINT, SMALL)
        self._music(state, around, layout.flow, widgets)
        self._leader(state, around, layout.flow, widgets)
        self._partner(state, layout.flow, widgets)
        self._picture(state, around, layout.flow, widgets)
        self.gauges.latency(layout.flow["graph:latency"])
        self.gauges.lamps(state, layout.flow["lamps:health"])
        imgui.set_cursor_pos(imgui.ImVec2(0.0, layout.flow_height * pen.scale - 1.0))
        imgui.dummy(imgui.ImVec2(1.0, 1.0))
        imgui.end_child()
        pen.origin = (0.0, 0.0)

    def _music(self, state: PanelState, around: Surroundings, at: Mapping[str, Place], widgets: Widgets) -> None:
        for name, size in (("tap", LARGE), ("listen", TEXT)):
            if widgets.button(name, at[name], size=size, is_on=name == "tap" and state.giver == "tapped"):
                self.turn(name, None)
        self._choose_device("sound_device", around.sounds, state, at, widgets)
        self.gauges.sound(state, at["meter:sound"])

    def _leader(self, state: PanelState, around: Surroundings, at: Mapping[str, Place], widgets: Widgets) -> None:
        self._choose_device("camera_device", around.cameras, state, at, widgets)
        self.gauges.sight(around.sight, state, at["picture:camera"])
        for name in ("mirror", "sight"):
            if (wanted := widgets.switch(name, at[name], is_on=bool(state.values.get(name)))) is not None:
                self.turn(name, wanted)
        signs = {"turn_left": "Turn <", "turn_right": "Turn >", "undo_moves": "Undo"}
        for name in ("left", "right", "away", "toward", "turn_left", "turn_right", "centre", "undo_moves"):
            if widgets.button(name, at[name], label=signs.get(name, ""), size=15.0):
                self.turn(name, None)

    def _choose_device(
        self, name: str, entries: tuple[Entry, ...], state: PanelState, at: Mapping[str, Place], widgets: Widgets
    ) -> None:
        now = str(state.values.get(name, "none"))
        shown = next((entry.label for entry in entries if entry.value == now), now)
        if (taken := widgets.chooser(name, at[name], entries, now, shown)) is not None:
            self.turn(name, taken)
        (self.open_lists.add if widgets.is_open(name) else self.open_lists.discard)(name)

    def _partner(self, state: PanelState, at: Mapping[str, Place], widgets: Widgets) -> None:
        distance = float(state.values.get("distance", 0.0))
        if (wanted := widgets.slide("distance", at["distance"], distance, f"{distance:.2f} m")) is not None:
            self.turn("distance", wanted)
        for name in ("groove", "detail", "close", "far", "free", "other"):
            if widgets.button(name, at[name], size=TEXT if name == "other" else 15.0):
                self.turn(name, None)
        head = at["head:guidance"]
        for level, left in enumerate((head.left, head.left + head.width / 2.0 + 5.0)):
            self.pen.text(f"{LEVELS[level]}, how strictly", left + 1.0, head.top, FAINT, SMALL)
        for stream in range(len(STREAMS)):
            for level in range(len(LEVELS)):
                name = guidance_name(stream, level)
                value = float(state.values.get(name, 0.0))
                # The level stands above: what is written on the bar is the part of the body.
                told = widgets.slide(name, at[name], value, f"{value:.2f}", labelled=False)
                if told is not None:
                    self.turn(name, told)
        styles = [Entry(choice) for choice in state.choices.get("style", [])]
        if (taken := widgets.chooser("style", at["style"], styles, str(state.values.get("style", "")))) is not None:
            self.turn("style", taken)

    def _picture(self, state: PanelState, around: Surroundings, at: Mapping[str, Place], widgets: Widgets) -> None:
        for name in ("stage", "camera", "leader_as", "hud"):
            value = str(state.values.get(name, ""))
            if (taken := widgets.segments(name, at[name], CONTROLS[name].choices, value)) is not None:
                self.turn(name, taken)
        for name in ("leader_avatar", "follower_avatar"):
            entries = [Entry(choice) for choice in state.choices.get(name, [])]
            if (taken := widgets.chooser(name, at[name], entries, str(state.values.get(name, "")))) is not None:
                self.turn(name, taken)
        now = str(state.values.get("display", WINDOWED))
        screens = [Entry(WINDOWED), Entry(ANY_DISPLAY)]
        screens += [Entry(str(number), f"screen {number}: {name}") for number, name in enumerate(around.displays)]
        shown = next((entry.label for entry in screens if entry.value == now), now)
        if (taken := widgets.chooser("display", at["display"], screens, now, shown)) is not None:
            self.turn("display", taken)

    def _foot(self, state: PanelState, layout: Layout, widgets: Widgets) -> None:
        pen, foot = self.pen, layout.foot
        keys = "Tab hides · F2 learns" + (f" · {state.show}" if state.show else "")
        wide = pen.width(keys, SMALL)
        pen.text(keys, foot.width - MARGIN - wide, foot.top + FOOT / 2.0 - 8.0, QUIET, SMALL)
        room = foot.width - 3.0 * MARGIN - wide
        trouble = state.troubles[0] if state.troubles else ""
        pointed = "" if widgets.pointed is None else widgets.pointed.says
        said, colour = (state.message, INK) if state.message else (trouble, WARN) if trouble else (pointed, FAINT)
        pen.text(pen.fitted(said, room, TEXT), MARGIN, foot.top + FOOT / 2.0 - 10.0, colour)
