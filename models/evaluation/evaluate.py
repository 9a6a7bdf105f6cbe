"""Dance takes live-causally, beside baselines, and measure everything: from Python or behind ``duet-lab evaluate``."""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from duet.contract import FollowerContract
from duet.errors import InputError
from duet.motion import Motion, write_couple
from duet.skeleton import BODY
from models.config import FollowerConfig
from models.data.beats import BEATS_PER_BAR, with_beats, with_led_beats
from models.data.couples import CMU, Couples, Data, couples_in, recorded_couples
from models.data.landings import landings
from models.data.pairs import TRAIN_TAKES, VALIDATION_TAKES, Pair
from models.data.sources import SOURCES
from models.data.take import Take
from models.evaluation.closed_loop import Example, example_of
from models.evaluation.dancers import (
    BASELINES,
    Dancer,
    Rollout,
    Watcher,
    dance_all,
    goes,
    real_rollout,
    recorded_bank,
)
from models.evaluation.duolando import MODES, Duet, Reference, duolando
from models.evaluation.judge import Verdict, Windows, tell_apart, window_features
from models.evaluation.live import live_numbers, live_tracks
from models.evaluation.metrics import Performance, tracks
from models.evaluation.reaction import reactions
from models.evaluation.report import PAIRED, Report, Rows
from models.evaluation.statistics import Estimate, Track, difference, estimate, over_seeds
from models.evaluation.steps import on_beat, together
from models.rollout import OnnxPartner, Partner

PIECE_S, PIECE_STRIDE_S = 6.0, 2.0
"""The literature's numbers are of whole takes; two takes have no covariance, so these are of pieces this long."""
REAL = "real follower"
CHOSEN_BY = "validation takes; they chose weights and settings and are no test"
OTHERS = "of other recordings than those it learned from"


@dataclass(frozen=True)
class Options:
    """What to measure."""

    takes: tuple[str, ...] = VALIDATION_TAKES
    """Numbers of the CMU takes; of other data sets, names."""
    baselines: tuple[str, ...] = BASELINES
    seeds: int = 3
    delay_frames: int = 3
    """Age of the newest leader measurement, counted from the plan's first frame."""
    leak: float | None = None
    """Pull to the leader-relative place; the follower's own unless given."""
    warm: bool = True
    """Also begin from 48 real frames."""
    reactions: bool = True

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.baselines) - set(BASELINES)):
            raise InputError(
                f"Baselines: expected some of {', '.join(BASELINES)}, got {', '.join(unknown)}. Leave it out."
            )
        known = (*TRAIN_TAKES, *VALIDATION_TAKES)
        if not self.takes or {take for take in self.takes if take.isdecimal()} - set(known):
            raise InputError(
                f"Takes: expected some of {', '.join(known)}, got {', '.join(self.takes) or 'none'}. Choose of them."
            )
        if len(set(self.takes)) < len(self.takes):
            raise InputError(f"Takes: expected each once, got {', '.join(self.takes)}. Name none twice.")
        if self.seeds < 1:
            raise InputError(f"Seeds: expected at least 1, got {self.seeds}. Give more.")


@dataclass(frozen=True)
class Evaluation:
    """The report, and everything danced, for pictures."""

    report: Report
    examples: list[Example]
    dancers: list[Dancer]


def steps_to_watch(options: Options) -> int:
    """How often ``evaluate`` tells its watcher something."""
    return goes(options.baselines, len(options.takes), options.seeds, warm=options.warm) + 3


def evaluate(
    follower: Partner | str | Path, data: Data, options: Options | None = None, watch: Watcher | None = None
) -> Evaluation:
    """Dance and measure; ``follower`` is a partner or an exported folder. InputError names what is missing."""
    options, watch = options or Options(), watch or (lambda _: None)
    partner = OnnxPartner(follower) if isinstance(follower, str | Path) else follower
    couples = couples_in(data)
    if not couples.datasets:
        recorded_couples(couples, "validation")  # says what is missing
    role = _role(couples, options.takes, partner.config)
    pairs, known = _couples(couples, options)
    examples = [example_of(pair) for pair in pairs]
    watch("the takes")
    return evaluate_on(partner, examples, known, options, watch, role=role)


