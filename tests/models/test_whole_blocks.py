"""Learning whole blocks without a past: what is cut lies where it should, and the trainer mixes it in when asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from duet.choreography import choreograph_tempo
from duet.features import FOLLOWER_ROOT, ROOT_FACING, ROOT_PLACE, Placement
from models.codec import LEAD_IN
from models.config import XS, SamplerConfig
from models.data.corpus import Corpus
from models.data.music import condition_from_beats
from models.data.pairs import Pair
from models.data.sequences import CLEAN, Sequence, build_sequence
from models.follower import Follower
from models.training.denoiser_stage import DenoiserTraining
from models.training.settings import Schedule
from models.training.trainer import Trainer, encode_all, set_normalisation
from models.training.whole_blocks import block_loss, draw_blocks, wished_place
from models.training.windows import make_item

HOW = DenoiserTraining(stretches=2, stretch_tokens=8, windows=3, warmup_steps=1, block_share=0.5)


@pytest.fixture(scope="module")
def sequence() -> Sequence:
    couple, rng = choreograph_tempo(5.0, 180.0, 2), np.random.default_rng(0)
    beats = np.arange(0.0, 5.0, 1.0 / 3.0)
    pair = Pair("dance", couple.leader, couple.follower, beats)
    conditions = condition_from_beats(beats, pair.frames, 30.0, rng)
    return build_sequence(pair, conditions, XS, style=0, wish=Placement(), corruption=CLEAN, rng=rng)


@pytest.fixture
def follower(sequence: Sequence) -> Follower:
    torch.manual_seed(0)
    made = Follower(XS)
    set_normalisation(made, [sequence])
    return made


def test_a_block_holds_leader_and_follower_of_the_same_moments(sequence: Sequence, follower: Follower):
    item = make_item(sequence, encode_all(follower, [sequence])[0], XS)
    blocks = draw_blocks([item], XS, np.random.default_rng(1), 40)
    assert blocks.target.shape == (40, XS.window, XS.latent_width)
    for row in range(40):
        begin = int((item.frames.flatten(0, 1) - blocks.frames[row, 0]).abs().sum(-1).argmin()) // XS.token_frames
        tokens = slice(begin, begin + XS.window)
        assert torch.equal(blocks.target[row], item.target[tokens])
        assert np.array_equal(blocks.leader[row].numpy(), sequence.leader[tokens])
        assert np.array_equal(blocks.music[row].numpy(), sequence.music[tokens])
        known = min(begin, LEAD_IN)
        assert torch.equal(blocks.before[row, LEAD_IN - known :], item.target[begin - known : begin])
    stood = (blocks.place[:, :2] - blocks.frame_before[:, FOLLOWER_ROOT][:, ROOT_PLACE]).norm(dim=-1) < 0.3
    assert 5 < int(stood.sum()) < 40  # half are told the wished place instead


def test_the_wished_place_is_before_the_leader_facing_them():
    place = torch.tensor([9.0, 9.0, 9.0, 9.0, 0.85, 0.0, 1.0, 0.7])
    wished = wished_place(place)
    torch.testing.assert_close(wished[ROOT_PLACE], torch.tensor([0.0, 0.85]))
    torch.testing.assert_close(wished[ROOT_FACING], torch.tensor([0.0, -1.0]))
    assert torch.equal(wished[4:], place[4:])


def test_learning_blocks_lowers_their_loss(sequence: Sequence, follower: Follower):
    item = make_item(sequence, encode_all(follower, [sequence])[0], XS)
    rng = np.random.default_rng(0)
    blocks = draw_blocks([item], XS, rng, 4)
    optimiser = torch.optim.Adam(follower.denoiser.parameters(), 5e-3)
    losses = []
    for _ in range(25):
        loss, parts = block_loss(follower, blocks, HOW, rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert {"latent", "position", "standing"} <= set(parts)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3])


def test_the_trainer_mixes_blocks_in_only_when_asked(sequence: Sequence, follower: Follower, tmp_path: Path):
    schedule = Schedule(steps=1, sampler=SamplerConfig(calls=1))
    corpus = Corpus([sequence], [sequence], [])
    told: dict[float, dict[str, float]] = {}
    for share in (0.0, 0.5):
        trainer = Trainer(tmp_path, follower, corpus, schedule, replace(HOW, block_share=share), 0)
        told[share] = trainer._train_step()
        assert sum(part for *_, part in trainer._draw()) == pytest.approx(1.0)
    assert "block_latent" in told[0.5] and "block_latent" not in told[0.0]
