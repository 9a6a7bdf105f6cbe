"""``duet-lab train``: codec, memory and denoiser, chosen in closed loop."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from duet.errors import InputError
from duet.terminal import new_console
from export.commands.command_line import (
    Commands,
    above_zero,
    add_couples,
    count,
    couples_of,
    new_command,
    weights_folder,
)
from export.settings_text import settable, settings_text

if TYPE_CHECKING:
    from models.forecaster import Forecaster
    from models.training.settings import Settings

MORE = """\
Two halves: the codec, then the follower, which learns after the real past first and after its own dances later, and is
judged in closed loop meanwhile; the best weights so far lie in OUT/best, its curves in OUT/history.png (and, where
tensorboard is installed, in OUT/tensorboard). To go on with a run that was stopped, give the same command again: it
comes to the same weights. What a run was begun with is frozen in OUT/settings.json; to change it, begin another
run with --from, a run or a follower that came with its weights (followers/salsa-s), and its own settings unless told
otherwise. With several GPUs: torchrun --nproc-per-node N -m export.cli train ... . XS tries the whole way in
minutes and dances badly; S is what ships.

settings, for --set NAME=VALUE or as tables in the file of --config (with the defaults of preset S):
{settings}

  duet-lab train --data DATA --out runs/trial --preset XS --codec-steps 50 --steps 50
  duet-lab train --data DATA --out runs/finer --from runs/salsa --set how.learning_rate=1e-4 --set how.own_share=0.7
  duet-lab forecast --data DATA --out runs/forecaster.safetensors
  duet-lab train --data DATA --out runs/salsa --forecaster runs/forecaster.safetensors --minutes 90
  duet-lab train --data DATA --dataset dd100 --out runs/duets --set multiply.copies=2
  duet-lab train --data MINE --dataset own --out runs/mine --from followers/salsa-s --steps 1000
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "train", "Train a follower; a run that was stopped goes on where it was.", run,
        more=MORE.format(settings=settings_text()),
    )  # fmt: skip
    add_couples(command)
    command.add_argument("--out", type=Path, required=True, help="folder of the run")
    command.add_argument("--preset", help="XS, S, M or L (default S, or as the run of --from)")
    command.add_argument("--name", help="what the follower is called (default: as the folder OUT)")
    command.add_argument(
        "--seed", type=count, help="equal seeds, data, code and --threads 1 give equal weights (default 0)"
    )
    add_lengths(command)
    command.add_argument(
        "--minutes", type=above_zero, help="stop the second half after so long; it can be gone on with"
    )
    command.add_argument("--sampler", choices=["ddim", "dpm", "pipelined"], help="(default ddim)")
    command.add_argument("--calls", type=count, help="network calls a tick (default 2, M and L 4)")
    command.add_argument(
        "--from", dest="start", type=Path, metavar="RUN", help="begin with the weights and the codec of another run"
    )
    command.add_argument("--codec", type=Path, metavar="RUN", help="take the codec of another run")
    command.add_argument(
        "--bank", type=Path, metavar="FILE", help="reference dances to learn from, with --set how.references=0.6"
    )
    command.add_argument(
        "--forecaster", type=Path, metavar="FILE",
        help="what foresees leaders, from duet-lab forecast (default: that of --from, or none)",
    )  # fmt: skip
    add_settings(command)
    add_machine(command)


def add_lengths(command: argparse.ArgumentParser) -> None:
    """The options for how long the two halves are."""
    command.add_argument("--steps", type=count, metavar="N", help="steps of the second half")
    command.add_argument("--codec-steps", type=count, metavar="N", help="steps of the codec")


def add_settings(command: argparse.ArgumentParser) -> None:
    """The options for any setting by name."""
    command.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML or JSON (or a settings.json)")
    command.add_argument(
        "--set", dest="changes", action="append", default=[], metavar="NAME=VALUE", help="one setting; may be repeated"
    )


