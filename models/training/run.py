"""A whole training run, stage by stage: codec, denoiser and memory, their own dances; the best is ready for export."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from duet.errors import InputError
from models.codec import Codec
from models.config import FollowerConfig
from models.data.corpus import Corpus, Multiplication
from models.follower import WEIGHTS_FILE, Follower, grown, load_follower
from models.forecaster import Forecaster, forecaster_datasets
from models.release import BEST_FOLDER
from models.training.bank_stage import bank_of_run
from models.training.checkpoint import CHECKPOINT_FILE
from models.training.codec_stage import CODEC_CHECKPOINT, CodecTraining, train_codec
from models.training.denoiser_stage import DenoiserTraining
from models.training.distributed import Group, joined
from models.training.hidden import Hidden
from models.training.hidden import hide as hide_conditions
from models.training.progress import Progress
from models.training.settings import (
    SETTINGS_FILE,
    Schedule,
    Settings,
    check_own_ticks,
    check_settings,
    fingerprint,
    read_settings,
    weights_digest,
    write_settings,
)
from models.training.trainer import Trainer, set_normalisation
from models.weights import check_fits, load_weights, save_weights

CODEC_FILE = "codec.safetensors"


@dataclass(frozen=True)
class Sources:
    """What a run takes from others."""

    codec: Path | None = None
    """Weights of a trained codec, instead of training one."""
    start: Path | None = None
    """Folder with a follower's weights to begin the second stage with; its codec and normalisation come along."""
    bank: Path | None = None
    """Bank of reference dances, where the run learns from some, instead of one that is choreographed for it."""
    forecaster: Forecaster | None = None
    """Foresees leaders, as in the corpus; a ``start`` brings its own."""
    forecaster_file: Path | None = None
    """Where that was read, unless the ``start`` brought it: it tells what was learned from."""


def begun(folder: Path) -> bool:
    """Whether anything was learned in ``folder`` that a new start would go on from."""
    return any((folder / name).is_file() for name in (CODEC_FILE, CODEC_CHECKPOINT, CHECKPOINT_FILE))


def train(
    folder: Path,
    corpus: Corpus,
    config: FollowerConfig,
    *,
    schedule: Schedule | None = None,
    how: DenoiserTraining | None = None,
    seed: int = 0,
    codec: Path | None = None,
    progress: Progress | None = None,
    codec_training: CodecTraining | None = None,
    multiply: Multiplication | None = None,
    start: Path | None = None,
    bank: Path | None = None,
    forecaster: Forecaster | None = None,
    forecaster_file: Path | None = None,
    device: torch.device | str = "cpu",
    hide: tuple[Hidden, ...] = (),
) -> Path:
    """Train a follower of ``config`` on ``corpus`` into ``folder``; returns the folder of the best weights.

    A folder that holds a checkpoint is gone on with, exactly as if it had never stopped; InputError when its settings
    or its data were others. ``codec``: weights of a trained codec to take instead of training one. ``start``: folder
    of a follower whose weights, codec and normalisation the second stage begins with. ``bank``: reference dances to
    take instead of making some, where ``how.references`` is above 0. ``forecaster``: what the corpus was made with,
    and ``forecaster_file`` where it was read, for the record.
    ``multiply`` says how the corpus was made, for the record. ``hide``: conditions it never sees; such a run is
    judged, and keeps no best weights. Under torchrun all processes train together.
    """
    settings = Settings(
        seed, config, multiply or Multiplication(), codec_training or CodecTraining(), how or DenoiserTraining(),
        schedule or Schedule(), hide,
    )  # fmt: skip
    with joined(torch.device(device)) as group:
        progress = progress or Progress()
        sources = Sources(codec, start, bank, forecaster, forecaster_file)
        prepared(folder, corpus, settings, sources, progress, group).run(progress)
    return folder / BEST_FOLDER


