"""``duet kiosk --check``: what cannot run is told beforehand, by the keys of the show's file."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.motion import write_motion
from realtime.calibration import load_calibration, save_calibration
from realtime.commands import Freeze
from realtime.health import Health
from ui.cli import DEFAULT_FOLLOWER, main
from ui.cued import with_cues
from ui.kiosk import checking
from ui.kiosk.checking import check_show, cues_of
from ui.kiosk.exhibit import kiosk_sources
from ui.kiosk.settings import read_settings


def checked(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Exit code and lines of ``--check`` for a show."""
    path = folder / "show.toml"
    path.write_text(text)
    code = main(["kiosk", "--config", str(path), "--check"])
    return code, capsys.readouterr().err.strip().removeprefix("duet: ").splitlines()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[kiosk]\nmusic = 'nothere.mp3'", "[kiosk] music: expected a sound file, device:NAME, built-in or none, got"),
        (f"[kiosk]\nseed = 1{'0' * 400}", "[kiosk] seed: expected a whole number from 0 to 1e+09"),
        ("[kiosk]\nmusic = 'show.toml'", "[kiosk] music: "),
        ("[kiosk]\nfollower = 'nowhere'", "[kiosk] follower: expected a follower's folder, got"),
        ("[kiosk]\nfollower = '.'", "[kiosk] follower: "),
        ("[kiosk]\nstyle = 'tango'", "show.toml: [kiosk] style: expected one of this follower's"),
        ("[kiosk]\nleader = 'camera:one'", "[kiosk] leader: camera:one: expected camera:NUMBER"),
        ("[kiosk]\nleader = 'gone.mp4'", "[kiosk] leader: expected camera:N, the address of a stream or a video file"),
        ("[kiosk]\nleader = ''", "[kiosk] leader: expected camera:N, the address of a stream or a video file, got ''"),
        ("[kiosk]\nleader = 'show.toml'", "[kiosk] leader: "),
        ("[kiosk.picture]\nheadless = true", "[kiosk.picture] headless: expected something to keep where nothing"),
        ("[kiosk.picture]\nsize = 'big'", "[kiosk.picture] size: expected WxH"),
        ("[kiosk.words]\ninvite = 'Tritt näher, 来'", "[kiosk.words] invite: expected letters that can be drawn"),
        (
            f"[kiosk.words]\nthank = '{'ü' * 120}'",
            "[kiosk.words] thank: expected at most 239 bytes, got 240: letters beyond A to Z take two",
        ),
        ("[kiosk.keep]\nlog = 'show.toml'", "[kiosk.keep] log "),
        ("[kiosk.keep]\nlog = 'a.json'\nreport = 'a.json'", "expected a file for each output, got one for [kiosk."),
        ("[kiosk.keep]\nlog = '/proc/none/a.json'", "[kiosk.keep] log: "),
        ("[[cue]]\ndo = 'dnace'\nat = 1", "cue 1: do: expected one of freeze"),
        ("[[cue]]\ndo = 'freeze'", "cue 1: expected at, in seconds, got none. Nobody calls cues in an exhibit."),
        ("[[cue]]\ndo = 'follower'\nto = 'other'\nat = 1", "cue 1: expected what one follower can do"),
        ("[[cue]]\ndo = 'style'\nname = 'tango'\nat = 1", "cue 1: "),
    ],
)  # fmt: skip
def test_what_cannot_run_is_one_sentence_that_names_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    code, lines = checked(tmp_path, text, capsys)
    assert code == 2 and len(lines) == 1 and sentence in lines[0], lines
    assert str(tmp_path) in lines[0] and "--follower" not in lines[0] and "--out" not in lines[0]
    assert (tmp_path / "show.toml").read_text() == text


def test_all_of_it_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "[kiosk]\nmusic = 'no.mp3'\n[kiosk.picture]\nheadless = true\n[[cue]]\ndo = 'dnace'\nat = 1\n[[cue]]\nat = 2"
    code, lines = checked(tmp_path, text, capsys)
    assert (
        code == 2
        and ["music" in lines[0], "headless" in lines[1], "cue 1" in lines[2], "cue 2" in lines[3]] == [True] * 4
    )


