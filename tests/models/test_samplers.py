"""The samplers: their ladders, and what they draw when the denoiser is exact."""

import math

import pytest
import torch
from torch import Tensor

from duet.errors import InputError
from models.config import SamplerConfig
from models.diffusion import alpha_bar
from models.samplers import Rung, carry_noise, check_calls, ladder, levels, sample, start, warm_levels
from models.training.settings import Schedule, Settings, check_together

STEPS = 1000
PLAN = 8


def exact(variance: float):
    """The best possible prediction for latents that are Gaussian with this variance."""
    power = alpha_bar(STEPS)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        a = power[t.long()].float()[..., None]
        return variance * a.sqrt() / (variance * a + 1 - a) * x

    return predict


def spread(config: SamplerConfig, variance: float = 0.3) -> float:
    """Spread of 20 000 samples, relative to the true one."""
    noise = torch.randn(20_000, PLAN, 1, generator=torch.Generator().manual_seed(0))
    x = start(config, torch.zeros_like(noise), noise, STEPS)
    drawn = sample(exact(variance), x, ladder(config, PLAN, STEPS))
    return float(drawn.std()) / math.sqrt(variance)


def test_trailing_levels():
    assert levels(SamplerConfig("ddim", 4), PLAN, STEPS)[:, 0].tolist() == [999, 749, 499, 249]
    assert levels(SamplerConfig("ddim", 1), PLAN, STEPS)[:, 0].tolist() == [999]


def test_pipelined_levels_rise_over_the_plan_and_end_in_pure_noise():
    config = SamplerConfig("pipelined", 1, t0=250, slope=50)
    assert warm_levels(config, PLAN, STEPS).tolist() == [250, 300, 350, 400, 450, 500, 550, 999]
    assert levels(config, PLAN, STEPS)[0].tolist() == warm_levels(config, PLAN, STEPS).tolist()


@pytest.mark.parametrize("kind", ["ddim", "dpm", "pipelined"])
@pytest.mark.parametrize("calls", [1, 2, 4, 8])
def test_levels_fall_and_the_last_rung_takes_the_prediction(kind: str, calls: int):
    config = SamplerConfig(kind, calls)  # type: ignore[arg-type]
    rows = levels(config, PLAN, STEPS)
    assert rows.shape == (calls, PLAN)
    assert (rows.diff(dim=0) < 0).all()
    last = ladder(config, PLAN, STEPS)[-1]
    assert torch.count_nonzero(last.keep) == 0 and torch.count_nonzero(last.before) == 0
    assert torch.equal(last.clean, torch.ones(PLAN))


@pytest.mark.parametrize(("calls", "expected"), [(1, 0.01), (2, 0.43), (4, 0.69), (8, 0.83), (50, 0.97)])
def test_ddim_spread_is_that_of_the_toy_study(calls: int, expected: float):
    """MODELS 7.7 (c): few calls from noise average the dance away. Relative spread, measured and expected agree."""
    assert spread(SamplerConfig("ddim", calls)) == pytest.approx(expected, abs=0.02)


def test_second_order_needs_fewer_calls():
    assert abs(1 - spread(SamplerConfig("dpm", 6))) < 0.06
    assert abs(1 - spread(SamplerConfig("dpm", 6))) < abs(1 - spread(SamplerConfig("ddim", 8)))


@pytest.mark.parametrize("calls", [2, 8, 50])
def test_ddim_goes_through_every_pair_of_levels(calls: int):
    """Each rung written as predicted noise: x_s = sqrt(a_s) x0 + sqrt(1 - a_s) (x_t - sqrt(a_t) x0) / sqrt(1 - a_t)."""
    config = SamplerConfig("ddim", calls)
    rungs, power = ladder(config, 1, STEPS), alpha_bar(STEPS)
    visited = [int(rung.level) for rung in rungs]
    assert visited == [round(STEPS * (1 - i / calls)) - 1 for i in range(calls)]
    x, x0 = torch.tensor(0.7, dtype=torch.float64), torch.tensor(-0.4, dtype=torch.float64)
    for rung, t, s in zip(rungs, visited, [*visited[1:], None], strict=True):
        a_t, a_s = power[t], power[s] if s is not None else torch.ones(())
        noise = (x - a_t.sqrt() * x0) / (1 - a_t).sqrt()
        wanted = float(a_s.sqrt() * x0 + (1 - a_s).sqrt() * noise)
        assert float(rung.keep * x + rung.clean * x0) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        assert float(rung.before) == 0.0


