"""How what is not always needed gets installed: by this very Python, from these very sources.

The package of that name on the public index is somebody else's, so a hint never names ``duet`` alone.
"""

import os
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1]


def how_to_install(extra: str) -> str:
    """The command that installs one of the extras of ``pyproject.toml``, to be copied as it is."""
    return f"{_short(Path(sys.executable))} -m pip install -e '{_short(SOURCES)}[{extra}]'"


def _short(path: Path) -> str:
    """A path as one would type it here; links stay: a virtual environment's Python is one."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
