"""Dear ImGui on moderngl and glfw: its triangles are drawn, its textures kept, and the mouse is told to it.

Its own Python backend wants PyOpenGL and the window's every callback; a panel without text fields needs neither.
"""

import ctypes
from pathlib import Path
from typing import Any

import glfw
import imgui_bundle
import moderngl
import numpy as np
from imgui_bundle import imgui
from numpy.typing import NDArray

from ui.drawing.shaders import build_program

_FONTS = Path(imgui_bundle.__file__).parent / "assets" / "fonts" / "Roboto"
_VERTEX = imgui.VERTEX_SIZE


class ImguiCanvas:
    """Draws what ImGui was asked for into the screen of ``context``. One in a process."""

    def __init__(self, window: Any, context: moderngl.Context) -> None:
        self._window, self._context = window, context
        imgui.create_context()
        self._io = imgui.get_io()
        self._io.set_ini_filename("")
        self._io.backend_flags |= imgui.BackendFlags_.renderer_has_textures.value
        self.regular = self._io.fonts.add_font_from_file_ttf(str(_FONTS / "Roboto-Regular.ttf"), 16.0)
        self.bold = self._io.fonts.add_font_from_file_ttf(str(_FONTS / "Roboto-Bold.ttf"), 16.0)
        self._program = build_program(context, "imgui")
        self._textures: dict[int, moderngl.Texture] = {}
        self._vertices = context.buffer(reserve=_VERTEX * 4096, dynamic=True)
        self._indices = context.buffer(reserve=imgui.INDEX_SIZE * 8192, dynamic=True)
        self._array = self._make_array()
        self._last_s = glfw.get_time()
        glfw.set_cursor_pos_callback(window, self._on_move)
        glfw.set_mouse_button_callback(window, self._on_button)
        glfw.set_scroll_callback(window, self._on_scroll)
        self._touched = False
        self.ground = (0.0, 0.0, 0.0, 1.0)
        """What is seen where nothing is drawn."""

    def begin(self, size: tuple[int, int]) -> None:
        """A new picture of ``size`` pixels."""
        now_s = glfw.get_time()
        self._io.display_size = imgui.ImVec2(*size)
        self._io.delta_time = max(now_s - self._last_s, 1e-3)
        self._last_s = now_s
        imgui.new_frame()

    def end(self) -> None:
        """Draw it."""
        imgui.render()
        data = imgui.get_draw_data()
        for texture in imgui.get_platform_io().textures:
            if texture.status != imgui.ImTextureStatus.ok:
                self._renew(texture)
        width, height = (int(n) for n in data.display_size)
        context = self._context
        context.screen.use()
        context.viewport = (0, 0, width, height)
        context.scissor = None
        context.clear(*self.ground)
        context.disable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        context.enable(moderngl.BLEND)
        context.blend_func = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
        self._program["screen_px"] = (float(width), float(height))
        for commands in data.cmd_lists:
            self._draw(commands, height)
        context.scissor = None

    def texture_of(self, picture: NDArray[np.uint8], before: "imgui.ImTextureRef | None") -> "imgui.ImTextureRef":
        """A picture (H, W, 3) as ImGui names it; takes the place of ``before``."""
        height, width = picture.shape[:2]
        known = None if before is None else self._textures.get(before.get_tex_id())
        if known is not None and before is not None and known.size == (width, height):
            known.write(np.ascontiguousarray(picture), alignment=1)
            return before
        if known is not None:
            self._textures.pop(known.glo).release()
        made = self._context.texture((width, height), 3, np.ascontiguousarray(picture).tobytes(), alignment=1)
        self._textures[made.glo] = made
        return imgui.ImTextureRef(made.glo)

    def take_touched(self) -> bool:
        """Whether the mouse moved, pressed or scrolled since the last call."""
        touched, self._touched = self._touched, False
        return touched

    def close(self) -> None:
        """Let go of ImGui."""
        imgui.destroy_context()

    def _make_array(self) -> moderngl.VertexArray:
        content = [(self._vertices, "2f 2f 4f1", "in_place", "in_source", "in_colour")]
        return self._context.vertex_array(self._program, content, self._indices, index_element_size=imgui.INDEX_SIZE)

    def _draw(self, commands: "imgui.ImDrawList", height: int) -> None:
        vertices = ctypes.string_at(commands.vtx_buffer.data_address(), commands.vtx_buffer.size() * _VERTEX)
        indices = ctypes.string_at(commands.idx_buffer.data_address(), commands.idx_buffer.size() * imgui.INDEX_SIZE)
        if len(vertices) > self._vertices.size or len(indices) > self._indices.size:
            self._array.release()
            self._vertices.orphan(2 * max(len(vertices), self._vertices.size))
            self._indices.orphan(2 * max(len(indices), self._indices.size))
            self._array = self._make_array()
        self._vertices.write(vertices)
        self._indices.write(indices)
        for command in commands.cmd_buffer:
            left, top, right, bottom = (int(n) for n in command.clip_rect)
            if right <= left or bottom <= top:
                continue
            self._context.scissor = (left, height - bottom, right - left, bottom - top)
            self._textures[command.tex_ref.get_tex_id()].use(0)
            self._array.render(moderngl.TRIANGLES, vertices=command.elem_count, first=command.idx_offset)

    def _renew(self, texture: "imgui.ImTextureData") -> None:
        """Make, update or forget one of ImGui's own textures: glyphs, as they are first needed."""
        status = imgui.ImTextureStatus
        if texture.status == status.want_destroy:
            self._textures.pop(texture.tex_id).release()
            texture.set_tex_id(0)
            texture.status = status.destroyed
            return
        pixels = texture.get_pixels_array().tobytes()
        if texture.status == status.want_create:
            made = self._context.texture((texture.width, texture.height), texture.bytes_per_pixel, pixels, alignment=1)
            self._textures[made.glo] = made
            texture.set_tex_id(made.glo)
        else:
            self._textures[texture.tex_id].write(pixels, alignment=1)
        texture.status = status.ok

    def _on_move(self, _: Any, x: float, y: float) -> None:
        wide = max(glfw.get_window_size(self._window)[0], 1)
        dense = glfw.get_framebuffer_size(self._window)[0] / wide
        self._io.add_mouse_pos_event(x * dense, y * dense)
        self._touched = True

    def _on_scroll(self, _: Any, x: float, y: float) -> None:
        self._io.add_mouse_wheel_event(x, y)
        self._touched = True

    def _on_button(self, window: Any, button: int, action: int, _: int) -> None:
        # Where it is pressed, wherever the pointer was told to be last: a click may come without a move.
        self._on_move(window, *glfw.get_cursor_pos(window))
        self._io.add_mouse_button_event(button, action == glfw.PRESS)
