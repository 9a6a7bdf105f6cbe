"""The camera keeps both dancers in view, and is calm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.drawing.cameras import CAMERAS
from ui.drawing.framing import Framing

ASPECT = 16 / 9


def on_screen(framing: Framing, points_m: np.ndarray) -> np.ndarray:
    """(n, 2) in [-1, 1] where visible."""
    clip = np.concatenate([points_m, np.ones((len(points_m), 1))], axis=1) @ framing.clip_from_world(ASPECT).T
    assert (clip[:, 3] > 0).all()
    return clip[:, :2] / clip[:, 3:]


@given(x=st.floats(-3, 3), z=st.floats(-3, 3), spread=st.floats(0, 3), turn=st.floats(0, 2 * np.pi))
def test_heads_and_feet_are_in_the_picture(x: float, z: float, spread: float, turn: float) -> None:
    away = spread / 2 * np.array([np.cos(turn), 0.0, np.sin(turn)])
    middle = np.array([x, 0.9, z])
    framing = Framing()
    framing.follow(np.stack([middle - away, middle + away]), 0.0, ASPECT)
    corners = [root * [1, 0, 1] + [side, y, 0] for root in (middle - away, middle + away)
               for side in (-0.3, 0.3) for y in (0.0, 1.8)]  # fmt: skip
    assert np.abs(on_screen(framing, np.array(corners))).max() < 1.0


def test_follows_calmly_and_arrives() -> None:
    framing = Framing()
    here = np.array([[-0.5, 0.9, 0.0], [0.5, 0.9, 0.0]])
    framing.follow(here, 0.0, ASPECT)
    before = framing.eye_m
    there = here + [2.0, 0.0, 1.0]
    for frame in range(1, 31):
        framing.follow(there, frame / 30, ASPECT)
        assert np.linalg.norm(framing.eye_m - before) < 0.12
        before = framing.eye_m
    for frame in range(31, 300):
        framing.follow(there, frame / 30, ASPECT)
    np.testing.assert_allclose(framing.target_m[[0, 2]], [2.0, 1.0], atol=1e-3)


def test_a_gap_in_time_is_a_cut() -> None:
    framing = Framing()
    framing.follow(np.array([[0.0, 0.9, 0.0]]), 0.0, ASPECT)
    framing.follow(np.array([[3.0, 0.9, 0.0]]), 60.0, ASPECT)
    assert framing.target_m[0] == pytest.approx(3.0)


def test_turns_so_that_neither_hides_the_other() -> None:
    framing = Framing()
    behind = np.array([[0.0, 0.9, 0.6], [0.1, 0.9, -0.6]])
    for frame in range(600):
        framing.follow(behind, frame / 30, ASPECT)
    heads = on_screen(framing, behind + [0.0, 0.7, 0.0])
    assert abs(heads[0, 0] - heads[1, 0]) > 0.15


def test_light_covers_the_dancers_and_their_shadows() -> None:
    towards = np.array([0.42, 0.80, 0.43]) / np.linalg.norm([0.42, 0.80, 0.43])
    framing = Framing()
    roots = np.array([[-0.7, 0.9, 0.2], [0.7, 0.9, -0.2]])
    framing.follow(roots, 0.0, ASPECT)
    light, _ = framing.light_from_world(towards, 512)
    points = np.concatenate([[r * [1, 0, 1] + [x, y, 0] for r in roots for x in (-0.6, 0.6) for y in (0.0, 1.6)]])
    clip = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ light.T
    assert np.abs(clip[:, :3]).max() < 1.0
    # The farther from the light, the deeper.
    near, far = (np.append(p, 1.0) @ light.T for p in (towards, -towards))
    assert near[2] < far[2]


@pytest.mark.parametrize("camera", ["follow", "front", "side", "mirror"])
def test_a_still_is_filled_by_what_it_shows_whatever_the_camera(camera: str) -> None:
    framing = CAMERAS[camera].make()
    roots = np.array([[1.0, 0.9, -0.4], [1.7, 0.9, -0.1]])
    framing.follow(roots, 0.0, ASPECT)
    body = np.array([[x, y, z] for x in (-0.3, 0.3) for y in (-0.9, 0.9) for z in (-0.2, 0.2)])
    points = (roots[:, None] + body).reshape(-1, 3)
    loose = np.ptp(on_screen(framing, points), axis=0).max()
    framing.close_in(points, ASPECT)
    seen = on_screen(framing, points)
    assert np.ptp(seen, axis=0).max() == pytest.approx(1.8, abs=0.02) and loose < 1.7
    np.testing.assert_allclose(seen.min(0) + seen.max(0), 0.0, atol=0.02)
