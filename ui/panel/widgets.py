"""What can be touched in the panel: buttons, segments, slides and choosers, drawn by a ``Pen``, told by a name.

Each takes a control of the table, its place and its value, and says what it is turned to, or None for nothing.
"""

from collections.abc import Sequence

from imgui_bundle import imgui

from ui.control_table import CONTROLS, Control
from ui.panel.pen import (
    BAD,
    CALM,
    FAINT,
    FIELD,
    GOOD,
    INK,
    ON_LIGHT,
    QUIET,
    RAISED,
    ROUND,
    SMALL,
    TEXT,
    Colour,
    Pen,
    dimmed,
)  # fmt: skip
from ui.panel.places import LABEL, Place

ENTRY = 34.0
"""Height of a line of a chooser's list."""
_GROWN_ENTRY = 66.0
_TINTED: dict[str, Colour] = {"panic": BAD, "dance": GOOD}
_ALARM = "panic"
"""Found without reading: at the edge, and red at any time."""


class Widgets:
    """Draws and hears the controls of one picture."""

    def __init__(self, pen: Pen) -> None:
        self.pen = pen
        self.pointed: Control | None = None
        """What the pointer is over."""
        self.bound: dict[str, str] = {}
        self.learning: str | None = None

    def _touch(self, control: Control, place: Place, part: str = "") -> tuple[bool, bool, bool]:
        """(clicked, held down, pointed at)."""
        pen = self.pen
        imgui.set_cursor_screen_pos(pen.at(place.left, place.top))
        size = imgui.ImVec2(max(place.width * pen.scale, 1.0), max(place.height * pen.scale, 1.0))
        clicked = imgui.invisible_button(f"{control.name}{part}", size)
        pointed = imgui.is_item_hovered()
        if pointed:
            self.pointed = control
        return clicked, imgui.is_item_active(), pointed

    def _mark(self, name: str, place: Place) -> None:
        """While something learns: what could, and what does."""
        if self.learning is not None and name not in ("learn", "keep"):
            colour = CALM if self.learning == name else dimmed(CALM, 0.35)
            self.pen.frame(place, colour, 3.0 if self.learning == name else 1.5)

    def button(self, name: str, place: Place, *, is_on: bool = False, size: float = TEXT, label: str = "") -> bool:
        """A button; whether it was pushed. It is filled while ``is_on``."""
        control, pen = CONTROLS[name], self.pen
        clicked, held, pointed = self._touch(control, place)
        tint = _TINTED.get(name, CALM)
        if is_on or held:
            pen.box(place, dimmed(tint, 0.8) if held else tint)
            ink = ON_LIGHT
        elif name == _ALARM:
            pen.box(place, dimmed(tint, 0.7 if pointed else 0.55))
            ink = INK
        else:
            pen.box(place, RAISED if pointed else FIELD)
            ink = tint if name in _TINTED else INK
        hint = self.bound.get(name, "") if place.height >= 50.0 or self.learning is not None else ""
        label = label or control.label
        if hint and place.height >= 50.0:
            upper = Place(place.left, place.top, place.width, place.height - 16.0)
            pen.centred(label, upper, ink, size, bold=size > TEXT)
            lower = Place(place.left, place.bottom - 23.0, place.width, 18.0)
            pen.centred(pen.fitted(hint, place.width, SMALL), lower, dimmed(ink, 0.65), SMALL)
        else:
            pen.centred(label, place, ink, size, bold=size > TEXT)
        self._mark(name, place)
        return clicked

    def switch(self, name: str, place: Place, *, is_on: bool) -> bool | None:
        """A button that stays down; what it is switched to."""
        control, pen = CONTROLS[name], self.pen
        clicked, _, pointed = self._touch(control, place)
        pen.box(place, RAISED if pointed else FIELD)
        rail = Place(place.left + 9.0, place.top + place.height / 2.0 - 8.0, 30.0, 16.0)
        pen.box(rail, GOOD if is_on else QUIET, 8.0)
        pen.disc(rail.left + (22.0 if is_on else 8.0), rail.top + 8.0, 6.0, INK)
        beside = Place(place.left + 40.0, place.top, place.width - 42.0, place.height)
        pen.centred(control.label, beside, INK if is_on else FAINT)
        self._mark(name, place)
        return not is_on if clicked else None

    def segments(self, name: str, place: Place, choices: Sequence[str], value: str) -> str | None:
        """All choices side by side below a label; the one that is taken."""
        control, pen = CONTROLS[name], self.pen
        row = self._below_label(control, place)
        pen.box(row, FIELD)
        each, taken = row.width / max(len(choices), 1), None
        for number, choice in enumerate(choices):
            part = Place(row.left + number * each, row.top, each, row.height)
            clicked, _, pointed = self._touch(control, part, f":{choice}")
            inner = Place(part.left + 3.0, part.top + 3.0, part.width - 6.0, part.height - 6.0)
            if choice == value:
                pen.box(inner, CALM, ROUND - 2.0)
            elif pointed:
                pen.box(inner, RAISED, ROUND - 2.0)
            pen.centred(choice, inner, ON_LIGHT if choice == value else INK, 15.0)
            taken = choice if clicked else taken
        self._mark(name, row)
        return taken

    def slide(self, name: str, place: Place, value: float, text: str, *, labelled: bool = True) -> float | None:
        """A bar that is filled up to its value; what it is slid to."""
        control, pen = CONTROLS[name], self.pen
        row = self._below_label(control, place, text) if labelled else place
        _, held, pointed = self._touch(control, row)
        pen.box(row, FIELD)
        span = control.most - control.least
        share = min(max((value - control.least) / span, 0.0), 1.0)
        if share > 0.0:
            filled = Place(row.left, row.top, max(row.width * share, 2.0 * ROUND), row.height)
            pen.box(filled, dimmed(CALM, 0.6 if held or pointed else 0.45))
        knob = row.left + min(max(row.width * share, 6.0), row.width - 6.0)
        if labelled:
            pen.box(Place(knob - 2.0, row.top + 4.0, 4.0, row.height - 8.0), CALM, 2.0)
        else:
            pen.text(control.label.split()[0], row.left + 10.0, row.top + row.height / 2.0 - 9.0, INK, 15.0)
            wide = pen.width(text, 15.0)
            pen.text(text, row.left + row.width - 10.0 - wide, row.top + row.height / 2.0 - 9.0, INK, 15.0)
        self._mark(name, row)
        if not held:
            return None
        pointer = imgui.get_mouse_pos().x - pen.at(row.left, row.top).x
        wanted = control.least + span * min(max(pointer / (row.width * pen.scale), 0.0), 1.0)
        wanted = round(wanted / 0.05) * 0.05
        return wanted if abs(wanted - value) > 1e-6 else None

    def chooser(self, name: str, place: Place, entries: Sequence["Entry"], value: str, shown: str = "") -> str | None:
        """What is chosen by now, and a list that opens below it; the one that is taken."""
        control, pen = CONTROLS[name], self.pen
        row = self._below_label(control, place)
        clicked, _, pointed = self._touch(control, row)
        pen.box(row, RAISED if pointed else FIELD)
        pen.text(pen.fitted(shown or value, row.width - 40.0), row.left + 11.0, row.top + row.height / 2.0 - 10.0)
        x, y = row.left + row.width - 19.0, row.top + row.height / 2.0
        pen.line([(x - 5.0, y - 3.0), (x, y + 3.0), (x + 5.0, y - 3.0)], FAINT, 2.0)
        self._mark(name, row)
        if clicked and self.learning is not None:
            return value
        if clicked:
            imgui.open_popup(name)
        return self._list(name, row, entries, value)

    def is_open(self, name: str) -> bool:
        """Whether a chooser's list is open."""
        return imgui.is_popup_open(name)

    def _list(self, name: str, row: Place, entries: Sequence["Entry"], value: str) -> str | None:
        pen = self.pen
        imgui.set_next_window_pos(pen.at(row.left, row.bottom + 4.0))
        taken = None
        if not imgui.begin_popup(name):
            return None
        corner = imgui.get_cursor_screen_pos()
        before, pen.origin = pen.origin, (corner.x, corner.y)
        top = 0.0
        for number, entry in enumerate(entries):
            high = _GROWN_ENTRY if entry.picture is not None else ENTRY
            place = Place(0.0, top, max(row.width, 220.0), high)
            clicked, _, pointed = self._touch(CONTROLS[name], place, f":{number}")
            if pointed or entry.value == value:
                pen.box(place, RAISED if pointed else FIELD)
            self._entry(entry, place)
            top += high
            if clicked:
                taken = entry.value
                imgui.close_current_popup()
        pen.origin = before
        imgui.end_popup()
        return taken

    def _entry(self, entry: "Entry", place: Place) -> None:
        pen, left = self.pen, place.left + 10.0
        if entry.picture is not None:
            pen.image(Place(left, place.top + 4.0, 103.0, 58.0), entry.picture)
            left += 113.0
        room = place.left + place.width - left - 10.0
        pen.text(pen.fitted(entry.label, room, 15.0), left, place.top + place.height / 2.0 - 10.0, INK, 15.0)
        if entry.loudness is not None:
            rail = Place(left, place.bottom - 7.0, room, 3.0)
            pen.box(rail, RAISED, 1.5)
            pen.box(Place(rail.left, rail.top, max(rail.width * entry.loudness, 1.0), 3.0), GOOD, 1.5)

    def _below_label(self, control: Control, place: Place, text: str = "") -> Place:
        pen = self.pen
        pen.text(control.label, place.left + 1.0, place.top - 1.0, FAINT, SMALL)
        told = text or (self.bound.get(control.name, "") if self.learning is not None else "")
        if told:
            wide = pen.width(told, SMALL)
            pen.text(told, place.left + place.width - wide - 1.0, place.top - 1.0, INK if text else CALM, SMALL)
        return Place(place.left, place.top + LABEL, place.width, place.height - LABEL)


class Entry:
    """A line of a chooser's list: what it stands for, and what is seen or heard there."""

    def __init__(
        self, value: str, label: str = "", picture: "imgui.ImTextureRef | None" = None, loudness: float | None = None
    ) -> None:
        self.value, self.label, self.picture, self.loudness = value, label or value, picture, loudness
