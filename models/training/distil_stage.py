"""Distillation: a follower that dances in one or two calls what it danced in many, guidance folded in.

The student begins as the teacher with one more input, the guidance (``models.guidance.FoldedGuidance``). From the same
noise, under the same conditions, after histories that the student danced itself, the teacher descends its whole guided
ladder; the student learns to say the end of it at every rung of its own, shorter ladder (Luhman and Luhman 2021, arXiv
2101.02388; guidance folded in as Meng et al. 2023, arXiv 2210.03142, do). A regression onto one end per noise has no
average to fall back to, as one onto many possible dances has: the teacher's variety is there to be learned.
Codec and memory stay the teacher's. Scales of zero stay what they were: the conditional dance.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from duet.errors import InputError
from duet.features import FOLLOWER_CONTACT
from duet.retrieval import Bank
from models.conditions import Conditions, Drop
from models.config import STREAMS, FollowerConfig, SamplerConfig
from models.data.corpus import Corpus, Multiplication
from models.denoiser import Context
from models.diffusion import latent_loss
from models.follower import WEIGHTS_FILE, Follower, grown, load_follower
from models.guidance import guide
from models.release import BEST_FOLDER, read_release
from models.samplers import ladder, sample, start
from models.training.bank_stage import bank_of_run
from models.training.checkpoint import CHECKPOINT_FILE
from models.training.denoiser_stage import DenoiserTraining, token_importance, told
from models.training.distributed import Group, joined
from models.training.losses import frame_losses
from models.training.precision import exact
from models.training.progress import Progress
from models.training.run import settings_beside
from models.training.settings import (
    SETTINGS_FILE,
    Schedule,
    Settings,
    check_own_ticks,
    check_settings,
    fingerprint,
    weights_digest,
    write_settings,
)
from models.training.trainer import Trainer, WeightedLoss
from models.training.whole_blocks import Blocks
from models.training.windows import Batch


@dataclass(frozen=True)
class Distillation:
    """What a student is shown."""

    teacher: SamplerConfig = SamplerConfig("ddim", 8)
    unguided: float = 0.5
    """Share of batches with scales of zero, which is what is mostly danced."""
    strongest: float = 2.0
    """The other scales are drawn evenly up to this."""


LEARNING = DenoiserTraining(
    learning_rate=2e-4, last_learning_rate=1e-5, warmup_steps=50, weight_decay=0.0, dropout=0.0, history_noise=0.25,
    past_drop=0.05, own_share=0.5, ema=0.998,
)  # fmt: skip
SCHEDULE = Schedule(codec_steps=0, steps=2000, judge_every=200, own_from=0)


class Lesson(WeightedLoss):
    """How far the student's rungs are from where its teacher's ladder ends."""

    def __init__(
        self, student: Follower, teacher: Follower, how: DenoiserTraining, what: Distillation, values: Tensor | None
    ) -> None:
        super().__init__()
        self.student, self.how, self.what, self.values = student, how, what, values
        # In a tuple it is no part of this module: the teacher has nothing to learn.
        self._teacher = (teacher,)

    def of(self, batch: Batch | Blocks) -> tuple[Tensor, dict[str, float]]:
        """See ``WeightedLoss``."""
        assert isinstance(batch, Batch), "a student's schedule has no whole blocks"
        student, how, config = self.student, self.how, self.student.config
        with torch.no_grad():
            past, conditions = told(student, batch, how, self.values)
            scales = torch.rand(len(past), len(STREAMS), config.codec.residuals) * self.what.strongest
            scales = scales * (torch.rand(()) >= self.what.unguided)
            noise = torch.randn(how.draws * len(past), config.plan, config.latent_width)
            target = taught(self._teacher[0], past, conditions, scales, noise, self.what.teacher)
        context = student.denoiser.prepare(past, conditions, _nothing_hidden(past), scales).repeated(how.draws)
        said = descended(student, context, conditions.repeated(how.draws), noise)
        return distil_loss(student, past.repeat(how.draws, 1, 1), said, target, how)


def taught(
    teacher: Follower, past: Tensor, conditions: Conditions, scales: Tensor, noise: Tensor, sampler: SamplerConfig
) -> Tensor:
    """Where the teacher's guided ladder ends (D * B, F, L) from ``noise`` (D * B, F, L) for each of B windows."""
    denoiser, config, draws = teacher.denoiser, teacher.config, len(noise) // len(past)
    context = denoiser.prepare(past, conditions, _nothing_hidden(past)).repeated(draws)
    hidden = past.new_ones(len(past))
    guided = bool(scales.any())
    blind = denoiser.prepare(past, conditions, Drop(hidden, hidden, hidden)).repeated(draws) if guided else context
    asked, repeated = scales.repeat(draws, 1, 1), conditions.repeated(draws)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        conditional = denoiser.step(x, t, context, repeated)
        return guide(conditional, denoiser.step(x, t, blind, repeated), asked) if guided else conditional

    x = start(sampler, torch.zeros_like(noise), noise, config.steps)
    return sample(predict, x, ladder(sampler, config.plan, config.steps)).float()


def descended(student: Follower, context: Context, conditions: Conditions, noise: Tensor) -> list[Tensor]:
    """What the student says (B, F, L) at each rung of its own ladder, the next rung following from what it said."""
    config, said = student.config, []
    x = start(config.sampler, torch.zeros_like(noise), noise, config.steps)
    for rung in ladder(config.sampler, config.plan, config.steps):
        said.append(student.denoiser.step(x, rung.level[None].to(x.dtype), context, conditions).float())
        x = rung.keep[:, None] * x + rung.clean[:, None] * said[-1].detach()
    return said


