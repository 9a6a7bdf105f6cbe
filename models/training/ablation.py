"""What each idea is worth: short, equal trainings from one codec and one seed, each without one idea, or with one more.

Every variant is an ordinary run in a folder of its own, so a table that was interrupted is gone on with, exactly.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from duet.errors import InputError
from duet.files import written_whole
from models.codec import Codec
from models.data.bank import SPLICED_OF, source_of, sources_of
from models.data.corpus import Corpus, Multiplication
from models.follower import WEIGHTS_FILE, load_follower
from models.training.bank_stage import BANK_FILE, bank_of_run
from models.training.hidden import Hidden
from models.training.overrides import overridden
from models.training.progress import Progress
from models.training.run import begun, check_codec, fit_codec, train
from models.training.settings import (
    SETTINGS_FILE,
    Schedule,
    Settings,
    check_settings,
    fingerprint,
    read_settings,
    weights_digest,
    write_settings,
)
from models.training.trainer import HISTORY_FILE
from models.weights import load_weights

COLUMNS = {
    "root_ade_m": ("root error m", "{:.3f}"),
    "distance_mae_m": ("distance error m", "{:.3f}"),
    "heading_deg": ("heading error deg", "{:.1f}"),
    "mpjpe_mm": ("MPJPE mm", "{:.1f}"),
    "speed_ratio": ("speed / real", "{:.2f}"),
    "jerk_ratio": ("jerk / real", "{:.2f}"),
    "overlap_percent": ("overlap %", "{:.1f}"),
    "score": ("score", "{:.3f}"),
}
"""Closed-loop numbers of the table; the last one is what weights are chosen by, lower is better."""


@dataclass(frozen=True)
class Variant:
    """One row: what is changed about the full training."""

    name: str
    """Of its folder."""
    title: str
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings by dotted name."""
    hide: tuple[Hidden, ...] = ()
    """Conditions the follower never sees."""
    share: float = 1.0
    """Of the recorded takes it learns from."""


FULL = Variant("full", "everything")
_LEFT_OUT = (
    Variant("no-memory", "without memory", hide=("memory",)),
    Variant("no-forecast", "without the leader's forecast", hide=("forecast",)),
    Variant("no-beat-phase", "without beat and bar phase", hide=("beat",)),
    Variant("no-own-dances", "without its own dances", {"schedule.own_from": 10**9}),
    Variant("no-code", "without couples danced in code", {"multiply.choreographed": 0, "multiply.everyday": 0}),
)
_SHOWN = 0.8
"""Share of windows with a reference where references are tried."""
_OPTIONS = (
    ("references", "reference tokens", {"how.references": 0.0}, {"how.references": _SHOWN}),
    ("experts", "slow and fast experts", {"follower.denoiser.experts": False}, {"follower.denoiser.experts": True}),
    ("mtmm", "Mamba in the denoiser", {"follower.denoiser.mtmm": False}, {"follower.denoiser.mtmm": True}),
    (
        "music-context", "music in its context",
        {"follower.denoiser.music_context": False}, {"follower.denoiser.music_context": True},
    ),
    ("carried", "memory carried in training", {"how.carried": False}, {"how.carried": True}),
)  # fmt: skip


def variants(base: Settings) -> list[Variant]:
    """The rows for a full training by ``base``: what it has is left out, what it has not is added.

    What shares its data stands together. Experts choose among references: they are tried where these are shown.
    """
    rows = [FULL]
    for name, title, off, on in _OPTIONS:
        if overridden(base, off) != base:
            rows.append(Variant(f"no-{name}", f"without {title}", off))
            continue
        extra = {"how.references": _SHOWN} if name == "experts" and not base.how.references else {}
        said = f"with {title}" + (" and references" if extra else "")
        rows.append(Variant(f"with-{name}", said, on | extra))
    rows += [v for v in _LEFT_OUT if v.hide or overridden(base, v.changes) != base]
    return rows


