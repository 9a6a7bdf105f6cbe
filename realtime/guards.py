"""What stands between the conductor and the world: nonsense is left out, counted and told; nothing ends a dance.

A frame that cannot be (not a number, out of reach, out of order, ahead of the clock) is not handed on. A follower whose
graphs fail answers with NaN, which the conductor knows how to bear: it forgets, and the body comes to rest meanwhile. A
source that raises is a source that gives nothing.

Threading: sources belong to the conductor's thread, the runner to the engine's.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.features import FOLLOWER_LOWER, FOLLOWER_UPPER
from duet.forecast import FORESEEN_SIZE, Forecaster
from duet.frames import LeaderFrame, MusicFrame
from realtime.feeds import LeaderSource, MusicSource
from realtime.health import Health
from realtime.tick import CarryingRunner, FollowerState, Runner, Tensors
from realtime.told import Tell, Told, said_of

LOG = logging.getLogger("duet.guards")
Frame = TypeVar("Frame", LeaderFrame, MusicFrame)

FARTHEST_M = 30.0
"""No leader is further from the middle of the stage."""
WIDEST_M = 3.0
"""No joint is further from its pelvis."""
AHEAD_S = 0.1
"""A frame that claims to be so much newer than now has a clock of its own."""
MOST_FEATURE = 100.0
"""Of what a follower says: turns are within 1.5, metres and metres a second within a few."""
MOST_SUDDEN = 0.4
"""By so much a turn's numbers (6D) may be off the straight line from the frame before to the frame after: a
dance stays well below. A follower that says more speaks noise."""
LEAST_BPM, MOST_BPM = 1.0, 1000.0
"""Music beats no slower and no faster; of a tempo of nothing there is no logarithm to be told of."""
_TURNS = slice(FOLLOWER_UPPER.start, FOLLOWER_LOWER.stop)


class GuardedLeader:
    """Leader frames that can be."""

    def __init__(self, source: LeaderSource, health: Health, told: Tell = LOG.warning) -> None:
        self._source, self._newest_s = source, -np.inf
        self._refused, self._failed = Told(health, "refused_leader_frames", told), Told(health, "leader_failures", told)

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """See ``LeaderSource``."""
        return _frames(self._failed, "leader", lambda: list(self._good(self._source.take_new(until_s), until_s)))

    def _good(self, frames: Sequence[LeaderFrame], until_s: float) -> Iterator[LeaderFrame]:
        for frame in frames:
            wrong = self._wrong(frame, until_s)
            self._refused.see(wrong)
            if not wrong:
                self._newest_s = frame.time_s
                yield frame

    def _wrong(self, frame: LeaderFrame, until_s: float) -> str:
        if not np.isfinite(frame.time_s) or frame.time_s > until_s + AHEAD_S:
            return f"leader: a frame of {frame.time_s:.2f} s came at {until_s:.2f} s"
        if frame.time_s <= self._newest_s:
            return f"leader: a frame of {frame.time_s:.2f} s came after one of {self._newest_s:.2f} s"
        values = frame.root_m, frame.joints_m, frame.rotations_6d
        if not all(np.isfinite(value).all() for value in values):
            return "leader: a body that is not a number"
        away_m = np.abs(frame.joints_m - frame.root_m).max()
        if np.abs(frame.root_m).max() > FARTHEST_M or away_m > WIDEST_M:
            return f"leader: a body at {np.abs(frame.root_m).max():.0f} m, {away_m:.0f} m wide"
        return ""


class _Drawable(LeaderSource, Protocol):
    def shown(self, time_s: float) -> LeaderFrame | None: ...


class DrawnLeader(GuardedLeader):
    """A guarded leader whom the picture shows, too; ``shown`` belongs to the thread that looks after the show."""

    def __init__(self, source: _Drawable, health: Health, told: Tell = LOG.warning) -> None:
        super().__init__(source, health, told)
        self._drawable, self._unseen = source, Told(health, "leader_undrawn", told)

    def shown(self, time_s: float) -> LeaderFrame | None:
        """The leader to draw at ``time_s``; nobody where the source raises."""
        try:
            frame, wrong = self._drawable.shown(time_s), ""
        except Exception as error:  # whatever a device raises: the show goes on, and says so
            frame, wrong = None, said_of("leader", error)
        self._unseen.see(wrong)
        return frame


class GuardedMusic:
    """Music frames that can be."""

    def __init__(self, source: MusicSource, health: Health, told: Tell = LOG.warning) -> None:
        self._source = source
        self._refused, self._failed = Told(health, "refused_music_frames", told), Told(health, "music_failures", told)

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """See ``MusicSource``."""
        return _frames(self._failed, "music", lambda: list(self._good(self._source.take_new(until_s), until_s)))

    def _good(self, frames: Sequence[MusicFrame], until_s: float) -> Iterator[MusicFrame]:
        for frame in frames:
            numbers = frame.time_s, frame.beat_phase, frame.bar_phase, frame.tempo_bpm, frame.confidence
            sound = np.isfinite(numbers).all() and np.isfinite(frame.features).all()
            can_be = sound and frame.time_s <= until_s + AHEAD_S and LEAST_BPM <= frame.tempo_bpm <= MOST_BPM
            wrong = "" if can_be and frame.metre >= 1 else f"music: what was heard cannot be ({frame.tempo_bpm:g} bpm)"
            self._refused.see(wrong)
            if not wrong:
                yield frame


class GuardedRunner:
    """A follower's graphs; where they fail or say what cannot be, NaN, and the state stays."""

    def __init__(self, runner: Runner, contract: FollowerContract, health: Health, told: Tell = LOG.warning) -> None:
        self._runner, self._contract = runner, contract
        self._failed = Told(health, "failed_ticks", told)

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        """See ``Runner``."""
        try:
            outputs, new_state = self._runner.tick(inputs, state)
            wrong = _unlikely(outputs["frames"])
        except Exception as error:  # whatever a library raises
            outputs, new_state, wrong = {}, state, said_of("follower", error)
        self._failed.see(wrong)
        return (self._nothing(), state) if wrong else (outputs, new_state)

    def carry(self, inputs: Tensors, state: FollowerState) -> FollowerState:
        """See ``CarryingRunner``; one that cannot carry leaves its state as it was."""
        if isinstance(self._runner, CarryingRunner):
            try:
                return self._runner.carry(inputs, state)
            except Exception as error:  # whatever a library raises
                self._failed.see(said_of("follower", error))
        return state

    def _nothing(self) -> Tensors:
        return MappingProxyType({t.name: np.full(t.shape, np.nan, np.float32) for t in self._contract.outputs})


