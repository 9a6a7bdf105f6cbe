"""What a conductor took in and gave out, in the order it did: as many bytes as it needs, and back.

A conductor is a pure function of its clock's readings, its sources' frames, its commands, its pace and the moments at
which its engine had an answer. A tape holds these, so that the same code takes the same way again; and beside them what
came of it: check sums of every tensor of a tick, and every pose that was shown.

Owned by the conductor's thread.
"""

import json
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.frames import FollowerPose, LeaderFrame, LeaderStatus, MusicFrame, PoseSource
from duet.music import FEATURES
from duet.skeleton import BODY
from realtime.commands import Command, command_as_values, command_of
from realtime.guards import LEAST_BPM, MOST_BPM
from realtime.law import Pace
from realtime.sessions.session_file import Chunk, SessionWriter
from realtime.tick import Tensors, TickResult

CHUNK_S = 0.4
"""What a killed process loses, with the half tick until the clock is read next."""
CHUNK_BYTES = 1 << 20
"""After so many a chunk is full, whatever the clock says: a reader takes none without bound."""
MOST_TAKEN = 4096
"""Of frames that were taken at once the newest so many are taken; a conductor looks back on far fewer."""
_MOST_FRAMES = 100_000
_MOST_TOKENS = 1024
_FARTHEST_S = 1e9
_STATUS, _SOURCES = tuple(LeaderStatus), tuple(PoseSource)
_JOINTS = len(BODY)
_LEADER_SIZE = 3 + _JOINTS * 10
_POSE_SIZE = 3 + _JOINTS * 4 + 4


class Kind(IntEnum):
    """What a conductor does that another run could do otherwise, or that is worth comparing."""

    CLOCK = 1
    LEADER = 2
    MUSIC = 3
    COMMANDS = 4
    SUBMIT = 5
    COLLECT = 6
    POSE = 7
    END = 8
    PACE = 9
    BLIND = 10
    """A forecaster failed, and nothing was foreseen by it."""


_KINDS = {kind.value: kind for kind in Kind}
_KIND, _COUNT = struct.Struct("<B"), struct.Struct("<I")
_CLOCK = struct.Struct("<d")
_LEADER = struct.Struct("<qdB")
_MUSIC = struct.Struct("<qdddddIH")
_COMMANDS = struct.Struct("<qI")
_SUBMIT = struct.Struct("<qBB")
_COLLECT = struct.Struct("<qdB")
_POSE = struct.Struct("<qdB")
_PACE = struct.Struct("<qHH")


@dataclass(frozen=True)
class Sums:
    """Check sums of a tick's tensors, by name in alphabetical order."""

    tick: int
    crcs: tuple[int, ...]
    accepted: bool = True
    """Whether the engine took the tick on."""


def sums_of(tensors: Tensors) -> tuple[int, ...]:
    """CRC-32 of each tensor's bytes, by name in alphabetical order."""
    return tuple(zlib.crc32(tensors[name].tobytes()) for name in sorted(tensors))


