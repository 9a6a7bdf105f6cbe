"""What ``duet bench perception`` found: as tables, as plain values, and beside its aims."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from duet.skeleton import BODY
from realtime.bench.perception import AGE_GOAL_FRAMES, BODY_GOAL_MM, FPS_GOAL, FRAME_GOAL_MS, PATH_GOAL_CM, Score
from realtime.health import StageStats
from realtime.sight.steadiness import JITTER_GOAL_MM, LAG_GOAL_MS, Steadiness
from ui.bench.output import met_or_missed

_AGE_GOAL_MS = 1e3 * AGE_GOAL_FRAMES / FPS_GOAL


@dataclass(frozen=True)
class Live:
    """How early the leader arrived while everything ran."""

    seconds: float
    frame_ms: StageStats
    """From a picture's arrival to its LeaderFrame."""
    taken_ms: StageStats
    """A picture's age when the pose model began with it."""
    asked_ms: StageStats
    """At every tick: age of the newest picture of the leader that it knew, from mid-exposure on."""
    fps: float
    dropped: float
    """[0, 1] share of pictures nobody took."""
    ticks: int
    late_ticks: int
    heard: float = 0.0
    """Frames of music a second, of 30 that the sound device gives."""
    xruns: int = 0

    @property
    def used_p99_ms(self) -> float:
        """Of ``asked_ms``; the whole time where no tick ever used a picture."""
        return self.asked_ms.p99_ms if self.asked_ms.n else 1e3 * self.seconds


@dataclass(frozen=True)
class Trueness:
    """How true the leader was."""

    scores: dict[str, dict[str, Score]]
    """By variant, then by dance; the first variant is the one that plays."""
    model_alone_mm: dict[str, float]
    picture_error_px: dict[str, float]
    apart: dict[str, Score] = field(default_factory=dict)
    """The first dance as tracked, by what lifting does not know or was not told."""

    @property
    def played(self) -> Score:
        """All dances together, as tracked."""
        return Score.mean(list(next(iter(self.scores.values())).values()))


