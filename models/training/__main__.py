"""``python -m models.training``: train a follower on the couples under ``DUET_DATA`` and write its release."""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import tyro

from duet.errors import InputError
from models.config import PRESETS, SamplerConfig
from models.data.corpus import Multiplication, build_corpus
from models.training.denoiser_stage import DenoiserTraining
from models.training.run import Schedule, train


def main(
    run: Path,
    data: Annotated[Path | None, tyro.conf.arg(help="Folder of the couples; DUET_DATA unless given.")] = None,
    preset: str = "S",
    seed: int = 0,
    threads: int = 2,
    codec_steps: int = 1500,
    steps: int = 3000,
    seconds: float = float("inf"),
    copies: int = 4,
    choreographed: int = 30,
    dropout: float = 0.1,
    calls: int = 2,
    leak: float = 0.1,
) -> None:
    """Train into the folder RUN; a run that was stopped goes on."""
    source = data or Path(os.environ.get("DUET_DATA", ""))
    if preset not in PRESETS:
        raise InputError(f"--preset: expected one of {sorted(PRESETS)}, got {preset!r}. Choose one of them.")
    torch.set_num_threads(threads)
    config = PRESETS[preset]
    config = replace(config, denoiser=replace(config.denoiser, dropout=dropout))
    corpus = build_corpus(source, config, how=Multiplication(copies=copies, choreographed=choreographed), seed=seed)
    schedule = Schedule(
        codec_steps=codec_steps, steps=steps, seconds=seconds, leak=leak, sampler=SamplerConfig(calls=calls)
    )
    run.mkdir(parents=True, exist_ok=True)
    (run / "command.txt").write_text(f"python -m models.training {shlex.join(sys.argv[1:])}\n")
    train(run, corpus, config, schedule=schedule, how=DenoiserTraining(), seed=seed)


if __name__ == "__main__":
    tyro.cli(main)
