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
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def read_show(path: Path) -> dict[str, Any]:
    """Everything a show's file says. InputError where it is absent or not TOML."""
    return _read(path)[1]


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    """A show's file as it is written, and what it says."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: expected a show's file of at most 1 MB, got a larger one. Name another.")
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
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

    InputError where the file is not TOML, is not ``check_keepable`` or cannot be written; then it is as it was.
    """
    kept = _rest(path, name).rstrip() if path.exists() else ""
    text = (kept + "\n\n" if kept else "") + _told(name, values)
    tomllib.loads(text)  # what nobody could read again is never written
    try:
        with written_whole(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: expected to write it, got: {error.strerror}. Name another.") from error


def check_keepable(path: Path, name: str) -> None:
    """InputError where ``[name]`` is written so that its lines cannot be told from others': ``name.key = 1``, say."""
    _rest(path, name)


def _rest(path: Path, name: str) -> str:
    """The text of ``path`` less ``[name]`` and ``[name.*]``: it says what it said of all else."""
    text, _ = _read(path)
    rest = _without(text, name)
    try:
        # Numbers as they are written: one that is none equals itself.
        said = tomllib.loads(rest, parse_float=str)
    except ValueError:
        said = None
    if said != {key: value for key, value in tomllib.loads(text, parse_float=str).items() if key != name}:
        raise InputError(
            f"{path}: expected a line [{name}] and its keys below it, got them written in another way. "
            f"Write a line [{name}], and a line for each key below it."
        )
    return rest


def _without(text: str, name: str) -> str:
    """``text`` less the lines of ``[name]`` and ``[name.*]``, save comments at their end: those may be another's."""
    lines, ours, at_end = list[str](), False, list[str]()
    for line in text.split("\n"):
        header = _header(line)
        if header is not None:
            ours = header == name
            lines += [] if ours else at_end
            at_end = []
        if not ours:
            lines.append(line)
        elif line.lstrip().startswith("#") or (at_end and not line.strip()):
            at_end.append(line)
        else:
            at_end = []
    return "\n".join(lines + at_end)


def _header(line: str) -> str | None:
    """The outermost name in a line ``[name]``, ``["name".inner]`` or ``[[name]]``; None where it is no such line."""
    if not line.lstrip().startswith("["):
        return None
    try:
        return next(iter(tomllib.loads(line)))
    except ValueError:  # a line of a long array
        return None


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
