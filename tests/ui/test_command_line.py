"""What is typed wrong, and what would write over what it reads: one sentence, and nothing is lost."""

import os
from pathlib import Path

import pytest

from ui.cli import DEFAULT_FOLLOWER, main


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The sentence that the command refuses with."""
    assert main([str(word) for word in words]) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that the command ends with."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        ("plya", ("duet: expected a command, got plya. Did you mean play?", "`duet --help`")),
        ("play --leder x", ("duet play: expected an option", "got --leder. Did you mean --leader?", "`duet play --he")),
        ("play --leader a.npz --sconds=3", ("got --sconds. Did you mean --seconds?",)),
        ("play", ("duet play: expected --leader, got none. For example: `duet play --leader camera:0",)),
        ("play --leader a.npz --seconds soon", ("--seconds: expected a number, got 'soon'",)),
        ("play --leader a.npz --stage moon", ("--stage: expected one of studio, club, black, clear, got 'moon'",)),
        ("demo --seed", ("--seed: expected a value, got none",)),
        ("demo again", ("duet demo: expected nothing more, got again.",)),
        ("calibrate stge", ("duet calibrate: expected a command, got stge. Did you mean stage?",)),
        ("bench", ("duet bench: expected one of beats,", "got none")),
        ("--xyzzyq", ("duet: expected an option that it has, got --xyzzyq. For example",)),
    ],
)  # fmt: skip
def test_a_slip_is_one_line_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str], words: str, sentences: tuple[str, ...]
) -> None:
    said = ended(capsys, *words.split())
    assert all(sentence in said for sentence in sentences), said


def test_options_may_still_be_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    assert "absent.bvh" in refused(capsys, "play", "--leader", "absent.bvh", "--headl", "--rep", "/proc/no.json")


def test_the_bare_command_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "duet play --leader camera:0" in capsys.readouterr().out


@pytest.fixture
def take(tmp_path: Path) -> Path:
    """What must not be lost."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"the only one")
    return path


@pytest.mark.parametrize("option", ["--report", "--log", "--out"])
def test_a_performance_writes_over_nothing_that_it_reads(
    capsys: pytest.CaptureFixture[str], take: Path, option: str
) -> None:
    said = refused(capsys, "play", "--leader", take, "--headless", "--seconds", 1, option, take)
    assert f"{option} {take}: expected a file of its own to write, got what --leader names." in said
    said = refused(capsys, "demo", "--cues", take, "--headless", "--seconds", 1, option, take)
    assert "got what --cues names" in said
    assert take.read_bytes() == b"the only one"


def test_by_whatever_name_the_file_goes(capsys: pytest.CaptureFixture[str], tmp_path: Path, take: Path) -> None:
    linked, hard = tmp_path / "linked.npz", tmp_path / "hard.npz"
    linked.symlink_to(take)
    os.link(take, hard)
    (tmp_path / "sub").mkdir()
    for other in (linked, hard, tmp_path / "sub" / ".." / "film.mp4"):
        for leader, log in ((take, other), (other, take)):
            said = refused(capsys, "play", "--leader", leader, "--headless", "--seconds", 1, "--log", log)
            assert "expected a file of its own to write" in said
    said = refused(capsys, "play", "--leader", "a.npz", "--music", take, "--headless", "--save-motion", linked)
    assert "got what --music names" in said
    assert take.read_bytes() == b"the only one"


def test_a_log_has_a_file_of_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    same = tmp_path / "same.json"
    said = refused(capsys, "demo", "--headless", "--out", tmp_path / "a.mp4", "--report", same, "--log", same)
    assert "expected a file for each output, got one for --report and --log" in said


def test_nothing_is_written_into_a_follower(capsys: pytest.CaptureFixture[str]) -> None:
    contract = DEFAULT_FOLLOWER / "contract.json"
    before = contract.read_bytes()
    assert "--follower names" in refused(capsys, "demo", "--headless", "--report", contract)
    assert contract.read_bytes() == before


def test_neither_do_those_that_look_back(capsys: pytest.CaptureFixture[str], tmp_path: Path, take: Path) -> None:
    session = tmp_path / "friday"
    session.mkdir()
    sight = session / "sight.mp4"
    sight.write_bytes(b"seen")
    for words, option, what in (
        (("film", "a.npz", "--music", take), "--out", take),
        (("film", take, "--sheet", tmp_path / "a.png"), "--out", take),
        (("film", session), "--out", sight),
        (("replay", session), "--out", sight),
    ):
        assert f"{option} {what}: expected a file of its own" in refused(capsys, *words, option, what)
    # A new file in a session's folder takes nobody's place.
    assert "expected a file of its own" not in refused(capsys, "film", session, "--out", session / "film.mp4")
    dance = tmp_path / "dance.bvh"
    dance.write_bytes(b"a take")
    assert "VIDEO_OR_CAMERA names" in refused(capsys, "record-take", dance, "--out", dance)
    assert (take.read_bytes(), sight.read_bytes(), dance.read_bytes()) == (b"the only one", b"seen", b"a take")
