import numpy as np
import pytest

from duet.features import Standing
from duet.frames import PoseSource
from duet.kinematics import forward
from duet.poses import relaxed_rotations
from duet.rotations import matrix_from_quaternion_wxyz, matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY
from duet.timeline import Timeline
from realtime.feet import MAX_PULL_M, FootLock, lock_feet
from realtime.playout import FADE_FRAMES, MOST_FADE_FRAMES, RETURN_FRAMES, Plan, Playout
from realtime.pose_line import EASE_S
from realtime.steps import MOST_CHANGE_M, MOST_LEAP_M, MOST_STEP_M

TIMELINE = Timeline(30.0, 4)
START = Standing(np.array([1.0, 0.9, 2.0]), 0.7)


def plan(first: int, *, count: int = 32, x_m: float = 1.0, lift_rad: float = 0.0, contact: float = 0.0) -> Plan:
    rotations = np.repeat(relaxed_rotations()[None], count, axis=0)
    rotations[:, 0] = yaw_matrix(0.7)
    shoulder = BODY.index("left_shoulder")
    rotations[:, shoulder] = matrix_from_rotvec(np.array([0.0, 0.0, lift_rad])) @ rotations[:, shoulder]
    root = np.tile(np.array([x_m, 0.8664, 2.0], dtype=np.float32), (count, 1))
    return Plan(first, root, rotations.astype(np.float32), np.full((count, 4), contact, np.float32), first / 30.0)


def joints(playout: Playout, time_s: float) -> np.ndarray:
    pose = playout.pose_at(time_s)
    return forward(BODY, pose.root_m, matrix_from_quaternion_wxyz(pose.quaternions_wxyz))[0]


def test_rests_where_it_enters_before_any_plan() -> None:
    playout = Playout(TIMELINE, START)
    pose = playout.pose_at(3.0)
    assert pose.source is PoseSource.HOLD
    np.testing.assert_allclose(pose.root_m[[0, 2]], [1.0, 2.0], atol=1e-6)
    feet = joints(playout, 3.0)[[10, 11], 1]
    assert np.abs(feet - BODY.rest_joints_m[10, 1]).max() < 0.02


def test_a_plan_fades_in_and_is_then_shown_as_it_is() -> None:
    playout = Playout(TIMELINE, START)
    playout.merge(plan(8, x_m=1.3), shown_frame=6)
    x = [float(playout.pose_at(f / 30).root_m[0]) for f in range(7, 30)]
    assert x[0] == pytest.approx(1.0)
    assert np.all(np.diff(x[: 1 + RETURN_FRAMES]) > 0)
    assert x[-1] == pytest.approx(1.3)
    assert playout.pose_at(8 / 30).source is PoseSource.BLEND
    assert playout.pose_at((9 + RETURN_FRAMES) / 30).source is PoseSource.MODEL


def test_plan_after_plan_is_handed_over_in_a_few_frames() -> None:
    playout = Playout(TIMELINE, START)
    for first in range(8, 80, 4):
        playout.merge(plan(first), shown_frame=first - 2)
    playout.merge(plan(80, x_m=1.06), shown_frame=78)
    x = [float(playout.pose_at(f / 30).root_m[0]) for f in range(79, 80 + FADE_FRAMES + 2)]
    assert x[0] == pytest.approx(1.0)
    assert np.all(np.diff(x[: 1 + FADE_FRAMES]) > 0)
    assert x[-1] == pytest.approx(1.06)
    assert playout.pose_at(80 / 30).source is PoseSource.MODEL


@pytest.mark.parametrize("apart_m", [0.2, 0.5, 2.0])
def test_plans_that_are_far_apart_take_as_long_as_the_way_is(apart_m: float) -> None:
    playout = Playout(TIMELINE, START)
    for first in range(8, 80, 4):
        playout.merge(plan(first), shown_frame=first - 2)
    playout.merge(plan(80, count=90, x_m=1.0 + apart_m, lift_rad=1.5), shown_frame=78)
    track = np.array([joints(playout, f / 30) for f in range(76, 170)])
    steps = np.diff(track, axis=0)
    assert np.linalg.norm(steps[:, 0], axis=-1).max() <= MOST_STEP_M
    assert np.linalg.norm(np.diff(steps[:, 0], axis=0), axis=-1)[:6].max() <= MOST_CHANGE_M
    assert np.linalg.norm(steps - steps[:, :1], axis=-1).max() <= MOST_LEAP_M
    assert track[-1, 0, 0] == pytest.approx(1.0 + apart_m, abs=1e-4)
    there = int(np.argmax(np.abs(track[:, 0, 0] - 1.0 - apart_m) < 0.01))
    assert there <= 4 + max(MOST_FADE_FRAMES, apart_m / MOST_STEP_M) + 8


def test_frames_already_shown_never_change() -> None:
    playout = Playout(TIMELINE, START)
    playout.merge(plan(8), shown_frame=6)
    before = [joints(playout, f / 30) for f in range(6, 15)]
    playout.merge(plan(12, x_m=2.0, lift_rad=1.0), shown_frame=14)
    for f, was in zip(range(6, 15), before, strict=True):
        np.testing.assert_array_equal(joints(playout, f / 30), was)


