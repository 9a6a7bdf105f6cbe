"""Replaying a session: the same readings, frames, commands and answers in the same order, and what came of it compared.

Equal to the bit on the machine that recorded it. On another, or with another version of numpy or ONNX Runtime, sums are
added in another order, and a loop that hears itself carries the difference on: see ``TOLERANCE_M``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock, MonotonicClock
from duet.contract import FollowerContract
from duet.errors import InputError
from duet.features import Standing
from duet.forecast import FORESEEN_SIZE, Forecaster
from duet.frames import FollowerPose, LeaderFrame
from realtime.cast import Cast, CastState, Member
from realtime.commands import Command, SetGuidance, SetPlacement, SetStyle, command_of
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.feeds import Log
from realtime.guards import GuardedForecaster, GuardedRunner
from realtime.health import Health
from realtime.law import Pace
from realtime.playout import Playout
from realtime.pose_line import joints_of
from realtime.sessions.session import CPU, SCHEMA, fingerprint, machine
from realtime.sessions.session_file import SessionReader
from realtime.sessions.tape import Kind, TapeEnd, TapeReader, sums_of
from realtime.tick import FollowerState, Runner, Tensors, TickResult
from realtime.wishes import Wishes

TOLERANCE_M = 0.005
"""How far a joint may be, on another machine, from where it was recorded: its ONNX Runtime reckons in another order,
and a lookup in a bank turns out otherwise by a hair."""
_FARTHEST_M = 1e4
MOST_LEAD_S = 1.0


@dataclass
class Verdict:
    """What a replay found."""

    ticks: int = 0
    poses: int = 0
    seconds: float = 0.0
    """Session time of the newest reading of the clock."""
    different_ticks: int = 0
    first_difference: str = ""
    """Tick and tensor that came out otherwise first; "" where none did."""
    different_poses: int = 0
    furthest_m: float = 0.0
    """How far, at most, a joint was shown from where it was recorded."""
    furthest_at_s: float = 0.0
    complete: bool = False
    """Whether the recording came to its end, and was not cut off."""
    lost: str = ""
    """What of the file could not be read, as a sentence."""
    same_machine: bool = False
    """Whether it was recorded on a machine like this one, by the runtime that it is replayed by."""

    @property
    def is_equal(self) -> bool:
        """Whether every tensor and every pose was equal to the bit."""
        return not (self.different_ticks or self.different_poses)


class _ReplayedClock:
    def __init__(self, tape: TapeReader, pace: Clock | None) -> None:
        self._tape, self._pace = tape, pace

    def now(self) -> float:
        return self._tape.clock()

    def sleep_until(self, time_s: float) -> None:
        if self._pace is not None:
            self._pace.sleep_until(time_s)


Led = Callable[[float, Sequence[LeaderFrame]], Sequence[LeaderFrame]]
"""Given the session's time and the frames that were taken then, those to dance by instead."""


class _ReplayedSource:
    """Leader or music."""

    def __init__(self, take: Callable[[], Any], instead: Callable[[float, Any], Any] | None = None) -> None:
        self._take, self._instead = take, instead

    def take_new(self, until_s: float) -> Any:
        taken = self._take()
        return taken if self._instead is None else self._instead(until_s, taken)


class _ReplayedCommands:
    def __init__(self, tape: TapeReader) -> None:
        self._tape = tape

    def take_new(self, tick: int) -> Sequence[Command]:
        recorded, commands = self._tape.commands()
        if recorded != tick:
            raise InputError(f"Session: expected tick {tick}, got {recorded}. Another version recorded it.")
        return commands

    def take_urgent(self, tick: int) -> Sequence[Command]:
        # A frame in which nothing was urgent has no commands on the tape.
        return self.take_new(tick) if self._tape.peek() is Kind.COMMANDS else ()


class _ReplayedLaw:
    """Decides as was decided: how long ticks take now is another matter."""

    def __init__(self, tape: TapeReader) -> None:
        self._tape = tape

    def observe(self, seconds: float) -> None:
        """See ``PaceSource``."""

    def pace(self, tick: int, now: Pace) -> Pace:
        """See ``PaceSource``."""
        return self._tape.pace() or now


