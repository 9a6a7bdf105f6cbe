"""The stage: two dancers with skin, shadow, floor and light, the same in a window and without one.

Data in, pixels out: a ``Scene`` holds no clock and reads no device.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from duet.errors import PictureError
from ui.avatar import Avatar, BodyPose, shipped_avatar
from ui.framing import Framing
from ui.hud import Hud, HudValues
from ui.inset import Inset
from ui.shaders import build_program

_TOWARDS_LIGHT = np.array([0.42, 0.80, 0.43]) / np.linalg.norm([0.42, 0.80, 0.43])
_SHADOW_TEXELS = 512
_BONE_ROWS = 192
_FAR_FLOOR_M = 40.0


@dataclass(frozen=True)
class SceneState:
    """One picture: who is where at ``time_s`` of the session, and what the panel says (None: no panel)."""

    time_s: float
    follower: BodyPose
    leader: BodyPose | None = None
    hud: HudValues | None = None
    inset: NDArray[np.uint8] | None = None
    """(H, W, 3) a small picture for the corner: what the camera sees."""


def limit_software_threads(threads: int = 1) -> None:
    """Keeps software OpenGL (Mesa's llvmpipe) from taking every core; call before a context is made.

    An LP_NUM_THREADS in the environment goes before.
    """
    os.environ.setdefault("LP_NUM_THREADS", str(threads))


def create_headless_context(threads: int = 1) -> moderngl.Context:
    """An OpenGL 3.3 context without a window: by EGL on Linux, else by the system's own way.

    ``threads`` as in ``limit_software_threads``. Raises ``PictureError`` when there is none.
    """
    limit_software_threads(threads)
    choices: tuple[dict[str, Any], ...] = ({},)
    hint = "Update the graphics driver and start from a desktop session."
    if sys.platform.startswith("linux"):
        # The plain names exist only with -dev packages, the versioned ones on every machine with a driver.
        choices = {"backend": "egl", "libgl": "libGL.so.1", "libegl": "libEGL.so.1"}, {"backend": "egl"}
        hint = "Install a driver (Debian: apt install libegl1 libgl1 libgl1-mesa-dri)."
    failures: list[str] = []
    for settings in choices:
        try:
            return moderngl.create_context(require=330, standalone=True, **settings)
        except Exception as error:  # the binding raises nothing narrower
            failures.append(str(error))
    raise PictureError(f"Picture: expected OpenGL 3.3 without a window, got {failures[0]!r}. {hint}")


def wait_for_pictures() -> None:
    """Wait until everything drawn so far is drawn, without holding Python's interpreter lock.

    The binding holds the lock while it reads pixels, and with software rendering that is most of a frame's
    work: the loop beside it would come late. A foreign call by ctypes lets go of it.
    """
    finish = _finish_call()
    if finish is not None:
        finish()


@lru_cache(maxsize=1)
def _finish_call() -> Callable[[], object] | None:
    """``glFinish`` of this system's OpenGL library; None where it goes by another name: reading waits as well."""
    for name in ("libGL.so.1", "libOpenGL.so.0", "opengl32"):
        try:
            return ctypes.CDLL(name).glFinish
        except (OSError, AttributeError):
            continue
    return None


class Scene:
    """Draws ``SceneState`` at ``size`` (width, height) pixels; ``samples`` > 1 smooths edges."""

    def __init__(
        self,
        context: moderngl.Context,
        size: tuple[int, int],
        *,
        samples: int = 0,
        leader: Avatar | None = None,
        follower: Avatar | None = None,
    ) -> None:
        self.context = context
        self.framing = Framing()
        self._samples = min(samples, context.max_samples) if samples > 1 else 0
        self._body_program = build_program(context, "body")
        self._shadow_program = build_program(context, "shadow")
        self._floor_programs = build_program(context, "floor"), build_program(context, "floor", "SHADOWED")
        self._backdrop_program = build_program(context, "backdrop")
        self._leader = _Dancer(self, leader or shipped_avatar("leader"))
        self._follower = _Dancer(self, follower or shipped_avatar("follower"))
        corners = context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], dtype=np.float32).tobytes())
        self._floors = [context.vertex_array(p, [(corners, "2f", "in_corner")]) for p in self._floor_programs]
        self._backdrop = context.vertex_array(self._backdrop_program, [(corners, "2f", "in_corner")])
        self._shadow_map = context.depth_texture((_SHADOW_TEXELS, _SHADOW_TEXELS))
        self._shadow_map.compare_func = "<="
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_target = context.framebuffer(depth_attachment=self._shadow_map)
        self._hud = Hud(context, size)
        self._inset = Inset(context)
        self._size = size
        self._targets = self._make_targets(size)

    def body_array(self, vertices: moderngl.Buffer, faces: moderngl.Buffer) -> list[moderngl.VertexArray]:
        """The shadow's and the picture's vertex array over one avatar's buffers."""
        shadow = [(vertices, "3f 8x 4u1 4f1", "in_position", "in_bones", "in_weights")]
        names = "in_position", "in_normal", "in_colour", "in_bones", "in_weights"
        body = [(vertices, "3f 4i1 4f1 4u1 4f1", *names)]
        return [
            self.context.vertex_array(program, content, faces, index_element_size=2)
            for program, content in ((self._shadow_program, shadow), (self._body_program, body))
        ]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._size

    def resize(self, size: tuple[int, int]) -> None:
        """Draw at ``size`` pixels from now on."""
        if size[0] < 1 or size[1] < 1:
            raise PictureError(f"Picture: expected at least 1x1 pixels, got {size[0]}x{size[1]}. Give a size WxH.")
        for target in set(self._targets):
            for attachment in (*target.color_attachments, target.depth_attachment):
                attachment.release()
            target.release()
        self._targets = self._make_targets(size)
        self._size = size
        self._hud.resize(size)

    def _make_targets(self, size: tuple[int, int]) -> tuple[moderngl.Framebuffer, moderngl.Framebuffer]:
        """What is drawn into, and the finished picture; the same without smooth edges."""
        context = self.context
        self._picture = context.texture(size, 4)
        plain = context.framebuffer([self._picture], context.depth_renderbuffer(size))
        if not self._samples:
            return plain, plain
        colour = context.renderbuffer(size, samples=self._samples)
        depth = context.depth_renderbuffer(size, samples=self._samples)
        return context.framebuffer([colour], depth), plain

    @property
    def picture(self) -> moderngl.Texture:
        """The finished picture, bottom row first as OpenGL has it, for showing it elsewhere."""
        return self._picture

    def draw(self, state: SceneState) -> None:
        """Draws into ``picture``."""
        shown = [(self._follower, state.follower)]
        if state.leader is not None:
            shown.append((self._leader, state.leader))
        for dancer, pose in shown:
            dancer.pose(pose)
        aspect = self._size[0] / self._size[1]
        self.framing.follow(np.array([pose.root_m for _, pose in shown], dtype=np.float64), state.time_s, aspect)
        light, reach_m = self.framing.light_from_world(_TOWARDS_LIGHT, _SHADOW_TEXELS)
        self._light(light, aspect)
        self._draw_shadows([dancer for dancer, _ in shown])
        target = self._targets[0]
        target.use()
        target.clear(0.0, 0.0, 0.0, 1.0)
        self._draw_stage([dancer for dancer, _ in shown], reach_m)
        if self._samples:
            self.context.copy_framebuffer(self._targets[1], target)
            self._targets[1].use()
        if state.inset is not None:
            self._inset.draw(state.inset, self._targets[1])
        if state.hud is not None:
            self._hud.draw(state.hud)

    def read(self) -> NDArray[np.uint8]:
        """(height, width, 3) the finished picture, top row first."""
        wait_for_pictures()
        width, height = self._size
        pixels = np.frombuffer(self._targets[1].read(components=3, alignment=1), dtype=np.uint8)
        return np.ascontiguousarray(pixels.reshape(height, width, 3)[::-1])

    def _light(self, light: NDArray[np.float64], aspect: float) -> None:
        """Hands camera and light to every program."""
        clip_from_world = self.framing.clip_from_world(aspect)
        values = {
            "clip_from_world": _columns(clip_from_world),
            "light_from_world": _columns(light),
            "eye_m": _floats(self.framing.eye_m),
            "towards_light": _floats(_TOWARDS_LIGHT),
            "pool_m": _floats(self.framing.target_m[[0, 2]]),
        }
        for program in (self._body_program, self._shadow_program, *self._floor_programs):
            for name, value in values.items():
                # Drivers drop the uniforms that a program has no use for.
                uniform = program.get(name, None)
                if isinstance(uniform, moderngl.Uniform):
                    uniform.write(value)
        ahead = self.framing.target_m - self.framing.eye_m
        far_away = self.framing.eye_m + np.array([ahead[0], 0.0, ahead[2]]) * 1e4
        horizon = clip_from_world @ np.append(far_away, 1.0)
        self._backdrop_program["horizon"] = float(horizon[1] / horizon[3])
        self._backdrop_program["aspect"] = aspect

    def _draw_shadows(self, dancers: "list[_Dancer]") -> None:
        self.context.disable(moderngl.BLEND)
        self.context.enable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        self._shadow_target.use()
        self._shadow_target.clear(depth=1.0)
        for dancer in dancers:
            dancer.cast()

    def _draw_stage(self, dancers: "list[_Dancer]", reach_m: float) -> None:
        """Front to back, so that hidden floor and wall are not shaded."""
        self._shadow_map.use(0)
        for dancer in dancers:
            dancer.show()
        self.context.disable(moderngl.CULL_FACE)
        middle = self.framing.target_m[[0, 2]]
        # Only the floor near the dancers can lie in shadow; the rest, a hair lower, is spared the look-up.
        patches = (_FAR_FLOOR_M, -0.01), (reach_m, 0.0)
        for program, floor, patch in reversed(list(zip(self._floor_programs, self._floors, patches, strict=True))):
            program["patch_m"] = (*middle, *patch)
            floor.render(moderngl.TRIANGLE_STRIP)
        self._backdrop.render(moderngl.TRIANGLE_STRIP)


