"""The doctor tells the truth about the pose model: it is loaded, not only found."""

import os
import sys
from pathlib import Path

import pytest

from duet.errors import ModelError
from realtime.sight import pose_model, tracking
from ui.doctor import _checked, _pose_model


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
