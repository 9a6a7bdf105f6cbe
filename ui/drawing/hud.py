"""The head-up display: a small panel of what matters while dancing, drawn over any framebuffer in one call.

Glyphs are rastered once per size into a texture; boxes, bars and the beat ring are shapes of the shader. A frame costs
a few kilobytes of instances and no text rastering.
"""

from dataclasses import dataclass
from functools import lru_cache

import moderngl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from duet.frames import LeaderStatus, PoseSource
from realtime.sound.level import SILENT_DB, Level
from ui.drawing.letters import UNBROKEN, Font, font_of, usual_font, words_of
from ui.drawing.shaders import build_program

Colour = tuple[float, float, float, float]

_GLYPH, _BOX, _RING = 0.0, 1.0, 2.0
_INSTANCE_FLOATS = 14
_MOST_INSTANCES = 4096
"""Letters and shapes: more than the longest record of ``ui.panel.facts`` gives, so that nothing is left out."""
_DESIGN_HEIGHT_PX = 360
_DESIGN_WIDTH_PX = 420
"""The panel is laid out for a picture this high, and at least this wide, and scaled from there."""
_ROW_PX = 15
_FOOT_PX = 46
"""Of what is written for the audience, with the margin below it."""
_PANEL_PX = 178
_CHARACTERS = "".join(chr(c) for c in range(32, 127)) + "·–°"
_ATLAS_PX = 2048
"""The widest row of glyphs."""
_MOST_LETTERS = 512
"""Learned beside these, as they are to be written."""

_INK: Colour = (0.93, 0.93, 0.95, 1.0)
_FAINT: Colour = (0.66, 0.68, 0.74, 1.0)
_PANEL: Colour = (0.03, 0.03, 0.05, 0.62)
_TRACK: Colour = (1.0, 1.0, 1.0, 0.16)
_GOOD: Colour = (0.38, 0.87, 0.52, 1.0)
_WARN: Colour = (0.98, 0.76, 0.28, 1.0)
_BAD: Colour = (0.97, 0.36, 0.32, 1.0)
_BEAT: Colour = (0.98, 0.56, 0.32, 1.0)

_LAMPS = {LeaderStatus.TRACKED: _GOOD, LeaderStatus.HELD: _WARN, LeaderStatus.LOST: _BAD}
_SOURCES = {PoseSource.MODEL: _GOOD, PoseSource.BLEND: _WARN, PoseSource.HOLD: _BAD}


@dataclass(frozen=True)
class SightValues:
    """The line under the camera's picture."""

    box: tuple[int, int, int, int]
    """(left, top, width, height) of the picture in pixels."""
    status: LeaderStatus
    fps: float
    age_ms: float
    trouble: str = ""
    """What is wrong with the camera, instead of ``status``."""


@dataclass(frozen=True)
class HudValues:
    """What the panel shows; None where nothing is known yet, which shows as a dash."""

    tempo_bpm: float | None = None
    beat_phase: float = 0.0
    """[0, 1): 0 on the beat."""
    beat_in_bar: int | None = None
    """1 on the downbeat."""
    lag_ms: float | None = None
    """Leader's move to follower's picture."""
    tick_ms: float | None = None
    budget_ms: float | None = None
    late_ticks: int = 0
    leader: LeaderStatus | None = None
    source: PoseSource | None = None
    beat_giver: str = ""
    """Who gives the beat when it is not heard: ``tapped``, ``MIDI``, ``OSC``."""
    sound: Level | None = None
    """How loud the music comes in; None without music, which shows as nothing."""
    rows: tuple[str, ...] = ()
    """What was calibrated, one line each, below the rest."""
    troubles: tuple[str, ...] = ()
    """What is wrong with camera or sound and what to do about it, a sentence each, below everything."""
    sight: SightValues | None = None
    message: str = ""
    """One line along the bottom, such as what the stage waits for."""
    is_for_audience: bool = False
    """Whether only beat, lag, tick and who leads are shown, small, in a corner of the foot."""
    is_message_only: bool = False
    """Whether nothing but ``message`` is shown."""

    @property
    def letters(self) -> frozenset[str]:
        """Of all that is written and not the same every time."""
        words = (self.message, self.beat_giver, *self.rows, *self.troubles, self.sight.trouble if self.sight else "")
        return frozenset("".join(words)) - {UNBROKEN}

    @property
    def leads(self) -> str:
        """Who leads, in words."""
        return {LeaderStatus.TRACKED: "the leader leads", LeaderStatus.HELD: "the leader leads, unseen"}.get(
            self.leader or LeaderStatus.LOST, "nobody leads"
        )


