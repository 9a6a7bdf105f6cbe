"""Performances that training follows: the memory goes on where it was, forgets when told to, and is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import Placement
from models.config import XS, SamplerConfig
from models.data.corpus import Corpus
from models.data.music import condition_from_beats
from models.data.pairs import Pair
from models.data.sequences import CLEAN, build_sequence, tail_tokens
from models.evaluation.closed_loop import Example
from models.follower import WEIGHTS_FILE, Follower, MemoryRole, random_follower
from models.mamba import MemoryState
from models.training.codec_stage import CodecTraining
from models.training.denoiser_stage import DenoiserTraining, _past_of, _remember
from models.training.performances import Performances
from models.training.progress import Progress
from models.training.run import train
from models.training.settings import Schedule
from models.training.windows import Item, draw_batch
from models.weights import load_weights

LENGTH = 12


@pytest.fixture
def follower() -> Follower:
    return random_follower(XS)


def take(tokens: int, seed: int) -> Item:
    """A take of random numbers."""
    torch.manual_seed(seed)
    f, tail = XS.token_frames, tail_tokens(XS)
    latents = torch.randn(tokens, XS.latent_width)
    return Item(
        target=latents, history=latents, frames=torch.randn(tokens, f, 145),
        leader=torch.randn(XS.past + tokens, f * 72), music=torch.randn(XS.past + tokens, f * 8),
        leader_tail=torch.randn(tokens, tail, f * 72), music_tail=torch.randn(tokens, tail, f * 8),
        flags_tail=torch.randn(tokens, tail, 3), place=torch.randn(tokens, 8), style=torch.eye(8)[0], own=False,
    )  # fmt: skip


def performances(items: list[Item], follower: Follower, *, count: int = 2, forget: float = 0.0) -> Performances:
    return Performances(items, follower, np.random.default_rng(0), count=count, length=LENGTH, forget=forget)


def test_stretch_after_stretch_is_one_unbroken_performance(follower: Follower):
    """Memory and past over three stretches are those of the whole take."""
    item = take(3 * LENGTH + XS.plan, 0)
    runs = performances([item], follower, count=1)
    before = torch.cat([torch.zeros(1, XS.latent_width), item.history[:-1]])
    style = item.style.expand(item.tokens, -1)
    newest = tail_tokens(XS) - XS.plan - 1
    tails = item.leader_tail[:, newest], item.flags_tail[:, newest], item.music_tail[:, newest]
    with torch.no_grad():
        tokens = follower.memory.tokens(before, *tails, style)[None]
        whole, _ = follower.memory(tokens, follower.memory.initial_state(1))
        for n in range(3):
            batch = runs.draw(1, windows=8)
            at = n * LENGTH + batch.at
            torch.testing.assert_close(_remember(follower, batch, batch.history), whole[0, at], atol=1e-5, rtol=0)
            past = _past_of(batch.history, batch, XS.past)
            for row, end in zip(past, at.tolist(), strict=True):
                real = item.history[max(0, end - XS.past) : end]
                assert torch.equal(row[XS.past - len(real) :], real)
                assert torch.count_nonzero(row[: XS.past - len(real)]) == 0
            runs.advance(follower, batch)


def test_the_memory_is_asked_in_training_as_live(follower: Follower):
    """Leader and music beside the newest committed token: the window's last row before the plan."""
    newest = MemoryRole(follower.memory, XS).newest
    batch = draw_batch([take(40, 0)], XS, np.random.default_rng(1), stretches=3, length=24, windows=5)
    for now, window in (
        (batch.leader_now, batch.leader), (batch.flags_now, batch.flags), (batch.music_now, batch.music)
    ):  # fmt: skip
        assert torch.equal(now[batch.stretch, batch.at], window[:, newest])


def test_the_next_take_is_entered_with_the_old_memory(follower: Follower):
    items = [take(LENGTH + XS.plan, seed) for seed in range(3)]
    runs = performances(items, follower)
    first = runs.draw(2, windows=2)
    runs.advance(follower, first)
    second = runs.draw(2, windows=2)
    assert first.memory_ssm is not None and second.memory_ssm is not None and second.lead_in is not None
    assert torch.count_nonzero(first.memory_ssm) == 0 and torch.count_nonzero(second.memory_ssm) > 0
    assert torch.count_nonzero(second.lead_in) == 0, "a take begins as on entering"


def test_forgetting_empties_the_memory(follower: Follower):
    runs = performances([take(60, 0)], follower, forget=1.0)
    runs.advance(follower, runs.draw(2, windows=2))
    batch = runs.draw(2, windows=2)
    assert batch.memory_ssm is not None and torch.count_nonzero(batch.memory_ssm) == 0


def test_fewer_performances_leave_the_others_where_they_were(follower: Follower):
    runs = performances([take(60, 0)], follower)
    other = runs.tensors()["at"][1].tolist()
    runs.advance(follower, runs.draw(1, windows=2))
    assert runs.tensors()["at"][1].tolist() == other
    assert torch.count_nonzero(runs.tensors()["ssm"][1]) == 0


def test_takes_too_short_to_follow_are_refused(follower: Follower):
    with pytest.raises(InputError, match="expected a take of at least 15 tokens, got none"):
        performances([take(LENGTH, 0)], follower)


def test_no_gradient_reaches_an_earlier_stretch(follower: Follower):
    runs = performances([take(60, 0)], follower)
    runs.advance(follower, runs.draw(2, windows=2))
    batch = runs.draw(2, windows=2)
    assert batch.memory_ssm is not None and not batch.memory_ssm.requires_grad
    _remember(follower, batch, batch.history).sum().backward()
    state = MemoryState(*(torch.zeros_like(s) for s in (batch.memory_conv, batch.memory_ssm)))  # type: ignore[arg-type]
    forgotten = replace(batch, memory_conv=state.conv, memory_ssm=state.ssm)
    with torch.no_grad():
        gap = _remember(follower, batch, batch.history) - _remember(follower, forgotten, batch.history)
    assert gap.abs().max() > 1e-4


class Killed(Progress):
    """Stops a run as a kill does."""

    def __init__(self, step: int = 0) -> None:
        super().__init__(Console(quiet=True))
        self.fatal = step

    def codec(self, numbers: dict[str, float]) -> None:
        pass

    def step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        if step == self.fatal:
            raise KeyboardInterrupt


def test_a_run_that_carries_its_memory_goes_on_to_the_same_weights(tmp_path: Path):
    couple = choreograph_tempo(3.0, 180.0, 2)
    pair = Pair("dance", couple.leader, couple.follower, np.arange(0.0, 3.0, 1.0 / 3.0))
    rng = np.random.default_rng(0)
    conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)  # type: ignore[arg-type]
    sequence = build_sequence(pair, conditions, XS, style=0, wish=Placement(), corruption=CLEAN, rng=rng)
    corpus = Corpus([sequence], [sequence], [Example(pair, sequence.take)])

    def run(folder: Path, how: DenoiserTraining, stop: int = 0) -> dict[str, torch.Tensor]:
        schedule = Schedule(codec_steps=2, steps=2, judge_every=1, own_from=9, sampler=SamplerConfig(calls=1))
        given = {"schedule": schedule, "how": how, "codec_training": CodecTraining(batch=2, window_frames=32)}
        return load_weights(train(folder, corpus, XS, progress=Killed(stop), **given) / WEIGHTS_FILE)

    how = DenoiserTraining(stretches=2, stretch_tokens=6, windows=2, warmup_steps=1, carried=True, forget=0.2)
    straight = run(tmp_path / "straight", how)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", how, stop=2)
    resumed = run(tmp_path / "stopped", how)
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
