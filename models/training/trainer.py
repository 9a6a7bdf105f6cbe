"""The second half of a run: denoiser and memory, first after the real follower's past, then after their own dances."""

import json
import math
import time
from abc import ABC, abstractmethod
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from duet.features import LEADER_SIZE
from duet.files import written_whole
from duet.retrieval import Bank
from models.config import SamplerConfig
from models.data.corpus import Corpus
from models.data.references import reference_rows
from models.data.sequences import Sequence
from models.evaluation.closed_loop import closed_loop_score, judge_follower
from models.follower import Follower, save_follower
from models.release import BEST_FOLDER
from models.rollout import TorchPartner
from models.training.averaging import AveragedWeights
from models.training.checkpoint import load_checkpoint, load_more, random_states, restore_random, save_checkpoint
from models.training.denoiser_stage import DenoiserTraining, own_dances, plan_loss
from models.training.distributed import Group
from models.training.performances import Performances
from models.training.precision import Precision
from models.training.progress import Curves, Progress, plot_history
from models.training.settings import Schedule
from models.training.whole_blocks import Blocks, block_loss, draw_blocks
from models.training.windows import Batch, Item, draw_batch, make_item

HISTORY_FILE = "history.jsonl"
FOR_NOW = "for_now"
"""Marks a row of the history that stands only until the run goes on."""
Drawn = TypeVar("Drawn", Batch, Blocks)


class WeightedLoss(nn.Module, ABC):
    """The loss as a module: what DistributedDataParallel averages the gradients of."""

    @abstractmethod
    def of(self, batch: Batch | Blocks) -> tuple[Tensor, dict[str, float]]:
        """The loss of one batch, and what it is made of by name."""

    def forward(self, parts: list[tuple[str, Batch | Blocks, float]]) -> tuple[Tensor, dict[str, float]]:
        """The weighted sum over ``parts`` (name, batch, share), and what it is made of by name."""
        losses, numbers = [], {}
        for head, batch, share in parts:
            loss, terms = self.of(batch)
            losses.append(loss * share)
            numbers |= {head + name: value for name, value in terms.items()}
        return torch.stack(losses).sum(), numbers


class Objective(WeightedLoss):
    """Plans after a past, and whole blocks without one."""

    def __init__(
        self, follower: Follower, how: DenoiserTraining, rng: np.random.Generator, values: Tensor | None = None
    ) -> None:
        super().__init__()
        self.follower, self.how, self.rng, self.values = follower, how, rng, values

    def of(self, batch: Batch | Blocks) -> tuple[Tensor, dict[str, float]]:
        """See ``WeightedLoss``."""
        if isinstance(batch, Blocks):
            return block_loss(self.follower, batch, self.how, self.rng)
        return plan_loss(self.follower, batch, self.how, self.values)


