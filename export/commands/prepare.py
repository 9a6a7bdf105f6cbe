"""``duet-lab prepare``: what a training would learn from."""

import argparse

from rich.console import Console
from rich.table import Table

from export.commands.command_line import Commands, add_data, data_of, new_command

MORE = """\
DATA holds cmu_salsa/60_NN.bvh and 61_NN.bvh (leader and follower of take NN); the README says where to find them.
Nothing is written.

  duet-lab prepare --data DATA
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "prepare", "Read every couple and say what a training would learn from.", run, more=MORE
    )
    add_data(command)


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from models.data.prepare import prepare

    table = Table("couple", "for", "seconds", "steps a minute", "mean distance m", title="Recorded couples")
    seconds = 0.0
    with console.status("reading"):
        takes = prepare(data_of(options))
    for take in takes:
        seconds += take.seconds
        table.add_row(
            take.name, take.split, f"{take.seconds:.1f}", f"{take.steps_per_minute:.0f}", f"{take.distance_m:.2f}"
        )
    console.print(table)
    console.print(f"{len(takes)} couples, {seconds:.0f} s. Next: duet-lab train --out runs/salsa")
