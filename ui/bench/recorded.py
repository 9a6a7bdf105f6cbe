"""The folder of recorded salsa couples that benches and soaks take their leads from."""

import argparse
import os
from pathlib import Path

from duet.errors import InputError

VARIABLE = "DUET_DATA"
"""Of the environment: names the folder once and for all."""


def add_data(command: argparse.ArgumentParser, what: str) -> None:
    """The option ``--data``; ``what`` is in the folder, such as "recorded leads"."""
    text = f"{what} (default: the variable {VARIABLE})"
    command.add_argument("--data", type=Path, default=usual_data(), metavar="DIR", help=text)


def usual_data() -> Path | None:
    """The folder that the environment names; None where it names none."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def salsa_folder(data: Path) -> Path:
    """Where in ``data`` the salsa takes lie; InputError where there are none."""
    folder = data / "cmu_salsa"
    if folder.is_dir():
        return folder
    named, again = ("--data", "leave it out") if data != usual_data() else (VARIABLE, "unset it")
    raise InputError(f"{named} {data}: expected a folder with cmu_salsa/, got none there. Name another, or {again}.")
