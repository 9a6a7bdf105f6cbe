import numpy as np
import pytest

from duet.beat_scores import Announced
from duet.pieces import Piece, Trial, play
from realtime.bench.beats import false_locks, judge, no_music, summarise, tables, track_live

PIECES = [Piece("tango", 120.0, Trial.SILENCE, 3), Piece("waltz", 120.0, Trial.STEADY, 4)]


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def knows_all(groove) -> Announced:
    beats = groove.beat_times_s
    return Announced(beats, beats[groove.downbeats], np.append(beats[1:], beats[-1] + 0.5))


def test_one_who_knows_the_piece_scores_fully_and_the_deaf_score_nothing():
    nothing = Announced(np.zeros(0), np.zeros(0), np.zeros(0))
    done = []
    judged = judge(PIECES, {"knows": knows_all, "deaf": lambda _: nothing}, lambda: done.append(1))
    assert len(done) == len(PIECES)
    found = tables(judged)
    assert list(found) == ["knows", "deaf"]
    assert set(found["knows"]) == {"tango", "waltz", "(silence)", "(steady)", "all"}
    best, worst = found["knows"]["all"], found["deaf"]["all"]
    assert (best.pieces, best.f, best.downbeat_f, best.lock_median_s) == (2, 1.0, 1.0, 0.0)
    assert best.locked_in_time == best.recovered_in_time == 1.0
    assert (worst.f, worst.locked_in_time, worst.recovery_median_s) == (0.0, 0.0, np.inf)
    assert np.isnan(found["knows"]["waltz"].recovery_median_s)


def test_the_tracker_follows_a_waltz():
    judged = judge([PIECES[1]], {"live": track_live})
    summary = summarise(judged)
    assert summary.f > 0.9
    assert summary.lock_median_s < 4.0
    assert summary.predicted_median_s < 0.025
    assert len(play(PIECES[1]).beat_times_s) == pytest.approx(60, abs=2)


def test_nothing_is_announced_where_there_is_no_music():
    locks = false_locks(8.0)
    assert set(locks) == set(no_music(0.5))
    assert max(locks.values()) == 0.0
