"""How late a follower follows: by the speeds of a couple, and by leaders who start all of a sudden.

Everything runs on a clock that moves only when told, with a compute latency that is stated: the figures are the same on
every machine, and say nothing of this one's speed. A camera and a screen can be made up as well: a frame of the leader
is known ``capture_s`` after it was, and a pose is seen ``display_s`` after it was drawn, as the conductor is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.clock import ManualClock
from duet.features import Placement, Standing, partner_standing
from duet.frames import FollowerPose, LeaderFrame, MusicFrame
from duet.groove import Groove
from duet.kinematics import heading_yaw
from duet.motion import Motion
from duet.poses import RELAXED_PELVIS_HEIGHT_M
from duet.rotations import Array
from duet.skeleton import BODY, FEET
from realtime.conductor import Conductor
from realtime.engine import DelayedEngine
from realtime.feeds import MusicSource
from realtime.health import Health
from realtime.inference.runner_ort import OrtRunner
from realtime.law import Law
from realtime.motion_log import MotionLog
from realtime.playout import Playout
from realtime.sight.leader_take import TakeLeader
from realtime.sound.audio import GrooveMusic, InlineEar
from realtime.tick import FollowerState
from realtime.wishes import Wishes

WINDOW_S, HOP_S, MOST_LAG_S = 4.0, 1.0, 0.25
"""Speeds are compared in windows of so long, every so often, shifted by less than so much: a salsa repeats itself by
the beat of a third of a second, and a step later cannot be told from a step sooner."""
LEAST_LIKENESS = 0.5
"""Windows whose speeds go less together than this (Pearson's r) follow nobody, or have nothing to follow."""
_SETTLED_S = 2.0
STILL_S, STARTED_S = 5.0, 1.5
"""A leader stands for so long, starts, and is watched for so long."""
_CHANGED_M = 1e-3
_SIGMAS = 3.0


@dataclass(frozen=True)
class Stage:
    """What is between the leader and the eyes of the audience, in seconds."""

    latency_s: float = 0.045
    """Of a tick."""
    capture_s: float = 0.0
    """From the middle of an exposure until its LeaderFrame is there."""
    display_s: float = 0.0
    """From drawing a pose until it is seen."""
    seed: int = 0


@dataclass(frozen=True)
class Danced:
    """One performance on the 30 fps grid, as it was seen."""

    fps: float
    leader_m: Array
    """(T, 22, 3)."""
    follower_m: Array
    """(T, 22, 3)."""
    known_s: NDArray[np.float64]
    """(T,) how old the newest leader frame was that each pose knew, when it was seen."""
    late_ticks: int


class Lead:
    """A recorded leader who does the frames of a take in some order, each known a while after it was."""

    def __init__(self, take: TakeLeader, order: Sequence[int], fps: float) -> None:
        self._take, self._order, self._fps = take, order, fps
        self.capture_s, self._next = 0.0, 0

    @property
    def seconds(self) -> float:
        """Until the last frame is over."""
        return len(self._order) / self._fps

    def frame(self, index: int) -> LeaderFrame:
        """What is done in frame ``index``."""
        return replace(self._take.frame(self._order[index]), index=index, time_s=index / self._fps)

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """See ``realtime.conductor.LeaderSource``."""
        stop = min(int(np.floor((until_s - self.capture_s) * self._fps + 1e-6)) + 1, len(self._order))
        frames = [self.frame(i) for i in range(self._next, stop)]
        self._next = max(self._next, stop)
        return frames

    def joints_m(self) -> Array:
        """(T, 22, 3)."""
        return np.stack([self.frame(i).joints_m for i in range(len(self._order))])


class _Silence:
    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """See ``realtime.conductor.MusicSource``."""
        return ()


class _Ages(MotionLog):
    """Keeps beside each shown pose how old its leader was."""

    def __init__(self, fps: float, playout: Playout) -> None:
        super().__init__(fps)
        self._playout = playout
        self.known_s: dict[int, float] = {}

    def add_follower(self, frame: int, pose: FollowerPose) -> None:
        super().add_follower(frame, pose)
        self.known_s[frame] = self._playout.leader_age_s(pose.time_s)


def whole(leader: Motion, fps: float) -> Lead:
    """A take from its beginning to its end."""
    take = TakeLeader(leader, fps)
    return Lead(take, range(round(take.seconds * fps)), fps)


def dance(runner: OrtRunner, leader: Lead, stage: Stage, *, groove: Groove | None = None) -> Danced:
    """``runner``'s follower beside a recorded leader, to ``groove`` or in silence."""
    contract, clock = runner.contract, ManualClock()
    wish, first = Placement(contract.distance_m), leader.frame(0)
    leader.capture_s = stage.capture_s
    there = Standing(first.root_m.astype(np.float64), float(heading_yaw(BODY, first.joints_m)))
    playout = Playout(contract.timeline, partner_standing(there, wish, RELAXED_PELVIS_HEIGHT_M))
    log = _Ages(contract.fps, playout)
    music: MusicSource = _Silence()
    if groove is not None:
        ear = InlineEar(GrooveMusic(groove))
        ear.start(clock)
        music = ear
    engine = DelayedEngine(runner, FollowerState.initial(contract), clock, lambda tick: stage.latency_s)
    conductor = Conductor(
        contract,
        engine,
        leader,
        music,
        playout,
        clock,
        Wishes(wish),
        Health(),
        seed=stage.seed,
        log=log,
        display_lead_s=stage.display_s,
        forecaster=runner.forecaster,
        law=Law(contract, [stage.latency_s]),
    )
    conductor.run(lambda: clock.now() >= leader.seconds)
    danced = log.arrays()
    frames = np.round(danced["time_s"] * contract.fps).astype(int)
    return Danced(
        contract.fps,
        danced["leader_joints_m"],
        danced["follower_joints_m"],
        np.array([log.known_s[f] for f in frames]),
        conductor.health.counter("late_ticks"),
    )


def speeds(joints_m: Array, fps: float) -> NDArray[np.float64]:
    """(T - 1,) how fast a body (T, 22, 3) moves, in m/s, over all joints."""
    return np.linalg.norm(np.diff(np.asarray(joints_m, dtype=np.float64), axis=0), axis=-1).mean(axis=-1) * fps


def glides(joints_m: Array, fps: float) -> NDArray[np.float64]:
    """(T - 1,) how fast the slowest joint of a body's feet (T, 22, 3) moves, in m/s: who stands on a foot has one that
    rests."""
    feet = np.asarray(joints_m, dtype=np.float64)[:, list(FEET)]
    return np.linalg.norm(np.diff(feet, axis=0), axis=-1).min(axis=-1) * fps


def smoothed(values: Array) -> NDArray[np.float64]:
    """(T,) over three values, to both sides alike: noise goes, and nothing is shifted."""
    around = np.pad(np.asarray(values, dtype=np.float64), 1, mode="edge")
    return (around[:-2] + around[1:-1] + around[2:]) / 3.0


def lags_s(lead: Array, follow: Array, fps: float) -> NDArray[np.float64]:
    """By how much speeds ``follow`` (T,) come after ``lead`` (T,), window by window where they go together.

    The shift of the greatest correlation, between frames by a parabola; negative where the follower is first.
    """
    lead, follow = smoothed(lead), smoothed(follow)
    window, hop, most = (round(seconds * fps) for seconds in (WINDOW_S, HOP_S, MOST_LAG_S))
    found = []
    for start in range(max(most, round(_SETTLED_S * fps)), len(lead) - window - most + 1, hop):
        ours = lead[start : start + window]
        likeness = np.array(
            [_correlation(ours, follow[start + lag : start + lag + window]) for lag in range(-most, most + 1)]
        )
        best = int(likeness.argmax())
        if likeness[best] < LEAST_LIKENESS or not 0 < best < 2 * most:
            continue
        before, at, after = likeness[best - 1 : best + 2]
        found.append((best - most + 0.5 * (before - after) / (before - 2 * at + after)) / fps)
    return np.array(found)


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-12))