class Trainer:
    """The second stage with all its state; ``run`` may be called again after ``resume``."""

    def __init__(
        self,
        folder: Path,
        follower: Follower,
        corpus: Corpus,
        schedule: Schedule,
        how: DenoiserTraining,
        seed: int,
        group: Group | None = None,
        bank: Bank | None = None,
        *,
        keep_best: bool = True,
    ) -> None:
        self.group, self.keep_best = group or Group(), keep_best
        self.bank = bank
        # Each process draws for itself; the weights they start from are the same.
        self.seed = seed
        torch.manual_seed(seed + 7919 * self.group.rank)
        self.rng = np.random.default_rng([seed, self.group.rank] if self.group.rank else seed)
        self.folder, self.corpus = folder, corpus
        self.follower = follower.to(self.group.device)
        self.schedule, self.how = schedule, how
        for part in (follower.codec, follower.forecaster):
            if part is not None:
                part.requires_grad_(False)
        self.trained = [p for p in follower.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.trained, how.learning_rate, weight_decay=how.weight_decay, betas=(0.9, 0.98)
        )
        self.precision = Precision(self.group.device)
        self.averaged = AveragedWeights(follower, how.ema)
        self.objective = self._averaging(self._loss(self._bank_values()))
        self.targets = encode_all(follower, corpus.train)
        rows = [None] * len(corpus.train) if bank is None else reference_rows(bank, corpus.train, follower.config)
        known = zip(corpus.train, self.targets, rows, strict=True)
        self.items = [make_item(s, t, follower.config, reference=r) for s, t, r in known]
        self.performances = (
            Performances(
                self.items, self.follower, self.rng,
                count=how.stretches, length=how.stretch_tokens, forget=how.forget,
            ) if how.carried else None
        )  # fmt: skip
        self.own: list[Item] = []
        self.step = 0
        self.judged_at = -1
        self.best_score = math.inf
        self.since_best = 0
        """Judgings since the best one."""

    def _loss(self, values: Tensor | None) -> WeightedLoss:
        """What is trained by; ``values`` (R, L) are the tokens of the bank, if there is one."""
        return Objective(self.follower, self.how, self.rng, values)

    def _bank_values(self) -> Tensor | None:
        return None if self.bank is None else torch.from_numpy(self.bank.values).to(self.group.device)

    def _averaging(self, objective: nn.Module) -> nn.Module:
        """``objective``, its gradients averaged over the group."""
        if self.group.size == 1:
            return objective
        # What a draw hides (a reference, a dropped condition) leaves parameters without a gradient in that step.
        return DistributedDataParallel(objective, find_unused_parameters=True, broadcast_buffers=False)

    def resume(self) -> None:
        """Go on from the checkpoint in the folder: exactly, where as many processes train as wrote it.

        One that was not among them draws for itself and has danced nothing yet.
        """
        numbers = load_checkpoint(self.folder, self.follower, self.averaged, self.optimiser, self.rng)
        self.step = self.judged_at = int(numbers["step"])
        self.since_best = int(numbers["since_best"])
        self.best_score = math.inf if numbers["best_score"] is None else float(numbers["best_score"])
        if numbers["scaler"]:
            self.precision.scaler.load_state_dict(numbers["scaler"])
        more, rank = load_more(self.folder), self.group.rank
        if rank >= len(numbers["ranks"]):
            self._draw_anew()
            return
        if rank:
            self.rng.bit_generator.state = numbers["ranks"][rank]
            restore_random(_under(more, f"{rank}.random."))
        self.own = unpack(_under(more, f"{rank}.own."))
        if self.performances is not None:
            self.performances.restore(_under(more, f"{rank}.performances."))

    def _draw_anew(self) -> None:
        """Random states of this process's own: the checkpoint gave it those of the first one."""
        drawn = np.random.default_rng([self.seed, self.group.rank, self.step])
        self.rng.bit_generator.state = drawn.bit_generator.state
        torch.manual_seed(int(self.rng.integers(2**62)))

    def run(self, progress: Progress) -> None:
        """Train to the schedule's end, judging on the way; the best averaged weights lie in ``best``."""
        started, s = time.monotonic(), self.schedule
        self._forget_after(self.step)
        self.curves = Curves(self.folder if self.group.leads else None)
        while self.step < s.steps and not self._over(started):
            if s.stage(self.step) == "rollout" and (self.step % s.own_every == 0 or not self.own):
                self._dance()
            numbers = self._train_step()
            progress.step(self.step, s.steps, numbers)
            self.curves.add("training", numbers, self.step)
            if self.step % s.judge_every == 0:
                self._judge(progress, numbers)
        if self.judged_at != self.step:
            self._end(progress)
        self.curves.close()

    def _over(self, started: float) -> bool:
        """Whether time is up, or nothing has become better for long: the first process says so for all."""
        s = self.schedule
        late = time.monotonic() - started >= s.seconds
        tired = s.patience > 0 and self.since_best >= s.patience
        return bool(self.group.agree(float(late or tired)))

    def _train_step(self) -> dict[str, float]:
        self.follower.denoiser.train()
        self.follower.memory.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        parts = self._draw()
        with self.group.on_device(), self.precision.loss():
            loss, numbers = self.objective(parts)
        scaler = self.precision.scaler
        self.optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        scaler.step(self.optimiser)
        scaler.update()
        self.averaged.update(self.follower)
        if self.performances is not None and isinstance(drawn := parts[0][1], Batch):
            with self.group.on_device():
                self.performances.advance(self.follower, drawn)
        self.step += 1
        return {"loss": float(loss.detach()), **numbers}

    def _draw(self) -> list[tuple[str, Batch | Blocks, float]]:
        """Batches after real pasts and after the follower's own, whole blocks without any, and their shares."""
        how = self.how
        own = round(how.stretches * how.own_share) if self.own else 0
        parts: list[tuple[str, Batch | Blocks, float]] = []
        size = {"length": how.stretch_tokens, "windows": how.windows}
        for head, items, count in (("", self.items, how.stretches - own), ("own_", self.own, own)):
            if not count:
                continue
            if head == "" and self.performances is not None:
                batch = self.performances.draw(count, windows=how.windows)
            else:
                batch = draw_batch(items, self.follower.config, self.rng, stretches=count, **size)
            parts.append((head, moved(batch, self.group.device), (1.0 - how.block_share) * count / how.stretches))
        if how.block_share:
            rows = max(1, round(how.block_share * how.stretches * how.windows))
            blocks = draw_blocks(self.items, self.follower.config, self.rng, rows)
            parts.append(("block_", moved(blocks, self.group.device), how.block_share))
        return parts

    def _learning_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self.how.warmup_steps)
        done = self.step / self.schedule.steps
        falling = 0.5 * (1.0 + math.cos(math.pi * done))
        return warm * (self.how.last_learning_rate + falling * (self.how.learning_rate - self.how.last_learning_rate))

    def _dance(self) -> None:
        s = self.schedule
        danced = own_dances(
            self.averaged.model, self.corpus.train, self.targets, self.rng,
            count=s.own_count, ticks=s.own_ticks, leak=s.leak, sampler=s.sampler, bank=self.bank,
        )  # fmt: skip
        self.own = [*self.own, *danced][-s.own_keep :]

    def _end(self, progress: Progress) -> None:
        """Judge at the last step. Where only time is up the run is kept, to come to what it would have come to.

        Weights to dance with meanwhile are those of the last judging; those of now only where there was none.
        """
        if self.step >= self.schedule.steps:
            self._judge(progress, {})
        elif not math.isfinite(self.best_score):
            self._judge(progress, {}, for_now=True)
        else:
            states = self._states()
            if self.group.leads:
                self._save(states)

    def _states(self) -> list[tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]]:
        """Of every process: its random states, its own dances and its performances."""
        more = {f"own.{name}": value for name, value in pack(self.own).items()}
        if self.performances is not None:
            more |= {f"performances.{name}": value for name, value in self.performances.tensors().items()}
        return self.group.gather((self.rng.bit_generator.state, random_states(), more))

    def _judge(self, progress: Progress, numbers: dict[str, float], *, for_now: bool = False) -> None:
        """Dance the validation takes, keep the weights if they are the best so far, and save a checkpoint.

        ``for_now``: a run that goes on from the checkpoint knows nothing of it.
        """
        states, before = self._states(), (self.best_score, self.since_best)
        if self.group.leads:
            partner = TorchPartner(self.averaged.model, self.schedule.sampler, self.bank)
            found = judge_follower(partner, self.corpus.examples, leak=self.schedule.leak)
            score = closed_loop_score(found)
            self.since_best += 1
            if score < self.best_score:
                self.best_score, self.since_best = score, 0
                self._keep()
            row = {"step": self.step, "score": score, **found, **numbers}
            if for_now:
                row[FOR_NOW], (self.best_score, self.since_best) = True, before
            self._write_down({"stage": self.schedule.stage(self.step - 1), **row})
            self._save(states)
            progress.judged(row)
            self.curves.add("closed loop", {"score": score, **found}, self.step)
            plot_history(self.folder / HISTORY_FILE, self.folder / "history.png")
        self.judged_at = self.step
        self.best_score = self.group.agree(self.best_score)
        self.since_best = int(self.group.agree(self.since_best))

    def _write_down(self, row: dict[str, Any]) -> None:
        """One more row of the history."""
        history = self.folder / HISTORY_FILE
        former = history.read_text() if history.is_file() else ""
        with written_whole(history) as part:
            part.write_text(f"{former}{json.dumps(row)}\n")

    def _keep(self) -> None:
        """Save the averaged weights as the best so far."""
        if self.keep_best:
            save_follower(replace_sampler(self.averaged.model, self.schedule.sampler), self.folder / BEST_FOLDER)

    def _save(self, states: list[tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]]) -> None:
        """A checkpoint with every process's random states, own dances and performances."""
        more: dict[str, Tensor] = {}
        for rank, (_, random, kept) in enumerate(states):
            more |= {f"{rank}.random.{name}": value for name, value in random.items()} if rank else {}
            more |= {f"{rank}.{name}": value for name, value in kept.items()}
        numbers = {
            "step": self.step,
            "best_score": self.best_score if math.isfinite(self.best_score) else None,
            "since_best": self.since_best,
            "scaler": self.precision.scaler.state_dict(),
            "ranks": [rng for rng, _, _ in states],
        }
        save_checkpoint(self.folder, self.follower, self.averaged, self.optimiser, self.rng, numbers, more=more)

    def _forget_after(self, step: int) -> None:
        """Take rows out of the history that were written after the checkpoint, or only for the time until now."""
        history = self.folder / HISTORY_FILE
        if not self.group.leads or not history.is_file():
            return
        rows = [line for line in history.read_text().splitlines() if _step_of(line) <= step]
        with written_whole(history) as part:
            part.write_text("".join(f"{row}\n" for row in rows))


