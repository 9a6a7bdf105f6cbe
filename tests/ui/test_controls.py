"""Keys, knobs and the panel while dancing: everything that can be turned, without a window."""

import math

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import ManualClock
from duet.errors import InputError
from duet.features import Placement
from duet.tempo_override import TempoOverride
from realtime.commands import Fade, Freeze, Panic, Resume, SetGuidance, SetPlacement, SetStyle, SwitchFollower
from realtime.sight.leader_take import TakeLeader
from realtime.sight.stage_shift import FURTHEST_M, Shift, ShiftedLeader
from realtime.sound.audio import InlineEar, Silence
from ui.bindings import USUAL_KEYS, Bindings
from ui.control_table import CONTROLS, DEVICES, PRESETS, SOUND_DEVICE, Kind
from ui.controls import STEP_M, Controls
from ui.drawing.cameras import CAMERAS
from ui.drawing.letters import UNBROKEN
from ui.drawing.stages import STAGES
from ui.key_names import KEY_NAMES
from ui.panel.facts import Facts
from ui.staging import HUDS, LEADER_AS, NEAREST_DISPLAY, Staging


class Plugged:
    """A sound input that is opened at once."""

    name = "none"

    def change(self, name: str) -> str:
        self.name = name
        return f"Sound {name} is being opened"


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


def test_arrows_move_nobody_out_of_reach(controls: Controls) -> None:
    for key in ("right", "up"):
        for _ in range(1000):
            controls.press(key, 1.0)
    assert (controls.leader.shift.x_m, controls.leader.shift.z_m) == (FURTHEST_M, -FURTHEST_M)
    assert "+10.00 m across" in controls.message(1.0)
    controls.press("left", 2.0)
    assert controls.leader.shift.x_m == pytest.approx(FURTHEST_M - STEP_M)


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
    controls.no_preview = "the leader is recorded"
    controls.press("p", 2.0)
    assert controls.message(2.0) == "the leader is recorded"
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


def test_the_other_partner_is_asked_only_where_there_is_one(controls: Controls) -> None:
    controls.press("y", 1.0)
    assert not controls.asked and "--also" in controls.message(1.0)
    controls.has_other = True
    controls.press("y", 2.0)
    assert controls.asked == [SwitchFollower()] and "next bar" in controls.message(2.0)


def test_controls_stand_as_the_follower_does_that_began_anew_or_was_stopped_by_a_cue(controls: Controls) -> None:
    for _ in range(5):
        controls.press("right_bracket", 1.0)
    controls.turn("groove", None, 1.0)
    controls.follow(0, is_halted=False)
    assert controls.placement.distance_m == pytest.approx(1.1)
    controls.follow(1, is_halted=False)
    assert controls.guidance == ((0.0, 0.0),) * 3
    controls.press("left_bracket", 2.0)
    assert controls.placement.distance_m == pytest.approx(0.8), "5 cm nearer than at first"
    # A cue froze them: Space lets them dance.
    controls.follow(1, is_halted=True)
    controls.press("space", 3.0)
    assert controls.asked[-1] == Resume()
    # What is asked here is not yet what the follower does.
    controls.follow(1, is_halted=False)
    controls.press("o", 4.0)
    controls.follow(1, is_halted=False)
    assert controls.stopped == "fade"
    controls.follow(1, is_halted=True)
    assert controls.stopped == "fade"
    controls.follow(1, is_halted=False)
    assert controls.stopped == ""


def test_a_visitor_finds_picture_and_beat_as_the_first_one_did(controls: Controls) -> None:
    filled = Staging(display=0, hud="audience")
    controls = Controls(controls.leader, TempoOverride(), Placement(0.85), staging=filled)
    for key in ("f", "b", "v", "l", "h", "right"):
        controls.press(key, 1.0)
    for beat in range(3):
        controls.press("t", 2.0 + 0.5 * beat)
    changed = controls.staging
    controls.follow(0, is_halted=False)
    assert controls.staging == changed and controls.is_tapped, "the same dance goes on"
    assert changed.display is None and changed.hud != filled.hud and changed.stage != filled.stage
    controls.follow(1, is_halted=False)
    assert controls.staging == filled
    assert controls.override.pulse is None and not controls.is_tapped
    controls.press("t", 3.5)
    assert "the first tap is a one" in controls.message(3.5), "no tap of whoever led before counts"
    assert controls.leader.shift.x_m == pytest.approx(STEP_M), "where the leader was moved to is for all of them"


