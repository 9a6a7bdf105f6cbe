"""What a bench found, in one form for every kind: distributions, single figures, doubts, and where they come from.

The JSON is that of ``docs/bench.schema.json``; a report (``ui.bench.page``) and a comparison (``ui.bench.compare``)
need no more than it.
"""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from duet.errors import InputError
from duet.files import saved_whole
from realtime.bench.distribution import Distribution

SCHEMA = "duet-bench/1"
_AGAIN = "Give a file that duet bench wrote with --json."


@dataclass(frozen=True)
class Series:
    """Measurements of one thing."""

    what: str
    """In a few words, for somebody who did not measure it."""
    unit: str
    measured: Distribution


@dataclass(frozen=True)
class Figure:
    """A single number."""

    what: str
    unit: str
    value: float


@dataclass(frozen=True)
class Aim:
    """A number beside what it should be."""

    what: str
    unit: str
    got: float
    bound: float
    at_least: bool = False
    """Whether it should be so great or greater, and not so great or smaller."""

    @property
    def holds(self) -> bool:
        """Whether it is met."""
        return self.got >= self.bound if self.at_least else self.got <= self.bound

    @property
    def wanted(self) -> str:
        """Its bound in words."""
        return f"{'at least' if self.at_least else 'at most'} {self.bound:.4g} {self.unit}".rstrip()

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "holds": self.holds}


@dataclass(frozen=True)
class BenchRecord:
    """One run of a bench."""

    kind: str
    command: str
    """What repeats it."""
    provenance: dict[str, Any]
    subject: dict[str, Any]
    """What was measured, and how: follower, runtime, precision, threads, warm-up."""
    verdict: str
    series: dict[str, Series] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    """Whether it computes what it should, measured in the same run."""
    warnings: tuple[str, ...] = ()
    aims: tuple[Aim, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether it computes what it should, as far as that was looked at."""
        return bool(self.parity.get("holds", True))

    @property
    def missed(self) -> tuple[Aim, ...]:
        """The aims that are not met."""
        return tuple(aim for aim in self.aims if not aim.holds)

    def values(self) -> dict[str, Any]:
        """As plain values for JSON; InputError for a number that JSON cannot hold."""
        aims = [aim.values() for aim in self.aims]
        return {"schema": SCHEMA, **plain({**asdict(self), "aims": aims})}

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(self.values(), indent=1) + "\n"

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all; InputError where there is no room for it."""
        with saved_whole(path, "the record") as part:
            part.write_text(self.to_json())


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``; InputError where there is none."""
    try:
        raw = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: expected a bench record, got: {error.strerror}. {_AGAIN}") from error
    except ValueError as error:
        raise InputError(f"{path}: expected a bench record in JSON, got: {error}. {_AGAIN}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}: expected a bench record of schema {SCHEMA!r}, got another file. {_AGAIN}")
    return raw


def read_record(path: Path) -> BenchRecord:
    """What ``BenchRecord.write`` wrote; InputError says what is wrong with another file."""
    return record_of(read_json(path), path)


def record_of(raw: dict[str, Any], path: Path) -> BenchRecord:
    """The record of which ``raw`` are the values, read from ``path``; InputError says what is wrong with it."""
    if raw.pop("schema", None) != SCHEMA:
        raise InputError(f"{path}: expected a bench record of schema {SCHEMA!r}, got another file. {_AGAIN}")
    try:
        return _record(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"none with {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: expected a complete bench record, got {what}. {_AGAIN}") from error


def _record(raw: dict[str, Any]) -> BenchRecord:
    names = {f.name for f in fields(BenchRecord)}
    # Records of before there were aims have none.
    raw.setdefault("aims", [])
    if set(raw) != names:
        raise KeyError(sorted(set(raw) ^ names)[0])
    raw["series"] = {
        name: Series(str(s["what"]), str(s["unit"]), _distribution(s["measured"])) for name, s in raw["series"].items()
    }
    raw["figures"] = {
        name: Figure(str(f["what"]), str(f["unit"]), float(f["value"])) for name, f in raw["figures"].items()
    }
    raw["warnings"] = tuple(str(w) for w in raw["warnings"])
    raw["aims"] = tuple(
        Aim(str(a["what"]), str(a["unit"]), float(a["got"]), float(a["bound"]), bool(a["at_least"]))
        for a in raw["aims"]
    )
    return BenchRecord(**raw)


def _distribution(raw: dict[str, Any]) -> Distribution:
    lists: dict[str, Any] = {name: tuple(raw.pop(name)) for name in ("edges", "counts", "course_p50", "course_max")}
    return Distribution(**raw, **lists)


def plain(value: Any) -> Any:
    """JSON values; numbers to six digits, and InputError for one that JSON cannot hold."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"Bench record: expected finite numbers, got {value}. Measure again.")
        return float(f"{value:.6g}")
    return value