class _ReplayedEngine:
    """Answers when the recorded one did."""

    def __init__(self, engine: InlineEngine, tape: TapeReader, verdict: Verdict) -> None:
        self._engine, self._tape, self._verdict = engine, tape, verdict

    def submit(self, tick: int, inputs: Tensors) -> bool:
        recorded = self._tape.submit()
        self._verdict.ticks += 1
        self._compare("input", tick, (recorded.tick, recorded.crcs), inputs)
        if recorded.accepted and not self._engine.submit(tick, inputs):
            raise InputError(f"Session: expected an engine at leisure in tick {tick}, got a busy one. Do not trust it.")
        return recorded.accepted

    def collect(self, timeout_s: float) -> TickResult | None:
        recorded = self._tape.collect()
        if recorded is None:
            return None
        result = self._engine.collect(timeout_s)
        if result is None:
            raise InputError(f"Session: expected tick {recorded.tick} to be asked for, got none. Do not trust it.")
        nothing = {name: np.full_like(tensor, np.nan) for name, tensor in result.outputs.items()}
        if recorded.crcs == sums_of(nothing):
            # Its graphs failed then, or said what cannot be danced (``realtime.guards``).
            result = replace(result, outputs=nothing)
        self._compare("output", result.tick, (recorded.tick, recorded.crcs), result.outputs)
        return result

    def reset(self) -> None:
        self._engine.reset()

    def close(self) -> None:
        self._engine.close()

    def _compare(self, side: str, tick: int, recorded: tuple[int, tuple[int, ...]], tensors: Tensors) -> None:
        if recorded == (tick, sums_of(tensors)):
            return
        self._verdict.different_ticks += 1
        if not self._verdict.first_difference:
            pairs = zip(sorted(tensors), sums_of(tensors), recorded[1], strict=False)
            name = next((name for name, ours, theirs in pairs if ours != theirs), "number")
            self._verdict.first_difference = f"tick {tick}, {side} {name!r}"


class _ReplayedForecaster:
    """Fails where the recorded one did."""

    def __init__(self, forecaster: Forecaster, tape: TapeReader) -> None:
        self._forecaster, self._tape = GuardedForecaster(forecaster, Health()), tape

    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros((0, FORESEEN_SIZE), np.float32) if self._tape.blind() else self._forecaster(leader)


def _replayed(forecaster: Forecaster | None, tape: TapeReader) -> Forecaster | None:
    return None if forecaster is None else _ReplayedForecaster(forecaster, tape)


class _ReplayedLog:
    def __init__(self, log: Log | None, tape: TapeReader, verdict: Verdict) -> None:
        self._log, self._tape, self._verdict = log, tape, verdict

    def add_leader(self, newest_index: int, joints_m: Any, rotations_6d: Any) -> None:
        if self._log is not None:
            self._log.add_leader(newest_index, joints_m, rotations_6d)

    def add_follower(self, frame: int, pose: FollowerPose) -> None:
        recorded_frame, recorded = self._tape.pose()
        if recorded_frame != frame:
            raise InputError(f"Session: expected pose {frame}, got {recorded_frame}. Another version recorded it.")
        verdict = self._verdict
        verdict.poses += 1
        if _bits(pose) != _bits(recorded):
            verdict.different_poses += 1
            ours, theirs = joints_of([pose, recorded])
            apart_m = float(np.linalg.norm(ours - theirs, axis=-1).max())
            if not apart_m <= verdict.furthest_m:
                verdict.furthest_m, verdict.furthest_at_s = apart_m, pose.time_s
        if self._log is not None:
            self._log.add_follower(frame, pose)


def _bits(pose: FollowerPose) -> tuple[bytes, ...]:
    return pose.root_m.tobytes(), pose.quaternions_wxyz.tobytes(), pose.contacts.tobytes(), pose.source.encode()


