"""How what is not always needed gets installed or fetched: by this very Python, from these very sources.

The package of that name on the public index is somebody else's, so a hint never names ``duet`` alone.
"""

import os
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1]


def how_to_install(extra: str) -> str:
    """The command that installs one of the extras of ``pyproject.toml``, to be copied as it is."""
    return how_to_run("pip", "install", "-e", f"'{_short(SOURCES)}[{extra}]'")


def how_to_run(module: str, *words: str) -> str:
    """The command that runs a module by this very Python, to be copied as it is."""
    return " ".join((_short(Path(sys.executable)), "-m", module, *words))


def _short(path: Path) -> str:
    """A path as one would type it here; links stay: a virtual environment's Python is one."""
    try:
        here = Path.cwd()
    except OSError:  # the folder that one is in is gone
        return str(path)
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
