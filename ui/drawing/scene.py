"""The stage: dancers with skin, shadow, floor and light, the same in a window and without one.

Data in, pixels out: a ``Scene`` holds no clock and reads no device.
"""

import ctypes
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError, PictureError
from duet.skeleton import BODY
from ui.drawing.arms import Placed
from ui.drawing.avatar import Avatar, BodyPose
from ui.drawing.bones import bones_of
from ui.drawing.cameras import CAMERAS
from ui.drawing.contact import Contact
from ui.drawing.dancer import Dancer
from ui.drawing.holding import outline_m, place_couple
from ui.drawing.hud import Hud, HudValues
from ui.drawing.inset import Inset
from ui.drawing.lighting import View, shared_values, towards_light
from ui.drawing.pixels import averaged
from ui.drawing.programs import Programs
from ui.drawing.stages import STAGES
from ui.drawing.wardrobe import avatar_named
from ui.staging import Staging

LOG = logging.getLogger("duet.picture")
_FAR_ROWS = 400
"""In pictures of so many rows at most bodies are drawn of fewer triangles, where looks are spared."""
_SHADOW_TEXELS, _RICH_SHADOW_TEXELS = 512, 1024
SMOOTHING_SAMPLES = 4
"""Of every pixel, where there is time for it."""


@dataclass(frozen=True)
class SceneState:
    """One picture: who is where at ``time_s`` of the session, and what the panel says (None: no panel)."""

    time_s: float
    follower: BodyPose
    leader: BodyPose | None = None
    hud: HudValues | None = None
    inset: NDArray[np.uint8] | None = None
    """(H, W, 3) a small picture for the corner: what the camera sees."""
    beat_phase: float | None = None
    """[0, 1): 0 on the beat, for lights that pulse; None where no beat is known."""


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


