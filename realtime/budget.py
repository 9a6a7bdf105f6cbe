"""What a performance may cost at most: one table, read by the tests, the panel, the log, the report and the benches.

Panel and log judge the last minutes (``Snapshot.present``), report and benches the whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.health import Snapshot

Figure = Callable[["Snapshot"], float | None]


@dataclass(frozen=True)
class Budget:
    """A figure and its bound."""

    name: str
    unit: str
    most: float
    of: Figure
    """The figure in a snapshot; None where nothing was measured."""

    def judge(self, snapshot: "Snapshot") -> "Judged":
        """This figure now."""
        return Judged(self.name, self.unit, self.most, self.of(snapshot))


@dataclass(frozen=True)
class Judged:
    """A figure beside its bound."""

    name: str
    unit: str
    most: float
    got: float | None

    @property
    def holds(self) -> bool:
        """Whether it is within its bound; what was not measured is."""
        return self.got is None or self.got <= self.most

    def __str__(self) -> str:
        got = "-" if self.got is None else f"{self.got:.3g}"
        return f"{self.name} {got} {self.unit} (at most {self.most:g})".replace("  ", " ")


LEADER_FPS = 30.0
"""Leader frames a second that a follower is made for."""


def _share(part: str, *whole: str) -> Figure:
    def figure(snapshot: "Snapshot") -> float | None:
        total = sum(snapshot.counters.get(name, 0) for name in whole)
        return 100.0 * snapshot.counters.get(part, 0) / total if total else None

    return figure


def _p95(stage: str) -> Figure:
    def figure(snapshot: "Snapshot") -> float | None:
        stats = snapshot.stages.get(stage)
        return stats.p95_ms if stats is not None and stats.n else None

    return figure


def _count(name: str) -> Figure:
    return lambda snapshot: float(snapshot.counters.get(name, 0))


def _missing(name: str, wanted_per_s: float) -> Figure:
    """What is lacking a second; None where nobody counts it."""

    def figure(snapshot: "Snapshot") -> float | None:
        got = snapshot.per_s.get(name)
        return None if got is None else max(wanted_per_s - got, 0.0)

    return figure


BUDGETS = (
    Budget("late ticks", "%", 0.5, _share("late_ticks", "ticks")),
    Budget("longest run of late ticks", "", 2, _count("longest_late_ticks")),
    # Only ticks that were asked can be late: who leaves out every second one is never late.
    Budget("skipped ticks", "%", 0.5, _share("skipped_ticks", "ticks", "skipped_ticks")),
    Budget("frames at rest unasked", "", 0, _count("starved_frames")),
    # Of cameras: a recorded leader has all its frames.
    Budget("leader frames missing", "a second", 1.0, _missing("camera_frames", LEADER_FPS)),
    Budget("camera frames dropped", "%", 0.5, _share("camera_dropped", "camera_frames")),
    Budget("xruns", "", 0, _count("xruns")),
    Budget("broken ticks", "", 0, _count("broken_ticks")),
    # A follower is asked once a token of 133 ms, and the loop itself should be hardly felt beside it.
    Budget("tick p95", "ms", 66.7, _p95("tick")),
    Budget("gather p95", "ms", 10.0, _p95("gather")),
    Budget("decode p95", "ms", 20.0, _p95("decode")),
    Budget("draw p95", "ms", 33.3, _p95("draw")),
    Budget("music p95", "ms", 10.0, _p95("music")),
    Budget("picture to leader p95", "ms", 50.0, _p95("frame")),
    Budget("memory growth", "MB in 10 min", 1.0, lambda snapshot: snapshot.memory_mb_per_10_min),
    Budget("handle growth", "in 10 min", 1.0, lambda snapshot: snapshot.handles_per_10_min),
)


def judged(snapshot: "Snapshot") -> tuple[Judged, ...]:
    """Every figure of the table, in its order."""
    return tuple(budget.judge(snapshot) for budget in BUDGETS)


def exceeded(snapshot: "Snapshot") -> tuple[Judged, ...]:
    """The figures beyond their bounds."""
    return tuple(figure for figure in judged(snapshot) if not figure.holds)