def distil_loss(
    student: Follower, past: Tensor, said: list[Tensor], target: Tensor, how: DenoiserTraining
) -> tuple[Tensor, dict[str, float]]:
    """How far all rungs are from the teacher's end in latents, and the last one in decoded frames, too."""
    weights = token_importance(how, target, target.shape[1]).expand(len(target), -1)
    terms = {f"call{n + 1}": latent_loss(x0, target, weights, how.level_weights) for n, x0 in enumerate(said)}
    codec, n = student.codec, how.decode_tokens
    with exact(target.device):

        def frames(plan: Tensor) -> Tensor:
            return codec.decode_after(past, plan[:, :n])

        with torch.no_grad():
            real = frames(target)
            real = torch.cat([real[..., : FOLLOWER_CONTACT.start], real[..., FOLLOWER_CONTACT].sigmoid()], dim=-1)
        decoded = torch.stack(list(frame_losses(frames(said[-1]), real, codec.frame_norm).values())).sum()
    terms["frames"] = how.decode_weight * decoded
    return torch.stack(list(terms.values())).sum(), {name: float(term.detach()) for name, term in terms.items()}


def _nothing_hidden(past: Tensor) -> Drop:
    kept = past.new_zeros(len(past))
    return Drop(kept, kept, kept)


class Distiller(Trainer):
    """The trainer with another lesson: it judges, keeps the best weights, stops and goes on as the trainer does."""

    def __init__(
        self,
        folder: Path,
        teacher: Follower,
        corpus: Corpus,
        settings: Settings,
        what: Distillation,
        group: Group | None = None,
        bank: Bank | None = None,
    ) -> None:
        self.what = what
        student = grown(teacher, settings.follower)
        student.memory.requires_grad_(False)
        self.teacher = teacher.eval().requires_grad_(False).to((group or Group()).device)
        super().__init__(folder, student, corpus, settings.schedule, settings.how, settings.seed, group, bank)

    def _loss(self, values: Tensor | None) -> WeightedLoss:
        return Lesson(self.follower, self.teacher, self.how, self.what, values)


def student_config(teacher: FollowerConfig, calls: int) -> FollowerConfig:
    """The teacher's configuration with the guidance folded in and ``calls`` calls a tick."""
    denoiser = replace(teacher.denoiser, folded_guidance=True, dropout=0.0)
    sampler = replace(teacher.sampler, kind="ddim", calls=calls)
    return replace(teacher, denoiser=denoiser, sampler=sampler)


def distil(
    folder: Path,
    teacher_folder: Path,
    corpus: Corpus,
    *,
    calls: int = 2,
    what: Distillation | None = None,
    how: DenoiserTraining | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
    multiply: Multiplication | None = None,
    progress: Progress | None = None,
    device: torch.device | str = "cpu",
) -> Path:
    """Distil the follower of ``teacher_folder`` into ``folder``; returns the folder of the best weights.

    A folder that holds a checkpoint is gone on with. InputError when its settings or its teacher were others, or when
    the teacher is a student itself.
    """
    teacher, what = load_follower(teacher_folder), what or Distillation()
    if teacher.config.denoiser.folded_guidance:
        raise InputError(f"{teacher_folder}: expected a follower that was trained, got a distilled one. Give its run.")
    config = student_config(teacher.config, calls)
    release = read_release(teacher_folder)
    # The student has the run's noise, so the teacher shows it what it dances from that.
    drawn = replace(what.teacher, temperature=teacher.config.sampler.temperature)
    what = replace(what, teacher=drawn)
    how = how or LEARNING
    how = replace(how, references=max(how.references, 0.5)) if release.bank else how
    schedule = replace(schedule or SCHEDULE, sampler=config.sampler, leak=release.root_leak)
    settings = Settings(seed, config, multiply or Multiplication(), how=how, schedule=schedule)
    check_own_ticks(settings, max(sequence.tokens for sequence in corpus.train))
    origin: dict[str, Any] = {
        "data": fingerprint(corpus),
        "datasets": corpus.datasets,
        "start": weights_digest(teacher_folder / WEIGHTS_FILE),
        "bank": weights_digest(teacher_folder / release.bank) if release.bank else None,
        "distillation": asdict(what),
    }
    if (known := settings_beside(teacher_folder / WEIGHTS_FILE)) is not None:
        origin["start_settings"] = known
    with joined(torch.device(device)) as group:
        if group.leads and (folder / CHECKPOINT_FILE).is_file() and (folder / SETTINGS_FILE).is_file():
            check_settings(folder, settings, origin)
        elif group.leads:
            write_settings(folder, settings, origin)
        group.wait()
        bank = _bank(folder, teacher_folder / release.bank, teacher, group) if release.bank else None
        distiller = Distiller(folder, teacher, corpus, settings, what, group, bank)
        if (folder / CHECKPOINT_FILE).is_file():
            distiller.resume()
        distiller.run(progress or Progress())
    return folder / BEST_FOLDER


def _bank(folder: Path, given: Path, teacher: Follower, group: Group) -> Bank:
    """The teacher's bank, kept in ``folder`` by the first process before the others read it."""
    if group.leads:
        bank_of_run(folder, given, teacher.codec, teacher.config)
    group.wait()
    return bank_of_run(folder, given, teacher.codec, teacher.config)
