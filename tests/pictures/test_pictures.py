"""What the stage shows: compared with a reference, and measured in pixels."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import moderngl
import numpy as np
import pytest
from PIL import Image

from duet.errors import InputError, PictureError
from duet.frames import LeaderStatus, PoseSource
from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix, yaw_matrix
from duet.skeleton import BODY
from realtime.sight.preview import Sight
from realtime.sound.level import Level
from ui.drawing.avatar import BodyPose, shipped_avatar
from ui.drawing.hud import Hud, HudValues, SightValues
from ui.drawing.inset import inset_box
from ui.drawing.preview import with_skeleton
from ui.drawing.scene import Scene, SceneState, create_headless_context
from ui.staging import Staging

SIZE = (320, 180)
REFERENCE = Path(__file__).parent / "reference" / "couple.png"
FAR_UP_M = 50.0

HUD = HudValues(
    tempo_bpm=180.0, beat_phase=0.25, beat_in_bar=3, lag_ms=183.0, tick_ms=31.0, budget_ms=133.0,
    leader=LeaderStatus.TRACKED, source=PoseSource.MODEL,
)  # fmt: skip


def pose(x: float, z: float, yaw: float, *, step: float = 0.5, height: float = 0.0) -> BodyPose:
    """A dancer with bent arms and one knee lifted by ``step`` rad."""
    turns = np.zeros((22, 3))
    for side, sign in (("left", -1.0), ("right", 1.0)):
        turns[BODY.index(f"{side}_shoulder")] = (0.0, 0.5 * sign, 0.9 * sign)
        turns[BODY.index(f"{side}_elbow")] = (0.0, 1.2 * sign, 0.0)
    turns[BODY.index("left_hip")], turns[BODY.index("left_knee")] = (-step, 0, 0), (2 * step, 0, 0)
    matrices = matrix_from_rotvec(turns)
    matrices[0] = yaw_matrix(yaw)
    return BodyPose(np.array([x, 0.878 + height, z]), quaternion_wxyz_from_matrix(matrices))


COUPLE = SceneState(0.0, pose(0.45, 0.0, -1.1), pose(-0.45, 0.0, 1.1, step=0.2))


def draw(scene: Scene, state: SceneState) -> np.ndarray:
    # A cut in time puts the camera where it settles.
    scene.framing.time_s = None
    scene.framing.turn_rad = 0.0
    scene.draw(state)
    return scene.read().astype(int)


def coarse(picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    return picture[: height // 5 * 5, : width // 5 * 5].reshape(height // 5, 5, width // 5, 5, 3).mean((1, 3))


def red(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0] > 120) & (picture[..., 1] < 60) & (picture[..., 2] < 90)


def white(picture: np.ndarray) -> np.ndarray:
    return (picture.min(-1) > 150) & (np.ptp(picture, axis=-1) < 45)


def test_looks_like_the_reference(scene: Scene) -> None:
    """Drivers differ in the last bits and at edges; people do not see that, so blocks of 5 pixels are compared."""
    picture = draw(scene, replace(COUPLE, hud=HUD))
    with Image.open(REFERENCE) as image:
        difference = np.abs(coarse(picture) - coarse(np.asarray(image.convert("RGB"), dtype=int)))
    assert difference.mean() < 2.0
    assert np.percentile(difference, 99.5) < 25.0


def test_two_dancers_in_their_colours(scene: Scene) -> None:
    picture = draw(scene, COUPLE)
    assert red(picture).sum() > 250
    assert white(picture).sum() > 150
    assert np.argwhere(white(picture))[:, 1].mean() < SIZE[0] / 2 < np.argwhere(red(picture))[:, 1].mean()


def test_no_leader_no_picture_of_one(scene: Scene) -> None:
    picture = draw(scene, replace(COUPLE, leader=None))
    assert white(picture).sum() < 5  # the whites of her eyes
    assert red(picture).sum() > 250


def test_bodies_have_different_silhouettes(scene: Scene) -> None:
    heights = []
    for name in ("leader", "follower"):
        one = Scene(scene.context, SIZE, follower=shipped_avatar(name))
        here = draw(one, SceneState(0.0, pose(0, 0, 0, step=0.0)))
        gone = draw(one, SceneState(0.0, pose(0, 0, 0, step=0.0, height=FAR_UP_M)))
        above = (np.abs(here - gone).max(-1) > 12)[: SIZE[1] * 3 // 4]
        heights.append((SIZE[1] - np.flatnonzero(above.any(1))[0], above.sum()))
    assert heights[0][0] > heights[1][0] + 3


@pytest.mark.parametrize("name", ["leader", "follower"])
def test_feet_stand_on_the_floor_and_on_their_shadow(scene: Scene, name: str) -> None:
    standing = pose(0, 0, 0.0, step=0.0)
    one = Scene(scene.context, SIZE, follower=shipped_avatar(name))
    here = draw(one, SceneState(0.0, standing))
    gone = draw(one, SceneState(0.0, replace(standing, root_m=standing.root_m + [0, FAR_UP_M, 0])))
    skin = shipped_avatar(name).skinned_vertices_m(standing)
    assert abs(skin[:, 1].min()) < 0.005
    clip = np.concatenate([skin, np.ones((len(skin), 1))], 1) @ one.framing.clip_from_world(SIZE[0] / SIZE[1]).T
    lowest_row = (1 - (clip[:, 1] / clip[:, 3]).min()) / 2 * SIZE[1]
    changed = np.flatnonzero((np.abs(here - gone).max(-1) > 12).any(1))
    # Where the skin ends the picture's change ends too (the shadow falls away from the camera), to a pixel.
    assert abs(changed[-1] + 1 - lowest_row) < 2.0
    # Without lifting a foot there is no gap between sole and shadow: lifted, the shadow parts from it.
    lifted = draw(one, SceneState(0.0, replace(standing, root_m=standing.root_m + [0, 0.25, 0])))
    shadows = [(gone.sum(-1) - p.sum(-1) > 40).sum() for p in (here, lifted)]
    assert shadows[1] > 0


def test_shadow_lies_on_the_floor(scene: Scene) -> None:
    here = draw(scene, COUPLE)
    away = {"root_m": np.array([0.45, FAR_UP_M, 0.0])}
    gone = draw(scene, replace(COUPLE, follower=replace(COUPLE.follower, **away),
                               leader=replace(COUPLE.leader, root_m=np.array([-0.45, FAR_UP_M, 0.0]))))  # fmt: skip
    darker = gone.sum(-1) - here.sum(-1) > 40
    floor_rows = slice(int(SIZE[1] * 0.7), SIZE[1])
    # To the left of the leader there is nothing but his shadow: the light comes from the right.
    assert darker[floor_rows, : int(SIZE[0] * 0.33)].sum() > 20


def test_drawing_again_gives_the_same_pixels(scene: Scene) -> None:
    first = draw(scene, COUPLE)
    draw(scene, replace(COUPLE, follower=pose(0.6, 0.3, 0.0)))
    np.testing.assert_array_equal(first, draw(scene, COUPLE))


def test_what_is_drawn_for_nobody_leaves_no_trace(scene: Scene) -> None:
    before, framing = draw(scene, COUPLE), scene.framing
    scene.warm()
    assert not np.array_equal(scene.read(), before), "both are drawn, to be ready"
    assert scene.framing is framing
    np.testing.assert_array_equal(draw(scene, COUPLE), before)


def test_smooth_edges_and_other_sizes(context) -> None:
    scene = Scene(context, (160, 90), samples=4)
    small = draw(scene, COUPLE)
    scene.resize((640, 360))
    large = draw(scene, COUPLE)
    assert small.shape == (90, 160, 3)
    assert large.shape == (360, 640, 3)
    shrunk = large.reshape(90, 4, 160, 4, 3).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 4
    with pytest.raises(PictureError, match="at least 1x1"):
        scene.resize((0, 10))


def panel(scene: Scene, values: HudValues) -> np.ndarray:
    return draw(scene, replace(COUPLE, hud=values))[:100, :190]


def test_panel_shows_what_it_is_told(scene: Scene) -> None:
    scene.resize((640, 360))
    base = panel(scene, HUD)
    without = draw(scene, COUPLE)[:100, :190]
    assert np.abs(base - without).max() > 100
    changes = {
        "tempo_bpm": 95.0, "beat_phase": 0.7, "beat_in_bar": 1, "lag_ms": 500.0, "tick_ms": 150.0, "late_ticks": 7,
        "leader": LeaderStatus.LOST, "source": PoseSource.HOLD, "beat_giver": "tapped", "rows": ("still 2.4 mm",),
    }  # fmt: skip
    for name, value in changes.items():
        assert np.abs(panel(scene, replace(HUD, **{name: value})) - base).max() > 40, name
    unknown = panel(scene, HudValues())
    assert np.abs(unknown - base).max() > 100
    lost = panel(scene, replace(HUD, leader=LeaderStatus.LOST))[66:80, 14:28]
    red_lamp = (lost[..., 0] > 200) & (lost[..., 1] < 130)
    assert red_lamp.sum() > 20
    dashes, letters = (
        draw(scene, replace(COUPLE, hud=replace(HUD, message=f"Waiting for the leader · {word}")))
        for word in ("------", "äßñЖΩđ")
    )
    assert (np.abs(letters - dashes)[325:355].max(axis=(0, 2)) > 60).sum() > 25, "letters, and not what stands for them"
    message = draw(scene, replace(COUPLE, hud=replace(HUD, message="Waiting for the leader · ü")))
    assert np.abs(message - draw(scene, replace(COUPLE, hud=HUD)))[325:355].max() > 60
    audience = replace(HUD, is_for_audience=True)
    invited = draw(scene, replace(COUPLE, hud=replace(audience, message="Step onto the mark")))
    assert np.abs(invited - draw(scene, replace(COUPLE, hud=audience)))[280:312].max() > 60
    alone = draw(scene, replace(COUPLE, hud=replace(HUD, message="Step onto the mark", is_message_only=True)))
    changed = np.abs(alone - draw(scene, COUPLE))
    assert changed[325:355].max() > 60 and not changed[:325].any(), "words, and no signs"


def test_what_the_camera_sees_is_in_the_corner_with_bones_and_a_lamp(scene: Scene) -> None:
    scene.resize((640, 360))
    points = np.full((33, 3), 0.5, np.float32)
    points[:, 1] = np.linspace(0.1, 0.7, 33)
    grey = np.full((192, 256, 3), 120, np.uint8)
    sight = Sight(0.0, grey, points, LeaderStatus.TRACKED, 30.0)
    boned = with_skeleton(sight)
    assert boned.shape == grey.shape and (np.abs(boned.astype(int) - 120).max(-1) > 60).sum() > 100
    guessed = with_skeleton(replace(sight, points=points * [1, 1, 0]))
    assert np.abs(guessed.astype(int) - 120).sum() < 0.7 * np.abs(boned.astype(int) - 120).sum()
    assert with_skeleton(replace(sight, points=None, status=LeaderStatus.LOST)).max() == 60
    left, top, width, height = inset_box((256, 192), (640, 360))
    assert left + width <= 640 and top + height <= 360 and width / height == pytest.approx(256 / 192, rel=0.02)
    box = slice(top + 3, top + height - 30), slice(left + 3, left + width - 3)
    upright = grey.copy()
    upright[:96] = (200, 40, 40)
    shown = draw(scene, replace(COUPLE, inset=upright))[box]
    assert shown[10, 50, 0] > 180 and shown[-10, 50, 0] == 120, "the top row is at the top"
    for status, lamp in ((LeaderStatus.TRACKED, 1), (LeaderStatus.LOST, 0)):
        hud = replace(HUD, sight=SightValues((left, top, width, height), status, 29.7, 41.0))
        foot = draw(scene, replace(COUPLE, inset=upright, hud=hud))[top + height - 17 : top + height, left : left + 16]
        assert int(foot[..., lamp].max()) > 200


def test_the_meter_is_as_long_as_the_music_is_loud(scene: Scene) -> None:
    scene.resize((640, 360))

    def meter(level: Level) -> np.ndarray:
        return draw(scene, replace(COUPLE, hud=replace(HUD, sound=level)))[81:96, 8:190]

    def greens(picture: np.ndarray) -> list[int]:
        """Pixels of the bar that are green: bright for the mean, fainter for the peak."""
        bar = picture[7, 102:168]
        green = bar[:, 1] - bar[:, 0]
        return [int((green > limit).sum()) for limit in (80, 25)]

    loud, quiet = meter(Level(-15.0, -6.0)), meter(Level(-45.0, -30.0))
    assert greens(loud) == pytest.approx([66 * 0.75, 66 * 0.9], abs=3)
    assert greens(quiet) == pytest.approx([66 * 0.25, 66 * 0.5], abs=3)
    assert greens(meter(Level())) == [0, 0]
    words = slice(None), slice(8, 90)
    raised, silent = meter(Level(-15.0, -6.0, 12.0))[words], meter(Level(-15.0, -6.0, is_silent=True))[words]
    assert np.abs(raised - loud[words]).max() > 60 and np.abs(silent - loud[words]).max() > 60
    clipped = meter(Level(-3.0, 0.0, is_clipping=True))[7, 102:150]
    assert (clipped[:, 0] - clipped[:, 1] > 80).sum() > 40


@pytest.mark.parametrize("size", [(640, 360), (270, 480)])
def test_trouble_is_a_red_lamp_and_whole_sentences_within_panel_and_inset(scene: Scene, size: tuple[int, int]) -> None:
    scene.resize(size)
    scale = max(min(size[1] / 360, size[0] / 420), 0.75)
    trouble = "the camera repeats one picture: plug it in again"
    left, top, width, height = inset_box((256, 192), size)
    calm = SightValues((left, top, width, height), LeaderStatus.TRACKED, 29.7, 41.0)
    grey = np.full((192, 256, 3), 120, np.uint8)
    before = draw(scene, replace(COUPLE, inset=grey, hud=replace(HUD, sight=calm)))
    hud = replace(HUD, troubles=(trouble,), sight=replace(calm, trouble=trouble))
    after = draw(scene, replace(COUPLE, inset=grey, hud=hud))
    changed = (np.abs(after - before) > 12).any(-1)
    lamps = (after[..., 0] > 200) & (after[..., 1] < 130) & (after[..., 2] < 130) & changed
    panel_right, panel_foot = round(186 * scale), round(84 * scale)
    in_panel = changed[: top - 2, : panel_right + 2]
    assert in_panel[panel_foot:].any() and lamps[panel_foot : top - 2, :panel_right].sum() > 20
    assert lamps[top : top + height, left : left + width].sum() > 20
    changed[: top - 2, : panel_right + 2] = False
    changed[top : top + height, left : left + width] = False
    assert not changed.any(), "nothing runs over"


def test_a_long_row_stays_within_the_panel(scene: Scene) -> None:
    scene.resize((640, 360))
    row = "over budget: late ticks, longest run of late ticks, tick p95, decode p95, music p95"
    before, after = draw(scene, COUPLE), draw(scene, replace(COUPLE, hud=replace(HUD, rows=(row, "tilt -3 degrees"))))
    changed = (np.abs(after - before) > 12).any(-1)
    assert not changed[:, 188:].any(), "nothing runs over"
    assert changed[84:125, 8:186].any(1).all(), "it goes on below"


def test_a_long_message_takes_two_lines_where_the_picture_is_narrow(scene: Scene) -> None:
    text = "leader moved +0.10 m across, -0.05 m to the front, turned +5 degrees, and the partner is 0.85 m away by now"
    for size, rows in (((640, 360), 1), ((270, 480), 2)):
        scene.resize(size)
        without = draw(scene, replace(COUPLE, hud=HUD))
        changed = (np.abs(draw(scene, replace(COUPLE, hud=replace(HUD, message=text))) - without) > 12).any(-1)
        assert not changed[:, :2].any() and not changed[:, -2:].any(), "nothing is cut off"
        scale = max(min(size[1] / 360, size[0] / 420), 0.75)
        high = np.flatnonzero(changed.any(1))
        assert round((high[-1] - high[0] + 1) / (20 * scale)) == rows


def test_a_window_that_is_dragged_larger_keeps_one_set_of_glyphs(context, monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = [], Hud._make_atlas

    def counted(hud: Hud) -> moderngl.Texture:
        made.append(make(hud))
        return made[-1]

    monkeypatch.setattr(Hud, "_make_atlas", counted)
    hud = Hud(context, SIZE)
    for height in range(280, 480, 4):
        hud.resize((2 * height, height))
    kept = [texture for texture in made if not isinstance(texture.mglo, moderngl.InvalidObject)]
    assert len(made) == 51 and kept == [hud._texture]


def test_only_what_is_another_is_built_anew_and_is_seen_as_if_it_had_always_been_so(context) -> None:
    scene, staging = Scene(context, SIZE), Staging()
    changes: tuple[tuple[dict[str, Any], set[str]], ...] = (
        ({"hud": "off", "display": 1}, set()),
        ({"camera": "front"}, set()),
        ({"leader_as": "ghost"}, {"leader"}),
        ({"follower": "leader"}, {"follower"}),
        ({"stage": "club"}, {"leader", "follower"}),
        ({"leader_as": "skeleton"}, {"leader"}),
    )
    for change, renewed in changes:
        staging, before = replace(staging, **change), dict(scene._dancers)
        scene.restage(staging)
        assert {name for name, dancer in scene._dancers.items() if dancer is not before[name]} == renewed, change
        if renewed:
            fresh = Scene(context, SIZE, staging=staging)
            np.testing.assert_array_equal(draw(scene, COUPLE), draw(fresh, COUPLE))


def test_a_body_that_cannot_be_read_changes_nothing(context) -> None:
    scene = Scene(context, SIZE)
    before, framing = dict(scene._dancers), scene.framing
    with pytest.raises(InputError, match="got 'moon'"):
        scene.restage(Staging("club", "front", leader="glow").altered(follower="moon"))
    assert (scene.staging, scene.framing, scene._dancers) == (Staging(), framing, before)
    scene.restage_watched(Staging("club", "front", leader="glow").altered(follower="moon"))
    assert scene.staging == Staging("club", "front", leader="glow"), "all but that body"


def cost_of(scene: Scene, state: SceneState) -> Counter[str]:
    """What a picture asks of the graphics: draw calls, corners of triangles, bytes handed over, things made for it."""
    cost: Counter[str] = Counter()

    def counted(kind: type, name: str, asked: Callable[..., dict[str, int]]) -> None:
        real = getattr(kind, name)

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            cost.update(asked(self, *arguments, **named))
            return real(self, *arguments, **named)

        patch.setattr(kind, name, call)

    def drawn(array: moderngl.VertexArray, mode: object = None, *, instances: int = 1) -> dict[str, int]:
        return {"draws": 1, "corners": array.vertices * instances}

    with pytest.MonkeyPatch.context() as patch:
        counted(moderngl.VertexArray, "render", drawn)
        for kind in (moderngl.Buffer, moderngl.Texture):
            counted(kind, "write", lambda _, data, **named: {"bytes": memoryview(data).nbytes})
        for name in ("buffer", "texture", "program", "vertex_array", "framebuffer", "depth_renderbuffer"):
            counted(moderngl.Context, name, lambda *_, **named: {"made": 1})
        scene.draw(state)
    return cost


def test_little_enough_to_dance(context) -> None:
    """Software shades sixteen pixels for each triangle: a picture asks for so many at most, the panel for few."""
    scene = Scene(context, (640, 360))
    draw(scene, replace(COUPLE, hud=HUD))
    plain, with_hud = (cost_of(scene, replace(COUPLE, time_s=0.05, hud=hud)) for hud in (None, HUD))
    assert 0 < plain["draws"] <= 8 and 20_000 < plain["corners"] <= 60_000 and plain["bytes"] <= 8192
    panel = with_hud - plain
    assert panel["draws"] == 1 and panel["corners"] <= 400 and panel["bytes"] <= 4096
    assert plain["made"] == with_hud["made"] == 0, "everything was there before"
    # Where there are more rows than that, looks are not spared.
    scene.resize((960, 540))
    assert cost_of(scene, COUPLE)["corners"] > 1.3 * plain["corners"]


def redraw() -> None:
    """Draw the reference anew: ``python tests/pictures/test_pictures.py``; look at it before it is committed."""
    context = create_headless_context()
    picture = draw(Scene(context, SIZE), replace(COUPLE, hud=HUD))
    Image.fromarray(picture.astype(np.uint8)).save(REFERENCE, optimize=True)
    context.release()


if __name__ == "__main__":
    redraw()
