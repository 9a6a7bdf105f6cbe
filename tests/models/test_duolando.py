"""The metrics of the duet literature against hand calculations, in both modes, slips included."""

import numpy as np
import pytest

from duet.errors import InputError
from duet.skeleton import BODY
from models.evaluation.duolando import (
    Duet,
    Mode,
    Reference,
    as_published,
    beat_alignment,
    beat_echo,
    couple_distances,
    diversity,
    duolando,
    foot_contact_score,
    frechet,
    geometric,
    kinetic,
    motion_beats,
    normalised,
    slipping_percent,
    with_hands,
)

REST = BODY.rest_joints_m.astype(np.float64)
COMPAT: Mode = "duolando_compat"
SI: Mode = "si"


def moving(velocity_m_s: tuple[float, float, float], frames: int = 40, fps: float = 30.0) -> np.ndarray:
    """A body in rest pose that moves as a whole."""
    return REST + np.arange(frames)[:, None, None] / fps * np.array(velocity_m_s)


def couple(follower: np.ndarray, leader: np.ndarray | None = None, fps: float = 30.0, **more: object) -> Duet:
    return Duet(follower, follower if leader is None else leader, fps, **more)  # type: ignore[arg-type]


def test_kinetic_energy_of_known_speeds() -> None:
    parts = kinetic(couple(moving((0.6, 0.3, 0.8))), SI).reshape(24, 3)
    np.testing.assert_allclose(parts[:, 0], 1.0)  # .6^2 + .8^2
    np.testing.assert_allclose(parts[:, 1], 0.09)
    np.testing.assert_allclose(parts[:, 2], 0.0, atol=1e-9)


def test_kinetic_energy_does_not_depend_on_the_rate_in_si_only() -> None:
    slow, fast = (couple(moving((1.0, 0.0, 0.0), 60, fps), fps=fps) for fps in (30.0, 60.0))
    assert kinetic(slow, SI)[0] == pytest.approx(kinetic(fast, SI)[0])
    assert kinetic(slow, COMPAT)[0] == pytest.approx(4.0)  # read at 60 frames a second
    assert kinetic(fast, COMPAT)[0] == pytest.approx(1.0)


def test_published_kinetic_energy_has_its_slips() -> None:
    rising = kinetic(couple(moving((0.0, 1.0, 0.0))), COMPAT).reshape(24, 3)
    # +Z is up in its data and +Y in its code: rising counts as horizontal, at twice the speed.
    np.testing.assert_allclose(rising[:, :2], np.tile([4.0, 0.0], (24, 1)), atol=1e-9)
    back = kinetic(couple(moving((0.0, 0.0, 1.0))), COMPAT).reshape(24, 3)
    np.testing.assert_allclose(back[:, :2], np.tile([0.0, 4.0], (24, 1)), atol=1e-9)


def test_published_acceleration_lacks_a_bracket() -> None:
    rng = np.random.default_rng(0)
    follower = REST + rng.normal(0.0, 0.1, (12, 22, 3))
    p = as_published(with_hands(follower))[:, 5] - as_published(follower)[0, 0]
    total, dt = 0.0, 1.0 / 60.0
    for i in range(1, 12):
        terms = []
        for m in range(max(1, i - 2), min(10, i + 2) + 1):
            terms.append(((p[m + 1] - p[m]) / dt - (p[m] - p[m - 1] / dt)) / dt)
        total += np.linalg.norm(np.mean(terms, axis=0))
    assert kinetic(couple(follower), COMPAT).reshape(24, 3)[5, 2] == pytest.approx(total / 11)


def test_acceleration_of_a_known_fall() -> None:
    seconds = np.arange(40)[:, None, None] / 30.0
    falling = REST - 0.5 * 9.81 * seconds**2 * np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(kinetic(couple(falling), SI).reshape(24, 3)[:, 2], 9.81, rtol=1e-6)


def test_geometric_questions_of_a_standing_body() -> None:
    still = geometric(couple(moving((0.0, 0.0, 0.0))), SI)
    assert still.shape == (32,) and set(np.unique(still)) <= {0.0, 1.0}
    assert still[[23, 24]].all()  # arms of a T-pose are away from the trunk
    assert not still[[6, 7, 12, 13, 19, 20, 21, 22, 28, 31]].any()  # limbs straight, nothing fast, upright
    assert still[8] == 1.0  # wrists wide apart


