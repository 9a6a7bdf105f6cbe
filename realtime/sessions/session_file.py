"""A session's file: chunks that are only ever appended, each of them whole or not there.

::

    file    magic (8 bytes), version (u32), chunk HEAD, chunk DATA ...
    chunk   tag (4 bytes), size of its body (u32), CRC-32 of what follows (u32), session seconds at its end (f64), body
    HEAD    JSON
    DATA    zlib of: length of the small values (u32), small values, float32 values with equal bytes side by side

A process that is killed loses what it had not handed over; a cut or damaged file opens up to its last whole chunk.
There is nothing in it that could run, and sizes are checked before anything is read or unpacked: a file made to harm
costs a chunk's memory and one sentence.

Threading: one thread puts; one thread of the writer's own packs and writes, so that a slow disk stops no dance.
"""

import json
import logging
import os
import queue
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError

LOG = logging.getLogger("duet.session")
SESSION_FILE = "session.duet"
MAGIC, VERSION = b"DUETSESS", 1
MOST_BODY_BYTES = 8 << 20
MOST_RAW_BYTES = 32 << 20
_MOST_HEADER_BYTES = 1 << 20
_PREFIX = struct.Struct("<8sI")
_CHUNK = struct.Struct("<4sII")
_END = struct.Struct("<d")
_SIZE = struct.Struct("<I")
_HEAD, _DATA = b"HEAD", b"DATA"
_WAITING_CHUNKS = 64


@dataclass(frozen=True)
class Chunk:
    """About half a second of a session, or less where much happened at once."""

    small: bytes
    floats: NDArray[np.float32]
    end_s: float


