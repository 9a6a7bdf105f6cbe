import numpy as np
import pytest

from duet.beat_scores import (
    Announced,
    amlt,
    announced,
    f_measure,
    false_lock_share,
    lock_time_s,
    prediction_errors_s,
    score_beats,
)
from duet.beats import BeatState

TRUE = np.arange(0.5, 30.0, 0.5)


def said(beats_s, nexts_s=None, ones=None) -> Announced:
    beats = np.asarray(beats_s, dtype=float)
    return Announced(beats, beats[::4] if ones is None else ones, beats + 0.5 if nexts_s is None else nexts_s)


def steady(bpm, *, first_s=0.0, seconds=10.0, confidence=1.0, metre=4):
    """States of a clock that beats at ``bpm`` with a downbeat at ``first_s``."""
    start = BeatState(first_s, 0.0, 0.0, bpm, confidence, metre)
    return [start.at(k / 60.0) for k in range(int(seconds * 60))]


def test_the_beats_of_a_clock_are_its_beats():
    heard = announced(steady(120.0, first_s=0.2))
    assert heard.beats_s == pytest.approx(0.2 + 0.5 * np.arange(len(heard.beats_s)))
    assert heard.downbeats_s == pytest.approx(0.2 + 2.0 * np.arange(len(heard.downbeats_s)))
    assert heard.next_s == pytest.approx(heard.beats_s + 0.5)
    assert 19 <= len(heard.beats_s) <= 20


def test_beats_without_confidence_are_not_announced():
    assert len(announced(steady(120.0, confidence=0.4)).beats_s) == 0
    assert false_lock_share(steady(120.0, confidence=0.4)) == 0.0
    half = steady(120.0, seconds=5.0, confidence=0.2) + [s.at(s.time_s + 5.0) for s in steady(120.0, seconds=5.0)]
    assert false_lock_share(half, from_s=0.0) == pytest.approx(0.5)
    assert false_lock_share([]) == 0.0


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (TRUE, 1.0),
        (TRUE + 0.069, 1.0),
        (TRUE + 0.08, 0.0),
        (TRUE[::2], 2.0 / 3.0),
        (np.sort(np.concatenate([TRUE, TRUE + 0.25])), 2.0 / 3.0),
        (np.sort(np.concatenate([TRUE, TRUE + 0.01])), 2.0 / 3.0),  # a true beat is found once
        (TRUE[TRUE < 5.0], 0.0),
        ([], 0.0),
    ],
)
def test_f_measure(found, expected):
    assert f_measure(found, TRUE) == pytest.approx(expected, abs=0.01)


def test_nothing_to_find_and_nothing_found_is_right():
    assert f_measure([], []) == 1.0
    assert f_measure([7.0], []) == 0.0


@pytest.mark.parametrize(
    "found", [TRUE, TRUE[::2], TRUE[1::2], TRUE[:-1] + 0.25, np.arange(0.5, 29.6, 0.25)], ids=lambda f: str(len(f))
)
def test_amlt_allows_double_half_and_off_beat(found):
    assert amlt(found, TRUE) > 0.95


def test_amlt_refuses_other_tempi_and_wandering():
    assert amlt(np.arange(0.5, 30.0, 0.5 / 1.5), TRUE) < 0.1
    assert amlt(np.arange(0.5, 30.0, 0.53), TRUE) < 0.75
    assert amlt([], TRUE) == amlt(TRUE, [7.0]) == 0.0
    half_right = np.concatenate([TRUE[TRUE < 17.5], np.arange(17.5, 30.0, 0.37)])
    assert 0.35 < amlt(half_right, TRUE) < 0.65


AFTER_SILENCE = TRUE[(TRUE < 12.0) | (TRUE > 17.0)]


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [
        (TRUE[TRUE > 9.1], TRUE, 0.82),
        (TRUE, AFTER_SILENCE, 0.76),
        (AFTER_SILENCE[(AFTER_SILENCE < 12.0) | (AFTER_SILENCE > 19.0)], AFTER_SILENCE, 0.8718),
        (np.concatenate([TRUE[:30:2], TRUE[30:]]), TRUE, 0.56),
        (np.sort(np.concatenate([TRUE, np.arange(5.2, 29.0, 2.45)])), TRUE, 0.7),
        (5.0 + 0.52 * np.arange(48), TRUE, 0.3265),
        (TRUE + 0.06 * np.cos(7.0 * TRUE), TRUE, 0.56),
        (np.concatenate([np.arange(0.5, 14.0, 0.25), TRUE[28:] + 0.25]), TRUE, 0.4328),
    ],
    ids=["late", "through a silence", "back after it", "half at first", "stray", "drift", "wobble", "two levels"],
)
def test_amlt_is_that_of_mir_eval(found, true, expected):
    """The values are those of mir_eval 0.8.2, after its ``trim_beats``."""
    assert amlt(found, true) == pytest.approx(expected, abs=1e-4)


def test_lock_is_the_first_of_four_in_a_row():
    assert lock_time_s(TRUE, TRUE) == 0.0
    assert lock_time_s(TRUE[6:], TRUE) == pytest.approx(3.0)
    assert lock_time_s(TRUE[::2], TRUE) == np.inf
    doubled = np.sort(np.concatenate([TRUE, TRUE[:10] + 0.25]))
    assert lock_time_s(doubled, TRUE) == pytest.approx(5.0)
    with_gap = np.delete(TRUE, [2])
    assert lock_time_s(with_gap, TRUE) == pytest.approx(1.5)


def test_recovery_is_counted_from_the_first_beat_after():
    found = np.concatenate([TRUE[TRUE < 10.0], TRUE[TRUE > 13.0]])
    assert lock_time_s(found, TRUE, from_s=10.0) == pytest.approx(3.5)
    score = score_beats(said(found), TRUE, TRUE[::4], disturbed_s=10.0)
    assert score.recovery_s == pytest.approx(3.5)
    assert score.lock_s == 0.0


def test_predictions_are_judged_by_where_the_next_beat_fell():
    errors = prediction_errors_s(said(TRUE[:-1], TRUE[1:] + 0.02), TRUE)
    assert errors == pytest.approx(np.full(len(errors), 0.02))
    assert len(errors) == np.sum(TRUE[:-1] >= 5.0)
    # The music stops at 10 s: nobody can know; what is foretold into the silence is not judged.
    gap = TRUE[(TRUE < 10.0) | (TRUE > 15.0)]
    assert prediction_errors_s(said(TRUE), gap).max() < 1.0


def test_a_perfect_tracker_scores_perfectly_and_a_deaf_one_not_at_all():
    score = score_beats(said(TRUE[:-1], TRUE[1:], TRUE[::4]), TRUE[:-1], TRUE[::4])
    assert (score.f, score.downbeat_f, score.lock_s, score.recovery_s) == (1.0, 1.0, 0.0, None)
    assert score.amlt == pytest.approx(1.0)
    assert (score.predicted_median_s, score.predicted_p90_s) == (0.0, 0.0)
    deaf = score_beats(said([]), TRUE, TRUE[::4])
    assert (deaf.f, deaf.amlt, deaf.downbeat_f, deaf.lock_s) == (0.0, 0.0, 0.0, np.inf)
    assert deaf.predicted_median_s == np.inf
