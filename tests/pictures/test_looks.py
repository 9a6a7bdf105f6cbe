"""Every stage, camera and avatar: beside small reference pictures, and by what can be measured in them.

The references are drawn anew by ``python tests/pictures/test_looks.py``; look at them before they are committed.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from duet.choreography import compose
from duet.kinematics import heading_yaw
from duet.skeleton import BODY
from ui.avatar_command import posed
from ui.drawing.avatar import AVATARS, shipped_avatar
from ui.drawing.cameras import CAMERAS
from ui.drawing.dance import Dance, couple_dance
from ui.drawing.scene import Scene, SceneState, create_headless_context
from ui.drawing.stages import STAGES
from ui.staging import LEADER_AS, Staging

SIZE, SHRINK = (320, 180), 4
REFERENCE = Path(__file__).parent / "reference"
FPS = 30.0


def couple() -> Dance:
    return couple_dance(compose("salsa", 8.0, 180.0, 3, fps=FPS))


DANCE = couple()
MOMENT_S = 4.0
COUPLE = replace(DANCE.state(MOMENT_S), beat_phase=0.05)


def drawn(scene: Scene, staging: Staging, state: SceneState = COUPLE) -> np.ndarray:
    """(H, W, 4) from where the camera begins."""
    scene.restage(staging)
    scene.framing = CAMERAS[staging.camera].make()
    scene.draw(state)
    return scene.read_clear()


def shrunk(picture: np.ndarray) -> np.ndarray:
    """(h, w, 3) of an (H, W, 4) picture, what is clear over grey."""
    cover = picture[..., 3:] / 255.0
    flat = picture[..., :3] * cover + 90.0 * (1.0 - cover)
    height, width = flat.shape[0] // SHRINK, flat.shape[1] // SHRINK
    return flat.reshape(height, SHRINK, width, SHRINK, 3).mean((1, 3))


def sheet(cells: list[np.ndarray], columns: int) -> np.ndarray:
    rows = [np.concatenate(cells[k : k + columns], axis=1) for k in range(0, len(cells), columns)]
    return np.round(np.concatenate(rows)).astype(np.uint8)


def stages(scene: Scene) -> np.ndarray:
    return sheet([shrunk(drawn(scene, Staging(stage=name))) for name in STAGES], 2)


def cameras(scene: Scene) -> np.ndarray:
    """The cameras, and the leader's other ways to be."""
    cells = [shrunk(drawn(scene, Staging(camera=name))) for name in CAMERAS]
    ways = [name for name in LEADER_AS if name != "body"]
    return sheet([*cells, *(shrunk(drawn(scene, Staging(stage="black", leader_as=name))) for name in ways)], 4)


def avatars(scene: Scene) -> np.ndarray:
    """From before and from behind."""
    cells = []
    for name in AVATARS:
        for yaw in (0.5, 3.6):
            cell = shrunk(drawn(scene, Staging(camera="front", follower=name), SceneState(0.0, posed(yaw))))
            cells.append(cell[:, 24:56])
    return sheet(cells, len(cells))


SHEETS: dict[str, Callable[[Scene], np.ndarray]] = {"stages": stages, "cameras": cameras, "avatars": avatars}


@pytest.mark.parametrize("name", SHEETS)
def test_looks_like_the_reference(scene: Scene, name: str) -> None:
    """Drivers differ at edges and in the last bits; the references are small, so that nobody sees those."""
    picture = SHEETS[name](scene).astype(int)
    with Image.open(REFERENCE / f"{name}.png") as image:
        wanted = np.asarray(image.convert("RGB"), dtype=int)
    assert picture.shape == wanted.shape, "draw the references anew"
    difference = np.abs(picture - wanted)
    assert difference.mean() < 2.0
    assert np.percentile(difference, 99.5) < 25.0


def bodies(picture: np.ndarray) -> np.ndarray:
    """(H, W) where a clear picture is covered by more than shadow."""
    return picture[..., 3] > 240


@pytest.mark.parametrize("at_s", [1.5, 4.0, 6.5])
def test_a_couple_stands_on_the_floor(scene: Scene, at_s: float) -> None:
    """Each dancer's silhouette ends where the floor under the lowest foot is, to two pixels."""
    state = DANCE.state(at_s)
    picture = drawn(scene, Staging(stage="clear"), state)
    dancers, placed = scene.place(state)
    clip = scene.framing.clip_from_world(SIZE[0] / SIZE[1])
    for dancer, (joints, turns) in zip(dancers, placed, strict=True):
        skin = _skin(dancer.avatar, joints, turns)
        foot = skin[np.argmin(skin[:, 1])]
        assert abs(foot[1]) < 0.03, "the lowest skin is on the floor"
        x, y, _, w = clip @ np.append(foot * [1.0, 0.0, 1.0], 1.0)
        column, row = round((x / w + 1) / 2 * SIZE[0]), (1 - y / w) / 2 * SIZE[1]
        covered = np.flatnonzero(bodies(picture)[:, column - 2 : column + 3].any(1))
        assert abs(covered[-1] + 1 - row) < 2.5


