"""``duet-lab export``: the folder that the live half plays."""

import argparse
from pathlib import Path

from rich.console import Console

from export.commands.command_line import Commands, above_zero, add_couples, couples_of, new_command, weights_folder
from export.commands.evaluate import measure

MORE = """\
Writes *.onnx, MODEL_CARD.md and, last and only when torch and ONNX Runtime agree, contract.json.

  duet-lab export runs/salsa --out followers/salsa-s --data DATA
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "export", "Write the folder the live half plays, and prove it there.", run, more=MORE
    )
    command.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a finished training run")
    command.add_argument("--out", type=Path, required=True, help="the follower's folder, for example followers/salsa-s")
    command.add_argument("--seconds", type=above_zero, default=60.0, help="of carried state to compare (default 60)")
    add_couples(command, needed=False)


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from export.progress import timing_table
    from export.to_onnx import export_follower
    from models.follower import load_follower
    from models.release import read_release

    folder = weights_folder(options.run_folder)
    release = read_release(folder)
    with console.status("loading") as status:
        follower = load_follower(folder)
        bank = folder / release.bank if release.bank else None
        contract, parity = export_follower(
            follower, release, options.out, bank=bank, seconds=options.seconds, progress=status.update
        )
    console.print(timing_table(parity.milliseconds))
    console.print(f"{contract.name}: torch and ONNX Runtime differ by {parity.sentence()}.")
    if options.data is not None:
        measure(options.out, couples_of(options), console)
    console.print(f"{options.out} is ready. Next: duet play --follower {options.out}", soft_wrap=True)
