"""``--record`` and ``duet replay`` as a user meets them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from realtime.sessions.session_file import SESSION_FILE
from ui.cli import main

GOLDEN = Path(__file__).resolve().parents[1] / "replay" / "golden"


def cut(folder: Path, share: float) -> Path:
    """The beginning of the golden session."""
    folder.mkdir()
    data = (GOLDEN / SESSION_FILE).read_bytes()
    (folder / SESSION_FILE).write_bytes(data[: int(len(data) * share)])
    return folder


@pytest.mark.parametrize("extra", [(), ("--paced",)])
def test_a_session_that_was_cut_off_says_so_and_dances(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...]
) -> None:
    folder = cut(tmp_path / "s", 0.1)
    assert main(["replay", str(folder), "--save-motion", str(tmp_path / "again.npz"), *extra]) in (0, 1)
    told = " ".join(capsys.readouterr().err.split())
    assert "cut or damaged" in told and "Danced" in told and "Wrote" in told
    with np.load(tmp_path / "again.npz") as motion:
        assert len(motion["time_s"]) > 20


@pytest.mark.usefixtures("opengl")
def test_a_session_becomes_a_film(tmp_path: Path) -> None:
    from tests.films import read_back

    film = tmp_path / "s.mp4"
    assert main(["replay", str(cut(tmp_path / "s", 0.07)), "--out", str(film), "--size", "128x96"]) in (0, 1)
    assert read_back(film).seconds > 1.0


def test_a_session_in_which_nobody_danced_makes_no_film_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film, folder = tmp_path / "s.mp4", cut(tmp_path / "s", 0.004)
    assert main(["replay", str(folder)]) == 0
    assert "Danced 0.0 s again: 0 ticks" in " ".join(capsys.readouterr().err.split())
    assert main(["replay", str(folder), "--out", str(film)]) == 2, "a script would take an old film for this one"
    assert "obody" in capsys.readouterr().err and not film.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("absent",), "expected a session, got: No such file"),
        ((str(GOLDEN), "--out", "film.avi"), "expected a name ending in .mp4"),
        ((str(GOLDEN), "--size", "9"), "expected WxH"),
        ((str(GOLDEN), "--follower", "absent"), "expected a follower folder"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert main(["replay", *arguments]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert said in message and "Traceback" not in message


@pytest.mark.usefixtures("opengl")
def test_a_recorded_demo_is_danced_again_to_the_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "night"
    play = ["demo", "--headless", "--seconds", "3", "--size", "64x64", "--record", str(folder)]
    film = ["--out", str(tmp_path / "film.mp4")]
    code = main([*play, *film])
    told = " ".join(capsys.readouterr().err.split())
    if code == 2 and "expected ticks of at most" in told:
        pytest.skip(f"this machine is too slow to dance: {told}")
    assert code == 0 and "Recorded" in told
    assert [p.name for p in folder.iterdir()] == [SESSION_FILE]
    assert main(["replay", str(folder)]) == 0
    assert "equal to the bit" in " ".join(capsys.readouterr().err.split())
    # It is never written over.
    assert main([*play, *film]) == 2
    assert "without a session" in " ".join(capsys.readouterr().err.split())
    shutil.rmtree(folder)
