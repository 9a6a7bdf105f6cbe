"""``duet calibrate stage``, all the way: a camera over the network, a body before it, the mark kept and used."""

import io
import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix
from duet.skeleton import BODY
from realtime.calibration import Calibration, Delay, load_calibration, save_calibration
from realtime.health import Health
from realtime.sight.pose_model import find_pose_model
from realtime.sight.stage_shift import Shift
from ui.calibration.stage import _ask_height
from ui.cli import main
from ui.drawing.avatar import BodyPose
from ui.drawing.scene import Scene, SceneState, create_headless_context
from ui.options import LeaderOptions
from ui.sources import play_sources


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DUET_SETTINGS", str(tmp_path))
    return tmp_path


@pytest.fixture
def standing(opengl: None) -> tuple[bytes, bytes]:
    """Two pictures of somebody who stands, as JPEG: a sensor's noise makes no two alike."""
    context = create_headless_context()
    turns = np.zeros((22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[BODY.index(f"{side}_shoulder"), 2] = -0.9 * sign
    scene = Scene(context, (640, 480))
    quaternions = quaternion_wxyz_from_matrix(matrix_from_rotvec(turns))
    scene.draw(SceneState(0.0, BodyPose(np.array([0.0, 0.9, 0.0]), quaternions)))
    picture = scene.read()
    context.release()
    rng = np.random.default_rng(0)
    noisy = [np.clip(picture + rng.integers(-2, 3, picture.shape), 0, 255).astype(np.uint8) for _ in range(2)]
    first, second = (cv2.imencode(".jpg", np.ascontiguousarray(one[..., ::-1]))[1].tobytes() for one in noisy)
    return first, second


@pytest.fixture
def camera(standing: tuple[bytes, bytes]) -> Iterator[str]:
    """The address of a camera that shows them in turn."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for picture in itertools.cycle(standing):
                    self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n")
                    time.sleep(1 / 20)
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/camera"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(find_pose_model() is None, reason="the pose model is not in the cache")
def test_the_mark_is_kept_for_this_camera_and_the_leader_stands_in_the_middle(
    camera: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--height", "1.7", "--distance", "1.1", "--wait", "3", "--seconds", "3"]
    save_calibration(load_calibration().with_camera(camera, shift=Shift(1.0, -0.5)))
    assert main(["calibrate", "stage", "--camera", camera, *words]) == 0, capsys.readouterr().err
    assert load_calibration().camera(camera).shift == Shift(), "it was meant from the mark before"
    told = capsys.readouterr().out
    assert "tilt is taken to be 0 degrees" in told
    assert "the mark is" in told and "Kept for this camera" in told
    kept = load_calibration()
    known = kept.camera(camera)
    assert kept.height_m == 1.7 and known.distance_m == 1.1
    assert known.mark_m is not None and known.mark_m[1] < -1.0
    sources = play_sources(LeaderOptions(camera, shift=Shift(z_m=-0.5), preview=True), None, headless=True)(Health())
    try:
        assert sources.distance_m == 1.1
        assert "mark: calibrated" in sources.notes()
        end_s = time.monotonic() + 10.0
        leader, sight = None, None
        while (leader is None or sight is None) and time.monotonic() < end_s:
            leader = sources.leader.shown(0.0)
            sight = sources.sight() if sources.sight is not None else None
            time.sleep(0.1)
        assert leader is not None and sight is not None
        assert abs(float(leader.root_m[0])) < 0.1
        assert float(leader.root_m[2]) == pytest.approx(-0.5, abs=0.1)
        assert sight.picture.shape == (192, 256, 3) and sight.points is not None
        assert sources.keep is not None
        from duet.features import Placement

        assert "kept for this camera" in sources.keep(Shift(0.1, 0.2), Placement(0.9))
    finally:
        sources.leader.stop()
    kept = load_calibration().camera(camera)
    assert (kept.shift, kept.distance_m, kept.mark_m) == (Shift(0.1, 0.2), 0.9, known.mark_m)


@pytest.mark.parametrize(("typed", "height_m"), [("", None), ("\n", None), ("tall\n9\n1,72\n", 1.72)])
def test_who_does_not_answer_is_of_no_known_height(
    monkeypatch: pytest.MonkeyPatch, typed: str, height_m: float | None
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert _ask_height(Console(file=io.StringIO(), force_terminal=True)) == height_m


def test_what_does_not_fit_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for words, sentence in (
        (["--seconds", "1"], "--seconds: expected 2.5 to 60, got 1"),
        (["--height", "172"], "--height: expected 0.8 to 2.5, got 172"),
        (["--away", "nan"], "--away: expected 0.8 to 20, got nan"),
        (["--camera", "dance.mp4"], "A video has no room"),
    ):
        assert main(["calibrate", "stage", *words]) == 2
        assert sentence in capsys.readouterr().err
    assert load_calibration() == Calibration()


def test_a_mark_is_forgotten_and_a_delay_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    delay = Delay(0.07, 0.004, "8 claps")
    camera = "http://[fe80::1]/camera"
    save_calibration(
        Calibration().with_camera(
            camera, mark_m=(0.0, -2.0), facing_rad=0.3, pitch_rad=0.1, shift=Shift(1.0), latency=delay
        )
    )
    assert main(["calibrate", "stage", "--camera", camera, "--forget"]) == 0
    assert f"{camera}: forgotten in" in capsys.readouterr().out
    known = load_calibration().camera(camera)
    assert (known.mark_m, known.facing_rad, known.pitch_rad, known.shift) == (None, 0.0, 0.0, Shift())
    assert known.latency == delay
