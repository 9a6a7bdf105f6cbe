"""Triangle meshes while an avatar is baked: clip along a line, smooth, puff out, thin out, join, normals."""

import heapq
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.rotations import normalise

Floats = NDArray[np.float64]
Faces = NDArray[np.int64]


@dataclass(frozen=True)
class Mesh:
    """A surface: ``positions_m`` (N, 3), skin ``weights`` (N, J), ``faces`` (M, 3).

    ``colours`` (N, 4) are sRGB and gloss in [0, 1]. ``source`` (N,) is each vertex's index in the figure it was cut
    from, -1 where there is none. ``normals`` (N, 3) are those ``shaded`` gave it, zero before.
    """

    positions_m: Floats
    weights: Floats
    colours: Floats
    faces: Faces
    source: Faces
    normals: Floats

    def keep_faces(self, keep: NDArray[np.bool_]) -> "Mesh":
        """The mesh of the faces where ``keep`` (M,), without unused vertices."""
        used, compact = np.unique(self.faces[keep], return_inverse=True)
        return Mesh(
            self.positions_m[used], self.weights[used], self.colours[used], compact.reshape(-1, 3), self.source[used],
            self.normals[used],
        )  # fmt: skip

    def painted(self, colour: tuple[float, float, float], gloss: float) -> "Mesh":
        """The same mesh in one sRGB colour and gloss, both in [0, 1]."""
        return replace(self, colours=np.tile([*colour, gloss], (len(self.positions_m), 1)))


