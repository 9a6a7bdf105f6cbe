"""A selective state space block (Mamba-2, "Transformers are SSMs", Dao and Gu 2024, arXiv 2405.21060) in plain torch.

``forward`` runs a whole sequence in chunks of matrix products, ``step`` one token with explicit state; they are equal
to rounding. Nothing is hidden in a module: state comes in and a new state goes out, so that rolling back is simply not
assigning.

Glossary (letters as in the paper): b batch, l tokens, d model width, e = expand * d inner width, h heads of p channels
(e = h p), n state width, k kernel of the causal convolution, c tokens in a chunk.
  A  (h,)       decay rate, negative; one scalar per head
  dt (b,l,h)    step size, positive, chosen by the input (this is the "selection")
  B  (b,l,n)    how the input writes into the state
  C  (b,l,n)    how the state is read
  D  (h,)       skip from input to output
  H  (b,h,p,n)  the state:  H_t = exp(dt_t A) H_{t-1} + dt_t x_t B_t^T,   y_t = H_t C_t + D x_t
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.config import MemoryConfig

CHUNK = 32


class MemoryState(NamedTuple):
    """What the memory carries: two tensors, layers stacked behind the batch."""

    conv: Tensor
    """(b, layers, k-1, e+2n) the last inputs of each causal convolution."""
    ssm: Tensor
    """(b, layers, h, p, n) H of each layer."""


def running_sum(a: Tensor) -> Tensor:
    """(..., c) summed along the last axis as a product with a constant: runtimes have no fast, or no, CumSum."""
    return a @ torch.ones(a.shape[-1], a.shape[-1], dtype=a.dtype, device=a.device).triu()


def segment_sums(a: Tensor) -> Tensor:
    """(..., c) to (..., c, c): entry (i, j) is a_{j+1} + ... + a_i for j <= i, minus infinity above the diagonal."""
    total = running_sum(a)
    allowed = torch.ones(a.shape[-1], a.shape[-1], dtype=torch.bool, device=a.device).tril()
    return (total[..., :, None] - total[..., None, :]).masked_fill(~allowed, float("-inf"))


def scan(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, H: Tensor, chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """The recurrence over a sequence, chunk by chunk (arXiv 2405.21060, listing 1).

    x (b,l,h,p) already times dt; log_decay (b,l,h) = dt A; B, C (b,l,n); H (b,h,p,n) the state before.
    Returns y (b,l,h,p) without the skip, and the state after.
    """
    length = x.shape[1]
    if length <= chunk:
        return short_scan(x, log_decay, B, C, H)
    pad = -length % chunk
    # Padding neither decays nor writes, so the state after it is the state after the last token.
    x, log_decay = F.pad(x, (0, 0, 0, 0, 0, pad)), F.pad(log_decay, (0, 0, 0, pad))
    B, C = F.pad(B, (0, 0, 0, pad)), F.pad(C, (0, 0, 0, pad))
    x, B, C = (v.unflatten(1, (-1, chunk)) for v in (x, B, C))
    a = log_decay.unflatten(1, (-1, chunk)).permute(0, 3, 1, 2)  # b h z c, z chunks
    total = running_sum(a)

    weights = torch.einsum("bzin,bzjn->bzij", C, B)[:, None] * segment_sums(a).exp()
    within = torch.einsum("bhzij,bzjhp->bzihp", weights, x)

    to_end = (total[..., -1:] - total).exp()
    written = torch.einsum("bzjn,bhzj,bzjhp->bzhpn", B, to_end, x)
    states = torch.cat([H[:, None], written], dim=1)
    between = segment_sums(F.pad(total[..., -1], (1, 0))).exp()
    states = torch.einsum("bhyz,bzhpn->byhpn", between, states)

    carried = torch.einsum("bzin,bzhpn,bhzi->bzihp", C, states[:, :-1], total.exp())
    return (within + carried).flatten(1, 2)[:, :length], states[:, -1]


def short_scan(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, H: Tensor) -> tuple[Tensor, Tensor]:
    """``scan`` of a single chunk in plain matrix products: a graph that scans a plan in every call stays small."""
    x, a = x.transpose(1, 2), log_decay.transpose(1, 2)  # b h c p, b h c
    total = running_sum(a)
    weights = (C @ B.transpose(1, 2))[:, None] * segment_sums(a).exp()
    carried = total.exp()[..., None] * (C[:, None] @ H.transpose(2, 3))
    y = (weights @ x + carried).transpose(1, 2)
    to_end = (total[..., -1:] - total).exp()
    written = (x * to_end[..., None]).transpose(2, 3) @ B[:, None]
    return y, H * total[..., -1, None, None].exp() + written


class MambaBlock(nn.Module):
    """One block: project, convolve causally, scan, gate, project back."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        inner, heads = config.inner, config.heads
        self.project_in = nn.Linear(config.width, inner + config.convolved + heads, bias=False)
        bound = config.kernel**-0.5
        self.kernel = nn.Parameter(torch.empty(config.kernel, config.convolved).uniform_(-bound, bound))
        self.kernel_bias = nn.Parameter(torch.zeros(config.convolved))
        self.log_rate = nn.Parameter(torch.empty(heads).uniform_(1.0, 16.0).log())
        # Step sizes start log-uniform in [1e-3, 1e-1], as in the paper: slow heads remember hundreds of tokens.
        dt = torch.empty(heads).uniform_(math.log(1e-3), math.log(1e-1)).exp()
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))
        self.skip = nn.Parameter(torch.ones(heads))
        # B and C of unit size (as in Jamba, arXiv 2403.19887): without it what the state adds starts a hundred times
        # smaller than what the skip passes by, and a short training never learns to remember.
        self.write_norm = nn.RMSNorm(config.state, eps=1e-5)
        self.read_norm = nn.RMSNorm(config.state, eps=1e-5)
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.project_out = nn.Linear(inner, config.width, bias=False)

    def forward(self, u: Tensor, conv: Tensor, H: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens u (b,l,d) after conv (b,k-1,e+2n) and H (b,h,p,n): outputs (b,l,d), new conv, new H."""
        gate, raw, dt = self._split(u)
        joined = torch.cat([conv, raw], dim=1)
        x, B, C, dt, log_decay = self._select(self._convolve(joined, u.shape[1]), dt)
        y, H = scan(x * dt[..., None], log_decay, B, C, H)
        y = (y + x * self.skip[:, None]).flatten(2)
        return self.project_out(self.norm(y * F.silu(gate))), joined[:, -(self.config.kernel - 1) :], H

    def step(self, u: Tensor, conv: Tensor, H: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One token u (b,d) after conv and H: output (b,d), new conv, new H."""
        gate, raw, dt = self._split(u)
        joined = torch.cat([conv, raw[:, None]], dim=1)
        x, B, C, dt, log_decay = self._select(self._convolve(joined, 1)[:, 0], dt)
        written = (x * dt[..., None])[..., None] * B[:, None, None, :]
        H = H * log_decay.exp()[..., None, None] + written
        y = ((H * C[:, None, None, :]).sum(-1) + x * self.skip[:, None]).flatten(1)
        return self.project_out(self.norm(y * F.silu(gate))), joined[:, 1:], H

    def _split(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        config = self.config
        gate, raw, dt = self.project_in(u).split([config.inner, config.convolved, config.heads], dim=-1)
        return gate, raw, dt

    def _convolve(self, joined: Tensor, length: int) -> Tensor:
        """Depthwise causal convolution as shifted multiply-adds: its gradient is far faster than Conv1d's."""
        shifted = [self.kernel[i] * joined[:, i : i + length] for i in range(self.config.kernel)]
        return F.silu(sum(shifted, start=self.kernel_bias))

    def _select(self, mixed: Tensor, dt: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        config = self.config
        x, B, C = mixed.split([config.inner, config.state, config.state], dim=-1)
        B, C = self.write_norm(B), self.read_norm(C)
        dt = F.softplus(dt + self.dt_bias)
        return x.unflatten(-1, (config.heads, config.head)), B, C, dt, -dt * self.log_rate.exp()


class MambaStack(nn.Module):
    """Pre-normalised residual blocks with their states stacked into two tensors."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(MambaBlock(config) for _ in range(config.layers))
        self.norms = nn.ModuleList(nn.RMSNorm(config.width, eps=1e-5) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=1e-5)

    def initial_state(self, batch: int) -> MemoryState:
        """Nothing remembered: zeros."""
        c, like = self.config, self.norm.weight
        return MemoryState(
            like.new_zeros(batch, c.layers, c.kernel - 1, c.convolved),
            like.new_zeros(batch, c.layers, c.heads, c.head, c.state),
        )

    def forward(self, u: Tensor, state: MemoryState) -> tuple[Tensor, MemoryState]:
        """Tokens u (b,l,d) after ``state``: outputs (b,l,d) and the state after the last."""
        convs, ssms = [], []
        for i, (block, norm) in enumerate(zip(self.blocks, self.norms, strict=True)):
            y, conv, ssm = block(norm(u), state.conv[:, i], state.ssm[:, i])
            u = u + y
            convs.append(conv)
            ssms.append(ssm)
        return self.norm(u), MemoryState(torch.stack(convs, dim=1), torch.stack(ssms, dim=1))

    def step(self, u: Tensor, state: MemoryState) -> tuple[Tensor, MemoryState]:
        """One token u (b,d) after ``state``: output (b,d) and the next state."""
        convs, ssms = [], []
        for i, (block, norm) in enumerate(zip(self.blocks, self.norms, strict=True)):
            y, conv, ssm = block.step(norm(u), state.conv[:, i], state.ssm[:, i])  # type: ignore[operator]
            u = u + y
            convs.append(conv)
            ssms.append(ssm)
        return self.norm(u), MemoryState(torch.stack(convs, dim=1), torch.stack(ssms, dim=1))
