"""Who dances in an evaluation: the follower, its baselines and the real one, on the same takes with the same delay.

Two ways to begin. *Cold* is live: the follower enters at the wished place with an empty memory while the real couple is
already dancing, and the first second is not judged. *Warm* is nearer to how such models are often judged: for the
first 48 frames it is moved as the real follower moved, and it is judged from there on. A follower's own memory then
holds what it would have danced itself, for an exported follower cannot be told what somebody else committed; retrieval
goes on from the real pose.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from duet.features import Placement, Standing, follower_features, pelvis_yaw
from models.config import FollowerConfig
from models.data.music import condition_of
from models.data.pairs import Pair
from models.data.sequences import CLEAN, Sequence, build_sequence
from models.evaluation.baselines import Hold, Retrieval, mean_frame
from models.evaluation.closed_loop import WARM_UP_S, Example, joints_of
from models.evaluation.live import Watched
from models.evaluation.metrics import Performance
from models.rollout import Around, Danced, Floats, Grid, Inputs, Partner, dance

BASELINES = ("hold", "mirror", "retrieval")
WARM_FRAMES = 48
RETRIEVAL_LEAK = 0.15
"""Clips cut from elsewhere need a firmer pull to their place than a follower that knows where it stands."""
Watcher = Callable[[str], None]
"""Is told who has danced what."""


@dataclass(frozen=True)
class Rollout:
    """One go at one take, the part that is judged."""

    take: int
    """Index of the example."""
    first_frame: int
    """Of the take, of what follows."""
    danced: Performance
    rotations: NDArray[np.floating]
    """(T, 22, 3, 3)."""
    churn: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Dancer:
    """Somebody, and all their goes; several of one take differ by their seed."""

    name: str
    rollouts: list[Rollout]

    def of(self, take: int) -> list[Rollout]:
        """The goes at one take."""
        return [r for r in self.rollouts if r.take == take]


class Warmed(Around):
    """A partner who is moved as the real follower (T, 145) for the first frames, while it plans for itself."""

    def __init__(self, partner: Partner, frames: Floats) -> None:
        super().__init__(partner)
        self._frames = frames
        self._grid = Grid.of(partner.config)
        self._ticks = 0

    def reset(self, batch: int) -> None:
        """Begin again."""
        super().reset(batch)
        self._ticks = 0

    def tick(self, inputs: Inputs) -> Floats:
        """See ``models.rollout.Partner``."""
        token = self._grid.token
        planned = super().tick(inputs).copy()
        start = self._ticks * token
        self._ticks += 1
        if start < WARM_FRAMES:
            planned[0, :token] = self._frames[start : start + token]
            if isinstance(self.partner, Retrieval):
                self.partner.shown(self._frames[start + token - 1 : start + token])
        return planned


def dance_all(
    partner: Partner,
    examples: list[Example],
    bank: list[Sequence],
    baselines: tuple[str, ...],
    *,
    leak: float,
    delay_frames: int,
    seeds: tuple[int, ...],
    warm: bool,
    watch: Watcher,
) -> list[Dancer]:
    """The follower first, then the baselines, then the real one; those that begin warm are marked so."""
    grid = Grid.of(partner.config)

    def go(name: str, who: Partner, leak: float, seeds: tuple[int, ...], *, warm: bool = False) -> Dancer:
        rollouts = []
        for take, example in enumerate(examples):
            for seed in seeds:
                rollouts.append(_go(who, example, take, leak=leak, delay_frames=delay_frames, seed=seed, warm=warm))
                watch(f"{name}: {example.pair.name}")
        return Dancer(name, rollouts)

    dancers = [go("follower", partner, leak, seeds)]
    hold = Hold(partner.config, mean_frame(bank)) if {"hold", "mirror"} & set(baselines) else None
    for name in baselines:
        if name == "hold" and hold is not None:
            dancers.append(go("hold", hold, 1.0, (0,)))
        elif name == "mirror" and hold is not None:
            dancers.append(Dancer("mirror", [_mirror(hold, e, k, delay_frames) for k, e in enumerate(examples)]))
            watch("mirror")
        elif name == "retrieval":
            dancers.append(
                go("retrieval", Retrieval(partner.config, bank, foresight=partner.foresight), RETRIEVAL_LEAK, (0,))
            )
    if warm:
        dancers.append(go("follower, warm", partner, leak, seeds, warm=True))
        if "retrieval" in baselines:
            warmed = Retrieval(partner.config, bank, foresight=partner.foresight)
            dancers.append(go("retrieval, warm", warmed, RETRIEVAL_LEAK, (0,), warm=True))
    dancers.append(Dancer("real follower", [real_rollout(e, k, grid.token) for k, e in enumerate(examples)]))
    return dancers


def goes(baselines: tuple[str, ...], takes: int, seeds: int, *, warm: bool) -> int:
    """How often ``dance_all`` tells its watcher something."""
    alone = sum(1 if name == "mirror" else takes for name in baselines)
    return takes * seeds * (2 if warm else 1) + alone + (takes if warm and "retrieval" in baselines else 0)


def _go(
    partner: Partner, example: Example, take: int, *, leak: float, delay_frames: int, seed: int, warm: bool
) -> Rollout:
    pair, shown = example.pair, example.take
    if warm:
        frames = real_frames(pair)
        partner = Warmed(partner, frames)
        follower = pair.follower
        yaw = float(pelvis_yaw(follower.rotations[0, 0]))
        shown = replace(shown, entrance=Standing(follower.root_m[0].astype(np.float64), yaw))
    first = WARM_FRAMES if warm else round(WARM_UP_S * shown.fps)
    watched = Watched(partner, first)
    danced = dance(watched, [shown], leak=leak, delay_frames=delay_frames, seeds=[seed])[0]
    return _judged(danced, take, first, watched.churn())


def _judged(danced: Danced, take: int, first: int, churn: dict[str, float] | None = None) -> Rollout:
    joints = joints_of(danced)
    performance = Performance.of(joints[first:], danced.rotations[first:])
    return Rollout(take, first, performance, danced.rotations[first:], churn or {})


def real_rollout(example: Example, take: int, token_frames: int) -> Rollout:
    """The real follower, as far as anybody else dances."""
    follower = example.pair.follower
    first = round(WARM_UP_S * follower.fps)
    judged = slice(first, follower.frames // token_frames * token_frames)
    return Rollout(
        take, first, Performance.of(follower.joints_m[judged], follower.rotations[judged]), follower.rotations[judged]
    )


def real_frames(pair: Pair) -> Floats:
    """(T, 145) what the real follower danced, as a partner would say it."""
    follower = pair.follower
    return follower_features(
        follower.root_m, follower.rotations, pair.contacts(), pair.leader.root_m, pair.headings(), follower.fps
    )


def _mirror(hold: Hold, example: Example, take: int, delay_frames: int) -> Rollout:
    """The leader's own pose, mirrored and late by the delay, where ``hold`` stands."""
    stood = dance(hold, [example.take], leak=1.0, delay_frames=delay_frames)[0]
    leader = example.pair.leader.mirrored()
    frames = len(stood.root_m)
    rotations = np.concatenate([leader.rotations[:1].repeat(delay_frames, 0), leader.rotations])[:frames].copy()
    rotations[:, 0] = stood.rotations[:, 0]
    return _judged(replace(stood, rotations=rotations), take, round(WARM_UP_S * example.take.fps))


def recorded_bank(pairs: list[Pair], config: FollowerConfig, seed: int = 0) -> list[Sequence]:
    """What the baselines may know: couples as recorded, cleanly tracked."""
    rng = np.random.default_rng(seed)
    sequences = []
    for pair in pairs:
        heard = condition_of(pair, rng)
        sequences.append(build_sequence(pair, heard, config, style=0, wish=Placement(), corruption=CLEAN, rng=rng))
    return sequences
