"""A small part of the figures of ``python -m tests.fuzz.run``, and those that were made to take all memory or time."""

import json
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from duet.errors import DuetError, InputError
from tests.fuzz.figures import Figures, small_figure, taken
from tests.fuzz.run import watched
from tests.ui.foreign_figure import Figure
from ui.avatars.bring import Wish

_MOST_BYTES = 512 << 20


def test_figures_are_refused_or_good(tmp_path: Path) -> None:
    count = {True: 0, False: 0}
    figures = Figures(np.random.default_rng(0), tmp_path / "figures")
    with warnings.catch_warnings(), watched(tmp_path):
        # As in ``tests.fuzz.run``: only what raises counts.
        warnings.simplefilter("ignore")
        for _ in range(40):
            try:
                figures.bring()
                count[True] += 1
            except DuetError:
                count[False] += 1
    assert count[True] > 3 and count[False] > 15


def test_whole_figures_are_taken(tmp_path: Path) -> None:
    for k, figure in enumerate(Figures(np.random.default_rng(0), tmp_path / "figures").whole):
        assert taken(figure.write(tmp_path / f"{k}.vrm"), Wish()) >= 3


def _zeros(figure: Figure, count: int, kind: str = "SCALAR") -> int:
    """An accessor of so many zeros, which take no room in the file."""
    figure.json["accessors"].append({"componentType": 5125, "type": kind, "count": count})
    return len(figure.json["accessors"]) - 1


def _endless_triangles(figure: Figure) -> None:
    figure.primitive["indices"] = _zeros(figure, 1 << 25)


def _endless_parts(figure: Figure) -> None:
    figure.json["meshes"][0]["primitives"] = [{**figure.primitive, "mode": 0}] * 5000


def _endless_strips(figure: Figure) -> None:
    strip = {**figure.primitive, "indices": _zeros(figure, 1_500_000), "mode": 5}
    figure.json["meshes"][0]["primitives"] = [strip] * 100


def _endless_skin(figure: Figure) -> None:
    figure.json["skins"][0]["joints"] = [1] * 5000


def _no_such_triangle(figure: Figure) -> None:
    figure.primitive["indices"] = figure.add(np.array([[-1e30], [0.0], [1.0]], "<f4"))


def _far_stride(figure: Figure) -> None:
    figure.primitive["indices"] = figure.add(np.zeros((3, 1), "<u2"))
    figure.json["accessors"][0]["count"] = 1
    figure.json["bufferViews"][0]["byteStride"] = 2**63


def _long_number(figure: Figure) -> None:
    figure.json["nodes"][3]["name"] = "1" * 5000


def _huge_place(figure: Figure) -> None:
    figure.json["nodes"][3]["translation"] = [10**400, 0, 0]


def _endless_gloss(figure: Figure) -> None:
    figure.json["materials"][0]["pbrMetallicRoughness"]["roughnessFactor"] = 1e308


def _few_colours(figure: Figure) -> None:
    figure.json["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] = [1.0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_endless_triangles, "2000000 triangles"), (_endless_strips, "2000000 triangles"),
        (_endless_skin, "4000 bones"),
        (_no_such_triangle, "not there"), (_far_stride, "broken"), (_long_number, "broken"), (_huge_place, "broken"),
        (_endless_gloss, "broken"), (_few_colours, "broken"), (_endless_parts, "4000 parts of meshes"),
    ],
    ids=lambda value: getattr(value, "__name__", "said"),
)  # fmt: skip
def test_what_takes_all_memory_or_time_is_refused(spoil: Callable[[Figure], None], said: str, tmp_path: Path) -> None:
    figure = small_figure("mixamo", None, False)
    spoil(figure)
    path = figure.write(tmp_path / "figure.glb")
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=said):
            taken(path, Wish())
        assert tracemalloc.get_traced_memory()[1] < _MOST_BYTES
    finally:
        tracemalloc.stop()


def test_a_tree_of_nothing_is_refused_before_it_is_built(tmp_path: Path) -> None:
    (tmp_path / "figure.gltf").write_text('{"asset": {"version": "2.0"}, "nodes": [' + "[]," * 2_000_000 + "[]]}")
    with pytest.raises(InputError, match="entries"):
        taken(tmp_path / "figure.gltf", Wish())


def test_many_claims_on_one_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each within bounds: thirty buffers of one file, and sixteen pictures of another."""
    monkeypatch.setattr("ui.avatars.gltf.MOST_BYTES", 1 << 20)
    monkeypatch.setattr("ui.avatars.gltf.MOST_PIXELS_IN_ALL", 40)
    figure = small_figure("mixamo", None, False)
    (tmp_path / "body.bin").write_bytes(figure.binary + bytes(400_000))
    path = figure.write_apart(tmp_path / "figure.gltf", "body.bin")
    figure.json["buffers"] *= len(figure.json["bufferViews"])
    for k, view in enumerate(figure.json["bufferViews"]):
        view["buffer"] = k
    path.write_text(json.dumps(figure.json))
    with pytest.raises(InputError, match="1 MB beside it"):
        taken(path, Wish())
    painted = small_figure("mixamo", None, True)
    second = {**painted.primitive, "material": 1}
    painted.json["meshes"][0]["primitives"].append(second)
    painted.json["textures"].append({"source": 1})
    painted.json["materials"].append({"pbrMetallicRoughness": {"baseColorTexture": {"index": 1}}})
    with pytest.raises(InputError, match="in all pictures"):
        taken(painted.write(tmp_path / "painted.glb"), Wish())
