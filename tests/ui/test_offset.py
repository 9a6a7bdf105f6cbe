"""A leader who is moved on the stage is danced with, drawn and recorded there; with late speakers they begin later."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.errors import InputError
from duet.groove import render_groove
from duet.motion import write_motion
from realtime.calibration import Delay
from realtime.health import Health
from realtime.sight.leader_take import TakeLeader
from realtime.sight.stage_shift import Shift, ShiftedLeader, shift_of
from realtime.sound.audio import GrooveMusic, MusicThread
from realtime.sound.delayed_music import DelayedMusic
from ui.options import LeaderOptions
from ui.sources import Sources, play_sources


def test_an_offset_is_metres_and_degrees() -> None:
    assert shift_of("0.3,-0.5") == Shift(0.3, -0.5)
    assert shift_of("-0.3,0,90").turn_rad == pytest.approx(np.pi / 2)
    for wrong in ("", "1", "1,2,3,4", "nan,0", "a,b", "11,0", "0,0,181"):
        with pytest.raises(InputError, match="Offset: expected"):
            shift_of(wrong)


def test_a_take_is_led_from_where_it_was_moved(tmp_path: Path) -> None:
    leader = compose("salsa", 2.0, 180.0, 0, fps=30.0).leader
    write_motion(tmp_path / "take.npz", leader)
    plain, moved = (
        play_sources(LeaderOptions(str(tmp_path / "take.npz"), shift=shift), None, headless=True)(Health())
        for shift in (None, Shift(0.5, -0.25))
    )
    for sources in (plain, moved):
        sources.leader.start(MonotonicClock(), 0.0)
    before, after = plain.leader.take_new(1.0), moved.leader.take_new(1.0)
    assert len(before) == len(after) == 31
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(b.joints_m - a.joints_m, np.tile([0.5, 0.0, -0.25], (22, 1)), atol=1e-5)


class Speakers(GrooveMusic):
    """The groove as loudspeakers would play it that are known by name."""

    device = SimpleNamespace(name="Speakers")  # pyright: ignore[reportAssignmentType]


def test_a_take_begins_when_its_music_sounds_and_not_when_it_is_sent() -> None:
    groove, delays = render_groove(2.0, 180.0), {"Speakers": Delay(5.0, 0.001, "9 clicks")}
    begun: list[float] = []
    for music in (GrooveMusic(groove), Speakers(groove)):
        take = TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0)
        sources = Sources(ShiftedLeader(take), MusicThread(DelayedMusic(music, delays)), 2.0, {})
        clock = MonotonicClock()
        sources.begin(clock, Health())
        begun.append(take.take_new(1e3)[0].time_s - clock.now())
        sources.music.stop()
    assert begun[0] < 0.0
    assert 3.0 < begun[1] <= 5.0
