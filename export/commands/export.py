"""``duet-lab export``: the folder that the live half plays."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import (
    Commands,
    above_none,
    above_zero,
    add_couples,
    check_other_folder,
    count,
    couples_of,
    new_command,
    weights_folder,
)
from export.commands.evaluate import measure

if TYPE_CHECKING:
    from models.data.couples import Couples

MORE = """\
Writes *.onnx, golden.npz (what torch danced, for every other runtime to be held against), MODEL_CARD.md and, last and
only when torch and ONNX Runtime agree, contract.json. --precision fp16 and int8 lower the denoiser (fp16: the decoder,
too); the contract says how far they are off. --random-weights makes a follower of a preset that learned nothing: for
duet bench model, and refused by duet play.

  duet-lab export runs/salsa --out followers/salsa-s --data DATA
  duet-lab export runs/salsa --out followers/salsa-s-int8 --precision int8
  duet-lab export runs/salsa --out followers/salsa-s --weights    # others can train --from it
  duet-lab export --preset M --random-weights 0 --calls 4 --out out/m-4 --seconds 10
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "export", "Write the folder the live half plays, and prove it there.", run, more=MORE
    )
    command.set_defaults(stopped="What lies in --out is whole: what was there before, or the new follower.")
    command.add_argument("run_folder", type=Path, nargs="?", metavar="RUN", help="folder of a finished training run")
    command.add_argument("--out", type=Path, required=True, help="the follower's folder, for example followers/salsa-s")
    command.add_argument("--seconds", type=above_zero, default=60.0, help="of carried state to compare (default 60)")
    command.add_argument("--precision", default="fp32", help="fp32, fp16 or int8 (default fp32)")
    command.add_argument("--preset", help="with --random-weights: XS, S, M or L")
    command.add_argument("--random-weights", type=count, metavar="SEED", help="of a follower that learned nothing")
    command.add_argument("--calls", type=above_none, help="network calls a tick, unrolled (default: as it was trained)")
    command.add_argument(
        "--weights", action="store_true", help="keep the run's weights and settings, too: training can go on from there"
    )
    command.add_argument(
        "--no-guidance", action="store_true", help="leave out the branch that guidance needs: one pass"
    )
    add_couples(command, needed=False, usual="those of the run")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    _check(options)
    from export.progress import timing_table
    from export.to_onnx import Form, export_follower
    from export.untrained import untrained
    from models.follower import load_follower, with_calls
    from models.release import read_release

    random = options.random_weights is not None
    form = Form(options.precision, guided=not options.no_guidance, untrained=random)
    with console.status("loading") as status:
        if random:
            follower, release = untrained(options.preset, options.random_weights, options.calls)
            folder, couples = options.out, None
        else:
            folder = weights_folder(options.run_folder)
            couples = _couples(options, folder, console)
            release, follower = read_release(folder), load_follower(folder)
            follower = follower if options.calls is None else with_calls(follower, options.calls)
        contract, parity = export_follower(
            follower, release, options.out, bank=folder / release.bank if release.bank else None,
            seconds=options.seconds, progress=status.update, form=form,
            beside=_weights(folder) if options.weights else (),
        )  # fmt: skip
    console.print(timing_table(parity.milliseconds))
    console.print(f"{contract.name}: torch and ONNX Runtime differ by {parity.sentence()}.")
    if couples is not None:
        measure(options.out, couples, console)
    after = "duet bench model" if random else "duet play"
    console.print(f"{options.out} is ready. Next: {after} --follower {options.out}", soft_wrap=True)


def _couples(options: argparse.Namespace, weights: Path, console: Console) -> "Couples | None":
    """The couples to measure with, found out before the work: those of the run, unless others are named.

    None for no data, and, said so, where these couples are not there: DUET_DATA may well name other recordings.
    InputError for a folder that is not there, and where the couples were asked for by name.
    """
    from export.commands.evaluate import check_measurable
    from export.provenance import datasets_named

    if options.data is None:
        return None
    named = datasets_named(weights)
    try:
        couples = couples_of(options, named)
        check_measurable(couples)
        return couples
    except InputError as error:
        if options.dataset or not options.data.is_dir():
            raise
        console.print(
            f"Nothing will be measured in closed loop. {error} Or measure it later: duet-lab evaluate {options.out}",
            highlight=False,
            soft_wrap=True,
        )
        return None


def _weights(weights: Path) -> tuple[Path, ...]:
    """What a run is gone on from: weights, what they are, and how they came to be."""
    from models.follower import CONFIG_FILE, WEIGHTS_FILE
    from models.release import RELEASE_FILE
    from models.training.settings import SETTINGS_FILE

    # As with models.training.run.settings_beside: beside the weights, or a folder up where they are in "best".
    settings = [path for folder in (weights, weights.parent) if (path := folder / SETTINGS_FILE).is_file()]
    return (*settings[:1], *(weights / name for name in (CONFIG_FILE, WEIGHTS_FILE, RELEASE_FILE)))


def _check(options: argparse.Namespace) -> None:
    """InputError for options that do not go together."""
    from duet.contract import PRECISIONS

    if options.precision not in PRECISIONS:
        raise InputError(f"--precision: expected {', '.join(PRECISIONS)}, got {options.precision!r}. Choose one.")
    if (options.random_weights is None) == (options.run_folder is None):
        got = "neither" if options.run_folder is None else "both"
        raise InputError(f"RUN: expected a run or --preset with --random-weights, got {got}. Give one of them.")
    if options.weights and options.random_weights is not None:
        raise InputError("--weights: expected a run whose weights are worth keeping, got random ones. Leave it out.")
    if (options.random_weights is None) != (options.preset is None):
        raise InputError("--preset: expected it together with --random-weights, got one alone. Give both.")
    if options.run_folder is not None:
        check_other_folder(options.out, options.run_folder)
    from models.follower import WEIGHTS_FILE

    if (options.out / WEIGHTS_FILE).is_file() and not options.weights:
        raise InputError(
            f"--out: expected a folder without weights, got {options.out}, whose {WEIGHTS_FILE} would not be those of "
            "the new graphs. Give --weights to have them replaced, or another folder."
        )
