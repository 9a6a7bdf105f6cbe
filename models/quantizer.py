"""Grouped residual finite scalar quantisation.

Finite scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505) rounds each dimension of a vector to its own small
grid; there is no codebook to learn or to collapse. Here the grid of a dimension with L points is the symmetric one,
``-1, -1 + 2/(L-1), ..., 1`` (as in arXiv 2411.19842): the error of rounding is then at most ``1/(L-1)``, so the next
residual level uses the same grid scaled by exactly that, and every level's code lies in [-1, 1].
"""

import torch
from torch import Tensor, nn


class GroupedResidualFSQ(nn.Module):
    """Quantises (..., G * D) values: G groups of D dimensions, R residual levels.

    ``levels`` (D,) are the grid points of each dimension in a group, the same for every group.
    """

    points: Tensor
    scales: Tensor

    def __init__(self, groups: int, levels: tuple[int, ...], residuals: int) -> None:
        super().__init__()
        self.residuals = residuals
        gaps = torch.tensor(levels, dtype=torch.float32).repeat(groups) - 1.0
        self.register_buffer("points", gaps, persistent=False)
        self.register_buffer("scales", torch.stack([gaps**-r for r in range(residuals)]), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Unbounded (..., G*D) to codes (..., R, G*D) in [-1, 1]; gradients pass as if nothing was rounded."""
        rest = torch.tanh(z)
        codes = []
        for scale in self.scales:
            inside = torch.clamp(rest / scale, -1.0, 1.0)
            # Straight-through: the value of the rounded code, the gradient of the value before rounding.
            code = inside + (self._round(inside) - inside).detach()
            codes.append(code)
            # Not detached: so the sum over levels, which is what is decoded, has the very gradient of tanh. With the
            # stop-gradient of residual quantisers it would be counted once a level.
            rest = rest - code * scale
        return torch.stack(codes, dim=-2)

    def combine(self, codes: Tensor) -> Tensor:
        """Codes (..., R, G*D), rounded or not, to the values they stand for (..., G*D): the sum over levels."""
        return (codes * self.scales).sum(dim=-2)

    def indices(self, codes: Tensor) -> Tensor:
        """Grid indices (..., R, G*D) of codes, integers from 0: for counting how many codes are in use."""
        return torch.round((codes + 1.0) / 2.0 * self.points).long()

    def _round(self, inside: Tensor) -> Tensor:
        return torch.round((inside + 1.0) / 2.0 * self.points) / self.points * 2.0 - 1.0
