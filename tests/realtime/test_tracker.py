"""The tracking process: starts, publishes, reports its errors, survives its own death, ends with its parent."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import numpy as np
import pytest

from duet.clock import MonotonicClock
from duet.errors import DeviceError, MediaError, ModelError
from duet.frames import LeaderFrame, LeaderStatus
from duet.kinematics import heading_yaw
from duet.skeleton import BODY
from realtime import child, child_log
from realtime.child_log import ChildLog
from realtime.health import Health
from realtime.kept_process import KeptProcess
from realtime.rings import LatestCell
from realtime.sight import tracker as tracker_module
from realtime.sight.camera import Camera, CameraFrame, CameraState, open_camera
from realtime.sight.leader_record import FRAME_WIDTH, frame_of_record, values_of_frame
from realtime.sight.pose_model import bundle, ensure_pose_model, find_pose_model
from realtime.sight.tracker import Tracker
from realtime.sight.tracking import Heartbeat, PoseModel, TrackingChannels, TrackingTask, _Work
from realtime.sight.virtual_camera import VirtualCamera
from realtime.supervisor import WardState
from tests.waiting import is_gone, wait_for

needs_model = pytest.mark.skipif(
    find_pose_model() is None, reason="the pose model is not in the cache: run python -m realtime.sight.pose_model"
)
DANCING_MAN = Path(os.environ.get("DUET_DATA", "")) / "video" / "dancing_man.mp4"
needs_video = pytest.mark.skipif(
    "DUET_DATA" not in os.environ or not DANCING_MAN.is_file(),
    reason="DUET_DATA names no folder with video/dancing_man.mp4",
)


@pytest.fixture
def empty_room(tmp_path: Path) -> Path:
    """A video in which nobody is."""
    path = tmp_path / "room.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for i in range(30):
            picture = np.full((240, 320, 3), 90 + i, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def _tracked(video: Path, clock: MonotonicClock, health: Health | None = None) -> Tracker:
    return Tracker.start(TrackingTask(str(video), clock.epoch_s, ensure_pose_model()), health)


def test_frame_survives_the_record() -> None:
    rng = np.random.default_rng(0)
    frame = LeaderFrame(
        index=0,
        time_s=1234.5678,
        root_m=rng.normal(size=3).astype(np.float32),
        joints_m=rng.normal(size=(22, 3)).astype(np.float32),
        rotations_6d=rng.normal(size=(22, 6)).astype(np.float32),
        visibility=rng.uniform(size=22).astype(np.float32),
        status=LeaderStatus.HELD,
    )
    with LatestCell.create(width=FRAME_WIDTH) as cell:
        cell.write(frame.time_s, values_of_frame(frame))
        record = cell.latest()
        assert record is not None
        back = frame_of_record(record)
    assert (back.index, back.time_s, back.status) == (0, frame.time_s, LeaderStatus.HELD)
    for name in ("root_m", "joints_m", "rotations_6d", "visibility"):
        np.testing.assert_array_equal(getattr(back, name), getattr(frame, name))


@pytest.mark.parametrize("mark", [None, (0.5, -2.25)])
def test_heartbeat_survives_the_record(mark: tuple[float, float] | None) -> None:
    beat = Heartbeat(100, 3, CameraState.STREAMING, mark)
    assert Heartbeat.of(beat.values()) == beat


def test_unusable_model_is_a_sentence(tmp_path: Path, empty_room: Path) -> None:
    model = tmp_path / "own.task"
    model.write_bytes(bundle({"pose_detector.tflite": b"nothing"}))
    with pytest.raises(ModelError, match="expected a pose landmarker bundle"):
        Tracker.start(TrackingTask(str(empty_room), MonotonicClock().epoch_s, model))


def _die(task: TrackingTask, names: tuple[str, str, str], control: Connection, log: ChildLog) -> None:
    os.write(log.fd, b"W0000 routine\nFatal: illegal instruction\n")
    os._exit(3)


def _wait_idle(task: TrackingTask, names: tuple[str, str, str], control: Connection, log: ChildLog) -> None:
    control.send(("ready",))
    with contextlib.suppress(EOFError):
        control.recv()


def _be_slow(task: TrackingTask, names: tuple[str, str, str], control: Connection, log: ChildLog) -> None:
    time.sleep(1.5)
    _wait_idle(task, names, control, log)


def _fail_later(task: TrackingTask, names: tuple[str, str, str], control: Connection, log: ChildLog) -> None:
    control.send(("ready",))
    control.send(("failed", "DeviceError", "camera:0: expected to go on reading, got no more. Start again."))


def test_process_that_dies_at_start_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracker_module, "run", _die)
    start = time.monotonic()
    with pytest.raises(DeviceError, match=r"expected to start, got exit code 3: Fatal: illegal instruction\. Run"):
        Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task"))
    assert time.monotonic() - start < 0.5 * tracker_module._ROW.start_s


def test_process_that_takes_its_time_to_start_is_not_taken_for_one_that_hangs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tracker_module, "run", _be_slow)
    monkeypatch.setattr(tracker_module, "_ROW", replace(tracker_module._ROW, silent_s=1.5))
    monkeypatch.setattr(tracker_module, "_WATCH_S", 60.0)  # asked by hand below
    with Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task")) as tracker:
        assert tracker._process.trouble(time.monotonic()) is None
        tracker._process.silent_s = -1.0
        assert "no sign of life" in (tracker._process.trouble(time.monotonic()) or "")


def test_pictures_are_counted_once_and_held_frames_are_left_to_who_takes_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tracker_module, "run", _wait_idle)
    health = Health()
    with Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task"), health) as tracker:
        for beat in (Heartbeat(10, 2), Heartbeat(20, 3)):
            tracker._channels.heartbeat.write(time.monotonic(), beat.values())
            assert wait_for(lambda count=beat.camera_frames: health.counter("camera_frames") == count)
    assert (health.counter("camera_frames"), health.counter("camera_dropped")) == (20, 3)
    assert health.counter("held_frames") == health.counter("lost_frames") == 0


def test_a_bad_camera_is_shown_while_it_lasts_and_logged_once_a_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracker_module, "run", _wait_idle)
    told = {
        CameraState.DARK: "the camera sees only black: uncover its lens",
        CameraState.FROZEN: "the camera repeats one picture: plug it in again",
        CameraState.STALLED: "no pictures from the camera: check its cable",
        CameraState.STREAMING: "",
    }
    health, begin_s = Health(), time.monotonic()
    with Tracker.start(TrackingTask("camera:7", 0.0, tmp_path / "any.task"), health) as tracker:
        assert not tracker.trouble, "nothing is known yet"
        for frames, (state, sentence) in enumerate(told.items(), 1):
            for count in (2 * frames, 2 * frames + 1):
                beat = Heartbeat(count, camera_state=state)
                tracker._channels.heartbeat.write(time.monotonic(), beat.values())
                assert wait_for(lambda count=count: health.counter("camera_frames") == count)
            assert wait_for(lambda sentence=sentence: tracker.trouble == sentence), (state, tracker.trouble)
    took_s = time.monotonic() - begin_s
    lines = [r.getMessage() for r in caplog.records if r.name == "duet.camera"]
    assert lines[:3] == [f"camera:7: {sentence}" for sentence in told.values() if sentence]
    well = re.fullmatch(r"camera:7: all is well again after (\d+\.\d) s", lines[3])
    assert len(lines) == 4 and well is not None and float(well[1]) <= took_s + 0.05, lines


def test_a_tracker_for_which_there_is_no_room_comes_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawn, refused, room = child.spawn, [], [0, 0, 1]

    def short_of_memory(*given: Any, **named: Any) -> Any:
        if not room.pop(0):
            refused.append(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
            raise refused[-1]
        return spawn(*given, **named)

    monkeypatch.setattr(tracker_module, "run", _wait_idle)
    with Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task")) as tracker:
        first = tracker._process.pid
        assert first is not None
        monkeypatch.setattr(child, "spawn", short_of_memory)
        os.kill(first, signal.SIGKILL)
        assert wait_for(lambda: tracker.state is WardState.RUNNING and tracker._process.pid != first)
        assert len(refused) == 2 and tracker.take_new(0.0) == [], "nobody is asked to end the show for it"
    room.append(0)
    with pytest.raises(DeviceError, match=r"duet-tracker: expected to start, got .*close other programs first"):
        Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task"))


@pytest.mark.parametrize("what", [(TrackingChannels, "create"), (ChildLog, "new")])
def test_no_room_for_what_a_tracker_keeps_is_a_sentence(
    what: tuple[type, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*what, full)
    with pytest.raises(DeviceError, match=r"duet-tracker: expected to start, got No space .*close other programs"):
        Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task"))


def _chatter(task: TrackingTask, names: tuple[str, str, str], control: Connection, log: ChildLog) -> None:
    child.begin(log)
    control.send(("ready",))
    for number in range(20_000):
        sys.stdout.write(f"library: line {number} of many that nobody asked for\n")
    sys.stdout.write("that was all\n")
    sys.stdout.flush()
    control.poll(None)
    os.write(2, b"Fatal: torn apart\n")
    os._exit(3)


def test_what_a_process_prints_fills_no_disk_and_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tracker_module, "run", _chatter)
    monkeypatch.setattr(tracker_module, "_ROW", replace(tracker_module._ROW, silent_s=600.0))
    with Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task")) as tracker:
        process = tracker._process
        assert wait_for(lambda: "that was all" in process.log.tail())
        assert wait_for(lambda: os.fstat(process.log.fd).st_size <= child_log.MOST_BYTES)
        assert list(tmp_path.iterdir()) == [], "killed now, it would leave nothing"
        process.say("end it")
        assert wait_for(lambda: process.keeper.problem == "exit code 3: Fatal: torn apart")


def test_process_that_gives_up_is_quoted_and_started_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracker_module, "run", _fail_later)
    with Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task")) as tracker:
        assert wait_for(lambda: tracker._process.keeper.restarts >= 1)
        assert "expected to go on reading" in tracker._process.keeper.problem
        assert wait_for(lambda: tracker.trouble == "tracking stopped: it begins again by itself")


def test_error_that_ends_the_watch_is_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(_: KeptProcess) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(tracker_module, "run", _wait_idle)
    monkeypatch.setattr(KeptProcess, "look", broken)
    with Tracker.start(TrackingTask("camera:0", 0.0, tmp_path / "any.task")) as tracker:
        assert wait_for(lambda: tracker._failure is not None)
        with pytest.raises(DeviceError, match=r"watch over the tracking process, got RuntimeError\('out of order'\)"):
            tracker.take_new(0.0)
        with pytest.raises(DeviceError, match="watch over"):
            tracker.latest()


def test_work_ends_with_its_camera() -> None:
    class Broken:
        name = "camera:0"

        def open(self) -> None: ...

        def frames(self, stop: threading.Event) -> Iterator[tuple[float, float, np.ndarray]]:
            raise RuntimeError("out of order")

        def close(self) -> None: ...

    channels = TrackingChannels.create()
    with Camera(Broken(), MonotonicClock()) as camera:
        nobody = cast(PoseModel, SimpleNamespace(chooser=None))
        work = _Work(TrackingTask("camera:0", 0.0, Path("any.task")), channels, nobody, camera)
        assert wait_for(lambda: camera.failure is not None)
        with pytest.raises(DeviceError, match="expected to go on reading"):
            work.step()
    channels.close()


def test_nobody_is_seen_in_a_picture_that_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that repeats one picture is no leader who stands still."""
    monkeypatch.setattr("realtime.sight.picture_watch.FROZEN_S", 0.3)
    asked: list[float] = []

    class Pose:
        chooser = None

        def landmarks(self, picture: CameraFrame) -> None:
            asked.append(picture.time_s)

    channels, clock = TrackingChannels.create(), MonotonicClock()
    with VirtualCamera() as server, open_camera(server.url, clock=clock) as camera:
        task = TrackingTask(server.url, clock.epoch_s, Path("any.task"))
        work = _Work(task, channels, cast(PoseModel, Pose()), camera)
        work.step()
        assert asked
        server.frozen.set()
        assert wait_for(lambda: camera.state is CameraState.FROZEN and camera.reconnects == 1)
        before = len(asked)
        for _ in range(5):
            work.step()
        assert len(asked) == before
    channels.close()


