"""Progress bars of the ``duet-lab`` command."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from models.training.progress import Progress as TrainingProgress

JUDGED = {
    "score": "score",
    "root_ade_m": "root m",
    "distance_mae_m": "distance m",
    "heading_deg": "heading deg",
    "mpjpe_mm": "MPJPE mm",
    "speed_ratio": "speed / real",
    "overlap_percent": "overlap %",
}


def bars(console: Console) -> Progress:
    """A bar with what it counts, and how long it took and will take."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )


class TrainingBars(TrainingProgress):
    """Two bars, one per stage, and a line whenever the follower has danced the validation takes."""

    def __init__(self, console: Console, codec_steps: int) -> None:
        super().__init__(console)
        self._bars = bars(console)
        self._codec = self._bars.add_task("codec", total=codec_steps, note="")
        self._bank: TaskID | None = None
        self._follower: TaskID | None = None
        self._bars.start()

    def codec(self, numbers: dict[str, float]) -> None:
        """Numbers of the first stage."""
        self._bars.update(self._codec, completed=numbers["step"], note=_short(numbers, ("val_mm",)))

    def bank(self, done: int, of: int) -> None:
        """Couples of the bank of reference dances are made."""
        if self._bank is None:
            self._bank = self._bars.add_task("bank", total=of, note="")
        self._bars.update(self._bank, completed=done)

    def step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        """One step of the second stage was made."""
        if self._follower is None:
            self._bars.update(self._codec, completed=self._bars.tasks[0].total)
            self._follower = self._bars.add_task("follower", total=steps, note="")
        self._bars.update(self._follower, completed=step, note=_short(numbers, ("loss",)))

    def judged(self, row: dict[str, float]) -> None:
        """The follower danced the validation takes."""
        text = "  ".join(f"{title} {row[name]:.3g}" for name, title in JUDGED.items() if name in row)
        self._bars.console.print(f"step {row['step']:.0f}: {text}", soft_wrap=True, highlight=False)

    def stop(self) -> None:
        """Leave the bars as they are."""
        self._bars.stop()


class AblationBars(TrainingProgress):
    """One bar over all rows of the table, one for the row that is being trained."""

    def __init__(self, console: Console, rows: int) -> None:
        super().__init__(console)
        self._bars = bars(console)
        self._all = self._bars.add_task("table", total=rows, note="")
        self._row = self._bars.add_task("codec", total=None, note="")
        self._bars.start()

    def begin(self, title: str) -> None:
        """The next row is trained."""
        self._bars.reset(self._row, description=title, total=None, note="")

    def end(self) -> None:
        """It is done."""
        self._bars.advance(self._all)

    def codec(self, numbers: dict[str, float]) -> None:
        """Numbers of the codec that all rows share."""
        self._bars.update(self._row, completed=numbers["step"], note=_short(numbers, ("val_mm",)))

    def step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        """One step of a row was made."""
        self._bars.update(self._row, completed=step, total=steps, note=_short(numbers, ("loss",)))

    def judged(self, row: dict[str, float]) -> None:
        """The follower danced the validation takes."""
        self._bars.update(self._row, note=_short(row, ("score",)))

    def stop(self) -> None:
        """Leave the bars as they are."""
        self._bars.stop()


def timing_table(milliseconds: dict[str, tuple[float, float]]) -> Table:
    """p50 and p99 per role."""
    table = Table("role", "p50 ms", "p99 ms")
    for role, (p50, p99) in milliseconds.items():
        table.add_row(role, f"{p50:.2f}", f"{p99:.2f}")
    return table


def _short(numbers: dict[str, float], names: tuple[str, ...]) -> str:
    return "  ".join(f"{name} {numbers[name]:.3g}" for name in names if name in numbers)
