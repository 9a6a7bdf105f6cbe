"""Followers whose answer to another world is known: one that shadows the leader, one that only hears the music."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from duet.errors import InputError
from duet.features import FOLLOWER_SIZE
from models.config import S
from models.data.music import condition_from_beats
from models.evaluation import closed_loop, counterfactuals
from models.evaluation.counterfactuals import Case, Change, Counterfactuals, cases_of, measure_counterfactuals
from models.evaluation.verdicts import Verdict


class Shadow:
    """Stands a metre before the leader and moves as they do; ``hears`` lifts it a hand's breadth on every beat."""

    config = S
    foresight = None

    def __init__(self, *, hears: bool = False, noisy: float = 0.0) -> None:
        self.hears, self.noisy = hears, noisy
        self.frame = np.zeros(FOLLOWER_SIZE, np.float32)
        self.frame[:132] = np.tile([1, 0, 0, 0, 1, 0], 22)
        self.frame[133], self.frame[135], self.frame[140] = 1.0, -1.0, 0.87

    def reset(self, batch: int) -> None:
        assert batch == 1

    def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        frames = np.repeat(self.frame[None, None], S.plan * S.token_frames, axis=1)
        if self.hears:
            frames[..., 140] += 0.1 * inputs["music"].reshape(-1, 8)[-frames.shape[1] :, 1]
        frames[..., 132] += self.noisy * inputs["noise"].mean()
        return frames


@pytest.fixture(scope="module")
def cases() -> Iterator[list[Case]]:
    """Two short ones, whose music is drawn: to listen takes seconds."""

    def drawn(beats_s: np.ndarray, frames: int, fps: float, *, seed: int, lead_in_s: float) -> np.ndarray:
        return condition_from_beats(beats_s, frames, fps, np.random.default_rng(seed))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counterfactuals, "CASE_S", 16.0)
        patch.setattr(counterfactuals, "heard_condition", drawn)
        patch.setattr(closed_loop, "heard_condition", drawn)
        yield cases_of([], choreographed=2, seed=5)


def values(found: Counterfactuals) -> dict[str, Verdict]:
    return {v.what.strip(): v for v in found.verdicts}


def changes(found: Counterfactuals) -> dict[str, Change]:
    return {c.name: c for c in found.changes}


def starting(found: Counterfactuals, text: str) -> Verdict:
    return next(v for v in found.verdicts if v.what.strip().startswith(text))


@pytest.fixture(scope="module")
def shadowed(cases: list[Case]) -> Counterfactuals:
    return measure_counterfactuals(Shadow(hears=True, noisy=0.2), cases, leak=0.5)


def test_a_shadow_follows_its_leader(shadowed: Counterfactuals) -> None:
    late = starting(shadowed, "leader 1 s late")
    assert late.met and late.value is not None and late.value > 3.0
    assert starting(shadowed, "leader moved 1 m").met
    assert values(shadowed)["furthest in any frame"].value == pytest.approx(0.0, abs=1e-4)
    assert starting(shadowed, "stage turned").met
    stops = starting(shadowed, "leader stops")
    goes_on = values(shadowed)["the same where the leader goes on"].value
    assert stops.value is not None and goes_on is not None and stops.value < 0.8 * goes_on


def test_every_change_is_read_by_the_noise_floor(shadowed: Counterfactuals) -> None:
    found = changes(shadowed)
    floor = values(shadowed)["noise floor: other noise alone"].value
    assert floor == pytest.approx(found["other noise"].gap_m) and floor > 0.0
    assert found["other leader"].excess_m > 0.1
    # Music moves it by more than nothing, and by less than another leader.
    half = found["music half a beat late"]
    assert 0.01 < half.gap_m < 0.3 * found["other leader"].gap_m
    assert found["other leader"].gap_m > 5.0 * floor
    assert starting(shadowed, "no memory").met is None


def test_who_neither_follows_nor_hears_is_found_out(cases: list[Case]) -> None:
    told: list[str] = []
    statue = Shadow()
    found = measure_counterfactuals(statue, cases, leak=0.0, forgetful=statue, progress=told.append)
    for name in ("other music", "music half a beat late", "music at another tempo", "silence", "other noise"):
        assert changes(found)[name].gap_m == 0.0
    assert starting(found, "leader 1 s late").met is False
    assert starting(found, "music half a beat late").met is False
    # A memory that changes nothing is none.
    assert starting(found, "no memory").met is False
    # It never steps, so no step is on the beat.
    assert starting(found, "steps: median from the beat").met is False
    assert len(told) == len(set(told)) == 24


def test_a_verdict_knows_what_is_wanted() -> None:
    assert Verdict.at_most("x", 1.0, 2.0).met and not Verdict.at_most("x", 3.0, 2.0).met
    assert Verdict.at_least("x", 3.0, 2.0).met and Verdict.at_least("x", 1.0, 2.0).met is False
    assert Verdict.at_most("x", float("nan"), 2.0).met is False
    assert Verdict.at_most("x", None, 2.0).met is None and Verdict.reported("x", 1.0).met is None


def test_one_case_has_no_other_leader(cases: list[Case]) -> None:
    with pytest.raises(InputError, match="expected two cases or more, got 1"):
        measure_counterfactuals(Shadow(), cases[:1], leak=0.5)


def test_a_case_keeps_its_beats(cases: list[Case]) -> None:
    assert [case.period_s for case in cases] == pytest.approx([60.0 / 180.0, 60.0 / 195.0])
    assert replace(cases[0], beats_s=cases[0].beats_s + 0.1).period_s == pytest.approx(cases[0].period_s)
