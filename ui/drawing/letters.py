"""Which letters can be written over a picture, and by which font.

Pillow brings one that knows English. What it lacks (Latin with its marks, Greek, Cyrillic, Vietnamese) is written in
Roboto, which comes with the panel's library (imgui-bundle, Apache 2.0).
"""

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_ROBOTO = Path("assets") / "fonts" / "Roboto" / "Roboto-Regular.ttf"
UNBROKEN = "\u00a0"
"""A blank at which no line is broken; it is written as any other."""
_NO_LETTER = "\uffff"
_TRIED_PX = 20
_GAPS = re.compile(rf"[^\S{UNBROKEN}]+")


@lru_cache(maxsize=16)
def usual_font(size_px: int) -> Font:
    """Pillow's own."""
    return ImageFont.load_default(size_px)


@lru_cache(maxsize=16)
def other_font(size_px: int) -> Font | None:
    """The one for what the usual one lacks; None where it is not installed."""
    found = find_spec("imgui_bundle")
    for place in (found.submodule_search_locations or []) if found is not None else []:
        if (file := Path(place) / _ROBOTO).is_file():
            return ImageFont.truetype(str(file), size_px)
    return None


def font_of(character: str, size_px: int) -> Font | None:
    """The font that has it; None for none."""
    if _has(character, usual=True):
        return usual_font(size_px)
    return other_font(size_px) if _has(character, usual=False) else None


def words_of(text: str) -> list[str]:
    """What lines may be broken between, as it is written: all blanks but ``UNBROKEN`` part it."""
    return [word.replace(UNBROKEN, " ") for word in _GAPS.split(text) if word]


def unknown_letters(text: str) -> str:
    """Those that no font has, each once, in their order."""
    return "".join(dict.fromkeys(c for c in text if font_of(c, _TRIED_PX) is None))


@lru_cache(maxsize=4096)
def _has(character: str, *, usual: bool) -> bool:
    font = usual_font(_TRIED_PX) if usual else other_font(_TRIED_PX)
    if font is None:
        return False
    # What a font lacks is drawn as its sign for that.
    return character.isspace() or _drawn(character, font) != _drawn(_NO_LETTER, font)


def _drawn(character: str, font: Font) -> bytes:
    image = Image.new("L", (2 * _TRIED_PX, 2 * _TRIED_PX))
    ImageDraw.Draw(image).text((0, 0), character, fill=255, font=font)
    return image.tobytes()
