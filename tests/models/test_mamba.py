"""The memory: causality, what its state holds, and that training reaches every parameter."""

import pytest
import torch

from models.config import MemoryConfig
from models.mamba import MambaStack, MemoryState, scan, segment_sums

TINY = MemoryConfig(width=16, layers=2, head=8, state=6)


def stack() -> MambaStack:
    torch.manual_seed(0)
    return MambaStack(TINY).double()


def test_segment_sums_against_a_loop():
    a = torch.randn(5, dtype=torch.float64)
    got = segment_sums(a)
    for i in range(5):
        for j in range(5):
            expected = a[j + 1 : i + 1].sum() if j <= i else torch.tensor(float("-inf"), dtype=torch.float64)
            torch.testing.assert_close(got[i, j], expected)


@pytest.mark.parametrize("chunk", [16, 45])
def test_scan_against_the_recurrence_as_written(chunk: int):
    torch.manual_seed(0)
    x, log_decay = torch.randn(2, 45, 3, 4).double(), -torch.rand(2, 45, 3).double()
    B, C, H = torch.randn(2, 45, 5).double(), torch.randn(2, 45, 5).double(), torch.randn(2, 3, 4, 5).double()
    got, last = scan(x, log_decay, B, C, H, chunk=chunk)
    for t in range(45):
        H = H * log_decay[:, t].exp()[..., None, None] + x[:, t][..., None] * B[:, t, None, None]
        torch.testing.assert_close(got[:, t], (H * C[:, t, None, None]).sum(-1), atol=1e-12, rtol=0)
    torch.testing.assert_close(last, H, atol=1e-12, rtol=0)


def test_causal_by_gradient():
    memory = stack()
    u = torch.randn(1, 40, 16, dtype=torch.float64, requires_grad=True)
    y, _ = memory(u, memory.initial_state(1))
    (gradient,) = torch.autograd.grad(y[0, 17].sum(), u)
    assert torch.count_nonzero(gradient[0, 18:]) == 0
    assert torch.count_nonzero(gradient[0, 0]) > 0


def test_zeroing_the_state_changes_the_output():
    memory = stack()
    _, state = memory(torch.randn(1, 60, 16).double(), memory.initial_state(1))
    u = torch.randn(1, 16).double()
    with_memory, _ = memory.step(u, state)
    without, _ = memory.step(u, memory.initial_state(1))
    assert (with_memory - without).abs().max() > 1e-3
    only_conv, _ = memory.step(u, MemoryState(state.conv, torch.zeros_like(state.ssm)))
    assert (with_memory - only_conv).abs().max() > 1e-6


def test_step_leaves_its_inputs_alone():
    memory = stack()
    _, state = memory(torch.randn(1, 9, 16).double(), memory.initial_state(1))
    before = MemoryState(state.conv.clone(), state.ssm.clone())
    first, _ = memory.step(torch.ones(1, 16).double(), state)
    again, _ = memory.step(torch.ones(1, 16).double(), state)
    assert torch.equal(first, again)
    assert torch.equal(before.conv, state.conv) and torch.equal(before.ssm, state.ssm)


def test_every_parameter_gets_a_finite_gradient():
    memory = stack()
    y, _ = memory(torch.randn(2, 33, 16).double(), memory.initial_state(2))
    y.square().sum().backward()
    for name, parameter in memory.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name