def _skin(avatar, joints: np.ndarray, turns: np.ndarray) -> np.ndarray:
    matrices = avatar.skin_between(joints, turns)
    weights = avatar.bone_weight.astype(np.float32) / 255.0
    blended = np.einsum("vk,vkab->vab", weights, matrices[avatar.bone_index])
    return np.einsum("vab,vb->va", blended[:, :, :3], avatar.vertices_m) + blended[:, :, 3]


def test_they_face_each_other_and_one_sees_a_face(scene: Scene) -> None:
    """Through the leader's eyes there is skin where the partner's face is; behind her there would be hair."""
    facing = [k / 10 for k in range(10, 70) if _faces(DANCE.state(k / 10))]
    assert len(facing) > 20, "a couple faces each other for a good part of a salsa"
    state = DANCE.state(max(facing, key=_apart_m))
    shares = []
    for turned in (False, True):
        seen = _about_face(state) if turned else state
        picture = drawn(scene, Staging(camera="first", leader_as="ghost"), seen)
        dancers, placed = scene.place(seen)
        eyes = dancers[0].avatar.between_eyes_m(placed[0])
        shares.append(_skin_share(scene, picture, eyes))
    assert shares[0] > 0.5 > 0.25 > shares[1]


def _apart_m(at_s: float) -> float:
    state = DANCE.state(at_s)
    assert state.leader is not None
    return float(np.linalg.norm(state.leader.root_m - state.follower.root_m))


def _faces(state: SceneState) -> bool:
    """Whether both look at each other, by their joints, within 50 degrees."""
    assert state.leader is not None
    leader, follower = shipped_avatar("leader"), shipped_avatar("follower")
    places = [leader.place(state.leader)[0], follower.place(state.follower)[0]]
    for k in (0, 1):
        yaw = heading_yaw(BODY, places[k][:22])
        way = places[1 - k][0] - places[k][0]
        if abs((np.arctan2(way[0], way[2]) - yaw + np.pi) % (2 * np.pi) - np.pi) > np.radians(50):
            return False
    return True


def _about_face(state: SceneState) -> SceneState:
    quaternions = np.array(state.follower.quaternions_wxyz, dtype=np.float64)
    w, x, y, z = quaternions[0]
    quaternions[0] = (-y, z, w, -x)  # half a turn about the vertical, before the rest
    return replace(state, follower=replace(state.follower, quaternions_wxyz=quaternions))


def _skin_share(scene: Scene, picture: np.ndarray, middle_m: np.ndarray) -> float:
    """Of the pixels round ``middle_m``, those that are light and warm, as her face is and her hair is not."""
    x, y, _, w = scene.framing.clip_from_world(SIZE[0] / SIZE[1]) @ np.append(middle_m, 1.0)
    column, row = round((x / w + 1) / 2 * SIZE[0]), round((1 - y / w) / 2 * SIZE[1])
    around = picture[row - 4 : row + 6, column - 5 : column + 6, :3].astype(int)
    return float(((around[..., 0] > 110) & (around[..., 0] > around[..., 2] + 15)).mean())


def test_a_mirror_swaps_left_and_right(scene: Scene) -> None:
    front, mirrored = (drawn(scene, Staging(stage="clear", camera=name)).astype(int) for name in ("front", "mirror"))
    assert np.abs(front[:, ::-1] - mirrored).mean() < 1.0 < np.abs(front - mirrored).mean()


def test_the_side_camera_goes_round_and_the_first_person_stands_at_the_eyes(scene: Scene) -> None:
    drawn(scene, Staging(camera="side"))
    before = scene.framing.turn_rad
    for k in range(31):
        scene.draw(DANCE.state(MOMENT_S + k / 10))
    assert 0.3 < scene.framing.turn_rad - before < 0.6
    drawn(scene, Staging(camera="first"))
    dancers, placed = scene.place(COUPLE)
    eyes = dancers[1].avatar.between_eyes_m(placed[1])
    assert np.linalg.norm(scene.framing.eye_m - eyes) < 0.2
    scene.draw(replace(COUPLE, leader=None))
    assert np.linalg.norm(scene.framing.eye_m - scene.framing.target_m) > 2.0, "without a leader, from before the stage"


