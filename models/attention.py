"""One layer of the denoiser: attention with keys and values apart, and a transformer layer modulated per token."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention with keys and values apart, so that they can be kept."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n, d) to keys and values (B, heads, n, d / heads)."""
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, keys: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Queries from (B, m, d) on ``keys`` of n tokens; ``mask`` (m, n) is added to the scores."""
        attended = F.scaled_dot_product_attention(self._split(self.query(x)), *keys, attn_mask=mask)
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Self-attention, cross-attention, feed-forward; each modulated per token (adaLN).

    All layers share one modulation of nine parts and add a table of their own (PixArt-alpha, arXiv 2310.00426):
    time-resolved music then costs one projection, not one per layer.
    """

    about: Tensor

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attend = Attention(width, heads)
        self.cross = Attention(width, heads)
        self.widen = nn.Linear(width, feedforward)
        self.narrow = nn.Linear(feedforward, width)
        self.dropout = nn.Dropout(dropout)
        self.table = nn.Parameter(torch.zeros(9, width))
        self.register_buffer("about", torch.tensor([1.0, 0.0, 1.0] * 3)[:, None], persistent=False)

    def forward(
        self,
        x: Tensor,
        modulation: tuple[Tensor, ...],
        cross: tuple[Tensor, Tensor],
        masks: tuple[Tensor | None, Tensor | None],
        before: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Tokens (B, n, d), modulation 9 x (B, n, d), keys of the conditions and of tokens ``before``.

        Returns the tokens and their own self-attention keys and values.
        """
        # Scales and gates are about 1: added to the table, it costs nothing once the graph is opened.
        table = (self.table + self.about).unbind()
        m = [part + row for part, row in zip(modulation, table, strict=True)]
        normed = self._modulate(x, m[0], m[1])
        keys = self.attend.keys(normed)
        seen = keys if before is None else (torch.cat([before[0], keys[0]], 2), torch.cat([before[1], keys[1]], 2))
        x = x + m[2] * self.dropout(self.attend(normed, seen, masks[0]))
        x = x + m[5] * self.dropout(self.cross(self._modulate(x, m[3], m[4]), cross, masks[1]))
        hidden = F.gelu(self.widen(self._modulate(x, m[6], m[7])), approximate="tanh")
        return x + m[8] * self.dropout(self.narrow(hidden)), keys

    def _modulate(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return self.norm(x) * scale + shift
