"""What is told on a terminal: letter for letter, and how wide a table may be, there and in a log that is read later."""

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 160
"""Characters in a line of a log: tables are not cut short for want of a terminal."""


def new_console(
    *,
    stderr: bool = False,
    file: TextIO | None = None,
    quiet: bool = False,
    highlight: bool = True,
    soft_wrap: bool = False,
) -> "Console":
    """What tells on standard output, on ``stderr`` or in ``file``. Every text comes out letter for letter: paths, names
    of devices and errors have square brackets and colons of their own. What is to have a style is a ``rich.text.Text``,
    or printed with ``style=``.

    It is as wide as its terminal, and wide enough for tables in a log. ``quiet``: nothing is told. ``highlight``:
    numbers and paths have colours. ``soft_wrap``: lines stay as long as they are.

    Where rich reads markup whatever the console says, the caller keeps users' texts from it: ``Text`` for
    ``console.status`` and its ``update``, ``markup=False`` for a ``TextColumn``, ``rich.markup.escape`` for a task's
    description in the columns that ``Progress`` has by itself.
    """
    from rich.console import Console

    return Console(
        stderr=stderr,
        file=file,
        width=_width(file or (sys.stderr if stderr else sys.stdout)),
        quiet=quiet,
        highlight=highlight,
        soft_wrap=soft_wrap,
        markup=False,
        emoji=False,
    )


def _width(stream: TextIO) -> int | None:
    """``WIDE`` where ``stream`` is a file or a pipe; None, as wide as there is room, for a terminal or ``COLUMNS``."""
    return None if stream.isatty() or "COLUMNS" in os.environ else WIDE
