"""One leader among several, and the part of the picture that is looked at."""

import numpy as np
import pytest

from duet.errors import InputError
from duet.rotations import matrix_from_rotvec
from duet.skeleton import BODY
from realtime.sight.landmarks import Landmarks
from realtime.sight.people import GONE_S, Chooser
from realtime.sight.placement import Lens, locate
from realtime.sight.synthetic import Filmed
from realtime.sight.view import View, region_of

FPS = 30.0
STANDING = matrix_from_rotvec(np.zeros((22, 3)))
FILMED = Filmed()


def _person(x_m: float, z_m: float, rng: np.random.Generator | None = None) -> Landmarks:
    filmed = Filmed(noise_m=0.01) if rng is not None else FILMED
    root = np.array([x_m, float(BODY.rest_joints_m[0, 1]), z_m])
    return filmed.landmarks(BODY, root, STANDING, rng)


def test_the_nearest_leads_and_the_middle_counts() -> None:
    near, far, aside = _person(0.3, 0.5), _person(0.0, -1.5), _person(-1.2, 0.6)
    assert Chooser().step([far, near], 0.0) is near
    assert Chooser().step([aside, near], 0.0) is near
    assert Chooser().step([], 0.0) is None


def test_the_leader_leads_on_in_any_order_and_past_somebody_nearer() -> None:
    rng = np.random.default_rng(0)
    chooser = Chooser()
    right = 0
    for i in range(240):
        t = i / FPS
        leader = _person(0.5 * np.sin(2 * np.pi * 0.5 * t), 0.0, rng)
        people = [leader]
        if i >= 30:  # somebody walks through the picture before the leader, nearer to the camera
            people.append(_person(-2.0 + 0.6 * (t - 1.0), 0.9, rng))
        chosen = chooser.step([people[k] for k in rng.permutation(len(people))], t)
        right += chosen is leader
    assert right == 240


def test_hidden_for_a_moment_nobody_else_takes_over() -> None:
    chooser = Chooser()
    other = _person(1.1, 0.3)
    leader = _person(-0.4, 0.0)
    assert chooser.step([leader, other], 0.0) is leader
    for i in range(1, 15):
        assert chooser.step([other], i / FPS) is None
    assert chooser.step([other, leader], 15 / FPS) is leader


def test_gone_for_long_another_leads_and_keeps_on() -> None:
    chooser = Chooser()
    other, leader = _person(1.4, -1.0), _person(-0.6, 0.0)
    assert chooser.step([leader, other], 0.0) is leader
    later_s = GONE_S + 0.1
    assert chooser.step([other], later_s) is other
    assert chooser.step([leader, other], later_s + 1 / FPS) is other


def test_who_stands_aside_makes_room_for_somebody_who_came_to_dance() -> None:
    chooser, guard, visitor, waiting = Chooser(), _person(1.1, 0.3), _person(-0.4, 0.0), _person(0.8, 0.2)
    chooser.is_aside = lambda person: person is not visitor
    # Alone in view, or beside somebody who waits as well, they are seen on.
    for frame in range(90):
        assert chooser.step([guard] if frame < 30 else [waiting, guard], frame / FPS) is guard
    assert chooser.step([guard, visitor], 3.0) is visitor and chooser.is_another, "they have stood aside for long"
    for frame in range(91, 120):
        assert chooser.step([guard, visitor, waiting], frame / FPS) is visitor and not chooser.is_another


def test_a_step_aside_is_not_taken_for_standing_there() -> None:
    chooser, leader, near = Chooser(), _person(-0.4, 0.0), _person(1.1, 0.3)
    for frame in range(200):
        chooser.is_aside = lambda person, is_out=frame % 60 < 40: person is leader and is_out
        assert chooser.step([near, leader] if frame > 10 else [leader], frame / FPS) is leader


def test_who_came_to_dance_is_chosen_before_who_waits() -> None:
    chooser, visitor, near = Chooser(), _person(0.0, -1.5), _person(0.3, 0.5)
    chooser.is_aside = lambda person: person is near
    assert chooser.step([near, visitor], 0.0) is visitor
    assert Chooser().step([near, visitor], 0.0) is near


def test_numbers_that_are_none_are_nobody() -> None:
    broken = _person(0.0, 0.0)
    broken.image[3] = np.nan
    assert Chooser().step([broken], 0.0) is None


@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_view_undoes_what_the_camera_did(turn_deg: int, mirror: bool) -> None:
    upright = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    delivered = upright[:, ::-1] if mirror else upright
    delivered = np.rot90(delivered, turn_deg // 90)
    view = View(turn_deg, mirror)
    np.testing.assert_array_equal(view.upright(np.ascontiguousarray(delivered)), upright)
    assert view.looked_at(view.upright(delivered)).flags.c_contiguous


def test_a_region_moves_nobody() -> None:
    whole = _person(0.4, 0.2)
    view = View(region=(0.25, 0.1, 0.5, 0.85))
    x0, y0, x1, y1 = view._pixels(whole.size_px)
    assert view.looked_at(np.zeros((480, 640, 3), np.uint8)).shape == (y1 - y0, x1 - x0, 3)
    size = np.array(whole.size_px)
    inside = (whole.image * size - [x0, y0]) / [x1 - x0, y1 - y0]
    back = whole._replace(image=view.in_whole(inside, whole.size_px))
    np.testing.assert_allclose(locate(back, Lens(), 1.0), locate(whole, Lens(), 1.0), atol=1e-9)


@pytest.mark.parametrize("text", ["", "0,0,1", "a,b,c,d", "0.5,0,0.6,1", "-0.1,0,0.5,1", "0,0,0.01,1", "nan,0,1,1"])
def test_a_region_that_is_none_is_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="Region: expected"):
        View(region=region_of(text))


def test_a_turn_of_another_angle_is_a_sentence() -> None:
    with pytest.raises(InputError, match="expected 0, 90, 180 or 270"):
        View(turn_deg=45)
