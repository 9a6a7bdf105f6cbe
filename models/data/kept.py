"""What is computed once and kept: files named after everything they follow from, written whole or not at all."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from duet.files import written_whole

_CHUNK = 1 << 20


def source_version(*modules: ModuleType) -> str:
    """A fingerprint of the code of ``modules``: what they computed holds as long as they read the same."""
    digest = hashlib.sha256()
    for module in modules:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _digest(path: Path, size: int, modified_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_digest(path: Path) -> str:
    """sha256 of a file; read once a process unless it changes."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


def key_of(*parts: object) -> str:
    """A file name for what follows from ``parts``, whose texts must say all there is to them."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def keep(path: Path, arrays: Mapping[str, NDArray]) -> None:
    """Write ``arrays`` as ``.npz``, whole or not at all: a full disk or a stop leaves what was there before."""
    with written_whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def fetch(path: Path) -> dict[str, NDArray] | None:
    """What ``keep`` wrote; None where there is nothing, or something broken, which is computed anew."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return None


def sweep(folder: Path) -> None:
    """Remove what was being written in ``folder`` and below when a process was killed."""
    for part in folder.rglob(".*.part"):
        pid = part.name.split(".")[-2]
        if not pid.isdigit() or not _alive(int(pid)):
            part.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