@pytest.mark.parametrize("missing", ["mediapipe", "libGLESv2.so.2"])
def test_libraries_that_are_missing_name_the_next_step(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing == "mediapipe":
        monkeypatch.setitem(sys.modules, "mediapipe", None)
    else:
        from mediapipe.tasks.python.core import mediapipe_c_bindings

        def no_library() -> None:
            raise OSError(f"{missing}: cannot open shared object file: No such file or directory")

        monkeypatch.setattr(mediapipe_c_bindings, "load_raw_library", no_library)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ModelError, match=rf"MediaPipe to load, got: .*{missing}.*apt install libgles2 libegl1"):
        PoseModel(Path("any.task"))


@needs_model
def test_missing_video_is_the_same_sentence_as_in_process(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="expected a video file, got nothing there"):
        _tracked(tmp_path / "none.mp4", MonotonicClock())


@needs_model
def test_empty_room_is_lost_and_counted(empty_room: Path) -> None:
    clock, health = MonotonicClock(), Health()
    with _tracked(empty_room, clock, health) as tracker:
        assert tracker.state is WardState.RUNNING
        assert wait_for(lambda: len(tracker.history(32)) > 10)
        frame = tracker.latest()
        assert frame.status is LeaderStatus.LOST
        assert not frame.visibility.any()
        assert clock.now() - frame.time_s < 1.0
        taken = tracker.take_new(clock.now())
        assert [f.index for f in taken] == list(range(taken[0].index, taken[0].index + len(taken)))
        assert all(b.time_s > a.time_s for a, b in zip(taken, taken[1:], strict=False))
        assert wait_for(lambda: health.counter("camera_frames") > 10) and not tracker.trouble
        assert all(health.stages()[name].n > 5 for name in ("camera", "track", "lift", "frame"))
        names = tracker._channels.names
    assert tracker.state is WardState.ENDED
    assert tracker.history(4) == []
    assert all(is_gone(name) for name in names)
    tracker.stop()