def test_wrong_keys_hide_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "[kiosk]\ntempo = 'fast'\nmusic = 'no.mp3'\nfollower = 'nowhere'\nstyle = 'tango'\n[kiosk.picture]\nfsp = 25\n"
        "[[cue]]\ndo = 'freeze'"
    )
    code, lines = checked(tmp_path, text, capsys)
    named = ["[kiosk] tempo: ", "[kiosk.picture] fsp: ", "[kiosk] music: ", "[kiosk] follower: "]
    named += ["cue 1: expected at, in seconds", "show.toml: [kiosk] style: expected a follower to know the styles of"]
    assert code == 2 and [name in line for name, line in zip(named, lines, strict=True)] == [True] * 6, lines
    assert "Mend [kiosk] follower first" in lines[-1]
    both = "[kiosk]\ntempo = 'fast'\n[[cue]]\ndo = 'freeze'\n[[cue]]\ndo = 'follower'\nto = 'other'"
    code, lines = checked(tmp_path, both, capsys)
    said = ["tempo", "cue 1: expected at", "cue 2: expected at", "cue 2: expected what one follower can do"]
    assert code == 2 and [word in line for word, line in zip(said, lines, strict=True)] == [True] * 4, lines


def test_cues_of_all_kinds_are_told_beside_all_that_is_wrong_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "[kiosk]\nfollower = 'nowhere'\n[[cue]]\nat = 1\ndo = 'dnace'\n[[cue]]\ndo = 'freeze'\n"
        "[[cue]]\nat = 3\ndo = 'follower'\nto = 'third'\n[[cue]]\ndo = 'style'\nname = 'tango'"
    )
    code, lines = checked(tmp_path, text, capsys)
    told = ["[kiosk] follower: ", "cue 1: do: ", "cue 2: expected at", "cue 3: expected what one follower can do"]
    told += ["cue 4: expected at", "cue 4: expected a follower to know the styles of"]
    assert code == 2 and [word in line for word, line in zip(told, lines, strict=True)] == [True] * 6, lines
    code, lines = checked(tmp_path, text.replace("'nowhere'", "''"), capsys)
    told = [*told[1:5], "cue 4: Style: expected one of this follower's"]
    assert code == 2 and [word in line for word, line in zip(told, lines, strict=True)] == [True] * 5, lines


def test_each_file_that_would_be_lost_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "song.wav", np.zeros(4410, np.float32), 44100)
    text = "[kiosk]\nmusic = 'song.wav'\n[kiosk.keep]\nlog = 'show.toml'\nreport = 'song.wav'"
    code, lines = checked(tmp_path, text, capsys)
    told = ["[kiosk.keep] log ", "[kiosk.keep] report "]
    assert code == 2 and [word in line for word, line in zip(told, lines, strict=True)] == [True] * 2, lines


def test_a_check_leaves_no_folder_behind_and_tells_which_would_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "there").mkdir()
    for log in ("fresh/l.jsonl", "there/l.jsonl"):
        text = f"[kiosk]\nmusic = 'none'\n[kiosk.keep]\nlog = '{log}'\nreport = 'fresh2/deep/r.json'"
        code, lines = checked(tmp_path, text, capsys)
        assert code == 0 and "all is well. Camera, sound and display were not looked at: `duet doctor`" in lines[-1]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["show.toml", "there"]
    told = [record.getMessage() for record in caplog.records if "is not there yet" in record.getMessage()]
    new = [("log", "fresh"), ("report", "fresh2/deep"), ("report", "fresh2/deep")]
    makes = "is not there yet: the show makes it. Is it the one you mean?"
    assert told == [
        f"{tmp_path / 'show.toml'}: [kiosk.keep] {key}: the folder {tmp_path / folder} {makes}" for key, folder in new
    ]


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ("", ' and log = "health.jsonl" below [kiosk.keep] in the show'),
        ("[kiosk.keep]\nlog = 'a.jsonl'", "below [kiosk.picture] in the show's file, or start the show"),
    ],
)
def test_without_a_display_the_keys_that_need_none_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, keep: str, said: str
) -> None:
    monkeypatch.setattr("ui.asked.has_display", lambda: False)
    (tmp_path / "show.toml").write_text(f"[kiosk]\nmusic = 'none'\n{keep}")
    assert main(["kiosk", "--config", str(tmp_path / "show.toml")]) == 2
    told = capsys.readouterr().err
    assert "Write headless = true below [kiosk.picture]" in told and said in told


