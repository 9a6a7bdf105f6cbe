"""The learned forecast: starts as the damped one, is causal, carries its state, learns, and exports."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import leader_features, leader_headings
from duet.forecast import (
    FORESEEN_FROM_FRAMES,
    FORESEEN_PATH,
    FORESEEN_SIZE,
    VELOCITY_FRAMES,
    forecast_leader,
    leader_course,
)
from duet.motion import Motion
from duet.rotations import yaw_matrix
from models.config import ForecasterConfig, MemoryConfig
from models.data.music import condition_from_beats
from models.data.sequences import Corruption
from models.forecaster import (
    Forecaster,
    Foresight,
    Track,
    damped_ahead,
    load_forecaster,
    save_forecaster,
    true_ahead,
    waves,
)
from models.training.forecaster_stage import (
    CARRIED,
    FRAMES_AHEAD,
    HEARING,
    LEARNED,
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
    assert tuple(errors) == ("zero velocity", "constant velocity", "damped", LEARNED, CARRIED, HEARING)
    for method in (LEARNED, CARRIED, HEARING):
        np.testing.assert_allclose(errors[method], errors["damped"], rtol=1e-6)
    assert (np.diff(errors["damped"]) > 0).all() and len(errors["damped"]) == len(FRAMES_AHEAD)
    assert errors["damped"][0] < errors["zero velocity"][0]


def test_waves_begin_at_nothing():
    assert torch.count_nonzero(waves(torch.zeros(1), 37, 5)) == 0
    assert (waves(torch.tensor([37.0]), 37, 5).abs() > 0.99).all()


def test_what_it_foresees_is_what_the_window_of_a_tick_shows(forecaster: Forecaster, motion: Motion, lead: Lead):
    """Torch's corrected forecast in the world, against duet.forecast. Measured here: 3e-6 m (tolerance 1e-4)."""
    joints, heading, now, ahead = motion.joints_m, leader_headings(motion.joints_m, 30.0), 77, 30
    foreseen = Foresight(forecaster)(lead.leader[now + 1 - FORESEEN_FROM_FRAMES : now + 1].numpy())
    expected, turned = forecast_leader(joints[: now + 1], heading[: now + 1], ahead, 30.0, foreseen)
    at, later = torch.tensor([now]), torch.arange(1.0, ahead + 1.0)
    seen = lead.leader[None, now + 1 - FORESEEN_FROM_FRAMES : now + 1]
    with torch.no_grad():
        weights, _ = forecaster(seen, torch.zeros(1, len(seen[0]), 8), forecaster.initial_state(1))
        made = forecaster.corrected(damped_ahead(batched(lead.seen), at, later, 30.0), weights[:, -1:], later)
    mine = made.joints_m()[0, 0].numpy() @ yaw_matrix(heading[now]).T + joints[now, 0]
    np.testing.assert_allclose(mine, expected, atol=1e-4)
    np.testing.assert_allclose(made.turn[0, 0].numpy() + heading[now], turned, atol=1e-4)
    damped, _ = forecast_leader(joints[: now + 1], heading[: now + 1], ahead, 30.0)
    assert np.abs(expected - damped).max() > 0.01
    # The window of a tick holds the same frames.
    delay, past = 3, 24
    stop = now + 1
    window = leader_course(
        joints[:stop], heading[:stop], np.ones(stop), fps=30.0, delay_frames=delay, past_tokens=past, plan_tokens=7,
        token_frames=4, forecaster=Foresight(forecaster),
    ).window()  # fmt: skip
    np.testing.assert_allclose(window.plan_root_m[0], expected[delay - 1, 0], atol=1e-4)
    np.testing.assert_allclose(window.plan_heading_rad[0], turned[delay - 1], atol=1e-4)


def test_far_past_its_reach_it_adds_what_it_added_last(motion: Motion):
    heading = leader_headings(motion.joints_m, 30.0)[:60]
    foreseen = np.zeros((10, FORESEEN_SIZE), np.float32)
    foreseen[:, FORESEEN_PATH] = np.linspace(0.0, 0.2, 10)[:, None]
    near, _ = forecast_leader(motion.joints_m[:60], heading, 40, 30.0, foreseen)
    plain, _ = forecast_leader(motion.joints_m[:60], heading, 40, 30.0)
    added = np.linalg.norm((near - plain)[:, 0], axis=-1)
    np.testing.assert_allclose(added[9:], 0.2 * np.sqrt(3.0), atol=1e-6)
    assert added[0] == 0.0