def data_curve(shares: tuple[float, ...] = (0.25, 0.5)) -> list[Variant]:
    """Rows for the question whether more recordings would help; all of them are the full training."""
    rows = [Variant(f"share-{s * 100:.0f}", f"{s * 100:.0f} % of the recorded takes", share=s) for s in shares]
    return [*rows, replace(FULL, title="all recorded takes")]


def part_of(corpus: Corpus, share: float) -> Corpus:
    """The corpus with only a share of the recorded takes, the first ones, and what is spliced from them alone.

    Couples danced in code stay."""
    if share >= 1.0:
        return corpus
    coded = ("choreographed", "everyday")
    names = [sources_of(s.name) for s in corpus.train]
    unspliced = dict.fromkeys(source_of(s.name) for s in corpus.train if SPLICED_OF not in s.name)
    recorded = [name for name in unspliced if not name.startswith(coded)]
    kept = set(recorded[: max(1, round(share * len(recorded))) if share > 0.0 else 0])
    chosen = [s for s, of in zip(corpus.train, names, strict=True) if kept.issuperset(of) or of[0].startswith(coded)]
    return replace(corpus, train=chosen)


@dataclass(frozen=True)
class Study:
    """A table on its way, in a folder."""

    folder: Path
    base: Settings
    rows: list[Variant]
    seeds: tuple[int, ...]
    codec: Path
    device: torch.device = torch.device("cpu")
    start: Path | None = None
    """Folder of a trained follower that all rows go on from, and whose codec they share, instead of ``codec``."""
    couples: str = ""
    """Digest of the recorded couples (``models.data.couples.digest_of``) that finished rows must have learned from."""

    def settings(self, row: Variant, seed: int) -> Settings:
        """Those of one run."""
        changed = overridden(self.base, row.changes)
        return replace(changed, seed=seed, hide=row.hide)

    def place(self, row: Variant, seed: int) -> Path:
        """The folder of one run."""
        return self.folder / f"{row.name}-{seed}"

    def result(self, row: Variant, seed: int) -> dict[str, float] | None:
        """Closed-loop numbers of a finished run; nothing when it is still to be made.

        InputError for one that was made with another codec or start, other couples or other settings.
        """
        folder = self.place(row, seed)
        if not begun(folder):
            return None
        known: dict[str, str | None] = {"couples": self.couples} if self.couples else {}
        source = self.codec if self.start is None else self.start / WEIGHTS_FILE
        known["codec" if self.start is None else "start"] = weights_digest(source) if source.is_file() else None
        check_settings(folder, self.settings(row, seed), (read_settings(folder).get("origin") or {}) | known)
        history = folder / HISTORY_FILE
        lines = history.read_text().splitlines() if history.is_file() else []
        found = json.loads(lines[-1]) if lines else {}
        return found if found.get("step") == self.base.schedule.steps else None

    def todo(self) -> Iterator[tuple[Variant, int]]:
        """Runs still to be made, those that share their data one after another; InputError unless the codec fits."""
        if self.start is None and self.codec.is_file():
            check_codec(self.codec, self.base.follower)
        order = sorted(self.rows, key=lambda row: repr(self.settings(row, 0).multiply) != repr(self.base.multiply))
        return ((row, seed) for row in order for seed in self.seeds if self.result(row, seed) is None)

    def run(self, row: Variant, seed: int, corpus: Corpus, progress: Progress) -> None:
        """Make one run; it goes on where it was."""
        s = self.settings(row, seed)
        bank = self._bank() if s.how.references > 0.0 else None
        train(
            self.place(row, seed), part_of(corpus, row.share), s.follower, schedule=s.schedule, how=s.how, seed=seed,
            codec=None if self.start else self.codec, start=self.start, codec_training=s.codec, multiply=s.multiply,
            device=self.device, hide=s.hide, bank=bank, progress=progress,
        )  # fmt: skip

    def _bank(self) -> Path:
        """The reference dances that all rows share; made when they are first needed."""
        if self.start is not None:
            codec = load_follower(self.start).codec
        else:
            codec = Codec(self.base.follower.codec)
            codec.load_state_dict(load_weights(self.codec))
        bank_of_run(self.folder, None, codec.eval(), self.base.follower)
        return self.folder / BANK_FILE

    def write(self) -> str:
        """Put what is known so far into ``ablation.md`` and ``ablation.json``; returns the table."""
        found = [(row, [r for seed in self.seeds if (r := self.result(row, seed)) is not None]) for row in self.rows]
        begin = "from the same trained follower" if self.start else "from the same codec"
        text = table(found, self.base.schedule.steps, self.seeds, begin)
        values = {
            "steps": self.base.schedule.steps,
            "seeds": list(self.seeds),
            "rows": [{**asdict(row), "runs": runs} for row, runs in found],
        }
        with written_whole(self.folder / "ablation.md") as part:
            part.write_text(text)
        with written_whole(self.folder / "ablation.json") as part:
            part.write_text(json.dumps(values, indent=1) + "\n")
        return text