def evaluate_on(
    partner: Partner, examples: list[Example], known: list[Pair], options: Options, watch: Watcher, *, role: str = ""
) -> Evaluation:
    """The same on any couples with beats; ``known`` are the couples that the baselines may know: InputError where there
    are none and baselines are asked for.

    ``role`` says what the couples were to the follower before.
    """
    leak = _leak(partner, options)
    if options.baselines and not known:
        raise InputError(
            f"Baselines: expected training takes for {', '.join(options.baselines)} to know, got none that are not "
            "danced to. Leave some of the takes out, or ask for no baselines."
        )
    bank = recorded_bank(known, FollowerConfig())
    dancers = dance_all(
        partner,
        examples,
        bank,
        options.baselines,
        leak=leak,
        delay_frames=options.delay_frames,
        seeds=tuple(range(options.seeds)),
        warm=options.warm,
        watch=watch,
    )
    moved = reactions(partner, examples, leak=leak, delay_frames=options.delay_frames) if options.reactions else {}
    watch("reactions")
    measured = [_Measured.of(dancer, examples) for dancer in dancers]
    report = Report(
        rows={m.name: m.row() for m in measured},
        conditions=_conditions(examples, options, role or CHOSEN_BY),
        reactions=moved,
        intervals={m.name: m.intervals() for m in measured if m.name != REAL},
        paired=_paired([m for m in measured if m.name != REAL]),
        takes={e.pair.name: {m.name: m.row(k) for m in measured} for k, e in enumerate(examples)},
        literature=_literature(dancers, examples, known),
        judged=_judged(dancers, examples, known),
        provenance=_provenance(partner, options, [pair.name for pair in known]),
    )
    watch("measured")
    return Evaluation(report, examples, dancers)


def _couples(couples: Couples, options: Options) -> tuple[list[Pair], list[Pair]]:
    """Those that are danced to, and those that the baselines may know."""
    known = tuple(take for take in couples.takes("train") if take not in options.takes)
    wanted, others = couples.pairs(options.takes), couples.pairs(known)
    if not wanted:
        raise InputError(f"Takes: expected some that can be danced to, got {', '.join(options.takes)}. Choose others.")
    return [with_led_beats(pair) for pair in wanted], [with_beats(pair) for pair in others]


def learned_from(contract: FollowerContract, datasets: Iterable[str]) -> bool:
    """Whether a follower says that it learned from all of these data sets: it tells of each in that one's own words."""
    return all(SOURCES[name].licence in contract.training_data for name in datasets)


def _role(couples: Couples, takes: tuple[str, ...], config: FollowerConfig | FollowerContract) -> str:
    """What the takes were to a follower; only an exported one says what it learned from."""
    strange: list[str] = []
    splits = {take: couples.split_of(take) for take in takes}
    if isinstance(config, FollowerContract):
        of = {} if couples.plain else {one.name: one.dataset for one in couples.recorded}
        strange = [take for take in takes if not learned_from(config, [of.get(take, CMU)])]
    known = {take: split for take, split in splits.items() if take not in strange}
    if not known:
        return OTHERS
    if learned := sorted(take for take, split in known.items() if split == "train"):
        role = f"of which {', '.join(learned)} are training takes: no measure of what was learned"
    elif set(known.values()) == {"test"}:
        role = "test takes: nothing was learned from them or chosen by them"
    else:
        role = CHOSEN_BY
    return f"{role}; {', '.join(strange)} are {OTHERS}" if strange else role


def _leak(partner: Partner, options: Options) -> float:
    if options.leak is not None:
        return options.leak
    if isinstance(partner.config, FollowerContract):
        return partner.config.root_leak
    raise InputError("Leak: expected one for a follower that is not exported, got none. Give Options(leak=...).")


def beats_of(pair: Pair) -> np.ndarray:
    """(N,) seconds from frame 0 of a pair that was given its beats."""
    assert pair.beats_s is not None
    return pair.beats_s


