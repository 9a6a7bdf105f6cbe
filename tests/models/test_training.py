"""Training on a tiny follower: losses fall, runs resume exactly, a follower learns after its own dance."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import Placement, Standing, integrate_root
from duet.skeleton import FEET
from models.codec import Codec
from models.config import PRESETS, XS, CodecConfig, DenoiserConfig, MemoryConfig, S, SamplerConfig
from models.data.corpus import Corpus
from models.data.music import condition_from_beats
from models.data.pairs import Pair
from models.data.sequences import CLEAN, Sequence, build_sequence
from models.evaluation.closed_loop import example_of
from models.follower import Follower, load_follower, random_follower
from models.kinematics_torch import body_joints
from models.rollout import TorchPartner
from models.training import denoiser_stage
from models.training.averaging import AveragedWeights
from models.training.checkpoint import load_checkpoint
from models.training.codec_stage import CodecTraining, measure_codec, train_codec
from models.training.denoiser_stage import DenoiserTraining, own_dances, plan_loss, token_importance
from models.training.losses import (
    STANDING_WEIGHT,
    _foot_speeds,
    frame_losses,
    position_error_mm,
    standing_losses,
)
from models.training.progress import Progress
from models.training.run import train
from models.training.settings import Schedule
from models.training.trainer import encode_all, set_normalisation
from models.training.windows import Stretch, cut_batch, draw_batch, make_item

TINY = replace(
    S,
    past=6,
    plan=3,
    codec=CodecConfig(channels=(16, 16, 8)),
    memory=MemoryConfig(width=32, layers=1, head=16, state=8),
    denoiser=DenoiserConfig(width=32, layers=1, heads=2, feedforward=32),
)
QUICK = DenoiserTraining(stretches=2, stretch_tokens=12, windows=3, warmup_steps=1)
SCHEDULE = Schedule(
    codec_steps=2, steps=3, judge_every=3, own_from=1, own_every=2, own_count=2, own_ticks=8, own_keep=4,
    sampler=SamplerConfig(calls=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def pair() -> Pair:
    couple = choreograph_tempo(6.0, 180.0, 2)
    return Pair("dance", couple.leader, couple.follower, np.arange(0.0, 6.0, 1.0 / 3.0))


@pytest.fixture(scope="module")
def sequence(pair: Pair) -> Sequence:
    rng = np.random.default_rng(0)
    conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)  # type: ignore[arg-type]
    return build_sequence(pair, conditions, TINY, style=0, wish=Placement(), corruption=CLEAN, rng=rng)


@pytest.fixture(scope="module")
def corpus(pair: Pair, sequence: Sequence) -> Corpus:
    return Corpus([sequence], [sequence], [example_of(pair)])


@pytest.fixture
def follower(sequence: Sequence) -> Follower:
    torch.manual_seed(0)
    made = Follower(TINY)
    set_normalisation(made, [sequence])
    return made


def quiet() -> Progress:
    return Progress(Console(quiet=True))


def test_a_perfect_reconstruction_costs_only_contacts(sequence: Sequence) -> None:
    real = torch.from_numpy(sequence.frames[:64])[None]
    made = real.clone()
    made[..., 141:] = torch.where(real[..., 141:] > 0.5, 20.0, -20.0)
    terms = frame_losses(made, real, Codec(TINY.codec).frame_norm)
    assert all(float(term) < 1e-4 for term in terms.values())
    assert float(position_error_mm(made, real)) < 1e-2


def test_foot_speeds_are_those_of_the_world(pair: Pair, sequence: Sequence) -> None:
    frames = torch.from_numpy(sequence.frames)[None]
    found = _foot_speeds(frames, body_joints(frames), 30.0)[0]
    feet = pair.follower.joints_m[: len(sequence.frames), list(FEET)]
    speeds = np.linalg.norm(np.diff(feet, axis=0)[..., [0, 2]], axis=-1) * 30.0
    assert np.abs(found.numpy() - speeds).mean() < 0.06
    assert np.corrcoef(found.numpy().ravel(), speeds.ravel())[0, 1] > 0.99


def test_the_standing_error_is_that_of_the_walk(sequence: Sequence) -> None:
    """Against duet.features.integrate_root beside a leader who stands still."""
    begin, count = 30, 12
    real = torch.from_numpy(sequence.frames[begin : begin + count])[None]
    before = torch.from_numpy(sequence.frames[begin - 1])[None]
    made = real + 0.1 * torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    off = np.array([0.2, 0.0, -0.1])
    leader, heading = np.zeros((count, 3)), np.zeros(count)

    def walk(rows: np.ndarray, offset: np.ndarray) -> np.ndarray:
        place, facing = before[0, 132:134].numpy(), before[0, 134:136].numpy()
        start = Standing(np.array([place[0], 0.0, place[1]]) + offset, float(np.arctan2(*facing)))
        return np.array([s.root_m for s in integrate_root(start, rows, leader, heading, 30.0, 0.1)])

    gap = (walk(made[0, :, 132:141].numpy(), off) - walk(real[0, :, 132:141].numpy(), 0 * off))[:, [0, 2]]
    place = torch.zeros(1, 8)
    place[0, :4] = before[0, 132:136] + torch.tensor([off[0], off[2], 0.0, 0.0])
    found = standing_losses(made, real, before, place, fps=30.0, leak=0.1)["standing"] / STANDING_WEIGHT
    assert float(found) == pytest.approx(np.linalg.norm(gap, axis=1).mean(), rel=0.15)
    none = standing_losses(
        real, real, before, torch.cat([before[:, 132:136], torch.zeros(1, 4)], 1), fps=30.0, leak=0.1
    )
    assert float(none["standing"]) < 0.01 and float(none["turn"]) < 1e-5


def test_the_codec_learns(sequence: Sequence) -> None:
    rows: list[dict[str, float]] = []
    codec = train_codec(
        TINY, [sequence], [sequence], steps=40, seed=0, report=rows.append, report_every=20, how=CodecTraining(batch=4)
    )
    assert rows[-1]["val_mm"] < rows[0]["val_mm"]
    latents = codec.encode(torch.from_numpy(sequence.frames)[None])[0]
    np.testing.assert_allclose(latents.mean(0), 0.0, atol=1e-4)
    assert measure_codec(codec, [sequence])["codes_used"] > 0.3


def test_averages_follow_slowly() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(2, 2)
    averaged = AveragedWeights(layer, 0.9)
    before = averaged.model.weight.clone()
    with torch.no_grad():
        layer.weight += 1.0
    for _ in range(200):
        averaged.update(layer)
    torch.testing.assert_close(averaged.model.weight, layer.weight, atol=1e-4, rtol=0)
    assert not torch.allclose(averaged.model.weight, before)


def test_windows_are_cut_where_they_say(sequence: Sequence) -> None:
    item = make_item(sequence, torch.randn(sequence.tokens, TINY.latent_width), TINY)
    rng = np.random.default_rng(0)
    batch = draw_batch([item], TINY, rng, stretches=2, length=sequence.tokens, windows=4)
    for row, (stretch, at) in enumerate(zip(batch.stretch, batch.at, strict=True)):
        assert 0 <= stretch < 2
        begin = int((item.target == batch.target[row, 0]).all(1).nonzero()[0])
        token = begin
        torch.testing.assert_close(batch.frames[row], item.frames[token : token + TINY.plan].flatten(0, 1))
        torch.testing.assert_close(batch.leader[row, -TINY.plan :], item.leader_tail[token, -TINY.plan :])
        torch.testing.assert_close(batch.history[stretch, at], item.target[token])


def test_the_loss_teaches(follower: Follower, sequence: Sequence) -> None:
    phase = torch.linspace(0.0, 12.0, sequence.tokens)[:, None] + torch.arange(TINY.latent_width)
    item = make_item(sequence, phase.sin(), TINY)
    optimiser = torch.optim.Adam([*follower.denoiser.parameters(), *follower.memory.parameters()], 3e-3)
    rng = np.random.default_rng(0)
    torch.manual_seed(1)
    losses = []
    for _ in range(60):
        batch = draw_batch([item], TINY, rng, stretches=2, length=20, windows=6)
        loss, parts = plan_loss(follower, batch, QUICK)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(parts["latent"])
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    gradients = [p.grad for n, p in follower.memory.named_parameters() if "norm" not in n]
    assert any(g is not None and g.abs().max() > 0 for g in gradients)


@pytest.mark.parametrize("plan", sorted({preset.plan for preset in PRESETS.values()}))
def test_every_presets_plan_has_a_loss(plan: int) -> None:
    config = replace(XS, plan=plan)
    couple = choreograph_tempo(6.0, 180.0, 2)
    pair = Pair("cmu-01", couple.leader, couple.follower, np.arange(0.0, 6.0, 1.0 / 3.0))
    rng = np.random.default_rng(0)
    conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)  # type: ignore[arg-type]
    sequence = build_sequence(pair, conditions, config, style=0, wish=Placement(), corruption=CLEAN, rng=rng)
    made = random_follower(config)
    set_normalisation(made, [sequence])
    item = make_item(sequence, torch.zeros(sequence.tokens, config.latent_width), config)
    batch = draw_batch([item], config, rng, stretches=1, length=20, windows=2)
    loss, _ = plan_loss(made, batch, DenoiserTraining(stretches=1, windows=2))
    assert torch.isfinite(loss)
    weights = token_importance(DenoiserTraining(token_weights=(2.0, 1.0)), loss, plan)
    assert weights.mean() == pytest.approx(1.0) and (weights[1:] == weights[0] / 2).all() and len(weights) == plan


def test_own_dances_keep_the_real_targets(follower: Follower, sequence: Sequence) -> None:
    targets = encode_all(follower, [sequence])
    targets = [torch.randn_like(targets[0])]
    items = own_dances(
        follower, [sequence], targets, np.random.default_rng(0),
        count=2, ticks=8, leak=0.1, sampler=SamplerConfig(calls=1),
    )  # fmt: skip
    assert [i.own for i in items] == [True, True]
    assert items[0].tokens == 8
    begin = int((targets[0] == items[0].target[0]).all(1).nonzero()[0])
    torch.testing.assert_close(items[0].target, targets[0][begin : begin + 8])


class Recorded(TorchPartner):
    """Keeps what it was shown and what it committed, tick by tick."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.shown: list[dict[str, torch.Tensor]] = []

    def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        frames = super().tick(inputs)
        tensors = {name: torch.from_numpy(value).clone() for name, value in inputs.items()}
        self.shown.append(tensors | {"committed": torch.from_numpy(self.committed.copy())})
        return frames


