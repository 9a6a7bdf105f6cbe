"""Looks at a run's folder before a training goes on in it: hours later would be late to learn that it cannot."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from duet.errors import InputError
from models.config import FollowerConfig
from models.follower import Follower
from models.training.checkpoint import CHECKPOINT_FILE, checkpoint_numbers
from models.training.run import CODEC_FILE, begun
from models.training.settings import SETTINGS_FILE, Settings, check_settings


def check_resumable(folder: Path, settings: Settings) -> None:
    """InputError when ``folder`` holds a codec or a checkpoint that a run with ``settings`` cannot go on from.

    A folder that holds neither, or does not exist yet, is a new run. Only names, sizes and settings are read.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for the run, got a file. Give another --out.")
    follower = Follower(settings.follower)
    _check(folder / CODEC_FILE, "", follower.codec, settings.follower)
    if (folder / CHECKPOINT_FILE).is_file():
        _check(folder / CHECKPOINT_FILE, "model.", follower, settings.follower)
        checkpoint_numbers(folder / CHECKPOINT_FILE)
    if begun(folder) and (folder / SETTINGS_FILE).is_file():
        check_settings(folder, settings)


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