def test_a_late_plan_drops_what_is_past() -> None:
    playout = Playout(TIMELINE, START)
    playout.merge(plan(8, x_m=1.1), shown_frame=20)
    assert playout.pose_at(20 / 30).root_m[0] == pytest.approx(1.0)
    assert playout.pose_at(38 / 30).root_m[0] == pytest.approx(1.1)


def test_a_plan_that_is_wholly_past_changes_nothing() -> None:
    playout = Playout(TIMELINE, START)
    playout.merge(plan(8, x_m=1.1), shown_frame=100)
    assert playout.pose_at(101 / 30).root_m[0] == pytest.approx(1.0)


def test_eases_to_rest_when_starved_and_comes_back_without_a_jump() -> None:
    playout = Playout(TIMELINE, START)
    playout.merge(plan(8, lift_rad=1.5), shown_frame=6)
    end = 8 + 31
    assert playout.pose_at(end / 30).source is PoseSource.MODEL
    assert playout.pose_at((end + 3) / 30).source is PoseSource.HOLD
    rested = playout.pose_at(end / 30 + EASE_S)
    still = playout.pose_at(end / 30 + 5 * EASE_S)
    np.testing.assert_allclose(rested.quaternions_wxyz, still.quaternions_wxyz, atol=1e-6)
    back = end + 60
    playout.merge(plan(back, lift_rad=1.5), shown_frame=back - 1)
    track = np.array([joints(playout, f / 30) for f in range(end - 2, back + 25)])
    assert np.abs(np.diff(track, axis=0)).max() < 0.15
    assert playout.pose_at((back + 20) / 30).source is PoseSource.MODEL


def test_a_long_wait_before_the_first_plan_keeps_the_timeline_bounded_and_aligned() -> None:
    playout = Playout(TIMELINE, START)
    playout.merge(plan(4000, x_m=1.5), shown_frame=3998)
    assert playout.pose_at(3990 / 30).root_m[0] == pytest.approx(1.0)
    assert playout.pose_at(4020 / 30).root_m[0] == pytest.approx(1.5)
    assert playout.leader_age_s(4010 / 30) == pytest.approx(10 / 30)


def test_poses_between_frames_lie_between_them() -> None:
    playout = Playout(TIMELINE, START)
    playout.merge(plan(8, x_m=1.4), shown_frame=6)
    a, m, b = (playout.pose_at(t / 30).root_m[0] for t in (12, 12.5, 13))
    assert a < m < b


def test_a_planted_foot_stays_while_the_body_slides() -> None:
    count = 12
    rotations = np.repeat(relaxed_rotations()[None], count, axis=0)
    root = np.tile(np.array([0.0, 0.8664, 0.0]), (count, 1))
    root[:, 2] = np.linspace(0.0, 0.06, count)
    contacts = np.ones((count, 4))
    locked, locks = lock_feet(root, rotations, contacts, FootLock())
    ankles = forward(BODY, root, locked.astype(np.float64))[0][:, [7, 8]]
    loose = forward(BODY, root, rotations.astype(np.float64))[0][:, [7, 8]]
    slid = np.linalg.norm(np.diff(ankles[:, :, [0, 2]], axis=0), axis=-1).sum(axis=0)
    assert slid.max() < 0.004 < 0.05 < np.linalg.norm(loose[-1] - loose[0], axis=-1).min()
    assert locks[-1].planted == (True, True)
    lengths = np.linalg.norm(ankles - forward(BODY, root, locked.astype(np.float64))[0][:, [4, 5]], axis=-1)
    np.testing.assert_allclose(lengths, BODY.bone_lengths_m[[7, 8]][None].repeat(count, 0), atol=1e-4)


def test_a_foot_pulled_too_far_goes_along_and_never_leaps() -> None:
    count, step_m = 20, 0.5 / 19
    rotations = np.repeat(relaxed_rotations()[None], count, axis=0)
    root = np.tile(np.array([0.0, 0.8664, 0.0]), (count, 1))
    root[:, 0] = np.linspace(0.0, 0.5, count)
    locked, _ = lock_feet(root, rotations, np.ones((count, 4)), FootLock())
    ankles = forward(BODY, root, locked.astype(np.float64))[0][:, [7, 8]]
    posed = forward(BODY, root, rotations.astype(np.float64))[0][:, [7, 8]]
    assert np.linalg.norm(ankles[-1] - posed[-1], axis=-1).min() > 0.5 * MAX_PULL_M
    assert np.linalg.norm(ankles - posed, axis=-1).max() < MAX_PULL_M + 1e-3
    # It begins to move little by little, and never goes faster than the body that pulls it.
    steps_m = np.linalg.norm(np.diff(ankles, axis=0), axis=-1)
    assert steps_m.max() < 1.02 * step_m and np.abs(np.diff(steps_m, axis=0)).max() < 0.3 * step_m
    # Let go, it goes home without a leap.
    contacts = np.ones((count, 4))
    contacts[10:] = 0.0
    locked, locks = lock_feet(root, rotations, contacts, FootLock())
    ankles = forward(BODY, root, locked.astype(np.float64))[0][:, [7, 8]]
    assert locks[9].planted == (True, True) and locks[10].planted == (False, False)
    assert np.linalg.norm(ankles[-1] - posed[-1], axis=-1).max() < 0.2 * MAX_PULL_M
    assert np.abs(np.diff(ankles, axis=0)).max() < step_m + 0.25 * MAX_PULL_M


