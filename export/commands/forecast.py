"""``duet-lab forecast``: whether a learned forecast of the leader beats the one that plays."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from export.commands.command_line import (
    Commands,
    above_none,
    above_zero,
    add_couples,
    check_file,
    count,
    couples_of,
    new_command,
)

if TYPE_CHECKING:
    from models.forecaster import Forecaster
    from models.training.forecaster_stage import ForecasterTraining, Leads

MORE = """\
Trains a forecaster on the recorded dancers and on leaders in code, and prints its error beside those of a leader who
stands still, who runs on, and who runs on and comes to rest (the one that plays). One in ten training takes chooses
the weights; the validation takes and the leaders of the table are new to it. With --weights nothing is trained.

  duet-lab forecast --data DATA --out runs/forecaster.safetensors
  duet-lab forecast --data DATA --weights runs/forecaster.safetensors
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "forecast", "Train a leader forecaster and hold it against plain extrapolation.", run, more=MORE
    )
    command.set_defaults(stopped="Nothing was kept.")
    add_couples(command)
    command.add_argument("--out", type=Path, metavar="FILE", help="where its weights go (default: nowhere)")
    command.add_argument("--weights", type=Path, metavar="FILE", help="a forecaster to measure instead of training one")
    command.add_argument("--steps", type=above_none, metavar="N", help="training steps (default 1200)")
    command.add_argument("--minutes", type=above_zero, help="stop training after so long (default: no limit)")
    command.add_argument(
        "--seed", type=count, default=0, help="equal seeds, data and --threads 1 give equal weights (default 0)"
    )
    command.add_argument("--threads", type=count, default=0, help="processor threads (default: all)")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    check_file("--out", options.out)
    from dataclasses import replace

    import torch

    from models.forecaster import forecaster_datasets, load_forecaster, save_forecaster
    from models.training.forecaster_stage import ForecasterTraining, build_leads

    if options.threads:
        torch.set_num_threads(options.threads)
    how = ForecasterTraining()
    how = replace(how, steps=options.steps or how.steps, seconds=60.0 * (options.minutes or math.inf))
    couples = couples_of(options)
    forecaster = load_forecaster(options.weights) if options.weights else None
    with console.status("gathering leaders"):
        leads = build_leads(couples, how, options.seed, learn=forecaster is None)
    if forecaster is None:
        forecaster = _train(leads, how, options.seed, console)
    if options.out:
        learned = forecaster_datasets(options.weights) if options.weights else couples.datasets
        save_forecaster(forecaster, options.out, learned)
        console.print(f"The forecaster lies in {options.out}.")
    _print_errors(leads, forecaster, console)


def _train(leads: "Leads", how: "ForecasterTraining", seed: int, console: Console) -> "Forecaster":
    from export.progress import bars
    from models.config import ForecasterConfig
    from models.training.forecaster_stage import train_forecaster

    with bars(console) as progress:
        task = progress.add_task("forecaster", total=how.steps, note="")

        def report(numbers: dict[str, float]) -> None:
            note = f"error {numbers['of damped']:.3f} of the damped forecast's"
            progress.update(task, completed=numbers["step"], note=note)

        return train_forecaster(ForecasterConfig(), leads, how, seed=seed, report=report)


def _print_errors(leads: "Leads", forecaster: "Forecaster", console: Console) -> None:
    from models.training.forecaster_stage import FRAMES_AHEAD, forecast_errors

    for group, judged in leads.judged.items():
        table = Table("forecast", *(f"{n} frames" for n in FRAMES_AHEAD), title=f"{group}: mean joint error, mm")
        for method, errors in forecast_errors(judged, forecaster).items():
            table.add_row(method, *(f"{error:.0f}" for error in errors))
        console.print(table)