def pair_of(rollout: Rollout, examples: Sequence[Example]) -> Pair:
    """The real couple beside a rollout, cut alike, with its beats from the first that begins a bar."""
    pair = examples[rollout.take].pair
    cut = pair.slice(rollout.first_frame, rollout.first_frame + len(rollout.danced.joints_m))
    beats = beats_of(cut)
    before = int(np.searchsorted(beats, 0.0))
    beats = beats[-(-before // BEATS_PER_BAR) * BEATS_PER_BAR :]
    return replace(cut, beats_s=beats[beats <= cut.frames / cut.leader.fps])


@dataclass(frozen=True)
class _Measured:
    """A dancer, with the tracks and numbers of every rollout."""

    name: str
    fps: float
    takes: list[list[tuple[dict[str, Track], dict[str, float]]]]
    """Of each take, of each go."""

    @classmethod
    def of(cls, dancer: Dancer, examples: Sequence[Example]) -> "_Measured":
        takes = [[_measured(r, examples) for r in dancer.of(k)] for k in range(len(examples))]
        return cls(dancer.name, examples[0].pair.leader.fps, takes)

    def row(self, take: int | None = None) -> dict[str, float]:
        """Means over the rollouts, of one take or of all, of what could be measured."""
        takes = self.takes if take is None else [self.takes[take]]
        rows = [numbers for goes in takes for _, numbers in goes]
        known = {name: [row[name] for row in rows if np.isfinite(row[name])] for name in rows[0]}
        return {name: float(np.mean(values)) for name, values in known.items() if values}

    def joined(self, name: str) -> list[Track]:
        """A track of every take, seeds put together."""
        return [over_seeds([tracks[name] for tracks, _ in goes]) for goes in self.takes]

    def intervals(self) -> dict[str, Estimate]:
        """Of all numbers that have any."""
        return {name: estimate(self.joined(name), self.fps) for name in PAIRED}

    def minus(self, other: "_Measured") -> dict[str, Estimate]:
        """Differences, block by block."""
        return {name: difference(self.joined(name), other.joined(name), self.fps) for name in PAIRED}


def _measured(rollout: Rollout, examples: Sequence[Example]) -> tuple[dict[str, Track], dict[str, float]]:
    pair = pair_of(rollout, examples)
    real = Performance.of(pair.follower.joints_m, pair.follower.rotations)
    leader, fps, token = pair.leader.joints_m, pair.leader.fps, FollowerConfig().token_frames
    found = tracks(rollout.danced, real, leader, fps) | live_tracks(
        rollout.danced, real, leader, fps, token_frames=token, first_frame=rollout.first_frame
    )
    steps, leads = landings(rollout.danced.joints_m, fps), landings(leader, fps)
    numbers = live_numbers(found, rollout.danced.joints_m) | rollout.churn
    numbers |= on_beat(steps, beats_of(pair)).numbers()
    numbers |= together(steps, leads, pair.frames / fps).numbers("leader_")
    return found, numbers


def _paired(measured: list[_Measured]) -> dict[str, dict[str, dict[str, Estimate]]]:
    """The follower minus every baseline that began as it did."""
    own = [m for m in measured if m.name.startswith("follower")]
    others = [m for m in measured if not m.name.startswith("follower")]
    return {m.name: {o.name: m.minus(o) for o in others if _warm(o.name) == _warm(m.name)} for m in own}


def _warm(name: str) -> bool:
    return name.endswith(", warm")


def _duets(rollouts: Sequence[Rollout], examples: Sequence[Example]) -> list[Duet]:
    """Pieces of couples."""
    duets = []
    for rollout in rollouts:
        pair = pair_of(rollout, examples)
        fps, beats = pair.leader.fps, beats_of(pair)
        length = round(PIECE_S * fps)
        for start in range(0, pair.frames - length + 1, round(PIECE_STRIDE_S * fps)):
            cut = slice(start, start + length)
            heard = beats[(beats >= start / fps) & (beats < (start + length) / fps)] - start / fps
            duets.append(Duet(rollout.danced.joints_m[cut], pair.leader.joints_m[cut], fps, heard))
    return duets


def _real_of(pairs: Sequence[Pair]) -> tuple[list[Rollout], list[Example]]:
    """Recorded couples as if they had been danced."""
    token = FollowerConfig().token_frames
    examples = [Example(pair, _no_take(pair)) for pair in pairs]
    return [real_rollout(e, k, token) for k, e in enumerate(examples)], examples


def _no_take(pair: Pair) -> Take:
    return Take(pair.name, pair.leader.joints_m, np.zeros((pair.frames, 0), np.float32), pair.leader.fps)


def _literature(dancers: list[Dancer], examples: Sequence[Example], known: list[Pair]) -> dict[str, Rows]:
    """Cold dancers against all real couples, these takes included, in pieces; dancers without a piece are left out."""
    real = _duets(*_real_of([*known, *(e.pair for e in examples)]))
    cold = [d for d in dancers if not _warm(d.name)]
    duets = {d.name: made for d in cold if (made := _duets(d.rollouts, examples))}
    if not duets:
        return {}
    references = [Reference.of(real, mode) for mode in MODES]
    return {r.mode: {name: duolando(made, r) for name, made in duets.items()} for r in references}


def _judged(dancers: list[Dancer], examples: Sequence[Example], known: list[Pair]) -> dict[str, Verdict]:
    def windows(rollouts: Sequence[Rollout], among: Sequence[Example]) -> Windows:
        danced = [(r, pair_of(r, among)) for r in rollouts]
        return Windows.of([(p.name, window_features(r.danced, p.leader.joints_m, p.leader.fps)) for r, p in danced])

    takes = range(len(examples))
    real = next(d for d in dancers if d.name == REAL)
    real_takes = [windows(real.of(k), examples) for k in takes]
    others, among = _real_of(known)
    halves = [others[k :: len(examples)] for k in takes]
    found = {"real from real of other takes": tell_apart(real_takes, [windows(h, among) for h in halves if h])}
    for dancer in dancers:
        if dancer.name != REAL and not _warm(dancer.name):
            theirs = [windows(dancer.of(k), examples) for k in takes]
            found[f"real from {dancer.name}"] = tell_apart(real_takes, theirs)
    return found


def write_couples(evaluation: Evaluation, folder: Path) -> list[Path]:
    """The follower's first go at every take with its leader, as ``duet`` reads it: what was judged, no more."""
    written = []
    for rollout in next(d for d in evaluation.dancers if d.name == "follower").rollouts:
        pair = pair_of(rollout, evaluation.examples)
        path = folder / f"{pair.name}.npz"
        if path not in written:
            root = rollout.danced.joints_m[:, 0].astype(np.float32)
            follower = Motion(pair.leader.fps, BODY, root, rollout.rotations.astype(np.float32))
            write_couple(path, {"leader": pair.leader, "follower": follower})
            written.append(path)
    return written


def _conditions(examples: Sequence[Example], options: Options, role: str) -> str:
    names = ", ".join(e.pair.name for e in examples)
    music = "Music was put on the steps"
    if heard := sum(e.pair.heard is not None for e in examples):
        music = "Music was that of the recording" + ("" if heard == len(examples) else ", or put on the steps,")
    warm = " 'Warm' dancers were moved as the real follower for the first 48 frames." if options.warm else ""
    return (
        f"Takes {names} ({role}), danced live-causally through the follower's own tick from entering the stage, "
        f"{options.seeds} seeds. {music} and heard by the live listener; the newest leader frame is "
        f"{options.delay_frames} frames older than the plan. The first second is not judged.{warm} Bodies are slim "
        "capsules without hands."
    )


def _provenance(partner: Partner, options: Options, known: list[str]) -> dict[str, Any]:
    config = partner.config
    about: dict[str, Any] = {"options": asdict(options), "baselines_know": known}
    if isinstance(config, FollowerContract):
        about |= {"follower": config.name, "weights_sha256": config.weights_sha256}
    return about | {
        "code": _revision(),
        "machine": f"{platform.machine()} {platform.system()} {platform.processor()}".strip(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "scipy", "onnxruntime", "torch")},
    }


def _revision() -> str:
    """Of the code, "-dirty" when it was changed since; "" outside of a repository."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()
