"""A dance that breaks off ends with its sentence, and everything that was danced until then is kept."""

import json
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import numpy as np
import pytest

from duet.errors import DuetError, PictureError
from duet.features import Standing
from duet.motion import read_motion
from duet.terminal import new_console
from duet.timeline import Timeline
from realtime.conductor import Conductor
from realtime.health import Health
from realtime.motion_log import MotionLog
from realtime.playout import Playout
from ui import kept
from ui.app import perform
from ui.cli import DEFAULT_FOLLOWER
from ui.drawing.picture_port import PicturePort
from ui.kept import Kept, finish_picture, keep, tell
from ui.options import Output
from ui.replay import _write
from ui.sources import demo_sources

SECONDS, BREAKS_S = 6.0, 1.5


def _performed(monkeypatch: pytest.MonkeyPatch, folder: Path, breaks_s: float) -> None:
    """A dance whose conductor fails at ``breaks_s``."""

    def begun(conductor: Conductor) -> None:
        whole = conductor.tick

        def tick(number: int) -> None:
            if conductor.clock.now() >= breaks_s:
                raise RuntimeError("a cable came loose")
            whole(number)

        monkeypatch.setattr(conductor, "tick", tick)

    output = Output(
        DEFAULT_FOLLOWER, True, folder / "film.mp4", SECONDS, 0, (64, 64), 10.0,
        motion=folder / "motion.npz", report=folder / "report.json", record=folder / "session",
    )  # fmt: skip
    with pytest.raises(DuetError, match=r"Conductor: expected to go on, got RuntimeError\('a cable came loose'\)"):
        perform(demo_sources(SECONDS, 180.0, 0, headless=True), output, begun=begun)


@pytest.mark.usefixtures("opengl")
def test_what_was_danced_until_then_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _performed(monkeypatch, tmp_path, BREAKS_S)
    assert 0.5 < read_motion(tmp_path / "motion.npz").seconds < SECONDS - 1.0
    assert json.loads((tmp_path / "report.json").read_text())["ticks"] > 0
    with av.open(tmp_path / "film.mp4") as film:
        assert sum(1 for _ in film.decode(video=0)) >= 1
    told = capsys.readouterr().err
    assert all(f"Wrote {tmp_path / name}" in told for name in ("motion.npz", "report.json", "film.mp4"))


@pytest.mark.usefixtures("opengl")
def test_where_nothing_was_danced_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("motion.npz", "report.json", "film.mp4"):
        (tmp_path / name).write_text("of an earlier evening")
    _performed(monkeypatch, tmp_path, 0.0)
    for name in ("motion.npz", "report.json", "film.mp4"):
        assert (tmp_path / name).read_text() == "of an earlier evening"


def test_where_nobody_was_seen_what_was_there_stays_and_that_is_said(tmp_path: Path) -> None:
    motion, film, said = tmp_path / "motion.npz", tmp_path / "film.mp4", StringIO()
    for file in (motion, film):
        file.write_text("of an earlier evening")
    output = Output(DEFAULT_FOLLOWER, True, film, SECONDS, 0, (64, 64), 10.0, motion=motion)
    log, standing, kept = MotionLog(30.0), Playout(Timeline(30.0, 4), Standing(np.zeros(3), 0.0)), Kept()
    log.add_follower(5, standing.pose_at(5 / 30.0))
    assert not keep(cast(Any, None), output, log, SECONDS, kept)
    _write(log, motion, film, (64, 64), new_console(file=said))
    assert motion.read_text() == film.read_text() == "of an earlier evening"
    assert kept.told() == [f"Wrote no {motion}: at no moment were both dancers there. What was there before stays."]
    assert said.getvalue() == f"Wrote no {film} and {motion}: {kept.told()[0].split(': ')[1]}\n"
    kept.check(new_console(file=said))
    # One moment of both is something to keep.
    log.add_leader(5, np.zeros((1, 22, 3), np.float32), np.zeros((22, 6), np.float32))
    assert not keep(cast(Any, None), output, log, SECONDS, kept)
    assert kept.told()[1:] == [f"Wrote {motion}"]
    with np.load(motion) as held:
        assert len(held["time_s"]) == 1


@pytest.mark.usefixtures("opengl")
@pytest.mark.parametrize("at", ["film", "motion", "report"])
def test_an_impatient_ctrl_c_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    owner, name = {"film": (PicturePort, "finish"), "motion": (MotionLog, "save"), "report": (kept, "write_report")}[at]
    whole, pressed = getattr(owner, name), []

    def once(*arguments: object) -> None:
        if not pressed:
            pressed.append(at)
            raise KeyboardInterrupt
        whole(*arguments)

    monkeypatch.setattr(owner, name, once)
    output = Output(
        DEFAULT_FOLLOWER, True, tmp_path / "film.mp4", 1.0, 0, (64, 64), 10.0,
        motion=tmp_path / "motion.npz", report=tmp_path / "report.json",
    )  # fmt: skip
    assert perform(demo_sources(1.0, 180.0, 0, headless=True), output) == 130 and pressed
    assert sorted(file.name for file in tmp_path.iterdir()) == ["film.mp4", "motion.npz", "report.json"]


def test_who_presses_ctrl_c_again_and_again_loses_the_film_alone() -> None:
    kept, closed = Kept(), []

    def finish(end_s: float) -> None:
        raise KeyboardInterrupt

    show = SimpleNamespace(picture=SimpleNamespace(finish=finish, close=lambda: closed.append("picture")))
    output = Output(DEFAULT_FOLLOWER, True, Path("film.mp4"), SECONDS, 0, (64, 64), 10.0)
    assert finish_picture(cast(Any, show), output, SECONDS, kept, new_console(quiet=True))
    assert closed == ["picture"]
    with pytest.raises(PictureError, match=r"film\.mp4: expected a whole film, got Ctrl-C"):
        kept.check(new_console(quiet=True))


def test_files_are_told_by_the_names_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    kept, said = Kept(), StringIO()
    for name, error in (
        ("film[final].mp4", None),
        ("a.npz", DuetError("a.npz: lost")),
        ("b", DuetError("b[old]: lost")),
    ):
        with kept.file(Path("evenings" * 10) / name):
            if error is not None:
                raise error
    show = SimpleNamespace(health=Health(), picture=SimpleNamespace(has_film=False))
    tell(cast(Any, show), kept, SECONDS, new_console(file=said))
    with pytest.raises(DuetError, match=r"a\.npz: lost"):
        kept.check(new_console(file=said))
    assert f"Wrote {Path('evenings' * 10) / 'film[final].mp4'}\n" in said.getvalue()
    assert "b[old]: lost" in said.getvalue()
