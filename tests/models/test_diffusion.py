"""The diffusion: schedule, noising, levels and loss."""

import math

import torch

from models.diffusion import add_noise, alpha_bar, draw_levels, latent_loss, loss_weights


def test_schedule_falls_from_one_to_almost_nothing():
    power = alpha_bar(1000)
    assert power.shape == (1000,) and power.dtype == torch.float64
    assert (power.diff() <= 0).all()
    assert power[0] > 0.9998 and 0 < power[-1] < 1e-4
    # The figures of MODELS 7.7 (d): signal amplitude at these levels.
    for t, amplitude in ((250, 0.920), (500, 0.703), (700, 0.451), (900, 0.155)):
        assert math.isclose(float(power[t].sqrt()), amplitude, abs_tol=0.003)


def test_noising_keeps_variance_and_takes_a_level_per_token():
    torch.manual_seed(0)
    schedule = alpha_bar(1000)
    x0, noise = torch.randn(4000, 3, 2), torch.randn(4000, 3, 2)
    t = torch.tensor([0, 500, 999]).expand(4000, -1)
    noisy = add_noise(x0, t, noise, schedule)
    torch.testing.assert_close(noisy.var(dim=(0, 2)), torch.ones(3), atol=0.05, rtol=0)
    torch.testing.assert_close(noisy[:, 0], x0[:, 0], atol=0.05, rtol=0)
    torch.testing.assert_close(noisy[:, 2], noise[:, 2], atol=0.05, rtol=0)


def test_levels_are_half_rising_and_all_in_range():
    levels = draw_levels(2000, 8, 1000, torch.Generator().manual_seed(0))
    assert levels.shape == (2000, 8) and levels.min() >= 0 and levels.max() <= 999
    steps = levels.diff(dim=1)
    shared = (steps == 0).all(dim=1).float().mean()
    rising = (steps >= 0).all(dim=1).float().mean()
    assert 0.2 < shared < 0.33
    assert 0.7 < rising < 0.8


def test_loss_weights_fall_with_noise_and_never_vanish():
    weights = loss_weights(torch.arange(1000)[None], alpha_bar(1000))[0]
    assert weights[0] == 1.0
    assert (weights.diff() <= 1e-6).all()
    assert weights.min() >= 0.1 - 1e-6


def test_latent_loss_weighs_levels_and_tokens():
    x0 = torch.zeros(1, 2, 12)  # 3 streams, 2 levels, 2 dimensions
    coarse, fine = x0.clone(), x0.clone()
    coarse.unflatten(-1, (3, 2, 2))[..., 0, :] = 1.0
    fine.unflatten(-1, (3, 2, 2))[..., 1, :] = 1.0
    ones = torch.ones(1, 2)
    assert math.isclose(float(latent_loss(coarse, x0, ones, (2.0, 1.0))), 2 / 3, rel_tol=1e-6)
    assert math.isclose(float(latent_loss(fine, x0, ones, (2.0, 1.0))), 1 / 3, rel_tol=1e-6)
    assert float(latent_loss(coarse, x0, torch.tensor([[1.0, 0.0]]), (2.0, 1.0))) < 0.34
