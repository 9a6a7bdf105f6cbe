"""A performance whose film, log or recording is lost says so; what could be kept is kept."""

import json
import os
import signal
import threading
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.errors import InputError, PictureError
from realtime.health_log import HealthLog
from realtime.sessions.session_file import Chunk, SessionWriter
from tests.waiting import wait_for
from ui.app import perform
from ui.cli import DEFAULT_FOLLOWER
from ui.kept import Kept
from ui.options import Output
from ui.sources import demo_sources

SECONDS = 2.0


@pytest.mark.usefixtures("opengl")
def test_a_film_that_is_lost_is_no_success_and_the_rest_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film, report = tmp_path / "film.mp4", tmp_path / "report.json"
    film.write_bytes(b"of yesterday")
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.02):
            for child in active_children():
                if child.name == "duet-picture" and child.pid is not None:
                    os.kill(child.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    output = Output(DEFAULT_FOLLOWER, True, film, SECONDS, 0, (64, 64), 10.0, report=report)
    try:
        with pytest.raises(PictureError, match=r"film\.mp4: expected a whole film, got none"):
            perform(demo_sources(SECONDS, 180.0, 0, headless=True), output, begun=lambda _: killer.start())
    finally:
        over.set()
        killer.join()
    said = "".join(capsys.readouterr().err.split())
    assert "Wrote" + str(report) in said and "Wrote" + str(film) not in said
    assert json.loads(report.read_text())["seconds"] > 0.0
    assert film.read_bytes() == b"of yesterday" and len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_written_does_not_keep_the_rest_from_it(tmp_path: Path) -> None:
    kept = Kept()
    with kept.file(tmp_path / "a"):
        raise InputError("a: expected room, got none. Make some.")
    with kept.file(tmp_path / "b"):
        pass
    assert kept.told() == [f"Wrote {tmp_path / 'b'}"] and len(kept.failures) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_log_that_ends_early_is_told_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    log, kept = HealthLog(Path("/dev/full"), ManualClock()), Kept()
    kept.watch(log, "Wrote /dev/full")
    assert kept.troubles() == () and kept.told() == ["Wrote /dev/full"]
    for _ in range(3):
        log.write("state", {})
    (trouble,) = kept.troubles()
    assert "expected to log to the end" in trouble and kept.told() == [trouble]
    assert [record.getMessage() for record in caplog.records] == [trouble]


def test_a_recording_that_ends_early_is_told_when_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    writer, kept = SessionWriter(tmp_path, {"schema": "x"}), Kept()
    kept.watch(writer, "Recorded")
    monkeypatch.setattr("realtime.sessions.session_file._write", full)
    for second in range(3):
        writer.put(Chunk(b"x", np.zeros(4, np.float32), float(second)))
    assert wait_for(lambda: bool(kept.troubles())), "while it dances, not when it is over"
    writer.close()
    assert kept.told() == [writer.failure] == [record.getMessage() for record in caplog.records]
