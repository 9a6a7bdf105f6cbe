"""``duet-lab distil``: a trained follower that dances in one or two calls, with its guidance folded in."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from duet.errors import InputError
from duet.terminal import new_console
from export.commands.command_line import (
    Commands,
    above_zero,
    add_couples,
    check_folder,
    check_other_folder,
    count,
    couples_of,
    new_command,
    weights_folder,
)
from export.commands.train import add_machine

if TYPE_CHECKING:
    from models.data.corpus import Multiplication
    from models.data.couples import Couples

MORE = """\
The student begins with the run's weights and learns to say at once where the run's own sampler, in many calls and with
guidance up to 2, would have ended. It is judged in closed loop meanwhile; the best weights so far lie in OUT/best and
export like any follower, unguided in one pass. To go on with one that was stopped, give the same command again.
With two calls it may also be danced with one (duet-lab calls shows both). Plan for as many steps as half a training.

  duet-lab distil runs/salsa --out runs/salsa-fast --minutes 60
  duet-lab calls runs/salsa --student runs/salsa-fast
  duet-lab export runs/salsa-fast --out followers/salsa-fast
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(commands, "distil", "Teach a trained follower to dance in one or two calls.", run, more=MORE)
    command.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a finished training run")
    command.add_argument("--out", type=Path, required=True, help="folder of the student's run")
    command.add_argument("--calls", type=count, default=2, help="network calls a tick, 1 or 2 (default 2)")
    command.add_argument("--teacher-calls", type=count, default=8, metavar="N", help="of the teacher (default 8)")
    command.add_argument("--steps", type=count, metavar="N", help="(default 2000)")
    command.add_argument("--minutes", type=above_zero, help="stop after so long; it can be gone on with")
    command.add_argument("--name", help="what the student is called (default: as the run, with -fast)")
    command.add_argument("--seed", type=count, default=0, help="(default 0)")
    add_couples(command, usual="those of the run")
    add_machine(command)


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    if options.calls not in (1, 2):
        raise InputError(f"--calls: expected 1 or 2, got {options.calls}. A follower of more needs no distilling.")
    if options.teacher_calls < 2:
        raise InputError(f"--teacher-calls: expected at least 2, got {options.teacher_calls}. Give 8.")
    check_folder("--out", options.out)
    teacher = weights_folder(options.run_folder)
    check_other_folder(options.out, options.run_folder, "teacher's")
    import torch

    from export.progress import TrainingBars
    from export.provenance import datasets_named, multiplied
    from models.config import SamplerConfig
    from models.data.corpus import build_corpus
    from models.follower import load_follower
    from models.training.distil_stage import SCHEDULE, Distillation, distil
    from models.training.distributed import choose_device, printing

    if options.threads:
        torch.set_num_threads(options.threads)
    device, multiply = choose_device(options.device), multiplied(teacher)
    couples = couples_of(options, datasets_named(teacher))
    schedule = replace(SCHEDULE, steps=SCHEDULE.steps if options.steps is None else options.steps)
    if options.minutes:
        schedule = replace(schedule, seconds=60.0 * options.minutes)
    learned = load_follower(teacher)
    console = console if printing() else new_console(quiet=True)
    with console.status("reading couples"):
        corpus = build_corpus(couples, learned.config, how=multiply, seed=options.seed, forecaster=learned.foresight)
    progress = TrainingBars(console, 0)
    try:
        best = distil(
            options.out, teacher, corpus, calls=options.calls,
            what=Distillation(teacher=SamplerConfig("ddim", options.teacher_calls)), schedule=schedule,
            seed=options.seed, multiply=multiply, progress=progress, device=device,
        )  # fmt: skip
    finally:
        progress.stop()
    if printing():
        _release(options, teacher, best, couples, multiply)
    console.print(f"The best student lies in {best}. Next: duet-lab calls {options.run_folder} --student {options.out}")


def _release(
    options: argparse.Namespace, teacher: Path, best: Path, couples: "Couples", multiply: "Multiplication"
) -> None:
    """The teacher's release, told that it was distilled, and its bank beside the student's best weights."""
    import shutil

    from duet.files import written_whole
    from export.provenance import going_on, other_datasets, with_data
    from models.release import read_release

    release = read_release(teacher)
    words = f"duet-lab distil RUN --data DATA --out STUDENT --calls {options.calls} --seed {options.seed}"
    words += f" --teacher-calls {options.teacher_calls}" + (f" --steps {options.steps}" if options.steps else "")
    others = other_datasets(teacher, couples)
    words += f" --dataset {others}" if others else ""
    bank = best / release.bank if release.bank else None
    if bank is not None:
        with written_whole(bank) as part:
            shutil.copyfile(teacher / release.bank, part)
    name = options.name or f"{release.name}-fast"
    command = f"{release.command} && {words}"
    told = replace(release, name=name, command=command, seeds=(*release.seeds, options.seed), results="")
    with_data(told, going_on(teacher, couples, multiply), release, bank).write(best)
