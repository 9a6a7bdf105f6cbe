"""Everything that decides what weights a run comes to, frozen: written beside the weights, checked when it goes on.

The stages of a run, in order: ``codec`` (tokens and back), ``denoiser`` (denoiser and memory, after the real
follower's past), ``rollout`` (the same two, after their own dances, too). What follows them has commands of its own.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from duet.contract import sha256_of
from duet.errors import InputError
from duet.files import written_whole
from models.bounds import check_bounds
from models.config import FollowerConfig, SamplerConfig
from models.data.corpus import Corpus, Multiplication
from models.release import BEST_FOLDER
from models.samplers import check_calls
from models.training.codec_stage import CodecTraining
from models.training.denoiser_stage import DenoiserTraining
from models.training.hidden import Hidden
from models.training.overrides import flat

SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class Schedule:
    """How long a run lasts and how often it looks at itself."""

    codec_steps: int = 1300
    steps: int = 2300
    """Of the denoiser and the memory."""
    seconds: float = math.inf
    """Wall-clock end of the second stage: it stops there with the best weights so far, and can be resumed."""
    judge_every: int = 200
    """Steps from one closed-loop judging, and one checkpoint, to the next."""
    patience: int = 0
    """Judgings without a better score after which a run ends early; 0 goes on to the last step."""
    own_from: int = 500
    """Step from which the follower also learns after its own dances."""
    own_every: int = 50
    own_count: int = 12
    own_ticks: int = 64
    own_keep: int = 96
    leak: float = 0.05
    sampler: SamplerConfig = SamplerConfig()
    """With which it dances for itself and is judged."""

    def __post_init__(self) -> None:
        some, any_number = (1, math.inf), (0, math.inf)
        check_bounds(
            "schedule", self, judge_every=some, own_every=some, own_count=some, own_ticks=some, own_keep=some,
            codec_steps=any_number, steps=any_number, seconds=any_number, patience=any_number, own_from=any_number,
            leak=(0.0, 1.0),
        )  # fmt: skip

    def stage(self, step: int) -> str:
        """The stage that step number ``step`` of the second half belongs to."""
        return "rollout" if step >= self.own_from else "denoiser"


@dataclass(frozen=True)
class Settings:
    """One run's settings. Equal settings, data and code give equal weights on one CPU thread."""

    seed: int = 0
    follower: FollowerConfig = field(default_factory=FollowerConfig)
    multiply: Multiplication = field(default_factory=Multiplication)
    codec: CodecTraining = field(default_factory=CodecTraining)
    how: DenoiserTraining = field(default_factory=DenoiserTraining)
    schedule: Schedule = field(default_factory=Schedule)
    hide: tuple[Hidden, ...] = ()
    """Conditions that the follower never sees: for ablations, which keep no weights to dance with."""


def check_own_ticks(settings: Settings, longest_tokens: int) -> None:
    """InputError where a follower's own dances would be longer than any it learns from, ``longest_tokens`` at most, or
    too short to plan anything in: told before anything is learned."""
    schedule, plan = settings.schedule, settings.follower.plan
    if schedule.own_from >= schedule.steps:
        return
    if (most := longest_tokens - plan - 1) <= plan:
        raise InputError(
            f"schedule.own_ticks: expected dances of at least {2 * plan + 2} tokens, over twice as long as a plan, "
            f"got at most {longest_tokens}. Give longer ones, or --set schedule.own_from={schedule.steps}."
        )
    if schedule.own_ticks <= plan:
        raise InputError(
            f"schedule.own_ticks: expected at least {plan + 1}, more than a plan has, got {schedule.own_ticks}. "
            f"Raise it (--set schedule.own_ticks={plan + 1})."
        )
    if schedule.own_ticks > most:
        raise InputError(
            f"schedule.own_ticks: expected at most {most}, for as long as the dances are, got {schedule.own_ticks}. "
            f"Lower it (--set schedule.own_ticks={most}), or give longer dances."
        )


