"""A whole training run: data, codec, denoiser and memory, chosen by closed-loop error, ready for export."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from duet.features import LEADER_SIZE
from models.config import FollowerConfig, SamplerConfig
from models.data.corpus import Corpus
from models.data.sequences import Sequence
from models.evaluation.closed_loop import closed_loop_score, judge_follower
from models.follower import Follower, save_follower
from models.rollout import TorchPartner
from models.training.averaging import AveragedWeights
from models.training.checkpoint import NUMBERS_FILE, load_checkpoint, save_checkpoint
from models.training.codec_stage import train_codec
from models.training.denoiser_stage import DenoiserTraining, own_dances, plan_loss
from models.training.progress import Progress, plot_history
from models.training.windows import Item, draw_batch, make_item

CODEC_FILE = "codec.safetensors"
HISTORY_FILE = "history.jsonl"
BEST_FOLDER = "best"


@dataclass(frozen=True)
class Schedule:
    """How long a run lasts and how often it looks at itself."""

    codec_steps: int = 1300
    steps: int = 2300
    """Of the denoiser and the memory."""
    seconds: float = math.inf
    """Wall-clock end of the second stage: it stops there with the best weights so far, and can be resumed."""
    judge_every: int = 200
    own_from: int = 500
    """Step from which the follower also learns after its own dances."""
    own_every: int = 50
    own_count: int = 12
    own_ticks: int = 64
    own_keep: int = 96
    leak: float = 0.05
    sampler: SamplerConfig = SamplerConfig()
    """With which it dances for itself and is judged."""


class Trainer:
    """The second stage with all its state; ``run`` may be called again after ``resume``."""

    def __init__(
        self, folder: Path, follower: Follower, corpus: Corpus, schedule: Schedule, how: DenoiserTraining, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.folder, self.follower, self.corpus = folder, follower, corpus
        self.schedule, self.how = schedule, how
        self.rng = np.random.default_rng(seed)
        for parameter in follower.codec.parameters():
            parameter.requires_grad_(False)
        trained = [*follower.memory.parameters(), *follower.denoiser.parameters()]
        self.optimiser = torch.optim.AdamW(trained, how.learning_rate, weight_decay=how.weight_decay, betas=(0.9, 0.98))
        self.averaged = AveragedWeights(follower, how.ema)
        self.targets = encode_all(follower, corpus.train)
        self.items = [make_item(s, t, follower.config) for s, t in zip(corpus.train, self.targets, strict=True)]
        self.own: list[Item] = []
        self.step = 0
        self.best_score = math.inf

    def resume(self) -> None:
        """Go on from the checkpoint in the folder. Own dances are not kept: they are danced anew."""
        numbers = load_checkpoint(self.folder, self.follower, self.averaged, self.optimiser, self.rng)
        self.step, self.best_score = int(numbers["step"]), float(numbers["best_score"])

    def run(self, progress: Progress) -> None:
        """Train to the schedule's end, judging on the way; the best averaged weights lie in ``best``."""
        started = time.monotonic()
        while self.step < self.schedule.steps and time.monotonic() - started < self.schedule.seconds:
            if self.step >= self.schedule.own_from and (self.step % self.schedule.own_every == 0 or not self.own):
                self._dance()
            numbers = self._train_step()
            progress.step(self.step, self.schedule.steps, numbers)
            if self.step % self.schedule.judge_every == 0:
                self._judge(progress, numbers)
        self._judge(progress, {})

    def _train_step(self) -> dict[str, float]:
        self.follower.denoiser.train()
        self.follower.memory.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        own = round(self.how.stretches * self.how.own_share) if self.own else 0
        size = {"length": self.how.stretch_tokens, "windows": self.how.windows}
        loss, parts = 0.0, {}
        for items, count in ((self.items, self.how.stretches - own), (self.own, own)):
            if count:
                batch = draw_batch(items, self.follower.config, self.rng, stretches=count, **size)
                part, numbers = plan_loss(self.follower, batch, self.how, self.rng)
                loss = loss + part * (count / self.how.stretches)
                parts.update({(f"own_{k}" if items is self.own else k): v for k, v in numbers.items()})
        self.optimiser.zero_grad(set_to_none=True)
        assert isinstance(loss, Tensor)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in self.follower.parameters() if p.requires_grad], 1.0)
        self.optimiser.step()
        self.averaged.update(self.follower)
        self.step += 1
        return {"loss": float(loss.detach()), **parts}

    def _learning_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self.how.warmup_steps)
        done = self.step / self.schedule.steps
        falling = 0.5 * (1.0 + math.cos(math.pi * done))
        return warm * (self.how.last_learning_rate + falling * (self.how.learning_rate - self.how.last_learning_rate))

    def _dance(self) -> None:
        s = self.schedule
        danced = own_dances(
            self.averaged.model, self.corpus.train, self.targets, self.rng,
            count=s.own_count, ticks=s.own_ticks, leak=s.leak, sampler=s.sampler,
        )  # fmt: skip
        self.own = [*self.own, *danced][-s.own_keep :]

    def _judge(self, progress: Progress, numbers: dict[str, float]) -> None:
        partner = TorchPartner(self.averaged.model, self.schedule.sampler)
        found = judge_follower(partner, self.corpus.examples, leak=self.schedule.leak)
        score = closed_loop_score(found)
        if score < self.best_score:
            self.best_score = score
            save_follower(replace_sampler(self.averaged.model, self.schedule.sampler), self.folder / BEST_FOLDER)
        row = {"step": self.step, "score": score, **found, **numbers}
        with (self.folder / HISTORY_FILE).open("a") as file:
            file.write(json.dumps(row) + "\n")
        progress.judged(row)
        state = {"step": self.step, "best_score": self.best_score}
        save_checkpoint(self.folder, self.follower, self.averaged, self.optimiser, self.rng, state)
        plot_history(self.folder / HISTORY_FILE, self.folder / "history.png")


