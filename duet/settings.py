"""Where settings are kept that somebody made or measured, and that no computation brings back."""

import os
import sys
from pathlib import Path

SETTINGS_VARIABLE = "DUET_SETTINGS"


def settings_directory() -> Path:
    """The folder of settings: ``DUET_SETTINGS``, or the platform's directory for users' settings."""
    own = os.environ.get(SETTINGS_VARIABLE)
    if own:
        return Path(own).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "duet"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / "duet"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "duet"
