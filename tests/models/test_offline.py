"""The whole song at once: the same network as a tick, each block for itself, all of it danced."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from models.conditions import Conditions, Drop
from models.config import XS, SamplerConfig
from models.data.take import Take
from models.follower import Follower, random_follower
from models.guidance import guide
from models.offline import Offline, block_starts, dance_offline, denoise_blocks
from models.rollout import Danced
from models.samplers import ladder, sample, start

FAST = Offline(sampler=SamplerConfig("ddim", 2))


@pytest.fixture(scope="module")
def follower() -> Follower:
    """Random weights with a temporal module, which a block without a past must serve, too."""
    return random_follower(replace(XS, denoiser=replace(XS.denoiser, mtmm=True)))


@pytest.fixture(scope="module")
def take() -> Take:
    joints = choreograph_tempo(5.0, 180.0, 0, fps=30.0).leader.joints_m
    music = np.random.default_rng(0).normal(size=(len(joints), 8)).astype(np.float32)
    return Take("made", joints, music, 30.0)


def conditions(batch: int, length: int) -> Conditions:
    frames = XS.token_frames
    return Conditions(
        leader=torch.randn(batch, length, frames * XS.leader_width),
        leader_flag=torch.eye(3)[torch.zeros(batch, length, dtype=torch.long)],
        music=torch.randn(batch, length, frames * XS.music_width),
        place=torch.randn(batch, XS.place_width),
        style=torch.eye(XS.style_width)[torch.zeros(batch, dtype=torch.long)],
        memory=torch.randn(batch, XS.memory.width),
        reference=torch.zeros(batch, length, XS.latent_width),
        reference_flag=torch.zeros(batch, 1),
    )


def no_drop(batch: int) -> Drop:
    return Drop(*(torch.zeros(batch) for _ in range(3)))


@pytest.mark.parametrize("guidance", [None, 0.7])
@pytest.mark.parametrize("kind", ["ddim", "dpm"])
@torch.no_grad()
def test_a_receding_horizon_without_a_past_is_one_offline_block(follower: Follower, kind: str, guidance: float | None):
    """The tick's way (prepare, step) with P = 0 == the song's way (forward), call by call of the sampler, to 1e-5."""
    given, noise = conditions(1, XS.window), torch.randn(1, XS.window, XS.latent_width)
    sampler = SamplerConfig(kind, 3)  # type: ignore[arg-type]
    scales = np.full((3, 2), guidance or 0.0, np.float32)
    block = denoise_blocks(follower, given, noise, Offline(sampler=sampler, guidance=scales), remembers=True)

    nothing = torch.zeros(1, 0, XS.latent_width)
    context = follower.denoiser.prepare(nothing, given, no_drop(1))
    blind = follower.denoiser.prepare(nothing, given, Drop(*(torch.ones(1) for _ in range(3))))

    def predict(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        with_them = follower.denoiser.step(x, t, context, given)
        return guide(with_them, follower.denoiser.step(x, t, blind, given), torch.from_numpy(scales)[None])

    rungs = ladder(sampler, XS.window, XS.steps)
    ticked = sample(predict, start(sampler, torch.zeros_like(noise), noise, XS.steps), rungs)
    assert block.abs().max() > 0.5
    torch.testing.assert_close(ticked, block, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mask", ["interval", "triangle_interval"])
@torch.no_grad()
def test_blocks_side_by_side_are_one_long_masked_sequence(follower: Follower, mask: str):
    given, blocks = conditions(1, 2 * XS.window), torch.randn(1, 2 * XS.window, XS.latent_width)
    rows = Conditions(
        *(
            value.unflatten(1, (2, XS.window))[0] if value.dim() == 3 else value.expand(2, *([-1] * (value.dim() - 1)))
            for value in given
        )
    )
    t = torch.randint(0, XS.steps, (1, 2 * XS.window)).float()
    long = follower.denoiser(blocks, t, given, no_drop(1), past=0, mask=mask, block=XS.window)
    batch = follower.denoiser(blocks.view(2, XS.window, -1), t.view(2, XS.window), rows, no_drop(2), past=0, mask=mask)
    torch.testing.assert_close(batch.flatten(0, 1), long[0], atol=1e-5, rtol=1e-5)


def test_every_token_lies_in_a_whole_block():
    assert block_starts(22, 11) == [0, 11]
    assert block_starts(25, 11) == [0, 11, 14]
    assert block_starts(11, 11) == block_starts(7, 7) == [0]


def differs(one: Danced, other: Danced) -> list[bool]:
    """Token by token."""
    return (one.latents != other.latents).any(axis=1).tolist()


def test_equal_seeds_dance_alike_and_the_whole_song_is_danced(follower: Follower, take: Take):
    one, again, other = (dance_offline(follower, take, leak=0.05, how=FAST, seed=s) for s in (0, 0, 1))
    tokens = take.frames // XS.token_frames
    assert len(one.latents) == tokens and len(one.root_m) == len(one.rotations) == tokens * XS.token_frames
    assert np.isfinite(one.root_m).all() and np.isfinite(one.rotations).all()
    assert 0.0 <= one.contacts.min() <= one.contacts.max() <= 1.0
    assert (one.latents == again.latents).all() and all(differs(one, other))


def test_no_block_sees_another_and_its_future_is_seen(follower: Follower, take: Take):
    """The leader changed late in the second block: the first does not change, the second does from its beginning."""
    joints, block = take.joints_m.copy(), XS.window
    joints[2 * block * XS.token_frames - 4 :] += 0.3
    changed = replace(take, joints_m=joints)
    for mask, first_change in (("interval", block), ("triangle_interval", block)):
        how = replace(FAST, mask=mask)
        one, other = (dance_offline(follower, t, leak=0.05, how=how) for t in (take, changed))
        assert differs(one, other).index(True) == first_change, mask


def test_what_was_danced_before_matters_only_where_it_is_carried(follower: Follower, take: Take):
    joints = take.joints_m.copy()
    joints[:8] += 0.3
    changed = replace(take, joints_m=joints)
    for carried in (False, True):
        how = replace(FAST, carried=carried)
        one, other = (dance_offline(follower, t, leak=0.05, how=how) for t in (take, changed))
        assert all(differs(one, other)[XS.window :]) == carried


def test_guidance_of_nothing_changes_nothing_and_every_call_is_told(follower: Follower, take: Take):
    told: list[tuple[int, int]] = []
    plain = dance_offline(follower, take, leak=0.05, how=FAST, tick=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    none, some = (
        dance_offline(follower, take, leak=0.05, how=replace(FAST, guidance=np.full((3, 2), s, np.float32)))
        for s in (0.0, 1.0)
    )
    assert not any(differs(plain, none)) and all(differs(plain, some))


def test_a_take_shorter_than_a_block_is_one_short_block(follower: Follower, take: Take):
    short = dance_offline(follower, take.slice(0, 18), leak=0.05, how=FAST)
    assert len(short.root_m) == 16
    with pytest.raises(InputError, match="made: expected at least 4 frames at 30 fps to dance beside, got 3"):
        dance_offline(follower, take.slice(0, 3), leak=0.05, how=FAST)


def test_so_many_calls_that_two_would_be_one_are_refused(follower: Follower, take: Take):
    with pytest.raises(InputError, match="Sampler dpm: expected so few calls"):
        dance_offline(follower, take, leak=0.05, how=Offline(sampler=SamplerConfig("dpm", 200)))
