"""``duet-lab evaluate``: numbers of an exported follower beside its baselines."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from export.commands.command_line import Commands, add_data, data_of, new_command

if TYPE_CHECKING:
    from models.evaluation.report import Report

MORE = """\
Needs the exported folder and the recorded couples, not the run. Replaces the numbers in FOLLOWER/MODEL_CARD.md.

  duet-lab evaluate followers/salsa-s --data DATA
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands,
        "evaluate",
        "Dance the validation takes live-causally and write the numbers into the card.",
        run,
        more=MORE,
    )
    command.add_argument("follower", type=Path, metavar="FOLLOWER", help="an exported folder")
    add_data(command)


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    measure(options.follower, data_of(options), console)


def measure(folder: Path, data: Path, console: Console) -> "Report":
    """Dance the validation takes and put the numbers into the card of ``folder``."""
    from duet.contract import load_contract
    from export.card import put_results
    from models.evaluation.report import evaluate

    contract = load_contract(folder)
    with console.status("dancing the validation takes"):
        report = evaluate(folder, data, leak=contract.root_leak)
    put_results(folder, report.markdown())
    console.print(report.markdown(), highlight=False, soft_wrap=True)
    return report
