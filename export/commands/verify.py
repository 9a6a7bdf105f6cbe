"""``duet-lab verify``: an exported follower against the weights it came from."""

import argparse
from pathlib import Path

from rich.console import Console

from export.commands.command_line import Commands, above_zero, new_command, weights_folder

MORE = """\
Runs torch and ONNX Runtime side by side on equal inputs, each with its own state, and fails when they part.

  duet-lab verify runs/salsa --follower followers/salsa-s
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "verify", "Hold an exported follower against the weights it came from.", run, more=MORE
    )
    command.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the training run")
    command.add_argument("--follower", type=Path, required=True, help="the exported folder")
    command.add_argument("--seconds", type=above_zero, default=60.0, help="of carried state to compare (default 60)")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from export.progress import timing_table
    from export.verify import verify_folder
    from models.follower import load_follower

    with console.status("comparing"):
        parity = verify_folder(
            load_follower(weights_folder(options.run_folder)), options.follower, seconds=options.seconds
        )
    console.print(timing_table(parity.milliseconds))
    console.print(
        f"Torch and ONNX Runtime differ by {parity.sentence()}; {parity.tick_ms:.1f} ms a tick.", soft_wrap=True
    )
