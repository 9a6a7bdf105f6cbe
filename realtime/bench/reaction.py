"""From an event to the first pose that knows of it: a leader who steps aside at once, and the same dance without it.

A performance before such a leader is recorded; then it is danced again from the recording, once as it was and once for
every step as if that had not been done: the same clock, the same music, the same late ticks. What is shown is equal to
the bit until the step is known, and the first pose that is not is the first one that answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock
from duet.frames import FollowerPose, LeaderFrame
from duet.rotations import Array
from realtime.inference.runner_ort import OrtRunner
from realtime.pose_line import joints_of
from realtime.sessions.session_replay import Session

STEP_M = 0.3
"""How far aside the leader steps, between one frame and the next."""
CHANGED_M = 1e-3
"""A pose is another one where a joint is so far from where it would have been."""
SETTLED_S, APART_S = 4.0, (1.6, 2.4)
"""Before the first step the dance has begun; between two it has come to rest again, and their distance is no rhythm."""
WATCHED_S = 1.5
"""An answer that comes later is none."""


def step_times(seconds: float, seed: int) -> NDArray[np.float64]:
    """When the leader steps in a performance of ``seconds``: at any moment between two frames and two ticks."""
    rng = np.random.Generator(np.random.PCG64(seed))
    times = SETTLED_S + np.cumsum(rng.uniform(*APART_S, size=int(seconds)))
    return times[times + WATCHED_S < seconds]


class SteppingLeader:
    """Stands, and is STEP_M aside from one moment to the next, to one side and back (``ui.sources``' leader)."""

    def __init__(self, stance: LeaderFrame, times_s: NDArray[np.float64], fps: float) -> None:
        self._stance, self._times_s, self._fps = stance, times_s, fps
        self._begin_s, self._next = 0.0, 0

    @property
    def events_s(self) -> NDArray[np.float64]:
        """When it steps, on the session's clock."""
        return self._begin_s + self._times_s

    def start(self, clock: Clock, begin_s: float) -> None:
        """Its first frame is at session time ``begin_s``."""
        self._begin_s = begin_s

    def stop(self) -> None:
        """Nothing to let go of."""

    def frame(self, index: int, steps: int | None = None) -> LeaderFrame:
        """Frame ``index``, with no more than ``steps`` steps done."""
        time_s = self._begin_s + index / self._fps
        done = int(np.searchsorted(self.events_s, time_s, side="right"))
        aside = np.array([STEP_M * ((done if steps is None else min(done, steps)) % 2), 0.0, 0.0], dtype=np.float32)
        stance = self._stance
        return replace(
            stance, index=index, time_s=time_s, root_m=stance.root_m + aside, joints_m=stance.joints_m + aside
        )

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """See ``realtime.conductor.LeaderSource``."""
        stop = max(int(np.floor((until_s - self._begin_s) * self._fps + 1e-6)) + 1, 0)
        frames = [self.frame(i) for i in range(self._next, stop)]
        self._next = max(self._next, stop)
        return frames

    def shown(self, time_s: float) -> LeaderFrame:
        """The frame nearest to ``time_s``."""
        return self.frame(max(round((time_s - self._begin_s) * self._fps), 0))


@dataclass(frozen=True)
class Reaction:
    """One step and its answer, on the session's clock."""

    event_s: float
    """When the leader stepped."""
    framed_s: float
    """The stamp of the first leader frame that shows it."""
    known_s: float
    """When the conductor took that frame."""
    shown_s: float | None
    """When the first pose that answers was due on the screen; None where none came within WATCHED_S."""

    @property
    def parts_ms(self) -> tuple[float, float, float] | None:
        """(until the next frame, until it is taken, until a pose answers); None without an answer."""
        if self.shown_s is None:
            return None
        moments = (self.event_s, self.framed_s, self.known_s, self.shown_s)
        first, second, third = (1e3 * (b - a) for a, b in zip(moments, moments[1:], strict=False))
        return first, second, third


@dataclass(frozen=True)
class Reactions:
    """Of one performance."""

    found: tuple[Reaction, ...]
    equal_bits: bool
    """Whether the performance, danced again as it was, was shown as it was: without that nothing here holds."""


class _Shown:
    """Keeps every pose of the grid (``realtime.conductor.Log``)."""

    def __init__(self) -> None:
        self.poses: dict[int, FollowerPose] = {}

    def add_leader(self, newest_index: int, joints_m: Array, rotations_6d: Array) -> None:
        """The leader is known."""

    def add_follower(self, frame: int, pose: FollowerPose) -> None:
        self.poses[frame] = pose

    def joints_m(self, frame: int) -> Array:
        return joints_of([self.poses[frame]])[0]


def reactions(
    folder: Path, runner: OrtRunner, leader: SteppingLeader, progress: Callable[[int, int], None] = lambda a, b: None
) -> Reactions:
    """What every step before ``runner``'s follower was answered by, in the session recorded in ``folder``.

    InputError where the session cannot be danced again.
    """
    session, contract = Session(folder), runner.contract
    try:
        was, events = _Shown(), leader.events_s
        verdict = session.replay(contract, runner, runner.forecaster, log=was)
        found = []
        for number, event_s in enumerate(float(e) for e in events):
            progress(number, len(events))
            if event_s + WATCHED_S > verdict.seconds:
                break
            else_, without = _Shown(), _Without(leader, number)
            session.replay(contract, runner, runner.forecaster, log=else_, led=without, until_s=event_s + WATCHED_S)
            shown = _first_other(was, else_, event_s, contract.fps)
            found.append(Reaction(event_s, without.framed_s, without.known_s, shown))
    finally:
        session.close()
    return Reactions(tuple(found), verdict.is_equal)


class _Without:
    """The leader's frames as if only ``steps`` steps had been done; notes when the next one became known."""

    def __init__(self, leader: SteppingLeader, steps: int) -> None:
        self._leader, self._steps = leader, steps
        self._event_s = float(leader.events_s[steps])
        self.framed_s = self.known_s = np.inf

    def __call__(self, now_s: float, frames: Sequence[LeaderFrame]) -> Sequence[LeaderFrame]:
        for frame in frames:
            if frame.time_s >= self._event_s and not np.isfinite(self.known_s):
                self.framed_s, self.known_s = frame.time_s, now_s
        return [self._leader.frame(frame.index, self._steps) for frame in frames]


def _first_other(was: _Shown, other: _Shown, event_s: float, fps: float) -> float | None:
    """When the first pose is due that differs by more than CHANGED_M."""
    for frame in sorted(was.poses.keys() & other.poses.keys()):
        apart_m = np.linalg.norm(was.joints_m(frame) - other.joints_m(frame), axis=-1).max()
        if apart_m > CHANGED_M:
            # Two dances that differ before the event would be no proof of anything.
            return frame / fps if frame / fps >= event_s else None
    return None
