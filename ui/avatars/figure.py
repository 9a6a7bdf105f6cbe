"""What a glTF file shows, in one piece: all triangles in the pose it was saved in, and the bones that move them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.rotations import matrix_from_quaternion_wxyz, normalise
from ui.avatars.gltf import GltfFile, soundness

Floats = NDArray[np.float64]
MOST_VERTICES, MOST_TRIANGLES = 400_000, 2_000_000
MOST_SHARED = 100 * MOST_VERTICES
"""Of the buffers of all parts, each counted as often as a part shares it: some have to be read whole every time."""
MOST_NODES = MOST_PRIMITIVES = 4_000
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_MATT = 0.15
_CUT = 0.5
_GLOSS = "KHR_materials_pbrSpecularGlossiness"


@dataclass(frozen=True)
class Surface:
    """Triangles: ``points_m`` (N, 3), ``normals`` (N, 3), ``colours`` (N, 4) sRGB and gloss, ``faces`` (M, 3).

    ``bones`` (N, K) are numbers of nodes, ``weights`` (N, K) their shares.
    """

    points_m: Floats
    normals: Floats
    colours: Floats
    faces: NDArray[np.int64]
    bones: NDArray[np.int64]
    weights: Floats


@dataclass(frozen=True)
class Rig:
    """Every node of the file: its name, its parent (-1: none) and where it stands, (n, 3)."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    places_m: Floats
    moving: frozenset[int]
    """Those that a skin names: bones."""

    def line(self, node: int) -> list[int]:
        """A node and all above it."""
        line = []
        while node >= 0:
            line.append(node)
            node = self.parents[node]
        return line


def read_figure(file: GltfFile, *, textured: bool = True) -> tuple[Surface, Rig]:
    """The figure in ``file``; ``textured``: painted with its pictures, else with plain colours.

    Raises ``InputError`` when it is broken, has no skin, or is too large.
    """
    with soundness(file.path):
        nodes = file.list("nodes")
        if len(nodes) > MOST_NODES:
            raise InputError(f"{file.path}: expected at most {MOST_NODES} nodes, got {len(nodes)}. Export one figure.")
        parents = _parents(nodes)
        worlds = _worlds(nodes, parents)
        gathering = _Gathering(file, worlds, textured)
        for number, node in enumerate(nodes):
            if "mesh" in node:
                gathering.add(number, node)
        moving = frozenset(int(joint) for skin in file.list("skins") for joint in skin["joints"])
        if any(not 0 <= joint < len(nodes) for joint in moving):
            raise ValueError("a skin names a bone that is not there")
        names = tuple(str(node.get("name", f"node {k}")) for k, node in enumerate(nodes))
        return gathering.surface(), Rig(names, tuple(parents), worlds[:, :3, 3], moving)


def _parents(nodes: list[dict[str, Any]]) -> list[int]:
    parents = [-1] * len(nodes)
    for number, node in enumerate(nodes):
        for child in node.get("children", ()):
            if parents[child] >= 0 or child < 0:
                raise ValueError(f"node {child} has two parents")
            parents[child] = number
    return parents


def _worlds(nodes: list[dict[str, Any]], parents: list[int]) -> Floats:
    """(n, 4, 4) from each node to the world."""
    worlds, done = np.tile(np.eye(4), (len(nodes), 1, 1)), [False] * len(nodes)
    for number in range(len(nodes)):
        line, node = [], number
        while node >= 0 and not done[node]:
            if len(line) > len(nodes):
                raise ValueError("nodes are their own children")
            line.append(node)
            node = parents[node]
        for node in reversed(line):
            above = worlds[parents[node]] if parents[node] >= 0 else np.eye(4)
            worlds[node], done[node] = above @ _local(nodes[node]), True
    if not np.isfinite(worlds).all():
        raise ValueError("a node stands nowhere")
    return worlds