def _step_of(line: str) -> float:
    try:
        row = json.loads(line)
        return math.inf if row.get(FOR_NOW) else float(row["step"])
    except ValueError:  # cut short by a kill
        return math.inf


def _under(tensors: dict[str, Tensor], head: str) -> dict[str, Tensor]:
    return {name.removeprefix(head): value for name, value in tensors.items() if name.startswith(head)}


def pack(items: list[Item]) -> dict[str, Tensor]:
    """Items of equal length as one tensor per field (I, ...); a field that is None in all is left out."""
    packed = {}
    for part in fields(Item) if items else ():
        values = [getattr(item, part.name) for item in items]
        if values[0] is not None:
            packed[part.name] = torch.stack([torch.as_tensor(value) for value in values])
    return packed


def unpack(packed: dict[str, Tensor]) -> list[Item]:
    """What ``pack`` was given."""
    count = len(next(iter(packed.values()), ()))
    names = [part.name for part in fields(Item)]

    def value(name: str, index: int) -> Any:
        found = packed[name][index] if name in packed else None
        return bool(found) if name == "own" else found

    return [Item(**{name: value(name, index) for name in names}) for index in range(count)]


def moved(batch: Drawn, device: torch.device) -> Drawn:
    """The same batch on ``device``."""
    tensors = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return replace(batch, **{n: v.to(device, non_blocking=True) for n, v in tensors.items() if isinstance(v, Tensor)})


