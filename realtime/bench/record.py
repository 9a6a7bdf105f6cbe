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
from duet.files import written_whole
from realtime.bench.distribution import Distribution

SCHEMA = "duet-bench/1"


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

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps({"schema": SCHEMA, **_plain(asdict(self))}, indent=1) + "\n"

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        with written_whole(path) as part:
            part.write_text(self.to_json())


def read_record(path: Path) -> BenchRecord:
    """What ``BenchRecord.write`` wrote; InputError says what is wrong with another file."""
    again = "Give a file that duet bench wrote with --json."
    try:
        raw = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: expected a bench record, got: {error.strerror}. {again}") from error
    except ValueError as error:
        raise InputError(f"{path}: expected a bench record in JSON, got: {error}. {again}") from error
    if not isinstance(raw, dict) or raw.pop("schema", None) != SCHEMA:
        raise InputError(f"{path}: expected a bench record of schema {SCHEMA!r}, got another file. {again}")
    try:
        return _record(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"none with {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: expected a complete bench record, got {what}. {again}") from error


def _record(raw: dict[str, Any]) -> BenchRecord:
    names = {f.name for f in fields(BenchRecord)}
    if set(raw) != names:
        raise KeyError(sorted(set(raw) ^ names)[0])
    raw["series"] = {
        name: Series(str(s["what"]), str(s["unit"]), _distribution(s["measured"])) for name, s in raw["series"].items()
    }
    raw["figures"] = {
        name: Figure(str(f["what"]), str(f["unit"]), float(f["value"])) for name, f in raw["figures"].items()
    }
    raw["warnings"] = tuple(str(w) for w in raw["warnings"])
    return BenchRecord(**raw)


def _distribution(raw: dict[str, Any]) -> Distribution:
    lists: dict[str, Any] = {name: tuple(raw.pop(name)) for name in ("edges", "counts", "course_p50", "course_max")}
    return Distribution(**raw, **lists)


def _plain(value: Any) -> Any:
    """JSON values; numbers to six digits, and InputError for one that JSON cannot hold."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"Bench record: expected finite numbers, got {value}. Measure again.")
        return float(f"{value:.6g}")
    return value
