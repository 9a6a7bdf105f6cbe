"""Hand-over between processes without locks: latest value, short history, first-in-first-out ring.

All of them live in shared memory and hold records of ``width`` float32 with a float64 stamp. There is
one writer. Each slot is a sequence lock: its sequence number is odd while the slot is being written
and says, when even, which record it holds. A checksum over the record guards machines that may
reorder stores; a reader that meets a half-written slot tries again or takes the one before.

The process that calls ``create`` owns the memory and removes it on ``close`` (or when it exits);
others ``attach`` by the ``name``, which travels to a spawned process as plain text.
"""

import struct
import weakref
import zlib
from dataclasses import dataclass
from multiprocessing import shared_memory
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_MAGIC = 0x44554554
_HEAD = struct.Struct("<IIII")  # magic, kind, capacity, width
_COUNTS = struct.Struct("<QQQ")  # written, read, refused
_SLOT = struct.Struct("<QdII")  # sequence lock, stamp, checksum, numbers in the record
_SEQUENCE = struct.Struct("<Q")
_COUNTS_AT = 64  # apart from the head; written and read counts are each stored by one side only
_SLOTS_AT = 128
_SLOT_HEAD_BYTES = 24
_TRIES = 64


@dataclass(frozen=True)
class Record:
    """One record as it was written."""

    index: int
    """0 for the first record ever written, counting up."""
    stamp_s: float
    values: Floats
    """(width,)"""


