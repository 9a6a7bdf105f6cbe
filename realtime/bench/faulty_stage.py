"""A stage on a clock that moves only when told, on which things go wrong as planned: the real conductor, playout, law,
guards and follower, led and accompanied by built-in dancers, and watched at every moment of a display.

For ``duet bench faults`` and tests. What happens is a list of ``Fault``, each with a beginning and an end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from duet.choreography import compose
from duet.clock import ManualClock
from duet.contract import FollowerContract
from duet.features import Placement, Standing, partner_standing
from duet.forecast import Forecaster
from duet.frames import FollowerPose, LeaderFrame, LeaderStatus, MusicFrame
from duet.groove import render_groove
from duet.kinematics import heading_yaw
from duet.motion import Motion
from duet.poses import RELAXED_PELVIS_HEIGHT_M
from duet.skeleton import BODY
from realtime.commands import Command, CommandInbox
from realtime.conductor import Conductor
from realtime.engine import DelayedEngine
from realtime.feed_watch import WatchedLeader, WatchedMusic
from realtime.guards import GuardedLeader, GuardedMusic, GuardedRunner
from realtime.health import Health
from realtime.law import Law
from realtime.playout import Playout
from realtime.sight.leader_take import LEADER_FPS, TakeLeader
from realtime.sound.audio import InlineEar
from realtime.sound.music_player import GrooveMusic
from realtime.tick import CarryingRunner, FollowerState, Runner, Tensors
from realtime.wishes import Wishes

DISPLAY_FPS = 30.0
TEMPO_BPM = 180.0
USUAL_TICK_S = 0.03
_KEPT_S = 60.0
"""A camera's process keeps no more than this of what nobody takes."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Fault:
    """Something that is wrong from ``begin_s`` for ``seconds``; ``amount`` says how much, where that has a meaning."""

    kind: str
    begin_s: float
    seconds: float = 0.0
    amount: float = 0.0

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.begin_s + self.seconds

    def is_on(self, time_s: float) -> bool:
        """Whether it is the case."""
        return self.begin_s <= time_s < self.end_s


class Faults:
    """What is wrong on a stage, by now."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._done: set[Fault] = set()
        self.met: dict[Fault, int] = {}
        """How often each that came to pass was met: nobody meets a mad leader whose camera is pulled."""

    def now(self, kind: str, time_s: float) -> Fault | None:
        """The fault of this kind that is the case, if one is."""
        fault = next((f for f in self._faults if f.kind == kind and f.is_on(time_s)), None)
        if fault is not None:
            self.met[fault] = self.met.get(fault, 0) + 1
        return fault

    def once(self, kind: str, time_s: float) -> Fault | None:
        """The fault of this kind that has begun, told once."""
        for fault in self._faults:
            if fault.kind == kind and fault.begin_s <= time_s and fault not in self._done:
                self._done.add(fault)
                self.met[fault] = 1
                return fault
        return None

    def raise_for(self, who: str, time_s: float) -> None:
        """Raise what ``who`` raises now, if anything."""
        for kind, raised in RAISES.items():
            if kind.startswith(who) and self.now(kind, time_s) is not None:
                raise raised()


class ShownClock(ManualClock):
    """Calls ``show`` at each of the display's moments that it passes; ``leap`` passes over them: a lid was shut."""

    def __init__(self, phase_s: float = 0.0) -> None:
        super().__init__()
        self._phase_s, self._next = phase_s, 0
        self.show: Callable[[float], None] | None = None

    def sleep_until(self, time_s: float) -> None:
        while (at_s := self._phase_s + self._next / DISPLAY_FPS) <= time_s:
            self._next += 1
            super().sleep_until(at_s)
            if self.show is not None:
                self.show(at_s)
        super().sleep_until(time_s)

    def advance(self, seconds: float) -> None:
        self.sleep_until(self.now() + seconds)

    def leap(self, seconds: float) -> None:
        """Move on unseen."""
        super().sleep_until(self.now() + seconds)
        self._next = int(np.ceil((self.now() - self._phase_s) * DISPLAY_FPS))


class FaultyLeader:
    """A built-in leader, as a camera that fails would have them."""

    def __init__(self, faults: Faults, clock: ShownClock, seed: int) -> None:
        self.take = TakeLeader(_leader(seed), LEADER_FPS)
        self._faults, self._clock = faults, clock
        self.rng = np.random.default_rng(seed)
        self._index = 0

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """See ``LeaderSource``."""
        for kind, move in CLOCK_FAULTS.items():
            if (fault := self._faults.once(kind, until_s)) is not None:
                move(self._clock, fault.amount)
        self._faults.raise_for("leader", until_s)
        out, frames = [], int(_leader(0).frames)
        self._index = max(self._index, int((until_s - _KEPT_S) * LEADER_FPS))
        while self._index / LEADER_FPS <= until_s:
            frame = self.take.frame(self._index % frames)
            out += self._seen(replace(frame, index=self._index, time_s=self._index / LEADER_FPS))
            self._index += 1
        return out

    def _seen(self, frame: LeaderFrame) -> list[LeaderFrame]:
        for kind, change in LEADER_FAULTS.items():
            if (fault := self._faults.now(kind, frame.time_s)) is not None:
                changed = change(self, fault, frame)
                if changed is not frame:
                    return [] if changed is None else [changed]
        return [frame]


