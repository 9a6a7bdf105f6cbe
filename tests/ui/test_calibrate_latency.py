"""``duet calibrate latency``: claps drawn and rendered with a known delay are seen by the real pose model and heard."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from duet.music import RATE_HZ
from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix
from duet.skeleton import BODY
from realtime.calibration import Calibration, load_calibration
from realtime.sight.pose_model import find_pose_model
from ui.cli import main
from ui.drawing.avatar import BodyPose
from ui.drawing.film import FilmWriter
from ui.drawing.scene import Scene, SceneState, create_headless_context

FPS, SIZE = 25.0, (320, 240)
CLAPS_S = np.array([0.63, 1.27, 1.82, 2.53, 3.13])
SECONDS = 3.6
pytestmark = pytest.mark.usefixtures("opengl")


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DUET_SETTINGS", str(tmp_path / "settings"))
    return tmp_path


def _clapping(time_s: float) -> BodyPose:
    """Somebody whose hands are apart, come together in 0.2 s, meet at each of CLAPS_S and part again."""
    since = time_s - CLAPS_S
    apart = min(float(np.min(np.where(since < 0, -since, since / 1.4))) / 0.2, 1.0)
    turns = np.zeros((22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[BODY.index(f"{side}_shoulder")] = (0.0, -sign * (1.25 - 0.75 * apart), -sign * 0.25)
        turns[BODY.index(f"{side}_elbow")] = (0.0, -sign * (0.85 - 0.5 * apart), 0.0)
    return BodyPose(np.array([0.0, 0.9, 0.0]), quaternion_wxyz_from_matrix(matrix_from_rotvec(turns)))


def _film(path: Path, delay_s: float, *, flash: bool) -> None:
    """What a camera films whose pictures come ``delay_s`` late."""
    context = create_headless_context()
    scene = Scene(context, SIZE)
    with FilmWriter(path, SIZE, FPS) as film:
        for i in range(int(SECONDS * FPS)):
            shown_s = i / FPS - delay_s
            if flash:
                lit = bool(np.any((shown_s >= CLAPS_S) & (shown_s < CLAPS_S + 0.1)))
                picture = np.full((SIZE[1], SIZE[0], 3), 210 if lit else 60, np.uint8)
            else:
                scene.draw(SceneState(i / FPS, _clapping(shown_s)))
                picture = scene.read()
            film.write(picture, i / FPS)
    context.release()


def _record(path: Path, away_m: float) -> None:
    """What a microphone hears of them from ``away_m``."""
    rng = np.random.default_rng(0)
    sound = 0.002 * rng.standard_normal(round((SECONDS + 0.5) * RATE_HZ))
    for moment in CLAPS_S + away_m / 343.0:
        first, length = round(moment * RATE_HZ), round(0.05 * RATE_HZ)
        sound[first : first + length] += 0.4 * rng.standard_normal(length) * np.exp(-np.arange(length) / 480.0)
    soundfile.write(path, sound, RATE_HZ)


@pytest.mark.parametrize(("by", "delay_s", "tolerance_s"), [("clap", 0.083, 0.020), ("flash", 0.047, 0.020)])
def test_a_rendered_camera_s_delay_is_found_to_half_a_picture(
    by: str, delay_s: float, tolerance_s: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if by == "clap" and find_pose_model() is None:
        pytest.skip("the pose model is not in the cache")
    clip, sound = tmp_path / "[bold]" / "clip[2].mp4", tmp_path / "clip.wav"
    clip.parent.mkdir()
    _film(clip, delay_s, flash=by == "flash")
    _record(sound, 4.0)
    words = ["calibrate", "latency", "--camera", str(clip), "--music", str(sound), "--by", by, "--away", "4"]
    assert main(words) == 0, capsys.readouterr().err
    told = " ".join(capsys.readouterr().out.split())
    found = re.search(r"pictures come (\d+) ms later \((\d+) of them, each within \d+ ms\) than the sound", told)
    assert found is not None, told
    assert told.startswith(f"{clip}: pictures come")
    assert int(found[2]) == len(CLAPS_S)
    assert 1e-3 * int(found[1]) == pytest.approx(delay_s, abs=tolerance_s)
    assert load_calibration() == Calibration(), "a file is no device"


def test_what_does_not_fit_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, sound = tmp_path / "clip.mp4", tmp_path / "clip.wav"
    _film(clip, 0.0, flash=True)
    soundfile.write(sound, np.zeros(2 * RATE_HZ), RATE_HZ)
    camera = ["--camera", str(clip), "--by", "flash"]
    for words, sentence in (
        ([], "expected --camera, --speakers or both, got neither"),
        ([*camera, "--seconds", "1"], "--seconds: expected 5 to 120, got 1"),
        ([*camera, "--away", "99"], "--away: expected 0 to 50 m, got 99"),
        ([*camera], "expected a sound file beside a video file, got 'default'"),
        (
            [*camera, "--music", str(sound)],
            "expected 4 flashes or more seen and heard alike, got 0 of 5 seen and 0 heard",
        ),
    ):
        assert main(["calibrate", "latency", *words]) == 2
        assert sentence in capsys.readouterr().err
