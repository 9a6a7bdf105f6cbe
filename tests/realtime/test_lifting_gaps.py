"""Lifting where pictures, limbs or the whole leader are missing for a while, or are not to be believed."""

import math

import numpy as np
import pytest

from duet.frames import LeaderStatus
from duet.kinematics import heading_yaw
from duet.rotations import matrix_from_rotvec
from duet.skeleton import BODY
from realtime.sight.landmarks import COUNT, Landmarks
from realtime.sight.lifting import HOLD_S, Lifter
from realtime.sight.placement import StageMap
from tests.realtime.filmed_person import DISTANCE_M, FPS, LENS, Person, dancer, lift

MIRROR = np.arange(COUNT)
for _left, _right in ((1, 4), (2, 5), (3, 6), (7, 8), (9, 10), *((i, i + 1) for i in range(11, 33, 2))):
    MIRROR[[_left, _right]] = _right, _left


def test_drop_out_is_held_then_lost_then_back_without_a_jump() -> None:
    person = dancer(150)
    lifter = Lifter(lens=LENS)
    frames = [lifter.step(None if 60 <= i < 90 else person.landmarks(i), i / FPS) for i in range(150)]
    statuses = [frame.status for frame in frames]
    held = int(HOLD_S * FPS)
    assert set(statuses[:60]) == {LeaderStatus.TRACKED}
    assert set(statuses[60 : 60 + held - 1]) == {LeaderStatus.HELD}
    assert set(statuses[60 + held + 1 : 90]) == {LeaderStatus.LOST}
    assert set(statuses[90:]) == {LeaderStatus.TRACKED}
    joints = np.array([frame.joints_m for frame in frames])
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(axis=1)
    usual = steps[20:59].max()
    assert steps[59:].max() < 3.0 * usual
    assert steps[89] < usual  # the first frame back is next to the one shown before
    assert not frames[75].visibility.any()


@pytest.mark.parametrize("told", [True, False])
def test_who_comes_back_elsewhere_and_otherwise_glides_there(told: bool) -> None:
    """``told``: the absence is bridged ten times a second, as by a camera without pictures; else nothing comes."""
    away = dancer(150)
    turned = dancer(150, yaw_rad=0.3 + 2.0)
    back = Person(turned.root_m + np.array([1.2, 0.0, -0.6]), turned.rotations.copy())
    for side in ("left", "right"):
        back.rotations[:, BODY.index(f"{side}_shoulder")] = matrix_from_rotvec(np.array([0.0, 0.0, 1.2]))
    lifter = Lifter(lens=LENS, stage=StageMap(mark_m=(0.0, -DISTANCE_M)))
    frames = lift(Person(away.root_m[:40], away.rotations[:40]), lifter)
    gone_s = 40 / FPS
    if told:
        frames += [lifter.step(None, gone_s + 0.1 * i) for i in range(10)]
    return_s = gone_s + 1.0
    frames += [lifter.step(back.landmarks(i), return_s + i / FPS) for i in range(110)]
    steps = np.linalg.norm(np.diff([f.joints_m for f in frames], axis=0), axis=-1).max(axis=1)
    assert steps[38:].max() < 0.14
    roots = np.array([f.root_m for f in frames])
    assert np.linalg.norm(np.diff(roots, axis=0), axis=-1)[38:].max() <= 0.05
    assert np.linalg.norm(frames[-1].joints_m - back.joints_m[109], axis=-1).mean() < 0.08


def test_who_is_found_anew_by_a_pose_model_that_has_yet_to_settle_does_not_leap() -> None:
    """Six seconds without a picture; then the first ones place the performer too near, and wander to the truth."""
    person = dancer(200, sway=0.2)
    lifter = Lifter(lens=LENS, stage=StageMap(mark_m=(0.0, -DISTANCE_M)))
    frames = lift(Person(person.root_m[:60], person.rotations[:60]), lifter)
    back_s = 60 / FPS + 6.0
    frames += [lifter.step(None, 60 / FPS + 0.1 * i) for i in range(60)]
    for i in range(140):
        seen = person.landmarks(60 + i)
        # A body said to be larger than it is stands nearer: by 60 cm at first, by 5 after ten pictures.
        near = 1.0 - 0.2 * math.exp(-i / 4.0)
        frames.append(lifter.step(seen._replace(world_m=seen.world_m * near), back_s + i / FPS))
    roots = np.array([frame.root_m for frame in frames])
    steps = np.linalg.norm(np.diff(roots, axis=0), axis=-1)
    assert steps[58:].max() <= 0.05
    assert np.linalg.norm(frames[-1].joints_m - person.joints_m[199], axis=-1).mean() < 0.08