def starts(leader: Motion, fps: float, count: int) -> list[int]:
    """Frames of a take at which a leader who stood there would start most suddenly, well apart from each other."""
    moves = smoothed(speeds(leader.joints_m, fps))
    ahead = round(0.3 * fps)
    sudden = np.array([moves[i : i + ahead].mean() - moves[i] for i in range(len(moves) - round(STARTED_S * fps) - 1)])
    chosen: list[int] = []
    for frame in np.argsort(-sudden):
        if len(chosen) == count:
            break
        if all(abs(int(frame) - other) > 2 * fps for other in chosen):
            chosen.append(int(frame))
    return sorted(chosen)


@dataclass(frozen=True)
class Start:
    """One sudden start, in seconds from the leader's first moving frame; infinite for what did not happen."""

    changed_s: float
    """Until the first pose that differs at all from those beside a leader who stands on."""
    answered_s: float
    """Until the follower's speed first differs by three sigma of that beside a leader who stands on."""
    led_s: float
    """Until the leader's own speed is as great."""


def sudden_start(runner: OrtRunner, leader: Motion, at: int, stage: Stage, *, late_frames: int = 0) -> Start:
    """A leader stands as in frame ``at`` of a take for STILL_S and ``late_frames`` more, and goes on from there.

    The same performance beside one who stands on is what it is compared with: before the start both are equal.
    """
    fps = runner.contract.fps
    take, still, moved = TakeLeader(leader, fps), round(STILL_S * fps) + late_frames, round(STARTED_S * fps)
    goes, stands = (
        dance(runner, Lead(take, [at] * still + goes_on, fps), stage)
        for goes_on in (list(range(at, at + moved)), [at] * moved)
    )
    count = min(len(goes.follower_m), len(stands.follower_m))
    apart = np.linalg.norm(goes.follower_m[:count] - stands.follower_m[:count], axis=-1).max(axis=-1)
    calm, ours, led = (speeds(m[:count], fps) for m in (stands.follower_m, goes.follower_m, goes.leader_m))
    much = _SIGMAS * float(calm[still - round(2.0 * fps) :].std())
    # Frame ``still`` shows the pose that was stood in; the one after it is the first that moves.
    return Start(
        _since(apart > _CHANGED_M, still + 1, fps),
        _since(np.abs(ours - calm) > much, still, fps),
        _since(led > much, still, fps),
    )


def _since(happens: NDArray[np.bool_], frame: int, fps: float) -> float:
    """Seconds from ``frame`` until it first happens."""
    at = np.flatnonzero(happens[frame:])
    return float(at[0]) / fps if len(at) else np.inf
