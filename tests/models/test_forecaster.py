"""The learned forecast: starts as the damped one, is causal, steps as it scans, learns, and exports."""

from pathlib import Path

import numpy as np
import pytest
import torch

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import leader_headings
from duet.forecast import forecast_leader
from duet.motion import Motion
from duet.rotations import yaw_matrix
from models.config import MemoryConfig
from models.data.music import condition_from_beats
from models.data.sequences import Corruption
from models.forecaster import (
    Forecaster,
    ForecasterConfig,
    Track,
    damped_ahead,
    load_forecaster,
    save_forecaster,
    true_ahead,
    waves,
)
from models.training.forecaster_stage import (
    FRAMES_AHEAD,
    METHODS,
    ForecasterTraining,
    Lead,
    Leads,
    forecast_errors,
    lead_of,
    train_forecaster,
)
from models.weights import save_weights

TINY = ForecasterConfig(memory=MemoryConfig(width=16, layers=1, head=8, state=4), waves=3)
MUSIC = condition_from_beats(np.arange(0.0, 8.0, 1.0 / 3.0), 240, 30.0, np.random.default_rng(0))


@pytest.fixture(scope="module")
def motion() -> Motion:
    return choreograph_tempo(8.0, 180.0, 4).leader


@pytest.fixture(scope="module")
def lead(motion: Motion) -> Lead:
    return lead_of("lead", motion, MUSIC)


@pytest.fixture
def forecaster() -> Forecaster:
    torch.manual_seed(0)
    model = Forecaster(TINY)
    for parameter in model.head[-1].parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def batched(track: Track) -> Track:
    return Track(*(value[None] for value in track))


def test_the_damped_forecast_is_the_one_that_plays(motion: Motion, lead: Lead):
    """In the world, against duet.forecast. Measured here: 2e-6 m (tolerance 1e-4)."""
    joints = motion.joints_m
    heading = leader_headings(joints, 30.0)
    at, ahead = torch.tensor([20, 77, 130]), torch.arange(1, 37)
    got = damped_ahead(batched(lead.seen), at, ahead.float(), 30.0)
    for row, now in enumerate(at.tolist()):
        expected, turned = forecast_leader(joints[: now + 1], heading[: now + 1], 36, 30.0)
        mine = got.joints_m()[0, row].numpy() @ yaw_matrix(heading[now]).T + joints[now, 0]
        np.testing.assert_allclose(mine, expected, atol=1e-4)
        np.testing.assert_allclose(got.turn[0, row].numpy() + heading[now], turned, atol=1e-4)


def test_the_truth_is_the_leader_later(motion: Motion, lead: Lead):
    joints, heading = motion.joints_m, leader_headings(motion.joints_m, 30.0)
    seen = batched(lead.seen)
    found = true_ahead(seen, seen, torch.tensor([50]), torch.tensor([9])).joints_m()[0, 0, 0].numpy()
    np.testing.assert_allclose(found @ yaw_matrix(heading[50]).T + joints[50, 0], joints[59], atol=1e-4)


def test_a_corrupted_leader_is_forecast_from_what_was_seen(motion: Motion):
    lead = lead_of("lead", motion, MUSIC, np.random.default_rng(1), Corruption(jitter_m=0.05))
    at, ahead = torch.tensor([60]), torch.tensor([0])
    now = true_ahead(batched(lead.seen), batched(lead.seen), at, ahead).joints_m()
    real = true_ahead(batched(lead.seen), batched(lead.real), at, ahead).joints_m()
    assert 1e-3 < (now - real).norm(dim=-1).mean() < 0.2


def test_untrained_it_adds_nothing(lead: Lead):
    errors = forecast_errors([lead], Forecaster(TINY))
    assert tuple(errors) == METHODS
    np.testing.assert_allclose(errors["learned"], errors["damped"], rtol=1e-6)
    assert (np.diff(errors["damped"]) > 0).all() and len(errors["damped"]) == len(FRAMES_AHEAD)
    assert errors["damped"][0] < errors["zero velocity"][0]


def test_waves_begin_at_nothing():
    assert torch.count_nonzero(waves(torch.zeros(1), 37, 5)) == 0
    assert (waves(torch.tensor([37.0]), 37, 5).abs() > 0.99).all()


def test_steps_are_the_scan_and_nothing_comes_from_later(forecaster: Forecaster, lead: Lead):
    leader, music = lead.leader[None, :40].clone(), lead.music[None, :40]
    with torch.no_grad():
        whole, _ = forecaster(leader, music, forecaster.initial_state(1))
        state = forecaster.initial_state(1)
        for t in range(40):
            said, state = forecaster.step(leader[:, t], music[:, t], state)
            torch.testing.assert_close(said, whole[:, t], atol=1e-5, rtol=0)
        leader[:, 25:] += 1.0
        other, _ = forecaster(leader, music, forecaster.initial_state(1))
    assert torch.equal(other[:, :25], whole[:, :25]) and not torch.equal(other[:, 25], whole[:, 25])


def test_it_learns_a_little(lead: Lead):
    how = ForecasterTraining(
        steps=60, batch=4, window_frames=60, learning_rate=1e-2, ema=0.9, trained_ahead=(8, 16), recorded_share=1.0,
        input_noise=0.0, report_every=20,
    )  # fmt: skip
    rows: list[dict[str, float]] = []
    model = train_forecaster(TINY, Leads([lead], [], [lead]), how, report=rows.append)
    errors = forecast_errors([lead], model)
    assert (errors["learned"][1:3] < 0.9 * errors["damped"][1:3]).all()
    assert [row["step"] for row in rows] == [20, 40, 60]
    assert rows[-1]["best"] <= min(row["of damped"] for row in rows)


def test_it_is_read_back_as_written(forecaster: Forecaster, lead: Lead, tmp_path: Path):
    path = tmp_path / "forecaster.safetensors"
    save_forecaster(forecaster, path)
    loaded = load_forecaster(path)
    assert loaded.config == forecaster.config
    state = forecaster.initial_state(1)
    with torch.no_grad():
        said, heard = (m.step(lead.leader[:1], lead.music[:1], state)[0] for m in (forecaster, loaded))
    assert torch.equal(said, heard)
    save_weights({"x": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="expected a forecaster of this version"):
        load_forecaster(path)