def test_a_window_of_few_frames_is_foreseen_from_a_leader_who_stood_still(forecaster: Forecaster, motion: Motion):
    joints, heading, delay = motion.joints_m[40:43], leader_headings(motion.joints_m[40:43], 30.0), 40
    stood = FORESEEN_FROM_FRAMES - len(joints)
    rows = leader_features(
        np.concatenate([joints[:1].repeat(stood, 0), joints]), np.concatenate([heading[:1].repeat(stood), heading]),
        30.0, confidence=np.ones(FORESEEN_FROM_FRAMES),
    )  # fmt: skip
    expected, turned = forecast_leader(joints, heading, delay - 1 + 32, 30.0, Foresight(forecaster)(rows))
    window = leader_course(
        joints, heading, np.ones(3), fps=30.0, delay_frames=delay, past_tokens=24, plan_tokens=8, token_frames=4,
        forecaster=Foresight(forecaster),
    ).window()  # fmt: skip
    np.testing.assert_allclose(window.plan_joints_m, expected[delay - 1 :], atol=1e-5)
    np.testing.assert_allclose(window.plan_heading_rad, turned[delay - 1 :], atol=1e-5)
    moving = leader_features(joints, heading, 30.0, confidence=np.ones(3))[[1] * (stood + 1) + [1, 2]]
    other, _ = forecast_leader(joints, heading, delay - 1 + 32, 30.0, Foresight(forecaster)(moving))
    assert np.abs(other - expected).max() > 1e-3, "who ran before is foreseen otherwise"


def test_its_errors_are_those_of_what_a_tick_is_told(forecaster: Forecaster, motion: Motion):
    """From the middle of a dance, short of what a tick asks for. Measured here: 1e-6 apart (tolerance 1e-5)."""
    motion = motion.slice(40, 130)
    lead = lead_of("lead", motion, MUSIC[40:130])
    joints, heading = motion.joints_m, leader_headings(motion.joints_m, 30.0)
    missed = []
    for now in range(VELOCITY_FRAMES, len(joints) - max(FRAMES_AHEAD)):
        made = leader_course(
            joints[: now + 1], heading[: now + 1], np.ones(now + 1), fps=30.0, delay_frames=1, past_tokens=24,
            plan_tokens=-(-max(FRAMES_AHEAD) // 4), token_frames=4, forecaster=Foresight(forecaster),
        ).foreseen().plan_joints_m  # fmt: skip
        gaps = [np.linalg.norm(made[ahead - 1] - joints[now + ahead], axis=-1).mean() for ahead in FRAMES_AHEAD]
        missed.append(gaps)
    errors = forecast_errors([lead], forecaster)
    np.testing.assert_allclose(errors[LEARNED], 1e3 * np.mean(missed, axis=0), rtol=1e-5)
    assert np.abs(errors[CARRIED] - errors[LEARNED]).max() > 0.02


def test_a_carried_state_goes_on_and_nothing_comes_from_later(forecaster: Forecaster, lead: Lead):
    leader, music = lead.leader[None, :40].clone(), lead.music[None, :40]
    with torch.no_grad():
        whole, _ = forecaster(leader, music, forecaster.initial_state(1))
        first, state = forecaster(leader[:, :17], music[:, :17], forecaster.initial_state(1))
        then, _ = forecaster(leader[:, 17:], music[:, 17:], state)
        torch.testing.assert_close(torch.cat([first, then], dim=1), whole, atol=1e-5, rtol=0)
        leader[:, 25:] += 1.0
        other, _ = forecaster(leader, music, forecaster.initial_state(1))
    assert torch.equal(other[:, :25], whole[:, :25]) and not torch.equal(other[:, 25], whole[:, 25])


def test_it_learns_a_little(lead: Lead):
    how = ForecasterTraining(
        steps=60, batch=4, window_frames=60, learning_rate=1e-2, ema=0.9, trained_ahead=(8, 16), recorded_share=1.0,
        input_noise=0.0, silence=1.0, report_every=20,
    )  # fmt: skip
    rows: list[dict[str, float]] = []
    model = train_forecaster(TINY, Leads([lead], [], [lead]), how, report=rows.append)
    errors = forecast_errors([lead], model)
    assert (errors[LEARNED][1:3] < 0.9 * errors["damped"][1:3]).all()
    assert [row["step"] for row in rows] == [20, 40, 60]
    assert rows[-1]["best"] <= min(row["of damped"] for row in rows)


def test_leads_that_are_too_short_to_learn_from_are_left_out_or_told(motion: Motion, lead: Lead):
    brief = lead_of("brief", motion.slice(0, 100), MUSIC[:100])
    how = ForecasterTraining(steps=2, batch=4, window_frames=90, recorded_share=1.0, report_every=2)
    train_forecaster(TINY, Leads([brief, lead], [brief], [lead]), how)
    with pytest.raises(InputError, match="expected some of at least [0-9]+ frames, got none"):
        train_forecaster(TINY, Leads([brief], [], [lead]), how)


def test_it_is_read_back_as_written(forecaster: Forecaster, lead: Lead, tmp_path: Path):
    path = tmp_path / "forecaster.safetensors"
    save_forecaster(forecaster, path)
    loaded = load_forecaster(path)
    assert loaded.config == forecaster.config
    state = forecaster.initial_state(1)
    with torch.no_grad():
        said, heard = (m(lead.leader[None, :9], lead.music[None, :9], state)[0] for m in (forecaster, loaded))
    assert torch.equal(said, heard)
    sizes = asdict(TINY)
    for header in (None, 5, {**sizes, "memory": 5}, {**sizes, "memory": {**sizes["memory"], "head": 0}}):
        save_weights(forecaster.state_dict(), path, None if header is None else {"forecaster": header})
        with pytest.raises(InputError, match="forecaster.safetensors: expected a forecaster of this version"):
            load_forecaster(path)