class GuardedForecaster:
    """A forecaster that ends no dance: where it fails, or says what cannot be, leaders are foreseen without it."""

    def __init__(self, forecaster: Forecaster, health: Health, told: Tell = LOG.warning) -> None:
        self._forecaster, self._failed = forecaster, Told(health, "failed_forecasts", told)

    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``duet.forecast.Forecaster``."""
        nothing = np.zeros((0, FORESEEN_SIZE), np.float32)
        try:
            said = self._forecaster(leader)
            most = float(np.abs(said).max())
            wrong = "" if most <= MOST_FEATURE else f"forecast: expected a leader, got numbers up to {most:g}"
        except Exception as error:  # whatever a library raises
            said, wrong = nothing, said_of("forecast", error)
        self._failed.see(wrong)
        return nothing if wrong else said


def _unlikely(frames: NDArray[np.float32]) -> str:
    """What is wrong with decoded ``frames`` (1, N, 145); empty for nothing."""
    most = float(np.abs(frames).max())
    if not most <= MOST_FEATURE:
        return f"follower: expected poses, got numbers up to {most:g}"
    turns = frames[0, :, _TURNS]
    sudden = float(np.abs(np.diff(turns, n=2, axis=0)).max())
    return "" if sudden <= MOST_SUDDEN else f"follower: expected a dance, got turns that leap by {sudden:.2f}"


def _frames(failed: Told, who: str, take: Callable[[], list[Frame]]) -> list[Frame]:
    """What a source gives; nothing where it raises."""
    try:
        frames = take()
    except Exception as error:  # whatever a device raises: the show goes on, and says so
        failed.see(said_of(who, error))
        return []
    failed.see("")
    return frames