def test_dpm_is_the_published_step_between_a_first_and_a_last_of_first_order():
    """arXiv 2211.01095 with x0: h = lambda_s - lambda_t, x_s = s_s/s_t x - a_s (e^-h - 1) D, D over two predictions."""
    config = SamplerConfig("dpm", 6)
    rungs, power = ladder(config, 1, STEPS), alpha_bar(STEPS)
    visited = [int(rung.level) for rung in rungs]
    assert visited[0] == 979
    log_snr = 0.5 * (power / (1 - power)).log()
    gaps = log_snr[visited].diff()
    assert float(gaps.max() / gaps.min()) < 1.1  # evenly in log signal-to-noise, as far as whole levels allow
    assert float(rungs[0].before) == 0.0 and float(rungs[-1].before) == 0.0
    x, now, before = 0.7, -0.4, 0.3
    for n in range(1, len(rungs) - 1):
        t, s = visited[n], visited[n + 1]
        h, former = float(log_snr[s] - log_snr[t]), float(log_snr[t] - log_snr[visited[n - 1]])
        r = former / h
        mixed = (1 + 1 / (2 * r)) * now - before / (2 * r)
        sigma, signal = (1 - power).sqrt(), power.sqrt()
        wanted = float(sigma[s] / sigma[t]) * x - float(signal[s]) * math.expm1(-h) * mixed
        rung = rungs[n]
        made = float(rung.keep) * x + float(rung.clean) * now + float(rung.before) * before
        assert made == pytest.approx(wanted, rel=1e-4)


def test_dpm_without_history_is_ddim():
    """One update of first order is the same formula, written in log signal-to-noise or in signal power."""
    config = SamplerConfig("dpm", 2)
    first: Rung = ladder(config, 1, STEPS)[0]
    power = alpha_bar(STEPS)[levels(config, 1, STEPS)[:, 0]]
    keep = ((1 - power[1]) / (1 - power[0])).sqrt()
    assert float(first.keep) == pytest.approx(float(keep), rel=1e-6)
    assert float(first.clean) == pytest.approx(float(power[1].sqrt() - keep * power[0].sqrt()), rel=1e-5)


def test_a_warm_start_keeps_the_shifted_plan():
    config = SamplerConfig("pipelined", 1, t0=250, slope=50)
    plan = torch.arange(1.0, PLAN + 1)[None, :, None].repeat(1, 1, 2)
    x = start(config, plan, torch.zeros(1, PLAN, 2), STEPS)
    assert float(x[0, 0, 0]) == pytest.approx(2 * 0.920, abs=0.01)
    assert float(x[0, -1, 0]) < 0.05


def test_a_cold_start_ignores_the_last_plan():
    config, noise = SamplerConfig("ddim", 2), torch.randn(1, PLAN, 2)
    assert torch.equal(start(config, torch.randn(1, PLAN, 2), noise, STEPS), start(config, noise, noise, STEPS))


def test_a_token_keeps_its_noise_while_it_nears():
    generator = torch.Generator().manual_seed(0)
    fresh = [torch.randn(1, PLAN, 3, generator=generator) for _ in range(12)]
    ring = carry_noise(torch.zeros(1, PLAN, 3), fresh[0])
    assert torch.equal(ring, fresh[0])
    for noise in fresh[1:]:
        after = carry_noise(ring, noise)
        assert torch.equal(after[:, :-1], ring[:, 1:])
        assert torch.equal(after[:, -1], noise[:, -1])
        ring = after


def test_temperature_is_told_by_stream():
    """A latent is laid out [stream][level][dimension]."""
    config = SamplerConfig("ddim", 2, temperature=(1.0, 0.5, 0.0))
    noise = torch.randn(2, PLAN, 24, generator=torch.Generator().manual_seed(0))
    usual, cooler = (start(c, torch.zeros_like(noise), noise, STEPS) for c in (SamplerConfig("ddim", 2), config))
    (upper, lower, root), whole = cooler.chunk(3, dim=-1), usual.chunk(3, dim=-1)
    assert torch.count_nonzero(root) == 0 and torch.equal(upper, whole[0])
    torch.testing.assert_close(lower, 0.5 * whole[1])


@pytest.mark.parametrize("wrong", [(), (1.0, 1.0), (-0.1, 1.0, 1.0), (1.0, 1.0, 3.0), (float("nan"), 1.0, 1.0)])
def test_a_temperature_that_is_none_is_refused(wrong: tuple[float, ...]):
    with pytest.raises(InputError, match="expected temperatures from 0 to 2"):
        SamplerConfig(temperature=wrong)


def test_more_calls_than_there_are_levels_for_are_refused():
    """Two calls at one level: what lies between them is nothing, and dpm divides by it."""
    for kind, calls in (("dpm", 200), ("ddim", STEPS + 1)):
        with pytest.raises(InputError, match=f"Sampler {kind}: expected so few calls .* got {calls}. Give fewer"):
            check_calls(SamplerConfig(kind, calls), STEPS)  # type: ignore[arg-type]
    for kind, calls in (("dpm", 100), ("ddim", STEPS), ("pipelined", 100)):
        config = SamplerConfig(kind, calls)  # type: ignore[arg-type]
        check_calls(config, STEPS)
        assert all(torch.isfinite(torch.cat([r.keep, r.clean, r.before])).all() for r in ladder(config, PLAN, STEPS))
    with pytest.raises(InputError, match="Sampler dpm"):
        check_together(Settings(schedule=Schedule(sampler=SamplerConfig("dpm", 200))))
