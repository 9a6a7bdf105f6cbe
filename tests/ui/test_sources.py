"""What a performance's inputs say of the sound: how loud it comes in, and what is wrong with it; and what they keep."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import ManualClock
from duet.contract import load_contract
from duet.errors import ModelError
from duet.music import RATE_HZ
from realtime.health import Health
from realtime.sight import pose_model
from realtime.sight.leader_take import TakeLeader
from realtime.sight.stage_shift import ShiftedLeader
from realtime.sound.audio import DeviceMusic, InlineEar, MusicSource, RecordedMusic, Silence
from realtime.sound.delayed_music import DelayedMusic
from realtime.sound.level import Level
from ui.app import _panel
from ui.camera_options import Look
from ui.cli import DEFAULT_FOLLOWER
from ui.kept import Kept
from ui.options import LeaderOptions, Output
from ui.sources import Sources, play_sources


def sources(source: MusicSource) -> Sources:
    leader = ShiftedLeader(TakeLeader(compose("salsa", 1.0, 180.0, 0, fps=30.0).leader, 30.0))
    return Sources(leader, InlineEar(source), None, {})


def test_recorded_music_has_a_level_and_silence_has_none() -> None:
    assert sources(Silence()).sound_level() is None
    tone = np.sin(np.arange(RATE_HZ) / 20.0) * np.r_[np.ones(RATE_HZ // 2), np.zeros(RATE_HZ // 2)]
    inputs = sources(DelayedMusic(RecordedMusic(tone), {}))
    clock = ManualClock()
    inputs.music.start(clock)
    inputs.music.take_new(0.25)
    level = inputs.sound_level()
    assert inputs.music.level.is_clipping, "mastered up to full scale"
    assert level is not None and level.rms_db == pytest.approx(-3.0, abs=0.1) and not level.is_clipping
    assert inputs.sound_trouble() == ""
    for until_s in np.arange(0.3, 3.0, 0.1):
        inputs.music.take_new(float(until_s))
    level = inputs.sound_level()
    assert level is not None and level.is_silent


def test_devices_that_are_away_or_too_loud_name_the_next_step() -> None:
    heard = DeviceMusic("usb")
    inputs = sources(heard)
    assert inputs.sound_trouble() == ""
    inputs.music._meter.level = Level(-3.0, 0.0, 0.0, is_clipping=True)
    assert inputs.sound_trouble() == "the sound comes in too loud: turn it down"
    away = SimpleNamespace(lost=True, problem="no more sound from it", device=None)
    heard._port = away  # type: ignore[assignment]
    assert inputs.sound_trouble() == "the sound input is away: plug it in again"

    played = RecordedMusic(np.ones(8), output="default")
    inputs = sources(DelayedMusic(played, {}))
    played._no_device = "Sound output 'default': expected a device of this name, got none."
    assert inputs.sound_trouble() == "the music is unheard: plug in a sound output"
    played._port = away  # type: ignore[assignment]
    assert inputs.sound_trouble() == "the sound output is away: plug it in again"


def test_where_nothing_keeps_a_place_it_is_said_why() -> None:
    show = sources(Silence())
    assert show.no_keep == "this show keeps no place and no distance: they are as they were calibrated"
    said = "the leader is recorded: there is no camera to keep place and distance for"
    output = Output(DEFAULT_FOLLOWER, headless=True, film=None, seconds=None, seed=0, size=(64, 64), fps=30.0)
    panel = _panel(replace(show, seconds=1.0), output, load_contract(DEFAULT_FOLLOWER), "", Kept())
    panel.controls.press("enter", 1.0)
    assert panel.controls.message(1.0) == said


@pytest.mark.parametrize("waits", [False, True], ids=["play", "exhibit"])
def test_a_performance_fetches_no_pose_model_and_tells_who_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: bool
) -> None:
    def calls(*asked: object, **_: object) -> None:
        raise AssertionError(asked)

    monkeypatch.setattr(pose_model.urllib.request, "urlopen", calls)
    monkeypatch.setattr(pose_model.subprocess, "run", calls)
    monkeypatch.setenv("DUET_CACHE", str(tmp_path))
    monkeypatch.delenv("DUET_POSE_MODEL", raising=False)
    make = play_sources(LeaderOptions("camera:0", look=Look(model="lite"), waits=waits), None, headless=True)
    with pytest.raises(ModelError, match=r"got none: .* run: .*-m realtime\.sight\.pose_model lite$"):
        make(Health())
