"""Settings by dotted name, from the command line or a file: typed, and every error names the setting."""

import dataclasses
import difflib
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from duet.errors import InputError

Frozen = TypeVar("Frozen")

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def overridden(settings: Frozen, changes: Mapping[str, Any]) -> Frozen:
    """``settings`` with values by dotted name (``how.own_share``); a value is of the setting's type, or text of it.

    All are taken together: only what comes out must fit, in whatever order they are told.
    """
    return _built(settings, [(name.split("."), value, name) for name, value in changes.items()])


def parse_assignment(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` of the command line."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"--set: expected NAME=VALUE, got {text!r}. Write for example how.own_share=0.5.")
    return name.strip(), value.strip()


def read_changes(path: Path) -> dict[str, Any]:
    """Values by dotted name from a TOML or JSON file with a table per group of settings."""
    try:
        text = path.read_text()
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: expected settings in TOML or JSON, got {error}. See duet-lab train --help for their names."
        ) from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected tables of settings, got {type(values).__name__}. Write [how] and so on.")
    return flat({name: value for name, value in values.items() if name != "origin"})


def flat(values: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """Nested values by dotted name."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{head}{name}.") if isinstance(value, dict) else {f"{head}{name}": value}
    return found


def _built(settings: Any, changes: list[tuple[list[str], Any, str]]) -> Any:
    """``settings`` built once, with all ``changes``: the names on the way there, the value, and the whole name."""
    hints = typing.get_type_hints(type(settings))
    made: dict[str, Any] = {}
    groups: dict[str, list[tuple[list[str], Any, str]]] = {}
    for (name, *rest), value, whole in changes:
        _check_name(settings, hints, name, rest, whole)
        if rest:
            groups.setdefault(name, []).append((rest, value, whole))
        else:
            made[name] = typed(value, hints[name], whole)
    made |= {name: _built(getattr(settings, name), inner) for name, inner in groups.items()}
    return dataclasses.replace(settings, **made)


def _check_name(settings: Any, hints: Mapping[str, Any], name: str, rest: list[str], whole: str) -> None:
    """InputError unless ``name`` is one of ``settings``, a group where there is a ``rest``."""
    if name not in hints:
        near = difflib.get_close_matches(name, hints, 3, 0.5) or sorted(hints)
        raise InputError(f"{whole}: expected the name of a setting such as {', '.join(near)}, got {name}. Correct it.")
    inner = getattr(settings, name)
    if dataclasses.is_dataclass(inner) and not rest:
        parts = ", ".join(f"{whole}.{part.name}" for part in dataclasses.fields(inner)[:3])
        raise InputError(f"{whole}: expected a single setting, got a group of them. Write {parts} and so on.")
    if rest and not dataclasses.is_dataclass(inner):
        raise InputError(f"{whole}: expected {name} to be a group, got a single setting. Shorten it.")


def typed(value: Any, kind: Any, name: str) -> Any:
    """``value``, or the text of it, as ``kind``: bool, int, float, str, Literal, tuple, or one of these or None."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "null")):
            return None
        return typed(value, next(a for a in arguments if a is not type(None)), name)
    if origin is Literal:
        if value not in arguments:
            raise _unfit(name, "one of " + ", ".join(map(str, arguments)), value)
        return value
    if origin is tuple:
        return _tuple(value, arguments, name)
    if kind is bool and (isinstance(value, bool) or str(value).lower() in _TRUTH):
        return value if isinstance(value, bool) else _TRUTH[str(value).lower()]
    if kind is str and isinstance(value, str):
        return value
    if kind is float and value is None:  # how JSON has infinity here
        return math.inf
    if kind in (int, float) and not isinstance(value, bool):
        return _number(value, kind, name)
    raise _unfit(name, describe(kind), value)


def _number(value: Any, kind: type, name: str) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise _unfit(name, describe(kind), value) from error
    if math.isnan(number) or (kind is int and not number.is_integer()):
        raise _unfit(name, describe(kind), value)
    return int(number) if kind is int else number


def _tuple(value: Any, arguments: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    parts = [part.strip() for part in value.strip("()[] ").split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise _unfit(name, "values with commas between", value)
    parts = [part for part in parts if part != ""]
    if arguments[-1] is Ellipsis:
        return tuple(typed(part, arguments[0], name) for part in parts)
    if len(parts) != len(arguments):
        raise _unfit(name, f"{len(arguments)} values with commas between", value)
    return tuple(typed(part, kind, name) for part, kind in zip(parts, arguments, strict=True))


def describe(kind: Any) -> str:
    """What to write for a type."""
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    return words.get(kind, str(kind))


def _unfit(name: str, wanted: str, value: Any) -> InputError:
    return InputError(f"{name}: expected {wanted}, got {value!r}. Correct it.")