def test_fast_is_asked_at_another_rate_by_published_code() -> None:
    # 2.3 x .2568 m = .59 m/s: .5 m/s is slow, but 30 frames a second read as 120 make it 2 m/s.
    walk = couple(moving((0.5, 0.0, 0.0)))
    assert geometric(walk, SI)[31] == 0.0
    assert geometric(walk, COMPAT)[31] == 1.0


def test_hands_that_approach_are_missed_by_published_code() -> None:
    closing = np.repeat(REST[None], 30, axis=0)
    shift = np.linspace(0.0, 0.5, 30)
    closing[:, BODY.index("left_wrist"), 0] -= shift
    closing[:, BODY.index("right_wrist"), 0] += shift
    assert geometric(couple(closing), SI)[9] == 1.0  # .5 m/s each, over 1.4 x .257 m/s
    assert geometric(couple(closing), COMPAT)[9] == 0.0
    assert geometric(couple(closing[::-1]), COMPAT)[9] == 1.0  # asked the wrong way round


def test_an_upright_body_lies_down_in_published_axes() -> None:
    still = couple(moving((0.0, 0.0, 0.0)))
    assert geometric(still, SI)[28] == 0.0 and geometric(still, COMPAT)[28] == 1.0


def test_hands_of_fingers_and_guessed_ones() -> None:
    full = np.zeros((6, 55, 3))
    full[:, [25, 28, 31, 34, 37]] = np.arange(5.0)[:, None]
    assert with_hands(full)[0, 22].tolist() == [2.0, 2.0, 2.0]
    guessed = with_hands(moving((0.0, 0.0, 0.0), 6))
    np.testing.assert_allclose(guessed[0, 22] - REST[20], [0.08, 0.0, 0.0], atol=1e-6)


def test_distances_of_a_couple() -> None:
    still = moving((0.0, 0.0, 0.0), 10)
    found = couple_distances(couple(still, still + [0.0, 0.0, 2.0]), SI).reshape(10, 10)
    np.testing.assert_allclose(np.diag(found), 2.0)
    assert found[0, 5] == pytest.approx(np.linalg.norm(REST[0] - REST[15] - [0.0, 0.0, 2.0]), rel=1e-6)


def test_frechet_distance_of_known_gaussians() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(size=(4000, 2))
    white = (base - base.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(base.T))).T
    other = white * np.array([2.0, 3.0]) + np.array([1.0, 0.0])
    # |mean|^2 + sum (s1 - s2)^2 = 1 + 1 + 4
    assert frechet(white, other) == pytest.approx(6.0, abs=1e-6)
    assert frechet(white, other, exact=True) == pytest.approx(6.0, abs=1e-6)
    few = white[:5] @ rng.normal(size=(2, 9))
    assert frechet(few, few) == pytest.approx(0.0, abs=1e-6)


def test_diversity_and_normalisation() -> None:
    assert diversity(np.array([[0.0], [1.0], [3.0]])) == pytest.approx(2.0)
    real, made = normalised(np.array([[1.0], [3.0]]), np.array([[4.0]]))
    np.testing.assert_allclose([real[0, 0], made[0, 0]], [-1.0, 2.0])


def swaying(fps: float, seconds: float, period_s: float) -> np.ndarray:
    """Stops twice a period."""
    t = np.arange(round(seconds * fps)) / fps
    return REST + np.sin(2 * np.pi * t / period_s)[:, None, None] * np.array([0.3, 0.0, 0.0])


def test_motion_beats_are_where_a_sway_turns() -> None:
    beats = motion_beats(swaying(30.0, 12.0, 2.37), 30.0, SI)
    np.testing.assert_allclose(np.diff(beats), 35.55, atol=1.0)
    assert beats[0] == pytest.approx(17.8, abs=1.0)  # a quarter period
    fast = motion_beats(swaying(60.0, 12.0, 2.37), 60.0, SI)
    np.testing.assert_allclose(fast / 2, beats, atol=1.0)


