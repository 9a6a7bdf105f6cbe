"""Sessions: what was recorded is danced again to the bit, whatever happened, and whatever happened to the file."""

import json
import random
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.contract import TensorSpec, load_contract
from duet.errors import InputError
from duet.features import FOLLOWER_LOWER, FOLLOWER_ROOT, FOLLOWER_SIZE, FOLLOWER_UPPER, Placement, Standing
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
from realtime.sessions.session import Recording, _RecordedLeader, _RecordedMusic
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
from realtime.sessions.session_replay import Session, Verdict
from realtime.sessions.tape import MOST_TAKEN, Kind, TapeReader, TapeWriter
from realtime.tick import FollowerState, Tensors, TickResult
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


def record(folder: Path, seed: int, *, seconds: float = 5.0, sleeps_s: float = 0.0) -> dict[str, np.ndarray]:
    """A performance in which everything goes wrong that can; returns the motion that was shown."""
    chance = random.Random(seed)
    clock, inbox, log = Sleeping(chance, sleeps_s), CommandInbox(), MotionLog(CONTRACT.fps)
    conductor = Conductor(
        CONTRACT,
        Stumbling(InlineEngine(Swaying(), FollowerState.initial(CONTRACT)), chance),
        Leading(chance),
        Playing(chance),
        Playout(CONTRACT.timeline, Standing(np.array([0.1, 0.9, 0.7]), 2.9)),
        clock,
        Wishes(Placement(CONTRACT.distance_m)),
        Health(),
        seed=seed,
        log=log,
        commands=inbox,
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


def danced(folder: Path, *, runner: Swaying | None = None) -> tuple[Verdict, dict[str, np.ndarray]]:
    session, log = Session(folder), MotionLog(CONTRACT.fps)
    try:
        verdict = session.replay(CONTRACT, runner or Swaying(), None, log=log)
    finally:
        session.close()
    return verdict, log.arrays()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("session") / "new"
    return folder, record(folder, 1)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_what_was_recorded_is_danced_again_to_the_bit(tmp_path: Path, seed: int) -> None:
    shown = record(tmp_path, seed)
    verdict, again = danced(tmp_path)
    assert verdict.is_equal and verdict.complete and verdict.same_machine and verdict.lost == ""
    assert verdict.poses >= len(shown["time_s"]) > 100 and verdict.ticks > 15 and verdict.seconds >= 5.0
    assert set(shown) == set(again)
    for name, values in shown.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)


def test_what_is_danced_after_a_long_stall_is_danced_again(tmp_path: Path) -> None:
    stall_s = 300.0
    shown = record(tmp_path, 2, seconds=stall_s + 5.0, sleeps_s=stall_s)
    reader = SessionReader(tmp_path)
    assert all(8 * len(chunk.small) + chunk.floats.nbytes < MOST_BODY_BYTES for chunk in reader.chunks())
    reader.close()
    verdict, again = danced(tmp_path)
    assert verdict.is_equal and verdict.complete and verdict.lost == "" and verdict.seconds > stall_s + 5.0
    np.testing.assert_array_equal(shown["follower_joints_m"], again["follower_joints_m"])
    # Of the stall only what may have moved is kept, and whatever was danced after it.
    assert (shown["time_s"] > stall_s + 2.0).sum() > 60 and len(shown["time_s"]) < 30 * (60 + 10)


def test_frames_that_come_all_at_once_can_be_read(tmp_path: Path) -> None:
    """A recorded leader and their music after an hour in which nobody asked."""
    leading, playing = Leading(random.Random(0)), Playing(random.Random(0))
    led, played = leading.take_new(140.0), playing.take_new(140.0)
    assert len(led) > MOST_TAKEN
    for frames, source in ((led, _RecordedLeader), (played, _RecordedMusic)):
        folder = tmp_path / source.__name__
        writer = SessionWriter(folder, {"schema": "x"})
        tape = TapeWriter(writer)
        taken = source(SimpleNamespace(take_new=lambda until_s, frames=frames: frames), tape).take_new(300.0)
        assert [frame.index for frame in taken] == [frame.index for frame in frames[-MOST_TAKEN:]]
        for _ in range(3):
            source(SimpleNamespace(take_new=lambda until_s, frames=frames: frames), tape).take_new(300.0)
        tape.end()
        writer.close()
        assert writer.failure == ""
        reader = SessionReader(folder)
        assert read_all(TapeReader(reader.chunks(), "s")) == 4 and reader.lost == ""
        reader.close()


