"""What a performance's inputs say of the sound: how loud it comes in, and what is wrong with it."""

from types import SimpleNamespace

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import ManualClock
from duet.music import RATE_HZ
from realtime.sight.leader_take import TakeLeader
from realtime.sight.stage_shift import ShiftedLeader
from realtime.sound.audio import DeviceMusic, InlineEar, MusicSource, RecordedMusic, Silence
from realtime.sound.delayed_music import DelayedMusic
from realtime.sound.level import Level
from ui.sources import Sources


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
