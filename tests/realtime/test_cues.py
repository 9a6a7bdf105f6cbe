"""Cues: in their time or when called, each a command of the closed set; what is none is one sentence."""

import re
import socket
import struct
import time
from pathlib import Path

import pytest

from duet.clock import MonotonicClock
from duet.contract import load_contract
from duet.errors import InputError
from duet.tempo_override import TempoOverride
from realtime.commands import Command, Fade, Freeze, LockSeed, Resume, SetGuidance, SetStyle, SwitchFollower
from realtime.cues import _PLAIN, _WITH, Cue, CueList, look_over_cues, read_cues
from realtime.sound.osc_port import OscPort

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = load_contract(ROOT / "followers" / "salsa-s")
GUIDE = ROOT / "docs" / "on-stage.md"
SHOW = """
[panel]
stage = "club"
[[cue]]
at = 4
do = "freeze"
note = "the light goes out"
[[cue]]
at = 2.5
do = "fade"
seconds = 1.5
[[cue]]
do = "follower"
to = "second"
[[cue]]
at = 9
do = "guidance"
scales = [[1, 0.5], [0, 0], [2, 0]]
[[cue]]
do = "seed"
seed = 7
[[cue]]
do = "style"
name = "choreographed"
[[cue]]
do = "resume"
"""


def show(folder: Path, text: str) -> tuple[Cue, ...]:
    path = folder / "show.toml"
    path.write_text(text)
    return read_cues(path, CONTRACT)


def test_cues_come_in_their_time_and_when_they_are_called(tmp_path: Path) -> None:
    asked: list[Command] = []
    cues = CueList(show(tmp_path, SHOW), asked.append)
    cues.look(2.0)
    assert not asked
    cues.look(3.0)
    cues.look(3.0)
    assert asked == [Fade(1.5)]
    cues.call(3)
    cues.call(99)
    cues.call(0)
    cues.look(3.1)
    assert asked[1:] == [SwitchFollower("second")]
    # A loop that was late asks for all that is due, in its order.
    cues.look(20.0)
    assert asked[2:] == [Freeze(), SetGuidance(((1.0, 0.5), (0.0, 0.0), (2.0, 0.0)))]
    for number in (5, 6, 7):
        cues.call(number)
    cues.look(20.0)
    assert asked[4:] == [LockSeed(7), SetStyle(CONTRACT.style_named("choreographed")), Resume()]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "got none. docs/on-stage.md shows some."),
        ("cue = 3", "expected cues"),
        ("cue = [1]", "cue 1: expected [[cue]] and lines below it"),
        ("[[cue]]\ndo = 'jump'", "do: expected one of freeze, resume, panic"),
        ("[[cue]]\nat = 1", "do: expected one of"),
        ("[[cue]]\nat = -1\ndo = 'freeze'", "at: expected seconds"),
        ("[[cue]]\nat = nan\ndo = 'freeze'", "at: expected seconds"),
        ("[[cue]]\nwhen = 1\ndo = 'freeze'", "got 'when'"),
        ("[[cue]]\ndo = 'style'\nnmae = 'choreographed'", "got 'nmae'. Did you mean name?"),
        ("[[cue]]\ndo = 'fade'\nseconds = 1e9", "Fade: expected"),
        ("[[cue]]\ndo = 'style'", "expected name beside do = 'style', got none"),
        ("[[cue]]\ndo = 'style'\nname = 'tango'", "tango"),
        ("[[cue]]\ndo = 'guidance'\nscales = [1, 2]", "scales: expected what fits"),
        ("[[cue]]\ndo = 'follower'\nto = 'third'", "expected first, second or other"),
        ("[[cue]]\ndo = 'seed'\nseed = 'x'", "seed: expected what fits"),
        ("[[cue]]\ndo = 'seed'\nseed = inf", "seed: expected what fits do = 'seed', got inf"),
        (f"[[cue]]\ndo = 'fade'\nseconds = 1{'0' * 400}", "seconds: expected what fits"),
    ],
)
def test_what_is_no_cue_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        show(tmp_path, text)
    assert sentence in str(error.value) and len(str(error.value).splitlines()) == 1


def test_all_that_is_wrong_with_cues_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    path.write_text(
        "[[cue]]\nat = -1\ndo = 'dnace'\n[[cue]]\nat = 2\ndo = 'freeze'\n[[cue]]\natt = 'x'\nwho = 1\ndo = 'resume'\n"
        "[[cue]]\ndo = 'follower'\nto = 'third'\n[[cue]]\nat = 5\ndo = 'style'\nname = 'tango'"
    )
    found = look_over_cues(path, CONTRACT)
    said = ["1: at: expected", "1: do: expected", "3: expected at, do", "3: expected at, do", "3: at: expected"]
    last = ["4: Follower: expected first", "5: Style: expected"]
    assert all(f"{path}: cue {word}" in line for word, line in zip([*said, *last], found.wrong, strict=True)), found
    assert "got 'att'. Did you mean at?" in found.wrong[2] and found.wrong[3].endswith("got 'who'.")
    assert found.cues == (Cue(Freeze(), 2.0),) and not found.open
    # Who does not know the follower, knows no styles; in an exhibit nobody calls, and there is one follower.
    found = look_over_cues(path, None, in_exhibit=True)
    last = ["4: expected at, in seconds", "4: expected what one follower can do"]
    assert all(f"{path}: cue {word}" in line for word, line in zip([*said, *last], found.wrong, strict=True)), found
    assert found.cues == (Cue(Freeze(), 2.0),) and found.open == ("cue 5",)


def test_the_guide_shows_cues_that_are_read_and_names_all_that_can_be_done(tmp_path: Path) -> None:
    guide = GUIDE.read_text(encoding="utf-8").split("## A show that knows what comes")[1].split("\n## ")[0]
    example = guide.split("```toml\n")[1].split("```")[0]
    commands = [cue.command for cue in show(tmp_path, example)]
    assert SetGuidance(((1.0, 0.5),) * 3) in commands and SwitchFollower("second") in commands
    rows = re.findall(r"^\| `([a-z ]+)` \|(?: `([a-z]+)`)? \|", guide, re.MULTILINE)
    assert dict(rows) == {**dict.fromkeys(_PLAIN, ""), **_WITH}


def test_a_cue_is_called_over_osc() -> None:
    called: list[int] = []
    port = OscPort(TempoOverride(), port=0, cue=called.append)
    port.start(MonotonicClock())
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"/cue\0\0\0\0,i\0\0" + struct.pack(">i", 3), ("127.0.0.1", port.port))
            end_s = time.monotonic() + 20.0
            while not called and time.monotonic() < end_s:
                time.sleep(0.01)
    finally:
        port.stop()
    assert called == [3]
