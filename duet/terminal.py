"""How wide a table may be: as its terminal, or as it needs in a log that is read later."""

import os
from typing import TextIO

WIDE = 160
"""Characters in a line of a log: tables are not cut short for want of a terminal."""


def width_for_tables(stream: TextIO) -> int | None:
    """``WIDE`` where ``stream`` is a file or a pipe; None, as wide as there is room, for a terminal or ``COLUMNS``."""
    return None if stream.isatty() or "COLUMNS" in os.environ else WIDE
