"""Files that are there whole or not at all, and what those raise that are not."""

import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from duet.errors import InputError

BROKEN_ARCHIVE = (
    OSError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    # Encrypted, of another version, or nested too deeply.
    RuntimeError,
    # An array's head that is no Python.
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading an npz file may raise that was damaged, or made to do harm."""


def part_beside(path: Path, pid: int | None = None) -> Path:
    """Where process ``pid`` (this one) writes what will be ``path``: two that write the same do not write into each
    other's file."""
    return path.with_name(f".{path.name}.{os.getpid() if pid is None else pid}.part")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a path beside ``path`` to write to; without an error inside, that file takes the place of ``path``.

    Whoever is killed meanwhile, or meets a full disk, leaves the former ``path`` as it was; the OSError of a full disk
    names it. The bytes are on the disk before the name is: a loss of power leaves the former file or the new one.
    """
    part = part_beside(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno is None or error.filename not in (None, str(part)):
            raise
        # numpy and zipfile raise "no space left" without saying where, and nobody asked for the part.
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def saved_whole(path: Path, what: str) -> Iterator[Path]:
    """``written_whole`` of what somebody asked for: where the disk is full, an InputError that names the file.

    ``what`` is in it, in a few words, such as "the record".
    """
    try:
        with written_whole(path) as part:
            yield part
    except OSError as error:
        raise InputError(
            f"{path}: expected to write {what} there, got: {error.strerror or error}. Make room, or name another file."
        ) from error


def check_writable(path: Path, what: str = "") -> None:
    """Make the folder of a file that will be written; InputError before the work, not after it, where none can be.

    ``what`` names the file in the message, such as the option that asks for it; the path itself unless given.
    """
    head = what or str(path)
    if os.path.isdir(path):  # False, not an error, for a name that is too long
        raise InputError(f"{head}: expected a file to write, got the folder {path}. Name a file in it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{head}: expected a folder to write to, got {path.parent}: {error.strerror}. Name another file."
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f"{head}: expected a folder to write to, got {path.parent}, which is not writable. Allow it, or name "
            "another file."
        )


def check_could_write(path: Path, what: str = "") -> None:
    """As ``check_writable``, but what it has to make, it takes away again: nothing is left behind."""
    absent = [folder for folder in path.parents if not os.path.exists(folder)]
    try:
        # Rights alone do not tell: in /proc even root makes no folder, and a name may be too long.
        check_writable(path, what)
    finally:
        for folder in absent:
            with suppress(OSError):  # not made, or in use by now
                folder.rmdir()