def join(*meshes: Mesh) -> Mesh:
    """All meshes as one, vertices not shared."""
    starts = np.cumsum([0, *(len(mesh.positions_m) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.positions_m for mesh in meshes]),
        np.concatenate([mesh.weights for mesh in meshes]),
        np.concatenate([mesh.colours for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
        np.concatenate([mesh.source for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
    )


def vertex_normals(mesh: Mesh) -> Floats:
    """(N, 3) unit normals, weighted by face area."""
    a, b, c = (mesh.positions_m[mesh.faces[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)
    normals = np.zeros_like(mesh.positions_m)
    for k in range(3):
        np.add.at(normals, mesh.faces[:, k], area)
    return np.asarray(normalise(normals), dtype=np.float64)


def shaded(mesh: Mesh) -> Mesh:
    """The mesh with normals of its surface as it is now: take them before thinning, they keep the lost detail."""
    return replace(mesh, normals=vertex_normals(mesh))


def clip(mesh: Mesh, field: Floats) -> Mesh:
    """The part of ``mesh`` where ``field`` (N,) is positive, cut cleanly along field = 0."""
    inside = field > 0
    faces: list[list[int]] = mesh.faces[inside[mesh.faces].all(1)].tolist()
    edges: dict[tuple[int, int], int] = {}
    ends: list[tuple[int, int, float]] = []

    def crossing(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in edges:
            edges[key] = len(field) + len(ends)
            ends.append((*key, float(field[key[0]] / (field[key[0]] - field[key[1]]))))
        return edges[key]

    for face in mesh.faces[inside[mesh.faces].any(1) & ~inside[mesh.faces].all(1)].tolist():
        ring: list[int] = []
        for a, b in zip(face, face[1:] + face[:1], strict=True):
            if inside[a]:
                ring.append(a)
            if inside[a] != inside[b]:
                ring.append(crossing(a, b))
        faces.extend([ring[0], ring[k], ring[k + 1]] for k in range(1, len(ring) - 1))
    low, high = (np.array([end[k] for end in ends], dtype=int) for k in (0, 1))
    share = np.array([end[2] for end in ends])[:, None]

    def extend(values: Floats) -> Floats:
        return np.concatenate([values, values[low] * (1 - share) + values[high] * share])

    grown = Mesh(
        extend(mesh.positions_m), extend(mesh.weights), extend(mesh.colours), np.array(faces),
        np.concatenate([mesh.source, np.full(len(ends), -1)]), extend(mesh.normals),
    )  # fmt: skip
    return grown.keep_faces(np.ones(len(faces), dtype=bool))


def smooth(mesh: Mesh, values: Floats, rounds: int, *, strength: float = 0.5) -> Floats:
    """``values`` (N, K) averaged with their neighbours ``rounds`` times; the mesh's open rim stays."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    both, counts = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    free = np.ones(len(values), dtype=bool)
    free[both[counts == 1].ravel()] = False
    degree = np.bincount(both.ravel(), minlength=len(values))[:, None]
    for _ in range(rounds):
        total = np.zeros_like(values)
        np.add.at(total, both[:, 0], values[both[:, 1]])
        np.add.at(total, both[:, 1], values[both[:, 0]])
        values = np.where(free[:, None], values + strength * (total / np.maximum(degree, 1) - values), values)
    return values


def puffed(mesh: Mesh, distance_m: Floats | float) -> Mesh:
    """Every vertex moved out along its normal by ``distance_m`` (N,) or one number."""
    return replace(mesh, positions_m=mesh.positions_m + vertex_normals(mesh) * np.reshape(distance_m, (-1, 1)))


def double_sided(mesh: Mesh) -> Mesh:
    """The mesh and its inside, so that back-face culling hides neither."""
    return join(mesh, replace(mesh, faces=mesh.faces[:, ::-1], normals=-mesh.normals))


def thinned(mesh: Mesh, vertices: int, importance: Floats) -> Mesh:
    """The mesh with about ``vertices`` vertices left, by quadric edge collapse onto existing vertices.

    Collapsing onto one end keeps every weight and colour an original one. ``importance`` (N,) multiplies the error of a
    vertex's surroundings. Rims stay in place, and collapses across a colour change cost more. (Garland and Heckbert
    1997, "Surface Simplification Using Quadric Error Metrics".)
    """
    collapse = _Collapse(mesh, importance)
    while collapse.alive > vertices and collapse.heap:
        collapse.step()
    faces = np.array([face for face in collapse.faces if face is not None])
    return replace(mesh, faces=faces).keep_faces(np.ones(len(faces), dtype=bool))


_RIM_COST = 20.0
_COLOUR_COST_M2 = 4e-6


class _Collapse:
    """The state of one ``thinned`` run: faces around each vertex, quadrics and the queue of collapses."""

    def __init__(self, mesh: Mesh, importance: Floats) -> None:
        self.positions = mesh.positions_m
        self.colours = mesh.colours
        self.faces: list[tuple[int, int, int] | None] = [tuple(face) for face in mesh.faces.tolist()]
        self.around: list[set[int]] = [set() for _ in self.positions]
        for index, face in enumerate(self.faces):
            for vertex in face or ():
                self.around[vertex].add(index)
        self.alive = sum(bool(faces) for faces in self.around)
        self.stamps = [0] * len(self.positions)
        self.quadrics = self._quadrics(mesh, importance)
        self.heap: list[tuple[float, int, int, int, int]] = []
        for vertex in range(len(self.positions)):
            self._queue(vertex)

    def _quadrics(self, mesh: Mesh, importance: Floats) -> Floats:
        a, b, c = (self.positions[mesh.faces[:, k]] for k in range(3))
        area = np.cross(b - a, c - a)
        size = np.linalg.norm(area, axis=1)
        normal = normalise(area)
        planes = np.concatenate([normal, -np.sum(normal * a, axis=1, keepdims=True)], axis=1)
        quadrics = np.zeros((len(self.positions), 4, 4))
        outer = planes[:, :, None] * planes[:, None, :] * size[:, None, None]
        for k in range(3):
            np.add.at(quadrics, mesh.faces[:, k], outer)
        # A rim gets walls that stand upright on its faces, so that it keeps its line.
        for k in range(3):
            ends = mesh.faces[:, [k, (k + 1) % 3]]
            rim = np.array([len(self.around[i] & self.around[j]) == 1 for i, j in ends.tolist()])
            along = self.positions[ends[rim, 1]] - self.positions[ends[rim, 0]]
            wall = normalise(np.cross(along, normal[rim]))
            plane = np.concatenate([wall, -np.sum(wall * self.positions[ends[rim, 0]], axis=1, keepdims=True)], axis=1)
            length = np.sum(along * along, axis=1)[:, None, None] * _RIM_COST
            for end in (0, 1):
                np.add.at(quadrics, ends[rim, end], plane[:, :, None] * plane[:, None, :] * length)
        return quadrics * importance[:, None, None]

    def _neighbours(self, vertex: int) -> set[int]:
        return {other for index in self.around[vertex] for other in self.faces[index] or ()} - {vertex}

    def _queue(self, vertex: int) -> None:
        """Queues the collapse of every edge at ``vertex``, both ways."""
        for other in self._neighbours(vertex):
            both = self.quadrics[vertex] + self.quadrics[other]
            change = float(np.sum((self.colours[vertex] - self.colours[other]) ** 2))
            length = float(np.sum((self.positions[vertex] - self.positions[other]) ** 2))
            for gone, kept in ((vertex, other), (other, vertex)):
                point = np.append(self.positions[kept], 1.0)
                cost = float(point @ both @ point) + change * length * _COLOUR_COST_M2 / 1e-4 + 1e-7 * length
                heapq.heappush(self.heap, (cost, gone, kept, self.stamps[gone], self.stamps[kept]))

    def step(self) -> None:
        """Does the cheapest queued collapse, if it is still allowed."""
        _, gone, kept, stamp_gone, stamp_kept = heapq.heappop(self.heap)
        if stamp_gone != self.stamps[gone] or stamp_kept != self.stamps[kept] or not self._allowed(gone, kept):
            return
        for index in self.around[gone] & self.around[kept]:
            for vertex in self.faces[index] or ():
                self.around[vertex].discard(index)
            self.faces[index] = None
        for index in self.around[gone]:
            a, b, c = (kept if vertex == gone else vertex for vertex in self.faces[index] or ())
            self.faces[index] = (a, b, c)
            self.around[kept].add(index)
        self.around[gone] = set()
        self.quadrics[kept] += self.quadrics[gone]
        self.stamps[gone] += 1
        self.stamps[kept] += 1
        self.alive -= 1
        self._queue(kept)

    def _allowed(self, gone: int, kept: int) -> bool:
        """No tear, no fold: the link condition, and no face that turns over."""
        shared = self.around[gone] & self.around[kept]
        if not shared or len(self._neighbours(gone) & self._neighbours(kept)) != len(shared):
            return False
        if len(shared) == 2 and self._on_rim(gone):
            return False
        for index in self.around[gone] - shared:
            face = self.faces[index] or ()
            before = self.positions[list(face)]
            after = self.positions[[kept if vertex == gone else vertex for vertex in face]]
            n0 = np.cross(before[1] - before[0], before[2] - before[0])
            n1 = np.cross(after[1] - after[0], after[2] - after[0])
            if n0 @ n1 <= 0.3 * np.linalg.norm(n0) * np.linalg.norm(n1):
                return False
        return True

    def _on_rim(self, vertex: int) -> bool:
        return any(len(self.around[vertex] & self.around[other]) == 1 for other in self._neighbours(vertex))