def _slow(_: FaultyLeader, fault: Fault, frame: LeaderFrame) -> LeaderFrame | None:
    return None if frame.index % max(round(LEADER_FPS / fault.amount), 1) else frame


def _frozen(leader: FaultyLeader, fault: Fault, frame: LeaderFrame) -> LeaderFrame:
    still = leader.take.frame(int(fault.begin_s * LEADER_FPS))
    return replace(still, index=frame.index, time_s=frame.time_s)


def _leaps(_: FaultyLeader, fault: Fault, frame: LeaderFrame) -> LeaderFrame:
    away = np.array([fault.amount, 0.0, 0.0])
    return replace(frame, root_m=frame.root_m + away, joints_m=frame.joints_m + away)


def _garbage(leader: FaultyLeader, _: Fault, frame: LeaderFrame) -> LeaderFrame:
    return replace(frame, joints_m=frame.joints_m * leader.rng.uniform(-50.0, 50.0, frame.joints_m.shape))


def _shakes(leader: FaultyLeader, fault: Fault, frame: LeaderFrame) -> LeaderFrame:
    return replace(frame, joints_m=frame.joints_m + leader.rng.normal(0.0, fault.amount, frame.joints_m.shape))


LEADER_FAULTS: dict[str, Callable[[FaultyLeader, Fault, LeaderFrame], LeaderFrame | None]] = {
    "leader pulled": lambda leader, fault, frame: None,
    "leader slow": _slow,
    "leader frozen": _frozen,
    "leader lost": lambda _, fault, frame: replace(frame, status=LeaderStatus.LOST, visibility=np.zeros(len(BODY))),
    "leader leaps": _leaps,
    "leader not a number": lambda _, fault, frame: replace(frame, joints_m=np.full_like(frame.joints_m, np.nan)),
    "leader garbage": _garbage,
    "leader shakes": _shakes,
    "leader's clock": lambda _, fault, frame: replace(frame, time_s=frame.time_s + fault.amount),
}
"""What a frame becomes, None for nothing; the first that is the case and changes it does."""


class FaultyMusic:
    """The built-in music as it was heard, with holes and nonsense in it."""

    def __init__(self, faults: Faults) -> None:
        self._faults, self._next = faults, 0

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """See ``MusicSource``."""
        self._faults.raise_for("music", until_s)
        heard, out = _heard(), []
        while self._next < len(heard) and heard[self._next].time_s <= until_s:
            out += self._through(heard[self._next])
            self._next += 1
        return out

    def _through(self, frame: MusicFrame) -> list[MusicFrame]:
        for kind, change in MUSIC_FAULTS.items():
            if (fault := self._faults.now(kind, frame.time_s)) is not None:
                changed = change(fault, frame)
                if changed is not frame:
                    return [] if changed is None else [changed]
        return [frame]


def _nothing_heard(_: Fault, frame: MusicFrame) -> MusicFrame:
    return replace(frame, tempo_bpm=np.nan, features=np.full_like(frame.features, np.nan))


def _other_music(fault: Fault, frame: MusicFrame) -> MusicFrame:
    return replace(frame, tempo_bpm=frame.tempo_bpm * fault.amount, beat_phase=0.5, confidence=0.1)


MUSIC_FAULTS: dict[str, Callable[[Fault, MusicFrame], MusicFrame | None]] = {
    "music pulled": lambda fault, frame: None,
    "xruns": lambda fault, frame: None if frame.index % 3 else frame,
    "music not a number": _nothing_heard,
    "music changes": _other_music,
}


class FaultyRunner:
    """A follower whose graphs fail."""

    def __init__(self, runner: Runner, faults: Faults, clock: ManualClock) -> None:
        self._runner, self._faults, self._clock = runner, faults, clock
        self.rng = np.random.default_rng(0)

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        """See ``Runner``."""
        now = self._clock.now()
        self._faults.raise_for("model", now)
        outputs, new = self._runner.tick(inputs, state)
        for kind, change in MODEL_FAULTS.items():
            if (fault := self._faults.now(kind, now)) is not None:
                frames, tensors = change(self, fault, outputs["frames"], new.tensors)
                return {**outputs, "frames": frames}, replace(new, tensors=tensors)
        return outputs, new

    def carry(self, inputs: Tensors, state: FollowerState) -> FollowerState:
        """See ``CarryingRunner``."""
        return self._runner.carry(inputs, state) if isinstance(self._runner, CarryingRunner) else state


def _no_number(_: FaultyRunner, fault: Fault, frames: Floats, state: Tensors) -> tuple[Floats, Tensors]:
    return np.full_like(frames, np.nan), {name: np.full_like(values, np.nan) for name, values in state.items()}


