"""``duet record-take``: asks for what it needs in one sentence, keeps what was recorded, nothing half-written."""

import os
from pathlib import Path

import numpy as np
import pytest

from duet.errors import DeviceError
from duet.motion import read_motion
from realtime.sight.camera import CameraFrame
from realtime.sight.landmarks import Landmarks
from realtime.sight.pose_model import find_pose_model
from realtime.sight.take_cleaning import Sighting
from tests.realtime.filmed_person import FPS, dancer
from ui import record_take
from ui.cli import main

DANCING_MAN = Path(os.environ.get("DUET_DATA", "")) / "video" / "dancing_man.mp4"
needs_video = pytest.mark.skipif(
    "DUET_DATA" not in os.environ or not DANCING_MAN.is_file() or find_pose_model() is None,
    reason="DUET_DATA names no folder with video/dancing_man.mp4, or the pose model is not in the cache",
)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["0", "--out", "take.mp4"], "--out: expected a name in .npz or .bvh, got 'take.mp4'"),
        (["0", "--out", "take.npz", "--height", "17"], "--height: expected 0.8 to 2.5 metres, got 17"),
        (["0", "--out", "take.npz", "--seconds", "0"], "--seconds: expected 1 to 86400, got 0"),
        (["nothing.mp4", "--out", "take.npz"], "nothing.mp4: expected a video file, got nothing there"),
    ],
)
def test_what_does_not_fit_is_a_sentence(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if find_pose_model() is None and words[0] == "nothing.mp4":
        pytest.skip("the pose model is not in the cache")
    assert main(["record-take", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nobody_dances_for_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record_take, "_record", lambda *_: pytest.fail("somebody danced"))
    (tmp_path / "file").write_text("")
    assert main(["record-take", "0", "--out", str(tmp_path / "file" / "take.npz")]) == 2
    assert "--out: expected a folder to write to" in capsys.readouterr().err


@needs_video
def test_ctrl_c_keeps_what_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = record_take._pictures

    def interrupted(source: str, seconds: float | None):
        for index, picture in enumerate(pictures(source, seconds)):
            if index == 45:
                raise KeyboardInterrupt
            yield picture

    monkeypatch.setattr(record_take, "_pictures", interrupted)
    out = tmp_path / "take.bvh"
    assert main(["record-take", str(DANCING_MAN), "--out", str(out)]) == 0
    assert "as far as it was recorded" in capsys.readouterr().out
    take = read_motion(out)
    assert take.frames == 45 and take.fps == pytest.approx(20.0, abs=0.01)
    assert list(tmp_path.iterdir()) == [out]


def _seen(frames: int, begin: int = 0) -> list[Sighting]:
    """Somebody who dances, from frame ``begin`` on."""
    person = dancer(frames)
    return [((begin + i) / FPS, person.landmarks(i)) for i in range(frames)]


def test_what_is_left_out_of_a_take_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away: list[Sighting] = [((45 + i) / FPS, None) for i in range(40)]
    sightings = [*_seen(45), *away, *_seen(60, 85)]
    monkeypatch.setattr(record_take, "_record", lambda *_: (sightings, None, ""))
    assert main(["record-take", "0", "--out", str(tmp_path / "take.npz"), "--height", "1.7"]) == 0
    assert (
        "take.npz: 2.0 s at 30 fps from 2.8 s on, of 4.8 s: somebody was out of view for more than 1 s, and "
        "1.5 s beside the longest stretch were left out\n"
    ) in capsys.readouterr().out
    monkeypatch.setattr(record_take, "_record", lambda *_: (_seen(45), None, ""))
    assert main(["record-take", "0", "--out", str(tmp_path / "take.npz"), "--height", "1.7"]) == 0
    assert "take.npz: 1.5 s at 30 fps from 0.0 s on\n" in capsys.readouterr().out


class _Camera:
    """Gives so many pictures, and is gone."""

    failure = RuntimeError("unplugged")

    def __init__(self, pictures: int) -> None:
        self._next, self._pictures = 0, pictures

    def __enter__(self) -> "_Camera":
        return self

    def __exit__(self, *_: object) -> None: ...

    def read(self, timeout_s: float) -> CameraFrame:
        return CameraFrame(self._next, self._next / FPS, self._next / FPS, np.zeros((4, 4, 3), np.uint8))

    def next(self, timeout_s: float) -> CameraFrame:
        if self._next == self._pictures:
            raise DeviceError("camera:0: expected to go on reading, got RuntimeError('unplugged').")
        frame = self.read(timeout_s)
        self._next += 1
        return frame


class _Model:
    """Sees somebody in every picture."""

    def __init__(self, *_: object, **__: object) -> None:
        self._person = dancer(60)

    def __enter__(self) -> "_Model":
        return self

    def __exit__(self, *_: object) -> None: ...

    def landmarks(self, picture: CameraFrame) -> Landmarks:
        return self._person.landmarks(picture.index)


@pytest.mark.parametrize("pictures", [45, 0])
def test_a_camera_that_is_lost_is_said_and_what_was_recorded_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pictures: int
) -> None:
    monkeypatch.setattr("realtime.sight.camera.open_camera", lambda *_, **__: _Camera(pictures))
    monkeypatch.setattr("realtime.sight.tracking.PoseModel", _Model)
    monkeypatch.setattr("realtime.sight.pose_model.ensure_pose_model", lambda **_: tmp_path)
    out = tmp_path / "take.npz"
    code, lost = main(["record-take", "0", "--out", str(out), "--height", "1.7"]), "got RuntimeError('unplugged')."
    said = capsys.readouterr()
    if not pictures:
        assert code == 2 and lost in said.err and not out.exists()
        return
    assert code == 0 and "on, as far as it was recorded: the camera was lost. camera:0: expected" in said.out
    assert lost in said.out and read_motion(out).frames == pictures
