"""Recording a session: a performance written down while it goes on, so that it can be danced again.

``Recording`` puts itself between a conductor and everything it takes from, and knows no device and no runner;
``realtime.sessions.session_replay`` gives the same to another conductor.
"""

import platform
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from duet import __version__
from duet.clock import Clock
from duet.contract import FollowerContract
from duet.forecast import Forecaster
from duet.frames import FollowerPose, LeaderFrame, MusicFrame
from realtime.commands import Command, SetGuidance, SetPlacement, SetStyle, command_as_values
from realtime.conductor import Conductor
from realtime.engine import Engine
from realtime.feeds import CommandSource, LeaderSource, Log, MusicSource
from realtime.law import Pace, PaceSource
from realtime.sessions.session_file import SessionWriter
from realtime.sessions.tape import MOST_TAKEN, TapeWriter
from realtime.tick import Tensors, TickResult

SCHEMA = "duet-session/1"
CPU = "cpu"
"""The runtime that a session is replayed by."""


_TOLD_ONLY = dict.fromkeys(("training_data", "licence", "golden", "golden_sha256"), "") | dict.fromkeys(
    ("parity_max_abs", "tolerance", "tolerance_mm", "gflop"), 0.0
)
"""Of a contract what is told of the follower or measured of it, and has no part in a dance."""


def fingerprint(contract: FollowerContract) -> str:
    """Of everything in a follower's contract that a dance depends on: its weights, its graphs, its layouts.

    What its card says of its data may be put better, and the sessions that it danced stay its own.
    """
    return sha256(replace(contract, **_TOLD_ONLY).to_json().encode()).hexdigest()


def machine() -> dict[str, str]:
    """What must be alike for two runs to be equal to the bit."""
    info = Path("/proc/cpuinfo")
    # Where there is such a file, nobody need be asked: platform would start a process for it.
    cpu = platform.machine() if info.is_file() else platform.processor() or platform.machine()
    if info.is_file():
        lines = dict(line.split("\t", 1) for line in info.read_text(errors="replace").splitlines() if "\t" in line)
        # Machines to let are called alike and are not: what they can do tells them apart.
        able = lines.get("flags", lines.get("Features", ""))
        cpu = f"{lines.get('model name', cpu).strip(': ')} ({crc32(able.encode()):08x})"
    # It has another name where it was installed for a graphics card.
    versions = [_version(name) for name in ("onnxruntime", "onnxruntime-gpu")]
    runtime = " ".join(version for version in versions if version)
    return {"cpu": cpu, "system": platform.system(), "numpy": np.__version__, "onnxruntime": runtime}


def _version(package: str) -> str:
    """Of a package; "" where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


class Recording:
    """Writes down a conductor's performance from before its first tick until ``close``; no picture, no sound."""

    def __init__(self, folder: Path, conductor: Conductor, runtime: str = CPU) -> None:
        """``runtime``: what the follower's graphs run on (``realtime.inference.runtimes.CHOICES``)."""
        self._file = SessionWriter(folder, {**_header(conductor), "runtime": runtime})
        self._tape = TapeWriter(self._file)
        self._is_open = True
        conductor.clock = _RecordedClock(conductor.clock, self._tape)
        conductor.leader = _RecordedLeader(conductor.leader, self._tape)
        conductor.music = _RecordedMusic(conductor.music, self._tape)
        conductor.engine = _RecordedEngine(conductor.engine, self._tape)
        conductor.commands = _RecordedCommands(conductor.commands, self._tape)
        conductor.law = _RecordedLaw(conductor.law, self._tape)
        conductor.log = _RecordedLog(conductor.log, self._tape)
        conductor.forecaster = _recorded(conductor.forecaster, self._tape)
        if (also := conductor.also) is not None:
            conductor.also = replace(also, forecaster=_recorded(also.forecaster, self._tape))

    @property
    def path(self) -> Path:
        """The file that is written."""
        return self._file.path

    @property
    def failure(self) -> str:
        """Why nothing is written any more, as a sentence; "" while all is well."""
        return self._file.failure

    def close(self) -> None:
        """The performance is over, and its conductor has stopped; safe to call again."""
        if self._is_open:
            self._is_open = False
            self._tape.end()
            self._file.close()


