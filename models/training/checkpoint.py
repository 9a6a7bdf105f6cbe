"""Everything a training run needs to go on exactly where it stopped: one file, without pickles.

A checkpoint is a single safetensors file whose header carries the numbers. So it is written whole or not at all, and
what it holds always belongs together, whenever the run is killed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from duet.errors import InputError
from models.training.averaging import AveragedWeights
from models.weights import load_numbers, load_weights, save_weights

CHECKPOINT_FILE = "checkpoint.safetensors"
_FORMAT = 2
"""Of the file; 1 kept its numbers in a file of their own, and no dances."""
_MORE = "more."


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    averaged: AveragedWeights[Any],
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
    numbers: Mapping[str, Any],
    *,
    more: Mapping[str, Tensor] | None = None,
    file: str = CHECKPOINT_FILE,
) -> None:
    """Write model, averages, optimiser, random states and whatever else into ``folder``, whole or not at all.

    ``numbers`` must be JSON; ``more`` are tensors of the stage's own, given back by ``load_more``.
    """
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"averaged.{k}": v for k, v in averaged.model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
    tensors |= {f"random.{k}": v for k, v in random_states().items()}
    tensors |= {_MORE + k: v for k, v in (more or {}).items()}
    state = {"format": _FORMAT, "updates": averaged.updates, "rng": rng.bit_generator.state, **numbers}
    save_weights(tensors, folder / file, state)


def load_checkpoint(
    folder: Path,
    model: nn.Module,
    averaged: AveragedWeights[Any],
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
    *,
    file: str = CHECKPOINT_FILE,
) -> dict[str, Any]:
    """Restore what ``save_checkpoint`` wrote into the objects given; returns the numbers."""
    path = folder / file
    if not path.is_file():
        raise InputError(f"{folder}: expected a checkpoint, got none. Start the run anew.")
    numbers = checkpoint_numbers(path)
    model.load_state_dict(load_weights(path, "model."))
    averaged.model.load_state_dict(load_weights(path, "averaged."))
    averaged.updates = numbers.pop("updates")
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in load_weights(path, "optimiser.").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    restore_random(load_weights(path, "random."))
    rng.bit_generator.state = numbers.pop("rng")
    return numbers


def load_more(folder: Path, *, file: str = CHECKPOINT_FILE) -> dict[str, Tensor]:
    """The tensors of the stage's own that were given to ``save_checkpoint``."""
    return load_weights(folder / file, _MORE)


def checkpoint_numbers(path: Path) -> dict[str, Any]:
    """The numbers of a checkpoint, read without its tensors; InputError when another version wrote it."""
    numbers = load_numbers(path)
    if numbers.pop("format", None) != _FORMAT:
        raise InputError(
            f"{path}: expected a checkpoint of this version, got one of another. "
            f"Begin a new run from its best weights: --from {path.parent} --out ANOTHER."
        )
    return numbers


def random_states() -> dict[str, Tensor]:
    """The states of torch's random generators, of the CPU and of the GPU in use."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random(states: Mapping[str, Tensor]) -> None:
    """Set torch's random generators to what ``random_states`` gave; a state of a GPU only where there is one."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
