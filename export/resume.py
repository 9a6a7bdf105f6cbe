"""Looks at what a training goes on from before it does: hours later would be late to learn that it cannot."""

from pathlib import Path

from duet.errors import InputError
from models.follower import Follower
from models.training.checkpoint import CHECKPOINT_FILE, checkpoint_numbers
from models.training.run import CODEC_FILE, begun, check_codec
from models.training.settings import SETTINGS_FILE, Settings, check_settings
from models.weights import check_fits


def check_resumable(folder: Path, settings: Settings, codec: Path | None = None) -> None:
    """InputError when ``folder`` holds a codec or a checkpoint that a run with ``settings`` cannot go on from.

    A folder that holds neither, or does not exist yet, is a new run; it may be given the weights of a ``codec``, which
    must fit, too. Only names, sizes and settings are read.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for the run, got a file. Give another --out.")
    if codec is not None:
        check_codec(codec, settings.follower)
    follower = Follower(settings.follower)
    what = f"the weights of preset {settings.follower.name}"
    for name, prefix, module in ((CODEC_FILE, "", follower.codec), (CHECKPOINT_FILE, "model.", follower)):
        if (folder / name).is_file():
            check_fits(
                folder / name, module, what, "Give the --preset this run began with, or another --out.", prefix=prefix
            )
    if (folder / CHECKPOINT_FILE).is_file():
        checkpoint_numbers(folder / CHECKPOINT_FILE)
    if begun(folder) and (folder / SETTINGS_FILE).is_file():
        check_settings(folder, settings)