class TapeWriter:
    """Puts what happens into chunks."""

    def __init__(self, file: SessionWriter) -> None:
        self._file = file
        self._small, self._floats = bytearray(), bytearray()
        self._began_s: float | None = None
        self._now = 0.0

    def clock(self, now: float) -> None:
        """The clock was read."""
        if self._began_s is not None and now - self._began_s >= CHUNK_S:
            self._flush()
        self._now = now
        self._began_s = now if self._began_s is None else self._began_s
        self._add(Kind.CLOCK, _CLOCK.pack(now))

    def leader(self, frames: Sequence[LeaderFrame]) -> None:
        """Leader frames were taken."""
        self._add(Kind.LEADER, _COUNT.pack(len(frames)))
        for f in frames:
            self._small += _LEADER.pack(f.index, f.time_s, _STATUS.index(f.status))
            for values in (f.root_m, f.joints_m, f.rotations_6d, f.visibility):
                self._floats += values.tobytes()

    def music(self, frames: Sequence[MusicFrame]) -> None:
        """Music frames were taken."""
        self._add(Kind.MUSIC, _COUNT.pack(len(frames)))
        for f in frames:
            self._small += _MUSIC.pack(
                f.index, f.time_s, f.beat_phase, f.bar_phase, f.tempo_bpm, f.confidence, f.metre, len(f.features)
            )
            self._floats += f.features.tobytes()

    def commands(self, tick: int, commands: Sequence[Command]) -> None:
        """Commands were taken, and tick ``tick`` obeys them."""
        text = json.dumps([command_as_values(c) for c in commands]).encode() if commands else b""
        self._add(Kind.COMMANDS, _COMMANDS.pack(tick, len(text)) + text)

    def pace(self, tick: int, pace: Pace) -> None:
        """From tick ``tick`` on the pace is another."""
        self._add(Kind.PACE, _PACE.pack(tick, pace.commit_tokens, pace.delay_frames))

    def blind(self) -> None:
        """A forecaster said nothing."""
        self._add(Kind.BLIND, b"")

    def submit(self, tick: int, accepted: bool, inputs: Tensors) -> None:
        """A tick was asked for."""
        crcs = sums_of(inputs)
        self._add(Kind.SUBMIT, _SUBMIT.pack(tick, accepted, len(crcs)) + struct.pack(f"<{len(crcs)}I", *crcs))

    def collect(self, result: TickResult | None) -> None:
        """An answer was asked for, and was there or not."""
        if result is None:
            self._add(Kind.COLLECT, _COLLECT.pack(-1, 0.0, 0))
            return
        crcs = sums_of(result.outputs)
        sums = struct.pack(f"<{len(crcs)}I", *crcs)
        self._add(Kind.COLLECT, _COLLECT.pack(result.tick, result.seconds, len(crcs)) + sums)

    def pose(self, frame: int, pose: FollowerPose) -> None:
        """A pose was shown in grid frame ``frame``."""
        self._add(Kind.POSE, _POSE.pack(frame, pose.time_s, _SOURCES.index(pose.source)))
        for values in (pose.root_m, pose.quaternions_wxyz, pose.contacts):
            self._floats += values.tobytes()

    def end(self) -> None:
        """The performance came to its end."""
        self._add(Kind.END, b"")
        self._flush()

    def _add(self, kind: Kind, payload: bytes) -> None:
        if len(self._small) + len(self._floats) > CHUNK_BYTES:
            self._flush()
        self._small += _KIND.pack(kind) + payload

    def _flush(self) -> None:
        self._file.put(Chunk(bytes(self._small), np.frombuffer(bytes(self._floats), np.float32), self._now))
        self._small, self._floats = bytearray(), bytearray()
        self._began_s = None


class TapeEnd(Exception):
    """There is no more on the tape."""