class Hud:
    """Draws ``HudValues`` over the bound framebuffer of a given size in pixels."""

    def __init__(self, context: moderngl.Context, size: tuple[int, int]) -> None:
        self._context = context
        self._program = build_program(context, "hud")
        self._corners = context.buffer(np.array([0, 0, 0, 1, 1, 0, 1, 1], dtype=np.float32).tobytes())
        self._instances = context.buffer(reserve=_MOST_INSTANCES * _INSTANCE_FLOATS * 4, dynamic=True)
        content = [
            (self._corners, "2f", "in_corner"),
            (self._instances, "4f 4f 4f 2f /i", "in_box", "in_source", "in_colour", "in_kind"),
        ]
        self._array = context.vertex_array(self._program, content)
        self._size, self._scale, self._letters = size, _scale_of(size), frozenset[str]()
        self._texture = self._make_atlas()

    def resize(self, size: tuple[int, int]) -> None:
        """Lay out for a picture of ``size`` pixels from now on."""
        self._size = size
        scale = _scale_of(size)
        if scale != self._scale:
            self._scale = scale
            self._renew_atlas()

    def _learn(self, letters: frozenset[str]) -> None:
        """Have glyphs for them, too: which language a show speaks is not known before."""
        new = letters.difference(self._letters, _CHARACTERS)
        if new and len(self._letters) < _MOST_LETTERS:
            self._letters |= new
            self._renew_atlas()

    def _renew_atlas(self) -> None:
        """Glyphs of another size, or of more letters; the ones before are given back, which the binding never does."""
        before = self._texture
        self._texture = self._make_atlas()
        before.release()

    def _make_atlas(self) -> moderngl.Texture:
        """Both sizes' glyphs, the large ones below the small ones."""
        self._small, self._large = (_glyph_set(round(px * self._scale), self._letters) for px in (11, 17))
        width = max(self._small.pixels.shape[1], self._large.pixels.shape[1])
        rows = [np.pad(s.pixels, ((0, 0), (0, width - s.pixels.shape[1]))) for s in (self._small, self._large)]
        atlas = np.concatenate(rows)
        self._atlas_shape = atlas.shape
        texture = self._context.texture((width, len(atlas)), 1, atlas.tobytes(), alignment=1)
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        return texture

    def draw(self, values: HudValues) -> None:
        """Draws over the framebuffer in use; leaves depth test and culling off and blending on."""
        self._learn(values.letters)
        instances = np.concatenate(self._layout(values))[:_MOST_INSTANCES]
        self._instances.write(instances.astype(np.float32).tobytes())
        self._context.disable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        self._context.enable(moderngl.BLEND)
        self._context.blend_func = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
        self._program["screen_px"] = self._size
        self._program["glyphs"] = 0
        self._texture.use(0)
        self._array.render(moderngl.TRIANGLE_STRIP, instances=len(instances))

    def _layout(self, v: HudValues) -> list[NDArray[np.float32]]:
        """(n, 14) instances: box, source in the atlas, colour, kind and parameter; design pixels scaled."""
        if v.is_message_only:
            return self._message(v.message)
        if v.is_for_audience:
            return self._for_audience(v)
        troubles = [self._wrapped(t, _PANEL_PX - 29) for t in v.troubles]
        first = 66 + _ROW_PX * (1 if v.sound is None else 2)
        rows = [line for row in v.rows for line in self._wrapped(row, _PANEL_PX - 16)]
        lines = len(rows) + sum(len(t) for t in troubles)
        parts = [self._box(8, 8, _PANEL_PX, first - 5 + _ROW_PX * lines, _PANEL, 7), *self._beat(v, 16, 15)]
        parts.append(self._text("-" if v.tempo_bpm is None else f"{v.tempo_bpm:.0f}", 58, 13, _INK, large=True))
        parts.append(self._text(v.beat_giver or "bpm", 58, 32, _WARN if v.beat_giver else _FAINT))
        parts.append(self._text(f"lag {_whole(v.lag_ms)} ms", 106, 16, _INK))
        parts.append(self._text(f"late {v.late_ticks}", 106, 31, _WARN if v.late_ticks else _FAINT))
        parts += self._tick_bar(v)
        lamp = _TRACK if v.leader is None else _LAMPS[v.leader]
        parts.append(self._box(17, 68.5, 8, 8, lamp, 4))
        parts.append(self._text("no leader" if v.leader is None else str(v.leader), 30, 65, _INK))
        if v.source is not None:
            parts.append(self._box(101, 68.5, 8, 8, _SOURCES[v.source], 2))
            parts.append(self._text(str(v.source), 114, 65, _INK))
        if v.sound is not None:
            parts += self._sound(v.sound)
        for number, row in enumerate(rows):
            parts.append(self._text(row, 17, first + _ROW_PX * number, _FAINT))
        parts += self._troubles(troubles, first + _ROW_PX * len(rows))
        if v.sight is not None:
            parts += self._sight(v.sight)
        if v.message:
            parts += self._message(v.message)
        return parts

    def _beat(self, v: HudValues, x: float, y: float) -> list[NDArray[np.float32]]:
        """The ring that fills over a beat, with the beat's number in the bar."""
        pulse = max(0.0, 1.0 - 3.0 * v.beat_phase) if v.tempo_bpm else 0.0
        red, green, blue = (c + (1.0 - c) * 0.55 * pulse for c in _BEAT[:3])
        ring = self._ring(x, y, 30 + 3 * pulse, (red, green, blue, 1.0 if v.tempo_bpm else 0.35), v.beat_phase)
        number = "-" if v.beat_in_bar is None else str(v.beat_in_bar)
        return [ring, self._text(number, x + 11.5, y + 5, _INK, centre=True)]

    def _for_audience(self, v: HudValues) -> list[NDArray[np.float32]]:
        top = self._size[1] / self._scale - _FOOT_PX
        tempo = "no beat" if v.tempo_bpm is None else f"{v.tempo_bpm:.0f} bpm"
        first = f"{tempo} · {v.leads}"
        # Who rests is not late.
        rests = v.source in (None, PoseSource.HOLD)
        second = "at rest" if rests else f"lag {_whole(v.lag_ms)} ms · tick {_whole(v.tick_ms)} ms"
        width = 52 + max(self._small.width(text) for text in (first, second)) / self._scale
        return [
            self._box(8, top, width, 38, _PANEL, 7),
            *self._beat(v, 15, top + 7),
            self._text(first, 48, top + 4, _INK),
            self._text(second, 48, top + 19, _FAINT),
            *(self._message(v.message, foot=_FOOT_PX) if v.message else ()),
        ]

    def _sound(self, level: Level) -> list[NDArray[np.float32]]:
        """By how much the sound is raised, or that there is none; how loud it comes in: mean, and fainter its peak."""
        raised = f"sound {level.gain_db:+.0f} dB" if abs(level.gain_db) >= 0.5 else "sound"
        text = "silence" if level.is_silent else raised
        colour = _BAD if level.is_clipping else _GOOD
        parts = [self._text(text, 17, 81, _WARN if level.is_silent else _FAINT), self._box(110, 86, 66, 5, _TRACK, 2.5)]
        for decibels, strength in ((level.peak_db, 0.45), (level.rms_db, 1.0)):
            if decibels > SILENT_DB:
                width = max(66 * (1.0 - decibels / SILENT_DB), 5)
                parts.append(self._box(110, 86, min(width, 66), 5, (*colour[:3], strength), 2.5))
        return parts

    def _troubles(self, troubles: list[list[str]], top: float) -> list[NDArray[np.float32]]:
        """A lamp and its lines for each."""
        parts = []
        for lines in troubles:
            parts.append(self._box(17, top + 3.5, 8, 8, _BAD, 4))
            parts += [self._text(line, 30, top + _ROW_PX * n, _INK) for n, line in enumerate(lines)]
            top += _ROW_PX * len(lines)
        return parts

    def _wrapped(self, text: str, width: float) -> list[str]:
        """``text`` in lines at most so wide, where its words allow."""
        return self._joined(words_of(text), " ", width)

    def _joined(self, items: list[str], between: str, width: float) -> list[str]:
        """Whole ``items``, with ``between`` between them, in lines at most so wide; at least one line."""
        lines = items[:1] or [""]
        for item in items[1:]:
            longer = f"{lines[-1]}{between}{item}"
            if self._small.width(longer) > width * self._scale:
                lines.append(item)
            else:
                lines[-1] = longer
        return lines

    def _message(self, message: str, foot: float = 0.0) -> list[NDArray[np.float32]]:
        """The line at the bottom, above ``foot``; on a narrow picture as many as it takes, the last at the bottom."""
        parts = []
        for number, line in enumerate(reversed(self._wrapped(message, self._size[0] / self._scale - 36))):
            width, top = self._small.width(line) / self._scale, self._size[1] / self._scale - 30 - foot - 20 * number
            left = (self._size[0] / self._scale - width) / 2
            parts.append(self._box(left - 10, top, width + 20, 20, _PANEL, 7))
            parts.append(self._text(line, left, top + 3, _INK))
        return parts

    def _sight(self, v: SightValues) -> list[NDArray[np.float32]]:
        """A lamp and a line over the foot of the camera's picture; more lines on a narrow one, or in trouble."""
        left, top, width, height = (n / self._scale for n in v.box)
        age = f"{v.age_ms:.0f} ms" if v.age_ms < 1e3 else f"{1e-3 * v.age_ms:.1f} s old"
        figures, room = [f"{v.fps:.0f} fps", age], width - 25
        lines = self._joined([str(v.status), *figures], " · ", room)
        if v.trouble or len(lines) > 1:
            # What is told first stands alone, whatever would still go beside it.
            told = self._wrapped(v.trouble, room) if v.trouble else [str(v.status)]
            lines = [*told, *self._joined(figures, " · ", room)]
        foot = top + height - 2 - _ROW_PX * len(lines)
        lamp = _BAD if v.trouble else _LAMPS[v.status]
        parts = [
            self._box(left, foot, width, 2 + _ROW_PX * len(lines), _PANEL, 0),
            self._box(left + 6, foot + 4.5, 8, 8, lamp, 4),
        ]
        return parts + [self._text(t, left + 19, foot + 1 + _ROW_PX * n, _INK) for n, t in enumerate(lines)]

    def _tick_bar(self, v: HudValues) -> list[NDArray[np.float32]]:
        """The tick's time as a share of its budget."""
        text = f"tick {_whole(v.tick_ms)} / {_whole(v.budget_ms)} ms"
        parts = [self._text(text, 17, 47, _FAINT), self._box(110, 52, 66, 5, _TRACK, 2.5)]
        if v.tick_ms is not None and v.budget_ms:
            share = min(v.tick_ms / v.budget_ms, 1.0)
            colour = _GOOD if share < 0.6 else _WARN if share < 1.0 else _BAD
            parts.append(self._box(110, 52, max(66 * share, 5), 5, colour, 2.5))
        return parts

    def _box(self, x: float, y: float, w: float, h: float, colour: Colour, radius: float) -> NDArray[np.float32]:
        s = self._scale
        return np.array([[x * s, y * s, w * s, h * s, 0, 0, 0, 0, *colour, _BOX, radius * s]], dtype=np.float32)

    def _ring(self, x: float, y: float, size: float, colour: Colour, share: float) -> NDArray[np.float32]:
        s, grown = self._scale, (size - 30) / 2
        box = [(x - grown - 3) * s, (y - grown - 3) * s, size * s, size * s]
        return np.array([[*box, 0, 0, 0, 0, *colour, _RING, share]], dtype=np.float32)

    def _text(
        self, text: str, x: float, y: float, colour: Colour, *, large: bool = False, centre: bool = False
    ) -> NDArray[np.float32]:
        glyphs = self._large if large else self._small
        laid = glyphs.lay_out(text)
        out = np.zeros((len(laid), _INSTANCE_FLOATS), dtype=np.float32)
        out[:, :4] = laid[:, :4]
        shift = -glyphs.width(text) / 2 if centre else 0.0
        out[:, 0] += np.round(x * self._scale + shift)
        out[:, 1] += np.round(y * self._scale)
        height, width = self._atlas_shape
        top = self._small.pixels.shape[0] if large else 0
        out[:, 4:8] = (laid[:, 4:8] + [0, top, 0, 0]) / [width, height, width, height]
        out[:, 8:12] = colour
        return out