def test_a_distance_is_asked_of_the_follower(controls: Controls) -> None:
    controls.press("right_bracket", 1.0)
    assert controls.asked == [SetPlacement(controls.placement)]


@pytest.mark.parametrize(
    ("key", "what", "table"),
    [("b", "stage", STAGES), ("v", "camera", CAMERAS), ("l", "leader_as", LEADER_AS), ("h", "hud", HUDS)],
)
def test_a_key_goes_through_all_and_comes_back(
    controls: Controls, key: str, what: str, table: dict[str, object]
) -> None:
    seen = []
    for _ in table:
        seen.append(getattr(controls.staging, what))
        assert seen[-1] in controls.staging.told(what)
        controls.press(key, 1.0)
        assert controls.message(1.0) == controls.staging.told(what)
    assert sorted(seen) == sorted(table)
    assert controls.staging == Staging()


def test_a_display_is_filled_and_left(controls: Controls) -> None:
    controls.press("f", 1.0)
    assert controls.staging.display == NEAREST_DISPLAY and controls.values()["display"] == "full screen"
    controls.press("f", 1.0)
    assert controls.staging.display is None and controls.values()["display"] == "window"
    controls.turn("display", "1", 1.0)
    assert controls.staging.display == 1
    controls.turn("display", "the big one", 1.0)
    assert controls.staging.display == 1 and controls.refused == 1


def test_guidance_is_slid_and_set_by_presets(controls: Controls) -> None:
    controls.turn("detail_lower", 1.25, 1.0)
    assert controls.asked == [SetGuidance(((0.0, 0.0), (0.0, 1.25), (0.0, 0.0)))]
    assert controls.values()["detail_lower"] == 1.25 and "1.25" in controls.message(1.0)
    controls.turn("groove_root", 99.0, 1.0)
    assert controls.guidance[2][0] == CONTROLS["groove_root"].most
    for name, (guidance, distance_m) in PRESETS.items():
        controls.asked.clear()
        controls.turn(name, None, 2.0)
        assert controls.asked[0] == SetGuidance(guidance)
        assert distance_m is None or controls.asked[1] == SetPlacement(controls.placement)
        assert distance_m is None or controls.placement.distance_m == distance_m
    assert PRESETS["close"][1] < PRESETS["far"][1]


def test_a_style_is_asked_for_by_its_name(controls: Controls) -> None:
    controls.styles = {"own": (), "recorded": (1.0, 0.0)}
    controls.turn("style", "recorded", 1.0)
    controls.turn("style", None, 1.0)
    assert controls.asked == [SetStyle((1.0, 0.0)), SetStyle(())] and controls.style == "own"
    controls.turn("style", "tango", 1.0)
    assert controls.refused == 1 and "tango" in controls.message(1.0)


def test_the_leader_is_mirrored(controls: Controls) -> None:
    before = controls.leader.shown(1.0)
    controls.turn("mirror", True, 1.0)
    after = controls.leader.shown(1.0)
    assert before is not None and after is not None
    assert after.root_m[0] == pytest.approx(-before.root_m[0]) and after.root_m[2] == pytest.approx(before.root_m[2])
    wrists = (20, 21)  # left, right
    assert after.joints_m[wrists[0]][0] == pytest.approx(-before.joints_m[wrists[1]][0], abs=1e-5)
    controls.turn("mirror", None, 1.0)
    again = controls.leader.shown(1.0)
    assert again is not None and (again.joints_m == before.joints_m).all()


def test_every_control_can_be_turned_and_none_raises(controls: Controls) -> None:
    for name, control in CONTROLS.items():
        for value in (None, 0.5, True, "nonsense", float("nan")):
            controls.turn(name, value, 1.0)
        assert control.kind is Kind.PUSH or name in controls.values() or name in DEVICES
    before = controls.refused
    controls.turn("no such control", 1.0, 1.0)
    assert controls.refused == before + 1