def test_body_turned_back_to_front_for_a_moment_is_not_believed() -> None:
    person = dancer(60)
    lifter = Lifter(lens=LENS)
    statuses, yaws = [], []
    for i in range(60):
        seen = person.landmarks(i)
        if i in (30, 31):
            seen = Landmarks(seen.world_m[MIRROR], seen.image, seen.visibility, seen.size_px)
        frame = lifter.step(seen, i / FPS)
        statuses.append(frame.status)
        yaws.append(float(heading_yaw(BODY, frame.joints_m)))
    assert [i for i, status in enumerate(statuses) if status is not LeaderStatus.TRACKED] == [30, 31]
    assert np.ptp(yaws[20:]) < 0.2


def test_another_place_is_believed_after_a_moment_and_glided_to() -> None:
    person = dancer(120)
    lifter = Lifter(lens=LENS)
    about = dancer(120, yaw_rad=math.pi + 0.3)
    frames = [lifter.step((person if i < 60 else about).landmarks(i), i / FPS) for i in range(120)]
    assert frames[60].status is LeaderStatus.HELD
    assert frames[70].status is LeaderStatus.TRACKED
    yaw = np.unwrap([float(heading_yaw(BODY, frame.joints_m)) for frame in frames])
    assert abs(math.remainder(yaw[-1] - (math.pi + 0.3), 2 * math.pi)) < 0.1
    assert np.abs(np.diff(yaw)).max() < 0.6


@pytest.mark.parametrize("every", [6, 15])
def test_rare_pictures_are_followed(every: int) -> None:
    person = dancer(240, sway=0.2)
    lifter = Lifter(lens=LENS, stage=StageMap(mark_m=(0.0, -DISTANCE_M)))
    frames = [lifter.step(person.landmarks(i), i / FPS) for i in range(0, 240, every)]
    truth = person.joints_m[::every]
    error = [np.linalg.norm(f.joints_m - j, axis=-1).mean() for f, j in zip(frames[8:], truth[8:], strict=True)]
    assert np.max(error) < 0.08


def test_unseen_limb_stays_where_it_was() -> None:
    person = dancer(90, sway=0.2)
    lifter = Lifter(lens=LENS)
    wrist = BODY.index("left_wrist")
    frames = []
    for i in range(90):
        seen = person.landmarks(i)
        if i >= 45:  # the arm is hidden and guessed somewhere above the head
            seen.world_m[[13, 15, 17, 19]] = np.array([0.2, -1.2, 0.0])
            seen.visibility[[13, 15, 17, 19]] = 0.0
        frames.append(lifter.step(seen, i / FPS))
    before = frames[44].joints_m[wrist] - frames[44].root_m
    after = frames[52].joints_m[wrist] - frames[52].root_m
    assert np.linalg.norm(after - before) < 0.25
    assert frames[52].visibility[wrist] == 0.0 and frames[52].visibility[0] == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_bridged(bad: float) -> None:
    person = dancer(40)
    lifter = Lifter(lens=LENS)
    frames = lift(Person(person.root_m[:30], person.rotations[:30]), lifter)
    broken = person.landmarks(30)
    broken.world_m[15, 2] = bad
    frame = lifter.step(broken, 30 / FPS)
    assert frame.status is LeaderStatus.HELD
    assert np.isfinite(frame.joints_m).all()
    assert np.linalg.norm(frame.joints_m - frames[-1].joints_m, axis=-1).max() < 0.05


def test_before_anybody_was_seen_the_leader_is_lost_at_rest() -> None:
    frame = Lifter().step(None, 0.0)
    assert frame.status is LeaderStatus.LOST
    np.testing.assert_allclose(frame.root_m[[0, 2]], 0.0)
    assert frame.joints_m[[10, 11], 1].min() > 0.0


def test_resumed_lifter_glides_on_from_the_last_frame() -> None:
    person = dancer(60)
    stage = StageMap(mark_m=(0.0, -DISTANCE_M))
    last = lift(person, Lifter(lens=LENS, stage=stage))[-1]
    again = Lifter(lens=LENS, stage=stage, resume=last)
    assert again.step(None, 2.99).status is LeaderStatus.LOST
    frame = again.step(person.landmarks(20), 3.0)
    assert frame.status is LeaderStatus.TRACKED
    np.testing.assert_allclose(frame.root_m, last.root_m, atol=0.01)


def test_a_leader_held_goes_on_along_the_stage_and_not_along_the_camera() -> None:
    person = dancer(60)
    walked = Person(person.root_m + np.arange(60)[:, None] / FPS * np.array([0.8, 0.0, 0.0]), person.rotations)
    lifter = Lifter(lens=LENS, stage=StageMap((0.0, -DISTANCE_M), facing_rad=0.5 * math.pi))
    frames = lift(walked, lifter)
    held = lifter.step(None, frames[-1].time_s + 1.0 / FPS)
    way = held.root_m - frames[-1].root_m
    assert held.status is LeaderStatus.HELD
    assert way[2] > 0.01 and abs(way[0]) < 0.3 * way[2]