def table(found: list[tuple[Variant, list[dict[str, float]]]], steps: int, seeds: tuple[int, ...], begin: str) -> str:
    """Markdown: one row per variant, means over seeds, with half the spread between them where there are several.

    ``begin`` says what all began from.
    """
    lines = [
        f"Each row was trained for {steps} steps {begin}"
        + (f", with {len(seeds)} seeds" if len(seeds) > 1 else " and the same seed")
        + ", and danced the validation takes live-causally with its averaged weights. So short a training ranks ideas "
        "only weakly: differences smaller than those between two seeds say nothing, and an idea may need longer.",
        "",
        "| training | " + " | ".join(title for title, _ in COLUMNS.values()) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for row, runs in found:
        cells = [_cell([run[name] for run in runs], form) for name, (_, form) in COLUMNS.items()]
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(values: list[float], form: str) -> str:
    if not values:
        return "-"
    mean = form.format(float(np.mean(values)))
    return mean if len(values) == 1 else f"{mean} ± {form.format((max(values) - min(values)) / 2)}"


def fit_shared_codec(folder: Path, base: Settings, corpus: Corpus, report: Callable[[dict[str, float]], None]) -> Path:
    """The codec that all variants share, fitted into ``folder`` unless it is there.

    InputError for one, whole or half fitted, that came of other settings or other data, or of nobody knows what.
    """
    _freeze_codec(folder, base, corpus)
    return fit_codec(folder, corpus, base, report)


def _freeze_codec(folder: Path, base: Settings, corpus: Corpus) -> None:
    """Write what the codec in ``folder`` follows from, or compare it with what it was begun with."""
    lengths = Schedule(codec_steps=base.schedule.codec_steps)
    fitted = Settings(base.seed, base.follower, base.multiply, base.codec, schedule=lengths)
    origin = {"data": fingerprint(corpus), "datasets": corpus.datasets}
    if not begun(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_settings(folder, fitted, origin)
    elif (folder / SETTINGS_FILE).is_file():
        check_settings(folder, fitted, origin)
    else:
        raise InputError(
            f"{folder}: expected {SETTINGS_FILE} beside the codec, to know what it was fitted with, got none. Give "
            f"--codec {folder} if it is the one to take, or another --out."
        )


def shortened(base: Settings, steps: int) -> Settings:
    """``base`` for ``steps`` steps: own dances come in after the same share of them; it is judged four times."""
    full = base.schedule
    schedule = replace(
        full,
        steps=steps,
        judge_every=max(1, steps // 4),
        own_from=round(full.own_from * steps / full.steps),
        patience=0,
    )
    return replace(base, schedule=schedule)


def corpora(build: Callable[[Multiplication], Corpus]) -> Callable[[Multiplication], Corpus]:
    """``build``, keeping the last corpus only: they are large, and neighbours in the table share theirs."""
    kept: dict[str, Corpus] = {}

    def corpus(how: Multiplication) -> Corpus:
        if repr(how) not in kept:
            kept.clear()
            kept[repr(how)] = build(how)
        return kept[repr(how)]

    return corpus
