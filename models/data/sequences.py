"""A couple as the networks learn from it: what the follower did, and at every token what a tick would have seen.

The windows of all token offsets (dense sliding window, arXiv 2505.05589) share their measured past; only their end,
from the newest measurement on, differs from tick to tick. So a sequence stores the measured tokens once and, for every
token, the ``TAIL`` last tokens of its window: one that may be measured in part, and the forecast plan.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.features import (
    Placement,
    Standing,
    follower_features,
    leader_features,
    leader_headings,
    pelvis_yaw,
    place_features,
)
from duet.forecast import Forecaster, LeaderWindow, leader_course, music_window
from duet.motion import Motion
from models.config import FollowerConfig
from models.data.pairs import Pair
from models.data.take import Take

Floats = NDArray[np.float32]

DELAYS_FRAMES = (2, 7)
"""Least and greatest age of the newest leader measurement, counted from the plan's first frame."""


@dataclass(frozen=True)
class Corruption:
    """What tracking does to a leader."""

    jitter_m: float = 0.008
    """Standard deviation of the slow wander of every joint, at most; drawn anew for every sequence."""
    dropouts_per_s: float = 0.05
    dropout_s: tuple[float, float] = (0.15, 0.8)
    place_m: float = 0.05
    """Standard deviation of the follower's own error of place, metres, and of facing, twice as many radians."""
    limbs: float = 0.08
    """Greatest relative change of the lengths of the leader's bones: other people than those recorded."""
    doubt: float = 0.3
    """Greatest lack of confidence while the leader is seen; drawn anew for every sequence."""


CLEAN = Corruption(jitter_m=0.0, dropouts_per_s=0.0, place_m=0.0, limbs=0.0, doubt=0.0)

_COAST_S, _COAST_MAX_M_S = 0.15, 2.0
"""How a tracker bridges frames in which it sees nobody: the body drifts on and comes to rest."""


@dataclass(frozen=True)
class Sequence:
    """N tokens of a couple, f frames each."""

    name: str
    frames: Floats
    """(N * f, 145) the follower's features relative to the true leader."""
    leader: Floats
    """(N, f * 72) the leader as measured."""
    music: Floats
    """(N, f * 8) the music as heard."""
    leader_tail: Floats
    """(N, TAIL, f * 72) the end of every token's window."""
    music_tail: Floats
    """(N, TAIL, f * 8)."""
    flags_tail: Floats
    """(N, TAIL, 3)."""
    place: Floats
    """(N, 8) where the follower stands when each token begins."""
    stands_m: Floats
    """(N * f, 3) the follower's pelvis in the world."""
    yaw_rad: Floats
    """(N * f,) the follower's heading in the world."""
    take: Take
    """What the leader and the music look like to a follower that dances for itself."""

    @property
    def style(self) -> int:
        """Index of the style token."""
        return self.take.style

    @property
    def tokens(self) -> int:
        """N."""
        return len(self.leader)