def _local(node: dict[str, Any]) -> Floats:
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turn = np.asarray(matrix_from_quaternion_wxyz(np.array([w, x, y, z], dtype=np.float64)))
    local = np.eye(4)
    local[:3, :3] = turn * np.array(node.get("scale", (1.0, 1.0, 1.0)), dtype=np.float64)
    local[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return local


@dataclass(frozen=True)
class _Vertices:
    """Those that a primitive draws, by their numbers ``kept`` (N,) among the ``count`` of its buffers."""

    file: GltfFile
    accessors: dict[str, int]
    """By name of the attribute."""
    count: int
    kept: NDArray[np.int64]

    def have(self, name: str) -> bool:
        """Whether an attribute is told of them."""
        return name in self.accessors

    def of(self, name: str) -> NDArray[Any]:
        """(N, parts) an attribute."""
        index = self.accessors[name]
        if self.file.count(index) != self.count:
            raise ValueError(f"not every vertex has its {name}")
        return self.file.accessor(index, self.kept)


class _Gathering:
    """Collects the primitives of a file."""

    def __init__(self, file: GltfFile, worlds: Floats, textured: bool) -> None:
        self._file, self._worlds, self._textured = file, worlds, textured
        self._parts: list[Surface] = []
        self._skinned = False
        self._primitives = self._shared = self._vertices = self._triangles = 0
        self._carried: dict[int, Floats] = {}

    def add(self, number: int, node: dict[str, Any]) -> None:
        """All triangles of one node."""
        skin = self._file.list("skins")[node["skin"]] if "skin" in node else None
        for primitive in self._file.list("meshes")[node["mesh"]]["primitives"]:
            self._primitives += 1
            self._bound(self._primitives, MOST_PRIMITIVES, "parts of meshes")
            if primitive.get("mode", _TRIANGLES) in (_TRIANGLES, _STRIP, _FAN):
                self._add(number, skin, primitive)

    def _bound(self, count: int, most: int, what: str) -> None:
        if count > most:
            raise InputError(f"{self._file.path}: expected at most {most} {what}, got more. Export it simpler.")

    def _add(self, number: int, skin: dict[str, Any] | None, primitive: dict[str, Any]) -> None:
        count = self._file.count(primitive["attributes"]["POSITION"])
        self._bound(count, MOST_VERTICES, "vertices")
        self._shared += count
        self._bound(self._shared, MOST_SHARED, "vertices in what its parts share")
        faces = self._triangles_of(primitive, count)
        if not len(faces):
            return
        # Many primitives may share one buffer: each has of it what it draws.
        named = _Vertices(self._file, primitive["attributes"], count, np.unique(faces))
        faces = np.searchsorted(named.kept, faces)
        self._vertices += len(named.kept)
        self._bound(self._vertices, MOST_VERTICES, "vertices")
        points = named.of("POSITION").astype(np.float64)
        if points.shape[1] != 3:
            raise ValueError("positions are not points")
        normals = named.of("NORMAL").astype(np.float64) if named.have("NORMAL") else _normals(points, faces)
        if skin is not None and named.have("JOINTS_0"):
            bones, weights = _weights(named, skin["joints"])
            carry, blended = self._carrying(skin), np.zeros((len(points), 4, 4))
            # One after the other: all at once would take four times the memory or more.
            for k in range(bones.shape[1]):
                blended += weights[:, k, None, None] * carry[bones[:, k]]
            bones = np.array(skin["joints"], dtype=np.int64)[bones]
            self._skinned = True
        else:
            bones, weights = np.full((len(points), 1), number), np.ones((len(points), 1))
            blended = np.broadcast_to(self._worlds[number], (len(points), 4, 4))
        placed = np.einsum("vab,vb->va", blended[:, :3, :3], points) + blended[:, :3, 3]
        turned = np.einsum("vab,vb->va", np.linalg.pinv(blended[:, :3, :3]).swapaxes(1, 2), normals)
        if np.linalg.det(blended[0, :3, :3]) < 0.0:
            faces = faces[:, ::-1]
        colours, faces, both = self._painted(primitive, named, faces)
        part = Surface(placed, np.asarray(normalise(turned), dtype=np.float64), colours, faces, bones, weights)
        self._parts += [part, _turned(part)] if both else [part]

    def _triangles_of(self, primitive: dict[str, Any], count: int) -> NDArray[np.int64]:
        """(M, 3) numbers of a primitive's ``count`` vertices."""
        mode = primitive.get("mode", _TRIANGLES)
        indices = self._file.accessor(primitive["indices"])[:, 0] if "indices" in primitive else np.arange(count)
        self._triangles += len(indices) // 3 if mode == _TRIANGLES else len(indices)
        self._bound(self._triangles, MOST_TRIANGLES, "triangles")
        faces = _faces(indices.astype(np.int64), mode)
        if len(faces) and not (faces.min() >= 0 and faces.max() < count):
            raise ValueError("a triangle names a vertex that is not there")
        return faces

    def _carrying(self, skin: dict[str, Any]) -> Floats:
        """(joints, 4, 4) where each bone of a skin carries what was bound to it."""
        if id(skin) not in self._carried:
            self._bound(len(skin["joints"]), MOST_NODES, "bones in a skin")
            carried = self._worlds[skin["joints"]]
            if "inverseBindMatrices" in skin:
                # There may be more of them than bones.
                inverse = self._file.accessor(skin["inverseBindMatrices"])[: len(carried)].astype(np.float64)
                if inverse.shape != (len(carried), 16):
                    raise ValueError("a skin has not one matrix for each bone")
                carried = carried @ inverse.reshape(-1, 4, 4).swapaxes(1, 2)
            self._carried[id(skin)] = carried
        return self._carried[id(skin)]

    def _painted(
        self, primitive: dict[str, Any], named: _Vertices, faces: NDArray[np.int64]
    ) -> tuple[Floats, NDArray[np.int64], bool]:
        """Colours (N, 4), the faces that are not cut out, and whether both sides are seen."""
        index = primitive.get("material")
        material = {} if index is None else self._file.list("materials")[index]
        surface, count = _surface_of(material), len(named.kept)
        light = np.tile(np.array(surface.get("baseColorFactor", (1.0,) * 4), dtype=np.float64), (count, 1))
        texture = surface.get("baseColorTexture")
        if self._textured and texture is not None:
            light *= self._sampled(texture, named)
        if named.have("COLOR_0"):
            given = named.of("COLOR_0").astype(np.float64)
            light[:, : given.shape[1]] *= given
        mode = material.get("alphaMode", "OPAQUE")
        if mode != "OPAQUE":
            cutoff = material.get("alphaCutoff", _CUT) if mode == "MASK" else 0.1
            faces = faces[(light[faces, 3] >= cutoff).any(axis=1)]
        gloss = np.full((count, 1), _MATT if "roughnessFactor" not in surface else 0.0)
        gloss += 0.8 * (1.0 - surface.get("roughnessFactor", 1.0)) ** 2
        srgb = np.sqrt(np.clip(light[:, :3], 0.0, 1.0))
        return np.concatenate([srgb, np.clip(gloss, 0.0, 1.0)], axis=1), faces, bool(material.get("doubleSided"))

    def _sampled(self, texture: dict[str, Any], named: _Vertices) -> Floats:
        """(N, 4) linear light of a picture at every vertex, and its alpha."""
        picture = self._file.picture(texture["index"])
        move = texture.get("extensions", {}).get("KHR_texture_transform", {})
        uv = named.of(f"TEXCOORD_{texture.get('texCoord', 0)}").astype(np.float64)
        uv = uv * move.get("scale", (1.0, 1.0)) + move.get("offset", (0.0, 0.0))
        height, width = picture.shape[:2]
        column = np.floor(uv[:, 0] * width).astype(int) % width
        row = np.floor(uv[:, 1] * height).astype(int) % height
        seen = picture[row, column] / 255.0
        seen[:, :3] *= seen[:, :3]
        return seen

    def surface(self) -> Surface:
        """Everything collected. Raises ``InputError`` when no skin moves any of it."""
        path = self._file.path
        if not self._parts:
            raise InputError(f"{path}: expected a mesh, got a file without triangles. Export the figure's mesh, too.")
        if not self._skinned:
            raise InputError(
                f"{path}: expected a mesh with a skin, got one that no bones move. Rig it, and export it with its skin."
            )
        most = max(part.bones.shape[1] for part in self._parts)
        starts = np.cumsum([0, *(len(part.points_m) for part in self._parts[:-1])])

        def joined(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in self._parts])

        def padded(name: str) -> NDArray[Any]:
            arrays = [getattr(part, name) for part in self._parts]
            return np.concatenate([np.pad(a, ((0, 0), (0, most - a.shape[1]))) for a in arrays])

        faces = np.concatenate([part.faces + start for part, start in zip(self._parts, starts, strict=True)])
        whole = Surface(
            joined("points_m"), joined("normals"), joined("colours"), faces, padded("bones"), padded("weights")
        )
        if not all(np.isfinite(values).all() for values in (whole.points_m, whole.normals, whole.colours)):
            raise ValueError("its points or colours are beyond all numbers")
        if whole.colours.shape[1] != 4:
            raise ValueError("its colours are not of red, green and blue")
        return whole