@pytest.mark.parametrize(
    "text",
    [
        "[kiosk]\nfolower = 'mine'\nstyle = 'tango'\n[[cue]]\ndo = 'style'\nname = 'tango'\nat = 1",
        "follower = 'mine'\n[kiosk]\nstyle = 'tango'",
        "[kiosk]\nfollower = 3\nstyle = 'tango'",
        "[kiosk]\nfollower = '~nobody-of-that-name/mine'\nstyle = 'tango'",
        "[kiosk.picture]\nheadless = true\n[kiosk.keep]\nlog = 3",
        "[kiosk.picture]\nheadless = true\n[keep]\nlog = 'a.jsonl'",
    ],
)
def test_what_hangs_on_a_wrong_key_is_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    code, lines = checked(tmp_path, text, capsys)
    unsaid = ["[kiosk] style"] if "style" in text else []
    unsaid += ["cue 1"] if "cue" in text else []
    # That it is not judged is said as well.
    assert code == 2 and len(lines) == 1 + bool(unsaid), lines
    assert not unsaid or f"show.toml: {', '.join(unsaid)}: expected a follower to know the styles of" in lines[1]


def test_a_song_and_a_film_lie_in_a_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    soundfile.write(home / "song.wav", np.zeros(4410, np.float32), 44100)
    write_motion(home / "dance.npz", compose("salsa", 4.0, 180.0, 0, fps=30.0).leader)
    text = "[kiosk]\nmusic = '~/song.wav'\nleader = '~/dance.npz'\n"
    assert checked(tmp_path, text, capsys)[0] == 0
    settings = read_settings(tmp_path / "show.toml")
    assert settings.text("kiosk.music") == str(home / "song.wav")
    assert settings.text("kiosk.leader") == str(home / "dance.npz")
    code, lines = checked(tmp_path, "[kiosk]\nleader = '~nobody-of-that-name/dance.npz'", capsys)
    assert code == 2 and len(lines) == 1 and "[kiosk] leader: expected the home of somebody" in lines[0]


def test_a_camera_that_was_never_shown_the_mark_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    camera, path = "http://127.0.0.1:9/room", tmp_path / "show.toml"
    monkeypatch.setenv("DUET_SETTINGS", str(tmp_path))
    # The longest words there is room for are no advice, either.
    path.write_text(f"[kiosk]\nleader = '{camera}'\nmusic = 'none'\n[kiosk.words]\nthank = '{'ü' * 119}!'\n")
    check_show(path, DEFAULT_FOLLOWER)
    (told,) = [record.getMessage() for record in caplog.records if record.name == "duet.kiosk"]
    assert told.startswith(f"{path}: [kiosk] leader: no mark is known: where somebody is seen first becomes the middle")
    assert told.endswith(f"Run `duet calibrate stage --camera {camera}`.")
    caplog.clear()
    with monkeypatch.context() as patch:
        # Which camera it is, is known only once it is there.
        patch.setattr(checking, "is_listed", lambda source: False)
        check_show(path, DEFAULT_FOLLOWER)
    save_calibration(load_calibration().with_camera(camera, mark_m=(0.0, -3.0)))
    check_show(path, DEFAULT_FOLLOWER)
    assert not [record for record in caplog.records if record.name == "duet.kiosk"]


def test_a_follower_is_loaded_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = Path(shutil.copytree(DEFAULT_FOLLOWER, tmp_path / "mine"))
    assert checked(tmp_path, "[kiosk]\nfollower = 'mine'", capsys)[0] == 0
    graph = next(copied.glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    code, lines = checked(tmp_path, "[kiosk]\nfollower = 'mine'", capsys)
    assert code == 2 and "[kiosk] follower: " in lines[0] and "The file was altered" in lines[0]


def test_a_show_that_does_not_fit_does_not_begin_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "show.toml").write_text("[kiosk.picture]\nheadless = true")
    assert main(["kiosk", "--config", str(tmp_path / "show.toml")]) == 2
    said = capsys.readouterr().err
    assert "[kiosk.keep]" in said and "--out" not in said


def test_an_exhibit_obeys_its_cues(tmp_path: Path, dance: Path) -> None:
    path = tmp_path / "show.toml"
    path.write_text(f"[kiosk]\nleader = '{dance}'\nmusic = 'none'\n[[cue]]\nat = 5.0\ndo = 'freeze'\n")
    sources = with_cues(kiosk_sources(read_settings(path)), cues_of(path, DEFAULT_FOLLOWER))(Health())
    sources.begin(MonotonicClock(), Health())
    asked = []
    for now_s in (4.9, 5.1):
        sources.cues.look(now_s)
        asked.append(Freeze() in (*sources.commands.take_urgent(0), *sources.commands.take_new(0)))
    assert asked == [False, True]
    sources.leader.stop()
    sources.music.stop()


@pytest.fixture
def dance(tmp_path: Path) -> Path:
    """A take that stands for a camera."""
    path = tmp_path / "dance.npz"
    write_motion(path, compose("salsa", 4.0, 180.0, 0, fps=30.0).leader)
    return path
