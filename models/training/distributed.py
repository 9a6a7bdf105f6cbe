"""Several processes that train one follower together, each on its own draws: torchrun starts them.

    torchrun --nproc-per-node 4 -m export.cli train --data DATA --out runs/salsa --preset M

Every process builds the same corpus and draws its own batches; gradients are averaged by DistributedDataParallel.
The first one alone writes, prints and judges.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from duet.errors import InputError

PATIENCE = timedelta(hours=24)
"""How long processes wait for the first one: it fits the codec and judges while they do."""


@dataclass(frozen=True)
class Group:
    """This process among those that train together; by itself unless torchrun started more."""

    device: torch.device = torch.device("cpu")
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes, prints and judges."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.size > 1:
            distributed.barrier()

    def agree(self, number: float) -> float:
        """The first process's number, for all."""
        if self.size == 1:
            return number
        told = torch.tensor([number], dtype=torch.float64, device=self.device)
        distributed.broadcast(told, 0)
        return float(told)

    def gather(self, thing: Any) -> list[Any]:
        """What each process holds, at the first one; elsewhere an empty list."""
        if self.size == 1:
            return [thing]
        things: list[Any] | None = [None] * self.size if self.leads else None
        distributed.gather_object(thing, things)
        return things or []

    def on_device(self) -> AbstractContextManager[Any]:
        """Within it new tensors lie on this process's device."""
        return nullcontext() if self.device.type == "cpu" else self.device


def choose_device(name: str) -> torch.device:
    """``cpu``, ``cuda``, or ``auto``: a GPU where there is one; InputError when it is asked for and missing."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device: expected auto, cpu or cuda, got {name!r}. Choose one of them.")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("--device: expected a GPU that torch can use, got none. Install torch for CUDA, or use cpu.")
    if name == "cpu" or not there:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The group this process belongs to; it leaves it in the end."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if size == 1:
        yield Group(device)
        return
    begun = not distributed.is_initialized()
    if begun:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Group(device, distributed.get_rank(), size)
    finally:
        if begun:
            distributed.destroy_process_group()


def printing() -> bool:
    """Whether this process is the one that prints."""
    return int(os.environ.get("RANK", "0")) == 0
