"""``duet-lab finish``: a follower beside the run's, with its release, its bank and its noise."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from duet.errors import InputError
from export.cli import main
from export.provenance import FREE_DATA
from models.data.corpus import Corpus, Multiplication
from models.data.couples import Couples
from models.data.sources import SOURCES
from models.follower import load_follower
from models.release import read_release
from models.training import finish_stage
from models.training.bank_stage import fitting_bank
from models.training.settings import Settings, read_settings, write_settings


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


@pytest.mark.parametrize(
    ("of_run", "given", "asked", "taken"),
    [
        (["dd100"], "", [], ("dd100",)),
        (["dd100"], "best", [], ("dd100",)),
        (["dd100"], "best", ["--dataset", "interdance"], ("interdance",)),
        ([], "", [], ("cmu",)),
    ],
)
def test_the_couples_are_those_of_the_run_unless_others_are_named(
    run: Path, several: Path, small: None, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    of_run: list[str], given: str, asked: list[str], taken: tuple[str, ...],
):  # fmt: skip
    read: list[tuple[Couples, Multiplication]] = []

    def build(couples: Couples, *_: object, how: Multiplication, **__: object) -> Corpus:
        read.append((couples, how))
        return corpus

    monkeypatch.setattr("models.data.corpus.build_corpus", build)
    folder, out = tmp_path / "run", tmp_path / "finished"
    shutil.copytree(run, folder)
    how = Multiplication(copies=2)
    write_settings(folder, Settings(multiply=how), {"datasets": of_run})
    words = ["finish", str(folder / given), "--data", str(several), "--out", str(out), "--steps", "1", "--threads", "1"]
    assert main([*words, *asked]) == 0
    assert read == [(Couples(several, taken), how)]
    # How to repeat it says whose couples they were, where that does not follow from the run.
    release = read_release(out / "best")
    assert release.command.endswith(" ".join(["--steps 1", *asked]))
    origin = read_settings(out)["origin"]
    assert origin["datasets"] == of_run and origin["finished"] == [["--seed", "0", "--steps", "1", *asked]]
    # Its card names the data of both.
    learned = {name for name, source in SOURCES.items() if source.licence in release.training_data}
    assert learned == {*of_run, *taken} and (FREE_DATA in release.licence) == (learned == {"cmu"})


def test_a_follower_finished_twice_tells_of_both(run: Path, several: Path, small: None, tmp_path: Path):
    folder, once, twice = tmp_path / "run", tmp_path / "once", tmp_path / "twice"
    shutil.copytree(run, folder)
    write_settings(folder, Settings(), {"datasets": ["cmu"]})
    for before, out, seed in ((folder, once, "3"), (once, twice, "4")):
        words = ["finish", str(before), "--data", str(several), "--out", str(out), "--steps", "1", "--threads", "1"]
        assert main([*words, "--seed", seed]) == 0
    told = read_release(twice / "best").command.split(" && ")
    assert [command.split()[1] for command in told] == ["train", "finish", "finish"]
    assert told[1:] == [
        "duet-lab finish RUN-1-1 --data DATA --out RUN-1 --seed 3 --steps 1",
        "duet-lab finish RUN-1 --data DATA --out RUN --seed 4 --steps 1",
    ]


@pytest.mark.parametrize("text", ["warm", "0.5,", "-1,1,1", "nan,1,1", "3,3,3"])
def test_temperatures_that_are_none_are_refused(run: Path, tmp_path: Path, text: str, capsys):
    given = ["finish", str(run), "--data", ".", "--out", str(tmp_path / "out"), f"--temperature={text}"]
    assert main(given) == 2
    assert "expected" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_run_is_not_overwritten(run: Path, capsys: pytest.CaptureFixture[str]):
    for given in (run, run / "best"):
        assert main(["finish", str(given), "--data", ".", "--out", str(run)]) == 2
        assert "expected another folder" in capsys.readouterr().err