def _wild(runner: FaultyRunner, fault: Fault, frames: Floats, state: Tensors) -> tuple[Floats, Tensors]:
    return frames + runner.rng.normal(0.0, fault.amount, frames.shape).astype(np.float32), state


MODEL_FAULTS: dict[str, Callable[[FaultyRunner, Fault, Floats, Tensors], tuple[Floats, Tensors]]] = {
    "model not a number": _no_number,
    "model garbage": lambda _, fault, frames, state: (frames * np.float32(10.0**fault.amount), state),
    "model wild": _wild,
}
"""What decoded frames and the state after them become."""
RAISES: dict[str, Callable[[], Exception]] = {
    "leader raises": lambda: OSError("the device is out of order"),
    "music raises": lambda: OSError("the device is out of order"),
    "model raises": lambda: RuntimeError("no such kernel"),
    "model is short of memory": lambda: MemoryError("no room for a tensor"),
}
CLOCK_FAULTS: dict[str, Callable[[ShownClock, float], None]] = {
    "stall": ShownClock.advance,
    "clock leaps": ShownClock.leap,
    "clock leaps by an hour": ShownClock.leap,
}
SLOW, STALLS = "model slow", "model stalls"
HAPPENING = {*LEADER_FAULTS, *MUSIC_FAULTS, *MODEL_FAULTS, *RAISES, *CLOCK_FAULTS, SLOW, STALLS}
"""Every kind of fault that this stage knows."""


@dataclass(frozen=True)
class Shown:
    """What was on the display, moment by moment."""

    time_s: NDArray[np.float64]
    poses: Sequence[FollowerPose]


class FaultyStage:
    """One performance in which ``faults`` happen, and ``commands`` are given at their times."""

    def __init__(
        self,
        contract: FollowerContract,
        runner: Runner,
        faults: Sequence[Fault],
        *,
        forecaster: Forecaster | None = None,
        commands: Sequence[tuple[float, Command]] = (),
        seed: int = 0,
        phase_s: float = 0.0,
    ) -> None:
        self.health, self.clock = Health(), ShownClock(phase_s)
        self.told: list[str] = []
        happens = Faults(faults)
        self._happens, self._commands = happens, sorted(commands, key=lambda timed: timed[0])
        self._inbox = CommandInbox()
        self._times: list[float] = []
        self._poses: list[FollowerPose] = []
        tell = self.told.append
        guarded = GuardedRunner(FaultyRunner(runner, happens, self.clock), contract, self.health, tell)
        leader = FaultyLeader(happens, self.clock, seed)
        self.conductor = Conductor(
            contract,
            DelayedEngine(guarded, FollowerState.initial(contract), self.clock, self._latency_s),
            WatchedLeader(GuardedLeader(leader, self.health, tell), self.health, tell),
            WatchedMusic(GuardedMusic(FaultyMusic(happens), self.health, tell), self.health, tell),
            Playout(contract.timeline, _place(seed, contract)),
            self.clock,
            Wishes(Placement(contract.distance_m)),
            self.health,
            seed=seed,
            law=Law(contract),
            forecaster=forecaster,
            commands=self._inbox,
        )
        self.clock.show = self._show

    @property
    def met(self) -> Mapping[Fault, int]:
        """Faults that came to pass, and how often each was met."""
        return self._happens.met

    def perform(self, seconds: float) -> Shown:
        """Dance for so long; what was seen."""
        self.conductor.run(lambda: self.clock.now() >= seconds)
        return Shown(np.array(self._times), self._poses)

    def _show(self, time_s: float) -> None:
        while self._commands and self._commands[0][0] <= time_s:
            self._inbox.ask(self._commands.pop(0)[1])
        self._times.append(time_s)
        self._poses.append(self.conductor.playout.pose_at(time_s))

    def _latency_s(self, tick: int) -> float:
        now = self.clock.now()
        slow, once = self._happens.now(SLOW, now), self._happens.once(STALLS, now)
        return USUAL_TICK_S + (slow.amount if slow is not None else 0.0) + (once.amount if once is not None else 0.0)


@lru_cache(maxsize=8)
def _leader(seed: int) -> Motion:
    return compose("salsa", 20.0, TEMPO_BPM, seed % 8, fps=LEADER_FPS).leader


@lru_cache(maxsize=1)
def _heard() -> tuple[MusicFrame, ...]:
    """What the ear makes of the built-in music."""
    clock, ear = ManualClock(), InlineEar(GrooveMusic(render_groove(20.0, TEMPO_BPM, seed=0), output=None))
    ear.start(clock)
    frames: list[MusicFrame] = []
    for step in range(1, 600):
        clock.sleep_until(step / 30.0)
        frames += ear.take_new(clock.now())
    return tuple(frames)


def _place(seed: int, contract: FollowerContract) -> Standing:
    motion = _leader(seed)
    first = motion.on_body(BODY).joints_m[0]
    here = Standing(first[0].astype(np.float64), float(heading_yaw(BODY, first)))
    return partner_standing(here, Placement(contract.distance_m), RELAXED_PELVIS_HEIGHT_M)
