"""What the commands of ``duet-lab`` share on the command line."""

import argparse
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from duet.errors import InputError
from duet.files import check_writable
from models.release import BEST_FOLDER

if TYPE_CHECKING:
    from models.data.couples import Couples

_COUNTS = 1 << 63
_DIGITS = len(str(_COUNTS))

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


def add_couples(command: argparse.ArgumentParser, *, needed: bool = True, usual: str = "") -> None:
    """The options ``--data`` and ``--dataset``; ``usual`` is what it is taken from where it is not given."""
    add_data(command, needed=needed)
    usual = usual or "cmu where DATA/cmu_salsa is, else all that are found"
    text = f"whose couples: cmu, dd100, interdance, own or auto (default: {usual})"
    command.add_argument("--dataset", default="", metavar="NAMES", help=text)


def above_zero(text: str) -> float:
    """A number of the command line; InputError at once, not after the work it belongs to."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"Duration: expected a number above 0, got {text!r}. Give seconds or minutes, such as 60.")
    return number


def count(text: str, least: int = 0) -> int:
    """A whole number of the command line that is not negative, and that every generator takes as its seed."""
    if not text.isdecimal() or len(text) <= _DIGITS and int(text) < least:
        raise InputError(f"Count: expected a whole number of at least {least}, got {text!r}. Give one, such as 2.")
    if len(text) > _DIGITS or int(text) >= _COUNTS:
        raise InputError(
            f"Count: expected a whole number below 2^63, got one of {len(text)} digits. Give a smaller one."
        )
    return int(text)


def above_none(text: str) -> int:
    """A whole number of the command line, at least 1."""
    return count(text, least=1)


def check_file(option: str, path: Path | None) -> None:
    """Find out, before the work, whether the file of an option can be written, where one was asked for."""
    if path is not None:
        check_writable(path, option)


def check_folder(option: str, path: Path | None) -> None:
    """The same for the folder of an option, which need not be there yet."""
    if path is not None and path.exists() and not path.is_dir():
        raise InputError(f"{option}: expected a folder, got the file {path}. Name a folder.")


def data_of(options: argparse.Namespace) -> Path:
    """The folder of ``--data``; InputError when none was given."""
    if options.data is None:
        raise InputError("--data: expected the folder with the recorded couples, got none. Give it, or set DUET_DATA.")
    return Path(options.data)


def couples_of(options: argparse.Namespace, dataset: str = "") -> "Couples":
    """The couples of ``--data`` and ``--dataset``, or of ``dataset`` where none is given."""
    from models.data.couples import couples_in

    return couples_in(data_of(options), options.dataset or dataset)


def weights_folder(run: Path) -> Path:
    """A run's best weights, or the folder itself when it holds weights."""
    best = run / BEST_FOLDER
    return best if best.is_dir() else run


def check_other_folder(out: Path, run: Path, whose: str = "run's") -> None:
    """InputError where ``--out`` is a folder of ``run``, given as such or as that of its best weights."""
    weights = weights_folder(run).resolve()
    taken = {run.resolve(), weights} | ({weights.parent} if weights.name == BEST_FOLDER else set())
    if out.resolve() in taken:
        raise InputError(f"--out: expected another folder than the {whose}, got {out}. Give a new one.")
