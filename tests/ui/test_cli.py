"""The command as a user meets it: what it makes, and one clear sentence for everything that does not fit."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.groove import render_groove
from duet.motion import read_motion
from realtime.health import Health
from realtime.sight.leader_take import LEADER_FPS
from realtime.sight.pose_model import find_pose_model
from ui import cli
from ui.cli import DEFAULT_FOLLOWER, main
from ui.sources import demo_sources


def run(*arguments: str | Path, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-m", "ui.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
    )


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The sentence that the command refuses with."""
    assert main([str(a) for a in arguments]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("duet: ")
    assert "Traceback" not in message
    return message


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A follower folder that may be damaged."""
    return Path(shutil.copytree(DEFAULT_FOLLOWER, tmp_path / "follower"))


@pytest.fixture
def keep(tmp_path: Path) -> tuple[str, Path, str, str]:
    return "--report", tmp_path / "report.json", "--seconds", "1"


@pytest.fixture(scope="module")
def demo(opengl: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what one headless demo made."""
    folder = tmp_path_factory.mktemp("demo")
    done = run(
        "demo", "--headless", "--seconds", 4, "--size", "320x180", "--out", folder / "film.mp4",
        "--save-motion", folder / "motion.npz", "--report", folder / "report.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_a_demo_leaves_motion_of_both_dancers(demo: Path) -> None:
    with np.load(demo / "motion.npz") as motion:
        frames = len(motion["time_s"])
        assert 100 <= frames <= 121
        assert motion["leader_joints_m"].shape == motion["follower_joints_m"].shape == (frames, 22, 3)
        assert motion["source"].shape == (frames,)
        assert np.isfinite(motion["follower_joints_m"]).all()
        np.testing.assert_allclose(np.diff(motion["time_s"]), 1 / 30, atol=1e-6)


def test_the_saved_follower_can_lead_again(demo: Path) -> None:
    take = read_motion(demo / "motion.npz", dancer="follower")
    with np.load(demo / "motion.npz") as motion:
        np.testing.assert_allclose(take.joints_m, motion["follower_joints_m"], atol=1e-3)


def test_a_demo_s_report_says_what_was_measured_and_where(demo: Path) -> None:
    report = json.loads((demo / "report.json").read_text())
    for stage in ("camera", "track", "lift", "music", "tick", "decode", "draw"):
        assert set(report["stages"][stage]) == {"p50_ms", "p95_ms", "p99_ms", "max_ms", "n"}
    for name in ("ticks", "late_ticks", "camera_frames", "camera_dropped", "held_frames", "xruns", "drawn_frames"):
        assert isinstance(report[name], int)
    assert 25 <= report["ticks"] <= 30
    assert report["stages"]["draw"]["n"] == report["drawn_frames"] > 0
    assert report["seconds"] == pytest.approx(4.0, abs=0.2)
    assert report["lag_ms"] > 0
    assert report["machine"]["cpu"] and report["machine"]["opengl"]


def test_a_demo_s_film_has_picture_and_sound(demo: Path) -> None:
    from tests.films import read_back

    facts = read_back(demo / "film.mp4")
    assert facts.seconds == pytest.approx(4.0, abs=0.5)
    assert facts.audio_seconds > 3.5


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--leader", "absent.bvh"), "absent.bvh: expected a take, got no such file"),
        (("--leader", "absent.mp4"), "absent.mp4"),
        (("--leader", "camera:97"), "camera"),
        (("--leader", "camera:0", "--bvh-fps", "60"), "expected a .bvh take for --bvh-fps"),
        (("--leader", "a.bvh", "--bvh-fps", "-1"), "--bvh-fps: expected more than 0"),
        (("--leader", "a.bvh", "--music", "absent.ogg"), "absent.ogg: expected a sound file"),
        (("--leader", "a.bvh", "--size", "huge"), "--size: expected WxH"),
        (("--leader", "a.bvh", "--seconds", "-3"), "--seconds: expected more than 0"),
        (("--leader", "a.bvh", "--distance", "30"), "--distance: expected 0.4 to 3 metres"),
        (("--leader", "a.bvh", "--seed", "-1"), "--seed: expected 0 or more"),
        (("--leader", "a.bvh", "--seconds", "inf"), "--seconds: expected more than 0"),
        (("--leader", "a.mp4", "--height", "175"), "--height: expected 0.8 to 2.5 metres"),
        (("--leader", "a.bvh", "--report", "/proc/none/report.json"), "expected a folder to write to"),
        (("--leader", "a.bvh", "--out", "film.txt"), "film.txt: expected a name ending in .mp4"),
        (("--leader", "a.bvh", "--out", "same.mp4", "--report", "same.mp4"), "expected a file for each output"),
        (("--leader", "."), "--leader: expected a file or a device, got the folder ."),
        (("--leader", "a.bvh", "--music", "."), "--music: expected a file or a device, got the folder ."),
        (("--leader", "a.bvh", "--follower", "nowhere"), "nowhere: expected a follower folder, got no such folder"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(
    capsys: pytest.CaptureFixture[str], keep: tuple, arguments: tuple[str, ...], reason: str
) -> None:
    assert reason in refused(capsys, "play", *keep, *arguments, "--headless")
    assert not keep[1].exists()


def test_files_that_are_not_what_they_say(capsys: pytest.CaptureFixture[str], tmp_path: Path, keep: tuple) -> None:
    for name, reason in (("a.bvh", "expected a BVH file"), ("a.npz", "a.npz: expected"), ("a.mp4", "a.mp4")):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        assert reason in refused(capsys, "play", "--leader", tmp_path / name, "--headless", *keep)


def test_a_follower_with_a_missing_file(capsys: pytest.CaptureFixture[str], copied: Path, keep: tuple) -> None:
    next(copied.glob("*.onnx")).unlink()
    assert "got no such file" in refused(capsys, "demo", "--follower", copied, "--headless", *keep)


def test_a_follower_that_was_altered(capsys: pytest.CaptureFixture[str], copied: Path, keep: tuple) -> None:
    graph = next(copied.glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    assert "The file was altered" in refused(capsys, "demo", "--follower", copied, "--headless", *keep)


def test_a_follower_of_another_body(capsys: pytest.CaptureFixture[str], copied: Path, keep: tuple) -> None:
    path = copied / "contract.json"
    contract = json.loads(path.read_text()) | {"skeleton_fingerprint": "0" * 64}
    path.write_text(json.dumps(contract))
    assert "trained on another body" in refused(capsys, "demo", "--follower", copied, "--headless", *keep)


def test_a_window_without_a_display(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "expected a display, got none. Add --headless" in refused(capsys, "play", "--leader", "a.bvh")


def test_a_film_of_a_live_leader_needs_a_length(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, duet_data: Path
) -> None:
    video = duet_data / "video" / "dancing_man.mp4"
    if find_pose_model() is None:
        pytest.skip("the pose model is not in the cache")
    message = refused(capsys, "play", "--leader", video, "--out", tmp_path / "film.mp4")
    assert "--seconds: expected a length for the film of a live leader" in message


def test_headless_with_nothing_to_keep(capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected something to keep" in refused(capsys, "play", "--leader", "a.bvh", "--headless")


@pytest.mark.usefixtures("opengl")
def test_doctor_and_devices_tell_something(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    for name in ("python", "follower", "picture", "window", "film", "sound", "camera", "pose model"):
        assert name in told
    assert main(["devices"]) == 0
    assert "cameras" in capsys.readouterr().out


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["play", "--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "camera:0" in told and "--save-motion" in told and "examples" in told


@pytest.mark.parametrize("film", [False, True])
def test_a_sound_device_that_is_not_there(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path, keep: tuple, film: bool
) -> None:
    out = ("--out", tmp_path / "film.mp4") if film else ()
    message = refused(
        capsys, "play", "--leader", demo / "motion.npz", "--music", "device:no such thing", "--headless", *keep, *out
    )
    assert "no such thing" in message or "PortAudio" in message
    assert not list(tmp_path.glob("*film*"))


def test_a_saved_take_can_lead_in_silence(demo: Path, tmp_path: Path) -> None:
    done = run(
        "play", "--leader", demo / "motion.npz", "--seconds", 2, "--headless", "--save-motion", tmp_path / "again.npz"
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "again.npz") as again:
        assert np.isfinite(again["follower_joints_m"]).all()


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT,) * 3])
def test_being_stopped_ends_early_and_keeps_what_there_is(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    film = tmp_path / "film.mp4"
    arguments = ["demo", "--headless", "--seconds", "60", "--size", "320x180", "--out", str(film)]
    process = subprocess.Popen(
        [sys.executable, "-m", "ui.cli", *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        # The film's beginning is on disk once the dance goes on.
        end = time.monotonic() + 60.0
        while not list(tmp_path.iterdir()) and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(2.0)
        for number in signals:
            os.killpg(process.pid, number)
            time.sleep(0.05)
        _, told = process.communicate(timeout=30.0)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert "Wrote" in told
    from tests.films import read_back

    assert read_back(film).seconds > 0.5
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


def _read(terminal: int, until: bytes) -> bytes:
    """What is printed there, up to the first match of ``until``; for a minute at most."""
    told, end = b"", time.monotonic() + 60.0
    while not re.search(until, told) and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            told += os.read(terminal, 4096)
    return told


@contextmanager
def _hang_ups_heard() -> Iterator[None]:
    """What is begun meanwhile hears them, wherever these tests were begun by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminal to close")
@pytest.mark.usefixtures("opengl")
def test_a_closed_terminal_ends_early_and_keeps_what_there_is(tmp_path: Path) -> None:
    film, motion = tmp_path / "film.mp4", tmp_path / "motion.npz"
    arguments = ["demo", "--headless", "--seconds", "60", "--size", "128x72", "--fps", "10"]
    ours, theirs = os.openpty()
    with _hang_ups_heard():
        process = subprocess.Popen(
            [sys.executable, "-m", "ui.cli", *arguments, "--out", str(film), "--save-motion", str(motion)],
            stdout=theirs, stderr=theirs, start_new_session=True, env=os.environ | {"TERM": "xterm"},
        )  # fmt: skip
    os.close(theirs)
    try:
        told = _read(ours, rb"Dancing [2-9] of 60 s")
        os.close(ours)
        # Twice: the system tells who was in front, and the shell whom it began.
        for _ in range(2):
            os.killpg(process.pid, signal.SIGHUP)
            time.sleep(0.05)
        process.wait(timeout=30.0)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, told
    from tests.films import read_back

    assert read_back(film).seconds > 0.5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4", "motion.npz"]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminal that hangs up")
def test_who_was_begun_by_nohup_outlives_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def hung_up(_: object) -> int:
        signal.raise_signal(signal.SIGHUP)
        time.sleep(0.05)
        return 0

    monkeypatch.setattr(cli, "_devices", hung_up)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["devices"]) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_demo_s_leader_is_the_choreographer_s_and_dances_on_the_groove_s_beats():
    sources = demo_sources(6.0, 172.0, 5, headless=True)(Health())
    wanted = compose("salsa", 6.0, 172.0, 5, fps=LEADER_FPS).leader
    sources.leader.start(MonotonicClock(), 0.0)
    shown = sources.leader.shown(2.0)
    assert shown is not None
    assert np.abs(shown.joints_m - wanted.joints_m[60]).max() < 1e-3
    beats = render_groove(7.0, 172.0, seed=5).beat_times_s
    assert np.abs(beats - np.arange(len(beats)) * 60.0 / 172.0).max() < 1e-6
