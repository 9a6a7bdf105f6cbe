"""Warped couples: the same dance relative to each other, on another way over the floor, with feet that stay."""

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.features import follower_features
from duet.skeleton import BODY
from models.data.footing import Stride, spans, stride
from models.data.pairs import Pair
from models.data.warps import bent
from models.evaluation.metrics import bone_error_mm, skate

BEATS_S = np.arange(48) / 3.0


@pytest.fixture(scope="module")
def pair() -> Pair:
    couple = choreograph_tempo(16.0, 180.0, 4)
    return Pair("couple", couple.leader, couple.follower, BEATS_S)


@pytest.fixture(scope="module")
def warped(pair: Pair) -> Pair:
    return bent(pair, np.random.default_rng(3), turn_rad_s=0.4)


def test_the_way_bends_but_the_two_stay_as_they_were_to_each_other(pair, warped):
    assert warped.name == "couple-bent"
    assert warped.beats_s is pair.beats_s
    assert np.abs(warped.distances_m() - pair.distances_m()).max() < 1e-4
    rows = [
        follower_features(
            p.follower.root_m, p.follower.rotations, pair.contacts(), p.leader.root_m, p.headings(), p.leader.fps
        )[30:]
        for p in (pair, warped)
    ]
    place_and_facing = slice(132, 136)
    # The heading that a follower is told lags behind a floor that turns; nothing else differs.
    assert np.abs(rows[0][:, place_and_facing] - rows[1][:, place_and_facing]).max() < 0.25
    hands = [np.linalg.norm(p.follower.joints_m[:, 20] - p.leader.joints_m[:, 21], axis=1) for p in (pair, warped)]
    assert np.abs(hands[0] - hands[1]).max() < 1e-3
    between = [p.follower.root_m - p.leader.root_m for p in (pair, warped)]
    turned = [np.unwrap(np.arctan2(way[:, 0], way[:, 2])) for way in between]
    assert np.ptp(turned[1] - turned[0]) > 0.5


def test_standing_feet_stay_and_bones_keep_their_length(pair, warped):
    for before, after in ((pair.leader, warped.leader), (pair.follower, warped.follower)):
        assert bone_error_mm(after.joints_m) < 0.1
        assert skate(after.joints_m, 30.0) < skate(before.joints_m, 30.0) + 0.04
        source = stride(before)
        both = source.stands[1:] & source.stands[:-1]
        slides = [
            np.linalg.norm(Stride(stride(m).places, source.stands).steps()[1:, :, :2], axis=-1)[both]
            for m in (before, after)
        ]
        assert slides[1].mean() < slides[0].mean() + 0.0005
        feet = after.joints_m[:, [BODY.index("left_foot"), BODY.index("right_foot")], 1]
        assert feet.min() > -0.02


def test_the_same_seed_bends_alike_and_another_one_otherwise(pair, warped):
    again = bent(pair, np.random.default_rng(3), turn_rad_s=0.4)
    other = bent(pair, np.random.default_rng(4), turn_rad_s=0.4)
    assert np.array_equal(again.leader.rotations, warped.leader.rotations)
    assert np.abs(other.leader.root_m - warped.leader.root_m).max() > 0.05


def test_a_floor_that_does_not_turn_changes_nothing(pair):
    same = bent(pair, np.random.default_rng(0), turn_rad_s=0.0, stretch=(1.0, 1.0))
    assert np.abs(same.leader.joints_m - pair.leader.joints_m).max() < 2e-3
    assert np.abs(same.follower.root_m - pair.follower.root_m).max() < 1e-3


def test_spans_are_half_open():
    assert spans(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert spans(np.zeros(3, dtype=bool)) == []
