"""Bounds of settings, said before the work that they would spoil."""

import math
from typing import Any

from duet.errors import InputError

ABOVE = 1e-12
"""The least number that is above 0."""


def check_bounds(group: str, settings: Any, **bounds: tuple[float, float]) -> None:
    """InputError for the first setting, by name, that is not a number from its least to its greatest.

    Each entry of a tuple is held against the same bounds, and none may be empty. ``group`` is what stands before the
    name on the command line, such as "how", or the class of sizes that are read from a file.
    """
    for name, (least, most) in bounds.items():
        value = getattr(settings, name)
        entries = value if isinstance(value, tuple) else (value,)
        if entries and all(not math.isnan(entry) and least <= entry <= most for entry in entries):
            continue
        low = "above 0" if least == ABOVE else f"at least {least:g}"
        high = "" if math.isinf(most) else f" and at most {most:g}"
        got = ", ".join(f"{entry:g}" for entry in entries) or "none"
        raise InputError(f"{group}.{name}: expected {low}{high}, got {got}. Give another value.")