def test_a_device_is_chosen_in_the_panel_where_there_are_others(controls: Controls) -> None:
    controls.turn(SOUND_DEVICE, "device:room", 1.0)
    assert controls.refused == 1 and "keeps to its own" in controls.message(1.0), "a demo has no devices"
    room = Plugged()
    controls.devices = {SOUND_DEVICE: room}
    controls.turn(SOUND_DEVICE, "device:room", 2.0)
    assert room.name == "device:room" and controls.message(2.0) == "Sound device:room is being opened"
    controls.turn(SOUND_DEVICE, None, 3.0)
    assert "choose one in the panel" in controls.message(3.0) and room.name == "device:room"
    controls.touch("learn", None, 4.0)
    controls.touch(SOUND_DEVICE, "device:room", 4.0)
    assert controls.learning == "" and "by no key and no knob" in controls.message(4.0)


def test_keys_and_knobs_are_learned(controls: Controls) -> None:
    controls.touch("learn", None, 1.0)
    assert controls.learning == "" and controls.values()["learn"] is True
    controls.touch("distance", 2.0, 1.0)
    assert controls.learning == "distance" and controls.placement.distance_m == 0.85, "touched, not turned"
    controls.strike("cc 1 7", 0.9, 1.0)
    controls.touch("panic", None, 1.0)
    controls.press("z", 1.0)
    controls.touch("fade", None, 1.0)
    controls.strike("note 10 36", 0.7, 1.0)
    assert not controls.asked
    controls.touch("learn", None, 1.0)
    controls.strike("cc 1 7", 0.0, 2.0)
    assert controls.placement.distance_m == pytest.approx(0.4)
    controls.strike("cc 1 7", 1.0, 2.0)
    assert controls.placement.distance_m == pytest.approx(3.0)
    controls.press("x", 2.0)
    controls.press("z", 2.0)
    controls.strike("note 10 36", 0.2, 2.0)
    assert controls.asked[2:] == [Panic(), Fade()], "x is free: panic has another key by now"
    assert controls.bindings.of("panic") == ("z",) and controls.bindings.of("fade") == ("o", "note 10 36")


def test_a_knob_turns_every_kind(controls: Controls) -> None:
    for number, name in enumerate(("freeze", "mirror", "stage", "groove_upper", "display")):
        controls.bindings = controls.bindings.with_midi(f"cc 1 {number}", name)
    controls.strike("cc 1 0", 0.2, 1.0)
    controls.strike("cc 1 0", 1.0, 1.0)
    controls.strike("cc 1 1", 0.8, 1.0)
    controls.strike("cc 1 2", 1.0, 1.0)
    controls.strike("cc 1 3", 0.5, 1.0)
    controls.strike("cc 1 4", 0.5, 1.0)
    assert controls.staging.display == NEAREST_DISPLAY
    controls.strike("cc 1 4", 0.1, 1.0)
    assert controls.staging.display is None
    controls.strike("cc 1 5", 0.5, 1.0)
    assert controls.asked == [Freeze(), SetGuidance(((1.0, 0.0), (0.0, 0.0), (0.0, 0.0)))]
    assert controls.leader.mirrored and controls.staging.stage == list(STAGES)[-1]


def test_a_knob_that_is_turned_past_its_middle_pushes_once(controls: Controls) -> None:
    controls.bindings = controls.bindings.with_midi("cc 1 0", "freeze")
    for share in np.linspace(0.0, 1.0, 30):
        controls.strike("cc 1 0", float(share), 1.0)
    assert controls.asked == [Freeze()]
    # A button that says nothing when it is let go of pushes each time.
    controls.asked.clear()
    for _ in range(3):
        controls.strike("cc 1 0", 1.0, 1.0)
    assert len(controls.asked) == 3


def test_the_knob_that_is_learned_by_turns_nothing_meanwhile(controls: Controls) -> None:
    controls.touch("learn", None, 1.0)
    controls.touch("panic", None, 1.0)
    for share in np.linspace(0.1, 1.0, 20):
        controls.strike("cc 1 9", float(share), 1.0)
    assert not controls.asked and controls.bindings.of("panic") == ("x", "cc 1 9")
    controls.touch("learn", None, 2.0)
    for share in (0.0, 1.0):
        controls.strike("cc 1 9", share, 2.0)
    assert controls.asked == [Panic()]