def test_a_foot_that_swings_is_none_to_stand_on_however_sure_its_contact() -> None:
    # Half a second stood, half a second of a run, and stood again.
    way = np.concatenate([np.zeros(15), np.linspace(0.0, 1.5, 15), np.full(15, 1.5)])
    root = np.stack([way, np.full(45, 0.8664), np.zeros(45)], axis=1)
    rotations = np.repeat(relaxed_rotations()[None], 45, axis=0)
    _, locks = lock_feet(root, rotations, np.ones((45, 4)), FootLock())
    assert [lock.planted[0] for lock in locks] == [True] * 15 + [False] * 14 + [True] * 16
    # What was let go goes home, and what lands lands where it is.
    assert max(abs(lock.offset_m[0][0]) for lock in locks) < 0.02


def test_who_walked_far_on_planted_feet_has_them_below_again() -> None:
    # As a follower dances whose contacts never quite let go: metres this way, back, aside, and then it stands.
    way = np.concatenate([np.linspace((0, 0), (1.5, 0), 60), np.linspace((1.5, 0), (1.5, 1), 40), [(1.5, 1)] * 90])
    root = np.stack([way[:, 0], np.full(len(way), 0.8664), way[:, 1]], axis=1)
    rotations = np.repeat(relaxed_rotations()[None], len(way), axis=0)
    locked, locks = lock_feet(root, rotations, np.full((len(way), 4), 0.5), FootLock())
    ankles, posed = (forward(BODY, root, r.astype(np.float64))[0][:, [7, 8]] for r in (locked, rotations))
    off_m = np.linalg.norm(ankles - posed, axis=-1)
    assert all(lock.planted == (True, True) for lock in locks)
    # While it walks they come after it by the latest way alone.
    assert off_m[50:99].max() < MAX_PULL_M and np.abs((ankles - posed)[98, :, 0]).max() < 0.5 * off_m[98].max()
    assert off_m[98].min() > 0.08 and off_m[130].max() < 0.08 and off_m[-1].max() < 0.06
    # That is slower than feet are seen to glide.
    assert 30 * np.linalg.norm(np.diff(ankles[101:], axis=0), axis=-1).max() < 0.15


def test_nothing_sinks_through_the_floor() -> None:
    rotations = relaxed_rotations()[None].astype(np.float64)
    root = np.array([[0.0, 0.75, 0.0]])
    locked, _ = lock_feet(root, rotations, np.zeros((1, 4)), FootLock())
    feet = forward(BODY, root, locked.astype(np.float64))[0][0, [7, 8, 10, 11], 1]
    assert feet.min() > -0.005


def test_entering_begins_from_the_new_place_and_glides_there() -> None:
    playout = Playout(TIMELINE, START)
    there = Standing(np.array([1.8, 0.8664, 2.0]), 0.7)
    playout.enter(there)
    assert playout.standing(7) is there
    playout.merge(plan(8, x_m=1.8), shown_frame=6)
    x = np.array([playout.pose_at(f / 30).root_m[0] for f in range(6, 36)])
    assert x[0] == pytest.approx(1.0) and x[-1] == pytest.approx(1.8)
    assert np.diff(x).min() >= -1e-6 and np.diff(x).max() <= MOST_STEP_M
    assert playout.standing(35).root_m[0] == pytest.approx(1.8)


def test_the_way_to_the_dance_is_never_set_back() -> None:
    """Each plan begins where the body is shown: the next must not draw it back to where it waited."""
    playout, speed_m = Playout(TIMELINE, START), 0.08
    playout.enter(Standing(np.array([2.6, 0.8664, 2.0]), 0.7))
    for first in range(8, 68, 4):
        step = plan(first, count=16)
        begins = playout.standing(first - 1).root_m[0]
        step.root_m[:, 0] = np.minimum(begins + speed_m * np.arange(1, 17), max(2.6, begins))
        playout.merge(step, shown_frame=first - 2)
    x = np.array([playout.pose_at(f / 30).root_m[0] for f in range(6, 68)])
    assert x[0] == pytest.approx(1.0) and x[-1] == pytest.approx(2.6, abs=0.01)
    assert np.diff(x).min() >= -1e-6 and np.diff(x).max() <= MOST_STEP_M


def test_nobody_glides_faster_than_they_may() -> None:
    playout = Playout(TIMELINE, START)
    playout.merge(plan(8, count=180, x_m=6.0), shown_frame=6)
    x = np.array([playout.pose_at(f / 30).root_m[0] for f in range(6, 180)])
    assert x[-1] == pytest.approx(6.0) and np.diff(x).max() <= MOST_STEP_M
