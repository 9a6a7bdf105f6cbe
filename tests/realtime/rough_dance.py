"""A dance in which everything goes wrong that can, recorded and danced again."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from duet.clock import ManualClock
from duet.contract import TensorSpec, load_contract
from duet.features import FOLLOWER_LOWER, FOLLOWER_ROOT, FOLLOWER_SIZE, FOLLOWER_UPPER, Placement, Standing
from duet.forecast import Forecaster
from duet.frames import LeaderFrame, LeaderStatus, MusicFrame
from duet.music import FEATURES
from duet.rotations import yaw_matrix
from duet.skeleton import BODY
from realtime.commands import CommandInbox, Fade, Freeze, LockSeed, Panic, Resume, SetPlacement
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.health import Health
from realtime.motion_log import MotionLog
from realtime.playout import Playout
from realtime.sessions.session import Recording
from realtime.sessions.session_file import (
    SessionReader,
)
from realtime.sessions.session_replay import Session, Verdict
from realtime.sessions.tape import Kind, TapeReader
from realtime.tick import FollowerState, Runner, Tensors, TickResult
from realtime.wishes import Wishes

CONTRACT = replace(
    load_contract(Path(__file__).resolve().parents[2] / "followers" / "salsa-s"),
    states=(TensorSpec("past", (1,)),), graphs=(), bank="", bank_sha256="", forecast=None,
)  # fmt: skip


class Swaying:
    """A pure follower whose dance depends on everything that it is told and on what it remembers."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.deaf = deaf

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        told = sum(float(np.abs(v).mean()) for v in inputs.values()) if not self.deaf else 1.0
        past = np.float32(0.9) * state.tensors["past"] + np.float32(np.sin(told))
        frames = np.zeros((1, CONTRACT.plan_frames, FOLLOWER_SIZE), np.float32)
        for part in (FOLLOWER_UPPER, FOLLOWER_LOWER):
            width = len(range(*part.indices(FOLLOWER_SIZE)))
            frames[..., part] = np.tile([1, 0, 0, 0, 1, 0], width // 6) + 0.1 * np.sin(past + np.arange(width))
        frames[..., FOLLOWER_ROOT] = [0.0, 0.8, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.8664]
        if past > 5.8:
            frames[:] = np.nan
        return {"frames": frames}, FollowerState({"past": past})


class Stumbling:
    """An engine that is late, refuses and makes up its mind as a slow machine would."""

    def __init__(self, engine: InlineEngine, chance: random.Random) -> None:
        self.engine, self.chance, self.busy = engine, chance, False

    def submit(self, tick: int, inputs: Tensors) -> bool:
        if self.busy:
            return False
        self.busy = self.engine.submit(tick, inputs)
        return self.busy

    def collect(self, timeout_s: float) -> TickResult | None:
        if self.chance.random() < 0.3:
            return None
        result = self.engine.collect(timeout_s)
        self.busy = self.busy and result is None
        return result

    def reset(self) -> None:
        self.engine.reset()
        self.busy = False

    def close(self) -> None:
        self.engine.close()


class Jittering(ManualClock):
    """A clock of a machine that has other things to do."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    def now(self) -> float:
        self.advance(self.chance.expovariate(500.0) + (1.5 if self.chance.random() < 0.002 else 0.0))
        return super().now()


class Sleeping(Jittering):
    """Of one whose lid is shut after two seconds."""

    def __init__(self, chance: random.Random, seconds: float) -> None:
        super().__init__(chance)
        self.seconds = seconds

    def now(self) -> float:
        now = super().now()
        if now > 2.0:
            self.advance(self.seconds)
            self.seconds = 0.0
        return ManualClock.now(self)


class Leading:
    def __init__(self, chance: random.Random) -> None:
        self.chance, self.next = chance, 0

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        frames = []
        while self.next / 30.0 <= until_s:
            time_s = self.next / 30.0 + self.chance.uniform(-0.005, 0.005)
            joints = BODY.rest_joints_m @ yaw_matrix(0.3 * time_s).T + [0.4 * np.sin(time_s), 0.0, 0.0]
            status = self.chance.choice(list(LeaderStatus)) if self.next > 30 else LeaderStatus.TRACKED
            # A clumsy camera: numbers of numpy, and now and then no body at all.
            broken = np.nan if self.chance.random() < 0.02 else 1.0
            six = np.tile([1.0, 0, 0, 0, 1, 0], (22, 1))
            frames.append(
                LeaderFrame(self.next, np.float64(time_s), joints[0], joints * broken, six, np.ones(22), status)
            )  # type: ignore[arg-type]
            self.next += 1
        return frames


class Playing:
    def __init__(self, chance: random.Random) -> None:
        self.chance, self.next = chance, 0

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        frames = []
        while self.next / 30.0 <= until_s:
            time_s, beats = self.next / 30.0, np.float32(self.next * 0.1)
            features = np.array([self.chance.gauss(-20, 5) for _ in range(FEATURES.size)])
            frames.append(
                MusicFrame(self.next, time_s, features, beats % 1, beats / 4 % 1, np.float32(177.7), 0.9, 3)  # type: ignore[arg-type]
            )
            self.next += 1
        return frames


def record(
    folder: Path,
    seed: int,
    *,
    seconds: float = 5.0,
    sleeps_s: float = 0.0,
    runner: Runner | None = None,
    forecaster: Forecaster | None = None,
) -> dict[str, np.ndarray]:
    """A performance in which everything goes wrong that can; returns the motion that was shown."""
    chance = random.Random(seed)
    clock, inbox, log = Sleeping(chance, sleeps_s), CommandInbox(), MotionLog(CONTRACT.fps)
    conductor = Conductor(
        CONTRACT,
        Stumbling(InlineEngine(runner or Swaying(), FollowerState.initial(CONTRACT)), chance),
        Leading(chance),
        Playing(chance),
        Playout(CONTRACT.timeline, Standing(np.array([0.1, 0.9, 0.7]), 2.9)),
        clock,
        Wishes(Placement(CONTRACT.distance_m)),
        Health(),
        seed=seed,
        log=log,
        commands=inbox,
        forecaster=forecaster,
    )
    recording = Recording(folder, conductor)
    due = [(1.0, SetPlacement(Placement(1.1, 0.2))), (1.5, Freeze()), (2.2, Resume()), (2.8, LockSeed(4)),
           (3.2, Fade(0.5)), (3.9, Resume()), (4.6, Panic())]  # fmt: skip

    def stop() -> bool:
        now = ManualClock.now(clock)
        while due and now >= due[0][0]:
            inbox.ask(due.pop(0)[1])
        return now >= seconds

    conductor.run(stop)
    recording.close()
    assert recording.failure == ""
    return log.arrays()


def danced(
    folder: Path, *, runner: Runner | None = None, forecaster: Forecaster | None = None
) -> tuple[Verdict, dict[str, np.ndarray]]:
    session, log = Session(folder), MotionLog(CONTRACT.fps)
    try:
        verdict = session.replay(CONTRACT, runner or Swaying(), forecaster, log=log)
    finally:
        session.close()
    return verdict, log.arrays()


def read_all(tape: TapeReader) -> int:
    events = 0
    while (kind := tape.peek()) is not None and kind is not Kind.END:
        getattr(tape, kind.name.lower())()
        events += 1
    return events


def whole_chunks(path: Path) -> tuple[int, str]:
    reader = SessionReader(path)
    try:
        return sum(1 for _ in reader.chunks()), reader.lost
    finally:
        reader.close()