def _header(conductor: Conductor) -> dict[str, Any]:
    wishes, start = conductor.wishes, conductor.playout.start
    return {
        "schema": SCHEMA,
        "duet": __version__,
        "machine": machine(),
        "follower": conductor.contract.name,
        "contract_sha256": fingerprint(conductor.contract),
        "also": None if conductor.also is None else conductor.also.contract.name,
        "also_sha256": None if conductor.also is None else fingerprint(conductor.also.contract),
        "weights_sha256": conductor.contract.weights_sha256,
        "seed": conductor.seed,
        "delay_frames": conductor.delay_frames,
        "display_lead_s": float(conductor.display_lead_s),
        "foresees": conductor.forecaster is not None,
        "start": {"root_m": [float(x) for x in start.root_m], "yaw_rad": float(start.yaw_rad)},
        "wishes": [
            command_as_values(command)
            for command in (SetPlacement(wishes.placement), SetGuidance(wishes.guidance), SetStyle(wishes.style))
        ],
    }


class _RecordedClock:
    def __init__(self, clock: Clock, tape: TapeWriter) -> None:
        self._clock, self._tape = clock, tape

    def now(self) -> float:
        now = self._clock.now()
        self._tape.clock(now)
        return now

    def sleep_until(self, time_s: float) -> None:
        self._clock.sleep_until(time_s)


class _RecordedLeader:
    def __init__(self, source: LeaderSource, tape: TapeWriter) -> None:
        self._source, self._tape = source, tape

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        # Plain numbers, as they will be read: a float32 that slips in would be reckoned with otherwise.
        taken = self._source.take_new(until_s)[-MOST_TAKEN:]
        frames = [replace(f, index=int(f.index), time_s=float(f.time_s)) for f in taken]
        self._tape.leader(frames)
        return frames


class _RecordedMusic:
    def __init__(self, source: MusicSource, tape: TapeWriter) -> None:
        self._source, self._tape = source, tape

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        frames = [
            MusicFrame(
                int(f.index), float(f.time_s), f.features, float(f.beat_phase), float(f.bar_phase),
                float(f.tempo_bpm), float(f.confidence), int(f.metre),
            )
            for f in self._source.take_new(until_s)[-MOST_TAKEN:]
        ]  # fmt: skip
        self._tape.music(frames)
        return frames


class _RecordedCommands:
    def __init__(self, source: CommandSource, tape: TapeWriter) -> None:
        self._source, self._tape = source, tape

    def take_new(self, tick: int) -> Sequence[Command]:
        commands = self._source.take_new(tick)
        self._tape.commands(tick, commands)
        return commands

    def take_urgent(self, tick: int) -> Sequence[Command]:
        commands = self._source.take_urgent(tick)
        if commands:
            self._tape.commands(tick, commands)
        return commands


class _RecordedLaw:
    def __init__(self, law: PaceSource, tape: TapeWriter) -> None:
        self._law, self._tape = law, tape

    def observe(self, seconds: float) -> None:
        self._law.observe(seconds)

    def pace(self, tick: int, now: Pace) -> Pace:
        pace = self._law.pace(tick, now)
        if pace != now:
            self._tape.pace(tick, pace)
        return pace


class _RecordedEngine:
    def __init__(self, engine: Engine, tape: TapeWriter) -> None:
        self._engine, self._tape = engine, tape

    def submit(self, tick: int, inputs: Tensors) -> bool:
        accepted = self._engine.submit(tick, inputs)
        self._tape.submit(tick, accepted, inputs)
        return accepted

    def collect(self, timeout_s: float) -> TickResult | None:
        result = self._engine.collect(timeout_s)
        self._tape.collect(result)
        return result

    def reset(self) -> None:
        self._engine.reset()

    def close(self) -> None:
        self._engine.close()


def _recorded(forecaster: Forecaster | None, tape: TapeWriter) -> Forecaster | None:
    return None if forecaster is None else _RecordedForecaster(forecaster, tape)


class _RecordedForecaster:
    def __init__(self, forecaster: Forecaster, tape: TapeWriter) -> None:
        self._forecaster, self._tape = forecaster, tape

    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        said = self._forecaster(leader)
        if not len(said):
            self._tape.blind()
        return said


class _RecordedLog:
    def __init__(self, log: Log | None, tape: TapeWriter) -> None:
        self._log, self._tape = log, tape

    def add_leader(self, newest_index: int, joints_m: Any, rotations_6d: Any) -> None:
        if self._log is not None:
            self._log.add_leader(newest_index, joints_m, rotations_6d)

    def add_follower(self, frame: int, pose: FollowerPose) -> None:
        self._tape.pose(frame, pose)
        if self._log is not None:
            self._log.add_follower(frame, pose)
