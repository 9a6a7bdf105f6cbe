"""What the panel says: whose beat it is, what was calibrated, and a camera's picture that ages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import compose
from duet.contract import FollowerContract, load_contract
from duet.features import Placement
from duet.frames import FollowerPose, LeaderFrame, LeaderStatus, MusicFrame, PoseSource
from duet.tempo_override import Pulse, TempoOverride
from realtime.glance import Glance
from realtime.health import Snapshot
from realtime.law import Pace
from realtime.sight.leader_take import TakeLeader
from realtime.sight.preview import Sight
from realtime.sight.stage_shift import ShiftedLeader
from realtime.sound.level import Level
from ui.cli import DEFAULT_FOLLOWER
from ui.controls import Controls
from ui.drawing.hud import HudValues, SightValues
from ui.panel.facts import Facts, Panel, SightPicture, hud_values

POSE = FollowerPose(
    0.0, np.zeros(3, np.float32), np.zeros((22, 4), np.float32), np.zeros(4, np.float32), PoseSource.MODEL
)
GREY = np.full((48, 64, 3), 100, np.uint8)
SIGHT = Sight(1.0, GREY, np.full((33, 3), 0.5, np.float32), LeaderStatus.TRACKED, 30.0)


@pytest.fixture(scope="module")
def contract() -> FollowerContract:
    return load_contract(Path(DEFAULT_FOLLOWER))


@pytest.fixture
def panel(contract: FollowerContract) -> Panel:
    leader = ShiftedLeader(TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0))
    controls = Controls(leader, TempoOverride(), Placement(0.85), show_preview=True, has_preview=True)
    return Panel(contract, controls, "OSC", lambda: ("still 2.4 mm",))


def _music(time_s: float, beat_phase: float, bar_phase: float) -> MusicFrame:
    return MusicFrame(0, time_s, np.zeros(3, np.float32), beat_phase, bar_phase, 120.0, 1.0, metre=3)


def _shown(
    panel: Panel, time_s: float, glance: Glance, leader: LeaderFrame | None = None, sight: SightValues | None = None
) -> HudValues:
    """The panel as it is drawn in another process."""
    facts = Facts.of_values(panel.facts(time_s, glance, is_led=leader is not None).values())
    return hud_values(facts, time_s, leader, POSE, 0.1, sight)


def test_whose_beat_it_is(panel: Panel) -> None:
    assert panel.giver == ""
    panel.controls.override.pulse = Pulse(0.0, 0.0, 120.0)
    assert panel.giver == "OSC"
    for beat in range(4):
        panel.controls.press("t", 1.0 + 0.5 * beat)
    assert panel.giver == "tapped"
    values = _shown(panel, 2.6, Glance(music=_music(2.5, 0.5, 0.5)))
    assert values.beat_giver == "tapped" and values.rows == ("still 2.4 mm",)
    assert values.beat_phase == pytest.approx(0.7) and values.beat_in_bar == 2
    assert values.message.startswith("tapped: 120.0 bpm")
    assert _shown(panel, 30.0, Glance()).message == "waiting for a leader"


def test_a_tempo_that_nobody_hears_is_no_beat(panel: Panel) -> None:
    silent = replace(_music(2.5, 0.5, 0.5), confidence=0.1)
    values = _shown(panel, 2.6, Glance(music=silent))
    assert values.tempo_bpm is None and values.beat_in_bar is None
    assert _shown(panel, 2.6, Glance(music=_music(2.5, 0.5, 0.5))).tempo_bpm == pytest.approx(120.0)


def test_what_is_not_known_shows_as_nothing(panel: Panel, contract: FollowerContract) -> None:
    values = _shown(panel, 1.0, Glance())
    assert values.tempo_bpm is values.beat_in_bar is values.lag_ms is values.tick_ms is values.sound is None
    assert values.budget_ms == pytest.approx(1e3 * contract.token_frames / contract.fps)
    lately = Snapshot(999.0, counters={"late_ticks": 1})
    panel.snapshot = lambda: Snapshot(999.0, counters={"late_ticks": 7}, lately=lately)
    values = _shown(panel, 1.0, Glance(tick_ms=12.5, ticks=3, late_ticks=7))
    assert (values.tick_ms, values.late_ticks) == (12.5, 1) and values.lag_ms == pytest.approx(100.0)
    assert values.source is PoseSource.MODEL
    facts = panel.facts(1.0, Glance(tick_ms=12.5, ticks=3, late_ticks=7), is_led=True)
    resting = hud_values(facts, 1.0, None, replace(POSE, source=PoseSource.HOLD), 0.1, None)
    assert resting.lag_ms is None and resting.tick_ms == 12.5, "who rests follows nobody"


def test_a_beat_goes_on_until_it_is_shown(panel: Panel) -> None:
    facts = panel.facts(36_000.0, Glance(music=_music(36_000.0, 0.25, 0.0)), is_led=True)
    later = hud_values(Facts.of_values(facts.values()), 36_000.1, None, POSE, 0.1, None)
    assert later.beat_phase == pytest.approx(0.45, abs=1e-4)


def test_words_that_are_too_long_are_cut_and_not_torn(panel: Panel) -> None:
    panel.rows = lambda: ("ä" * 2000,)
    assert set(_shown(panel, 1.0, Glance()).rows[0]) == {"ä"}


def test_a_camera_s_picture_ages_and_is_dimmed_when_nobody_is_tracked_any_more(panel: Panel) -> None:
    leader = panel.controls.leader.shown(0.0)
    assert leader is not None
    drawn = SightPicture()
    fresh = drawn.of(SIGHT, 1.04, leader, (640, 360), "")
    assert fresh[1].age_ms == pytest.approx(40.0) and fresh[1].status is LeaderStatus.TRACKED
    assert int(np.median(fresh[0])) == 100
    assert drawn.of(SIGHT, 1.05, leader, (640, 360), "")[0] is fresh[0], "drawn once a picture"
    old = drawn.of(Sight(1.0, GREY, None, LeaderStatus.LOST, 30.0), 9.0, None, (640, 360), "")
    assert old[1].age_ms == pytest.approx(8000.0) and int(np.median(old[0])) == 50
    assert panel.facts(9.0, Glance(), is_led=True).shows_sight
    panel.controls.press("p", 9.0)
    assert not Facts.of_values(panel.facts(9.0, Glance(), is_led=True).values()).shows_sight


def test_a_bad_camera_is_told_in_the_panel_and_under_its_picture(panel: Panel) -> None:
    leader = panel.controls.leader.shown(0.0)
    assert _shown(panel, 1.04, Glance(), leader).troubles == ()
    panel.camera_trouble = lambda: "the camera sees only black: uncover its lens"
    facts = Facts.of_values(panel.facts(1.04, Glance(), is_led=True).values())
    shown = SightPicture().of(SIGHT, 1.04, leader, (640, 360), facts.camera_trouble)
    assert shown[1].trouble == "the camera sees only black: uncover its lens"
    assert _shown(panel, 1.04, Glance()).troubles == (shown[1].trouble,)


def test_how_loud_the_music_comes_in_and_what_is_wrong_with_it(panel: Panel) -> None:
    assert _shown(panel, 1.0, Glance()).sound is None
    panel.sound_level = lambda: Level(-23.0, -12.0, 5.0, is_clipping=True)
    panel.sound_trouble = lambda: "the sound input is away: plug it in again"
    panel.camera_trouble = lambda: "no pictures from the camera: check its cable"
    values = _shown(panel, 1.0, Glance())
    assert values.sound == Level(-23.0, -12.0, 5.0, is_clipping=True)
    assert values.troubles == (panel.camera_trouble(), panel.sound_trouble())


def test_a_slow_machine_and_what_is_over_budget_are_told(panel: Panel) -> None:
    calm = _shown(panel, 2.0, Glance())
    assert calm.troubles == () and calm.rows == ("still 2.4 mm",)
    counters = {"ticks": 10, "late_ticks": 4, "longest_late_ticks": 3}
    panel.snapshot = lambda: Snapshot(2.0, counters=counters)
    assert _shown(panel, 2.0, Glance()).rows == calm.rows, "a start stands for nothing yet"
    panel.snapshot = lambda: Snapshot(40.0, counters=counters)
    slow = _shown(panel, 2.0, Glance(pace=Pace(2, 6)))
    assert slow.troubles[0].startswith("Slow machine: the follower looks up every 0.27 s only")
    assert slow.rows[-1] == "over budget: late ticks, longest run of late ticks"
    panel.snapshot = lambda: Snapshot(999.0, counters={"ticks": 10, "late_ticks": 4}, lately=Snapshot(999.0))
    assert _shown(panel, 999.0, Glance()).rows == calm.rows, "what is over is told no more"
    panel.kept_troubles = lambda: ("log: expected to log to the end, got: no room. It ends there.",)
    assert _shown(panel, 999.0, Glance(pace=Pace(2, 6))).troubles == (slow.troubles[0], *panel.kept_troubles())
