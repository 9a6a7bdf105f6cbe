"""``duet record-take``: asks for what it needs in one sentence, keeps what was recorded, nothing half-written."""

import os
from pathlib import Path

import pytest

from duet.motion import read_motion
from realtime.sight.pose_model import find_pose_model
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