def draws_in_software(context: moderngl.Context) -> bool:
    """Whether the processor draws: then looks are spared that a graphics card has the time for."""
    renderer = str(context.info["GL_RENDERER"])
    return "llvmpipe" in renderer or "softpipe" in renderer


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
    """Draws ``SceneState`` at ``size`` (width, height) pixels, as ``staging`` says.

    ``samples`` > 1 smooths edges; ``rich`` draws softer shadows, for graphics cards and films. ``leader`` and
    ``follower`` stand for the staging's own avatars. ``closes_in``, for stills: each picture as near as the bodies
    allow; ``finer``: drawn so many times as wide and high, and averaged when it is read.
    """

    def __init__(
        self,
        context: moderngl.Context,
        size: tuple[int, int],
        *,
        samples: int = 0,
        staging: Staging | None = None,
        rich: bool = False,
        leader: Avatar | None = None,
        follower: Avatar | None = None,
        closes_in: bool = False,
        finer: int = 1,
    ) -> None:
        self.context = context
        self._closes_in, self._finer = closes_in, finer
        size = size[0] * finer, size[1] * finer
        self._samples = min(samples, context.max_samples) if samples > 1 else 0
        self._programs, self._spares = Programs(context, rich=rich), not rich
        self._avatars = {"leader": leader, "follower": follower}
        self._bodies: dict[str, Avatar] = {}
        """What was read of the avatars that are worn: their files may go."""
        self._corners = context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], dtype=np.float32).tobytes())
        self._contact = Contact(self._programs, self._corners)
        self._plains: dict[tuple[str, ...], moderngl.VertexArray] = {}
        self._texels = _RICH_SHADOW_TEXELS if rich else _SHADOW_TEXELS
        self._shadow_map = context.depth_texture((self._texels, self._texels))
        self._shadow_map.compare_func = "<="
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_target = context.framebuffer(depth_attachment=self._shadow_map)
        self._hud = Hud(context, size)
        self._inset = Inset(context)
        self._size = size
        self._targets = self._make_targets(size)
        self._dancers: dict[str, Dancer] = {}
        self._worn: dict[str, tuple[str, str, str]] = {}
        """Of each dancer: avatar, how it is shown, stage."""
        self.restage(staging or Staging())

    def restage(self, staging: Staging) -> None:
        """Show everything as ``staging`` says from now on; a new camera begins where it likes.

        It happens between two pictures: only what is another by it is built. Raises ``InputError`` where a body cannot
        be read; then all is as it was.
        """
        worn = {getattr(staging, who) for who, given in self._avatars.items() if given is None}
        self._bodies = {avatar: self._body(avatar) for avatar in worn}
        before = getattr(self, "staging", None)
        self.staging = staging
        self._stage = STAGES[staging.stage]
        if before is None or before.camera != staging.camera:
            self.framing = CAMERAS[staging.camera].make()
        self._dress("follower", staging.follower, "body")
        self._dress("leader", staging.leader, staging.leader_as)
        self._floors = [self._plain("floor", *self._stage.defines, *extra) for extra in ((), ("SHADOWED",))]
        self._backdrop = self._plain("backdrop", *self._stage.defines)

    def restage_watched(self, staging: Staging) -> None:
        """``restage`` while people watch: whose body cannot be read keeps the one they wear, and that is warned of."""
        for who in ("follower", "leader"):
            try:
                self._bodies[getattr(staging, who)] = self._body(getattr(staging, who))
            except InputError as error:
                LOG.warning("%s", error)
                staging = staging.altered(**{who: getattr(self.staging, who)})
        self.restage(staging)

    def _body(self, avatar: str) -> Avatar:
        """One that is worn already, or as its file has it. Raises ``InputError``."""
        return self._bodies[avatar] if avatar in self._bodies else avatar_named(avatar)

    def _dress(self, name: str, avatar: str, way: str) -> None:
        """Have a dancer look so on this stage, unless they do already; ``way`` is one of ``LEADER_AS``."""
        worn = avatar, way, self.staging.stage
        if self._worn.get(name) == worn:
            return
        body = self._avatars[name] or self._bodies[avatar]
        if way == "skeleton":
            body = bones_of(body)
        if name in self._dancers:
            self._dancers.pop(name).release()
        dancer = Dancer(self._programs, body, self._stage.defines, is_ghost=way == "ghost", spares=self._spares)
        dancer.prepare(mirrored=self._stage.mirrors > 0.0)
        self._dancers[name], self._worn[name] = dancer, worn

    def _plain(self, *program: str) -> moderngl.VertexArray:
        """A rectangle drawn by a program."""
        if program not in self._plains:
            content = [(self._corners, "2f", "in_corner")]
            self._plains[program] = self.context.vertex_array(self._programs.get(*program), content)
        return self._plains[program]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as they are drawn."""
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
        dancers, placed = self.place(state)
        aspect = self._size[0] / self._size[1]
        light, reach_m = self.framing.light_from_world(towards_light(self._stage), self._texels)
        grounded = [places for dancer, places in zip(dancers, placed, strict=True) if not dancer.is_ghost]
        view = View(self.framing, aspect, light, reach_m)
        self._programs.write(shared_values(self._stage, view, state.beat_phase, state.time_s))
        self._draw_shadows(dancers)
        target = self._targets[0]
        target.use()
        target.clear(0.0, 0.0, 0.0, 0.0 if self._stage.is_clear else 1.0)
        self._draw_stage(dancers, grounded, reach_m)
        if self._samples:
            self.context.copy_framebuffer(self._targets[1], target)
            self._targets[1].use()
        if state.inset is not None:
            self._inset.draw(state.inset, self._targets[1])
        if state.hud is not None:
            self._hud.draw(state.hud)

    def warm(self) -> None:
        """Draw two who stand there, for nobody: drivers translate and load what is drawn first, for half a second and
        more, in which a dance would stand still."""
        upright = np.tile(np.array([1.0, 0.0, 0.0, 0.0], dtype=np.float32), (len(BODY), 1))
        height_m = BODY.rest_joints_m[0, 1]
        bodies = [BodyPose(np.array([0.0, height_m, z_m], dtype=np.float32), upright) for z_m in (-0.5, 0.5)]
        # The camera that the audience sees by begins with the dance.
        framing, self.framing = self.framing, CAMERAS[self.staging.camera].make()
        self.draw(SceneState(0.0, *bodies, hud=HudValues()))
        self.read()
        self.framing = framing

    def read(self) -> NDArray[np.uint8]:
        """(height, width, 3) the finished picture, top row first."""
        return self._read(3)

    def read_clear(self) -> NDArray[np.uint8]:
        """(height, width, 4) the same with its alpha, not premultiplied, as PNG files have it."""
        pixels = self._read(4).astype(np.uint16)
        alpha = np.maximum(pixels[..., 3:], 1)
        pixels[..., :3] = np.minimum((pixels[..., :3] * 255 + alpha // 2) // alpha, 255)
        return pixels.astype(np.uint8)

    def _read(self, components: int) -> NDArray[np.uint8]:
        wait_for_pictures()
        width, height = self._size
        pixels = np.frombuffer(self._targets[1].read(components=components, alignment=1), dtype=np.uint8)
        picture = np.ascontiguousarray(pixels.reshape(height, width, components)[::-1])
        return picture if self._finer == 1 else averaged(picture, self._finer)

    def place(self, state: SceneState) -> tuple[list[Dancer], list[Placed]]:
        """Who is to be drawn, the follower first, posed and in the camera's view; and where their joints are."""
        poses = [state.follower] if state.leader is None else [state.follower, state.leader]
        dancers = [self._dancers["follower"], self._dancers["leader"]][: len(poses)]
        placed, eyes_m = place_couple([dancer.avatar for dancer in dancers], poses)
        if self.staging.leader_as == "none":
            poses, dancers = poses[:1], dancers[:1]
            placed, _ = place_couple([dancers[0].avatar], poses)
        for dancer, (joints, turns) in zip(dancers, placed, strict=True):
            dancer.bend(joints, turns)
            dancer.is_far = self._spares and self._size[1] <= _FAR_ROWS
        roots = np.array([pose.root_m for pose in poses], dtype=np.float64)
        aspect = self._size[0] / self._size[1]
        self.framing.follow(roots, state.time_s, aspect, eyes_m)
        if self._closes_in:
            self.framing.close_in(outline_m([dancer.avatar for dancer in dancers], placed), aspect)
        return dancers, placed

    def _draw_shadows(self, dancers: list[Dancer]) -> None:
        self.context.disable(moderngl.BLEND)
        self.context.enable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        self.context.front_face = "ccw"
        self._shadow_target.use()
        self._shadow_target.clear(depth=1.0)
        for dancer in dancers:
            if not dancer.is_ghost:
                dancer.cast()

    def _draw_stage(self, dancers: list[Dancer], grounded: list[Placed], reach_m: float) -> None:
        """Front to back, so that hidden floor and wall are not shaded; ghosts over it all."""
        self._shadow_map.use(0)
        ways = ("cw", "ccw") if self.framing.is_mirrored else ("ccw", "cw")
        self.context.front_face = ways[0]
        for dancer in dancers:
            if not dancer.is_ghost:
                dancer.show()
        if self._stage.mirrors:
            self.context.front_face = ways[1]
            for dancer in dancers:
                if not dancer.is_ghost:
                    dancer.mirror()
            self.context.front_face = ways[0]
        self.context.disable(moderngl.CULL_FACE)
        self._draw_floor(reach_m)
        self._contact.draw(grounded)
        if not self._stage.is_clear:
            self._backdrop.render(moderngl.TRIANGLE_STRIP)
        self.context.enable(moderngl.CULL_FACE)
        for dancer in dancers:
            if dancer.is_ghost:
                dancer.haunt(self._targets[0])

    def _draw_floor(self, reach_m: float) -> None:
        """Only the floor near the dancers can lie in shadow; the rest, a hair lower, is spared the look-up."""
        context, middle = self.context, self.framing.target_m[[0, 2]]
        if self._stage.mirrors:
            # Added to a share of what was drawn under it: the mirror images.
            context.enable(moderngl.BLEND)
            over: Any = moderngl.ONE, moderngl.SRC_ALPHA, moderngl.ZERO, moderngl.ONE
            context.blend_func = over  # the binding's type knows only two of the four
        elif self._stage.is_clear:
            context.enable(moderngl.BLEND)
            context.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        far, near = self._floors
        near.program["patch_m"] = (*middle, reach_m, 0.0)
        near.render(moderngl.TRIANGLE_STRIP)
        if not self._stage.is_clear:
            far.program["patch_m"] = (*middle, self._stage.depth_m, -0.01)
            far.render(moderngl.TRIANGLE_STRIP)
        context.disable(moderngl.BLEND)