class _Dancer:
    """An avatar on the graphics card."""

    def __init__(self, scene: Scene, avatar: Avatar) -> None:
        self._avatar = avatar
        layout = [("p", "f4", 3), ("n", "i1", 4), ("c", "u1", 4), ("i", "u1", 4), ("w", "u1", 4)]
        table = np.zeros(len(avatar.vertices_m), dtype=layout)
        table["p"], table["c"], table["i"], table["w"] = (
            avatar.vertices_m, avatar.colours, avatar.bone_index, avatar.bone_weight,
        )  # fmt: skip
        table["n"][:, :3] = avatar.normals
        vertices = scene.context.buffer(table.tobytes())
        faces = scene.context.buffer(avatar.faces.tobytes())
        self._shadow, self._body = scene.body_array(vertices, faces)
        self._bones = scene.context.buffer(reserve=_BONE_ROWS * 16, dynamic=True)

    def pose(self, pose: BodyPose) -> None:
        """Bends the skin to ``pose``."""
        self._bones.write(self._avatar.skin_matrices(pose).tobytes())

    def cast(self) -> None:
        """Draws into the shadow map."""
        self._bones.bind_to_uniform_block(0)
        self._shadow.render()

    def show(self) -> None:
        """Draws into the picture."""
        self._bones.bind_to_uniform_block(0)
        self._body.render()


def _floats(vector: NDArray[np.float64]) -> bytes:
    return vector.astype(np.float32).tobytes()


def _columns(matrix: NDArray[np.float64]) -> bytes:
    """A (4, 4) matrix as OpenGL reads it: column after column."""
    return np.ascontiguousarray(matrix.T, dtype=np.float32).tobytes()