class SessionWriter:
    """Writes a new session's file. Raises ``InputError`` where a session is already, or none can be written."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self.path = folder / SESSION_FILE
        self.failure = ""
        """Why nothing is written any more, as a sentence; "" while all is well."""
        beginning = _PREFIX.pack(MAGIC, VERSION) + _packed(_HEAD, json.dumps(header).encode(), 0.0)
        self._file = _create(self.path, beginning)
        self._waiting: queue.Queue[Chunk | None] = queue.Queue(_WAITING_CHUNKS)
        self._thread = threading.Thread(target=self._work, name="duet-session", daemon=True)
        self._thread.start()

    def put(self, chunk: Chunk) -> None:
        """Have a chunk written; never waits. What cannot be written ends the recording, not the dance."""
        if self.failure:
            return
        try:
            self._waiting.put_nowait(chunk)
        except queue.Full:
            self._end(chunk.end_s, "a disk that is slower than the dance")

    def close(self) -> None:
        """Write what waits, and end; safe to call again."""
        if self._file.closed:
            return
        self._waiting.put(None)
        self._thread.join()
        self._file.close()

    def _work(self) -> None:
        while (chunk := self._waiting.get()) is not None:
            if self.failure:
                continue
            raw = _raw(chunk)
            packed = _packed(_DATA, raw, chunk.end_s)
            if len(raw) > MOST_RAW_BYTES or len(packed) - _CHUNK.size > MOST_BODY_BYTES:
                # Whoever reads would take it for a file made to harm.
                self._end(chunk.end_s, f"{len(raw)} bytes at once")
                continue
            try:
                _write(self._file, packed)
            except OSError as error:
                self._end(chunk.end_s, str(error.strerror or error))

    def _end(self, at_s: float, why: str) -> None:
        self.failure = f"{self.path}: expected to record to the end, got {why} at {at_s:.0f} s. It opens up to there."
        LOG.warning(self.failure)


def check_new(folder: Path) -> None:
    """InputError where a session is already: none is ever written over."""
    if (folder / SESSION_FILE).exists():
        raise InputError(f"{folder}: expected a folder without a session, got one. Name another folder.")


def _create(path: Path, beginning: bytes) -> BinaryIO:
    """A new file that begins so. Where that cannot be written none is left: its folder may be used again."""
    check_new(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb", buffering=0)
        try:
            _write(file, beginning)
        except OSError:
            file.close()
            path.unlink()
            raise
    except OSError as error:
        raise InputError(
            f"{path.parent}: expected a folder to record a session in, got: {error.strerror or error}. "
            "Name another folder."
        ) from error
    return file


def _write(file: BinaryIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
    # A pulled plug costs no more than a killed process does.
    os.fsync(file.fileno())


def _packed(tag: bytes, raw: bytes, end_s: float) -> bytes:
    body = _END.pack(end_s) + (raw if tag == _HEAD else zlib.compress(raw, 1))
    return _CHUNK.pack(tag, len(body), zlib.crc32(body)) + body


def _raw(chunk: Chunk) -> bytes:
    # Bytes of like meaning side by side pack better: signs and exponents first.
    planes = np.ascontiguousarray(chunk.floats.view(np.uint8).reshape(-1, 4).T)
    return _SIZE.pack(len(chunk.small)) + chunk.small + planes.tobytes()


class SessionReader:
    """Reads a session's file chunk by chunk. ``InputError`` for one that is none; what is damaged ends it early."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / SESSION_FILE if folder.is_dir() else folder
        self.lost = ""
        """What could not be read, as a sentence; known once ``chunks`` is at its end."""
        try:
            self._file = self.path.open("rb")
            self._bytes = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise InputError(f"{self.path}: expected a session, got: {error.strerror}. Name its folder.") from error
        try:
            self.header = self._read_header()
        except InputError:
            self._file.close()
            raise
        self._first = self._file.tell()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def chunks(self) -> Iterator[Chunk]:
        """Every whole chunk from the beginning on."""
        self._file.seek(self._first)
        read_to, end_s = self._first, 0.0
        while (chunk := self._read_chunk()) is not None:
            read_to, end_s = self._file.tell(), chunk.end_s
            yield chunk
        if (left := self._bytes - read_to) > 0:
            self.lost = f"{self.path.name}: whole up to {end_s:.1f} s; the last {left} bytes are cut or damaged."

    def _read_header(self) -> dict[str, Any]:
        prefix = self._file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size or not prefix.startswith(MAGIC):
            raise InputError(f"{self.path}: expected a session, got another file. Name a folder from --record.")
        if (version := _PREFIX.unpack(prefix)[1]) != VERSION:
            raise InputError(
                f"{self.path}: expected a session of version {VERSION}, got {version}. Use the Duet it is from."
            )
        found = self._read_body(_MOST_HEADER_BYTES)
        try:
            header = json.loads(found[1][_END.size :]) if found is not None and found[0] == _HEAD else None
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            raise InputError(f"{self.path}: expected a session's beginning, got damage. Nothing of it can be read.")
        return header

    def _read_chunk(self) -> Chunk | None:
        found = self._read_body(MOST_BODY_BYTES)
        if found is None or found[0] != _DATA:
            return None
        body = found[1]
        packer = zlib.decompressobj()
        try:
            raw = packer.decompress(body[_END.size :], MOST_RAW_BYTES)
        except zlib.error:
            return None
        if not packer.eof or len(raw) < _SIZE.size:
            return None
        small_end = _SIZE.size + _SIZE.unpack_from(raw)[0]
        if small_end > len(raw) or (len(raw) - small_end) % 4:
            return None
        planes = np.frombuffer(raw, np.uint8, offset=small_end).reshape(4, -1)
        floats = np.ascontiguousarray(planes.T).reshape(-1).view(np.float32)
        end_s = float(_END.unpack_from(body)[0])
        return Chunk(raw[_SIZE.size : small_end], floats, end_s) if np.isfinite(end_s) else None

    def _read_body(self, most: int) -> tuple[bytes, bytes] | None:
        head = self._file.read(_CHUNK.size)
        if len(head) < _CHUNK.size:
            return None
        tag, size, crc = _CHUNK.unpack(head)
        if not _END.size <= size <= most:
            return None
        body = self._file.read(size)
        return (tag, body) if len(body) == size and zlib.crc32(body) == crc else None
