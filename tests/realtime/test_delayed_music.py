"""Music that was measured to sound late is heard late: every sample at the moment it is in the room."""

from types import SimpleNamespace

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.groove import Groove
from duet.music import RATE_HZ
from realtime.calibration import Delay
from realtime.sound.audio import GrooveMusic, InlineEar
from realtime.sound.delayed_music import DelayedMusic

DELAYS = {"Speakers": Delay(0.08, 0.001, "9 clicks"), "Other": Delay(0.5, 0.001, "9 clicks")}


class PlayedSomewhere(GrooveMusic):
    """The groove as a device would play it that is known by name."""

    device = SimpleNamespace(name="Speakers (hw:2,0)")  # pyright: ignore[reportAssignmentType]


def test_a_sample_is_stamped_when_it_sounds(groove: Groove) -> None:
    played, delayed = PlayedSomewhere(groove), DelayedMusic(PlayedSomewhere(groove), DELAYS)
    assert delayed.identity == "Speakers" and delayed.delay_s == 0.08
    for music in (played, delayed):
        music.start(ManualClock())
    assert delayed.started_s == pytest.approx(played.started_s + 0.08)
    assert delayed.read(0.05) is None, "nothing has sounded yet"
    late = delayed.read(1.08)
    plain = played.read(1.0)
    assert late is not None and plain is not None
    np.testing.assert_array_equal(late.samples[: RATE_HZ // 2], plain.samples[: RATE_HZ // 2])
    assert late.time_s == pytest.approx(plain.time_s + 0.08)
    assert len(late.samples) == pytest.approx(len(plain.samples), abs=2)
    assert delayed.soundtrack is not None and delayed.xruns == 0


def test_unheard_music_and_unmeasured_devices_are_not_late(groove: Groove) -> None:
    unheard = DelayedMusic(GrooveMusic(groove), DELAYS)
    assert unheard.identity is None and unheard.delay_s == 0.0
    assert DelayedMusic(PlayedSomewhere(groove), {}).delay_s == 0.0


def test_beats_are_heard_as_late_as_they_sound(groove: Groove) -> None:
    heard = []
    for music in (GrooveMusic(groove), DelayedMusic(PlayedSomewhere(groove), DELAYS)):
        ear = InlineEar(music)
        ear.start(ManualClock())
        frames = ear.take_new(5.0)
        heard.append((frames[-1].time_s, (frames[-1].time_s - frames[-1].beat_phase * 60.0 / frames[-1].tempo_bpm)))
    period_s = 60.0 / 180.0
    shift = (heard[1][1] - heard[0][1] + 0.5 * period_s) % period_s - 0.5 * period_s
    assert shift == pytest.approx(0.08, abs=0.03)