@pytest.mark.parametrize("doubt", [0.0, 0.3])
def test_windows_of_own_dances_are_what_its_ticks_were_shown(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, doubt: float
) -> None:
    """Leader, music and place of every tick, the follower's own past, and what its memory is told beside it."""
    ticks, span, partners, rng = 12, 12 - TINY.plan, [], np.random.default_rng(0)
    conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)  # type: ignore[arg-type]
    tracked = replace(CLEAN, jitter_m=0.5 * doubt, doubt=doubt)
    sequence = build_sequence(pair, conditions, TINY, style=1, wish=Placement(), corruption=tracked, rng=rng)

    follower = random_follower(TINY)
    set_normalisation(follower, [sequence])

    def recorded(*given: Any) -> Recorded:
        partners.append(Recorded(*given))
        return partners[0]

    monkeypatch.setattr(denoiser_stage, "TorchPartner", recorded)
    items = own_dances(
        follower, [sequence], encode_all(follower, [sequence]), rng,
        count=3, ticks=ticks, leak=0.1, sampler=SamplerConfig(calls=1),
    )  # fmt: skip
    shown = partners[0].shown
    assert span > TINY.past + 1, "some windows are short of a past, some are not"
    for i, item in enumerate(items):
        committed = torch.stack([tick["committed"][i] for tick in shown])
        torch.testing.assert_close(item.history, committed)
        assert committed.abs().max() > 0.05
        batch = cut_batch([Stretch(item, 0, span)], TINY, rng, length=span, windows=100)
        assert set(batch.at.tolist()) == set(range(span))
        for row, at in enumerate(batch.at.tolist()):
            tick = shown[at]
            for name in ("leader", "music", "place", "style"):
                torch.testing.assert_close(getattr(batch, name)[row], tick[name][i], atol=2e-4, rtol=0)
            assert torch.equal(batch.flags[row], tick["leader_flag"][i])
            now = TINY.past - 1
            for mine, name in ((batch.leader_now, "leader"), (batch.music_now, "music")):
                torch.testing.assert_close(mine[0, at], tick[name][i, now])


def test_a_run_leaves_a_follower_and_can_go_on(tmp_path: Path, corpus: Corpus) -> None:
    tuned = CodecTraining(batch=2)
    best = train(tmp_path, corpus, TINY, schedule=SCHEDULE, how=QUICK, codec_training=tuned, progress=quiet())
    assert load_follower(best).config.sampler == SCHEDULE.sampler
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert np.isfinite([row["score"] for row in rows]).all()
    assert (tmp_path / "history.png").stat().st_size > 1000


def test_a_missing_checkpoint_is_said(tmp_path: Path, follower: Follower) -> None:
    optimiser = torch.optim.AdamW(follower.parameters())
    with pytest.raises(InputError, match="checkpoint"):
        load_checkpoint(tmp_path, follower, AveragedWeights(follower, 0.9), optimiser, np.random.default_rng())