class TapeReader:
    """Gives back what happened, in its order; ``InputError`` for what cannot have happened."""

    def __init__(self, chunks: Iterator[Chunk], name: str) -> None:
        self._chunks, self._name = chunks, name
        self._small, self._at = b"", 0
        self._floats, self._taken = np.zeros(0, np.float32), 0
        self.tick = 0
        """The newest tick that was asked for."""
        self.now = 0.0
        """The newest reading of the clock."""

    def peek(self) -> Kind | None:
        """What comes next; None at the end of the tape."""
        while self._at >= len(self._small):
            chunk = next(self._chunks, None)
            if chunk is None:
                return None
            self._small, self._at, self._floats, self._taken = chunk.small, 0, chunk.floats, 0
        number = self._small[self._at]
        return _KINDS.get(number) or self._refuse(f"an event of kind {number}")

    def clock(self) -> float:
        """The clock's reading."""
        self._expect(Kind.CLOCK)
        (now,) = self._values(_CLOCK)
        self._check_time(now)
        if now < self.now:
            self._refuse(f"a clock that goes back to {now:g} s")
        self.now = now
        return now

    def leader(self) -> list[LeaderFrame]:
        """The frames that were taken."""
        self._expect(Kind.LEADER)
        frames = []
        for _ in range(self._count()):
            index, time_s, status = self._values(_LEADER)
            self._check_time(time_s)
            if status >= len(_STATUS):
                self._refuse(f"leader status {status}")
            root, joints, turns, seen = np.split(self._take(_LEADER_SIZE), np.cumsum([3, _JOINTS * 3, _JOINTS * 6]))
            frames.append(
                LeaderFrame(index, time_s, root, joints.reshape(-1, 3), turns.reshape(-1, 6), seen, _STATUS[status])
            )
        return frames

    def music(self) -> list[MusicFrame]:
        """The frames that were taken."""
        self._expect(Kind.MUSIC)
        frames = []
        for _ in range(self._count()):
            index, time_s, beat, bar, tempo_bpm, confidence, metre, size = self._values(_MUSIC)
            self._check_time(time_s)
            is_pulse = 0.0 <= beat <= 1.0 and 0.0 <= bar <= 1.0 and LEAST_BPM <= tempo_bpm <= MOST_BPM
            if not (is_pulse and math.isfinite(confidence) and 1 <= metre <= 64):
                self._refuse(f"{tempo_bpm:g} bpm in bars of {metre}, {beat:g} of a beat and {bar:g} of a bar on")
            if size != FEATURES.size:
                self._refuse(f"{size} features of music")
            frames.append(MusicFrame(index, time_s, self._take(size), beat, bar, tempo_bpm, confidence, metre))
        return frames

    def commands(self) -> tuple[int, list[Command]]:
        """The tick, and the commands it obeyed."""
        self._expect(Kind.COMMANDS)
        tick, size = self._values(_COMMANDS)
        if self._at + size > len(self._small):
            self._refuse("half a command")
        text, self._at = self._small[self._at : self._at + size], self._at + size
        try:
            values: Any = json.loads(text) if text else []
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, list) or len(values) > _MOST_FRAMES:
            self._refuse("commands that cannot be read")
        return tick, [command_of(v) for v in values]

    def pace(self) -> Pace | None:
        """The pace that was changed to here; None where none was."""
        if self.peek() is not Kind.PACE:
            return None
        self._at += 1
        tick, commit_tokens, delay_frames = self._values(_PACE)
        if not (1 <= commit_tokens <= _MOST_TOKENS and delay_frames <= _MOST_TOKENS):
            self._refuse(f"a pace of {commit_tokens} tokens and {delay_frames} frames in tick {tick}")
        return Pace(commit_tokens, delay_frames)

    def blind(self) -> bool:
        """Whether the forecaster that is asked here said nothing."""
        was = self.peek() is Kind.BLIND
        self._at += was
        return was

    def submit(self) -> Sums:
        """The tick that was asked for."""
        self._expect(Kind.SUBMIT)
        self.tick, accepted, count = self._values(_SUBMIT)
        return Sums(self.tick, self._values(struct.Struct(f"<{count}I")), bool(accepted))

    def collect(self) -> Sums | None:
        """The answer that was there; None where there was none."""
        self._expect(Kind.COLLECT)
        tick, _, count = self._values(_COLLECT)
        return Sums(tick, self._values(struct.Struct(f"<{count}I"))) if tick >= 0 else None

    def pose(self) -> tuple[int, FollowerPose]:
        """Grid frame, and the pose that was shown in it."""
        self._expect(Kind.POSE)
        frame, time_s, source = self._values(_POSE)
        if source >= len(_SOURCES):
            self._refuse(f"pose source {source}")
        root, turns, contacts = np.split(self._take(_POSE_SIZE), np.cumsum([3, _JOINTS * 4]))
        return frame, FollowerPose(time_s, root, turns.reshape(-1, 4), contacts, _SOURCES[source])

    def _expect(self, wanted: Kind) -> None:
        kind = self.peek()
        if kind is None or kind is Kind.END:
            raise TapeEnd
        if kind is not wanted:
            raise InputError(
                f"{self._name}: expected {wanted.name.lower()} after tick {self.tick}, got {kind.name.lower()}. "
                "Another version of Duet recorded it; replay it there."
            )
        self._at += 1

    def _values(self, layout: struct.Struct) -> Any:
        if self._at + layout.size > len(self._small):
            self._refuse("half an event")
        values = layout.unpack_from(self._small, self._at)
        self._at += layout.size
        return values

    def _count(self) -> int:
        (count,) = self._values(_COUNT)
        return count if count <= _MOST_FRAMES else self._refuse(f"{count} frames at once")

    def _take(self, count: int) -> NDArray[np.float32]:
        if self._taken + count > len(self._floats):
            self._refuse("half a frame")
        self._taken += count
        return self._floats[self._taken - count : self._taken]

    def _check_time(self, time_s: float) -> None:
        if not abs(time_s) <= _FARTHEST_S:
            self._refuse(f"a moment at {time_s} s")

    def _refuse(self, what: str) -> Any:
        raise InputError(
            f"{self._name}: expected a session, got {what} after tick {self.tick}. Do not trust this file."
        )
