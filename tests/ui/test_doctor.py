"""The doctor tells the truth about the pose model: it is loaded, not only found."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from duet.errors import DeviceError, ModelError
from realtime import devices
from realtime.sight import pose_model, tracking
from realtime.sound import audio
from ui.doctor import Check, _checked, _pose_model, print_checks, print_devices


def test_a_pose_model_that_does_not_load_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise ModelError("Pose model: expected MediaPipe to load, got: libGLESv2.so.2. Install what it needs.")

    monkeypatch.setattr(pose_model, "find_pose_model", lambda: Path("there.task"))
    monkeypatch.setattr(tracking, "PoseModel", refuse)
    check = _checked("pose model", _pose_model)
    assert not check.works and "libGLESv2.so.2" in check.finding


def test_a_pose_model_that_is_not_there_is_fetched_by_this_very_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pose_model, "find_pose_model", lambda: None)
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python3")
    check = _checked("pose model", _pose_model)
    fetch = "Fetch it: /elsewhere/bin/python3 -m realtime.sight.pose_model"
    assert not check.works and check.finding.endswith(fetch)


def test_what_mediapipe_says_beside_it_is_hidden(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    class Loud:
        def __init__(self, _: Path) -> None:
            os.write(2, b"W0000 routine\n")

        def close(self) -> None:
            os.write(2, b"W0000 more\n")

    monkeypatch.setattr(pose_model, "find_pose_model", lambda: Path("there.task"))
    monkeypatch.setattr(tracking, "PoseModel", Loud)
    assert _checked("pose model", _pose_model).works
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"


def test_devices_are_told_by_the_names_that_the_options_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = [SimpleNamespace(name="Mic [usb]", inputs=1, outputs=0), SimpleNamespace(name="[/]", inputs=1, outputs=2)]
    monkeypatch.setattr(devices, "list_cameras", lambda: ["camera:0 [bold]Cam[/]"])
    monkeypatch.setattr(audio, "list_audio_devices", lambda: sound)
    assert print_devices() == 0
    assert capsys.readouterr().out.splitlines() == [
        "cameras (--leader)", "  camera:0 [bold]Cam[/]", "sound (--music device:NAME for inputs)",
        "  Mic [usb]  (input)", "  [/]  (input and output)",
    ]  # fmt: skip

    def refused() -> list[SimpleNamespace]:
        raise DeviceError("Sound: expected a server, got: [/] refused.")

    monkeypatch.setattr(audio, "list_audio_devices", refused)
    assert print_devices() == 0
    assert capsys.readouterr().out.splitlines()[3:] == ["  Sound: expected a server, got: [/] refused.", "  none found"]


def test_findings_are_told_as_they_stand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    checks = [Check("film", True, "mp4, [h264]"), Check("camera", False, "Cam [/] is gone")]
    monkeypatch.setattr("ui.doctor.run_checks", lambda _: checks)
    assert print_checks(Path("follower")) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["ok", "film", "mp4,", "[h264]"], ["--", "camera", "Cam", "[/]", "is", "gone"]
    ]  # fmt: skip