@pytest.mark.parametrize("size", [MOST_BODY_BYTES // 4 + 1, MOST_RAW_BYTES // 4 + 1])
def test_nothing_is_written_that_could_not_be_read(tmp_path: Path, size: int) -> None:
    noise = np.random.default_rng(0).integers(0, 2**32, size if size < 4 << 20 else 1, np.uint32).view(np.float32)
    writer = SessionWriter(tmp_path, {"schema": "x"})
    writer.put(Chunk(b"x", np.zeros(4, np.float32), 1.0))
    writer.put(Chunk(b"x", noise if len(noise) > 1 else np.zeros(size, np.float32), 2.0))
    writer.close()
    assert f"got {4 * size + 5} bytes at once at 2 s. It opens up to there." in writer.failure
    assert whole_chunks(tmp_path) == (1, "")


def test_another_dance_is_told_by_tick_and_tensor(recorded: tuple[Path, dict]) -> None:
    verdict, _ = danced(recorded[0], runner=Swaying(deaf=True))
    assert not verdict.is_equal and verdict.complete
    assert verdict.first_difference.startswith("tick ") and verdict.first_difference.endswith("output 'frames'")
    assert verdict.different_poses > 10 and 0.0 < verdict.furthest_m < 3.0 and verdict.furthest_at_s > 0.0


def test_another_follower_is_refused(recorded: tuple[Path, dict]) -> None:
    session = Session(recorded[0])
    with pytest.raises(InputError, match="expected the follower that danced it"):
        session.replay(replace(CONTRACT, weights_sha256="0" * 64), Swaying(), None)
    session.close()


def test_a_session_is_never_overwritten(recorded: tuple[Path, dict]) -> None:
    before = (recorded[0] / SESSION_FILE).read_bytes()
    with pytest.raises(InputError, match="without a session"):
        SessionWriter(recorded[0], {})
    assert (recorded[0] / SESSION_FILE).read_bytes() == before


def test_nothing_but_what_was_asked_for_is_written(recorded: tuple[Path, dict]) -> None:
    assert [p.name for p in recorded[0].iterdir()] == [SESSION_FILE]
    assert (recorded[0] / SESSION_FILE).stat().st_size < 5 * 60_000


def ends_of_chunks(data: bytes) -> list[int]:
    ends, at = [], 12
    while at < len(data):
        at += 12 + struct.unpack_from("<4sII", data, at)[1]
        ends.append(at)
    return ends


def whole_chunks(path: Path) -> tuple[int, str]:
    reader = SessionReader(path)
    try:
        return sum(1 for _ in reader.chunks()), reader.lost
    finally:
        reader.close()


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


@pytest.mark.parametrize("share", [0.3, 0.71, 0.999])
def test_a_cut_session_is_danced_as_far_as_it_goes(recorded: tuple[Path, dict], tmp_path: Path, share: float) -> None:
    data = (recorded[0] / SESSION_FILE).read_bytes()
    (tmp_path / SESSION_FILE).write_bytes(data[: int(len(data) * share)])
    verdict, again = danced(tmp_path)
    assert verdict.is_equal and not verdict.complete and "cut or damaged" in verdict.lost
    assert verdict.seconds > 5.0 * share - 2.5
    shown = recorded[1]["follower_joints_m"]
    np.testing.assert_array_equal(again["follower_joints_m"], shown[: len(again["follower_joints_m"])])


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


def read_all(tape: TapeReader) -> int:
    events = 0
    while (kind := tape.peek()) is not None and kind is not Kind.END:
        getattr(tape, kind.name.lower())()
        events += 1
    return events


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


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from realtime.sessions.session_file import SessionWriter
from realtime.sessions.tape import TapeWriter
from tests_session import Leading, Playing, random
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
    script = KILLED.replace("tests_session", Path(__file__).stem)
    newest = 0.0
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "s")],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}", "OMP_NUM_THREADS": "1"},
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


def test_a_leader_who_was_away_for_days_costs_no_memory(tmp_path: Path) -> None:
    from realtime.leader_track import LeaderTrack

    track = LeaderTrack(CONTRACT.timeline, 100)
    joints = BODY.rest_joints_m
    frame = LeaderFrame(0, 0.0, joints[0], joints, np.zeros((22, 6)), np.ones(22), LeaderStatus.TRACKED)
    assert track.push(frame) == 1
    began = time.perf_counter()
    assert track.push(replace(frame, time_s=1e9)) == 100
    assert track.newest_index == 30_000_000_000 and time.perf_counter() - began < 1.0
