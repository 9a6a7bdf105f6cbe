"""The picture's process is killed, stopped or cannot draw, with the real process: the dance goes on."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.errors import PictureError
from duet.features import Standing
from duet.frames import PoseSource
from duet.timeline import Timeline
from realtime.child_log import ChildLog
from realtime.health import Health
from realtime.playout import Playout
from realtime.pose_line import SOURCES
from realtime.sight.leader_take import TakeLeader
from realtime.topology import process
from tests.waiting import is_gone, runs, wait_for
from ui.drawing import picture_port
from ui.drawing.avatar import shipped_avatar
from ui.drawing.picture import PictureTask
from ui.drawing.picture_channels import PictureChannels, key_of_record, record_of_key
from ui.drawing.picture_port import PicturePort
from ui.drawing.wardrobe import keep_avatar
from ui.panel.facts import Facts
from ui.staging import Staging

SMALL = PictureTask((64, 64), 20.0, headless=True)
pytestmark = pytest.mark.usefixtures("opengl")


class Stage:
    """A picture of somebody who leads and somebody who stands beside them, as a model says."""

    def __init__(self, task: PictureTask) -> None:
        self.health = Health()
        self.told: list[str] = []
        self.facts = Facts(ticks=1)
        self.picture = PicturePort(task, self.health)
        self.picture.process.keeper.told = self.told.append
        self.picture.open()
        stands = Playout(Timeline(30.0, 4), Standing([0.0, 0.9, 0.8], 0.0)).line
        dances = np.full(1, SOURCES.index(PoseSource.MODEL), dtype=np.uint8)
        self.picture.tell_line(replace(stands, source=dances, stays=True))
        self.leader = TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0)
        self.clock = MonotonicClock()
        self.picture.begin(self.clock.epoch_s)

    @property
    def drawn(self) -> int:
        return self.health.counter("drawn_frames")

    def look_until(self, condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
        end_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end_s, (self.told, self.drawn)
            self.picture.tell_leader(self.leader.shown(self.clock.now()))
            self.picture.tell_facts(self.clock.now(), self.facts)
            self.picture.look()
            time.sleep(0.01)

    def look_for_more(self) -> None:
        """Until more pictures were drawn."""
        before = self.drawn
        self.look_until(lambda: self.drawn > before + 3)

    @property
    def pid(self) -> int:
        assert self.picture.process.pid is not None
        return self.picture.process.pid


@pytest.fixture
def stage_of() -> Iterator[Callable[[PictureTask], Stage]]:
    stages: list[Stage] = []

    def make(task: PictureTask) -> Stage:
        stages.append(Stage(task))
        return stages[-1]

    yield make
    for stage in stages:
        stage.picture.close()


def test_a_killed_picture_is_drawn_again(stage_of: Callable[[PictureTask], Stage]) -> None:
    stage = stage_of(SMALL)
    stage.look_until(lambda: stage.drawn > 3)
    os.kill(stage.pid, signal.SIGKILL)
    stage.look_until(lambda: stage.health.counter("picture_restarts") == 1)
    before = stage.drawn
    stage.look_until(lambda: stage.drawn > before + 3)
    assert stage.told[0].startswith("duet-picture: signal 9") and "back after" in stage.told[1]
    assert stage.health.stages()["lag"].n and stage.health.stages()["draw"].n == stage.drawn


def test_a_stopped_picture_is_ended_and_drawn_again(stage_of: Callable[[PictureTask], Stage]) -> None:
    stage = stage_of(SMALL)
    stage.look_until(lambda: stage.drawn > 3)
    # Not sooner: a machine that tests beside much else may draw nothing for a while.
    stage.picture.process.silent_s = 2.0
    stopped = stage.pid
    os.kill(stopped, signal.SIGSTOP)
    stage.look_until(lambda: stage.health.counter("picture_restarts") >= 1)
    assert "no sign of life for 2 s" in stage.told[0]
    stage.picture.process.silent_s = 60.0
    before = stage.drawn
    stage.look_until(lambda: stage.drawn > before + 3)
    assert not runs(stopped)


def test_a_film_is_whole_when_the_dance_says_so(stage_of: Callable[[PictureTask], Stage], tmp_path: Path) -> None:
    from tests.films import read_back

    film = tmp_path / "film.mp4"
    stage = stage_of(replace(SMALL, film=film))
    stage.look_until(lambda: stage.drawn > 10)
    # Ctrl-C and a service's stop reach the whole group; the dance alone decides.
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(stage.pid, number)
    stage.look_until(lambda: stage.drawn > 15)
    end_s = stage.clock.now() + 2.0
    stage.picture.finish(end_s)
    stage.picture.finish(end_s)
    facts = read_back(film)
    assert facts.pictures == stage.drawn and facts.seconds == pytest.approx(end_s - 0.05, abs=0.1)
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


def test_a_film_whose_process_is_killed_begins_again(stage_of: Callable[[PictureTask], Stage], tmp_path: Path) -> None:
    from tests.films import read_back

    film = tmp_path / "film.mp4"
    stage = stage_of(replace(SMALL, film=film))
    stage.look_until(lambda: stage.drawn > 5)
    os.kill(stage.pid, signal.SIGKILL)
    stage.look_until(lambda: stage.health.counter("picture_restarts") == 1)
    before = stage.drawn
    stage.look_until(lambda: stage.drawn > before + 5)
    end_s = stage.clock.now()
    stage.picture.finish(end_s)
    assert 0.2 < stage.picture.lost_until_s < end_s and stage.picture.has_film
    assert 3 < read_back(film).pictures <= stage.drawn - before + 1
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize("seen", [False, True])
def test_a_film_whose_process_is_killed_at_the_end_is_told(
    stage_of: Callable[[PictureTask], Stage], tmp_path: Path, *, seen: bool
) -> None:
    film = tmp_path / "film.mp4"
    stage = stage_of(replace(SMALL, film=film))
    stage.look_until(lambda: stage.drawn > 5)
    os.kill(stage.pid, signal.SIGKILL)
    if seen:
        # It is away, and its successor has not begun to draw.
        stage.look_until(lambda: stage.health.counter("picture_restarts") == 1)
    with pytest.raises(PictureError, match=r"film\.mp4: expected a whole film, got none: .* got signal 9"):
        stage.picture.finish(stage.clock.now())
    assert not stage.picture.has_film and not list(tmp_path.iterdir())
    stage.picture.finish(stage.clock.now())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_a_film_a_picture_that_goes_at_the_end_is_not_waited_for(
    stage_of: Callable[[PictureTask], Stage], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(picture_port, "_FINISH_S", 30.0)
    stage = stage_of(SMALL)
    stage.look_until(lambda: stage.drawn > 3)
    os.kill(stage.pid, number)
    begun_s = time.monotonic()
    stage.picture.finish(stage.clock.now())
    # It is given ``stop_s`` to end by itself, and is killed then; the rest is for a machine that does much else.
    assert time.monotonic() - begun_s < 15.0 and process("duet-picture").stop_s < 5.0
    assert not stage.picture.has_film and not runs(stage.pid)
    assert stage.health.stages()["draw"].n == stage.drawn > 3


def test_a_film_that_ends_before_its_first_picture_is_none(tmp_path: Path) -> None:
    picture = PicturePort(replace(SMALL, film=tmp_path / "film.mp4"), Health())
    said = r"film\.mp4: expected a whole film, got none: it ended before its first picture\. Let it run for longer"
    try:
        picture.open()
        with pytest.raises(PictureError, match=said):
            picture.finish(1.0)
    finally:
        picture.close()
    assert not picture.has_film and not list(tmp_path.iterdir())


def test_a_body_that_goes_or_is_none_ends_no_picture(
    stage_of: Callable[[PictureTask], Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_SETTINGS", str(tmp_path))
    file, worn = keep_avatar("zoe", shipped_avatar("glow")), Staging(follower="zoe")
    stage = stage_of(replace(SMALL, staging=worn))
    stage.facts = replace(stage.facts, staging=worn)
    stage.look_for_more()
    file.unlink()
    stage.facts = replace(stage.facts, ticks=2, staging=worn.altered(stage="club"))
    stage.look_for_more()
    assert not stage.told, "they wear it already"
    file.with_name("moon.npz").write_text("no body")
    stage.facts = replace(stage.facts, staging=worn.altered(follower="moon"))
    stage.look_until(lambda: stage.told != [])
    stage.look_for_more()
    assert stage.told[0].startswith("duet-picture: Avatar: expected a baked avatar") and "moon.npz" in stage.told[0]
    assert len(stage.told) == 1 and not stage.health.counter("picture_restarts")
    stage.facts = replace(stage.facts, staging=worn)
    stage.look_for_more()
    os.kill(stage.pid, signal.SIGKILL)
    stage.look_until(lambda: stage.health.counter("picture_restarts") == 1)
    stage.look_for_more()
    # One that was begun anew has never read it.
    assert any("got 'zoe'" in said for said in stage.told) and stage.health.counter("picture_restarts") == 1


@pytest.mark.parametrize("what", [(PictureChannels, "create"), (ChildLog, "new")])
def test_no_room_for_what_a_picture_keeps_is_a_sentence(
    what: tuple[type, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*what, full)
    with pytest.raises(PictureError, match=r"duet-picture: expected to start, got No space .*close other programs"):
        PicturePort(SMALL, Health())


def test_a_film_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    picture = PicturePort(replace(SMALL, film=tmp_path / "file" / "film.mp4"), Health())
    try:
        with pytest.raises(PictureError, match="--out"):
            picture.open()
    finally:
        picture.close()


def test_nothing_is_left_after_a_close(stage_of: Callable[[PictureTask], Stage], tmp_path: Path) -> None:
    stage = stage_of(replace(SMALL, film=tmp_path / "film.mp4"))
    stage.look_until(lambda: stage.drawn > 3)
    pid, names, log = stage.pid, stage.picture._channels.names, stage.picture.process.log.fd
    stage.picture.close()
    stage.picture.close()
    assert all(is_gone(name) for name in names) and not list(tmp_path.iterdir())
    with pytest.raises(OSError):
        os.fstat(log)
    assert not runs(pid)


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb: no display that could go")
def test_a_display_that_goes_is_waited_for(
    stage_of: Callable[[PictureTask], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _display(None) as (first, number):
        monkeypatch.setenv("DISPLAY", f":{number}")
        stage = stage_of(PictureTask((320, 180), 20.0, headless=False))
        stage.look_until(lambda: stage.drawn > 3)
        first.kill()
        first.wait()
        # The first process goes with its display, the next one finds none.
        stage.look_until(lambda: stage.health.counter("picture_restarts") >= 2)
    assert not stage.picture.is_closed
    with _display(number):
        before = stage.drawn
        stage.look_until(lambda: stage.drawn > before + 3)
        stage.picture.close()
    assert "expected a display" in " ".join(stage.told) and "back after" in stage.told[-1]


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb: no display to open a window on")
def test_a_picture_begins_anew_without_the_display_that_it_is_to_fill(
    stage_of: Callable[[PictureTask], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _display(None) as (_, number):
        monkeypatch.setenv("DISPLAY", f":{number}")
        task = PictureTask((320, 180), 20.0, headless=False)
        stage, projected = stage_of(task), Staging(display=1)
        # As if the second display had been there when the evening began.
        stage.picture.process.task = replace(task, staging=projected)
        stage.facts = replace(stage.facts, staging=projected)
        stage.look_until(lambda: stage.told != [])
        assert "expected one of 0: screen, got 1" in stage.told[0], "what is refused is told"
        os.kill(stage.pid, signal.SIGKILL)
        stage.look_until(lambda: stage.health.counter("picture_restarts") == 2)
        stage.look_for_more()
        assert stage.health.counter("picture_restarts") == 2 and not stage.picture.is_closed
        stage.picture.close()


@contextmanager
def _display(number: int | None) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """An X server, with this number or one of its own."""
    command = ["Xvfb", *([] if number is None else [f":{number}"]), "-displayfd", "1", "-screen", "0", "640x480x24"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield server, int(server.stdout.readline())
        finally:
            server.kill()


def test_keys_come_back_by_name() -> None:
    for name in ("t", "left_bracket", "ä"):
        assert key_of_record(record_of_key(name)) == name


_PARENT = """
import sys, time
from pathlib import Path
from tests.faults.test_picture_process import SMALL, Stage
from dataclasses import replace
stage = Stage(replace(SMALL, film=Path(sys.argv[1])))
stage.look_until(lambda: stage.drawn > 5)
print(stage.pid, *stage.picture._channels.names, flush=True)
time.sleep(60)
"""


def test_a_picture_outlives_the_dance_by_no_more_than_its_film(tmp_path: Path) -> None:
    from tests.films import read_back

    film = tmp_path / "film.mp4"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(film)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment, start_new_session=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None and parent.stderr is not None
        told = parent.stdout.readline().split()
        parent.kill()
        parent.wait(20.0)
        assert told, parent.stderr.read()
    pid, *names = told
    assert wait_for(lambda: not runs(int(pid)) and all(is_gone(name) for name in names))
    assert read_back(film).pictures > 3