@dataclass(frozen=True)
class Aim:
    """One thing measured beside what it should be."""

    name: str
    measured: float
    goal: float
    unit: str
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is met, to the last digit that is printed."""
        value = round(self.measured, 1)
        return value >= self.goal if self.at_least else abs(value) <= self.goal


@dataclass(frozen=True)
class Found:
    """Every part that was measured."""

    live: Live | None
    steady: Steadiness | None
    truth: Trueness | None

    @property
    def dances(self) -> list[str]:
        """The names of those that were filmed; none where nothing was held beside the truth."""
        return [] if self.truth is None else list(self.truth.model_alone_mm)

    @property
    def aims(self) -> list[Aim]:
        """What was measured beside what it should be."""
        aims: list[Aim] = []
        if self.live is not None:
            aims += [
                Aim("picture to leader, p95", self.live.frame_ms.p95_ms, FRAME_GOAL_MS, "ms"),
                Aim("picture's age when a tick uses it, p99", self.live.used_p99_ms, _AGE_GOAL_MS, "ms"),
                Aim("leaders a second", self.live.fps, FPS_GOAL, "fps", at_least=True),
            ]
        if self.steady is not None:
            aims += [
                Aim("still, 8 mm of noise", self.steady.rest.body_mm, JITTER_GOAL_MM, "mm rms"),
                Aim("added lag, arm at 1.5 Hz", self.steady.swing_lag_ms, LAG_GOAL_MS, "ms"),
                *(
                    Aim(f"the same, {100.0 * swing.amplitude_m:.0f} cm to either side", swing.lag_ms, LAG_GOAL_MS, "ms")
                    for swing in self.steady.swings
                ),
            ]
        if self.truth is not None:
            played = self.truth.played
            aims += [
                Aim("torso and legs", played.body_mm, BODY_GOAL_MM, "mm"),
                Aim("path", played.path_all_cm, PATH_GOAL_CM, "cm rms"),
            ]
        return aims


def tables(found: Found) -> Iterator[Table]:
    """The aims first, then what they are made of."""
    table = _table("perception", "measured", "aim", "")
    for aim in found.aims:
        goal = f"{'at least' if aim.at_least else 'at most'} {aim.goal:.1f} {aim.unit}"
        table.add_row(aim.name, f"{aim.measured:.1f} {aim.unit}", goal, met_or_missed(aim.holds))
    if found.live is not None:
        live = found.live
        table.add_row("pictures dropped", f"{live.dropped:.2%}", "", "")
        table.add_row("picture's age when the pose model takes it, p50 / p99", _both(live.taken_ms), "", "")
        table.add_row(f"its age at each of {live.asked_ms.n} ticks, p50 / p99", _both(live.asked_ms), "", "")
        table.add_row(f"ticks in {live.seconds:.0f} s (late)", f"{live.ticks} ({live.late_ticks})", "", "")
        table.add_row("music heard by a sound device, frames a second (xruns)", f"{live.heard:.1f} ({live.xruns})")
    if found.steady is not None:
        sizes = ", ".join(f"{swing.gain:.2f}" for swing in found.steady.swings)
        table.add_row("size of these swings, 1 as they were", sizes)
    yield table
    if found.truth is not None:
        yield _where_it_arises(found.truth)
        yield _by_joint(found.truth)
        yield _apart(found.truth)


def json_of(found: Found) -> dict[str, Any]:
    """Everything as plain values."""
    out: dict[str, Any] = {
        "aims": {a.name: {"measured": a.measured, "aim": a.goal, "unit": a.unit, "holds": a.holds} for a in found.aims}
    }
    if found.live is not None:
        out["live"] = asdict(found.live)
    if found.steady is not None:
        out["steady"] = asdict(found.steady)
    if found.truth is not None:
        out["true"] = {
            "model_alone_mm": found.truth.model_alone_mm,
            "picture_error_px": found.truth.picture_error_px,
            "apart": {what: _plain(score) for what, score in found.truth.apart.items()},
            "variants": {
                variant: {name: _plain(score) for name, score in scores.items()}
                for variant, scores in found.truth.scores.items()
            },
        }
    return out


def _plain(score: Score) -> dict[str, Any]:
    return {
        "body_mm": score.body_mm,
        "path_cm": score.path_all_cm,
        "path_axes_cm": [float(v) for v in score.path_cm],
        "tracked": score.tracked,
        "joints_mm": {name: float(mm) for name, mm in zip(BODY.names, score.joints_mm, strict=True)},
    }


def _where_it_arises(truth: Trueness) -> Table:
    """One row a variant, one column a dance."""
    dances = list(truth.model_alone_mm)
    table = _table("torso and legs mm, path cm (across, up, deep)", *dances)
    for variant, scores in truth.scores.items():
        cells = []
        for name in dances:
            across, up, deep = scores[name].path_cm
            cells.append(
                f"{scores[name].body_mm:.0f}, {scores[name].path_all_cm:.1f} ({across:.0f} {up:.0f} {deep:.0f})"
            )
        table.add_row(f"lifted, {variant}", *cells)
    table.add_row("the pose model's own joints", *(f"{truth.model_alone_mm[name]:.0f}" for name in dances))
    table.add_row("its points in the picture, px", *(f"{truth.picture_error_px[name]:.1f}" for name in dances))
    table.add_row("tracked", *(f"{score.tracked:.0%}" for score in next(iter(truth.scores.values())).values()))
    return table


def _apart(truth: Trueness) -> Table:
    """Cameras and dancers that are not as lifting has them."""
    first = next(iter(truth.model_alone_mm))
    table = _table(f"{first}, as tracked", "torso and legs mm", "path cm (across, up, deep)")
    told = {"lens and height told": next(iter(truth.scores.values()))[first]}
    for what, score in (told | truth.apart).items():
        across, up, deep = score.path_cm
        table.add_row(what, f"{score.body_mm:.0f}", f"{score.path_all_cm:.1f} ({across:.0f} {up:.0f} {deep:.0f})")
    return table


def _by_joint(truth: Trueness) -> Table:
    """Mean error of each joint, both sides together."""
    table = _table("joints as tracked, mm", *truth.model_alone_mm)
    played = next(iter(truth.scores.values()))
    for joint, name in enumerate(BODY.names[1:], start=1):
        if not name.startswith("right_"):
            both = [joint, BODY.mirror[joint]]
            label = name.removeprefix("left_")
            table.add_row(label, *(f"{score.joints_mm[both].mean():.0f}" for score in played.values()))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _both(stats: StageStats) -> str:
    return f"{stats.p50_ms:.0f} / {stats.p99_ms:.0f} ms"
