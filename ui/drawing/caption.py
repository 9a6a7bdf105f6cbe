"""A few words at the foot of a picture: whose dance it is, where two are side by side."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ui.drawing.letters import font_of, other_font, usual_font

_SHARE, _LEAST_PX = 1 / 16, 11
_PAPER, _INK = (0, 0, 0, 150), (255, 255, 255, 255)


def captioned(picture: NDArray[np.uint8], words: str) -> NDArray[np.uint8]:
    """The same picture (H, W, 3 or 4) with ``words`` in its lower left corner; what does not fit is cut off."""
    if not words:
        return picture
    label = _label(words, max(round(picture.shape[0] * _SHARE), _LEAST_PX))
    edge = max(label.shape[0] // 3, 2)
    height, width = min(label.shape[0], picture.shape[0]), min(label.shape[1], max(picture.shape[1] - 2 * edge, 0))
    top, done = max(picture.shape[0] - height - edge, 0), picture.copy()
    under, label = done[top : top + height, edge : edge + width], label[:height, :width]
    cover = label[..., 3:].astype(np.float32) / 255.0
    under[..., :3] = np.round(label[..., :3] * cover + under[..., :3] * (1.0 - cover))
    if picture.shape[2] == 4:
        under[..., 3] = np.maximum(under[..., 3], label[..., 3])
    return done


@lru_cache(maxsize=16)
def _label(words: str, height_px: int) -> NDArray[np.uint8]:
    """(height, width, 4)."""
    size_px = round(height_px * 0.66)
    usual = all(font_of(letter, size_px) is usual_font(size_px) for letter in words)
    font = usual_font(size_px) if usual else other_font(size_px) or usual_font(size_px)
    width = round(font.getlength(words) + height_px)
    image = Image.new("RGBA", (width, height_px), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, width - 1, height_px - 1), height_px // 4, fill=_PAPER)
    draw.text((height_px / 2, height_px / 2), words, font=font, fill=_INK, anchor="lm")
    return np.asarray(image)
