"""The floor is darker close under a foot, on the lit side too, and it is not where the foot is lifted or a ghost's."""

from dataclasses import replace

import numpy as np
import pytest

from ui.avatar_command import posed
from ui.drawing.cameras import CAMERAS
from ui.drawing.contact import spheres
from ui.drawing.scene import Scene, SceneState
from ui.staging import Staging

SIZE = (640, 360)
TOWARDS_LIGHT = np.array([0.70, 0.0, 0.71])


def seen_beside_the_foot(scene: Scene, stage: str, state: SceneState, foot: np.ndarray) -> np.ndarray:
    """(2,) how dark the floor is on the lit side of a foot at (3,), 9 cm and 40 cm from it."""
    scene.restage(Staging(stage=stage, camera="front"))
    scene.framing = CAMERAS["front"].make()
    scene.draw(state)
    picture = scene.read_clear().astype(float)
    seen = []
    for away_m in (0.09, 0.40):
        x, y, _, w = scene.framing.clip_from_world(SIZE[0] / SIZE[1]) @ np.append(foot + away_m * TOWARDS_LIGHT, 1.0)
        column, row = int((x / w + 1) / 2 * SIZE[0]), int((1 - y / w) / 2 * SIZE[1])
        patch = picture[row - 1 : row + 2, column - 1 : column + 2]
        seen.append(patch[..., 3].mean() if stage == "clear" else -patch[..., :3].mean())
    return np.array(seen)


@pytest.mark.parametrize(("stage", "least"), [("studio", 5.0), ("club", 2.0), ("clear", 12.0)])
def test_a_foot_that_stands_darkens_the_floor_beside_it(scene: Scene, stage: str, least: float) -> None:
    standing = SceneState(0.0, posed(0.0))
    foot = scene.place(standing)[1][0][0][11] * [1.0, 0.0, 1.0]
    bare, stands, floats = (
        seen_beside_the_foot(
            scene, stage, replace(standing, follower=replace(body, root_m=body.root_m + [0.0, up_m, 0.0])), foot
        )
        for body in [standing.follower]
        for up_m in (50.0, 0.0, 0.5)
    )
    assert stands[0] - bare[0] > least
    assert abs(stands[1] - bare[1]) < 0.2 * least, "only close by"
    assert floats[0] - bare[0] < 0.5 * (stands[0] - bare[0])


def test_feet_close_together_darken_the_floor_without_an_edge(scene: Scene) -> None:
    """Each foot's patch is a rectangle; where two overlap, neither may cut the other off."""
    scene.restage(Staging(stage="clear", camera="front"))
    scene.framing = CAMERAS["front"].make()
    scene.draw(SceneState(0.0, posed(0.0)))
    alpha = scene.read_clear()[..., 3].astype(int)
    # Between the feet, 18 cm before the middle of the body.
    x, y, _, w = scene.framing.clip_from_world(SIZE[0] / SIZE[1]) @ np.array([0.0, 0.0, 0.18, 1.0])
    column, row = int((x / w + 1) / 2 * SIZE[0]), int((1 - y / w) / 2 * SIZE[1])
    between = alpha[row, column - 14 : column + 16]
    assert between[0] > 10 and between[-1] > 3
    assert np.abs(np.diff(between)).max() <= 5, "no line where a patch ends"


def test_who_stands_has_two_feet_and_nobody_none(scene: Scene) -> None:
    _, placed = scene.place(SceneState(0.0, posed(0.0)))
    feet = spheres(placed)
    assert feet.shape == (2, 2, 4) and feet[..., 1].min() >= 0.03 and feet[..., 1].max() < 0.12
    assert spheres([]).shape == (0, 2, 4)
