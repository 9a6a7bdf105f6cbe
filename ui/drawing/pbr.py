"""The other film renderer: physically based materials by pyrender (extra ``duet[film]``), by EGL or by OSMesa.

The bodies, the cameras and where everybody stands are the same as in ``ui.drawing.scene``; light and floor are rebuilt
from the stage's own values. It is several times slower: for stills and films, and for machines where only OSMesa draws.
"""

import ctypes
import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.errors import PictureError
from duet.extras import how_to_install
from ui.drawing.avatar import Avatar
from ui.drawing.bones import bones_of
from ui.drawing.cameras import CAMERAS
from ui.drawing.framing import Framing, look_at
from ui.drawing.holding import outline_m, place_couple
from ui.drawing.lighting import towards_light
from ui.drawing.pixels import averaged
from ui.drawing.scene import SceneState
from ui.drawing.stages import STAGES, Stage
from ui.drawing.wardrobe import avatar_named
from ui.staging import Staging

PLATFORM_VARIABLE = "PYOPENGL_PLATFORM"
SAMPLES = 4
"""Of every pixel: what pyrender always takes."""
_FLOOR_M, _BOARD_M, _TILE_M = 8.0, 1.0 / 7.0, 0.5
_GLOSSES = (0.0, 0.3, 0.65)
"""Where a vertex's gloss makes its triangles another material's: matt, satin, polished."""
_ROUGHNESS = (0.85, 0.5, 0.25)
_KEY_LUX, _FILL_LUX = 3.0, 1.6
_RIM_M = 3.0
_STRIPS = 26


def load_pyrender() -> Any:
    """The package, on EGL where it draws, else on OSMesa. Raises ``PictureError`` where it is not installed."""
    if sys.platform.startswith("linux") and PLATFORM_VARIABLE not in os.environ:
        os.environ[PLATFORM_VARIABLE] = "egl" if _loads("libEGL.so.1") else "osmesa"
    try:
        import pyrender  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise PictureError(
            f"--renderer pyrender: expected the package pyrender2, got none ({error}). "
            f"Install it: {how_to_install('film')}"
        ) from error
    return pyrender


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


class PbrEngine:
    """What draws at ``size`` (width, height) pixels: one in a process: its end is the end of the display."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.pyrender = load_pyrender()
        # OSMesa smooths no edges and knows no transparency: four pixels become one, and depth tells what is clear.
        self._times = 2 if os.environ.get(PLATFORM_VARIABLE) == "osmesa" else 1
        try:
            self._renderer = self.pyrender.OffscreenRenderer(size[0] * self._times, size[1] * self._times)
        except Exception as error:  # the package raises what its platforms raise
            raise PictureError(
                f"--renderer pyrender: expected OpenGL ({os.environ.get(PLATFORM_VARIABLE, 'window')}), got {error!r}. "
                f"Install libegl1 and libgl1-mesa-dri, or libosmesa6 and set {PLATFORM_VARIABLE}=osmesa."
            ) from error

    def pixels(self, scene: Any) -> NDArray[np.uint8]:
        """(height, width, 4) of a scene of the package's, its alpha what is covered."""
        flags = self.pyrender.RenderFlags
        pixels, depth_m = self._renderer.render(scene, flags=flags.RGBA | flags.SHADOWS_DIRECTIONAL)
        if self._times > 1:
            cover = 255 * (depth_m[..., None] > 0)
            pixels = averaged(np.concatenate([pixels[..., :3], cover], axis=2), self._times)
        return pixels

    def release(self) -> None:
        """Give back what it holds."""
        self._renderer.delete()