def _scale_of(size: tuple[int, int]) -> float:
    """Pixels of a picture of ``size`` for each one of the design."""
    return max(min(size[1] / _DESIGN_HEIGHT_PX, size[0] / _DESIGN_WIDTH_PX), 0.75)


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


class _GlyphSet:
    """One font size: ``pixels`` (H, W) uint8 with all glyphs in rows, and where each one lies.

    ``letters`` beside the usual ones; what no font has is a dash.
    """

    def __init__(self, size_px: int, letters: frozenset[str]) -> None:
        fonts = {c: font_of(c, size_px) for c in (*_CHARACTERS, *sorted(letters))}
        known = {c: font for c, font in fonts.items() if font is not None}
        self._advance = {c: float(font.getlength(c)) for c, font in known.items()}
        self._height = round(size_px * 1.35)
        self._box: dict[str, tuple[int, int, int]] = {}
        x = y = widest = 0
        # Two empty pixels between glyphs keep linear filtering from bleeding.
        for character, advance in self._advance.items():
            width = int(np.ceil(advance)) + 2
            if x + width > _ATLAS_PX:
                x, y = 0, y + self._height + 2
            self._box[character] = (x, y, width)
            x += width + 2
            widest = max(widest, x)
        image = Image.new("L", (widest, y + self._height))
        pen, base = ImageDraw.Draw(image), _ascent(usual_font(size_px))
        for character, (left, top, _) in self._box.items():
            pen.text((left, top + base), character, fill=255, font=known[character], anchor="ls")
        self.pixels = np.asarray(image)
        self.lay_out = lru_cache(maxsize=64)(self._lay_out)

    def width(self, text: str) -> float:
        """Pixels from the start of ``text`` to its end."""
        return sum(self._advance.get(c, self._advance["-"]) for c in text)

    def _lay_out(self, text: str) -> NDArray[np.float32]:
        """(n, 8): box on the screen and box in the atlas of every glyph, pixels."""
        rows = []
        x = 0.0
        for character in text:
            known = character if character in self._box else "-"
            left, top, width = self._box[known]
            rows.append([round(x), 0, width, self._height, left, top, width, self._height])
            x += self._advance[known]
        return np.array(rows, dtype=np.float32).reshape(-1, 8)


@lru_cache(maxsize=16)
def _glyph_set(size_px: int, letters: frozenset[str]) -> _GlyphSet:
    return _GlyphSet(size_px, letters)


def _ascent(font: Font) -> int:
    """Pixels from the top of a line to where its letters stand."""
    return font.getmetrics()[0] if isinstance(font, ImageFont.FreeTypeFont) else 0
