"""The quantiser: its grid, its residuals, its gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.quantizer import GroupedResidualFSQ

LEVELS = (8, 5, 5, 5)


def test_codes_lie_on_the_symmetric_grid():
    quantizer = GroupedResidualFSQ(groups=2, levels=LEVELS, residuals=2)
    codes = quantizer(torch.randn(500, 8) * 2)
    for dimension, points in enumerate(LEVELS * 2):
        grid = torch.linspace(-1, 1, points)
        distance = (codes[:, :, dimension, None] - grid).abs().amin(-1)
        assert distance.max() < 1e-6
    assert torch.equal(quantizer._round(codes), codes)


@pytest.mark.parametrize("residuals", [1, 2, 3])
def test_every_residual_level_divides_the_error_by_its_gaps(residuals: int):
    quantizer = GroupedResidualFSQ(groups=1, levels=LEVELS, residuals=residuals)
    z = torch.randn(2000, 4)
    error = (quantizer.combine(quantizer(z)) - torch.tanh(z)).abs().amax(0)
    gaps = torch.tensor(LEVELS, dtype=torch.float32) - 1
    assert torch.all(error <= gaps**-residuals + 1e-5)


def test_gradient_is_that_of_the_value_before_rounding():
    quantizer = GroupedResidualFSQ(groups=1, levels=LEVELS, residuals=2)
    z = torch.randn(50, 4, requires_grad=True)
    (got,) = torch.autograd.grad(quantizer.combine(quantizer(z)).sum(), z)
    expected = 1 - torch.tanh(z.detach()) ** 2
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=4, max_size=4))
def test_any_finite_input_gives_codes_inside_one(values: list[float]):
    quantizer = GroupedResidualFSQ(groups=1, levels=LEVELS, residuals=2)
    codes = quantizer(torch.tensor(values))
    assert torch.isfinite(codes).all() and codes.abs().max() <= 1 + 1e-6


def test_indices_count_every_grid_point():
    quantizer = GroupedResidualFSQ(groups=1, levels=LEVELS, residuals=1)
    indices = quantizer.indices(quantizer(torch.randn(5000, 4) * 1.5))
    assert indices.min() == 0
    assert tuple(indices.amax(0).flatten().tolist()) == (7, 4, 4, 4)