class Session:
    """A recorded performance, opened."""

    def __init__(self, folder: Path) -> None:
        self._file = SessionReader(folder)
        try:
            self._read(self._file.header, str(self._file.path))
        except InputError:
            self._file.close()
            raise

    def _read(self, header: Mapping[str, Any], name: str) -> None:
        if (schema := header.get("schema")) != SCHEMA:
            raise InputError(f"{name}: expected {SCHEMA}, got {schema!r:.40}. Use the Duet it is from.")
        try:
            self.seed, self.delay_frames = int(header["seed"]), int(header["delay_frames"])
            self.display_lead_s = float(header.get("display_lead_s", 0.0))
            self.follower, self.contract_sha256 = str(header["follower"]), str(header["contract_sha256"])
            self.also, self.also_sha256 = header.get("also"), header.get("also_sha256")
            self.foresees = bool(header["foresees"])
            self.start = _standing(header["start"])
            self.wishes = _wishes(header["wishes"])
            self.runtime = str(header.get("runtime", CPU))
            # Only the processor's own runtime is danced by here.
            self.same_machine = header["machine"] == machine() and self.runtime == CPU
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{name}: expected a session's beginning, got {error!r:.80}. Do not trust it.") from error
        if not 0.0 <= self.display_lead_s <= MOST_LEAD_S:
            raise InputError(
                f"{name}: expected a display that is up to {MOST_LEAD_S:g} s late, got another. Do not trust it."
            )
        if not 0 <= self.seed < 2**63:
            raise InputError(f"{name}: expected a seed of 0 or more, got {self.seed}. Do not trust it.")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _check_danced_by(self, contract: FollowerContract) -> None:
        """InputError where the follower is not the one that the session had."""
        if fingerprint(contract) != self.contract_sha256:
            raise InputError(
                f"{self._file.path}: expected the follower that danced it, {self.follower} "
                f"({self.contract_sha256[:12]}…), got {contract.name} ({fingerprint(contract)[:12]}…). "
                "Name that one with --follower."
            )

    def _check_also(self, also: tuple[Member, Runner] | None) -> None:
        """InputError where the second follower is not the one that the session had."""
        given = None if also is None else fingerprint(also[0].contract)
        if given != self.also_sha256:
            got = "none" if also is None else f"{also[0].contract.name} ({given[:12] if given else ''}…)"
            raise InputError(
                f"{self._file.path}: expected {self.also or 'no second follower'} beside the first, got {got}. "
                f"{'Name it with --also.' if self.also else 'Leave --also out.'}"
            )

    def replay(
        self,
        contract: FollowerContract,
        runner: Runner,
        forecaster: Forecaster | None,
        *,
        log: Log | None = None,
        also: tuple[Member, Runner] | None = None,
        paced: bool = False,
        told: Callable[[float], None] | None = None,
        led: Led | None = None,
        until_s: float = math.inf,
    ) -> Verdict:
        """Dance it again, as fast as it goes or ``paced`` by the clock.

        ``log`` is given everything that is danced now, and ``told`` the session's time now and then. ``led`` lets the
        leader do something else: what would have been danced, all else being equal. ``until_s`` ends it early. Raises
        InputError where the session was danced by another follower.
        """
        self._check_danced_by(contract)
        self._check_also(also)
        verdict = Verdict(same_machine=self.same_machine)
        tape = TapeReader(self._file.chunks(), self._file.path.name)
        conductor = Conductor(
            contract,
            _ReplayedEngine(_engine(contract, runner, also), tape, verdict),
            _ReplayedSource(tape.leader, led),
            _ReplayedSource(tape.music),
            Playout(contract.timeline, self.start),
            _ReplayedClock(tape, MonotonicClock() if paced else None),
            self.wishes,
            Health(),
            seed=self.seed,
            delay_frames=self.delay_frames,
            display_lead_s=self.display_lead_s,
            log=_ReplayedLog(log, tape, verdict),
            forecaster=_replayed(forecaster if self.foresees else None, tape),
            commands=_ReplayedCommands(tape),
            law=_ReplayedLaw(tape),
            also=None if also is None else replace(also[0], forecaster=_replayed(also[0].forecaster, tape)),
        )

        # Cut off in the middle of something, or ended by an error that is not on the tape.
        with suppress(TapeEnd):
            conductor.run(lambda: _is_over(tape, told, until_s))
        verdict.complete, verdict.seconds, verdict.lost = tape.peek() is Kind.END, tape.now, self._file.lost
        return verdict


def _is_over(tape: TapeReader, told: Callable[[float], None] | None, until_s: float) -> bool:
    """Whether no other tick begins; TapeEnd where it is to end early."""
    if told is not None:
        told(tape.now)
    # A tick begins by reading the clock; what follows the last one begins with asking for its answer.
    if tape.now >= until_s:
        raise TapeEnd
    return tape.peek() is not Kind.CLOCK


def _engine(contract: FollowerContract, runner: Runner, also: tuple[Member, Runner] | None) -> InlineEngine:
    # Graphs that fail now, and did not then, are a difference that is told, and no end.
    first = GuardedRunner(runner, contract, Health())
    if also is None:
        return InlineEngine(first, FollowerState.initial(contract))
    nothing = CastState.of(contract, also[0].contract)
    return InlineEngine(Cast(first, GuardedRunner(also[1], also[0].contract, Health()), nothing), nothing)


def _standing(values: Mapping[str, Any]) -> Standing:
    root, yaw_rad = np.array([float(x) for x in values["root_m"]]), float(values["yaw_rad"])
    if (
        root.shape != (3,)
        or not np.isfinite(root).all()
        or np.abs(root).max() > _FARTHEST_M
        or not np.isfinite(yaw_rad)
    ):
        raise ValueError(f"a start at {values}")
    return Standing(root, yaw_rad)


def _wishes(values: Sequence[Any]) -> Wishes:
    match [command_of(value) for value in values]:
        case [SetPlacement(placement), SetGuidance(guidance), SetStyle(style)]:
            return Wishes(placement, guidance, style)
    raise ValueError(f"wishes {values}")
