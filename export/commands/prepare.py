"""``duet-lab prepare``: reads and measures every take, pairs it with music, and keeps it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from duet.errors import InputError
from export.commands.command_line import Commands, add_data, data_of, new_command

if TYPE_CHECKING:
    from models.data.prepare import Prepared

MORE = """\
DATA, or a folder in it, holds one or more of these data sets; each is found by how its files are called:

  cmu         60_NN.bvh and 61_NN.bvh (leader and follower of take NN), or 60.asf, 60_NN.amc, 61.asf, 61_NN.amc
  dd100       motion/{smplx,rotmat,pos3d}/{all,train,test}/GENRE_CHOREO_TAKE_{00,01}.npy, music/mp3/...
  interdance  NAME_0.pkl and NAME_1.pkl
  own         NAME-leader.npz and NAME-follower.npz (or .bvh), or both in NAME-couple.npz; music as NAME.wav; those to
              judge by in the folder validation
  aist        motions/*.pkl and splits/crossmodal_{train,val,test}.txt        solo
  motorica    kth*.bvh with their .wav                                        solo
  finedance   motion/NNN.npy                                                  solo

Couples are what training, banks and evaluation take: duet-lab train --data DATA --dataset dd100. Solos are measured
and kept, and Python loads them (models.data.prepare: load_solos).

Every take is measured (up, unit, rate, floor, sides, steps, music) and kept in the cache folder: a prepare that was
stopped goes on where it was, and only what has changed is done again. A take that cannot be used is named with what
to do about it. Music that was not recorded is made on the steps, and the table says so. Whoever has accepted the
licence of SMPL-X names the folder of its models in DUET_SMPLX: dancers then have their own proportions.

  duet-lab prepare --data DATA
  duet-lab prepare --data DATA --dataset dd100 --cache CACHE --explain
"""

_WIDE = 110
"""Columns of a terminal that has room for what was measured; --explain has it in any."""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "prepare", "Read and measure every take, pair it with music, and keep it.", run, more=MORE
    )
    add_data(command)
    command.add_argument("--dataset", default="auto", help="only this data set (default: all that are found)")
    command.add_argument(
        "--cache", type=Path, help="where prepared takes are kept (default: DUET_CACHE, or the user's cache folder)"
    )
    command.add_argument("--explain", action="store_true", help="say all that was measured, take by take, and in all")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from duet.cache import CACHE_VARIABLE, cache_directory
    from export.progress import bars
    from models.data.prepare import Prepared, Refused, prepare
    from models.data.sources import SOURCES, recordings

    folder = options.cache or cache_directory()
    found = recordings(data_of(options), options.dataset)
    done: list[Prepared] = []
    refused: list[Refused] = []
    with bars(console) as progress:
        task = progress.add_task("prepare", total=len(found), note=found[0].name)
        for number, outcome in enumerate(prepare(found, folder), start=1):
            done += [outcome] if isinstance(outcome, Prepared) else []
            refused += [outcome] if isinstance(outcome, Refused) else []
            progress.update(task, completed=number, note=found[number].name if number < len(found) else "")
    if done:
        console.print(_table(done, measured=console.width >= _WIDE))
    _say(console, done, explain=options.explain)
    if done and options.explain:
        console.print(_paces(done))
    for name in sorted({one.recording.dataset for one in done}):
        console.print(f"{name}: {SOURCES[name].licence}", highlight=False, soft_wrap=True)
    seconds = sum(one.seconds for one in done)
    console.print(f"{len(done)} takes, {seconds:.0f} s, kept in {folder}.", highlight=False, soft_wrap=True)
    if options.cache:
        console.print(f"Set {CACHE_VARIABLE}={folder}, so that the other commands find them.", soft_wrap=True)
    if refused:
        for one in refused:
            console.print(Text("refused", style="red"), one.why, highlight=False, soft_wrap=True)
        raise InputError(
            f"{len(refused)} of {len(found)} takes: expected all to be usable, got those named above. "
            "Mend them, or move them out of the folder."
        )
    console.print(_next(done), highlight=False, soft_wrap=True)


def _next(done: "list[Prepared]") -> str:
    """What can be done with what was prepared."""
    lines, solos = [], sorted({one.recording.dataset for one in done if one.follower is None})
    if solos:
        lines.append(
            f"{', '.join(solos)}: solos, measured and kept, to be loaded in Python (models.data.prepare.load_solos). "
            "Training takes couples."
        )
    couples = sorted({one.recording.dataset for one in done if one.follower is not None})
    if couples:
        plain = any(one.recording.leader.match("cmu_salsa/*.bvh") for one in done)
        asked = "" if plain and couples == ["cmu"] else f" --dataset {','.join(couples)}"
        lines.append(f"Next: duet-lab train{asked} --out runs/{couples[0] if asked else 'salsa'}")
    return "\n".join(lines)


def _table(done: "list[Prepared]", *, measured: bool) -> Table:
    table = Table(title="Takes", caption="made: no music was recorded, the built-in salsa is played on the steps")
    for column in ("take", "data set", "for", "music"):
        table.add_column(column, no_wrap=True)
    for column in ("s", "steps/min", "apart m"):
        table.add_column(column, justify="right", no_wrap=True)
    if measured:
        table.add_column("measured", overflow="fold")
    for one in done:
        apart = one.distance_m
        found = Text(", ").join(Text(f.short, style="yellow" if f.warning else "") for f in one.findings if f.short)
        table.add_row(
            one.recording.name,
            one.recording.dataset,
            one.recording.split,
            one.music,
            f"{one.seconds:.1f}",
            f"{one.steps_per_minute:.0f}",
            "solo" if apart is None else f"{apart:.2f}",
            *([found] if measured else []),
        )
    return table


def _paces(done: "list[Prepared]") -> Table:
    """How far dancers go in a frame, in all takes together."""
    from models.data.checks import FPS
    from models.data.paces import PERCENTILES, paces_m

    dancers = [dancer for one in done for dancer in (one.leader, one.follower) if dancer is not None]
    frames = sum(dancer.frames for dancer in dancers)
    table = Table(title="How far they go in a frame, cm", caption=f"{frames:,} frames of 1/{FPS:g} s")
    table.add_column("", no_wrap=True)
    for percentile in PERCENTILES:
        table.add_column(f"p{percentile:g}", justify="right")
    for what, values in paces_m(dancers).items():
        table.add_row(what, *(f"{100.0 * value:.1f}" for value in values))
    return table


def _say(console: Console, done: "list[Prepared]", *, explain: bool) -> None:
    """What is to be looked at; with ``explain``, everything that was measured."""
    for one in done:
        for finding in one.findings:
            if explain or finding.warning:
                marks = [Text("look at", style="yellow")] if finding.warning else []
                told = f"{one.recording.name}: {finding.text}"
                console.print(*marks, told, highlight=False, soft_wrap=True)
