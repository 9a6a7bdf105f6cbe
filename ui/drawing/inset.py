"""A small picture over the stage's picture: in the corner, framed, at its own proportions."""

import moderngl
import numpy as np
from numpy.typing import NDArray

from ui.drawing.shaders import build_program

SHARE = 0.36
"""Of the stage picture's height."""
MARGIN = 0.022
FOOT = 0.1
"""The message along the bottom stays free."""


def inset_box(picture: tuple[int, int], screen: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, top, width, height) in pixels of a ``picture`` (width, height) on a ``screen``: at the right, low down."""
    height = SHARE * screen[1]
    width = height * picture[0] / picture[1]
    if width > 0.5 * screen[0]:
        width, height = 0.5 * screen[0], 0.5 * screen[0] * picture[1] / picture[0]
    margin = MARGIN * screen[1]
    left, top = screen[0] - margin - width, (1.0 - FOOT) * screen[1] - height
    return round(left), round(top), round(width), round(height)


class Inset:
    """Draws pictures (H, W, 3) uint8, top row first, over the framebuffer in use."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        corners = context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], dtype=np.float32).tobytes())
        self._program = build_program(context, "inset")
        self._rectangle = context.vertex_array(self._program, [(corners, "2f", "in_corner")])
        self._texture: moderngl.Texture | None = None

    def draw(self, picture: NDArray[np.uint8], target: moderngl.Framebuffer) -> None:
        """Draw into ``target``, which must be in use; leaves its viewport as it was."""
        height, width = picture.shape[:2]
        if self._texture is None or self._texture.size != (width, height):
            if self._texture is not None:
                self._texture.release()
            self._texture = self._context.texture((width, height), 3, alignment=1)
        self._texture.write(np.ascontiguousarray(picture), alignment=1)
        screen = target.size
        left, top, wide, high = inset_box((width, height), screen)
        self._context.disable(moderngl.DEPTH_TEST | moderngl.CULL_FACE | moderngl.BLEND)
        target.viewport = (left, screen[1] - top - high, wide, high)
        self._texture.use(0)
        self._rectangle.render(moderngl.TRIANGLE_STRIP)
        target.viewport = (0, 0, *screen)
