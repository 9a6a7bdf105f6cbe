"""The numbers that options take."""

from duet.errors import InputError


def check_within(
    name: str, value: float | None, least: float, most: float, unit: str = "", hint: str = "Give a number in between."
) -> None:
    """InputError unless the option ``name`` was given a number from ``least`` to ``most``, or none (None)."""
    if value is not None and not least <= value <= most:
        limits = f"{least:.10g} to {most:.10g} {unit}".rstrip()
        raise InputError(f"{name}: expected {limits}, got {value:.10g}. {hint}")
