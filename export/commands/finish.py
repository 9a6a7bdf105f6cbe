"""``duet-lab finish``: the last touches to a trained follower."""

import argparse
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from duet.errors import InputError
from duet.files import written_whole
from export.commands.command_line import (
    Commands,
    above_none,
    add_couples,
    check_folder,
    check_other_folder,
    count,
    couples_of,
    new_command,
    weights_folder,
)

if TYPE_CHECKING:
    from models.config import SamplerConfig
    from models.data.corpus import Multiplication
    from models.data.couples import Couples

MORE = """\
Lets the decoder of a trained follower go on learning while its codes stay as they are, so that everything the denoiser
learned still holds: bodies move more sharply between two tokens, feet stand more firmly. --temperature takes noise from
the dance (of upper body, lower body and root): below 1 the follower does what is likely rather than what is
possible, nearer to what a partner would do and less lively.

  duet-lab finish runs/salsa --data DATA --out runs/finished --temperature 1,0.3,0.3
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(commands, "finish", "Sharpen the decoder of a trained follower.", run, more=MORE)
    command.set_defaults(stopped="Nothing was kept.")
    command.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a finished training run")
    add_couples(command, usual="those of the run")
    command.add_argument("--out", type=Path, required=True, help="folder of the finished follower")
    command.add_argument("--steps", type=above_none, metavar="N", help="steps of the decoder (default 1200)")
    command.add_argument("--temperature", metavar="T,T,T", help="noise of upper body, lower body, root (default 1,1,1)")
    command.add_argument("--seed", type=count, default=0, help="equal seeds and data give equal weights (default 0)")
    command.add_argument("--threads", type=count, default=0, help="processor threads (default: all)")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    import torch

    from export.progress import bars
    from export.provenance import datasets_named, multiplied
    from models.data.corpus import build_corpus
    from models.follower import load_follower, save_follower
    from models.release import BEST_FOLDER
    from models.training.finish_stage import Sharpening, sharpen
    from models.training.trainer import replace_sampler

    check_folder("--out", options.out)
    trained = weights_folder(options.run_folder)
    check_other_folder(options.out, options.run_folder)
    if options.threads:
        torch.set_num_threads(options.threads)
    follower = load_follower(trained)
    sampler = _cooled(follower.config.sampler, options.temperature)
    couples = couples_of(options, datasets_named(trained))
    multiply = multiplied(trained)
    with console.status("reading couples"):
        corpus = build_corpus(couples, follower.config, how=multiply, seed=options.seed, forecaster=follower.foresight)
    how = Sharpening() if options.steps is None else Sharpening(steps=options.steps)
    with bars(console) as progress:
        task = progress.add_task("decoder", total=how.steps, note="")

        def report(numbers: dict[str, float]) -> None:
            note = f"{numbers['val_mm']:.1f} mm, root {numbers['val_root_m_s']:.3f} m/s off"
            progress.update(task, completed=numbers["step"], note=note)
            if not numbers["step"]:
                progress.console.print(f"before: {note}", highlight=False)

        follower.codec = sharpen(follower.codec, corpus.train, corpus.validation, how, seed=options.seed, report=report)
    best = options.out / BEST_FOLDER
    best.mkdir(parents=True, exist_ok=True)
    save_follower(replace_sampler(follower, sampler), best)
    _release(options, trained, best, couples, multiply)
    console.print(f"The finished follower lies in {best}. Next: duet-lab export {options.out} --out followers/NAME")


def _cooled(sampler: "SamplerConfig", text: str | None) -> "SamplerConfig":
    """``sampler`` at the temperatures that ``text`` gives."""
    if text is None:
        return sampler
    try:
        return replace(sampler, temperature=tuple(float(part) for part in text.split(",")))
    except ValueError as error:
        raise InputError(
            f"--temperature: expected numbers with a comma between, got {text!r}. Write 1,0.3,0.3."
        ) from error


def _release(
    options: argparse.Namespace, trained: Path, best: Path, couples: "Couples", multiply: "Multiplication"
) -> None:
    """The run's release, told that it was finished, and its bank, whose values the same encoder made.

    The settings come along, so that a run that begins with this one can tell how it came to be.
    """
    from duet.bank_file import load_bank, save_bank
    from export.provenance import FINISHED, finishings, going_on, other_datasets, with_data
    from export.recipe import finish_words, recipe
    from models.follower import WEIGHTS_FILE, load_follower
    from models.release import read_release
    from models.training.bank_stage import codec_sha256
    from models.training.run import settings_beside
    from models.training.settings import SETTINGS_FILE

    release = read_release(trained)
    given = {
        "--seed": options.seed, "--temperature": options.temperature, "--steps": options.steps,
        "--dataset": other_datasets(trained, couples) or None,
    }  # fmt: skip
    words = [str(word) for name, value in given.items() if value is not None for word in (name, value)]
    bank = best / release.bank if release.bank else None
    if bank is not None:
        save_bank(replace(load_bank(trained / release.bank), codec=codec_sha256(load_follower(best).codec)), bank)
    if (values := settings_beside(trained / WEIGHTS_FILE)) is not None:
        origin = values.get("origin") or {}
        values["origin"] = {**origin, FINISHED: [*finishings(origin), words]}
        with written_whole(options.out / SETTINGS_FILE) as part:
            part.write_text(json.dumps(values, indent=2) + "\n")
        command = recipe(values, release.name)
    else:
        command = f"{release.command} && {shlex.join([*finish_words('RUN', 'FINISHED'), *words])}"
    told = replace(release, command=command, seeds=(*release.seeds, options.seed), results="")
    with_data(told, going_on(trained, couples, multiply), release, bank).write(best)
