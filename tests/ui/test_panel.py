"""What the panel says: whose beat it is, what was calibrated, and a camera's picture that ages."""

from pathlib import Path

import numpy as np
import pytest

from duet.choreography import compose
from duet.contract import FollowerContract, load_contract
from duet.features import Placement
from duet.frames import FollowerPose, LeaderStatus, MusicFrame, PoseSource
from duet.tempo_override import Pulse, TempoOverride
from realtime.conductor import Glance
from realtime.leader_take import TakeLeader
from realtime.level import Level
from realtime.preview import Sight
from realtime.stage_shift import ShiftedLeader
from ui.cli import DEFAULT_FOLLOWER
from ui.controls import Controls
from ui.panel import Panel

POSE = FollowerPose(
    0.0, np.zeros(3, np.float32), np.zeros((22, 4), np.float32), np.zeros(4, np.float32), PoseSource.HOLD
)
GREY = np.full((48, 64, 3), 100, np.uint8)


@pytest.fixture(scope="module")
def contract() -> FollowerContract:
    return load_contract(Path(DEFAULT_FOLLOWER))


@pytest.fixture
def panel(contract: FollowerContract) -> Panel:
    leader = ShiftedLeader(TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0))
    controls = Controls(leader, TempoOverride(), Placement(0.85), show_preview=True, has_preview=True)
    points = np.full((33, 3), 0.5, np.float32)
    sight = Sight(1.0, GREY, points, LeaderStatus.TRACKED, 30.0)
    return Panel(contract, controls, "OSC", lambda: ("still 2.4 mm",), lambda: sight)


def _music(time_s: float, beat_phase: float, bar_phase: float) -> MusicFrame:
    return MusicFrame(0, time_s, np.zeros(3, np.float32), beat_phase, bar_phase, 120.0, 1.0, metre=3)


def test_whose_beat_it_is(panel: Panel) -> None:
    assert panel.giver == ""
    panel.controls.override.pulse = Pulse(0.0, 0.0, 120.0)
    assert panel.giver == "OSC"
    for beat in range(4):
        panel.controls.press("t", 1.0 + 0.5 * beat)
    assert panel.giver == "tapped"
    values = panel.values(2.6, Glance(music=_music(2.5, 0.5, 0.5)), None, POSE, 0.1, None)
    assert values.beat_giver == "tapped" and values.rows == ("still 2.4 mm",)
    assert values.beat_phase == pytest.approx(0.7) and values.beat_in_bar == 2
    assert values.message.startswith("tapped: 120.0 bpm")
    assert panel.values(30.0, Glance(), None, POSE, 0.1, None).message == "waiting for a leader"


def test_a_camera_s_picture_ages_and_is_dimmed_when_nobody_is_tracked_any_more(panel: Panel) -> None:
    leader = panel.controls.leader.shown(0.0)
    assert leader is not None
    fresh = panel.inset(1.04, leader, (640, 360))
    assert fresh is not None
    assert fresh[1].age_ms == pytest.approx(40.0) and fresh[1].status is LeaderStatus.TRACKED
    assert int(np.median(fresh[0])) == 100
    again = panel.inset(1.05, leader, (640, 360))
    assert again is not None and again[0] is fresh[0], "drawn once a picture"
    panel.sight = lambda: Sight(1.0, GREY, None, LeaderStatus.LOST, 30.0)
    old = panel.inset(9.0, None, (640, 360))
    assert old is not None and old[1].age_ms == pytest.approx(8000.0) and int(np.median(old[0])) == 50
    panel.controls.press("p", 9.0)
    assert panel.inset(9.0, None, (640, 360)) is None


def test_a_bad_camera_is_told_in_the_panel_and_under_its_picture(panel: Panel) -> None:
    leader = panel.controls.leader.shown(0.0)
    shown = panel.inset(1.04, leader, (640, 360))
    assert shown is not None and shown[1].trouble == ""
    assert panel.values(1.04, Glance(), leader, POSE, 0.1, shown[1]).troubles == ()
    panel.camera_trouble = lambda: "the camera sees only black: uncover its lens"
    shown = panel.inset(1.04, leader, (640, 360))
    assert shown is not None and shown[1].trouble == "the camera sees only black: uncover its lens"
    assert panel.values(1.04, Glance(), None, POSE, 0.1, shown[1]).troubles == (shown[1].trouble,)


def test_how_loud_the_music_comes_in_and_what_is_wrong_with_it(panel: Panel) -> None:
    values = panel.values(1.0, Glance(), None, POSE, 0.1, None)
    assert values.sound is None and values.troubles == ()
    panel.sound_level = lambda: Level(-23.0, -12.0, 5.0)
    panel.sound_trouble = lambda: "the sound input is away: plug it in again"
    panel.camera_trouble = lambda: "no pictures from the camera: check its cable"
    values = panel.values(1.0, Glance(), None, POSE, 0.1, None)
    assert values.sound == Level(-23.0, -12.0, 5.0)
    assert values.troubles == (panel.camera_trouble(), panel.sound_trouble())
