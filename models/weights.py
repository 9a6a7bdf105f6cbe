"""Tensors in files: safetensors with a line of numbers beside them, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from duet.errors import InputError
from duet.files import written_whole

_NUMBERS = "numbers"


def save_weights(tensors: Mapping[str, Tensor], path: Path, numbers: Mapping[str, Any] | None = None) -> None:
    """Write ``tensors`` and ``numbers`` (whatever JSON can say) as one file; InputError where there is no room.

    What stood at ``path`` before stays readable until the new file is complete.
    """
    # A copy of each: tensors that share memory are refused, and a tensor of a GPU goes to the CPU.
    copies = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    metadata = {"format": "pt"} | ({} if numbers is None else {_NUMBERS: json.dumps(numbers)})
    try:
        with written_whole(path) as part:
            save_file(copies, part, metadata=metadata)
    except (SafetensorError, OSError) as error:
        size = sum(value.numel() * value.element_size() for value in copies.values())
        raise InputError(
            f"{path}: expected room for {size / 1e6:.1f} MB, got: {error}. "
            "What stood there before is whole; make room, or choose another folder."
        ) from error


def load_weights(path: Path, prefix: str = "", device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """The tensors of ``path`` whose names begin with ``prefix``, without it; InputError when the file is broken."""
    try:
        if not prefix:
            return load_file(path, device=str(device))
        with safe_open(path, framework="pt", device=str(device)) as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118  # it is no mapping
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (SafetensorError, FileNotFoundError) as error:
        raise _broken(path, error) from error


def check_fits(path: Path, module: nn.Module, what: str, next_step: str, *, prefix: str = "") -> None:
    """InputError unless the tensors of ``path`` whose names begin with ``prefix`` are those of ``module``, by name and
    size. Nothing else of them is read. ``what`` they are to be, and ``next_step``, are for the message."""
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118  # it is no mapping
            there = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, FileNotFoundError) as error:
        raise _broken(path, error) from error
    wanted = {prefix + name: tuple(value.shape) for name, value in module.state_dict().items()}
    differing = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if differing:
        first = differing[0]
        raise InputError(
            f"{path}: expected {what}, got others ({first.removeprefix(prefix)}: {wanted.get(first, 'none')} wanted, "
            f"{there.get(first, 'none')} there). {next_step}"
        )


def load_numbers(path: Path) -> dict[str, Any]:
    """What was written beside the tensors of ``path``; empty when nothing was."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        numbers = json.loads(metadata.get(_NUMBERS, "{}"))
    except (SafetensorError, FileNotFoundError, ValueError) as error:
        raise _broken(path, error) from error
    return numbers if isinstance(numbers, dict) else {}


def _broken(path: Path, error: Exception) -> InputError:
    what = "no such file" if isinstance(error, FileNotFoundError) else f"a broken file ({error})"
    return InputError(
        f"{path}: expected weights in safetensors, got {what}. Copy it again, or train again into another folder."
    )