def prepared(
    folder: Path, corpus: Corpus, settings: Settings, sources: Sources, progress: Progress, group: Group
) -> Trainer:
    """The second half of a run, ready to begin or to go on: settings frozen or checked, codec there."""
    s = settings
    check_own_ticks(s, max(sequence.tokens for sequence in corpus.train))
    if group.leads:
        _freeze(folder, corpus, settings, sources)
    group.wait()
    torch.manual_seed(s.seed)
    learned = s.follower.denoiser.references or s.how.references > 0.0
    denoiser = replace(s.follower.denoiser, dropout=s.how.dropout, references=learned)
    follower = Follower(replace(s.follower, denoiser=denoiser))
    if sources.start is None:
        if group.leads and sources.codec is None:
            fit_codec(folder, corpus, settings, progress.codec, group.device)
        group.wait()
        follower.codec.load_state_dict(load_weights(sources.codec or folder / CODEC_FILE))
        set_normalisation(follower, corpus.train)
    else:
        take_weights(follower, sources.start)
    if sources.forecaster is not None and follower.forecaster is not None:
        follower.forecaster.load_state_dict(sources.forecaster.state_dict())
    hide_conditions(follower, s.hide)
    bank = None
    if s.how.references > 0.0:
        if group.leads:
            bank_of_run(folder, sources.bank, follower.codec, follower.config, progress.bank)
        group.wait()
        bank = bank_of_run(folder, sources.bank, follower.codec, follower.config)
    trainer = Trainer(folder, follower, corpus, s.schedule, s.how, s.seed, group, bank, keep_best=not s.hide)
    if (folder / CHECKPOINT_FILE).is_file():
        trainer.resume()
    return trainer


def _freeze(folder: Path, corpus: Corpus, settings: Settings, sources: Sources) -> None:
    """Write the settings of a new run, or compare them with those the run was begun with."""
    folder.mkdir(parents=True, exist_ok=True)
    origin: dict[str, Any] = {"data": fingerprint(corpus), "datasets": corpus.datasets}
    origin |= {"couples": corpus.couples} if corpus.couples else {}
    for name, path in (
        ("codec", sources.codec),
        ("start", sources.start and sources.start / WEIGHTS_FILE),
    ):
        if path is not None and not path.is_file():
            raise InputError(f"{path}: expected weights, got no such file. Give a run that has some.")
        origin[name] = None if path is None else weights_digest(path)
        if path is not None and (known := settings_beside(path)) is not None:
            origin[f"{name}_settings"] = known
    origin["bank"] = None if sources.bank is None else weights_digest(sources.bank)
    if sources.forecaster_file is not None:
        origin["forecaster"] = weights_digest(sources.forecaster_file)
        if datasets := forecaster_datasets(sources.forecaster_file):
            origin["forecaster_settings"] = {"origin": {"datasets": list(datasets)}}
    if sources.codec is not None:
        check_codec(sources.codec, settings.follower)
    if begun(folder) and (folder / SETTINGS_FILE).is_file():
        check_settings(folder, settings, origin)
    else:
        write_settings(folder, settings, origin)


def check_codec(path: Path, config: FollowerConfig) -> None:
    """InputError unless ``path`` holds the weights of a codec of the sizes that ``config`` has."""
    if not path.is_file():
        raise InputError(f"{path}: expected weights, got no such file. Give a run that has some.")
    check_fits(
        path, Codec(config.codec), f"the weights of a codec of preset {config.name}",
        "Give the --preset, and the settings of follower.codec, that it was trained with, or another --codec.",
    )  # fmt: skip


def settings_beside(weights: Path) -> dict[str, Any] | None:
    """The settings of the run that ``weights`` come from, where they are still there: in its folder or in ``best``."""
    for folder in (weights.parent, weights.parent.parent):
        if (folder / SETTINGS_FILE).is_file():
            return read_settings(folder)
    return None


def fit_codec(
    folder: Path,
    corpus: Corpus,
    settings: Settings,
    report: Callable[[dict[str, float]], None],
    device: torch.device | str = "cpu",
) -> Path:
    """The first half of a run: the codec in ``folder``, fitted there unless it is; it goes on where it was stopped."""
    path = folder / CODEC_FILE
    if path.is_file():
        return path
    made = train_codec(
        settings.follower, corpus.train, corpus.validation, steps=settings.schedule.codec_steps, seed=settings.seed,
        report=report, how=settings.codec, folder=folder, device=device,
    )  # fmt: skip
    save_weights(made.state_dict(), path)
    (folder / CODEC_CHECKPOINT).unlink(missing_ok=True)
    return path


def take_weights(follower: Follower, start: Path) -> None:
    """Take a trained follower's weights; options that it has not begin at no effect. InputError when sizes differ."""
    follower.load_state_dict(grown(load_follower(start), follower.config).state_dict())
