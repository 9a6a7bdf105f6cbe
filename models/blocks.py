"""Small building blocks that several networks share."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def repeated(x: Tensor, many: int) -> Tensor:
    """The rows once more, draw by draw: (B, ...) to (many * B, ...)."""
    return x.repeat(many, *([1] * (x.dim() - 1)))


class Normaliser(nn.Module):
    """z-score of the last axis. Mean and spread are buffers, taken from training data and exported with the weights."""

    mean: Tensor
    spread: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))

    def set(self, mean: Tensor, spread: Tensor, *, floor: float = 1e-2) -> None:
        """Take mean and standard deviation (width,); a spread below ``floor`` counts as ``floor``."""
        self.mean.copy_(mean)
        self.spread.copy_(spread.clamp(min=floor))

    def forward(self, x: Tensor) -> Tensor:
        """Data units (..., width) to z-scores."""
        return (x - self.mean) / self.spread

    def inverse(self, x: Tensor) -> Tensor:
        """z-scores (..., width) to data units."""
        return x * self.spread + self.mean


class CausalConv1d(nn.Module):
    """Convolution over time (B, channels, time) that pads on the left only: output t sees inputs up to its own last.

    With ``stride`` s and a kernel of at least s, output i covers inputs up to ``(i + 1) * s - 1``.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.inputs = inputs
        self.history = (kernel - 1) * dilation + 1 - stride
        """Samples of input that a later call needs."""
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride=stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """A whole sequence that starts after silence."""
        return self.conv(F.pad(x, (self.history, 0)))

    def step(self, x: Tensor, cache: Tensor, commit: int) -> tuple[Tensor, Tensor]:
        """The next samples after ``cache`` (B, channels, history); the new cache stands after ``commit`` of them."""
        joined = torch.cat([cache, x], dim=-1)
        return self.conv(joined), joined[..., commit : commit + self.history]


def sinusoid(position: Tensor, width: int, longest: float = 10_000.0) -> Tensor:
    """Positions (...) to (..., width) cosines and sines of geometrically spaced frequencies (Vaswani et al. 2017)."""
    half = width // 2
    frequency = torch.exp(-math.log(longest) * torch.arange(half, dtype=torch.float32, device=position.device) / half)
    angle = position[..., None] * frequency
    return torch.cat([angle.cos(), angle.sin()], dim=-1)
