"""Session files: cut, damaged, made to harm or on a full disk, they cost a sentence and are read where whole."""

import errno
import json
import os
import random
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from duet.errors import InputError
from duet.frames import MusicFrame
from realtime.sessions.session_file import (
    MAGIC,
    MOST_BODY_BYTES,
    MOST_RAW_BYTES,
    SESSION_FILE,
    VERSION,
    Chunk,
    SessionReader,
    SessionWriter,
)
from realtime.sessions.session_replay import Session
from realtime.sessions.tape import TapeReader, TapeWriter
from tests.realtime.rough_dance import (
    CONTRACT,
    Playing,
    Swaying,
    read_all,
    record,
    whole_chunks,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("session") / "new"
    return folder, record(folder, 1)


@pytest.mark.parametrize("size", [MOST_BODY_BYTES // 4 + 1, MOST_RAW_BYTES // 4 + 1])
def test_nothing_is_written_that_could_not_be_read(tmp_path: Path, size: int) -> None:
    noise = np.random.default_rng(0).integers(0, 2**32, size if size < 4 << 20 else 1, np.uint32).view(np.float32)
    writer = SessionWriter(tmp_path, {"schema": "x"})
    writer.put(Chunk(b"x", np.zeros(4, np.float32), 1.0))
    writer.put(Chunk(b"x", noise if len(noise) > 1 else np.zeros(size, np.float32), 2.0))
    writer.close()
    assert f"got {4 * size + 5} bytes at once at 2 s. It opens up to there." in writer.failure
    assert whole_chunks(tmp_path) == (1, "")


def test_a_session_is_never_overwritten(recorded: tuple[Path, dict]) -> None:
    before = (recorded[0] / SESSION_FILE).read_bytes()
    with pytest.raises(InputError, match="without a session"):
        SessionWriter(recorded[0], {})
    assert (recorded[0] / SESSION_FILE).read_bytes() == before


def ends_of_chunks(data: bytes) -> list[int]:
    ends, at = [], 12
    while at < len(data):
        at += 12 + struct.unpack_from("<4sII", data, at)[1]
        ends.append(at)
    return ends


def test_a_file_cut_anywhere_in_its_last_chunk_opens_up_to_it(tmp_path: Path) -> None:
    writer, chance = SessionWriter(tmp_path, {"schema": "x"}), np.random.default_rng(0)
    for i in range(4):
        writer.put(Chunk(bytes(30 + i), chance.normal(size=70).astype(np.float32), 0.5 * (i + 1)))
    writer.close()
    data = writer.path.read_bytes()
    *_, before, end = ends_of_chunks(data)
    assert end == len(data) and whole_chunks(writer.path) == (4, "")
    with writer.path.open("rb+") as file:
        for size in range(end - 1, before, -1):
            file.truncate(size)
            found, lost = whole_chunks(writer.path)
            assert found == 3
            assert f"whole up to 1.5 s; the last {size - before} bytes are cut or damaged" in lost
        file.truncate(before)
    assert whole_chunks(writer.path) == (3, "")


def test_damaged_files_never_crash_nor_hang(recorded: tuple[Path, dict], tmp_path: Path) -> None:
    data, chance = (recorded[0] / SESSION_FILE).read_bytes(), random.Random(0)
    path = tmp_path / SESSION_FILE
    for _ in range(250):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 3, 50))):
            damaged[chance.randrange(chance.choice((40, 1500, len(damaged))))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            session = Session(path)
        except InputError as error:
            assert "expected" in str(error)
            continue
        session.close()
        whole_chunks(path)


def test_events_that_cannot_have_happened_are_refused(recorded: tuple[Path, dict]) -> None:
    """The check sums of these are right: somebody made them so."""
    reader = SessionReader(recorded[0])
    chunks, chance, told = list(reader.chunks()), random.Random(1), set()
    reader.close()
    assert read_all(TapeReader(iter(chunks), "s")) > 300
    for number in range(400):
        small = bytearray(chunks[2].small)
        for _ in range(chance.choice((1, 4))):
            small[chance.randrange(len(small))] = chance.choice((0, 1, 7, 127, 255))
        bad = [*chunks[:2], replace(chunks[2], small=bytes(small))]
        try:
            read_all(TapeReader(iter(bad), "s"))
            if number % 50 == 0:
                session = Session(recorded[0])
                session.close()
                session._file.chunks = lambda bad=bad: iter(bad)  # type: ignore[method-assign]
                session.replay(CONTRACT, Swaying(), None)
        except InputError as error:
            assert "expected" in str(error)
            told.add(str(error)[:30])
    assert len(told) >= 3, told


def heard_again(**changes: Any) -> list[MusicFrame]:
    """A frame of music with ``changes``, from a tape."""
    chunks: list[Chunk] = []
    tape = TapeWriter(SimpleNamespace(put=chunks.append))  # type: ignore[arg-type]
    tape.music([replace(frame, **changes) for frame in Playing(random.Random(0)).take_new(0.0)])
    tape.end()
    return TapeReader(iter(chunks), "s").music()


@pytest.mark.parametrize(
    "changes",
    [
        {"tempo_bpm": -120.0}, {"tempo_bpm": 0.0}, {"tempo_bpm": 5e-324}, {"tempo_bpm": 1e4},
        {"beat_phase": 1.7e308}, {"bar_phase": -1.0}, {"confidence": np.inf}, {"metre": 0},
        {"features": np.zeros(1)}, {"features": np.zeros(500)},
    ],
)  # fmt: skip
def test_music_that_nobody_can_have_heard_is_refused(changes: dict[str, Any]) -> None:
    """A dance by it would end in a traceback: there is no logarithm of such a tempo."""
    assert len(heard_again()) == 1
    with pytest.raises(InputError, match="expected a session, got"):
        heard_again(**changes)


def test_a_clock_that_goes_back_is_refused() -> None:
    chunks: list[Chunk] = []
    tape = TapeWriter(SimpleNamespace(put=chunks.append))  # type: ignore[arg-type]
    for now in (1.0, 1.0, 0.5):
        tape.clock(now)
    tape.end()
    reader = TapeReader(iter(chunks), "s")
    assert reader.clock() == reader.clock() == 1.0
    with pytest.raises(InputError, match="got a clock that goes back to 0.5 s"):
        reader.clock()


def made(path: Path, body: bytes, tag: bytes = b"HEAD", size: int | None = None) -> Path:
    head = struct.pack("<4sII", tag, len(body) if size is None else size, zlib.crc32(body))
    path.write_bytes(MAGIC + struct.pack("<I", VERSION) + head + body)
    return path


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ([1], "session's beginning"), ({}, "duet-session/1"), ({"schema": "duet-session/9"}, "duet-session/9"),
        ({"schema": "duet-session/1"}, "KeyError"), ({"schema": "duet-session/1", "seed": "x"}, "ValueError"),
    ],
)  # fmt: skip
def test_a_beginning_that_is_none_is_told(tmp_path: Path, header: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Session(made(tmp_path / "s", struct.pack("<d", 0.0) + json.dumps(header).encode()))


def test_a_file_made_to_harm_costs_one_sentence(tmp_path: Path) -> None:
    for body in (b"{" * 200, struct.pack("<d", 0.0) + b"[" * 200_000, b""):
        with pytest.raises(InputError, match="damage"):
            Session(made(tmp_path / "s", body))
    with pytest.raises(InputError, match="damage"):
        Session(made(tmp_path / "s", b"", size=2**32 - 1))
    (tmp_path / "s").write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(InputError, match="another file"):
        Session(tmp_path / "s")
    (tmp_path / "s").write_bytes(MAGIC + struct.pack("<I", 99) + bytes(100))
    with pytest.raises(InputError, match="version 1, got 99"):
        Session(tmp_path / "s")
    with pytest.raises(InputError, match="expected a session"):
        Session(tmp_path / "absent")
    # 200 MB of nothing in 200 kB.
    writer = SessionWriter(tmp_path / "bomb", {"schema": "x"})
    writer.close()
    body = struct.pack("<d", 1.0) + zlib.compress(bytes(200_000_000), 1)
    with writer.path.open("ab") as file:
        file.write(struct.pack("<4sII", b"DATA", len(body), zlib.crc32(body)) + body)
    assert whole_chunks(writer.path)[0] == 0


def test_a_full_disk_ends_the_recording_and_not_the_dance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SessionWriter(tmp_path, {"schema": "x"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("realtime.sessions.session_file._write", full)
    for i in range(3):
        writer.put(Chunk(b"x", np.zeros(4, np.float32), float(i)))
    writer.close()
    assert "No space left on device at 0 s" in writer.failure


def test_a_disk_that_is_full_at_once_is_a_sentence_and_leaves_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(InputError, match="got: No space left on device. Name"):
        patched.setattr("realtime.sessions.session_file.os.fsync", full)
        SessionWriter(tmp_path, {"schema": "x"})
    assert list(tmp_path.iterdir()) == []
    SessionWriter(tmp_path, {"schema": "x"}).close()
    assert whole_chunks(tmp_path) == (0, "")


KILLED = """
import random, sys, time
from pathlib import Path
import numpy as np
from realtime.sessions.session_file import SessionWriter
from realtime.sessions.tape import TapeWriter
from tests.realtime.rough_dance import Leading, Playing
tape = TapeWriter(SessionWriter(Path(sys.argv[1]), {"schema": "x"}))
chance = random.Random(0)
leading, playing = Leading(chance), Playing(chance)
start = time.monotonic()
while True:
    now = time.monotonic() - start
    tape.clock(now)
    tape.leader(leading.take_new(now))
    tape.music(playing.take_new(now))
    print(now, flush=True)
    time.sleep(0.05)
"""


def test_a_killed_process_loses_a_second_at_most(tmp_path: Path) -> None:
    newest = 0.0
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "s")],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        while newest < 2.6:
            newest = float(process.stdout.readline())
        process.kill()
        newest = float((process.stdout.read().split() or [newest])[-1])
    reader = SessionReader(tmp_path / "s")
    tape = TapeReader(reader.chunks(), "s")
    seen = 0
    while tape.peek() is not None:
        tape.clock()
        seen += len(tape.leader())
        tape.music()
    reader.close()
    assert newest - tape.now <= 1.0
    assert seen == pytest.approx(tape.now * 30, abs=2)
