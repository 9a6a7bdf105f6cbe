import numpy as np
import pytest

from duet.barcount import BarCount
from duet.barpointer import COUNTS


def sure_of(metre: int, beat: int) -> np.ndarray:
    return np.array([float(count == (metre, beat)) for count in COUNTS])


NOT_SURE = np.full(len(COUNTS), 1.0 / len(COUNTS))


def hear(count: BarCount, metre: int, one: int, *, beats: int, first: int = 0, seed: int = 0, pushed: float = 0.0):
    """Chords that change on each "1", a little blurred, under a rhythm that says nothing."""
    rng = np.random.default_rng(seed)
    for number in range(first, first + beats):
        for _ in range(30):
            count.believe(number, NOT_SURE, pushed)
        change = 0.8 if (number - one) % metre == 0 else 0.2
        count.hear(number, change + rng.normal(0.0, 0.1), 1.0 + rng.normal(0.0, 0.5))


@pytest.mark.parametrize(("metre", "one"), [(3, 0), (3, 2), (4, 0), (4, 1), (4, 2), (4, 3), (2, 1)])
def test_harmony_tells_metre_and_one(metre, one):
    count = BarCount()
    count.restart(0, 0, 4)
    hear(count, metre, one, beats=32)
    assert count.metre == metre
    assert count.beat(one + 5 * metre) == 0.0
    assert count.beat(one + 5 * metre + 1.25) == pytest.approx(1.25)


def test_a_new_count_is_taken_over_within_eight_bars():
    count = BarCount()
    count.restart(0, 0, 4)
    hear(count, 4, 0, beats=48)
    hear(count, 4, 2, beats=32, first=48)
    assert count.beat(50) == 0.0


def test_music_that_pushes_its_chords_is_counted_by_its_rhythm():
    count = BarCount()
    count.restart(0, 0, 4)
    rng = np.random.default_rng(0)
    for number in range(48):
        for _ in range(30):
            count.believe(number, sure_of(4, number % 4), 1.0)
        count.hear(number, (0.8 if number % 4 == 3 else 0.2) + rng.normal(0.0, 0.1), 1.0)
    assert (count.metre, count.beat(4)) == (4, 0.0)


def test_a_lock_counts_as_the_rhythm_says_until_more_is_heard():
    count = BarCount()
    count.restart(7, 2, 3)
    assert (count.metre, count.beat(7.5)) == (3, 2.5)
    count.hear(8, 0.5, 0.5)
    assert (count.metre, count.beat(8)) == (3, 0.0)


def test_belief_is_about_the_same_bar_whatever_the_number():
    for metre, beat in COUNTS:
        count = BarCount()
        count.restart(0, 0, 4)
        for number in range(100, 116):
            for _ in range(30):
                count.believe(number, sure_of(metre, (beat + number) % metre), 0.0)
        count.hear(116, 0.0, 0.0)
        assert (count.metre, count.beat(0)) == (metre, beat)
