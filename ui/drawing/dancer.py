"""One avatar on the graphics card: bent to a pose, it casts its shadow, shows itself, its mirror image or its ghost."""

from functools import cached_property

import moderngl
import numpy as np
from numpy.typing import NDArray

from ui.drawing.avatar import Avatar
from ui.drawing.programs import Programs

_BONE_ROWS = 192
_SHADOW_CONTENT = "3f 8x 4u1 4f1", "in_position", "in_bones", "in_weights"
_BODY_CONTENT = "3f 4i1 4f1 4u1 4f1", "in_position", "in_normal", "in_colour", "in_bones", "in_weights"


class Dancer:
    """Draws ``avatar`` on a stage of such ``defines``; ``is_ghost``: see-through, without shadow.

    ``spares``: its shadow and mirror image, and while ``is_far`` it, too, are of fewer triangles. Software shades
    sixteen pixels for each triangle, however small that is.
    """

    def __init__(
        self,
        programs: Programs,
        avatar: Avatar,
        defines: tuple[str, ...] = (),
        *,
        is_ghost: bool = False,
        spares: bool = False,
    ) -> None:
        self.avatar, self.is_ghost = avatar, is_ghost
        self._defines = defines
        self._programs = programs
        context = programs.context
        layout = [("p", "f4", 3), ("n", "i1", 4), ("c", "u1", 4), ("i", "u1", 4), ("w", "u1", 4)]
        table = np.zeros(len(avatar.vertices_m), dtype=layout)
        table["p"], table["c"], table["i"], table["w"] = (
            avatar.vertices_m, avatar.colours, avatar.bone_index, avatar.bone_weight,
        )  # fmt: skip
        table["n"][:, :3] = avatar.normals
        self._vertices = context.buffer(table.tobytes())
        far = avatar.far_faces if spares and avatar.far_faces is not None else avatar.faces
        casting = avatar.far_casting_faces if spares else avatar.casting_faces
        self._faces, self._far_faces, self._casting = (
            context.buffer(faces.astype(avatar.faces.dtype).tobytes()) for faces in (avatar.faces, far, casting)
        )
        self.is_far = False
        self._bones = context.buffer(reserve=_BONE_ROWS * 16, dynamic=True)
        self._skin = "GHOST" if is_ghost else "GLOW" if avatar.is_glowing else "SKIN"

    def _array(self, faces: moderngl.Buffer, name: str, *defines: str) -> moderngl.VertexArray:
        program = self._programs.get(name, *defines)
        content = _SHADOW_CONTENT if name == "shadow" else _BODY_CONTENT
        size = self.avatar.faces.itemsize
        return self._programs.context.vertex_array(
            program, [(self._vertices, *content)], faces, index_element_size=size
        )

    @cached_property
    def _shadow(self) -> moderngl.VertexArray:
        return self._array(self._casting, "shadow")

    @cached_property
    def _body(self) -> moderngl.VertexArray:
        return self._array(self._faces, "body", self._skin, *self._defines)

    @cached_property
    def _far_body(self) -> moderngl.VertexArray:
        return self._array(self._far_faces, "body", self._skin, *self._defines)

    @cached_property
    def _mirrored(self) -> moderngl.VertexArray:
        return self._array(self._far_faces, "body", self._skin, "MIRRORED", *self._defines)

    def prepare(self, *, mirrored: bool) -> None:
        """Build what will be drawn, before the frame's values are handed out."""
        _ = self._shadow, self._body, self._far_body, mirrored and self._mirrored

    def bend(self, joints_m: NDArray[np.float64], turns: NDArray[np.float64]) -> None:
        """Bend the skin to joints (55, 3) and their global rotations (55, 3, 3)."""
        self._bones.write(self.avatar.skin_between(joints_m, turns).tobytes())

    def cast(self) -> None:
        """Draw into the shadow map."""
        self._render(self._shadow)

    def show(self) -> None:
        """Draw into the picture."""
        self._render(self._far_body if self.is_far else self._body)

    def mirror(self) -> None:
        """Draw upside down below the floor; whoever calls swaps which side of a triangle is its front."""
        self._render(self._mirrored)

    def haunt(self, target: moderngl.Framebuffer) -> None:
        """Draw over what is in ``target``: the nearest skin only, or one would see a body's inside."""
        context = self._programs.context
        target.color_mask = False, False, False, False
        self.show()
        target.color_mask = True, True, True, True
        context.depth_func = "<="
        context.enable(moderngl.BLEND)
        context.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        self.show()
        context.disable(moderngl.BLEND)
        context.depth_func = "<"

    def release(self) -> None:
        """Give back what it holds on the graphics card."""
        for name in ("_shadow", "_body", "_far_body", "_mirrored"):
            if name in self.__dict__:
                self.__dict__[name].release()
        for buffer in (self._vertices, self._faces, self._far_faces, self._casting, self._bones):
            buffer.release()

    def _render(self, array: moderngl.VertexArray) -> None:
        self._bones.bind_to_uniform_block(0)
        array.render()
