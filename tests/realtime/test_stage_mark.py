"""Somebody on the mark is in the middle of the stage and faces its audience; a measured distance tells the lens."""

import math

import numpy as np
import pytest

from duet.errors import InputError
from duet.frames import LeaderFrame
from duet.kinematics import heading_yaw
from duet.rotations import matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY
from realtime.sight.lifting import Lifter
from realtime.sight.placement import Lens, StageMap
from realtime.sight.stage_mark import standpoint
from realtime.sight.synthetic import Filmed

ROOM = StageMap(mark_m=(0.0, 0.0))
LENS, FILMED = Lens(), Filmed(noise_m=0.005)
AWAY_M = 3.0


def _lifted(
    stage: StageMap, *, lens: Lens = LENS, filmed: Filmed = FILMED, across_m: float = 0.4,
    turn_rad: float = 0.45, seconds: float = 3.0, walk_m_s: float = 0.0,
) -> list[LeaderFrame]:  # fmt: skip
    """Somebody who stands off the middle, turned, as the tracker gives them."""
    rng = np.random.default_rng(0)
    turns = np.zeros((22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[BODY.index(f"{side}_shoulder"), 2] = -1.2 * sign
        turns[BODY.index(f"{side}_knee"), 0], turns[BODY.index(f"{side}_hip"), 0] = 0.15, -0.07
    rotations = matrix_from_rotvec(turns)
    rotations[0] = yaw_matrix(turn_rad)
    lifter = Lifter(lens=lens, stage=stage, height_m=1.66)
    frames = []
    for i in range(int(30 * seconds)):
        root = np.array([across_m + walk_m_s * i / 30.0, 0.89, 0.0])
        frames.append(lifter.step(filmed.landmarks(BODY, root, rotations, rng), i / 30.0))
    return frames


def test_who_stands_on_the_mark_is_in_the_middle_and_faces_the_audience() -> None:
    found = standpoint(_lifted(ROOM)[15:], Lens())
    assert found.mark_m[0] == pytest.approx(0.4, abs=0.03)
    assert found.mark_m[1] == pytest.approx(-AWAY_M, abs=0.1)
    assert found.facing_rad == pytest.approx(0.45, abs=0.08)
    assert found.spread_m < 0.05
    shown = _lifted(StageMap(found.mark_m, found.facing_rad))[-1]
    assert np.abs(shown.root_m[[0, 2]]).max() < 0.06
    assert abs(float(heading_yaw(BODY, shown.joints_m))) < 0.08


def test_a_measured_distance_tells_the_field_of_view() -> None:
    wide = Lens(math.radians(75.0))
    filmed = Filmed(lens=wide, noise_m=0.003)
    assumed = standpoint(_lifted(ROOM, filmed=filmed)[15:], Lens())
    assert assumed.away_m > 1.2 * math.hypot(AWAY_M, 0.4), "a wide lens makes people small, so they seem far away"
    told = standpoint(_lifted(ROOM, filmed=filmed)[15:], Lens(), away_m=math.hypot(AWAY_M, 0.4))
    assert math.degrees(told.lens.fov_rad) == pytest.approx(75.0, abs=2.5)
    assert told.mark_m == pytest.approx((0.4, -AWAY_M), abs=0.03)
    shown = _lifted(StageMap(told.mark_m), filmed=filmed, lens=told.lens)[-1]
    assert np.abs(shown.root_m[[0, 2]]).max() < 0.06
    with pytest.raises(InputError, match="--away: expected about"):
        standpoint(_lifted(ROOM)[15:], Lens(), away_m=9.0)


def test_facing_the_camera_within_what_the_pose_model_knows_is_facing_the_camera() -> None:
    assert standpoint(_lifted(ROOM, turn_rad=math.radians(3.0)), Lens()).facing_rad == 0.0


def test_nobody_and_somebody_who_walks_are_refused() -> None:
    with pytest.raises(InputError, match="expected somebody in view for 2 s, got 0.0 s"):
        standpoint([], Lens())
    with pytest.raises(InputError, match="who stands still"):
        standpoint(_lifted(ROOM, walk_m_s=0.4), Lens())
