"""How the panel looks: its colours, its sizes, and a pen that draws in points, whatever the display's scale."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from imgui_bundle import imgui

from ui.panel.imgui_canvas import ImguiCanvas
from ui.panel.places import Place

Colour = tuple[float, float, float, float]


def _hex(digits: str, alpha: float = 1.0) -> Colour:
    red, green, blue = (int(digits[i : i + 2], 16) / 255.0 for i in (0, 2, 4))
    return red, green, blue, alpha


GROUND, CARD, FIELD, RAISED = _hex("101216"), _hex("181b21"), _hex("242932"), _hex("313844")
INK, FAINT, QUIET = _hex("eef0f4"), _hex("a2abb9"), _hex("6d7685")
GOOD, WARN, BAD, CALM = _hex("56c98a"), _hex("efb34a"), _hex("ee6a5f"), _hex("6ca6f0")
ON_LIGHT = _hex("0d1014")

SMALL, TEXT, LARGE, HUGE = 13.0, 16.0, 21.0, 40.0
ROUND = 7.0


def dimmed(colour: Colour, alpha: float) -> Colour:
    """The same, less of it."""
    return *colour[:3], colour[3] * alpha


@dataclass
class Pen:
    """Draws on the ImGui window in use. ``scale`` is pixels a point; places are from ``origin`` (pixels)."""

    canvas: ImguiCanvas
    scale: float = 1.0
    origin: tuple[float, float] = (0.0, 0.0)

    @cached_property
    def _fonts(self) -> dict[bool, "imgui.ImFont"]:
        return {False: self.canvas.regular, True: self.canvas.bold}

    def at(self, x: float, y: float) -> "imgui.ImVec2":
        """Pixels of a point."""
        return imgui.ImVec2(round(self.origin[0] + x * self.scale), round(self.origin[1] + y * self.scale))

    def box(self, place: Place, colour: Colour, radius: float = ROUND) -> None:
        """A filled rectangle."""
        imgui.get_window_draw_list().add_rect_filled(
            self.at(place.left, place.top),
            self.at(place.left + place.width, place.bottom),
            imgui.color_convert_float4_to_u32(imgui.ImVec4(*colour)),
            radius * self.scale,
        )

    def frame(self, place: Place, colour: Colour, thick: float = 2.0, radius: float = ROUND) -> None:
        """Its outline."""
        imgui.get_window_draw_list().add_rect(
            self.at(place.left, place.top),
            self.at(place.left + place.width, place.bottom),
            imgui.color_convert_float4_to_u32(imgui.ImVec4(*colour)),
            radius * self.scale,
            thick * self.scale,
        )

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        colour_u32 = imgui.color_convert_float4_to_u32(imgui.ImVec4(*colour))
        imgui.get_window_draw_list().add_circle_filled(self.at(x, y), radius * self.scale, colour_u32)

    def arc(self, x: float, y: float, radius: float, share: float, colour: Colour, thick: float) -> None:
        """A ring's ``share``, clockwise from the top."""
        pen, top = imgui.get_window_draw_list(), -1.5707963
        pen.path_arc_to(self.at(x, y), radius * self.scale, top, top + 6.2831853 * share, 48)
        colour_u32 = imgui.color_convert_float4_to_u32(imgui.ImVec4(*colour))
        pen.path_stroke(colour_u32, thick * self.scale)

    def line(self, points: list[tuple[float, float]], colour: Colour, thick: float = 1.5) -> None:
        """A line through points."""
        if len(points) > 1:
            colour_u32 = imgui.color_convert_float4_to_u32(imgui.ImVec4(*colour))
            there: Any = [self.at(*point) for point in points]  # the stub's list knows no subtypes
            imgui.get_window_draw_list().add_polyline(there, colour_u32, thick * self.scale, 0)

    def image(self, place: Place, texture: "imgui.ImTextureRef") -> None:
        """A picture."""
        corner, end = self.at(place.left, place.top), self.at(place.left + place.width, place.bottom)
        imgui.get_window_draw_list().add_image(texture, corner, end)

    def width(self, text: str, size: float = TEXT, *, bold: bool = False) -> float:
        """Points."""
        imgui.push_font(self._fonts[bold], size * self.scale)
        wide = imgui.calc_text_size(text).x / self.scale
        imgui.pop_font()
        return wide

    def text(
        self, text: str, x: float, y: float, colour: Colour = INK, size: float = TEXT, *, bold: bool = False
    ) -> None:
        """Text whose top left is there."""
        colour_u32 = imgui.color_convert_float4_to_u32(imgui.ImVec4(*colour))
        font = self._fonts[bold]
        imgui.get_window_draw_list().add_text(font, size * self.scale, self.at(x, y), colour_u32, text)

    def centred(self, text: str, place: Place, colour: Colour = INK, size: float = TEXT, *, bold: bool = False) -> None:
        """Text in the middle of a place, smaller where it is too long for it."""
        room = place.width - 8.0
        wide = self.width(text, size, bold=bold)
        if wide > room:
            size = max(size * room / wide, 10.0)
            wide = self.width(text, size, bold=bold)
        x, y = place.middle
        self.text(text, x - wide / 2.0, y - 0.59 * size, colour, size, bold=bold)

    def fitted(self, text: str, width: float, size: float = TEXT) -> str:
        """As much of a text as fits, and dots for the rest."""
        if self.width(text, size) <= width:
            return text
        while text and self.width(text + "…", size) > width:
            text = text[:-1]
        return text.rstrip() + "…"