@needs_model
def test_killed_process_shows_and_comes_back(empty_room: Path) -> None:
    with _tracked(empty_room, MonotonicClock()) as tracker:
        assert wait_for(lambda: len(tracker.history(32)) > 5)
        last = tracker.latest().index
        pid = tracker._process.pid
        assert pid is not None
        os.kill(pid, signal.SIGINT)  # Ctrl-C reaches the whole group: it is the parent's to handle
        keeper = tracker._process.keeper
        assert not wait_for(lambda: keeper.restarts > 0, 0.5)
        assert wait_for(lambda: tracker.latest().index > last)
        os.kill(pid, signal.SIGKILL)
        assert wait_for(lambda: keeper.restarts == 1)
        assert "signal 9" in keeper.problem
        last = tracker.latest().index
        assert wait_for(lambda: tracker.state is WardState.RUNNING and tracker.latest().index > last)
        assert keeper.restarts == 1


@needs_model
def test_process_and_memory_go_when_the_parent_is_killed(empty_room: Path) -> None:
    code = (
        "import sys, time\n"
        "from duet.clock import MonotonicClock\n"
        "from realtime.sight.pose_model import ensure_pose_model\n"
        "from realtime.sight.tracker import Tracker\n"
        "from realtime.sight.tracking import TrackingTask\n"
        "if __name__ == '__main__':\n"
        "    tracker = Tracker.start(TrackingTask(sys.argv[1], MonotonicClock().epoch_s, ensure_pose_model()))\n"
        "    print(tracker._process.pid, *tracker._channels.names, flush=True)\n"
        "    time.sleep(60)\n"
    )
    script = empty_room.parent / "parent.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, str(script), str(empty_room)], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid, *names = parent.stdout.readline().split()
        parent.kill()
        parent.wait(5.0)
    assert wait_for(lambda: not Path(f"/proc/{pid}").exists() or not Path("/proc").exists())
    assert wait_for(lambda: all(is_gone(name) for name in names))


