"""``duet-lab prepare`` on a folder of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.rotations import six_d_from_matrix
from export.cli import main
from models.data.sources import SOURCES


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One solo of FineDance, and one that is a single frame."""
    monkeypatch.setenv("COLUMNS", "200")
    dancer = choreograph_tempo(6.0, 180.0, 1).leader
    matrices = np.broadcast_to(np.eye(3), (dancer.frames, 52, 3, 3)).copy()
    matrices[:, :22] = dancer.rotations
    six = six_d_from_matrix(np.swapaxes(matrices, -1, -2)).reshape(dancer.frames, -1)
    folder = tmp_path / "data" / "motion"
    folder.mkdir(parents=True)
    held = np.concatenate([dancer.root_m, six], axis=1)
    np.save(folder / "001.npy", held)
    np.save(folder / "002.npy", held[:1])
    return tmp_path / "data"


def test_takes_are_listed_and_kept(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "motion" / "002.npy").unlink()
    assert main(["prepare", "--data", str(data), "--cache", str(tmp_path / "c"), "--explain"]) == 0
    said = capsys.readouterr().out
    assert "finedance-001" in said
    assert "y up" in said
    assert "FineDance (ICCV 2023): non-commercial" in said
    assert "Up is y, as stated: the median direction" in said
    assert f"1 takes, 6 s, kept in {tmp_path / 'c'}" in said
    assert "finedance: solos, measured and kept, to be loaded in Python (models.data.prepare.load_solos)." in said
    assert "Training takes couples." in said
    assert "Next: duet-lab train" not in said
    assert "How far they go in a frame, cm" in said and "furthest joint" in said
    assert len(list((tmp_path / "c").rglob("*.npz"))) == 1


def test_a_take_that_cannot_be_used_is_said_and_the_others_kept(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--data", str(data), "--cache", str(tmp_path / "c")]) == 2
    said = capsys.readouterr()
    assert "refused finedance-002: expected at least 4 s, got 1 frame of the leader at 30 fps" in said.out
    assert "finedance-001" in said.out
    assert said.err.startswith("duet-lab: 1 of 2 takes: expected all to be usable")
    assert len(list((tmp_path / "c").rglob("*.npz"))) == 1


def test_a_cache_that_cannot_be_written_is_one_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c").write_text("a file")
    assert main(["prepare", "--data", str(data), "--cache", str(tmp_path / "c")]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "make room for it" in error


@pytest.mark.parametrize(
    ("folder", "train"), [("cmu_salsa", "train --out runs/salsa"), ("elsewhere", "train --dataset cmu --out runs/cmu")]
)
def test_training_is_next_for_couples(
    folder: str, train: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = tmp_path / "data" / folder
    at.mkdir(parents=True)
    (at / "60_01.bvh").touch()
    (at / "61_01.bvh").touch()
    danced = choreograph_tempo(6.0, 180.0, 3)
    dancers = {"leader": danced.leader, "follower": danced.follower}
    monkeypatch.setitem(SOURCES, "cmu", replace(SOURCES["cmu"], read=lambda _: (dancers, [])))
    assert main(["prepare", "--data", str(tmp_path / "data"), "--cache", str(tmp_path / "c")]) == 0
    said = capsys.readouterr().out
    assert f"Next: duet-lab {train}" in said
    assert "solos" not in said