def add_machine(command: argparse.ArgumentParser) -> None:
    """The options for what it is computed on."""
    command.add_argument("--device", default="auto", help="cpu, cuda or auto: a GPU where there is one (default auto)")
    command.add_argument("--threads", type=count, default=0, help="processor threads (default: all)")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from dataclasses import replace

    import torch

    from export.progress import TrainingBars
    from export.provenance import release_before
    from export.recipe import describe_run
    from export.resume import check_resumable
    from models.data.corpus import build_corpus
    from models.forecaster import Foresight
    from models.training.distributed import choose_device, printing
    from models.training.run import CODEC_FILE, train

    if options.threads:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    settings = settings_of(options)
    _check(options, settings)
    start = None if options.start is None else weights_folder(options.start)
    former = release_before(start)
    codec = options.codec / CODEC_FILE if options.codec is not None and options.codec.is_dir() else options.codec
    couples = couples_of(options)
    forecaster = _forecaster(options.forecaster, start)
    if forecaster is not None:
        settings = replace(settings, follower=replace(settings.follower, forecaster=forecaster.config))
    check_resumable(options.out, settings, codec)
    console = console if printing() else new_console(quiet=True)
    with console.status("reading couples"):
        foresight = None if forecaster is None else Foresight(forecaster)
        corpus = build_corpus(
            couples, settings.follower, how=settings.multiply, seed=settings.seed, forecaster=foresight
        )
    progress = TrainingBars(console, 0 if codec or start else settings.schedule.codec_steps)
    try:
        best = train(
            options.out, corpus, settings.follower, schedule=settings.schedule, how=settings.how, seed=settings.seed,
            codec=codec, start=start, bank=options.bank, codec_training=settings.codec, multiply=settings.multiply,
            forecaster=forecaster, forecaster_file=options.forecaster, device=device, progress=progress,
        )  # fmt: skip
    finally:
        progress.stop()
    name = options.name or options.out.resolve().name
    if printing():
        describe_run(options.out, name, former=former)
    console.print(f"The best follower lies in {best}. Next: duet-lab export {options.out} --out followers/{name}")


def _check(options: argparse.Namespace, settings: "Settings") -> None:
    """InputError for options that do not go together."""
    if options.start is not None and options.codec is not None:
        raise InputError("--codec: expected it without --from, which brings its own, got both. Leave one out.")
    if options.bank is not None and settings.how.references <= 0.0:
        raise InputError(
            "--bank: expected how.references above 0 with it, got 0: it would not be used. "
            "Add --set how.references=0.6, or leave the bank out."
        )


def _forecaster(given: Path | None, start: Path | None) -> "Forecaster | None":
    """The forecaster of the run: the one that is given, else that of the run it begins with."""
    from models.follower import load_follower
    from models.forecaster import load_forecaster

    if given is not None:
        return load_forecaster(given)
    return None if start is None else load_follower(start).forecaster


def settings_of(options: argparse.Namespace) -> "Settings":
    """The settings that the command line asks for: preset or run of --from, then file, then options, then --set."""
    from dataclasses import replace

    from models.training.overrides import overridden, parse_assignment, read_changes
    from models.training.settings import Schedule, Settings, check_together

    config = _first_config(options)
    settings = Settings(follower=config, schedule=Schedule(sampler=config.sampler))
    changes = _inherited(options, settings)
    if options.config is not None:
        changes |= {name: value for name, value in read_changes(options.config).items() if settable(name)}
    short = {
        "seed": "seed", "schedule.steps": "steps", "schedule.codec_steps": "codec_steps",
        "schedule.sampler.kind": "sampler", "schedule.sampler.calls": "calls",
    }  # fmt: skip
    given = {name: getattr(options, option, None) for name, option in short.items()}
    changes |= {name: value for name, value in given.items() if value is not None}
    if getattr(options, "minutes", None):
        changes["schedule.seconds"] = options.minutes * 60.0
    for text in options.changes:
        name, value = parse_assignment(text)
        if not settable(name):
            raise InputError(f"--set: expected a setting that is free, got {name}. See duet-lab train --help.")
        changes[name] = value
    settings = overridden(settings, changes)
    settings = replace(settings, follower=replace(settings.follower, sampler=settings.schedule.sampler))
    check_together(settings)
    return settings


def _inherited(options: argparse.Namespace, settings: "Settings") -> dict[str, Any]:
    """What the run of --from was told, as far as this version knows it; how the follower is built its weights say."""
    from export.recipe import inherited
    from models.follower import WEIGHTS_FILE
    from models.training.overrides import flat
    from models.training.run import settings_beside
    from models.training.settings import plain

    if getattr(options, "start", None) is None:
        return {}
    known = flat(plain(settings)).keys()
    told = settings_beside(weights_folder(options.start) / WEIGHTS_FILE) or {}
    return {name: value for name, value in inherited(told).items() if name in known}


def _first_config(options: argparse.Namespace) -> Any:
    """The follower's configuration before any setting: of the preset, or of the run it begins with."""
    from models.config import PRESETS, read_config
    from models.follower import CONFIG_FILE

    if options.preset is not None and options.preset not in PRESETS:
        raise InputError(f"--preset: expected one of {', '.join(PRESETS)}, got {options.preset!r}. Choose one of them.")
    if getattr(options, "start", None) is None or options.preset is not None:
        return PRESETS[options.preset or "S"]
    path = weights_folder(options.start) / CONFIG_FILE
    if not path.is_file():
        raise InputError(f"{path.parent}: expected {CONFIG_FILE} in it, got none. Give --from a run with weights.")
    return read_config(path)
