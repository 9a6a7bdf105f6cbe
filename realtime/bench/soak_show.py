"""What a soak looks at: a whole show on a clock that moves only when told, and the sampler that looks at any show.

The show is an exhibit's: visitors come and go at random, a ghost leads between them, music plays on and on; conductor,
playout, law, guards, ear and follower are the real ones. Only devices, processes and the display are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from duet.choreography import compose
from duet.clock import Clock, ManualClock
from duet.contract import FollowerContract
from duet.features import Placement, Standing
from duet.forecast import Forecaster
from duet.frames import LeaderFrame, LeaderStatus, PoseSource
from duet.groove import render_groove
from realtime.bench.soak import Sample
from realtime.commands import CommandInbox
from realtime.conductor import Conductor
from realtime.engine import DelayedEngine
from realtime.guards import GuardedLeader, GuardedMusic, GuardedRunner
from realtime.health import Health
from realtime.kiosk.ghost import Ghost
from realtime.kiosk.presence import Rules
from realtime.kiosk.visits import Visits
from realtime.law import Law
from realtime.playout import Playout
from realtime.pose_line import joints_of
from realtime.process_use import use_of_all
from realtime.sight.leader_take import LEADER_FPS, TakeLeader
from realtime.sound.audio import InlineEar
from realtime.sound.music_player import RecordedMusic
from realtime.tick import FollowerState, Runner
from realtime.wishes import Wishes

TICK_S = 0.045
"""How long a tick takes on the clock of such a show."""
_TEMPO_BPM, _PIECE_S, _MUSIC_S = 180.0, 20.0, 64.0
_AWAY_S, _STAYS_S = (5.0, 60.0), (20.0, 120.0)
_MOMENT = 30
"""Frames over which jerk is taken at a time."""
LOOK_S = 0.5
"""Seconds between two looks, at most: what is shown is not kept for long."""


class Sampler:
    """Looks at a running show, all the time, and tells how it was since it was asked last. Owned by one thread."""

    def __init__(self, conductor: Conductor, clock: Clock) -> None:
        self._conductor, self._clock = conductor, clock
        self._next_frame = 0
        self._ages_s, self._squares = list[float](), list[float]()

    def look(self) -> None:
        """Take in what was shown since the last look: moments that were danced without a break. Each ``LOOK_S``."""
        line, now = self._conductor.playout.line, self._clock.now()
        self._next_frame = max(self._next_frame, line.first_frame)
        while self._next_frame + _MOMENT <= int(now * line.fps):
            frames = range(self._next_frame, self._next_frame + _MOMENT)
            # The last three are the first of the next moment: no third difference is left out.
            self._next_frame += _MOMENT - 3
            poses = [line.sample(frame) for frame in frames]
            if any(pose.source is not PoseSource.MODEL for pose in poses):
                continue
            third = np.diff(joints_of(poses), n=3, axis=0) * line.fps**3
            self._squares.append(float(np.square(np.linalg.norm(third, axis=-1)).mean()))
            self._ages_s += [line.leader_age_s(frame / line.fps) for frame in frames[3:]]

    def sample(self) -> Sample:
        """The show since the last sample."""
        self.look()
        now, health = self._clock.now(), self._conductor.health
        lag_ms, jerk = self._motion()
        late, ticks, skipped = (health.counter(name) for name in ("late_ticks", "ticks", "skipped_ticks"))
        return Sample(now, *_held(), lag_ms, jerk, late, ticks, skipped)

    def _motion(self) -> tuple[float, float]:
        if not self._squares:
            return np.nan, np.nan
        found = float(np.median(self._ages_s)) * 1e3, float(np.sqrt(np.mean(self._squares)))
        self._ages_s, self._squares = [], []
        return found


def _held() -> tuple[float, float, float]:
    """Megabytes, handles and threads of the show."""
    try:
        use = use_of_all()
    except OSError:
        # No handle is left to look with: how it moves and what is late is told all the same.
        return np.nan, np.nan, np.nan
    return use.memory_mb, use.handles, use.threads


class Visitors:
    """People who come and go at random, dance salsa, and walk back and forth in their dance without a jump."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._take = TakeLeader(compose("salsa", _PIECE_S, _TEMPO_BPM, 1 + seed % 7, fps=LEADER_FPS).leader, LEADER_FPS)
        self._count = round(_PIECE_S * LEADER_FPS)
        self._next, self._is_there = 0, False
        self._until_s = self._rng.uniform(*_AWAY_S)

    def start(self, clock: Clock, begin_s: float) -> None:
        """See ``Visitor``."""

    def stop(self) -> None:
        """See ``Visitor``."""

    def shown(self, time_s: float) -> LeaderFrame | None:
        """Nobody draws them."""
        return None

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """See ``LeaderSource``."""
        frames = []
        while (time_s := self._next / LEADER_FPS) <= until_s:
            if time_s >= self._until_s:
                self._is_there = not self._is_there
                self._until_s = time_s + self._rng.uniform(*(_STAYS_S if self._is_there else _AWAY_S))
            there_and_back = self._next % (2 * self._count - 2)
            body = self._take.frame(min(there_and_back, 2 * self._count - 2 - there_and_back))
            status = LeaderStatus.TRACKED if self._is_there else LeaderStatus.LOST
            frames.append(replace(body, index=self._next, time_s=time_s, status=status))
            self._next += 1
        return frames


class Show:
    """An exhibit on a manual clock."""

    def __init__(
        self, contract: FollowerContract, runner: Runner, forecaster: Forecaster | None, *, seed: int = 0
    ) -> None:
        self.clock, self.health = ManualClock(), Health()
        rules, inbox = Rules(), CommandInbox()
        ghost = Ghost(rules.attract_s, _TEMPO_BPM)
        self.visits = Visits(Visitors(seed), ghost, rules, inbox.ask, self.health, seed=seed)
        music = InlineEar(RecordedMusic(render_groove(_MUSIC_S, _TEMPO_BPM, seed=0).samples, output=None, loop=True))
        music.start(self.clock)
        engine = DelayedEngine(
            GuardedRunner(runner, contract, self.health),
            FollowerState.initial(contract),
            self.clock,
            lambda _: TICK_S,
        )
        self.conductor = Conductor(
            contract,
            engine,
            GuardedLeader(self.visits, self.health),
            GuardedMusic(music, self.health),
            Playout(contract.timeline, Standing(np.array([0.0, 0.9, 0.85]), np.pi)),
            self.clock,
            Wishes(Placement(contract.distance_m)),
            self.health,
            seed=seed,
            law=Law(contract),
            forecaster=forecaster,
            commands=inbox,
        )
        self.sampler = Sampler(self.conductor, self.clock)

    def perform(self, seconds: float, every_s: float, told: Callable[[Sample], None]) -> None:
        """Go on for ``seconds`` of its clock, as fast as it goes; ``told`` is given a sample ``every_s``."""
        due_s = every_s

        def is_over() -> bool:
            nonlocal due_s
            self.sampler.look()
            if self.clock.now() >= due_s:
                due_s += every_s
                told(self.sampler.sample())
            return self.clock.now() >= seconds

        self.conductor.run(is_over)
