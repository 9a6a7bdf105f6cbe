import numpy as np

from duet.accents import LEVELS, Accents, WithoutRhythm
from duet.barpointer import BarPointer

LOUD, NOTHING = np.full(3, 9.0), np.zeros(3)
SURE, NEVER = Accents.classes(np.ones((3, 1)))[0], Accents.classes(np.zeros((3, 1)))[0]


def test_every_expectation_has_its_class():
    some = np.random.default_rng(0).uniform(size=(3, 500))
    found = Accents.classes(some)
    assert found.min() >= 0 and found.max() < LEVELS**3
    assert len(np.unique(Accents.classes(np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])))) == 4


def test_what_is_loud_was_expected_and_what_is_quiet_was_not():
    accents = Accents()
    table, _ = accents.likelihoods(LOUD)
    assert table[SURE] > 100.0 * table[NEVER]
    table, _ = accents.likelihoods(NOTHING)
    assert table[NEVER] > 10.0 * table[SURE]


def test_in_a_crowd_a_little_noise_says_less():
    quiet, crowd = Accents(), Accents()
    for _ in range(600):
        crowd.likelihoods(np.full(3, 1.0))
    heard = np.full(3, 1.5)
    in_quiet, in_crowd = (accents.likelihoods(heard)[0] for accents in (quiet, crowd))
    assert in_crowd[SURE] / in_crowd[NEVER] < 0.5 * in_quiet[SURE] / in_quiet[NEVER]


def test_forgetting_forgets():
    accents = Accents()
    first = accents.likelihoods(LOUD)[0]
    for _ in range(100):
        accents.likelihoods(np.full(3, 1.0))
    accents.reset()
    np.testing.assert_array_equal(accents.likelihoods(LOUD)[0], first)


def explained(levels: list[int]) -> np.ndarray:
    """(N,) log likelihood of frames in which each band is nearly sure to be at one of ``LEVELS``."""
    without = WithoutRhythm()
    bands = np.full((LEVELS, 3, LEVELS), 0.05) + 0.95 * np.eye(LEVELS)[:, None, :]
    return np.array([without.explain(bands[level]) for level in levels])


def test_how_strong_things_are_and_what_follows_what_is_learnt_without_rhythm():
    rng = np.random.default_rng(0)
    swelling = np.repeat(rng.choice([0, 5, 10, 15], 150), rng.integers(4, 12, 150))
    swells = explained(list(swelling))
    assert np.mean(swells[-300:]) > np.mean(swells[:300]) + 0.5
    shuffled = explained(list(rng.permutation(swelling)))
    assert np.mean(swells[-300:]) > np.mean(shuffled[-300:]) + 0.5


def test_when_a_stroke_comes_is_not_learnt_without_rhythm():
    strokes = np.array([15 if frame % 20 == 0 else 0 for frame in range(1200)])
    regular = explained(list(strokes))[600:]
    irregular = explained(list(np.random.default_rng(0).permutation(strokes)))[600:]
    assert abs(regular.mean() - irregular.mean()) < 0.2
    assert regular[strokes[600:] == 15].mean() < regular[strokes[600:] == 0].mean() - 2.0


def test_the_pointer_keeps_a_tempo_that_is_no_whole_number_of_frames():
    pointer, found = BarPointer(60.0), []
    for frame in range(600):
        since = frame % 26.47  # 136 a minute
        found.append(pointer.step(LOUD if since < 1.0 else NOTHING))
    periods = np.array([pointer.frames_per_beat for pointer in found[300:]])
    ratio = np.median(periods) / 26.47
    assert min(abs(np.log2(ratio) % 1.0), 1.0 - abs(np.log2(ratio) % 1.0)) < 0.02
    assert np.std(periods) / np.median(periods) < 0.02
    assert all(0.0 <= pointer.share <= 1.0 + 1e-6 for pointer in found)
