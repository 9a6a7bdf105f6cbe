"""``duet-lab choreograph``: both dancers or one of them, the same seed the same take, and one sentence for the rest."""

from pathlib import Path

import numpy as np
import pytest

from duet.choreography import compose
from duet.motion import read_motion
from export.cli import main


def test_a_couple_is_written_and_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "couple.npz"
    assert main(["choreograph", "--seconds", "5", "--seed", "7", "--tempo", "170", "--out", str(out)]) == 0
    assert "5.0 s of salsa at 170 BPM, seed 7" in capsys.readouterr().out.replace("\n", " ")
    wanted = compose("salsa", 5.0, 170.0, 7)
    for role in ("leader", "follower"):
        take = read_motion(out, dancer=role)
        assert (take.frames, take.fps) == (150, 30.0)
        assert np.abs(take.joints_m - getattr(wanted, role).joints_m).max() < 1e-4


def test_one_dancer_of_another_kind(tmp_path: Path):
    out = tmp_path / "walk.bvh"
    arguments = ["choreograph", "--seconds", "4", "--kind", "walk", "--tempo", "110", "--role", "leader"]
    assert main([*arguments, "--out", str(out)]) == 0
    take = read_motion(out)
    wanted = compose("walk", 4.0, 110.0, 0).leader
    assert np.abs(take.joints_m - wanted.joints_m).max() < 2e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "4", "--out", "couple.bvh"], "--out: expected a name in .npz for --role couple"),
        (["--seconds", "4", "--role", "crowd", "--out", "a.npz"], "--role: expected one of couple, leader, follower"),
        (["--seconds", "4", "--kind", "tango", "--out", "a.npz"], "Kind: expected one of salsa, walk"),
        (["--seconds", "-1", "--out", "a.npz"], "expected a number above 0, got '-1'"),
        (["--seconds", "3601", "--out", "a.npz"], "--seconds: expected at most 3600, got 3601"),
        (["--seconds", "4", "--seed", str(2**63), "--out", "a.npz"], "expected a whole number below 2^63"),
        (["--seconds", "4", "--seed", "9" * 5000, "--out", "a.npz"], "below 2^63, got one of 5000 digits"),
        (["--seconds", "4", "--tempo", "900", "--out", "a.npz"], "expected beats 0.2 to 1.2 s apart"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence_and_nothing_is_written(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert main(["choreograph", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