class PbrScene:
    """Draws ``SceneState`` at ``size`` (width, height) pixels, as ``staging`` says, on one thread.

    ``engine`` is another scene's of that size, where there are several; ``closes_in`` as ``Scene`` has it.
    """

    def __init__(
        self, size: tuple[int, int], staging: Staging, engine: PbrEngine | None = None, *, closes_in: bool = False
    ) -> None:
        if staging.leader_as == "ghost":
            raise PictureError("--renderer pyrender: expected a leader who is solid, got a ghost. Choose --leader-as.")
        self._size, self._stage = size, STAGES[staging.stage]
        self._closes_in = closes_in
        self._shows_leader = staging.leader_as != "none"
        leader = avatar_named(staging.leader)
        self._avatars = avatar_named(staging.follower), leader
        self._drawn = self._avatars[0], bones_of(leader) if staging.leader_as == "skeleton" else leader
        self.framing: Framing = CAMERAS[staging.camera].make()
        self._bins = [_by_gloss(avatar) for avatar in self._drawn]
        self.engine = PbrEngine(size) if engine is None else engine
        self._pixels = np.zeros((size[1], size[0], 4), dtype=np.uint8)

    def draw(self, state: SceneState) -> None:
        """Draws what ``read`` gives."""
        poses = [state.follower] if state.leader is None else [state.follower, state.leader]
        placed, eyes_m = place_couple(self._avatars[: len(poses)], poses)
        if not self._shows_leader:
            poses, placed = poses[:1], [self._avatars[0].place(poses[0])]
        roots = np.array([pose.root_m for pose in poses], dtype=np.float64)
        aspect = self._size[0] / self._size[1]
        self.framing.follow(roots, state.time_s, aspect, eyes_m)
        if self._closes_in:
            self.framing.close_in(outline_m(self._drawn[: len(placed)], placed), aspect)
        scene = self._set(state)
        for avatar, bins, (joints, turns) in zip(self._drawn, self._bins, placed, strict=False):
            scene.add(self._body(avatar, bins, joints, turns))
        pixels = self.engine.pixels(scene)
        self._pixels = pixels[:, ::-1] if self.framing.is_mirrored else pixels

    def read(self) -> NDArray[np.uint8]:
        """(height, width, 3) the finished picture, top row first, over the stage's wall."""
        cover = self._pixels[..., 3:].astype(np.float32) / 255.0
        mixed = self._pixels[..., :3] * cover + self._wall() * (1.0 - cover)
        return np.round(mixed).astype(np.uint8)

    def read_clear(self) -> NDArray[np.uint8]:
        """(height, width, 4) the same with its transparency; where the stage is clear there is no shadow."""
        if not self._stage.is_clear:
            return np.concatenate([self.read(), np.full_like(self._pixels[..., 3:], 255)], axis=2)
        return np.ascontiguousarray(self._pixels)

    def release(self) -> None:
        """Give the engine back: of the last scene that it draws."""
        self.engine.release()

    def _set(self, state: SceneState) -> Any:
        """Lamps, camera and floor."""
        stage, pyrender = self._stage, self.engine.pyrender
        swell = stage.swell(state.beat_phase, state.time_s)
        ambient = 0.5 * (np.array(stage.sky) + np.array(stage.bounce))
        scene = pyrender.Scene(bg_color=[0.0, 0.0, 0.0, 0.0], ambient_light=ambient)
        key, framing = np.array(stage.key) * (0.7 + 0.3 * swell), self.framing
        lamp = pyrender.DirectionalLight(color=key / key.max(), intensity=_KEY_LUX * key.max())
        scene.add(lamp, pose=np.linalg.inv(look_at(towards_light(stage) * 8.0, np.zeros(3))))
        for side, colour in zip((-1.0, 1.0), np.array(stage.rims) * (0.35 + 0.65 * swell), strict=True):
            pose = np.eye(4)
            pose[:3, 3] = framing.target_m + _RIM_M * np.array([side, 0.9, -0.9])
            candela = _FILL_LUX * colour.max() * 2.6 * _RIM_M**2
            scene.add(pyrender.PointLight(color=colour / colour.max(), intensity=candela), pose=pose)
        camera = pyrender.PerspectiveCamera(yfov=framing.view_rad, znear=framing.near_m, zfar=60.0)
        scene.add(camera, pose=np.linalg.inv(look_at(framing.eye_m, framing.aim_m)))
        if max(stage.floor) > 0.0:
            scene.add(self._floor(stage))
        if stage.wall is not None:
            scene.add(self._strips(stage, swell))
        return scene

    def _floor(self, stage: Stage) -> Any:
        """Boards or tiles under the dancers, as far as the wall."""
        middle, reach_m = self.framing.target_m[[0, 2]], min(stage.depth_m, _FLOOR_M)
        size = np.array([_BOARD_M, _TILE_M] if stage.boards else [_TILE_M, _TILE_M])
        first, last = np.floor((middle - reach_m) / size), np.ceil((middle + reach_m) / size)
        left, near = (
            grid.ravel() for grid in np.meshgrid(*(np.arange(a, b) for a, b in zip(first, last, strict=True)))
        )
        inside = np.hypot(*((np.stack([left, near]).T + 0.5) * size - middle).T) < reach_m
        left, near = left[inside], near[inside]
        tone = left * 0.618034 % 1.0 - 0.5
        corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], dtype=np.float64)
        x, z = (size[k] * (at[:, None] + corners[:, k]) for k, at in enumerate((left, near)))
        points = np.stack([x, np.zeros_like(x), z], axis=-1).reshape(-1, 3)
        colours = np.repeat(np.array(stage.floor) * (1.0 + stage.boards * tone)[:, None], 4, axis=0)
        faces = (np.array([[0, 1, 2], [0, 2, 3]]) + 4 * np.arange(len(left))[:, None, None]).reshape(-1, 3)
        rough = 0.35 if stage.mirrors else 0.6
        return self._mesh([(points, np.tile([0.0, 1.0, 0.0], (len(points), 1)), colours, faces, rough)])

    def _strips(self, stage: Stage, swell: float) -> Any:
        """The lights on the back wall."""
        pieces = []
        walls = stage.wall or ()
        for k in range(_STRIPS):
            turn = 2.0 * np.pi * k / _STRIPS
            out = np.array([np.sin(turn), 0.0, np.cos(turn)])
            middle = self.framing.target_m * [1.0, 0.0, 1.0] + stage.depth_m * out
            across = 0.06 * np.array([out[2], 0.0, -out[0]])
            top = np.array([0.0, 2.2 + 1.6 * (0.618034 * k % 1.0), 0.0])
            points = np.array([middle - across, middle + across, middle + across + top, middle - across + top])
            colour = np.array(walls[k % 2]) * (0.12 + 0.88 * swell)
            faces = np.array([[0, 1, 2], [0, 2, 3], [0, 2, 1], [0, 3, 2]])
            pieces.append((points, np.tile(-out, (4, 1)), np.tile(colour, (4, 1)), faces, None))
        return self._mesh(pieces)

    def _body(self, avatar: Avatar, bins: list[NDArray], joints: NDArray, turns: NDArray) -> Any:
        matrices = avatar.skin_between(joints, turns)
        shares = avatar.bone_weight.astype(np.float32) / 255.0
        blended = np.einsum("vk,vkab->vab", shares, matrices[avatar.bone_index])
        points = np.einsum("vab,vb->va", blended[:, :, :3], avatar.vertices_m) + blended[:, :, 3]
        normals = np.einsum("vab,vb->va", blended[:, :, :3], avatar.normals / np.float32(127.0))
        colours = (avatar.colours[:, :3] / 255.0) ** 2
        roughness = (None,) * len(_ROUGHNESS) if avatar.is_glowing else _ROUGHNESS
        return self._mesh(
            [
                (points, normals, colours, faces, rough)
                for faces, rough in zip(bins, roughness, strict=True)
                if len(faces)
            ]
        )

    def _mesh(self, pieces: list[tuple[NDArray, NDArray, NDArray, NDArray, float | None]]) -> Any:
        """Points, normals, linear colours, faces and roughness; None for what shines of itself."""
        pyrender = self.engine.pyrender
        primitives = []
        for points, normals, colours, faces, rough in pieces:
            shines = rough is None
            material = pyrender.MetallicRoughnessMaterial(
                baseColorFactor=[0.0, 0.0, 0.0, 1.0] if shines else [1.0, 1.0, 1.0, 1.0],
                emissiveFactor=[1.0, 1.0, 1.0] if shines else [0.0, 0.0, 0.0],
                metallicFactor=0.0,
                roughnessFactor=1.0 if rough is None else rough,
            )
            opaque = np.concatenate([np.clip(colours, 0.0, 1.0), np.ones((len(colours), 1))], axis=1)
            length = np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
            primitives.append(
                pyrender.Primitive(
                    positions=points.astype(np.float32),
                    normals=(normals / length).astype(np.float32),
                    color_0=opaque.astype(np.float32),
                    indices=faces.astype(np.uint32),
                    material=material,
                )
            )
        return pyrender.Mesh(primitives)

    def _wall(self) -> NDArray[np.float32]:
        """(H, 1, 3) from the horizon up, on the screen."""
        rows = np.linspace(1.2, 0.0, self._size[1])[:, None, None]
        light = np.array(self._stage.horizon) + (np.array(self._stage.zenith) - self._stage.horizon) * np.minimum(
            rows, 1
        )
        return (255.0 * np.sqrt(light / (1.0 + 0.35 * light))).astype(np.float32)


def _by_gloss(avatar: Avatar) -> list[NDArray]:
    """The faces of each of ``_GLOSSES``."""
    gloss = avatar.colours[avatar.faces, 3].mean(axis=1) / 255.0
    kinds = np.searchsorted(_GLOSSES, gloss, side="right") - 1
    return [avatar.faces[kinds == k] for k in range(len(_GLOSSES))]
