"""``duet-lab finish``: a follower beside the run's, with its release, its bank and its noise."""

from functools import partial
from pathlib import Path

import pytest
import torch

from duet.errors import InputError
from export.cli import main
from models.data.corpus import Corpus
from models.follower import load_follower
from models.release import read_release
from models.training import finish_stage
from models.training.bank_stage import fitting_bank


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, corpus: Corpus) -> None:
    """A corpus of one short couple in place of all that is in the data."""
    monkeypatch.setattr("models.data.corpus.build_corpus", lambda *_, **__: corpus)
    monkeypatch.setattr(finish_stage, "Sharpening", partial(finish_stage.Sharpening, window_tokens=8, batch=2))


def test_it_keeps_all_but_the_decoder(run: Path, small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "finished"
    given = ["finish", str(run), "--data", ".", "--out", str(out), "--threads", "1"]
    assert main([*given, "--steps", "1", "--temperature", "1,0.5,0"]) == 0
    before, after = load_follower(run / "best"), load_follower(out / "best")
    assert after.config.sampler.temperature == (1.0, 0.5, 0.0)
    for name in ("denoiser", "memory", "forecaster"):
        mine, theirs = getattr(after, name).state_dict(), getattr(before, name).state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in mine.items()), name
    release = read_release(out / "best")
    assert release.command.endswith("--seed 0 --temperature 1,0.5,0 --steps 1")
    # The bank's values were made by the same encoder: it fits the finished codec, and not the former any more.
    fitting_bank(out / "best" / release.bank, after.codec, after.config)
    with pytest.raises(InputError, match="expected a bank of this follower's codec"):
        fitting_bank(out / "best" / release.bank, before.codec, before.config)
    assert "before:" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["warm", "0.5,", "-1,1,1", "nan,1,1", "3,3,3"])
def test_temperatures_that_are_none_are_refused(run: Path, tmp_path: Path, text: str, capsys):
    given = ["finish", str(run), "--data", ".", "--out", str(tmp_path / "out"), f"--temperature={text}"]
    assert main(given) == 2
    assert "expected" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_run_is_not_overwritten(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["finish", str(run), "--data", ".", "--out", str(run)]) == 2
    assert "expected another folder" in capsys.readouterr().err
