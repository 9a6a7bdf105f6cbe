"""``duet-lab train``: codec, memory and denoiser, chosen in closed loop."""

import argparse
import shlex
from pathlib import Path

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import Commands, above_zero, add_data, count, data_of, new_command

MORE = """\
Two stages: the codec, then the follower, which is judged in closed loop as it learns; the best weights so far lie in
OUT/best. To go on with a run, give the same command again; with more --steps or --minutes it goes on for longer.
XS tries the whole way in minutes and dances badly; S is what ships.

  duet-lab train --data DATA --out runs/trial --preset XS --codec-steps 50 --steps 50
  duet-lab train --data DATA --out runs/salsa --minutes 90
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "train", "Train a follower; a run that was stopped goes on where it was.", run, more=MORE
    )
    add_data(command)
    command.add_argument("--out", type=Path, required=True, help="folder of the run")
    command.add_argument("--preset", default="S", help="XS, S, M or L (default S)")
    command.add_argument("--name", default="salsa-s", help="what the follower is called (default salsa-s)")
    command.add_argument(
        "--seed", type=count, default=0, help="equal seeds, data and code give equal weights (default 0)"
    )
    command.add_argument("--steps", type=count, metavar="N", help="steps of the second stage")
    command.add_argument("--codec-steps", type=count, metavar="N", help="steps of the first stage")
    command.add_argument(
        "--minutes", type=above_zero, help="stop the second stage after so long; it can be gone on with"
    )
    command.add_argument(
        "--choreographed", type=count, default=180, metavar="N", help="couples danced in code to add (default 180)"
    )
    command.add_argument("--sampler", default="ddim", choices=["ddim", "dpm", "pipelined"], help="(default ddim)")
    command.add_argument("--calls", type=count, default=2, help="network calls a tick (default 2)")
    command.add_argument("--threads", type=count, default=0, help="processor threads (default: all)")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from dataclasses import replace

    import torch

    from export.progress import TrainingBars
    from export.resume import check_resumable
    from models.config import PRESETS, SamplerConfig
    from models.data.corpus import Multiplication, build_corpus
    from models.training.run import Schedule, train

    if options.preset not in PRESETS:
        raise InputError(f"--preset: expected one of {', '.join(PRESETS)}, got {options.preset!r}. Choose one of them.")
    if options.threads:
        torch.set_num_threads(options.threads)
    sampler = SamplerConfig(options.sampler, options.calls)
    config = replace(PRESETS[options.preset], sampler=sampler)
    schedule = Schedule(sampler=sampler)
    chosen = {"steps": options.steps, "codec_steps": options.codec_steps}
    chosen["seconds"] = options.minutes * 60.0 if options.minutes else None
    schedule = replace(schedule, **{name: value for name, value in chosen.items() if value is not None})
    data = data_of(options)
    check_resumable(options.out, config)
    how = Multiplication(choreographed=options.choreographed)
    with console.status("reading couples"):
        corpus = build_corpus(data, config, how=how, seed=options.seed)
    progress = TrainingBars(console, schedule.codec_steps)
    try:
        best = train(options.out, corpus, config, schedule=schedule, seed=options.seed, progress=progress)
    finally:
        progress.stop()
    _release(options, schedule.leak, best)
    console.print(
        f"The best follower lies in {best}. Next: duet-lab export {options.out} --out followers/{options.name}"
    )


def _release(options: argparse.Namespace, leak: float, best: Path) -> None:
    """Write down beside the weights what the model card will say of them."""
    from duet.features import Placement
    from models.config import PRESETS
    from models.data.corpus import STYLES
    from models.data.pairs import CMU_DATA
    from models.data.sequences import DELAYS_FRAMES
    from models.release import Release

    width = PRESETS[options.preset].style_width
    data = f"{CMU_DATA} Mirrored and varied in tempo and distance; no music was recorded, beats were put on the steps."
    if options.choreographed:
        data += f" {options.choreographed} couples choreographed in code by this project were added."
    Release(
        name=options.name,
        style=tuple(float(i == STYLES.index("recorded")) for i in range(width)),
        observed_delay_frames=DELAYS_FRAMES[1],
        root_leak=leak,
        distance_m=Placement().distance_m,
        training_data=f"{data} Nothing of the recordings is in this folder.",
        licence="Apache-2.0 (weights). The recordings are free for use in research and commercial projects worldwide.",
        command=shlex.join(_repeatable(options)),
        seeds=(options.seed,),
        limits=LIMITS,
    ).write(best)


def _repeatable(options: argparse.Namespace) -> list[str]:
    """The command that repeats a training, without the paths of this machine."""
    words = ["duet-lab", "train", "--data", "DATA", "--out", "RUN"]
    for name in ("preset", "name", "seed", "steps", "codec_steps", "minutes", "choreographed", "sampler", "calls"):
        value = getattr(options, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


LIMITS = """\
It learned from minutes of one couple dancing salsa. With other dances, other partners, or a leader who does not
dance, expect it to sway, drift or repeat itself. Fingers and faces are not moved; hands do not meet."""