def replace_sampler(follower: Follower, sampler: SamplerConfig) -> Follower:
    """The same weights under a configuration that says ``sampler``."""
    other = Follower(replace(follower.config, sampler=sampler))
    other.load_state_dict(follower.state_dict())
    return other.eval()


@torch.no_grad()
def encode_all(follower: Follower, sequences: list[Sequence]) -> list[Tensor]:
    """The latents (N, L) of every sequence's follower."""
    return [follower.codec.encode(torch.from_numpy(s.frames)[None])[0] for s in sequences]


def set_normalisation(follower: Follower, sequences: list[Sequence]) -> None:
    """Mean and spread of the raw conditions over training data, silence and drop-outs included."""

    def moments(rows: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(rows.mean(0, dtype=np.float64)).float(), torch.from_numpy(rows.std(0)).float()

    leader = np.concatenate([s.leader.reshape(-1, LEADER_SIZE) for s in sequences])
    music = np.concatenate([s.music.reshape(len(s.frames), -1) for s in sequences])
    place = np.concatenate([s.place for s in sequences])
    follower.set_normalisation(leader=moments(leader), music=moments(music), place=moments(place))


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
) -> Path:
    """Train a follower of ``config`` on ``corpus`` into ``folder``; returns the folder of the best weights.

    A folder that holds a checkpoint is gone on with. ``codec``: weights of a trained codec to take instead of
    training one.
    """
    schedule, how, progress = schedule or Schedule(), how or DenoiserTraining(), progress or Progress()
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"seed": seed, "how": asdict(how), "schedule": asdict(schedule)}
    (folder / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")
    torch.manual_seed(seed)
    follower = Follower(replace(config, denoiser=replace(config.denoiser, dropout=how.dropout)))
    _fit_codec(folder, follower, corpus, schedule, seed, codec, progress.codec)
    set_normalisation(follower, corpus.train)
    trainer = Trainer(folder, follower, corpus, schedule, how, seed)
    if (folder / NUMBERS_FILE).is_file():
        trainer.resume()
    trainer.run(progress)
    return folder / BEST_FOLDER


def _fit_codec(
    folder: Path,
    follower: Follower,
    corpus: Corpus,
    schedule: Schedule,
    seed: int,
    given: Path | None,
    report: Callable[[dict[str, float]], None],
) -> None:
    path = given or folder / CODEC_FILE
    if not path.is_file():
        made = train_codec(
            follower.config, corpus.train, corpus.validation, steps=schedule.codec_steps, seed=seed, report=report
        )
        save_file({k: v.contiguous() for k, v in made.state_dict().items()}, path)
    follower.codec.load_state_dict(load_file(path))
