"""The live offset: a rigid move of the whole leader, smooth, and the same for the dance and for the picture."""

import math

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.frames import LeaderFrame
from duet.kinematics import forward, heading_yaw
from duet.rotations import matrix_from_6d, wrap_angle
from duet.skeleton import BODY
from realtime.sight.leader_take import TakeLeader
from realtime.sight.stage_shift import EASE_M_S, Glide, Shift, ShiftedLeader


@pytest.fixture(scope="module")
def leader() -> TakeLeader:
    return TakeLeader(compose("salsa", 4.0, 180.0, 0, fps=30.0).leader, 30.0)


def test_a_shift_moves_the_whole_body_and_bends_nothing(leader: TakeLeader) -> None:
    plain = leader.frame(30)
    shifted = Shift(0.4, -0.7, math.radians(30)).of(plain)
    for before, after in ((plain.joints_m[0], shifted.joints_m[0]), (plain.root_m, shifted.root_m)):
        assert after[1] == pytest.approx(float(before[1]), abs=1e-6)
    joints, _ = forward(BODY, shifted.root_m, matrix_from_6d(shifted.rotations_6d))
    np.testing.assert_allclose(joints, shifted.joints_m, atol=1e-4)
    turned = heading_yaw(BODY, shifted.joints_m) - heading_yaw(BODY, plain.joints_m)
    assert float(wrap_angle(turned)) == pytest.approx(math.radians(30), abs=1e-4)
    assert Shift().of(plain) is plain


def test_a_shift_is_glided_to_no_faster_than_a_walk() -> None:
    glide = Glide().to(Shift(1.0, 0.0), 10.0)
    times = np.arange(9.0, 14.0, 1 / 30)
    path = np.array([glide.at(t).x_m for t in times])
    assert path[0] == 0.0 and path[-1] == 1.0
    assert np.diff(path).max() * 30.0 <= EASE_M_S + 1e-9
    back = glide.to(Shift(), 11.0)
    assert back.at(11.0).x_m == pytest.approx(glide.at(11.0).x_m)
    assert back.at(20.0) == Shift()


def test_danced_and_drawn_leader_are_in_the_same_place(leader: TakeLeader) -> None:
    shifted = ShiftedLeader(leader, Shift(x_m=0.2))
    shifted.start(MonotonicClock(), 0.0)
    assert shifted.shift == Shift(x_m=0.2)
    shifted.move(Shift(x_m=0.5), 1.0)
    danced: list[LeaderFrame] = list(shifted.take_new(3.0))
    assert danced[0].root_m[0] == pytest.approx(leader.frame(0).root_m[0] + 0.2, abs=1e-5)
    for frame in danced:
        shown = shifted.shown(frame.time_s)
        assert shown is not None
        np.testing.assert_allclose(shown.joints_m, frame.joints_m, atol=1e-6)
    assert danced[-1].root_m[0] == pytest.approx(leader.frame(danced[-1].index).root_m[0] + 0.5, abs=1e-5)
