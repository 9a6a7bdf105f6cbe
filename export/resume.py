"""Looks at a run's folder before a training goes on in it: hours later would be late to learn that it cannot."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from duet.errors import InputError
from models.config import FollowerConfig
from models.follower import Follower
from models.training.checkpoint import NUMBERS_FILE, TENSORS_FILE
from models.training.run import CODEC_FILE


def check_resumable(folder: Path, config: FollowerConfig) -> None:
    """InputError when ``folder`` holds a codec or a checkpoint that a follower of ``config`` cannot go on from.

    A folder that holds neither, or does not exist yet, is a new run. Only names and sizes are read.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for the run, got a file. Give another --out.")
    follower = Follower(config)
    _check(folder / CODEC_FILE, "", follower.codec, config)
    if not (folder / NUMBERS_FILE).is_file():
        return
    try:
        json.loads((folder / NUMBERS_FILE).read_bytes())
    except ValueError as error:
        raise InputError(
            f"{folder / NUMBERS_FILE}: expected JSON, got {error}. Copy it again, or give another --out."
        ) from error
    if not (folder / TENSORS_FILE).is_file():
        raise InputError(f"{folder}: expected {TENSORS_FILE} beside {NUMBERS_FILE}, got none. Give another --out.")
    _check(folder / TENSORS_FILE, "model.", follower, config)


def _check(path: Path, prefix: str, module: nn.Module, config: FollowerConfig) -> None:
    if not path.is_file():
        return
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118  # it is no mapping
            there = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except SafetensorError as error:
        raise InputError(
            f"{path}: expected weights in safetensors, got a broken file ({error}). "
            "Copy it again, or give another --out."
        ) from error
    wanted = {prefix + name: tuple(value.shape) for name, value in module.state_dict().items()}
    differing = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if differing:
        first = differing[0]
        raise InputError(
            f"{path}: expected the weights of preset {config.name}, got others ({first.removeprefix(prefix)}: "
            f"{wanted.get(first, 'none')} wanted, {there.get(first, 'none')} there). "
            "Give the --preset this run began with, or another --out."
        )
