"""Who is drawn of a leader before a camera: nobody until somebody was seen, then where they were last."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from duet.choreography import compose
from duet.frames import LeaderFrame, LeaderStatus
from realtime.health import Health
from realtime.sight.leader_camera import CameraLeader
from realtime.sight.leader_take import TakeLeader
from realtime.sight.lifting import Lifter
from realtime.sight.tracker import Tracker
from realtime.sight.tracking import TrackingTask

DANCING = TakeLeader(compose("walk", 1.0, 120.0, 0, fps=30.0).leader, 30.0).frame(7)


class _Tracked:
    """What a tracking process publishes."""

    def __init__(self) -> None:
        self.newest = Lifter().step(None, 0.0)

    def latest(self) -> LeaderFrame:
        return self.newest


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> _Tracked:
    tracked = _Tracked()
    monkeypatch.setattr(Tracker, "start", lambda task, health: cast(Tracker, tracked))
    return tracked


def test_an_empty_stage_shows_nobody_and_who_left_is_shown_as_lost(tracked: _Tracked) -> None:
    leader = CameraLeader(TrackingTask("camera:0", 0.0, Path("any.task")), Health())
    lifter = Lifter()
    for picture in range(5):
        tracked.newest = lifter.step(None, picture / 30.0)
        assert tracked.newest.index == picture and leader.shown(0.0) is None
    for status in (LeaderStatus.TRACKED, LeaderStatus.HELD, LeaderStatus.LOST):
        tracked.newest = replace(DANCING, status=status)
        shown = leader.shown(0.0)
        assert shown is not None and shown.status is status
        np.testing.assert_allclose(shown.root_m[[0, 2]], DANCING.root_m[[0, 2]], atol=1e-6)
    tracked.newest = replace(DANCING, index=-1, status=LeaderStatus.LOST)
    assert leader.shown(0.0) is None, "the tracker has ended"
