"""Half precision where a GPU gains by it: bfloat16, or float16 with a scaled loss on GPUs without it.

Where nothing is halved, float32 is float32: not the ten bits of TF32, to which a GPU's convolutions round unless told.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def unrounded(device: torch.device | str) -> None:
    """Have a GPU compute float32 convolutions and matrix products in float32, for as long as this process runs.

    A CPU does.
    """
    if torch.device(device).type == "cuda":
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # it declares no such part
        torch.backends.cuda.matmul.fp32_precision = "ieee"


class Precision:
    """How numbers are kept while a loss is computed on ``device``: float32 throughout on the CPU."""

    def __init__(self, device: torch.device) -> None:
        unrounded(device)
        self.half: torch.dtype | None = None
        if device.type == "cuda":
            self.half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        # Gradients below the smallest float16 would vanish: the loss is scaled up, the gradients down again.
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half is torch.float16)

    def loss(self) -> AbstractContextManager[Any]:
        """Within it matrix products are computed in half precision where there is one."""
        return nullcontext() if self.half is None else torch.autocast("cuda", self.half)


def exact(device: torch.device) -> AbstractContextManager[Any]:
    """Within it nothing is halved: for metres, angles and states that are carried far."""
    return torch.autocast(device.type, enabled=False) if device.type in ("cpu", "cuda") else nullcontext()
