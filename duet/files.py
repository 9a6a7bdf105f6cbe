"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a path beside ``path`` to write to; without an error inside, that file takes the place of ``path``.

    Whoever is killed meanwhile, or meets a full disk, leaves the former ``path`` as it was. The bytes are on the disk
    before the name is: a loss of power leaves the former file or the new one. The part is named after the process, so
    that two which write the same do not write into each other's file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