@needs_model
@needs_video
def test_dancing_man_is_tracked_at_the_files_rate() -> None:
    clock, health = MonotonicClock(), Health()
    with _tracked(DANCING_MAN, clock, health) as tracker:
        frames: list[LeaderFrame] = []
        while len(frames) < 60 and clock.now() < 120.0:
            frames += tracker.take_new(clock.now())
            time.sleep(0.02)
    tracked = np.mean([frame.status is LeaderStatus.TRACKED for frame in frames])
    assert tracked > 0.9
    times = np.array([frame.time_s for frame in frames if frame.status is LeaderStatus.TRACKED])
    steps = np.diff(times) / 0.05  # 20 pictures a second; on a busy machine some are dropped
    assert np.median(np.abs(steps - np.round(steps))) < 0.02
    assert np.round(steps).min() == 1.0
    joints = np.array([frame.joints_m for frame in frames[20:]])
    assert 0.7 < np.median(joints[:, 0, 1]) < 1.1  # he stands
    assert abs(np.median(joints[:, [10, 11], 1].min(axis=1))) < 0.08  # on the floor
    assert np.abs(heading_yaw(BODY, joints)).max() < np.radians(110.0)  # and faces the camera, more or less
    assert (joints[:, BODY.index("head"), 1] > joints[:, 0, 1] + 0.3).all()
    assert health.counter("camera_frames") > 50
