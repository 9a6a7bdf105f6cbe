"""What a broken disk, a broken sender or an ill-willed one makes of bytes and of plain values."""

import copy
import json
import math
from typing import Any

import numpy as np

Rng = np.random.Generator
WEIRD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, -(2**63), 10**400, 1e308, -1e308, math.inf, -math.inf, math.nan, 1e-300, "",
    "0", "../../outside", "/etc/passwd", "C:\\outside", "a" * 5000, "\0", "\ud800", "é", [], {}, [[[]]], [None] * 50,
    {"a": {"b": 1}}, [1e308, -1e308], [-1], [0] * 4, [2**40, 2**40],
)  # fmt: skip
"""Values that somebody may not have thought of."""


def pick(rng: Rng, values: Any) -> Any:
    """One of a sequence."""
    return values[int(rng.integers(len(values)))]


def mutated_bytes(rng: Rng, data: bytes) -> bytes:
    """``data`` with one to three of: bytes changed, left out, put in, doubled, cut off, or set to an end of a range."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(out) + 1))
        count = int(min(2 ** rng.integers(0, 9), len(out) - at))
        way = int(rng.integers(7))
        if way == 0:
            out[at : at + count] = rng.bytes(count)
        elif way == 1:
            del out[at : at + count]
        elif way == 2:
            out[at:at] = rng.bytes(int(rng.integers(1, 64)))
        elif way == 3:
            out[at:at] = out[at : at + count]
        elif way == 4:
            del out[at:]
        elif way == 5:
            out[at : at + 4] = pick(rng, (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x80"))
        elif at < len(out):
            out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def mutated_value(rng: Rng, value: Any) -> Any:
    """Plain values with one to three of their parts replaced, left out, added or doubled."""
    out = {"": copy.deepcopy(value)}
    for _ in range(int(rng.integers(1, 4))):
        inside, key = _somewhere(rng, out)
        way = int(rng.integers(6))
        if way == 0 and len(inside) and inside is not out:
            del inside[key]
        elif way == 1 and isinstance(inside, dict) and inside is not out:
            inside[pick(rng, ("new", "", "__class__", "schema", "seed"))] = pick(rng, WEIRD)
        elif way == 2 and isinstance(inside, list):
            inside.append(copy.deepcopy(inside[key]))
        else:
            inside[key] = copy.deepcopy(pick(rng, WEIRD))
    return out[""]


def _somewhere(rng: Rng, value: Any) -> tuple[Any, Any]:
    """A list or dictionary in ``value``, and a place in it."""
    key = pick(rng, list(value) if isinstance(value, dict) else range(len(value)))
    inner = value[key]
    if isinstance(inner, dict | list) and len(inner) and rng.random() < 0.8:
        return _somewhere(rng, inner)
    return value, key


def as_json(rng: Rng, value: Any) -> str:
    """A mutated value as text; once in a while the text itself is broken, or nested beyond all bounds."""
    if rng.random() < 0.01:
        return "[" * 100_000
    text = json.dumps(value)
    return mutated_bytes(rng, text.encode()).decode("utf-8", "replace") if rng.random() < 0.2 else text