def replace_sampler(follower: Follower, sampler: SamplerConfig) -> Follower:
    """The same weights under a configuration that says ``sampler``, on the CPU."""
    # Its first, random weights are replaced at once: drawing them must not move what training draws next.
    with torch.random.fork_rng(devices=[]):
        other = Follower(replace(follower.config, sampler=sampler))
    other.load_state_dict(follower.state_dict())
    return other.eval()


@torch.no_grad()
def encode_all(follower: Follower, sequences: list[Sequence]) -> list[Tensor]:
    """The latents (N, L) of every sequence's follower, on the CPU."""
    like = follower.codec.frame_norm.mean
    return [follower.codec.encode(torch.from_numpy(s.frames)[None].to(like))[0].cpu() for s in sequences]


def set_normalisation(follower: Follower, sequences: list[Sequence]) -> None:
    """Mean and spread of the raw conditions over training data, silence and drop-outs included."""

    def moments(rows: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(rows.mean(0, dtype=np.float64)).float(), torch.from_numpy(rows.std(0)).float()

    leader = np.concatenate([s.leader.reshape(-1, LEADER_SIZE) for s in sequences])
    music = np.concatenate([s.music.reshape(len(s.frames), -1) for s in sequences])
    place = np.concatenate([s.place for s in sequences])
    follower.set_normalisation(leader=moments(leader), music=moments(music), place=moments(place))