def _weights(named: _Vertices, joints: list[int]) -> tuple[NDArray[np.int64], Floats]:
    """(N, K) numbers in the skin's own list, and shares that sum to 1."""
    sets = [k for k in range(4) if named.have(f"JOINTS_{k}")]
    bones = np.concatenate([named.of(f"JOINTS_{k}") for k in sets], axis=1).astype(np.int64)
    weights = np.concatenate([named.of(f"WEIGHTS_{k}") for k in sets], axis=1)
    weights = np.maximum(weights.astype(np.float64), 0.0)
    if bones.shape != weights.shape:
        raise ValueError("not every vertex has its bones")
    bones[weights == 0.0] = 0
    if not (bones.min() >= 0 and bones.max() < len(joints)):
        raise ValueError("a vertex names a bone that is not there")
    total = weights.sum(axis=1, keepdims=True)
    weights[total[:, 0] == 0.0, 0] = 1.0
    return bones, weights / np.where(total == 0.0, 1.0, total)


def _surface_of(material: dict[str, Any]) -> dict[str, Any]:
    """How a material is painted, by roughness. What glTF had before, gloss, is read where it alone tells a colour."""
    surface = material.get("pbrMetallicRoughness", {})
    glossy = material.get("extensions", {}).get(_GLOSS)
    if glossy is None or "baseColorFactor" in surface or "baseColorTexture" in surface:
        return surface
    told = {"baseColorFactor": "diffuseFactor", "baseColorTexture": "diffuseTexture"}
    painted = {ours: glossy[theirs] for ours, theirs in told.items() if theirs in glossy}
    return painted | ({"roughnessFactor": 1.0 - glossy["glossinessFactor"]} if "glossinessFactor" in glossy else {})


def _turned(part: Surface) -> Surface:
    """The inside of what is seen from both sides."""
    return Surface(part.points_m, -part.normals, part.colours, part.faces[:, ::-1], part.bones, part.weights)


def _faces(indices: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    if mode == _TRIANGLES:
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    if mode == _FAN:
        return np.stack([np.full(len(indices) - 2, indices[0]), indices[1:-1], indices[2:]], axis=1)
    faces = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
    faces[1::2] = faces[1::2, [1, 0, 2]]
    return faces


def _normals(points: Floats, faces: NDArray[np.int64]) -> Floats:
    a, b, c = (points[faces[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, faces[:, k], area)
    return normals
