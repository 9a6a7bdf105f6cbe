"""``duet-lab distil`` and ``duet-lab calls``: a student with a release of its own, and what does not fit."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.features import Placement
from export.cli import main
from export.provenance import BOUND_DATA
from models.config import XS
from models.data.corpus import Corpus
from models.data.music import condition_from_beats
from models.data.pairs import Pair
from models.data.sequences import CLEAN, build_sequence
from models.data.sources import SOURCES
from models.evaluation.closed_loop import Example
from models.follower import load_follower, random_follower, save_follower
from models.release import Release, read_release
from models.training import distil_stage
from models.training.settings import Settings, read_settings, write_settings


@pytest.fixture
def teacher(release: Release, tmp_path: Path) -> Path:
    save_follower(random_follower(XS), tmp_path / "run" / "best")
    replace(release, bank="").write(tmp_path / "run" / "best")
    return tmp_path / "run"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Example:
    """A corpus of one short couple, and a schedule of one step."""
    couple, rng = choreograph_tempo(3.0, 180.0, 2), np.random.default_rng(0)
    beats = np.arange(0.0, 3.0, 1.0 / 3.0)
    pair = Pair("dance", couple.leader, couple.follower, beats)
    conditions = condition_from_beats(beats, pair.frames, 30.0, rng)
    sequence = build_sequence(pair, conditions, XS, style=0, wish=Placement(), corruption=CLEAN, rng=rng)
    example = Example(pair.slice(0, 44), sequence.take.slice(0, 44))
    monkeypatch.setattr("models.data.corpus.build_corpus", lambda *_, **__: Corpus([sequence], [sequence], [example]))
    schedule = replace(distil_stage.SCHEDULE, judge_every=1, own_count=1, own_ticks=4)
    monkeypatch.setattr(distil_stage, "SCHEDULE", schedule)
    how = replace(distil_stage.LEARNING, stretches=2, stretch_tokens=8, windows=2)
    monkeypatch.setattr(distil_stage, "LEARNING", how)
    monkeypatch.setattr("models.data.couples.recorded_couples", lambda *_: [pair])
    monkeypatch.setattr("models.evaluation.closed_loop.example_of", lambda _: example)
    return example


def test_a_student_has_a_release_and_stands_in_the_table(teacher: Path, tiny: Example, tmp_path: Path, capsys):
    out = tmp_path / "fast"
    assert main(["distil", str(teacher), "--out", str(out), "--data", ".", "--steps", "1", "--teacher-calls", "2"]) == 0
    student, release = load_follower(out / "best"), read_release(out / "best")
    assert student.config.denoiser.folded_guidance and student.config.sampler.calls == 2
    assert release.name == "trial-fast"
    assert release.command.endswith("--calls 2 --seed 0 --teacher-calls 2 --steps 1")
    arguments = ["--data", ".", "--only", "ddim:2", "--seeds", "1", "--json", str(tmp_path / "calls.json")]
    assert main(["calls", str(teacher), "--student", str(out), *arguments]) == 0
    rows = json.loads((tmp_path / "calls.json").read_text())
    assert list(rows) == ["trial ddim x2", "trial-fast ddim x1", "trial-fast ddim x2"]
    assert "| trial-fast ddim x1 |" in capsys.readouterr().out


def test_a_student_tells_of_its_teachers_data_and_of_its_own(
    teacher: Path, tiny: Example, several: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Whether the teacher is named by its folder or by that of its best weights."""
    write_settings(teacher, Settings(), {"datasets": ["dd100"]})
    out, given = tmp_path / "fast", ["--data", str(several), "--steps", "1", "--teacher-calls", "2"]
    assert main(["distil", str(teacher / "best"), "--out", str(out), *given, "--dataset", "interdance"]) == 0
    release = read_release(out / "best")
    assert {name for name, source in SOURCES.items() if source.licence in release.training_data} == {
        "dd100",
        "interdance",
    }
    assert BOUND_DATA in release.licence and release.command.endswith("--steps 1 --dataset interdance")
    assert read_settings(out)["origin"]["start_settings"] == read_settings(teacher)
    assert main(["distil", str(teacher / "best"), "--out", str(teacher), *given]) == 2
    assert "expected another folder than the teacher's" in capsys.readouterr().err


def test_only_the_first_process_prints_and_releases(teacher: Path, tiny: Example, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    out = tmp_path / "fast"
    assert main(["distil", str(teacher), "--out", str(out), "--data", ".", "--steps", "1", "--teacher-calls", "2"]) == 0
    assert not (out / "best" / "release.json").exists() and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["distil", "RUN", "--out", "fast", "--calls", "3"], "--calls: expected 1 or 2, got 3"),
        (["distil", "RUN", "--out", "fast", "--teacher-calls", "1"], "--teacher-calls: expected at least 2, got 1"),
        (["distil", "RUN", "--out", "RUN"], "--out: expected another folder than the teacher's"),
        (["distil", "nowhere", "--out", "fast"], "nowhere: expected follower.json in it, got none"),
        (["calls", "RUN", "--only", "ddim:3"], "--only: expected some of ddim:1, ddim:2"),
        (["calls", "nowhere"], "nowhere: expected release.json in it, got none"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(teacher: Path, arguments: list[str], message: str, capsys):
    assert main([str(teacher) if word == "RUN" else word for word in arguments] + ["--data", "."]) == 2
    assert message in capsys.readouterr().err
