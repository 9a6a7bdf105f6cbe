"""Everything a training run needs to go on exactly where it stopped, without pickles."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from duet.errors import InputError
from models.training.averaging import AveragedWeights

TENSORS_FILE = "checkpoint.safetensors"
NUMBERS_FILE = "checkpoint.json"


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    averaged: AveragedWeights[Any],
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
    numbers: dict[str, Any],
) -> None:
    """Write model, averages, optimiser and random states into ``folder``, whole or not at all."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors.update({f"averaged.{k}": v for k, v in averaged.model.state_dict().items()})
    for index, state in optimiser.state_dict()["state"].items():
        tensors.update({f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in state.items()})
    tensors["random"] = torch.get_rng_state()
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{TENSORS_FILE}"
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, part)
    text = {**numbers, "updates": averaged.updates, "rng": rng.bit_generator.state}
    (folder / f".{NUMBERS_FILE}").write_text(json.dumps(text))
    os.replace(part, folder / TENSORS_FILE)
    os.replace(folder / f".{NUMBERS_FILE}", folder / NUMBERS_FILE)


def load_checkpoint(
    folder: Path,
    model: nn.Module,
    averaged: AveragedWeights[Any],
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Restore what ``save_checkpoint`` wrote into the objects given; returns the numbers."""
    if not (folder / TENSORS_FILE).is_file() or not (folder / NUMBERS_FILE).is_file():
        raise InputError(f"{folder}: expected a checkpoint, got none. Start the run anew.")
    tensors = load_file(folder / TENSORS_FILE)
    numbers = json.loads((folder / NUMBERS_FILE).read_text())
    model.load_state_dict(_part(tensors, "model."))
    averaged.model.load_state_dict(_part(tensors, "averaged."))
    averaged.updates = numbers.pop("updates")
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimiser.").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    torch.set_rng_state(tensors["random"])
    rng.bit_generator.state = numbers.pop("rng")
    return numbers


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
