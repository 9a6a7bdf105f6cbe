"""What ``duet bench all`` found: the records of its parts in one file, and what the parts that failed said."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duet.errors import InputError
from duet.files import saved_whole
from realtime.bench.record import BenchRecord, plain, record_of

SUITE_SCHEMA = "duet-bench-all/1"


@dataclass(frozen=True)
class Part:
    """One bench of several."""

    name: str
    seconds: float
    """How long it took, its loading and reckoning included."""
    record: BenchRecord | None
    failure: str = ""
    """Why there is no record."""

    @property
    def outcome(self) -> str:
        """In a few words."""
        if self.record is None:
            return "failed"
        if not self.record.is_right:
            return "NOT RIGHT"
        aims, missed = self.record.aims, self.record.missed
        return f"{len(aims) - len(missed)} of {len(aims)} aims met" if aims else "measured"

    def values(self) -> dict[str, Any]:
        """As plain values for JSON."""
        record = None if self.record is None else self.record.values()
        return {"name": self.name, "seconds": plain(self.seconds), "failure": self.failure, "record": record}


@dataclass(frozen=True)
class Suite:
    """All parts, in the order they ran."""

    command: str
    provenance: dict[str, Any]
    """Of before the first of them."""
    parts: tuple[Part, ...]

    @property
    def is_right(self) -> bool:
        """Whether every part was measured and computes what it should."""
        return all(part.record is not None and part.record.is_right for part in self.parts)

    @property
    def verdict(self) -> str:
        """One sentence, or two."""
        records = [part.record for part in self.parts if part.record is not None]
        aims, missed = sum(len(r.aims) for r in records), sum(len(r.missed) for r in records)
        failed = [part.name for part in self.parts if part.record is None]
        wrong = [part.name for part in self.parts if part.record is not None and not part.record.is_right]
        said = [f"{len(records)} of {len(self.parts)} parts measured, {aims - missed} of {aims} aims met."]
        said += [f"Failed: {', '.join(failed)}."] if failed else []
        said += [f"NOT RIGHT: {', '.join(wrong)}."] if wrong else []
        return " ".join(said)

    def to_json(self) -> str:
        """Indented JSON."""
        values = {
            "schema": SUITE_SCHEMA,
            "command": self.command,
            "provenance": plain(self.provenance),
            "verdict": self.verdict,
            "parts": [part.values() for part in self.parts],
        }
        return json.dumps(values, indent=1) + "\n"

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all; InputError where there is no room for it."""
        with saved_whole(path, "the record") as part:
            part.write_text(self.to_json())


def suite_of(raw: dict[str, Any], path: Path) -> Suite:
    """What ``Suite.to_json`` wrote, read as JSON from ``path``; InputError says what is wrong with another."""
    try:
        parts: Sequence[dict[str, Any]] = raw["parts"]
        return Suite(
            str(raw["command"]),
            dict(raw["provenance"]),
            tuple(
                Part(
                    str(p["name"]),
                    float(p["seconds"]),
                    None if p["record"] is None else record_of(p["record"], path),
                    str(p["failure"]),
                )
                for p in parts
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: expected a record of duet bench all, got none with {error}. Give a file that it wrote."
        ) from error