class _Slots:
    """Shared memory with a head, counts, and ``capacity`` sequence-locked slots."""

    _KIND = 0

    def __init__(self, memory: shared_memory.SharedMemory, *, owner: bool) -> None:
        magic, kind, capacity, width = _HEAD.unpack_from(_bytes_of(memory), 0)
        if magic != _MAGIC or kind != self._KIND:
            memory.close()
            raise ValueError(f"{type(self).__name__}: expected memory made by its create(), got {memory.name!r}.")
        self.capacity, self.width = int(capacity), int(width)
        self._memory = memory
        self._stride = _SLOT_HEAD_BYTES + 4 * self.width
        # Also removes the memory when the owner forgets to, at its exit.
        self._release = weakref.finalize(self, _release, memory, owner)

    @classmethod
    def _allocate(cls, capacity: int, width: int) -> Self:
        if capacity < 1 or width < 1:
            raise ValueError(f"{cls.__name__}: expected capacity and width of at least 1, got {capacity} and {width}.")
        size = _SLOTS_AT + capacity * (_SLOT_HEAD_BYTES + 4 * width)
        memory = shared_memory.SharedMemory(create=True, size=size)
        _HEAD.pack_into(_bytes_of(memory), 0, _MAGIC, cls._KIND, capacity, width)
        _COUNTS.pack_into(_bytes_of(memory), _COUNTS_AT, 0, 0, 0)
        return cls(memory, owner=True)

    @classmethod
    def attach(cls, name: str) -> Self:
        """The memory another process created; FileNotFoundError when it is gone."""
        return cls(shared_memory.SharedMemory(name=name), owner=False)

    @property
    def _bytes(self) -> memoryview:
        return _bytes_of(self._memory)

    @property
    def name(self) -> str:
        """What another process attaches by."""
        return self._memory.name

    @property
    def written(self) -> int:
        """Records written so far."""
        return int(_SEQUENCE.unpack_from(self._bytes, _COUNTS_AT)[0])

    def close(self) -> None:
        """Let go of the memory; the owner also removes it. Safe to call again."""
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a record of this shape may be written."""
        return shape == (self.width,)

    def _write_slot(self, index: int, stamp_s: float, values: Floats) -> None:
        record = np.ascontiguousarray(values, dtype=np.float32)
        if not self._fits(record.shape):
            raise ValueError(f"{type(self).__name__}: expected a record ({self.width},), got {record.shape}.")
        data = record.tobytes()
        at = _SLOTS_AT + (index % self.capacity) * self._stride
        buffer = self._bytes
        _SEQUENCE.pack_into(buffer, at, 2 * index + 1)
        _SLOT.pack_into(buffer, at, 2 * index + 1, stamp_s, zlib.crc32(data), len(record))
        buffer[at + _SLOT_HEAD_BYTES : at + _SLOT_HEAD_BYTES + len(data)] = data
        _SEQUENCE.pack_into(buffer, at, 2 * index + 2)

    def _read_slot(self, index: int) -> Record | None:
        """Record ``index``, or None if its slot holds another one or is being written."""
        at = _SLOTS_AT + (index % self.capacity) * self._stride
        buffer = self._bytes
        sequence, stamp_s, checksum, count = _SLOT.unpack_from(buffer, at)
        if sequence != 2 * index + 2:
            return None
        # A torn head may say any number; the sum would not be right then.
        data = bytes(buffer[at + _SLOT_HEAD_BYTES : at + _SLOT_HEAD_BYTES + 4 * min(count, self.width)])
        if _SEQUENCE.unpack_from(buffer, at)[0] != sequence or zlib.crc32(data) != checksum:
            return None
        return Record(index, stamp_s, np.frombuffer(data, dtype=np.float32))


class HistoryCell(_Slots):
    """The last ``capacity`` records of one writer, for any number of readers. Nobody ever waits."""

    _KIND = 1

    @classmethod
    def create(cls, *, width: int, capacity: int = 32) -> Self:
        """New memory, owned by the caller."""
        return cls._allocate(capacity + 1, width)  # one more, so that the slot being written is never asked for

    def write(self, stamp_s: float, values: Floats) -> None:
        """Publish one record (width,); the oldest is overwritten."""
        index = self.written
        self._write_slot(index, stamp_s, values)
        _SEQUENCE.pack_into(self._bytes, _COUNTS_AT, index + 1)

    def latest(self) -> Record | None:
        """The newest record; None before the first."""
        newest = self.history(1)
        return newest[-1] if newest else None

    def history(self, count: int) -> list[Record]:
        """The newest ``count`` records or fewer, oldest first, without gaps."""
        records: list[Record] = []
        for _ in range(_TRIES):
            end = self.written
            # Newest first: should the writer come round meanwhile, only the oldest are missing.
            for index in range(end - 1, max(0, end - min(count, self.capacity - 1)) - 1, -1):
                record = self._read_slot(index)
                if record is None:
                    break
                records.append(record)
            if records or end == 0 or count < 1:
                break
        return records[::-1]


class LatestCell(HistoryCell):
    """The newest record only."""

    _KIND = 2

    @classmethod
    def create(cls, *, width: int, capacity: int = 3) -> Self:
        """New memory, owned by the caller; spare slots let a slow reader finish."""
        return cls._allocate(capacity + 1, width)


class VaryingCell(LatestCell):
    """The newest record only, of ``width`` numbers or fewer: what is not used costs nothing."""

    _KIND = 4

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == 1 and shape[0] <= self.width


class SpscRing(_Slots):
    """First in, first out: one writer, one reader, nothing is lost silently.

    A full ring refuses the newest record and counts it in ``refused``.
    """

    _KIND = 3

    @classmethod
    def create(cls, *, width: int, capacity: int) -> Self:
        """New memory, owned by the caller."""
        return cls._allocate(capacity, width)

    @property
    def refused(self) -> int:
        """Records that found the ring full."""
        return int(_SEQUENCE.unpack_from(self._bytes, _COUNTS_AT + 16)[0])

    @property
    def taken(self) -> int:
        """Records read so far."""
        return int(_SEQUENCE.unpack_from(self._bytes, _COUNTS_AT + 8)[0])

    def __len__(self) -> int:
        return self.written - self.taken

    def push(self, stamp_s: float, values: Floats) -> bool:
        """Append one record (width,); False, and counted, when the ring is full."""
        index = self.written
        if index - self.taken >= self.capacity:
            _SEQUENCE.pack_into(self._bytes, _COUNTS_AT + 16, self.refused + 1)
            return False
        self._write_slot(index, stamp_s, values)
        _SEQUENCE.pack_into(self._bytes, _COUNTS_AT, index + 1)
        return True

    def pop(self) -> Record | None:
        """The oldest record not yet read; None when there is none (or it is still on its way)."""
        index = self.taken
        if index >= self.written:
            return None
        record = self._read_slot(index)
        if record is not None:
            _SEQUENCE.pack_into(self._bytes, _COUNTS_AT + 8, index + 1)
        return record

    def drain(self) -> list[Record]:
        """All records that are there now, oldest first."""
        records = []
        while (record := self.pop()) is not None:
            records.append(record)
        return records


_KINDS: dict[int, type[HistoryCell] | type[SpscRing]] = {
    kind._KIND: kind for kind in (HistoryCell, LatestCell, SpscRing, VaryingCell)
}


def attach(name: str) -> HistoryCell | SpscRing:
    """The cell or ring that another process created, as what it was made; FileNotFoundError when it is gone."""
    memory = shared_memory.SharedMemory(name=name)
    _, kind, *_ = _HEAD.unpack_from(_bytes_of(memory), 0)
    return _KINDS.get(kind, HistoryCell)(memory, owner=False)


def _bytes_of(memory: shared_memory.SharedMemory) -> memoryview:
    """The memory's bytes; ValueError once it was closed."""
    if memory.buf is None:
        raise ValueError("Shared memory: expected it open, got it closed. Read before close().")
    return memory.buf


def _release(memory: shared_memory.SharedMemory, owner: bool) -> None:
    memory.close()
    if owner:
        try:
            memory.unlink()
        except FileNotFoundError:
            return  # removed already, by the resource tracker of a process tree that was killed
