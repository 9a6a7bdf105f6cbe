"""A number beside the target it was set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What was measured, and whether it is as wanted."""

    what: str
    value: float | None
    """None where nothing could be measured."""
    unit: str
    goal: str
    """The target in words; empty for a number that is only reported."""
    met: bool | None
    """None without a target or without a measurement."""

    @classmethod
    def at_most(cls, what: str, value: float | None, most: float, unit: str = "") -> "Verdict":
        """Wanted small. NaN is never as wanted."""
        return cls(what, value, unit, f"at most {most:g}", None if value is None else value <= most)

    @classmethod
    def at_least(cls, what: str, value: float | None, least: float, unit: str = "") -> "Verdict":
        """Wanted large."""
        return cls(what, value, unit, f"at least {least:g}", None if value is None else value >= least)

    @classmethod
    def reported(cls, what: str, value: float | None, unit: str = "") -> "Verdict":
        """Without a target: a noise floor, or something to read others by."""
        return cls(what, value, unit, "", None)
