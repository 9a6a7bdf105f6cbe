"""``duet-lab stress``: a follower under changed worlds, strange leads and half an hour of dancing."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from export.commands.command_line import (
    Commands,
    above_zero,
    add_couples,
    check_file,
    check_folder,
    couples_of,
    new_command,
)

if TYPE_CHECKING:
    from models.evaluation.counterfactuals import Change
    from models.evaluation.strange import Behaviour
    from models.evaluation.stress import Stress
    from models.evaluation.verdicts import Verdict

MORE = """\
Three parts, each with its targets: what changes when leader, music, noise or memory had been another; what the
follower does beside leads it never learned; and whether anything drifts, grows or slows down in a long performance.
Without --data only couples danced in code lead. Exit code 1 when the follower explodes, teleports or says NaN;
missed targets are listed and leave it 0.

  duet-lab stress followers/salsa-s --minutes 2
  duet-lab stress followers/salsa-s --data DATA --json stress.json --out motions
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "stress", "Put an exported follower under stress and hold it against its targets.", run, more=MORE
    )
    command.add_argument("follower", type=Path, metavar="FOLLOWER", help="an exported folder")
    add_couples(command, needed=False)
    command.add_argument("--minutes", type=above_zero, default=30.0, help="of the long performance (default 30)")
    command.add_argument("--json", type=Path, metavar="F", help="write all numbers there")
    command.add_argument("--out", type=Path, metavar="DIR", help="write the couples of the strange leads there, as npz")
    command.set_defaults(stopped="No numbers were written.")


def run(options: argparse.Namespace, console: Console) -> int:
    """Do it; 1 when the follower did what no dancer does."""
    from export.progress import bars
    from models.evaluation.stress import Extent, stress

    _check(options)
    with bars(console) as progress:
        found = stress(
            options.follower,
            couples_of(options) if options.data else None,
            Extent(minutes=options.minutes),
            _Bars(progress),
            options.out,
        )
    if options.json is not None:
        found.write(options.json)
    _tell(found, console)
    return 1 if found.broken else 0


def _check(options: argparse.Namespace) -> None:
    """Find out before the dance, not after it."""
    check_file("--json", options.json)
    check_folder("--out", options.out)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)


class _Bars:
    """A bar for each stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._now = ""

    def stage(self, name: str, steps: int) -> None:
        """See ``models.evaluation.stress.Watcher``."""
        self._finish()
        self._now = name
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None, note="")
        self._progress.update(self._tasks[name], total=steps or None)

    def step(self, what: str, done: int) -> None:
        """See ``models.evaluation.stress.Watcher``."""
        self._progress.update(self._tasks[self._now], completed=done, note=what)

    def _finish(self) -> None:
        if self._now:
            task = self._tasks[self._now]
            self._progress.update(task, completed=self._progress.tasks[task].total, note="")


def _tell(found: "Stress", console: Console) -> None:
    console.print(_changes(found.counterfactuals.changes))
    console.print(_verdicts("Counterfactuals", found.counterfactuals.verdicts))
    console.print(_behaviours(found.behaviours))
    console.print(_verdicts("Strange leads", found.strange_verdicts))
    end = found.endurance
    console.print(_verdicts(f"{end.minutes:.1f} minutes, {end.ticks} ticks", end.verdicts))
    if missed := found.missed:
        console.print(f"Missed: {'; '.join(missed)}.", highlight=False)
    if broken := found.broken:
        console.print(f"{found.follower} breaks: {'; '.join(broken)}.", style="red", highlight=False)
    else:
        console.print(f"{found.follower} holds: no explosion, no teleport, every number finite.", highlight=False)


def _changes(changes: Sequence["Change"]) -> Table:
    table = Table("what was changed", "moves joints m", "pose mm", "beyond noise m", title="What changes what")
    for change in sorted(changes, key=lambda c: -c.gap_m):
        table.add_row(change.name, f"{change.gap_m:.3f}", f"{change.pose_mm:.0f}", f"{change.excess_m:+.3f}")
    return table


def _behaviours(behaviours: Sequence["Behaviour"]) -> Table:
    table = Table("lead", "joint m/s", "root m/s", "touch %", "inside s", "away s", title="Beside strange leads")
    for title in ("distance m", "facing deg", "idle m/s", "skate", "missed"):
        table.add_column(title)
    for b in behaviours:
        table.add_row(
            b.name, f"{b.joint_m_s:.1f}", f"{b.root_m_s:.1f}", f"{b.touching_percent:.0f}", f"{b.inside_s:.2f}",
            f"{b.away_s:.1f}", f"{b.distance_m:.2f}", f"{b.facing_deg:.0f}",
            "" if b.idle_m_s is None else f"{b.idle_m_s:.2f}", f"{b.skate:.2f}", b.missed,
        )  # fmt: skip
    return table


def _verdicts(title: str, verdicts: Sequence["Verdict"]) -> Table:
    table = Table("measured", "value", "target", "", title=title)
    for v in verdicts:
        value = "not measured" if v.value is None else f"{v.value:.3g} {v.unit}"
        mark = {True: Text("met", style="green"), False: Text("missed", style="red"), None: ""}[v.met]
        table.add_row(v.what, value.strip(), v.goal, mark)
    return table
