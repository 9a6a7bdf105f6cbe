"""Dancing whole takes: causal, placed, repeatable, and the same batched as tick by tick."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import Placement, Standing
from models.config import CodecConfig, DenoiserConfig, FollowerConfig, MemoryConfig, S, SamplerConfig
from models.data.music import condition_from_beats
from models.data.take import Take
from models.follower import Follower
from models.rollout import TorchPartner, dance, dance_on

TINY = replace(
    S,
    past=6,
    plan=3,
    codec=CodecConfig(channels=(16, 16, 8)),
    memory=MemoryConfig(width=32, layers=1, head=16, state=8),
    denoiser=DenoiserConfig(width=32, layers=1, heads=2, feedforward=32),
)


def follower(config: FollowerConfig = TINY) -> Follower:
    torch.manual_seed(0)
    made = Follower(config)
    torch.nn.init.normal_(made.denoiser.head.weight, std=0.2)
    return made.eval()


@pytest.fixture(scope="module")
def take() -> Take:
    couple = choreograph_tempo(4.0, 180.0, 1)
    conditions = condition_from_beats(np.arange(0.0, 4.0, 1 / 3), couple.leader.frames, 30.0, np.random.default_rng(0))
    return Take("dance", couple.leader.joints_m, conditions, 30.0)


def test_a_dance_is_whole_and_repeatable(take: Take) -> None:
    first, again = (dance(TorchPartner(follower()), [take], leak=0.1, seeds=[3])[0] for _ in range(2))
    assert first.root_m.shape == (120, 3) and first.rotations.shape == (120, 22, 3, 3)
    assert first.latents.shape == (30, TINY.latent_width)
    np.testing.assert_array_equal(first.rotations, again.rotations)
    assert ((first.contacts >= 0) & (first.contacts <= 1)).all()
    np.testing.assert_allclose(np.linalg.det(first.rotations), 1.0, atol=1e-4)


@pytest.mark.parametrize("delay", [2, 5])
def test_nothing_is_known_before_it_is_measured(take: Take, delay: int) -> None:
    changed = 60
    joints, conditions = take.joints_m.copy(), take.conditions.copy()
    joints[changed:] += 0.3
    conditions[changed:] = 0.0
    other = replace(take, joints_m=joints, conditions=conditions)
    a, b = (dance(TorchPartner(follower()), [t], leak=0.1, seeds=[0], delay_frames=delay)[0] for t in (take, other))
    # Frame 60 is first seen by the tick whose plan begins `delay` frames later, or at the next token.
    same = -(-(changed + delay) // 4) * 4
    np.testing.assert_array_equal(a.rotations[:same], b.rotations[:same])
    np.testing.assert_array_equal(a.root_m[:same], b.root_m[:same])
    assert np.abs(a.root_m[same : same + 8] - b.root_m[same : same + 8]).max() > 1e-4


def test_side_by_side_is_one_by_one(take: Take) -> None:
    both = dance(TorchPartner(follower()), [take, replace(take, style=2)], leak=0.1, seeds=[1, 2])
    for seed, style, danced in ((1, 0, both[0]), (2, 2, both[1])):
        alone = dance(TorchPartner(follower()), [replace(take, style=style)], leak=0.1, seeds=[seed])[0]
        np.testing.assert_allclose(danced.root_m, alone.root_m, atol=1e-4)
        np.testing.assert_allclose(danced.rotations, alone.rotations, atol=1e-3)


def test_the_batched_tick_is_the_exported_tick(take: Take) -> None:
    made = follower()

    class Exported:
        config = TINY
        foresight = None

        def reset(self, batch: int) -> None:
            assert batch == 1
            self.state = made.initial_state()

        @torch.no_grad()
        def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
            given, self.state = made.tick({k: torch.from_numpy(v) for k, v in inputs.items()}, self.state)
            return given["frames"].numpy()

    a = dance(TorchPartner(made), [take], leak=0.1, seeds=[0])[0]
    b = dance(Exported(), [take], leak=0.1, seeds=[0])[0]
    np.testing.assert_allclose(a.root_m, b.root_m, atol=1e-4)
    np.testing.assert_allclose(a.contacts, b.contacts, atol=1e-4)


def test_the_follower_enters_where_it_is_wished(take: Take) -> None:
    wish = Placement(distance_m=1.3)
    place = dance(TorchPartner(follower()), [replace(take, wish=wish)], leak=0.1)[0].place[0]
    assert place[:2] == pytest.approx([0.0, 1.3], abs=1e-3)
    assert place[4] == pytest.approx(1.3)
    entered = Standing(np.array([1.0, 0.87, 1.0]), 0.0)
    danced = dance(TorchPartner(follower()), [replace(take, entrance=entered)], leak=0.01)[0]
    assert np.hypot(*(danced.root_m[0, [0, 2]] - 1.0)) < 0.5


def test_a_turned_stage_turns_the_dance(take: Take) -> None:
    from duet.rotations import yaw_matrix

    turn, shift = yaw_matrix(2.0).astype(np.float32), np.array([4.0, 0.0, 1.0], np.float32)
    moved = replace(take, joints_m=take.joints_m @ turn.T + shift)
    a, b = (dance(TorchPartner(follower()), [t], leak=0.1, seeds=[0])[0] for t in (take, moved))
    np.testing.assert_allclose(a.root_m @ turn.T + shift, b.root_m, atol=2e-3)


def test_tails_are_kept_for_training(take: Take) -> None:
    danced = dance(TorchPartner(follower()), [take], leak=0.1, keep_tail=4)[0]
    assert danced.leader.shape == (30, 4, 288) and danced.leader_flags.shape == (30, 4, 3)
    assert danced.music.shape == (30, 4, 32)


def test_a_dance_token_by_token_is_the_whole_dance(take: Take) -> None:
    whole = dance(TorchPartner(follower()), [take], leak=0.1, seeds=[4])[0]
    tokens = list(dance_on(TorchPartner(follower()), take, leak=0.1, seed=4))
    assert [len(t.root_m) for t in tokens] == [TINY.token_frames] * 30
    np.testing.assert_array_equal(np.concatenate([t.root_m for t in tokens]), whole.root_m)
    np.testing.assert_array_equal(np.concatenate([t.rotations for t in tokens]), whole.rotations)
    np.testing.assert_array_equal(np.concatenate([t.place for t in tokens]), whole.place)


def test_a_take_without_a_whole_token_is_refused(take: Take) -> None:
    """Whichever of several it is; nobody enters."""
    with pytest.raises(InputError, match="brief: expected at least 4 frames at 30 fps to dance beside, got 2"):
        dance(TorchPartner(follower()), [take, replace(take.slice(0, 2), name="brief")], leak=0.1)


def test_a_partner_of_more_calls_than_levels_is_refused() -> None:
    with pytest.raises(InputError, match="Sampler dpm: expected so few calls"):
        TorchPartner(follower(), SamplerConfig("dpm", 200))
