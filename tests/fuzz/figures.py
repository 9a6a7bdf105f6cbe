"""Bodies that users bring, damaged or made to do harm: glTF, GLB and VRM files, refused in words or good avatars.

Half of them are broken in the tree or in the numbers, with the lengths around put right again.
"""

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from duet.skeleton import BODY
from tests.fuzz.mutation import Rng, as_json, mutated_bytes, mutated_value, pick
from tests.ui.foreign_figure import Figure
from ui.avatars.bring import Wish, bring
from ui.drawing.avatar import BodyPose, read_avatar, write_avatar

_VERTICES, _CLOSED = 80, 0.25
_MOST_SAID = 800
_BESIDE = "body.bin"
_ABSURD: tuple[Any, ...] = (2**20, 2**24, 2**25, 2**31 - 1, 2**63, 10**400, -1, 0.5, "1" * 5000, "\n" * 3000)
"""Counts, places and names."""
_WISHES = (
    Wish(), Wish(plain=True), Wish(height_m=1.7), Wish({"head": "head"}), Wish({"left_elbow": "DEF-forearm.L"}),
)  # fmt: skip


def small_figure(rig: str, version: str | None, painted: bool) -> Figure:
    """One of our bodies of a few triangles only, so that what is broken is seldom a vertex."""
    figure = Figure(rig)
    kept = np.unique(np.linspace(0, len(figure.points) - 1, _VERTICES).astype(int))
    kept = np.union1d(kept, [figure.points[:, 1].argmin(), figure.points[:, 1].argmax()])
    figure.points, figure.normals = figure.points[kept], figure.normals[kept]
    figure.joints, figure.weights = figure.joints[kept], figure.weights[kept]
    figure.faces = np.arange(len(kept) // 3 * 3, dtype="<u2").reshape(-1, 3)
    figure.binary, figure.json["bufferViews"], figure.json["accessors"] = b"", [], []
    figure.primitive["attributes"].update(
        POSITION=figure.add(figure.points), NORMAL=figure.add(figure.normals), JOINTS_0=figure.add(figure.joints),
        WEIGHTS_0=figure.add(figure.weights),
    )  # fmt: skip
    figure.primitive["indices"] = figure.add(figure.faces.reshape(-1, 1))
    inverse = np.tile(np.eye(4, dtype="<f4"), (len(figure.order), 1, 1))
    inverse[:, 3, :3] = [-figure.places[joint] for joint in figure.order]
    figure.json["skins"][0]["inverseBindMatrices"] = figure.add(inverse.reshape(-1, 16))
    if painted:
        figure.paint(np.full((6, 5, 3), (200, 40, 90), np.uint8), np.full((len(kept), 2), 0.4))
        file = io.BytesIO()
        Image.new("RGB", (9, 7)).save(file, format="JPEG")
        figure.json["images"].append({"bufferView": figure.add_bytes(file.getvalue()), "mimeType": "image/jpeg"})
    if version is not None:
        figure.vrm(version)
    return figure


class Figures:
    """Writes a broken figure and brings it in, in ``folder`` and nowhere else."""

    def __init__(self, rng: Rng, folder: Path) -> None:
        self._rng, self._folder = rng, folder
        folder.mkdir()
        kinds = (("mixamo", None, False), ("rigify", None, True), ("unreal", "0.x", True), ("vroid", "1.0", False))
        self.whole = [small_figure(*kind) for kind in kinds]

    def bring(self) -> None:
        """One figure more; a file that is taken is an avatar that can be kept, read again and danced."""
        path = self._written(pick(self._rng, self.whole))
        wish = Wish() if self._rng.random() < 0.5 else pick(self._rng, _WISHES)
        taken(path, wish)

    def _written(self, figure: Figure) -> Path:
        way = int(self._rng.integers(4))
        tree = {**figure.json, "buffers": [{"byteLength": len(figure.binary)}]}
        if way:
            tree = self._broken(tree)
        binary = mutated_bytes(self._rng, figure.binary) if way == 3 else figure.binary
        if self._rng.random() < _CLOSED:
            return self._apart(tree, binary)
        path = self._folder / pick(self._rng, ("figure.glb", "figure.vrm"))
        document = as_json(self._rng, tree).encode("utf-8", "replace")
        chunks = struct.pack("<II", len(document), 0x4E4F534A) + document
        data = chunks + struct.pack("<II", len(binary), 0x004E4942) + binary
        data = struct.pack("<4sII", b"glTF", 2, 12 + len(data)) + data
        path.write_bytes(data if way else mutated_bytes(self._rng, data))
        return path

    def _apart(self, tree: dict[str, Any], binary: bytes) -> Path:
        """As text, its numbers in a file beside it, within, or somewhere that it has no business to be."""
        held = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
        (self._folder / _BESIDE).write_bytes(binary)
        places = (held, _BESIDE, held, _BESIDE, "../outside.bin", "http://127.0.0.1:9/a", "a" * 5000, "\0", held[:-3])
        if isinstance(tree.get("buffers"), list) and tree["buffers"] and isinstance(tree["buffers"][0], dict):
            tree["buffers"][0]["uri"] = pick(self._rng, places)
        path = self._folder / "figure.gltf"
        path.write_text(as_json(self._rng, tree), errors="replace")
        return path

    def _broken(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Anywhere, or one entry of it by a value beyond all bounds."""
        if self._rng.random() < 0.5:
            out = mutated_value(self._rng, tree)
            return out if isinstance(out, dict) else tree
        out = json.loads(json.dumps(tree))
        entry: Any = out[pick(self._rng, ("accessors", "bufferViews", "nodes", "skins", "meshes", "materials"))]
        while isinstance(entry, list) and entry and isinstance(entry[0], dict):
            entry = pick(self._rng, entry)
            key = pick(self._rng, list(entry))
            if isinstance(entry[key], list) and self._rng.random() < 0.7:
                entry = entry[key]
                continue
            entry[key] = pick(self._rng, _ABSURD)
            return out
        if isinstance(entry, list) and entry:
            entry[int(self._rng.integers(len(entry)))] = pick(self._rng, _ABSURD)
        return out


def taken(path: Path, wish: Wish) -> int:
    """Bring ``path`` in: the points of a good avatar, or ``DuetError`` of one line; AssertionError for neither."""
    try:
        avatar = bring(path, wish).avatar
    except Exception as error:
        said = str(error)
        assert "\n" not in said and len(said) < _MOST_SAID, f"no sentence: {said[:300]!r}"
        raise
    kept = path.with_suffix(".npz")
    write_avatar(kept, avatar)
    turns = np.zeros((len(BODY), 4))
    turns[:, 0] = 1.0
    skin = read_avatar(kept).skinned_vertices_m(BodyPose(np.array([0.0, 0.9, 0.0]), turns))
    assert np.isfinite(skin).all(), "a body that stands nowhere"
    return len(skin)