def test_club_lights_pulse_with_the_beat_and_the_floor_mirrors(scene: Scene) -> None:
    club = Staging(stage="club")
    on, off = (drawn(scene, club, replace(COUPLE, beat_phase=phase)).astype(int) for phase in (0.0, 0.6))
    assert on[..., :3].mean() > 1.15 * off[..., :3].mean()
    studio = [drawn(scene, Staging(), replace(COUPLE, beat_phase=phase)) for phase in (0.0, 0.6)]
    np.testing.assert_array_equal(*studio)
    # The mirror images lie below the feet; on a black stage there is nothing else.
    picture = drawn(scene, Staging(stage="black")).astype(int)
    feet = np.flatnonzero(bodies(drawn(scene, Staging(stage="clear"))).any(1))[-1]
    assert picture[feet + 3 : feet + 20, :, :3].max() > 12
    corners = picture[[0, 0, -1, -1], [0, -1, 0, -1], :3]
    assert corners.max() <= 2, "black is black"


def test_a_clear_stage_has_nothing_but_dancers_and_shadow(scene: Scene) -> None:
    picture = drawn(scene, Staging(stage="clear"))
    assert picture[[0, 0, -1], [0, -1, 0], 3].max() == 0
    shadow = (picture[..., 3] > 40) & (picture[..., 3] < 230)
    assert shadow.sum() > 150
    assert picture[shadow][:, :3].max() < 60
    smooth = Scene(scene.context, SIZE, samples=4, staging=Staging(stage="clear"))
    smooth.draw(COUPLE)
    edge = smooth.read_clear()
    partly = (edge[..., 3] > 60) & (edge[..., 3] < 200) & (np.roll(edge[..., 3], 1, axis=1) > 240)
    # Not premultiplied: at a half covered edge a colour is as bright as beside it, not half as bright.
    assert np.median(edge[partly][:, :3].max(-1)) > 40


def test_a_finer_picture_is_as_large_and_has_more_steps_along_edges(scene: Scene) -> None:
    steps = []
    for finer in (1, 2):
        still = Scene(scene.context, SIZE, samples=4, staging=Staging(stage="clear"), finer=finer, closes_in=True)
        still.draw(COUPLE)
        picture = still.read_clear()
        assert picture.shape == (SIZE[1], SIZE[0], 4)
        covered = np.argwhere(bodies(picture))
        assert 0.85 < np.ptp(covered[:, 0]) / SIZE[1] < 0.95, "a still is filled"
        edge = bodies(np.roll(picture, 1, axis=1)) & ~bodies(picture)
        steps.append(len(np.unique(picture[edge][:, 3])))
    assert steps[1] > 1.5 * steps[0]


def test_a_leader_is_there_as_asked(scene: Scene) -> None:
    pictures = {way: drawn(scene, Staging(stage="clear", camera="front", leader_as=way)) for way in LEADER_AS}
    area = {way: int(bodies(picture).sum()) for way, picture in pictures.items()}
    assert area["body"] > area["skeleton"] > area["ghost"]
    assert (pictures["ghost"][..., 3] > 20).sum() > 1.3 * area["ghost"], "a ghost covers, but not wholly"
    only_her = drawn(scene, Staging(stage="clear", camera="front"), replace(COUPLE, leader=None))
    np.testing.assert_array_equal(pictures["none"], only_her)


@pytest.mark.parametrize("name", AVATARS)
def test_front_and_back_differ_from_afar(scene: Scene, name: str) -> None:
    """Facing is read from colour: the head's of front and back are far apart even in a few pixels."""
    small = Scene(scene.context, (160, 90), staging=Staging(camera="front", follower=name, stage="black"))
    heads = []
    for yaw in (0.0, np.pi):
        state = SceneState(0.0, posed(yaw))
        small.draw(state)
        dancers, placed = small.place(state)
        x, y, _, w = small.framing.clip_from_world(160 / 90) @ np.append(
            dancers[0].avatar.between_eyes_m(placed[0]), 1.0
        )
        column, row = round((x / w + 1) * 80), round((1 - y / w) * 45)
        heads.append(small.read()[row - 1 : row + 3, column - 1 : column + 2].mean((0, 1)))
    assert np.abs(heads[0] - heads[1]).max() > 40


def test_drawing_again_gives_the_same_pixels_after_any_change(scene: Scene) -> None:
    first = drawn(scene, Staging())
    for staging in (Staging(stage="club", camera="mirror"), Staging(leader_as="ghost", follower="glow")):
        drawn(scene, staging)
    np.testing.assert_array_equal(first, drawn(scene, Staging()))


def redraw() -> None:
    """Draw the references anew."""
    context = create_headless_context()
    scene = Scene(context, SIZE)
    for name, make in SHEETS.items():
        path = REFERENCE / f"{name}.png"
        Image.fromarray(make(scene)).save(path, optimize=True)
        sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")
    context.release()


if __name__ == "__main__":
    redraw()
