import numpy as np
import pytest

from duet.beat_scores import Announced
from duet.pieces import Piece, Trial, play
from realtime.bench.beats import USUAL, aims, false_locks, judge, no_music, summarise, tables, track_live

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
    assert set(found["knows"]) == {"tango", "waltz", "(silence)", "(steady)", USUAL, "all"}
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
    locks = false_locks(seconds=8.0)
    assert list(locks) == [name for name, _ in no_music(seconds=0.5)]
    assert max(locks.values()) == 0.0


def test_who_knows_the_piece_meets_every_aim_and_a_false_lock_misses_one():
    everything = summarise(judge(PIECES, {"knows": knows_all}))
    assert all(aim.holds for aim in aims(everything, {"silence": 0.0, "voice 1": 0.0}))
    missed = [aim for aim in aims(everything, {"silence": 0.0, "voice 1": 0.004}) if not aim.holds]
    assert [(aim.got, aim.bound) for aim in missed] == [(0.4, 0.0)]
    steady = summarise(judge([PIECES[1]], {"knows": knows_all}))
    assert len(aims(steady, {"silence": 0.0})) == len(aims(everything, {"silence": 0.0})) - 1


def test_each_seed_has_speakers_of_its_own():
    first, other = dict(no_music(0, 0.5)), dict(no_music(1, 0.5))
    assert not any(np.array_equal(first[name], other[name]) for name in first if name != "silence")
