"""``duet-lab bank``: couples to remember, for a follower that is shown what a partner once danced."""

import argparse
from pathlib import Path

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import (
    Commands,
    above_zero,
    add_couples,
    check_file,
    count,
    couples_of,
    new_command,
    weights_folder,
)

SHIPS_BYTES = 15_000_000
"""A file that is still pleasant to fetch with a follower."""

MORE = """\
A bank holds follower tokens in the latents of one run's codec, found by what a live tick knows of its leader. Without
--recorded its couples dance in code, and it may ship with the follower. With --recorded it holds the training couples
under DATA: it is for those who have that data, and a follower exported with it carries their motion.

Train on it and export it with the run:

  duet-lab bank runs/salsa --couples 72
  duet-lab bank runs/salsa --recorded --data DATA --out recorded.npz
  duet-lab bank runs/duets --recorded --data DATA --dataset dd100
  duet-lab train --data DATA --out runs/recalls --from runs/salsa --bank recorded.npz --set how.references=0.6
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(commands, "bank", "Make a bank of reference dances for a run's codec.", run, more=MORE)
    command.set_defaults(stopped="Nothing was written.")
    command.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a training run: its codec is used")
    command.add_argument("--out", type=Path, metavar="FILE", help="the bank, .npz (default RUN/bank.npz)")
    command.add_argument("--couples", type=count, metavar="N", help="couples that dance in code (default 72)")
    command.add_argument("--seconds", type=above_zero, metavar="S", help="length of each (default 40)")
    command.add_argument("--seed", type=count, metavar="S", help="another seed, other couples (default 2024)")
    command.add_argument("--recorded", action="store_true", help="the recorded training couples instead")
    add_couples(command)


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from duet.bank_file import save_bank
    from export.progress import bars
    from models.follower import load_follower
    from models.training.bank_stage import BANK_FILE, choreographed_bank, recorded_bank

    out = options.out or options.run_folder / BANK_FILE
    asked = {name: getattr(options, name) for name in ("couples", "seconds", "seed")}
    asked = {name: value for name, value in asked.items() if value is not None}
    if out.suffix.lower() != ".npz":
        raise InputError(f"--out: expected a name in .npz, got {out.name!r}. Change the ending.")
    if options.recorded and asked:
        raise InputError(f"--{min(asked)}: expected it without --recorded, got both. Leave one out.")
    follower = load_follower(weights_folder(options.run_folder))
    if options.out is None and out.is_file() and follower.config.denoiser.references:
        raise InputError(
            f"--out: expected a file for it, got none, and {out} is what this follower learned with. Name another."
        )
    check_file("--out", out)
    with bars(console) as progress:
        task = progress.add_task("couples", total=None, note="")

        def report(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        if options.recorded:
            bank = recorded_bank(couples_of(options), follower.codec, follower.config, report=report)
        else:
            bank = choreographed_bank(follower.codec, follower.config, **asked, report=report)
    save_bank(bank, out)
    size = out.stat().st_size
    console.print(
        f"{out}: {bank.origin}; {int(bank.begins.sum())} moments to refer to, {size / 1e6:.1f} MB.", soft_wrap=True
    )
    if size > SHIPS_BYTES:
        console.print(f"It is larger than {SHIPS_BYTES / 1e6:.0f} MB: every tick will feel it. Give fewer --couples.")
