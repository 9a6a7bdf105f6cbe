"""What a training run tells while it runs, and its curves."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from duet.files import written_whole
from duet.terminal import new_console

_SHOWN = (
    "score",
    "root_ade_m",
    "distance_mae_m",
    "heading_deg",
    "mpjpe_mm",
    "speed_ratio",
    "jerk_ratio",
    "overlap_percent",
)


class Progress:
    """Prints a line now and then. Derive from it to draw something else."""

    def __init__(self, console: Console | None = None, every: int = 50) -> None:
        self.console = console or new_console(highlight=False)
        self.every = every

    def codec(self, numbers: dict[str, float]) -> None:
        """Numbers of the first stage."""
        self._line("codec", numbers)

    def bank(self, done: int, of: int) -> None:
        """Couples of the bank of reference dances are made."""
        if done == of:
            self._line("bank", {"couples": float(of)})

    def step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        """One step of the second stage was made."""
        if step % self.every == 0:
            self._line(f"step {step}/{steps}", numbers)

    def judged(self, row: dict[str, float]) -> None:
        """The follower danced the validation takes."""
        self._line(f"judged at {row['step']:.0f}", {name: row[name] for name in _SHOWN})

    def _line(self, head: str, numbers: dict[str, float]) -> None:
        text = "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
        self.console.print(f"{head}: {text}", soft_wrap=True)


def plot_history(history: Path, picture: Path) -> None:
    """Curves of a run's closed-loop numbers over its steps, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [json.loads(line) for line in history.read_text().splitlines()]
    figure, axes = pyplot.subplots(2, 4, figsize=(16, 7), constrained_layout=True)
    for axis, name in zip(axes.flat, _SHOWN, strict=True):
        axis.plot([r["step"] for r in rows], [r[name] for r in rows], marker=".")
        axis.set(title=name, xlabel="step")
        axis.grid(alpha=0.3)
    with written_whole(picture) as part:
        figure.savefig(part, dpi=80, format="png")
    pyplot.close(figure)


class Curves:
    """The same curves for TensorBoard, in a run's folder, where the package ``tensorboard`` is installed."""

    def __init__(self, folder: Path | None, every: int = 10) -> None:
        """With no ``folder`` nothing is written; ``every`` thins what comes at each step."""
        self.every = every
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # it is optional: history.png is there without it
            return
        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def add(self, group: str, numbers: dict[str, float], step: int) -> None:
        """Numbers by name at ``step``."""
        if self._writer is None or (group == "training" and step % self.every):
            return
        for name, value in numbers.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()
