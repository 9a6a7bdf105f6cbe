"""A stage on a clock that moves only when told, on which things go wrong as planned: the real conductor, playout, law,
guards and follower, led and accompanied by built-in dancers, and watched at every moment of a display.

For ``duet bench faults`` and tests. What happens is a list of ``Fault``, each with a beginning and an end.
"""

from collections.abc import Callable, Sequence
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
_LONGEST_S = 90.0


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
        self.met: set[Fault] = set()
        """Those that came to pass: nobody meets a mad leader whose camera is pulled."""

    def now(self, kind: str, time_s: float) -> Fault | None:
        """The fault of this kind that is the case, if one is."""
        fault = next((f for f in self._faults if f.kind == kind and f.is_on(time_s)), None)
        if fault is not None:
            self.met.add(fault)
        return fault

    def once(self, kind: str, time_s: float) -> Fault | None:
        """The fault of this kind that has begun, told once."""
        for fault in self._faults:
            if fault.kind == kind and fault.begin_s <= time_s and fault not in self._done:
                self._done.add(fault)
                self.met.add(fault)
                return fault
        return None


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
        self._take = TakeLeader(_leader(seed), LEADER_FPS)
        self._faults, self._clock = faults, clock
        self._rng = np.random.default_rng(seed)
        self._index = 0

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """See ``LeaderSource``."""
        if (fault := self._faults.once("stall", until_s)) is not None:
            self._clock.advance(fault.amount)
        if (fault := self._faults.once("clock leaps", until_s)) is not None:
            self._clock.leap(fault.amount)
        if self._faults.now("leader raises", until_s) is not None:
            raise OSError("the device is out of order")
        out = []
        while self._index / LEADER_FPS <= until_s and self._index < int(_LONGEST_S * LEADER_FPS):
            frame = self._take.frame(self._index % self._take_frames)
            out += self._seen(replace(frame, index=self._index, time_s=self._index / LEADER_FPS))
            self._index += 1
        return out

    @property
    def _take_frames(self) -> int:
        return int(_leader(0).frames)

    def _seen(self, frame: LeaderFrame) -> list[LeaderFrame]:
        at, found = frame.time_s, self._faults.now
        if found("leader pulled", at) is not None:
            return []
        if (slow := found("leader slow", at)) is not None and frame.index % max(round(LEADER_FPS / slow.amount), 1):
            return []
        if (frozen := found("leader frozen", at)) is not None:
            still = self._take.frame(int(frozen.begin_s * LEADER_FPS))
            return [replace(still, index=frame.index, time_s=at)]
        if found("leader lost", at) is not None:
            return [replace(frame, status=LeaderStatus.LOST, visibility=np.zeros(len(BODY)))]
        if (fault := found("leader leaps", at)) is not None:
            away = np.array([fault.amount, 0.0, 0.0])
            return [replace(frame, root_m=frame.root_m + away, joints_m=frame.joints_m + away)]
        if found("leader not a number", at) is not None:
            return [replace(frame, joints_m=np.full_like(frame.joints_m, np.nan))]
        if found("leader garbage", at) is not None:
            return [replace(frame, joints_m=frame.joints_m * self._rng.uniform(-50.0, 50.0, frame.joints_m.shape))]
        if (fault := found("leader shakes", at)) is not None:
            noise = self._rng.normal(0.0, fault.amount, frame.joints_m.shape)
            return [replace(frame, joints_m=frame.joints_m + noise)]
        if (fault := found("leader's clock", at)) is not None:
            return [replace(frame, time_s=at + fault.amount)]
        return [frame]


class FaultyMusic:
    """The built-in music as it was heard, with holes and nonsense in it."""

    def __init__(self, faults: Faults) -> None:
        self._faults, self._next = faults, 0

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        """See ``MusicSource``."""
        if self._faults.now("music raises", until_s) is not None:
            raise OSError("the device is out of order")
        heard, out = _heard(), []
        while self._next < len(heard) and heard[self._next].time_s <= until_s:
            out += self._through(heard[self._next])
            self._next += 1
        return out

    def _through(self, frame: MusicFrame) -> list[MusicFrame]:
        at, found = frame.time_s, self._faults.now
        if found("music pulled", at) is not None:
            return []
        if found("xruns", at) is not None and frame.index % 3:
            return []
        if found("music not a number", at) is not None:
            return [replace(frame, tempo_bpm=np.nan, features=np.full_like(frame.features, np.nan))]
        if (fault := found("music changes", at)) is not None:
            return [replace(frame, tempo_bpm=frame.tempo_bpm * fault.amount, beat_phase=0.5, confidence=0.1)]
        return [frame]


class FaultyRunner:
    """A follower whose graphs fail."""

    def __init__(self, runner: Runner, faults: Faults, clock: ManualClock) -> None:
        self._runner, self._faults, self._clock = runner, faults, clock
        self._rng = np.random.default_rng(0)

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        """See ``Runner``."""
        now, found = self._clock.now(), self._faults.now
        if found("model raises", now) is not None:
            raise RuntimeError("no such kernel")
        if found("memory is short", now) is not None:
            raise MemoryError("no room for a tensor")
        outputs, new = self._runner.tick(inputs, state)
        frames = outputs["frames"]
        if found("model not a number", now) is not None:
            nothing = {name: np.full_like(values, np.nan) for name, values in new.tensors.items()}
            return {**outputs, "frames": np.full_like(frames, np.nan)}, replace(new, tensors=nothing)
        if (fault := found("model garbage", now)) is not None:
            return {**outputs, "frames": frames * np.float32(10.0**fault.amount)}, new
        if (fault := found("model wild", now)) is not None:
            noise = self._rng.normal(0.0, fault.amount, frames.shape).astype(np.float32)
            return {**outputs, "frames": frames + noise}, new
        return outputs, new

    def carry(self, inputs: Tensors, state: FollowerState) -> FollowerState:
        """See ``CarryingRunner``."""
        return self._runner.carry(inputs, state) if isinstance(self._runner, CarryingRunner) else state


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
        guarded = GuardedRunner(FaultyRunner(runner, happens, self.clock), contract, self.health, self.told.append)
        leader = FaultyLeader(happens, self.clock, seed)
        self.conductor = Conductor(
            contract,
            DelayedEngine(guarded, FollowerState.initial(contract), self.clock, self._latency_s),
            GuardedLeader(leader, self.health, self.told.append),
            GuardedMusic(FaultyMusic(happens), self.health, self.told.append),
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
    def met(self) -> set[Fault]:
        """Faults that came to pass."""
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
        slow = self._happens.now("model slow", now)
        once = self._happens.once("model stalls", now)
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
