"""Looking at couples before a training does."""

from pathlib import Path

import pytest

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from models.data.pairs import Pair, load_pairs
from models.data.prepare import summarise


@pytest.fixture(scope="module")
def pair() -> Pair:
    couple = choreograph_tempo(10.0, 180.0, 0, fps=30.0)
    return Pair("choreographed", couple.leader, couple.follower)


def test_a_couple_is_summarised(pair: Pair):
    summary = summarise(pair, "train")
    assert (summary.name, summary.split) == ("choreographed", "train")
    assert summary.seconds == pytest.approx(10.0, abs=0.1)
    assert summary.steps_per_minute == pytest.approx(180.0, rel=0.05)
    assert 0.3 < summary.distance_m < 1.5


def test_a_couple_that_is_too_short_is_named(pair: Pair):
    with pytest.raises(InputError, match="choreographed: expected at least 4 s together, got 2.0"):
        summarise(pair.slice(0, 60), "train")


def test_a_recorded_couple_keeps_salsa_time(duet_data: Path):
    pair = load_pairs(duet_data, "validation")[0]
    summary = summarise(pair, "validation")
    assert 150 < summary.steps_per_minute < 215
    assert 0.4 < summary.distance_m < 1.2
