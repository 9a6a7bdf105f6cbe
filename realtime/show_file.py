"""A show's file: what a stage is set to, in TOML that people write and read.

Each part of the application has sections of its own (``[panel]``, ``[panel.midi]``, ...) and leaves the others' as they
are, comments and all: whoever keeps something replaces the lines of its own sections and no other line.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duet.errors import InputError
from duet.files import written_whole

Values = Mapping[str, Any]

MOST_BYTES = 1 << 20
_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def read_show(path: Path) -> dict[str, Any]:
    """Everything a show's file says. InputError where it is absent or not TOML."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: expected a show's file of at most 1 MB, got a larger one. Name another.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected a show's file, got: {error.strerror}. Name another.") from error
    except ValueError as error:  # tomllib's own, and text that is no UTF-8
        raise InputError(f"{path}: expected TOML, got: {error}. Mend the file, or name another.") from error


def section(show: Values, name: str, path: Path) -> dict[str, Any]:
    """One section of what was read, empty where it is absent. InputError where it is no table."""
    values = show.get(name, {})
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected [{name}] to be a table, got {values!r}. Write [{name}] and lines below it.")
    return values


def keep_section(path: Path, name: str, values: Values) -> None:
    """Write ``[name]`` anew, tables in ``values`` as ``[name.table]``; everything else in the file stays as it is.

    InputError where the file is not TOML or cannot be written; then it is as it was.
    """
    before = ""
    if path.exists():
        read_show(path)
        before = path.read_text(encoding="utf-8")
    kept = _without(before, name).rstrip()
    text = (kept + "\n\n" if kept else "") + _told(name, values)
    tomllib.loads(text)  # what nobody could read again is never written
    try:
        with written_whole(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: expected to write it, got: {error.strerror}. Name another.") from error


def _without(text: str, name: str) -> str:
    """``text`` less the lines of ``[name]`` and ``[name.*]``."""
    lines, ours = list[str](), False
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header is not None:
            ours = header[1] == name or header[1].startswith(f"{name}.")
        if not ours:
            lines.append(line)
    return "\n".join(lines)


def _told(name: str, values: Values) -> str:
    lines = [f"[{name}]"]
    lines += [f"{_key(k)} = {_value(v)}" for k, v in values.items() if not isinstance(v, Mapping)]
    for key, table in values.items():
        if isinstance(table, Mapping) and table:
            lines += ["", f"[{name}.{_key(key)}]", *(f"{_key(k)} = {_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if _BARE.match(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"the number {value}")
        return repr(round(value, 6))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _text(str(value))


def _text(text: str) -> str:
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{escaped}"'
