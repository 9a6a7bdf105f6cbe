"""The report of a performance: what was measured, and on which machine."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from duet import __version__
from duet.contract import FollowerContract
from duet.errors import InputError
from duet.files import written_whole
from realtime.bench.provenance import cpu_name
from realtime.budget import judged
from realtime.counters import COUNTERS
from realtime.health import Health, Snapshot


@dataclass(frozen=True)
class Machine:
    """Where it ran."""

    cpu: str
    cores: int
    system: str
    python: str
    opengl: str


def this_machine(opengl: str) -> Machine:
    """The machine this process runs on; ``opengl`` is the renderer's name."""
    return Machine(
        cpu_name(), os.cpu_count() or 0, f"{platform.system()} {platform.release()}", platform.python_version(), opengl
    )


def make_report(
    health: Health,
    machine: Machine,
    contract: FollowerContract,
    *,
    seconds: float,
    sources: dict[str, str],
) -> dict[str, object]:
    """The report as plain values: every counter under its name (``realtime.counters``), and what is told beside them.

    ``lag_ms`` is, over the drawn frames, the age of the newest leader frame that the shown pose knew:
    how late the follower can be for something the leader does unannounced. ``memory_mb`` and ``handles`` are 0
    where the system does not tell, or does not let itself be asked.
    """
    snapshot = _last_look(health, seconds)
    lag, drawn = snapshot.stages["lag"], snapshot.counters.get("drawn_frames", 0)
    return {
        **dict.fromkeys(COUNTERS, 0),
        **snapshot.counters,
        "duet": __version__,
        "follower": {"name": contract.name, "weights_sha256": contract.weights_sha256},
        "machine": asdict(machine),
        "sources": sources,
        "seconds": round(seconds, 3),
        "stages": {
            name: {key: round(value, 3) for key, value in asdict(stats).items()}
            for name, stats in snapshot.stages.items()
        },
        "tick_budget_ms": 1e3 * contract.token_frames / contract.fps,
        "drawn_fps": round(drawn / seconds, 2) if seconds > 0 else 0.0,
        "lag_ms": round(lag.p50_ms, 1),
        "lag_p95_ms": round(lag.p95_ms, 1),
        "memory_mb": round(snapshot.memory_mb, 1),
        "handles": snapshot.handles,
        "budgets": [{**asdict(figure), "holds": figure.holds} for figure in judged(snapshot)],
    }


def _last_look(health: Health, seconds: float) -> Snapshot:
    """Everything after ``seconds``; where the system refuses the look, as when handles run out, what was measured and
    counted, without what the show holds and how fast it grew."""
    try:
        return health.snapshot(seconds)
    except OSError:
        health.count("health_failures")
        return Snapshot(seconds, health.stages(), counters={name: health.counter(name) for name in COUNTERS})


def write_report(path: Path, report: dict[str, object]) -> None:
    """Write the report as JSON, whole or not at all."""
    try:
        with written_whole(path) as part:
            part.write_text(json.dumps(report, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"{path}: expected to write the report there, got: {error}. Name another file.") from error
