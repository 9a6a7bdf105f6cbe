"""An exhibit's file: what it may say, and one sentence for each key that is wrong."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.clock import MonotonicClock
from duet.errors import DeviceError, InputError
from duet.features import Placement
from duet.tempo_override import TempoOverride
from realtime.calibration import Delay, load_calibration, save_calibration
from realtime.health import Health
from realtime.kiosk.presence import Presence, Rules, Scene
from realtime.sight.awaited_camera import ABSENT
from realtime.sight.leader_camera import CameraLeader
from realtime.sight.stage_shift import Shift
from ui.cli import DEFAULT_FOLLOWER, main
from ui.controls import Controls
from ui.kiosk.command import output_of
from ui.kiosk.exhibit import Journal, kiosk_sources, loop_s, words_of
from ui.kiosk.settings import SECTIONS, KioskSettings, example, read_settings
from ui.options import LeaderOptions
from ui.sources import play_sources


def settings_of(folder: Path, text: str) -> KioskSettings:
    path = folder / "show.toml"
    path.write_text(text)
    return read_settings(path)


def test_the_example_is_a_show_in_which_everything_is_usual(tmp_path: Path) -> None:
    shown, empty = settings_of(tmp_path, example()), settings_of(tmp_path, "")
    assert dict(shown.values) == dict(empty.values) and shown.rules == Rules()
    for name, keys in SECTIONS.items():
        table: Any = tomllib.loads(example())
        for part in name.split("."):
            table = table[part]
        assert {key.name for key in keys} <= table.keys()
        assert all(not key.wrong(key.usual) and key.says for key in keys)


def test_the_command_prints_it_and_checks_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kiosk", "--example"]) == 0
    assert capsys.readouterr().out == example()
    (tmp_path / "show.toml").write_text(example())
    assert main(["kiosk", "--config", str(tmp_path / "show.toml"), "--check"]) == 0
    assert "all is well" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[kiosk]\nleder = 'x'", "Did you mean leader?"),
        ("[kiosk]\nwizard = 1", "got an unknown key. `duet kiosk --example`"),
        ("[kiosk]\nleader = 3", "leader: expected text in quotes, got 3"),
        ("[kiosk]\nmirror = 'yes'", "mirror: expected true or false, got 'yes'"),
        ("[kiosk]\nseed = 1.5", "seed: expected a whole number from 0 to 1e+09, got 1.5"),
        ("[kiosk]\npeople = true", "people: expected a whole number from 1 to 6, got True"),
        ("[kiosk]\ntempo = nan", "tempo: expected a number from 90 to 230, got nan"),
        ("[kiosk.visit]\nenter = -1", "enter: expected a number from 0.2 to 60, got -1"),
        ("[kiosk.picture]\nstage = 'moon'", "stage: expected one of studio"),
        ("kiosk = 5", "[kiosk]: expected a section, got 5"),
        ("[kiosk]\nvisit = 5", "[kiosk.visit]: expected a section, got 5"),
        ("[kiosk", "expected TOML"),
        (
            "leader = 'camera:1'",
            "leader: expected it in [kiosk] or a section of that, got it outside. Write it below [k",
        ),
        (
            "[picture]\nfps = 25",
            "[picture]: expected it in [kiosk] or a section of that, got it outside. Write [kiosk.p",
        ),
        ("[lights]\nred = 1", "got it outside. `duet kiosk --example` shows them all."),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        settings_of(tmp_path, text)
    assert sentence in str(error.value) and len(str(error.value).splitlines()) == 1


def test_every_wrong_key_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        settings_of(tmp_path, "[kiosk]\nleder = 'x'\ntempo = 'fast'\n[kiosk.visit]\nenter = -1\n[panel]\nmine = 1\n")
    assert [line.split("] ")[1].split(":")[0] for line in str(error.value).splitlines()] == ["leder", "tempo", "enter"]


@given(st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.booleans())))
def test_whatever_a_section_says_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    lines = [f"{_quoted(k)} = {_quoted(v) if isinstance(v, str) else str(v).lower()}" for k, v in values.items()]
    try:
        settings_of(tmp_path_factory.mktemp("show"), "\n".join(["[kiosk]", *lines]))
    except InputError as error:
        assert "expected" in str(error)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(c):08x}" if not 0xD800 <= ord(c) < 0xE000 else "?" for c in text) + '"'


def test_files_are_named_from_where_the_shows_file_is(tmp_path: Path) -> None:
    (tmp_path / "song.ogg").write_bytes(b"")
    settings = settings_of(tmp_path, "[kiosk]\nmusic = 'song.ogg'\nfollower = 'mine'\n[kiosk.keep]\nlog = 'a/b.jsonl'")
    assert settings.text("kiosk.music") == str(tmp_path / "song.ogg")
    assert settings.path("kiosk.follower") == tmp_path / "mine"
    assert settings.path("kiosk.keep.log") == tmp_path / "a/b.jsonl"
    assert settings.text("kiosk.leader") == "camera:0" and settings.path("kiosk.keep.report") is None


def test_the_show_fills_a_display_unless_told_otherwise(tmp_path: Path) -> None:
    filled = output_of(settings_of(tmp_path, "[kiosk.picture]\ndisplay = 1"), DEFAULT_FOLLOWER, None)
    window = output_of(settings_of(tmp_path, "[kiosk.picture]\nwindow = true"), DEFAULT_FOLLOWER, None)
    assert (filled.staging.display, window.staging.display) == (1, None)
    assert filled.ends_twice and window.ends_twice
    with pytest.raises(InputError, match="tango"):
        output_of(settings_of(tmp_path, "[kiosk]\nstyle = 'tango'"), DEFAULT_FOLLOWER, None)


def test_scenes_have_their_words_but_dances_and_interludes(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "[kiosk.words]\ninvite = 'Come in'\nthank = 'Thanks'")
    said = {scene: words_of(settings, lambda scene=scene: Presence(scene))() for scene in Scene}
    assert said[Scene.ATTRACT] == "Come in" and said[Scene.FAREWELL] == "Thanks"
    assert said[Scene.DANCE] == "" == said[Scene.INTERLUDE]
    silent = settings_of(tmp_path, "[kiosk.words]\nthank = ''")
    assert words_of(silent, lambda: Presence(Scene.FAREWELL))() == ""


def test_an_empty_room_fills_no_journal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "duet.kiosk")
    journal, night = Journal(), [Scene.INTERLUDE, Scene.ATTRACT] * 500
    for scene in [*night, Scene.WELCOME, Scene.DANCE, Scene.FAREWELL, Scene.ATTRACT, *night]:
        journal.tell(Presence(scene, visits=1))
    told = [record.getMessage() for record in caplog.records]
    assert told == ["the ghost leads", "somebody came", "visitor 1 leads", "the dance is over", "the ghost leads"]


def test_a_show_without_a_file_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for more in ([], ["--config", str(tmp_path / "none.toml")]):
        assert main(["kiosk", *more]) == 2
        assert "expected a show's file" in capsys.readouterr().err


def test_the_ghost_dances_before_there_is_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> CameraLeader:
        raise DeviceError("camera:0: expected a camera, got no answer.")

    monkeypatch.setattr("ui.sources._see", absent)
    health = Health()
    sources = kiosk_sources(settings_of(tmp_path, "[kiosk]\nmusic = 'none'"))(health)
    try:
        assert sources.camera_trouble() == ABSENT
        clock = MonotonicClock()
        sources.begin(clock, health)
        # It begins when all is open, which takes a slow machine its time.
        soon_s = clock.now() + 0.5
        assert sources.leader.take_new(soon_s) and sources.leader.shown(soon_s) is not None
    finally:
        sources.leader.stop()
        sources.music.stop()
    with pytest.raises(DeviceError):
        play_sources(LeaderOptions("camera:0"), None, headless=True)(health)


def test_what_is_moved_in_an_exhibit_takes_no_kept_place_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> CameraLeader:
        raise DeviceError("camera:0: expected a camera, got no answer.")

    camera = "http://127.0.0.1:9/room"
    monkeypatch.setattr("ui.sources._see", absent)
    monkeypatch.setenv("DUET_SETTINGS", str(tmp_path))
    save_calibration(load_calibration().with_camera(camera, shift=Shift(0.4, -0.3), distance_m=1.1))
    sources = kiosk_sources(settings_of(tmp_path, f"[kiosk]\nleader = '{camera}'\nmusic = 'none'"))(Health())
    try:
        controls = Controls(sources.leader, TempoOverride(), Placement(0.85), keep=sources.keep)
        for key in ("left", "enter"):
            controls.press(key, 1.0)
        known = load_calibration().camera(camera)
        assert (known.shift, known.distance_m) == (Shift(0.4, -0.3), 1.1)
    finally:
        sources.leader.stop()
        sources.music.stop()


@pytest.mark.parametrize("tempo_bpm", [90.0, 95.0, 170.0, 175.0, 190.0, 230.0])
def test_the_built_in_music_goes_over_into_itself(tempo_bpm: float) -> None:
    rounds = loop_s(tempo_bpm) * tempo_bpm / 60.0 / 16.0
    assert rounds == pytest.approx(round(rounds), abs=1e-9) and 50.0 < loop_s(tempo_bpm) < 75.0


def test_the_built_in_music_sounds_as_late_as_its_loudspeakers_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object) -> CameraLeader:
        raise DeviceError("camera:0: expected a camera, got no answer.")

    monkeypatch.setattr("ui.sources._see", absent)
    monkeypatch.setenv("DUET_SETTINGS", str(tmp_path))
    late = Delay(0.15, 0.01, "8 claps")
    save_calibration(load_calibration().with_output("HDMI", late))
    sources = kiosk_sources(settings_of(tmp_path, ""))(Health())
    try:
        assert sources.played is not None and sources.played._delays == {"HDMI": late}
    finally:
        sources.leader.stop()
