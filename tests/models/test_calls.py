"""The table of calls: every sampler is danced with, and its numbers say what they should."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from duet.choreography import choreograph_tempo
from models.config import XS, SamplerConfig
from models.data.pairs import Pair
from models.data.take import Take
from models.evaluation.calls import COLUMNS, Dancer, dancers_of, markdown, measure_calls, tick_seconds
from models.evaluation.closed_loop import Example
from models.follower import Follower, random_follower


@pytest.fixture(scope="module")
def example() -> Example:
    couple = choreograph_tempo(2.0, 180.0, 2)
    pair = Pair("dance", couple.leader, couple.follower)
    music = np.random.default_rng(0).normal(size=(pair.frames, 8)).astype(np.float32)
    return Example(pair, Take("dance", pair.leader.joints_m, music, 30.0))


@pytest.fixture(scope="module")
def follower() -> Follower:
    return random_follower(XS)


def test_it_is_danced_with_as_much_noise_as_live():
    calm = replace(XS, sampler=SamplerConfig(temperature=(1.0, 0.3, 0.3)))
    assert {d.sampler.temperature for d in dancers_of("f", random_follower(calm))} == {(1.0, 0.3, 0.3)}


def test_a_follower_is_danced_with_every_sampler_and_a_student_with_its_own(follower: Follower):
    names = [d.name for d in dancers_of("f", follower)]
    assert names == [f"f ddim x{n}" for n in (1, 2, 4, 8, 50)] + [
        "f dpm x4",
        "f dpm x8",
        "f pipelined x1",
        "f pipelined x2",
    ]
    for calls, expected in ((1, ["s ddim x1"]), (2, ["s ddim x1", "s ddim x2"])):
        config = replace(XS, sampler=SamplerConfig("ddim", calls))
        student = random_follower(replace(config, denoiser=replace(XS.denoiser, folded_guidance=True)))
        assert [d.name for d in dancers_of("s", student)] == expected


def test_seeds_are_apart_where_noise_matters_and_only_there(follower: Follower, example: Example):
    deaf = random_follower(XS)
    with torch.no_grad():
        deaf.denoiser.embed.weight.zero_()
    dancers = [Dancer("hears", follower, SamplerConfig("ddim", 2)), Dancer("deaf", deaf, SamplerConfig("ddim", 2))]
    told: list[str] = []
    rows = measure_calls(dancers, [example], leak=0.05, done=lambda name, _: told.append(name))
    assert told == ["hears", "deaf"]
    assert rows["hears"]["spread_mm"] > 1.0 and rows["deaf"]["spread_mm"] == pytest.approx(0.0, abs=1e-2)
    assert all(np.isfinite(row[name]) for row in rows.values() for name in COLUMNS)
    assert markdown(rows).count("\n") == 4 and "| hears | " in markdown(rows)


def test_more_calls_cost_more(follower: Follower):
    one, many = (tick_seconds(Dancer("", follower, SamplerConfig("ddim", calls)), repeats=8) for calls in (1, 16))
    assert many > 2 * one