def test_what_was_learned_is_kept(controls: Controls) -> None:
    learned = Bindings().with_key("z", "panic").with_midi("cc 1 7", "distance")
    assert Bindings.of_values(learned.values()) == learned
    assert Bindings.of_values({}).keys == USUAL_KEYS
    controls.bindings = learned
    assert controls.kept()["midi"] == {"cc 1 7": "distance"} and controls.kept()["keys"] == {"z": "panic", "x": ""}
    for wrong in (
        {"keys": {"z": "jump"}},
        {"keys": {"x": ["panic"]}},
        {"midi": {"cc 1 7": ""}},
        {"midi": {"cc 17 1": "tap"}},
        {"midi": 3},
    ):
        with pytest.raises(InputError, match=r"\[panel\."):
            Bindings.of_values(wrong)


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("spacebar", "Did you mean space?"),
        ("Z", "Did you mean z?"),
        ("[", "Write one of left, "),
        ("q", "Write one of"),
    ],
)
def test_a_key_that_no_window_knows_is_told(key: str, advice: str) -> None:
    with pytest.raises(InputError) as error:
        Bindings.of_values({"keys": {key: "panic"}})
    said = str(error.value)
    assert f"expected a key by its name, such as x, f5, space or page_up, got {key!r}" in said and advice in said


def test_the_usual_keys_are_keys_that_every_window_knows() -> None:
    assert set(USUAL_KEYS) <= set(KEY_NAMES) and len(set(KEY_NAMES)) == len(KEY_NAMES)
    from ui.drawing.keys import KEYS

    assert len(KEYS) == len(KEY_NAMES), "a name for two keys"


def test_a_number_without_end_is_refused(controls: Controls) -> None:
    controls.turn("distance", 10**400, 1.0)
    assert controls.refused == 1 and controls.message(1.0)


def test_enter_says_why_nothing_is_kept(controls: Controls) -> None:
    controls.press("enter", 1.0)
    assert controls.message(1.0) == "kept"
    controls.keep = None
    controls.press("enter", 2.0)
    assert controls.message(2.0) == "there is no camera to keep place and distance for"


def test_a_key_that_ends_nothing_yet_says_so_and_is_never_learned(
    controls: Controls, caplog: pytest.LogCaptureFixture
) -> None:
    for learning in (None, "freeze"):
        controls.learning = learning
        controls.press("escape", 1.0)
        assert controls.message(1.0) == "Escape again within two seconds ends the show"
        controls.press("q", 5.0)
        assert controls.message(5.0).startswith("Q again") and "q" not in controls.bindings.keys
    assert sum("twice within two seconds" in record.getMessage() for record in caplog.records) == 4
    assert not controls.asked and not controls.refused


def test_f1_tells_the_keys_as_they_are_now_and_in_one_line_of_the_picture(controls: Controls) -> None:
    controls.bindings = controls.bindings.with_key("z", "panic")
    controls.press("f1", 1.0)
    message = controls.message(10.0)
    said = message.replace(UNBROKEN, " ")
    assert "Z panic" in said and "X panic" not in said and "Space freeze" in said and said.endswith("Escape or Q ends")
    assert Facts.of_values(Facts(message=message).values()).message == message
    controls.bindings = controls.bindings.with_key("f1", "tap")
    controls.press("f1", 20.0)
    assert "tap on" in controls.message(20.0)


def test_who_wears_a_body_whose_file_is_gone_still_turns_the_rest(controls: Controls) -> None:
    controls.staging = controls.staging.altered(follower="gone")
    controls.turn("stage", "club", 1.0)
    controls.turn("display", None, 2.0)
    assert not controls.refused and controls.staging.follower == "gone"
    assert controls.staging.stage == "club" and controls.staging.display == NEAREST_DISPLAY
    controls.turn("follower_avatar", "gone", 3.0)
    assert controls.refused == 1
