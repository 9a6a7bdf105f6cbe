"""Spliced couples: new dances of old pieces, without a jump, a slide or a beat out of place."""

from dataclasses import replace

import numpy as np
import pytest

from duet.choreography import choreograph_tempo, draw_style
from duet.errors import InputError
from models.data.bank import source_of, sources_of
from models.data.motion_graph import COST_LIMIT_M, CoupleGraph, Splice, splice_couples
from models.data.pairs import Pair
from models.evaluation.metrics import bone_error_mm, skate

BEAT_S = 1.0 / 3.0


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    style = replace(draw_style(np.random.default_rng(1)), turns=0.0)
    made = []
    for seed in range(3):
        couple = choreograph_tempo(30.0, 180.0, seed, style=style)
        made.append(Pair(f"take-{seed}", couple.leader, couple.follower, np.linspace(0.0, 30.0, 91)[:90]))
    return made


@pytest.fixture(scope="module")
def graph(pairs: list[Pair]) -> CoupleGraph:
    return CoupleGraph(pairs)


@pytest.fixture(scope="module")
def splice(graph: CoupleGraph) -> Splice:
    return graph.walk(20.0, np.random.default_rng(0), "new")


def test_a_cut_costs_no_more_than_a_moment_of_dancing(graph, splice):
    assert all(cut.cost_m < COST_LIMIT_M for cut in graph.cuts)
    skipped = 5  # frames of a take, a sixth of a second: how fast states change by themselves
    changes = np.linalg.norm(graph.states[skipped:] - graph.states[:-skipped], axis=1)
    within = [changes[a : b - skipped] for a, b in zip(graph.starts, graph.starts[1:], strict=False)]
    assert np.median(splice.costs_m) < np.median(np.concatenate(within))
    assert len(splice.seams_s) >= 2
    assert np.diff(splice.seams_s).min() > 1.5


def test_nothing_jumps_slides_or_breaks_at_a_seam(pairs, splice):
    pair = splice.pair
    assert pair.frames == 600
    seam_frames = np.round(np.array(splice.seams_s) * 30.0).astype(int)
    for made, sources in (
        (pair.leader, [p.leader for p in pairs]),
        (pair.follower, [p.follower for p in pairs]),
    ):
        assert bone_error_mm(made.joints_m) < 0.1
        step = np.linalg.norm(np.diff(made.joints_m, axis=0), axis=-1)
        usual = np.concatenate([np.linalg.norm(np.diff(s.joints_m, axis=0), axis=-1) for s in sources])
        near = np.unique(np.concatenate([np.arange(f - 8, f + 8) for f in seam_frames]))
        assert step[near].max() < 1.15 * usual.max()
        assert skate(made.joints_m, 30.0) < 1.25 * np.mean([skate(s.joints_m, 30.0) for s in sources]) + 0.02


def test_the_two_stay_partners(pairs, splice):
    apart = np.concatenate([p.distances_m() for p in pairs])
    made = splice.pair.distances_m()
    assert apart.min() - 0.05 < made.min()
    assert made.max() < apart.max() + 0.05


def test_the_beats_go_on_across_seams_and_begin_with_a_bar(pairs, splice):
    beats = splice.pair.beats_s
    assert beats is not None
    assert 0.0 <= beats[0] < 0.04
    assert np.abs(np.diff(beats) - BEAT_S).max() < 0.015
    assert beats[-1] > 19.5
    # The choreographed couple rests on every fourth beat: so does the spliced one, if beats were carried along.
    ankles = splice.pair.follower.joints_m[:, [7, 8]].astype(np.float64)
    speed = np.linalg.norm(np.diff(ankles, axis=0), axis=-1).max(axis=1)
    at = [speed[np.minimum((beats[k::4] * 30).astype(int) - 4, 598)].mean() for k in range(4)]
    assert np.argmin(at) == 3


def test_the_same_seed_splices_alike(pairs):
    first, again = (splice_couples(pairs, 8.0, seed=5, count=2) for _ in range(2))
    assert [p.name.split(" <- ")[0] for p in first] == ["spliced-5-0", "spliced-5-1"]
    assert all(set(sources_of(p.name)) <= {source_of(take.name) for take in pairs} for p in first)
    assert np.array_equal(first[1].follower.rotations, again[1].follower.rotations)
    assert np.abs(first[0].follower.joints_m - first[1].follower.joints_m).max() > 0.1


def test_takes_are_brought_to_the_tempo_asked_for(pairs):
    (faster,) = splice_couples(pairs, 8.0, seed=0, count=1, tempo_bpm=190.0)
    assert faster.beats_s is not None
    assert np.median(np.diff(faster.beats_s)) == pytest.approx(60.0 / 190.0, abs=0.004)
    with pytest.raises(InputError, match="expected a tempo near 100 BPM, got 180 to 180"):
        splice_couples(pairs, 8.0, seed=0, count=1, tempo_bpm=100.0)


def test_sides_and_roles_are_never_mixed(pairs):
    with pytest.raises(InputError, match="takes of one kind"):
        splice_couples([*pairs, pairs[0].mirrored()], 8.0, seed=0, count=1)
    (mirrored,) = splice_couples([p.mirrored() for p in pairs], 8.0, seed=0, count=1)
    assert mirrored.name.startswith("spliced-0-0 <- ") and mirrored.name.endswith("-mirrored")


def test_what_cannot_be_is_refused(pairs):
    with pytest.raises(InputError, match="got 1.0 s"):
        splice_couples(pairs, 1.0, seed=0, count=1)
    with pytest.raises(InputError, match="takes of one kind"):
        splice_couples([], 8.0, seed=0, count=1)
    with pytest.raises(InputError, match="can be joined"):
        splice_couples([pairs[0].slice(0, 60)], 8.0, seed=0, count=1)