def check_together(settings: Settings) -> None:
    """InputError for settings that are right each by itself and do not fit each other."""
    check_calls(settings.schedule.sampler, settings.follower.steps)
    weights, levels = settings.how.level_weights, settings.follower.codec.residuals
    if len(weights) != levels:
        raise InputError(
            f"how.level_weights: expected {levels} numbers, one for each of follower.codec.residuals, got "
            f"{len(weights)}. Give {levels}, coarse first."
        )


FREE = ("schedule.seconds",)
"""What may differ from one start of a run to the next: it changes when a run stops, not where it goes."""


def plain(settings: Settings) -> dict[str, Any]:
    """Settings as JSON has them; infinity is null."""

    def tidy(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: tidy(v) for name, v in value.items()}
        if isinstance(value, list | tuple):
            return [tidy(v) for v in value]
        return None if isinstance(value, float) and math.isinf(value) else value

    return tidy(asdict(settings))


def write_settings(folder: Path, settings: Settings, origin: dict[str, Any]) -> None:
    """Freeze ``settings`` in ``folder``; ``origin`` names what came from elsewhere: data, codec, first weights."""
    with written_whole(folder / SETTINGS_FILE) as part:
        part.write_text(json.dumps({**plain(settings), "origin": origin}, indent=2) + "\n")


def read_settings(folder: Path) -> dict[str, Any]:
    """What ``write_settings`` wrote, as plain values; InputError when it is no JSON object."""
    path = folder / SETTINGS_FILE
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: expected the settings of a training run, got {error}. Give another folder."
        ) from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected an object, got {type(values).__name__}. Give another folder.")
    return values


def check_settings(folder: Path, settings: Settings, origin: dict[str, Any] | None = None) -> None:
    """InputError naming the first setting that differs from those ``folder`` was begun with.

    A setting that the folder's version did not know counts as its default. ``origin`` is compared where given.
    """
    former = read_settings(folder)
    was = flat({name: value for name, value in former.items() if name != "origin"})
    # A run of a version that did not write down that no bank was given had none.
    came = {"bank": None} | (former.get("origin") or {})
    now, usual = flat(plain(settings)), flat(plain(Settings(follower=settings.follower)))
    or_from = f" (with --from {folder} it begins with these weights)" if (folder / BEST_FOLDER).is_dir() else ""
    for name, value in now.items():
        before = was.get(name, usual[name])
        if name not in FREE and before != value:
            raise InputError(
                f"{folder / SETTINGS_FILE}: expected {name} = {json.dumps(before)} as this run was begun with, "
                f"got {json.dumps(value)}. Give the former value, or another --out{or_from}."
            )
    # As JSON gives it back; settings of other runs are for the record, their weights are compared by digest.
    given = json.loads(json.dumps(origin or {}))
    for name in (name for name in (came | given if given else ()) if not name.endswith("_settings")):
        value = given.get(name)
        if came.get(name, value) != value:
            raise InputError(
                f"{folder / SETTINGS_FILE}: expected the {name} this run was begun with ({came[name] or 'none'}), got "
                f"another ({value or 'none'}). Give the former one, or another --out."
            )


def fingerprint(corpus: Corpus) -> str:
    """Sixteen hexadecimal digits of all numbers of a corpus: equal data, equal digits."""
    digest = hashlib.blake2b(digest_size=8)

    def take_in(value: Any) -> None:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.shape}{value.dtype}".encode())
            digest.update(np.ascontiguousarray(value).data)
        elif dataclasses.is_dataclass(value):
            for part in dataclasses.fields(value):
                take_in(getattr(value, part.name))
        elif isinstance(value, list | tuple):
            for part in value:
                take_in(part)
        else:
            digest.update(repr(value).encode())

    take_in(corpus.train)
    take_in(corpus.validation)
    return digest.hexdigest()


def weights_digest(path: Path) -> str:
    """Sixteen hexadecimal digits of a file's bytes."""
    return sha256_of(path)[:16]
