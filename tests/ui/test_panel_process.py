"""What goes between the dance and the panel's window, and the show's file; without a window."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.choreography import compose
from duet.contract import load_contract
from duet.errors import InputError
from duet.features import Placement
from duet.frames import MusicFrame
from duet.tempo_override import TempoOverride
from realtime.commands import SetGuidance, SetPlacement
from realtime.glance import Glance
from realtime.health import Snapshot
from realtime.histogram import StageStats
from realtime.sight.leader_take import TakeLeader
from realtime.sight.stage_shift import ShiftedLeader
from realtime.sound.level import Level
from ui.cli import DEFAULT_FOLLOWER
from ui.control_table import CONTROLS
from ui.controls import Controls
from ui.panel.channels import record_of_turn, turn_of_record
from ui.panel.facts import Panel
from ui.panel.process import missing
from ui.panel.show_keeper import ShowKeeper, take_up
from ui.panel.state import STATE_WIDTH, PanelState, gather


@pytest.fixture
def controls() -> Controls:
    leader = ShiftedLeader(TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0))
    return Controls(leader, TempoOverride(), Placement(0.85))


@pytest.mark.parametrize("value", [None, True, False, 0.25, "club", "device:Mikrofon äöü"])
def test_a_turn_comes_over_as_it_was(value: float | bool | str | None) -> None:
    name, came = turn_of_record(record_of_turn("groove_upper", value))
    assert name == "groove_upper" and came == value and type(came) is type(value)


@given(name=st.text(max_size=60), value=st.none() | st.booleans() | st.floats() | st.text(max_size=300))
def test_no_turn_is_too_strange_to_be_read(name: str, value: float | bool | str | None) -> None:
    read, _ = turn_of_record(record_of_turn(name, value))
    assert isinstance(read, str)


def test_everything_that_is_told_fits_and_comes_over(controls: Controls) -> None:
    contract = load_contract(Path(DEFAULT_FOLLOWER))
    controls.styles = {name: () for name in contract.styles}
    panel = Panel(
        contract, controls, "MIDI", lambda: ("x" * 400,) * 3, lambda: "the camera is away " * 40, lambda: "y" * 500,
        lambda: Level(-20.0, -10.0, 3.0),
    )  # fmt: skip
    lag = StageStats(120.0, 180.0, 190.0, 200.0, 30)
    panel.snapshot = lambda: Snapshot(2.0, recent={"lag": lag}, counters={"ticks": 10, "late_ticks": 4})
    music = MusicFrame(0, 1.9, np.zeros(3, np.float32), 0.25, 0.5, 181.26, 0.9)
    told = gather(2.0, panel, Glance(music=music, ticks=3), source="model", pictures_s=29.9, show="saturday.toml")
    record = told.record()
    assert len(record) <= STATE_WIDTH
    assert PanelState.of_record(record) == PanelState(**json.loads(json.dumps(told.__dict__)))
    assert told.tempo_bpm == 181.3 and told.lag_ms == 120.0 and told.sound == Level(-20.0, -10.0, 3.0)
    assert told.bound["left"] == "Left" and told.bound["nearer"] == "[" and told.values["stage"] == "studio"
    assert ("late ticks", "%", 0.5, 40.0) in told.budgets


def test_a_show_is_taken_up_as_it_was_left(controls: Controls, tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    keeper = ShowKeeper(path, controls)
    keeper.close()
    assert not path.exists(), "nothing was turned"
    controls.turn("close", None, 1.0)
    controls.turn("stage", "club", 1.0)
    controls.turn("mirror", True, 1.0)
    controls.bindings = controls.bindings.with_midi("cc 1 7", "distance").with_key("z", "panic")
    keeper.look()
    keeper.close()
    other = Controls(
        ShiftedLeader(TakeLeader(compose("salsa", 2.0, 180.0, 0, fps=30.0).leader, 30.0)),
        TempoOverride(),
        Placement(1.0),
    )
    ShowKeeper(path, other)
    assert other.kept() == controls.kept()
    assert SetGuidance(controls.guidance) in other.asked and SetPlacement(other.placement) in other.asked
    assert other.message(0.0) == "", "what was kept is not told as if somebody had just turned it"
    text = path.read_text()
    assert "[panel.midi]" in text and 'stage = "club"' in text and "_device" not in text
    # A file of before names yesterday's song.
    path.write_text(text.replace("[panel]", '[panel]\nsound_device = "yesterday.mp3"'))
    ShowKeeper(path, other)
    assert other.kept() == controls.kept()
    path.write_text("# ours\n" + text.replace('"club"', '"black"'))
    ShowKeeper(path, other)
    assert other.staging.stage == "black"


def test_a_show_s_file_that_could_not_be_kept_is_refused_at_the_beginning(controls: Controls, tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    path.write_text("panel.distance = 0.6\n")
    with pytest.raises(InputError, match=r"expected a line \[panel\] and its keys below it"):
        ShowKeeper(path, controls)
    path.write_text("[panel]\ndistance = 0.6\n")
    keeper = ShowKeeper(path, controls)
    # Written another way by somebody meanwhile: the dance goes on, and the file stays.
    path.write_text("panel.distance = 0.6\n")
    controls.turn("stage", "club", 1.0)
    keeper.close()
    assert path.read_text() == "panel.distance = 0.6\n"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"distance": 10**400}, "a value that it can have"),
        ({"volume": 3}, "expected one of distance"),
        ({"stage": "moon"}, "a value that it can have, got 'moon'"),
        ({"distance": "far"}, "a value that it can have"),
        ({"keys": {"a": "jump"}}, "expected a control"),
        ({"panel": False}, "expected one of distance"),
        ({"mirror": "false"}, "a value that it can have, got 'false'"),
        ({"distance": True}, "a value that it can have, got True"),
        ({"distance": [1.0]}, "a value that it can have"),
        ({"stage": ["club"]}, "a value that it can have"),
    ],
)
def test_a_show_s_file_that_cannot_be_is_one_sentence(controls: Controls, values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        take_up(values, controls)


def test_a_machine_without_imgui_dances_without_a_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "expected imgui-bundle, got none" in missing() and "--no-panel" in missing()


def test_the_table_is_one() -> None:
    keys = [control.key for control in CONTROLS.values() if control.key]
    assert len(keys) == len(set(keys)), "a key for two controls"
    assert all(name == control.name for name, control in CONTROLS.items())


def test_a_mouse_that_never_rests_takes_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    panel_window = pytest.importorskip("ui.panel.window")
    window = panel_window.PanelWindow.__new__(panel_window.PanelWindow)
    window._touched = False
    events = SimpleNamespace(poll_events=lambda: None, wait_events_timeout=lambda _: time.sleep(0.001))
    monkeypatch.setattr(panel_window, "glfw", events)
    monkeypatch.setattr(window, "canvas", SimpleNamespace(take_touched=lambda: True), raising=False)
    for seconds, least_s in ((0.05, 0.05), (10.0, 0.05)):
        begun_s = time.monotonic()
        window.wait(seconds, least_s)
        assert time.monotonic() - begun_s >= least_s and window.was_touched()
