"""Where things are kept that can be fetched or computed again."""

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "DUET_CACHE"


def cache_directory() -> Path:
    """The folder of everything that is kept: ``DUET_CACHE``, or the platform's cache directory for users."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "duet"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "duet" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "duet"