def tail_tokens(config: FollowerConfig) -> int:
    """Tokens at the end of a window that can hold forecast frames: the plan, and those the delay reaches into."""
    return config.plan + -(-(DELAYS_FRAMES[1] - 1) // config.token_frames)


def measured_leader(take: Take, token_frames: int) -> Floats:
    """(N, f * 72) the leader of ``take`` as measured, in N whole tokens; before its first frame they stood still."""
    heading = leader_headings(take.joints_m, take.fps)
    rows = leader_features(take.joints_m, heading, take.fps, confidence=take.sure)
    return rows.reshape(take.frames // token_frames, -1)


def other_body(leader: Motion, amount: float, rng: np.random.Generator) -> Motion:
    """The same dance by a leader whose bones are up to ``amount`` longer or shorter, left and right alike."""
    skeleton = leader.skeleton
    factors = 1.0 + amount * rng.uniform(-1.0, 1.0, len(skeleton))
    factors = 0.5 * (factors + factors[list(skeleton.mirror)]) + 0.5 * amount * rng.uniform(-1.0, 1.0)
    factors[0] = 1.0
    other = replace(skeleton, offsets_m=skeleton.offsets_m * factors[:, None].astype(np.float32))
    higher = (other.leg_length_m - skeleton.leg_length_m) * np.array([0.0, 1.0, 0.0], np.float32)
    return replace(leader, skeleton=other, root_m=leader.root_m + higher)


def corrupt_leader(
    joints_m: Floats, fps: float, corruption: Corruption, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Joints (T, 22, 3) as a tracker might see them, and their confidence (T,)."""
    frames = len(joints_m)
    amount = corruption.jitter_m * rng.uniform()
    noise = np.empty(joints_m.shape)
    state = rng.normal(size=joints_m.shape[1:])
    for t in range(frames):
        state = 0.8 * state + 0.6 * rng.normal(size=state.shape)
        noise[t] = state
    seen = joints_m + amount * noise
    confidence = 1.0 - corruption.doubt * rng.uniform() * rng.uniform(size=frames)
    for _ in range(rng.poisson(corruption.dropouts_per_s * frames / fps)):
        start = int(rng.integers(1, max(2, frames - 1)))
        stop = min(frames, start + max(1, round(rng.uniform(*corruption.dropout_s) * fps)))
        seen[start:stop] = _coasting(seen[start - 1], seen[max(0, start - 2)], stop - start, fps)
        confidence[start:stop] = 0.0
    return seen.astype(np.float32), confidence.astype(np.float32)


def _coasting(last: Floats, before: Floats, frames: int, fps: float) -> Floats:
    """(frames, 22, 3) the pose of ``last`` (22, 3) kept while its pelvis drifts on as it moved since ``before``."""
    drift = (last[0] - before[0]) * fps * np.array([1.0, 0.0, 1.0])
    drift *= min(1.0, _COAST_MAX_M_S / max(float(np.linalg.norm(drift)), 1e-6))
    way = np.cumsum(np.exp(-np.arange(1, frames + 1) / (fps * _COAST_S))) / fps
    return last + way[:, None, None] * drift


def build_sequence(
    pair: Pair,
    conditions: Floats,
    config: FollowerConfig,
    *,
    style: int,
    wish: Placement,
    corruption: Corruption,
    rng: np.random.Generator,
    forecaster: Forecaster | None = None,
) -> Sequence:
    """A sequence of ``pair`` heard with ``conditions`` (T, 8); its length is cut to whole tokens.

    ``forecaster``: what foresees leaders for the follower that learns from it.
    """
    fps, per_token = config.fps, config.token_frames
    tokens = pair.frames // per_token
    pair = pair.slice(0, tokens * per_token)
    leader = other_body(pair.leader, corruption.limbs, rng)
    seen, confidence = corrupt_leader(leader.joints_m, fps, corruption, rng)
    heading = leader_headings(seen, fps)
    frames = follower_features(
        pair.follower.root_m, pair.follower.rotations, pair.contacts(), pair.leader.root_m, pair.headings(), fps
    )
    shown = _Shown(seen, heading, confidence, conditions, config, forecaster)
    tail, leader_tail, music_tail, flags_tail, places = tail_tokens(config), [], [], [], []
    yaw = pelvis_yaw(pair.follower.rotations[:, 0])
    for token in range(tokens):
        view, music, sure = shown.at(token, int(rng.integers(DELAYS_FRAMES[0], DELAYS_FRAMES[1] + 1)))
        leader_tail.append(view.features[-tail:])
        flags_tail.append(view.flags[-tail:])
        music_tail.append(music[-tail:])
        at = max(0, token * per_token - 1)
        stands = Standing(
            pair.follower.root_m[at] + corruption.place_m * rng.normal(size=3) * np.array([1.0, 0.0, 1.0]),
            float(yaw[at]) + 2.0 * corruption.place_m * rng.normal(),
        )
        places.append(place_features(stands, view.now, wish, sure))
    take = Take(pair.name, seen, conditions[: tokens * per_token], fps, confidence, style, wish)
    return Sequence(
        name=pair.name,
        frames=frames,
        leader=measured_leader(take, per_token),
        music=np.ascontiguousarray(conditions[: tokens * per_token], dtype=np.float32).reshape(tokens, -1),
        leader_tail=np.stack(leader_tail),
        music_tail=np.stack(music_tail),
        flags_tail=np.stack(flags_tail),
        place=np.stack(places),
        stands_m=pair.follower.root_m,
        yaw_rad=yaw.astype(np.float32),
        take=take,
    )


@dataclass(frozen=True)
class _Shown:
    """What a follower is shown of a couple, from which every tick knows the frames before it."""

    joints_m: Floats
    """(T, 22, 3) the leader as tracked."""
    heading_rad: NDArray[np.floating]
    confidence: Floats
    conditions: Floats
    config: FollowerConfig
    forecaster: Forecaster | None

    def at(self, token: int, delay: int) -> tuple[LeaderWindow, Floats, float]:
        """The leader's and the music's window (W tokens) of the tick whose plan begins with ``token``, the newest frame
        being ``delay`` older than that, and how sure the tracker was of it."""
        c = self.config
        newest = max(1, token * c.token_frames - delay + 1)
        seen = slice(max(0, newest - (c.past + 1) * c.token_frames), newest)
        grid = {"past_tokens": c.past, "plan_tokens": c.plan, "token_frames": c.token_frames, "delay_frames": delay}
        course = leader_course(
            self.joints_m[seen], self.heading_rad[seen], self.confidence[seen], fps=c.fps, **grid,
            forecaster=self.forecaster,
        )  # fmt: skip
        music = music_window(self.conditions[seen], fps=c.fps, **grid)
        return course.window(), music, float(self.confidence[newest - 1])
