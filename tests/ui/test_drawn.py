"""What the picture's process draws of what it is told: a leader who is gone, and words where there are no signs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.features import Standing
from duet.frames import LeaderStatus, PoseSource
from duet.timeline import Timeline
from realtime.health import Health
from realtime.playout import Playout
from realtime.sight.leader_take import TakeLeader
from realtime.sound.level import Level
from ui.drawing.hud import _MOST_INSTANCES, Hud, HudValues, SightValues
from ui.drawing.picture import Picture, PictureTask
from ui.drawing.picture_port import PicturePort
from ui.drawing.scene import SceneState
from ui.panel.facts import WAITING, Facts
from ui.staging import Staging

TASK = PictureTask((64, 64), 20.0, headless=True)
LEADER = TakeLeader(compose("walk", 1.0, 120.0, 0, fps=30.0).leader, 30.0).frame(7)


class _Canvas:
    """Keeps what it is asked to draw."""

    size = (64, 64)

    def __init__(self) -> None:
        self.drawn: list[SceneState] = []

    def draw(self, state: SceneState, health: Health) -> None:
        self.drawn.append(state)

    def restage(self, staging: Staging) -> None: ...


class _Stage:
    """Both sides of the picture in one process."""

    def __init__(self) -> None:
        self.port, self._canvas = PicturePort(TASK, Health()), _Canvas()
        self.port.tell_line(Playout(Timeline(30.0, 4), Standing(np.array([0.0, 0.9, 0.8]), 0.0)).line)
        self._picture = Picture(TASK, self.port._channels, cast(Any, self._canvas), MonotonicClock())

    def drawn(self, facts: Facts, time_s: float = 1.0) -> SceneState:
        self.port.tell_facts(time_s, facts)
        assert self._picture.draw(time_s)
        return self._canvas.drawn[-1]


@pytest.fixture
def stage() -> Iterator[_Stage]:
    stage = _Stage()
    yield stage
    stage.port.close()


def test_nobody_is_drawn_until_somebody_was_told_of_and_who_is_gone_is_lost(stage: _Stage) -> None:
    stage.port.tell_leader(None)
    state = stage.drawn(Facts())
    assert state.leader is None and state.hud is not None and state.hud.leader is None
    stage.port.tell_leader(LEADER)
    state = stage.drawn(Facts())
    assert state.leader is not None and state.hud is not None and state.hud.leader is LeaderStatus.TRACKED
    stage.port.tell_leader(None)
    gone = stage.drawn(Facts(), 9.0)
    assert gone.leader is not None and gone.hud is not None and gone.hud.leader is LeaderStatus.LOST
    np.testing.assert_array_equal(gone.leader.root_m, state.leader.root_m)
    stage.port.tell_leader(replace(LEADER, time_s=9.0))
    back = stage.drawn(Facts(), 9.0)
    assert back.hud is not None and back.hud.leader is LeaderStatus.TRACKED


@pytest.mark.parametrize("words", ["Stand on the mark", "Escape again within two seconds ends the show"])
def test_words_are_drawn_without_any_signs_and_signs_are_not(stage: _Stage, words: str) -> None:
    off = Facts(tempo_bpm=180.0, music_s=0.0, ticks=3, rows=("a row",), staging=Staging(hud="off"))
    assert stage.drawn(off).hud is None and stage.drawn(replace(off, message=WAITING)).hud is None
    hud = stage.drawn(replace(off, message=words)).hud
    assert hud is not None and hud.is_message_only and hud.message == words
    for signs, is_for_audience in (("audience", True), ("rehearsal", False)):
        hud = stage.drawn(replace(off, message=words, staging=Staging(hud=signs))).hud
        assert hud is not None and (hud.is_message_only, hud.is_for_audience) == (False, is_for_audience)


@pytest.mark.parametrize("word", ["w", "w ", "w\n"])
def test_the_longest_record_is_drawn_to_its_last_letter(context, word: str) -> None:
    long = word * 5000
    told = Facts(beat_giver=long, message=long, camera_trouble=long, troubles=(long,), rows=(long,))
    facts = Facts.of_values(told.values())
    for size in ((1280, 720), (64, 64)):
        sight = SightValues((0, 0, *size), LeaderStatus.TRACKED, 30.0, 99.0, facts.camera_trouble)
        values = HudValues(
            180.0, 0.5, 3, 999.0, 999.0, 133.0, 9999, LeaderStatus.TRACKED, PoseSource.MODEL, facts.beat_giver,
            Level(-20.0, -10.0, 12.0), facts.rows, facts.troubles, sight, facts.message,
        )  # fmt: skip
        drawn = np.concatenate(Hud(context, size)._layout(values))
        assert len(facts.message) < len(drawn) <= _MOST_INSTANCES


def test_words_that_are_cut_end_with_a_whole_letter() -> None:
    assert set(Facts.of_values(Facts(message="ü" * 500).values()).message) == {"ü"}
