"""Keys while dancing: the beat is tapped, the leader moved, the partner sent away; without a window."""

import math

import pytest

from duet.choreography import compose
from duet.clock import ManualClock
from duet.features import Placement
from duet.tempo_override import TempoOverride
from realtime.commands import Fade, Freeze, Panic, Resume, SetPlacement
from realtime.sight.leader_take import TakeLeader
from realtime.sight.stage_shift import Shift, ShiftedLeader
from realtime.sound.audio import InlineEar, Silence
from ui.controls import STEP_M, Controls


@pytest.fixture
def kept() -> list[tuple[Shift, Placement]]:
    return []


@pytest.fixture
def controls(kept: list[tuple[Shift, Placement]]) -> Controls:
    leader = ShiftedLeader(TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0))

    def keep(shift: Shift, placement: Placement) -> str:
        kept.append((shift, placement))
        return "kept"

    return Controls(leader, TempoOverride(), Placement(0.85), metre=3, has_preview=True, keep=keep)


def test_taps_become_the_beat_that_is_danced_to(controls: Controls) -> None:
    ear = InlineEar(Silence())
    controls.override = ear.override
    ear.start(ManualClock())
    controls.press("t", 1.0)
    assert controls.message(1.1).startswith("tap on") and controls.message(9.0) == ""
    for beat in range(1, 6):
        controls.press("t", 1.0 + 0.5 * beat)
    assert controls.is_tapped
    frames = ear.take_new(6.0)
    assert {frame.metre for frame in frames} == {3}
    assert frames[-1].tempo_bpm == pytest.approx(120.0)
    assert frames[-1].beat_phase == pytest.approx((frames[-1].time_s - 1.0) / 0.5 % 1.0, abs=1e-6)
    controls.press("backspace", 7.0)
    assert not controls.is_tapped and ear.override.pulse is None


def test_arrows_move_and_brackets_part(controls: Controls, kept: list[tuple[Shift, Placement]]) -> None:
    for key in ("right", "right", "up", "period"):
        controls.press(key, 1.0)
    assert controls.leader.shift.x_m == pytest.approx(2 * STEP_M)
    assert controls.leader.shift.z_m == pytest.approx(-STEP_M)
    assert math.degrees(controls.leader.shift.turn_rad) == pytest.approx(5.0)
    assert "+0.10 m across" in controls.message(1.0) and "+5°" in controls.message(1.0)
    for _ in range(80):
        controls.press("right_bracket", 2.0)
    assert controls.placement.distance_m == 3.0
    controls.press("left_bracket", 2.0)
    assert controls.placement.distance_m == pytest.approx(3.0 - STEP_M)
    controls.press("enter", 3.0)
    assert kept == [(controls.leader.shift, controls.placement)] and controls.message(3.0) == "kept"
    controls.press("home", 4.0)
    assert controls.leader.shift == Shift()


def test_here_is_the_middle(controls: Controls) -> None:
    controls.press("right", 0.0)
    controls.press("c", 1.0)
    there = controls.leader.shown(100.0)
    here = controls.leader.shown(1.0)
    assert there is not None and here is not None
    # Where the leader stood when the key went down, wherever the glide was then.
    controls.leader.glide = controls.leader.glide.to(controls.leader.shift, 200.0)
    still = controls.leader.glide.goal.of(TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0).frame(30))
    assert still.root_m[0] == pytest.approx(0.0, abs=1e-4)
    assert still.root_m[2] == pytest.approx(0.0, abs=1e-4)


def test_the_camera_s_picture_comes_and_goes_where_there_is_one(controls: Controls) -> None:
    controls.press("p", 0.0)
    assert controls.show_preview
    controls.press("p", 0.0)
    assert not controls.show_preview
    controls.has_preview = False
    controls.press("p", 1.0)
    assert not controls.show_preview and "--preview" in controls.message(1.0)
    controls.press("unknown", 2.0)


def test_a_partner_is_stopped_and_dances_again(controls: Controls) -> None:
    for key, said in (("space", "stands still"), ("space", "dances"), ("o", "comes to rest"), ("r", "dances")):
        controls.press(key, 1.0)
        assert said in controls.message(1.0)
    controls.press("x", 2.0)
    assert "rests at once" in controls.message(2.0) and "R:" in controls.message(2.0)
    # Frozen or not, the panic key always means panic; after it, Space lets them dance.
    controls.press("x", 2.1)
    controls.press("space", 2.2)
    assert controls.asked == [Freeze(), Resume(), Fade(), Resume(), Panic(), Panic(), Resume()]


def test_a_distance_is_asked_of_the_follower(controls: Controls) -> None:
    controls.press("right_bracket", 1.0)
    assert controls.asked == [SetPlacement(controls.placement)]
