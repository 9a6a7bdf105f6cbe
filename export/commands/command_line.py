"""What the commands of ``duet-lab`` share on the command line."""

import argparse
import math
import os
from pathlib import Path
from typing import TypeAlias

from duet.errors import InputError

BEST_FOLDER = "best"
"""In a run's folder: the weights that danced best so far."""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def new_command(commands: Commands, name: str, what: str, run: object, *, more: str) -> argparse.ArgumentParser:
    """A command that does ``run(options, console)``.

    ``more`` stands under its options: what it needs and leaves behind, and an example.
    """
    parser = commands.add_parser(
        name, help=what, description=what, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


def add_data(command: argparse.ArgumentParser, *, needed: bool = True) -> None:
    """The option ``--data``."""
    text = "folder with the recorded couples" + ("" if needed else "; without it nothing is measured in closed loop")
    command.add_argument(
        "--data", type=Path, default=os.environ.get("DUET_DATA"), help=f"{text} (default: the variable DUET_DATA)"
    )


def above_zero(text: str) -> float:
    """A number of the command line; InputError at once, not after the work it belongs to."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"Duration: expected a number above 0, got {text!r}. Give seconds or minutes, such as 60.")
    return number


def count(text: str) -> int:
    """A whole number of the command line that is not negative."""
    if not text.isdecimal():
        raise InputError(f"Count: expected a whole number of at least 0, got {text!r}. Give one, such as 2.")
    return int(text)


def data_of(options: argparse.Namespace) -> Path:
    """The folder of ``--data``; InputError when none was given."""
    if options.data is None:
        raise InputError("--data: expected the folder with the recorded couples, got none. Give it, or set DUET_DATA.")
    return Path(options.data)


def weights_folder(run: Path) -> Path:
    """A run's best weights, or the folder itself when it holds weights."""
    best = run / BEST_FOLDER
    return best if best.is_dir() else run