def test_beat_echo_and_alignment_by_hand() -> None:
    leader = swaying(30.0, 12.0, 2.37)
    late = np.concatenate([leader[:1].repeat(6, 0), leader])[: len(leader)]
    lone = motion_beats(leader, 30.0, COMPAT), motion_beats(late, 30.0, COMPAT)
    gaps = np.abs(lone[0][:, None] - lone[1]).min(axis=1)
    assert beat_echo(couple(late, leader), COMPAT) == pytest.approx(np.exp(-(gaps**2) / 18.0).mean())
    assert beat_echo(couple(leader, leader), COMPAT) == 1.0
    music = couple(leader, music_beats_s=np.arange(0.5925, 12.0, 1.185))
    assert beat_alignment(music, SI) > 0.9
    assert beat_alignment(couple(leader, music_beats_s=np.arange(0.0, 12.0, 1.185)), SI) < 0.01


def test_published_beats_count_frames_whatever_the_rate() -> None:
    leader, fps = swaying(60.0, 12.0, 2.37), 60.0
    late = np.concatenate([leader[:1].repeat(6, 0), leader])[: len(leader)]  # 100 ms
    assert beat_echo(couple(late, leader, fps), SI) == pytest.approx(np.exp(-0.5), abs=0.05)
    assert beat_echo(couple(late, leader, fps), COMPAT) == pytest.approx(np.exp(-2.0), abs=0.05)


def test_a_body_that_never_stops_has_no_beats() -> None:
    walk = couple(moving((1.0, 0.0, 0.0)), swaying(30.0, 2.0, 1.0)[:40])
    assert beat_echo(walk, COMPAT) == 0.0


def test_gliding_feet_in_both_units() -> None:
    seconds = np.arange(40)[:, None, None] / 30.0
    pushed = REST + 0.5 * 3.0 * seconds**2 * np.array([1.0, 0.0, 0.0])  # 3 m/s^2, feet glide along
    speed = 3.0 * (np.arange(1, 39) + 0.5) / 30.0
    assert foot_contact_score(couple(pushed), SI) == pytest.approx((speed**2).mean(), rel=1e-6)
    assert foot_contact_score(couple(pushed), COMPAT) == pytest.approx(1e4 * (speed**2).mean() / 900.0, rel=1e-6)


def test_slipping_is_counted_per_frame_by_published_code() -> None:
    glide, stand = moving((0.5, 0.0, 0.0), 31), moving((0.0, 0.0, 0.0), 31)
    # .5 m/s is 1.7 cm a frame: a slip in metres a second, none in metres a frame.
    assert slipping_percent([couple(glide, stand)], SI) == 100.0
    assert slipping_percent([couple(glide, stand)], COMPAT) == 0.0
    # 3 cm a frame is passed at 1 m/s; the first of 30 steps and the leader's 30 frames are counted in.
    assert slipping_percent([couple(moving((1.0, 0.0, 0.0), 31), stand)], COMPAT) == pytest.approx(100.0 * 29 / 60)


def test_all_numbers_at_once_and_contact() -> None:
    rng = np.random.default_rng(2)
    real = [couple(swaying(30.0, 2.0, p), swaying(30.0, 2.0, p) + [0.0, 0.0, 1.0]) for p in (0.8, 1.0, 1.2, 1.6)]
    made = [couple(d.follower_m + rng.normal(0, 0.01, d.follower_m.shape), d.leader_m) for d in real]
    modes: tuple[Mode, ...] = (COMPAT, SI)
    for mode in modes:
        reference = Reference.of(real, mode)
        same, noisy = duolando(real, reference), duolando(made, reference)
        assert same["fid_cd"] == pytest.approx(0.0, abs=1e-2)
        assert noisy["fid_k"] > 10.0 > same["fid_k"]
        assert same["div_k"] == pytest.approx(same["div_k_real"])
        assert np.isnan(same["bas"]) and same["capsule_contact_percent"] == 0.0
    touching = [couple(d.follower_m, d.follower_m + [0.0, 0.0, 0.05]) for d in real]
    numbers = duolando(touching, Reference.of(real, SI))
    assert numbers["capsule_contact_percent"] == 100.0 and numbers["interpenetration_percent"] == 100.0
    assert numbers["joint_contact_percent"] == 0.0
    assert np.isnan(duolando(real[:2], Reference.of(real, SI))["fid_k"])


def test_a_duet_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least 6"):
        couple(moving((0.0, 0.0, 0.0), 3))
